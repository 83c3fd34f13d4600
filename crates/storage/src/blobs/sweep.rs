//! The orphan sweep: removes blobs that no row names.
//!
//! A crash between writing a blob and committing its row leaves an orphan, and so does a client that hangs up. A
//! young blob may belong to a transaction still on its way, so only what is older than a grace is looked at.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp, tz::Offset};
use object_store::path::Path;

use super::{Backend, BlobError, BlobKey, Blobs, blocking, key::INSTANCES, staging};

/// The grace before a blob without a row counts as an orphan: far longer than any store or copy takes.
pub const SWEEP_GRACE: SignedDuration = SignedDuration::from_hours(24);
/// How many keys are asked about at once.
pub const SWEEP_BATCH: usize = 500;
/// Deletions under way at once.
const DELETES_MAX: usize = 8;
/// Beyond so many days the whole store is listed instead of each day's folder.
const DAYS_MAX: usize = 400;

/// What to sweep.
#[derive(Debug, Clone)]
pub struct SweepOptions {
    /// The present.
    pub now: Timestamp,
    /// What was written in this span before `now` is left alone: [`SWEEP_GRACE`].
    pub grace: SignedDuration,
    /// Leaves out what was stored before the day of this time, because an earlier sweep has been there.
    pub since: Option<Timestamp>,
    /// How many keys are asked about at once: [`SWEEP_BATCH`].
    pub batch: usize,
}

impl SweepOptions {
    /// The usual sweep of the whole store.
    pub fn at(now: Timestamp) -> Self {
        Self { now, grace: SWEEP_GRACE, since: None, batch: SWEEP_BATCH }
    }
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs old enough to be asked about.
    pub checked: u64,
    /// Orphans removed.
    pub deleted: u64,
    /// Files whose names are none of ours: left alone.
    pub foreign: u64,
    /// Left-over staging files removed.
    pub staged_deleted: u64,
}

/// Removes orphans, stale staging files and empty folders. `referenced` tells which of some keys a row names.
///
/// Memory is bounded by the batch. Fit to be stopped at any time and run again.
///
/// # Errors
/// The listing's, or those of `referenced`; a blob that cannot be removed is logged and left to the next sweep.
pub async fn sweep<E, F, Fut>(blobs: &Blobs, options: &SweepOptions, mut referenced: F) -> Result<Swept, E>
where
    E: From<BlobError>,
    F: FnMut(Vec<BlobKey>) -> Fut,
    Fut: Future<Output = Result<HashSet<BlobKey>, E>>,
{
    let mut swept = Swept::default();
    let cutoff = options
        .now
        .checked_sub(options.grace)
        .map_err(|_| BlobError::Configuration("the grace of the sweep is too long".to_owned()))?;
    for prefix in prefixes(options.since, cutoff) {
        // The listing is 'static: it owns its handle on the store.
        let mut listing = blobs.0.listing.list(Some(&prefix)).ready_chunks(options.batch.max(1));
        let mut batch = Vec::new();
        while let Some(objects) = listing.next().await {
            for object in objects {
                let object = match object {
                    Ok(object) => object,
                    // Removed while we were listing: by a delete, or by another node's sweep.
                    Err(object_store::Error::NotFound { .. }) => continue,
                    Err(error) => return Err(BlobError::Unavailable(error.into()).into()),
                };
                if object.last_modified.timestamp_millis() > cutoff.as_millisecond() {
                    continue;
                }
                match BlobKey::parse(object.location.as_ref()) {
                    Ok(key) => batch.push(key),
                    Err(_) => swept.foreign += 1,
                }
            }
            if batch.len() >= options.batch {
                remove_orphans(blobs, std::mem::take(&mut batch), &mut referenced, &mut swept).await?;
            }
        }
        remove_orphans(blobs, batch, &mut referenced, &mut swept).await?;
    }
    swept.staged_deleted = remove_leftovers(blobs, cutoff).await?;
    Ok(swept)
}

async fn remove_orphans<E, F, Fut>(
    blobs: &Blobs,
    keys: Vec<BlobKey>,
    referenced: &mut F,
    swept: &mut Swept,
) -> Result<(), E>
where
    F: FnMut(Vec<BlobKey>) -> Fut,
    Fut: Future<Output = Result<HashSet<BlobKey>, E>>,
{
    if keys.is_empty() {
        return Ok(());
    }
    swept.checked += keys.len() as u64;
    let named = referenced(keys.clone()).await?;
    let orphans = keys.into_iter().filter(|key| !named.contains(key));
    let deleted = stream::iter(orphans)
        .map(|key| async move {
            let outcome = blobs.delete(&key).await;
            if let Err(error) = &outcome {
                tracing::warn!(%key, error = error as &dyn std::error::Error, "an orphan was not removed");
            }
            u64::from(outcome.is_ok())
        })
        .buffer_unordered(DELETES_MAX)
        .fold(0, |sum, one| std::future::ready(sum + one))
        .await;
    swept.deleted += deleted;
    Ok(())
}

async fn remove_leftovers(blobs: &Blobs, cutoff: Timestamp) -> Result<u64, BlobError> {
    let since_epoch = u64::try_from(cutoff.as_second()).unwrap_or(0);
    let unchanged_since = SystemTime::UNIX_EPOCH + Duration::from_secs(since_epoch);
    let blobs = blobs.clone();
    blocking(move || {
        if let Backend::Local(local) = &blobs.0.backend {
            local.remove_empty_folders(INSTANCES, unchanged_since)?;
        }
        Ok(staging::remove_stale(&blobs.0.staging, unchanged_since)?)
    })
    .await
}

/// What to list: everything, or one folder for each day.
fn prefixes(since: Option<Timestamp>, cutoff: Timestamp) -> Vec<Path> {
    let whole = || vec![Path::from(INSTANCES)];
    let Some(since) = since else { return whole() };
    let (mut day, last) = (Offset::UTC.to_datetime(since).date(), Offset::UTC.to_datetime(cutoff).date());
    let mut days = Vec::new();
    while day <= last {
        if days.len() == DAYS_MAX {
            return whole();
        }
        days.push(Path::from(format!("{INSTANCES}/{:04}{:02}{:02}", day.year(), day.month(), day.day())));
        let Ok(next) = day.tomorrow() else { break };
        day = next;
    }
    days
}
