//! The re-index: goes through the instances that were stored before a tag was added, in the order of their keys.
//!
//! After each page it notes how far it came. A page that is done twice leaves the same rows ([`super`]), so a node may die
//! at any moment.

use std::collections::HashSet;

use futures::{FutureExt as _, future::BoxFuture};
use hilum_kernel::{InstanceKey, SeriesKey, StudyKey, Watermark};
use hilum_storage::{
    db::{Row, WriteTx},
    jobs::{JobError, JobHandler, JobOutcome, RunningJob},
};
use serde::{Deserialize, Serialize};

use super::{
    Status, TagSet, sql,
    values::{Extracted, extract, unreadable},
    write::{Gathered, Placed},
};
use crate::{
    archive::Archive,
    index::{self, metadata},
};

/// The kind of its jobs.
pub(crate) const KIND: &str = "dicom.reindex";

/// What a job is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The keys of the tags.
    pub(crate) tags: Vec<i64>,
    /// The last instance that was stored without them.
    pub(crate) through: i64,
}

/// How far a job came.
#[derive(Debug, Serialize, Deserialize)]
struct Checkpoint {
    after: i64,
}

/// Indexes what is stored under tags that are being added.
pub(crate) struct Reindex(pub(crate) Archive);

impl JobHandler for Reindex {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn run<'a>(&'a self, job: &'a RunningJob) -> BoxFuture<'a, Result<JobOutcome, JobError>> {
        self.reindex(job).boxed()
    }
}

impl Reindex {
    async fn reindex(&self, job: &RunningJob) -> Result<JobOutcome, JobError> {
        let archive = &self.0.0;
        let order: Order = job.payload()?;
        let mut after = job.checkpoint::<Checkpoint>()?.map_or(0, |checkpoint| checkpoint.after);
        let mut set = TagSet::load(&mut archive.db.read().await?).await?;
        set.tags.retain(|tag| tag.status == Status::Adding && order.tags.contains(&tag.key));
        let set = std::sync::Arc::new(set);
        while !set.tags.is_empty() {
            if job.is_cancelled() {
                return Err(JobError::Interrupted);
            }
            let arguments = [after.into(), order.through.into()];
            let rows = archive.db.read().await?.fetch_all(sql::UNINDEXED, &arguments).await?;
            let Some(last) = rows.last() else { break };
            let range = (after, last.int(0)?);
            let tags = std::sync::Arc::clone(&set);
            let found = tokio::task::spawn_blocking(move || look_through(&tags, &rows)).await;
            let found = found.map_err(|error| JobError::Temporary(error.into()))??;
            let input = (found, range, archive.clock.now_ms());
            let written = archive
                .db
                .write(input, |tx, (found, range, now_ms)| write(tx, found, *range, *now_ms).boxed());
            written.await?;
            after = range.1;
            let percent = after.saturating_mul(100).checked_div(order.through).unwrap_or(100);
            job.set_progress(u8::try_from(percent).unwrap_or(99).min(99));
            job.save_checkpoint(&Checkpoint { after }).await?;
        }
        let keys: Vec<i64> = set.tags.iter().map(|tag| tag.key).collect();
        archive.db.write(keys, |tx, keys| complete(tx, keys).boxed()).await?;
        archive.tags.refresh(&archive.db).await;
        Ok(JobOutcome::Done)
    }
}

/// What each instance of a page has.
fn look_through(set: &TagSet, rows: &[Row]) -> Result<Vec<(Placed, Extracted)>, JobError> {
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let placed = Placed {
            instance: InstanceKey::new(row.int(0)?),
            study: StudyKey::new(row.int(1)?),
            series: SeriesKey::new(row.int(2)?),
            watermark: Watermark::new(row.int(3)?),
        };
        // A damaged instance is one more error of the tag, and stops no other.
        let extracted = match metadata::decompress(&row.blob(4)?) {
            Ok(json) => extract(set, &json),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "stored metadata cannot be read");
                unreadable(set)
            }
        };
        found.push((placed, extracted));
    }
    Ok(found)
}

/// Writes a page. Instances that were removed meanwhile leave nothing: removals wait for the same row.
async fn write(
    tx: &mut WriteTx,
    found: &[(Placed, Extracted)],
    (after, last): (i64, i64),
    now_ms: i64,
) -> Result<(), JobError> {
    tx.fetch_optional(index::sql::TAKE, &[0_i64.into(), 0_i64.into()]).await?;
    let rows = tx.fetch_all(sql::STILL_THERE, &[after.into(), last.into()]).await?;
    let there: HashSet<i64> = rows.iter().map(|row| row.int(0)).collect::<Result<_, _>>()?;
    let mut gathered = Gathered::default();
    for (placed, extracted) in found {
        if there.contains(&placed.instance.get()) {
            gathered.add(*placed, extracted.clone());
        }
    }
    Ok(gathered.write(tx, now_ms).await?)
}

async fn complete(tx: &mut WriteTx, keys: &[i64]) -> Result<(), JobError> {
    tx.fetch_optional(sql::RAISE_VERSION, &[]).await?;
    for key in keys {
        tx.execute(sql::COMPLETE, &[(*key).into()]).await?;
    }
    Ok(())
}
