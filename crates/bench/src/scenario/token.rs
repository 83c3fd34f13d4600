//! Tokens by the client credentials grant (RFC 6749 §4.4). Only Hilum gives any.

use super::{Amount, Expected, Goal, Scenario, Work};
use crate::{load::Request, server::Server};

struct Tokens;

impl Work for Tokens {
    fn request(&self, server: &Server, _: u64, _: u64) -> Option<Request> {
        server.token_request()
    }

    fn checks(&self, server: &Server, _: u64) -> Vec<(Request, Expected)> {
        server.token_request().map(|request| (request, Expected::Token)).into_iter().collect()
    }
}

/// The row of tokens.
pub(super) fn scenario() -> Scenario {
    Scenario {
        id: "token/client-credentials",
        title: "client-credential tokens",
        concurrency: 4,
        units_per_request: 1,
        amount: Amount::Time,
        goal: Goal::PerSecond(1_800.0),
        work: Box::new(Tokens),
    }
}
