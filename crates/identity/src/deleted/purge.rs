//! The job that removes deleted objects for good when their 30 days are over.

use futures::{FutureExt as _, future::BoxFuture};
use hilum_audit::Actor;
use hilum_storage::{
    db::WriteTx,
    jobs::{JobError, JobHandler, JobOutcome, RunningJob, Schedule},
};
use jiff::SignedDuration;

use super::{KEPT_FOR, forget, sql};
use crate::{Identity, IdentityError, Stamp};

/// Removes what was deleted long enough ago.
pub(crate) struct PurgeDeleted(pub(crate) Identity);

impl PurgeDeleted {
    const KIND: &'static str = "identity.purge_deleted";
    /// When it is due.
    pub(crate) const SCHEDULE: Schedule = Schedule { kind: Self::KIND, every: SignedDuration::from_hours(6) };
}

impl JobHandler for PurgeDeleted {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn run<'a>(&'a self, job: &'a RunningJob) -> BoxFuture<'a, Result<JobOutcome, JobError>> {
        async move {
            while !job.is_cancelled() {
                let purged = self.0.purge_deleted().await;
                if purged.map_err(|error| JobError::Temporary(error.into()))? == 0 {
                    break;
                }
            }
            Ok(JobOutcome::Done)
        }
        .boxed()
    }
}

impl Identity {
    /// Removes some of what was deleted over 30 days ago, in one transaction, and says how many.
    pub(crate) async fn purge_deleted(&self) -> Result<usize, IdentityError> {
        let actor = Actor { display: Some("retention".to_owned()), ..Actor::default() };
        self.0.db.write(self.stamp(&actor), |tx, stamp| purge(tx, stamp).boxed()).await
    }
}

async fn purge(tx: &mut WriteTx, stamp: &Stamp) -> Result<usize, IdentityError> {
    let kept_ms = i64::try_from(KEPT_FOR.as_millis()).unwrap_or(i64::MAX);
    let mut purged = 0;
    for (tenant, object) in sql::due(tx, stamp.at_ms.saturating_sub(kept_ms)).await? {
        // One that was deleted with another one may have gone with it just now.
        if sql::find(tx, tenant, object.id).await?.is_some() {
            forget(tx, tenant, &object, stamp).await?;
            purged += 1;
        }
    }
    Ok(purged)
}
