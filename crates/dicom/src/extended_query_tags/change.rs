//! Switching searches by a tag on and off, and removing tags.

use dicom_core::Tag;
use futures::{FutureExt as _, future::BoxFuture};
use hilum_access::{Manage, Permit};
use hilum_audit::{Action, Event, Outcome};
use hilum_kernel::JobId;
use hilum_storage::{
    db::{Sql, WriteTx},
    jobs::{self, JobError, JobHandler, JobOutcome, NewJob, RunningJob},
};
use hilum_web::RequestContext;
use serde::{Deserialize, Serialize};

use super::{ExtendedTag, QueryStatus, Status, TagError, path, sql};
use crate::archive::{Archive, event};

/// Lets searches by a tag through, or not.
pub(crate) async fn set_query_status(
    archive: &Archive,
    permit: &Permit<Manage>,
    context: &RequestContext,
    (tag, status): (Tag, QueryStatus),
) -> Result<ExtendedTag, TagError> {
    let mut event = described(permit, context, tag);
    event.detail = Some(format!("queryStatus={status:?}"));
    let input = (tag, status, event, archive.0.clock.now_ms());
    let set = archive.0.db.write(input, |tx, (tag, status, event, now_ms)| {
        async move {
            tx.execute(sql::SET_QUERY_STATUS, &[path(*tag).into(), (*status as i64).into()]).await?;
            let row = tx.fetch_optional(sql::FIND, &[path(*tag).into()]).await?;
            let row = row.ok_or_else(|| TagError::NotFound(path(*tag)))?;
            hilum_audit::record(tx, *now_ms, event).await?;
            Ok::<_, TagError>(ExtendedTag::of(&row)?)
        }
        .boxed()
    });
    set.await
}

struct Removal {
    tag: Tag,
    cleaning: JobId,
    at: jiff::Timestamp,
    event: Event,
}

/// Removes a tag at once; what was found under it goes in the background.
///
/// # Errors
/// [`TagError::Busy`] while its re-index is under way.
pub(crate) async fn remove(
    archive: &Archive,
    permit: &Permit<Manage>,
    context: &RequestContext,
    tag: Tag,
) -> Result<(), TagError> {
    let mut event = described(permit, context, tag);
    event.detail = Some("removed".to_owned());
    let cleaning = JobId::new(archive.0.random.uuid());
    let removal = Removal { tag, cleaning, at: archive.0.clock.now(), event };
    archive.0.db.write(removal, |tx, removal| in_transaction(tx, removal).boxed()).await?;
    archive.0.jobs.wake();
    archive.0.tags.refresh(&archive.0.db).await;
    Ok(())
}

async fn in_transaction(tx: &mut WriteTx, removal: &Removal) -> Result<(), TagError> {
    tx.fetch_optional(sql::RAISE_VERSION, &[]).await?;
    let path = path(removal.tag);
    let row = tx.fetch_optional(sql::FIND, &[path.clone().into()]).await?;
    let known = ExtendedTag::of(&row.ok_or_else(|| TagError::NotFound(path.clone()))?)?;
    if let (Status::Adding, Some(operation)) = (known.status, known.operation) {
        // One whose re-index was given up may go.
        if jobs::status(tx, operation).await?.is_some_and(|status| !status.state.is_final()) {
            return Err(TagError::Busy(path));
        }
    }
    tx.fetch_optional(sql::DELETE, &[path.into()]).await?;
    let job = NewJob::new(Cleaning::KIND, &Garbage { tag: known.key })?;
    jobs::enqueue(tx, removal.cleaning, removal.at, &job).await?;
    hilum_audit::record(tx, removal.at.as_millisecond(), &removal.event).await?;
    Ok(())
}

fn described(permit: &Permit<Manage>, context: &RequestContext, tag: Tag) -> Event {
    let mut event = event(Action::ExtendedQueryTagsChanged, Outcome::Success, permit.caller(), context);
    event.target = Some(path(tag));
    event
}

#[derive(Debug, Serialize, Deserialize)]
struct Garbage {
    tag: i64,
}

/// Empties the tables of a removed tag, a thousand rows at a time. Nobody reads them any more, and no key comes again.
pub(crate) struct Cleaning(pub(crate) Archive);

impl Cleaning {
    const KIND: &'static str = "dicom.clean_tag";
    const STEPS: [Sql; 3] = [sql::CLEAN_VALUES, sql::CLEAN_WORDS, sql::CLEAN_ERRORS];
}

impl JobHandler for Cleaning {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn run<'a>(&'a self, job: &'a RunningJob) -> BoxFuture<'a, Result<JobOutcome, JobError>> {
        async move {
            let Garbage { tag } = job.payload()?;
            for step in Self::STEPS {
                loop {
                    if job.is_cancelled() {
                        return Err(JobError::Interrupted);
                    }
                    let removed = self.0.0.db.write((step, tag), |tx, (step, tag)| {
                        async move { tx.execute(step, &[(*tag).into()]).await }.boxed()
                    });
                    if removed.await? == 0 {
                        break;
                    }
                }
            }
            Ok(JobOutcome::Done)
        }
        .boxed()
    }
}
