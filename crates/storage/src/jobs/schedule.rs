//! Work that comes again and again: each repetition is a job row of its own, made when the one before ended.

use std::sync::Arc;

use futures::{FutureExt as _, future::BoxFuture};
use hilum_kernel::{Clock, JobId};
use jiff::{SignedDuration, Timestamp};

use super::{JobError, JobHandler, JobOutcome, NewJob, RunningJob, queue};
use crate::db::{Db, DbError, WriteTx};

/// The dedup key of all scheduled jobs: one of a kind waits or runs at any time, however many nodes there are.
pub(super) const SCHEDULED: &str = "schedule";

/// A scheduled job is tried until it succeeds.
const ATTEMPTS_MAX: u32 = u32::MAX;

/// One kind of work that comes again and again. It gets no payload.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// The handler's kind.
    pub kind: &'static str,
    /// The pause between the end of one run and the next.
    pub every: SignedDuration,
}

impl Schedule {
    /// Makes sure that a run is waiting, no later than one pause from now.
    pub(super) async fn ensure(&self, tx: &mut WriteTx, id: JobId, now: Timestamp) -> Result<(), DbError> {
        let due = self.next(now);
        let job = self.job(due).map_err(|_| DbError::Schema("a schedule that is no JSON".to_owned()))?;
        if queue::enqueue(tx, id, now, &job).await? != id {
            queue::bring_forward(tx, self.kind, SCHEDULED, due.as_millisecond()).await?;
        }
        Ok(())
    }

    fn next(&self, now: Timestamp) -> Timestamp {
        now.checked_add(self.every).unwrap_or(Timestamp::MAX)
    }

    fn job(&self, due: Timestamp) -> Result<NewJob, JobError> {
        let job = NewJob::new(self.kind, &())?;
        Ok(job.deduplicated_by(SCHEDULED).due_at(due).tried_at_most(ATTEMPTS_MAX))
    }
}

/// Removes the rows of jobs that ended long ago.
pub struct PurgeFinished {
    /// Where they are.
    pub db: Db,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How long a finished job can be asked about.
    pub keep: SignedDuration,
}

impl PurgeFinished {
    /// The handler's kind.
    pub const KIND: &'static str = "storage.purge_jobs";
}

impl JobHandler for PurgeFinished {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn run<'a>(&'a self, job: &'a RunningJob) -> BoxFuture<'a, Result<JobOutcome, JobError>> {
        async move {
            let ended_before =
                self.clock.now().checked_sub(self.keep).map_err(|error| JobError::Permanent(error.into()))?;
            loop {
                let removed = self.db.write(ended_before, |tx, time| queue::purge(tx, *time).boxed()).await?;
                if removed == 0 || job.is_cancelled() {
                    return Ok(JobOutcome::Done);
                }
            }
        }
        .boxed()
    }
}
