//! Stores (STOW-RS, PS3.18 §10.5): new instances in every round, a sample of them retrieved afterwards.

use super::{
    Amount, Expected, Goal, Scenario, Volume, Work,
    library::{Shared, store_request},
    retrieve,
};
use crate::{
    corpus::{Address, Kind},
    load::Request,
    server::Server,
};

/// Stores of one row.
struct Store {
    library: Shared,
    kind: Kind,
    /// Which set of the corpus is this row's own.
    set: u64,
    per_request: u64,
    requests: u64,
}

impl Store {
    fn addresses(&self, round: u64, n: u64) -> Vec<Address> {
        let first = (round * self.requests + n) * self.per_request;
        (first..first + self.per_request).map(|index| self.kind.at(self.set, index)).collect()
    }
}

impl Work for Store {
    fn request(&self, server: &Server, round: u64, n: u64) -> Option<Request> {
        (n < self.requests).then(|| store_request(server, &self.library.corpus, &self.addresses(round, n)))
    }

    fn checks(&self, server: &Server, round: u64) -> Vec<(Request, Expected)> {
        let sample = [0, self.requests / 2, self.requests - 1].map(|n| self.addresses(round, n));
        let check = |at: Address| {
            let (path, accept, expected) = retrieve::instance(&self.library, at);
            (Request::get(server.path(&path), accept), expected)
        };
        sample.into_iter().filter_map(|addresses| addresses.last().copied()).map(check).collect()
    }
}

/// The rows of stores.
pub(super) fn scenarios(library: &Shared, volume: Volume) -> Vec<Scenario> {
    let rows = [
        ("store/ct/c1", "store 527 KB, one per request, concurrency 1", Kind::Ct, 1, 1, 300),
        ("store/ct/c4", "store 527 KB, one per request, concurrency 4", Kind::Ct, 4, 1, 600),
        ("store/ct/c16", "store 527 KB, one per request, concurrency 16", Kind::Ct, 16, 1, 800),
        ("store/ct-20/c16", "store 527 KB, 20 per request, concurrency 16", Kind::Ct, 16, 20, 48),
        ("store/small/c4", "store 10 KB, one per request", Kind::Small, 4, 1, 2_000),
    ];
    let row = |(set, (id, title, kind, concurrency, per_request, requests)): (u64, _)| {
        let requests = match volume {
            Volume::Full => requests,
            Volume::Quick => requests / 3,
        };
        Scenario {
            id,
            title,
            concurrency,
            units_per_request: per_request,
            amount: Amount::Requests(requests),
            goal: Goal::Ratio(2.5),
            work: Box::new(Store { library: library.clone(), kind, set, per_request, requests }),
        }
    };
    (library.first_store_set..).zip(rows).map(row).collect()
}
