//! The scenarios: what is asked, how hard, what must come of it, and how much faster than Orthanc it has to be.

mod check;
mod library;
mod retrieve;
mod search;
mod store;
mod token;

use std::sync::Arc;

use anyhow::Result;

pub(crate) use check::Expected;
pub(crate) use library::Library;

use crate::{load::Request, server::Server};

/// What a row is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    /// At least so many times as fast as Orthanc in the same run.
    Ratio(f64),
    /// At least so many in a second.
    PerSecond(f64),
    /// Finds what is there, which Orthanc does not.
    Correct,
    /// Measured for its own sake.
    None,
}

/// How long a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Amount {
    /// As many requests as fit into the time of one run.
    Time,
    /// So many requests in each round: for stores, which must not store anything twice.
    Requests(u64),
}

/// One row of the table.
pub(crate) struct Scenario {
    /// What `--only` looks at, such as `store/ct/c4`.
    pub(crate) id: &'static str,
    /// What the table says.
    pub(crate) title: &'static str,
    /// Connections at work.
    pub(crate) concurrency: usize,
    /// Instances in one request, for stores: rates are of instances then.
    pub(crate) units_per_request: u64,
    /// How long a run is.
    pub(crate) amount: Amount,
    /// What is aimed at.
    pub(crate) goal: Goal,
    /// What is asked.
    pub(crate) work: Box<dyn Work>,
}

/// What a scenario asks a server, and what must come back.
pub(crate) trait Work: Sync {
    /// The n-th request of a round; `None` where the server has nothing of the kind.
    fn request(&self, server: &Server, round: u64, n: u64) -> Option<Request>;

    /// Requests whose answers are checked, with what they must be. Made before the first round of reads and after
    /// each round of stores.
    fn checks(&self, server: &Server, round: u64) -> Vec<(Request, Expected)>;
}

impl Scenario {
    /// Whether it writes: then its answers can only be checked afterwards.
    pub(crate) fn stores(&self) -> bool {
        matches!(self.amount, Amount::Requests(_))
    }

    /// Checks a sample of answers; the error says what was wrong.
    pub(crate) fn check(&self, server: &Server, round: u64, library: &Library) -> Result<()> {
        for (request, expected) in self.work.checks(server, round) {
            expected.check(&server.fetch(request)?, &library.corpus)?;
        }
        Ok(())
    }
}

/// How much the store scenarios store in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Volume {
    /// Enough for figures.
    Full,
    /// Enough for a smoke test.
    Quick,
}

/// All scenarios, reads first: stores make the archive larger than the reads' figures are meant for.
pub(crate) fn all(library: &Arc<Library>, volume: Volume) -> Vec<Scenario> {
    let mut scenarios = search::scenarios(library);
    scenarios.extend(retrieve::scenarios(library));
    scenarios.push(token::scenario());
    scenarios.extend(store::scenarios(library, volume));
    scenarios
}

/// The item that a cyclic run asks for as its n-th.
fn nth<T>(items: &[T], n: u64) -> Option<&T> {
    let count = u64::try_from(items.len()).ok().filter(|&count| count > 0)?;
    items.get(usize::try_from(n % count).ok()?)
}
