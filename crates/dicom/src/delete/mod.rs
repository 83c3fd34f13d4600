//! Delete studies, series and instances (Azure: Delete; fact sheet §8).
//!
//! Invisible with the commit; the files go later, so that a mistake can be mended from a backup of the database.

pub(crate) mod http;
pub(crate) mod purge;

#[cfg(test)]
mod tests;

use futures::FutureExt as _;
use hilum_access::{Delete, Permit};
use hilum_audit::{Action, Event, Outcome};
use hilum_storage::db::{DbError, WriteTx};
use hilum_web::RequestContext;

use crate::{
    archive::{Archive, DEFAULT_PARTITION, event},
    error::{DicomError, Missing},
    index::{
        lookup::Target,
        remove::{self, Removal},
    },
};

/// Removes what the target names, all of it or nothing.
///
/// # Errors
/// [`DicomError::NotFound`] when there is nothing to remove.
pub(crate) async fn delete(
    archive: &Archive,
    permit: &Permit<Delete>,
    context: &RequestContext,
    target: Target,
) -> Result<(), DicomError> {
    let at = archive.0.clock.now();
    let missing = match &target {
        Target::Study(_) => Missing::Study,
        Target::Series(..) => Missing::Series,
        Target::Instance(..) => Missing::Instance,
    };
    let mut event = event(Action::InstancesDeleted, Outcome::Success, permit.caller(), context);
    event.target = Some(target.path());
    let removal = Removal {
        partition: DEFAULT_PARTITION,
        at,
        purge_due_ms: at.as_millisecond().saturating_add(archive.0.settings.purge_after_ms),
    };
    let removed = archive
        .0
        .db
        .write((removal, target, event), |tx, (removal, target, event)| {
            remove_and_record(tx, *removal, target, event).boxed()
        })
        .await?;
    if removed == 0 {
        return Err(DicomError::NotFound(missing));
    }
    archive.0.feed.tell();
    Ok(())
}

async fn remove_and_record(
    tx: &mut WriteTx,
    removal: Removal,
    target: &Target,
    event: &Event,
) -> Result<u64, DbError> {
    let removed = remove::remove(tx, removal, target).await?;
    let mut event = event.clone();
    event.detail = Some(format!("instances={removed}"));
    if removed == 0 {
        event.outcome = Outcome::Refused;
    }
    hilum_audit::record(tx, removal.at.as_millisecond(), &event).await?;
    Ok(removed)
}
