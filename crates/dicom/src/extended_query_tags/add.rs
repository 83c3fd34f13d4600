//! Adding tags: they take part in stores at once; searching by them waits for the re-index.

use futures::FutureExt as _;
use hilum_access::{Manage, Permit};
use hilum_audit::{Action, Event, Outcome};
use hilum_kernel::JobId;
use hilum_storage::{
    db::{DbError, WriteTx},
    jobs::{self, NewJob},
};
use hilum_web::RequestContext;

use super::{
    TAGS_MAX, TagError,
    entry::NewTag,
    path,
    reindex::{self, Order},
    sql,
};
use crate::archive::{Archive, event};

/// What the transaction needs.
struct Addition {
    tags: Vec<NewTag>,
    operation: JobId,
    at: jiff::Timestamp,
    event: Event,
}

/// Adds tags and starts the re-index; its operation comes back.
///
/// # Errors
/// [`TagError::Exists`], [`TagError::TooMany`], or [`TagError::Reindexing`] while another re-index is under way.
pub(crate) async fn add(
    archive: &Archive,
    permit: &Permit<Manage>,
    context: &RequestContext,
    tags: Vec<NewTag>,
) -> Result<JobId, TagError> {
    let mut event = event(Action::ExtendedQueryTagsChanged, Outcome::Success, permit.caller(), context);
    event.target = Some(tags.iter().map(|new| path(new.tag)).collect::<Vec<_>>().join(" "));
    event.detail = Some("added".to_owned());
    let operation = JobId::new(archive.0.random.uuid());
    let addition = Addition { tags, operation, at: archive.0.clock.now(), event };
    archive.0.db.write(addition, |tx, addition| in_transaction(tx, addition).boxed()).await?;
    archive.0.jobs.wake();
    archive.0.tags.refresh(&archive.0.db).await;
    Ok(operation)
}

async fn in_transaction(tx: &mut WriteTx, addition: &Addition) -> Result<(), TagError> {
    // Locked first: what was stored up to `through` is visible, what comes later sees the tags.
    let row = tx.fetch_optional(sql::RAISE_VERSION, &[]).await?;
    let row = row.ok_or_else(|| DbError::Schema("the watermark sequence is missing".to_owned()))?;
    let through = row.int(0)?;
    let mut keys = Vec::with_capacity(addition.tags.len());
    for new in &addition.tags {
        let values = [
            path(new.tag).into(),
            new.vr.to_string().into(),
            new.private_creator.clone().into(),
            (new.level as i64).into(),
            addition.operation.into(),
        ];
        let row = tx.fetch_optional(sql::ADD, &values).await?.ok_or(TagError::Exists)?;
        keys.push(row.int(0)?);
    }
    let count = tx.fetch_optional(sql::COUNT, &[]).await?.map_or(Ok(0), |row| row.int(0))?;
    if count > TAGS_MAX {
        return Err(TagError::TooMany);
    }
    let job = NewJob::new(reindex::KIND, &Order { tags: keys, through })?.deduplicated_by(reindex::KIND);
    let operation = jobs::enqueue(tx, addition.operation, addition.at, &job).await?;
    if operation != addition.operation {
        return Err(TagError::Reindexing { operation });
    }
    hilum_audit::record(tx, addition.at.as_millisecond(), &addition.event).await?;
    Ok(())
}
