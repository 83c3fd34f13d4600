//! Background work on files: those of removed instances go when their time has come, orphans are swept.

use std::collections::HashSet;

use futures::{FutureExt as _, future::BoxFuture};
use hilum_storage::{
    blobs::{BlobKey, SweepOptions, sweep},
    jobs::{JobError, JobHandler, JobOutcome, RunningJob, Schedule},
};

use crate::{
    archive::Archive,
    error::DicomError,
    index::{lookup, remove},
};

/// How often due files are looked for.
const PURGE_EVERY: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);
/// How often the whole store is compared with the index.
const SWEEP_EVERY: jiff::SignedDuration = jiff::SignedDuration::from_hours(6);

/// Removes the files of instances that were deleted long enough ago.
pub(crate) struct Purge(pub(crate) Archive);

impl Purge {
    pub(crate) const KIND: &'static str = "dicom.purge";

    pub(crate) const SCHEDULE: Schedule = Schedule { kind: Self::KIND, every: PURGE_EVERY };

    /// Removes up to 100 due files; tells how many there were.
    pub(crate) async fn purge_some(&self) -> Result<usize, DicomError> {
        let archive = &self.0.0;
        let due = {
            let mut tx = archive.db.read().await?;
            remove::due(&mut tx, archive.clock.now_ms()).await?
        };
        // The files first: a crash in between finds them gone the next time, which is no error.
        let mut gone = Vec::with_capacity(due.len());
        let mut failed = None;
        for purge in due {
            let deleted = match BlobKey::parse(&purge.blob_key) {
                Ok(key) => archive.blobs.delete(&key).await,
                Err(error) => Err(error),
            };
            match deleted {
                Ok(()) => gone.push(purge.watermark),
                Err(error) => failed = Some(error),
            }
        }
        let count = gone.len();
        if count > 0 {
            archive.db.write(gone, |tx, gone| remove::purged(tx, gone).boxed()).await?;
        }
        // One file that cannot be removed stops no other.
        failed.map_or(Ok(count), |error| Err(error.into()))
    }
}

impl JobHandler for Purge {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn run<'a>(&'a self, job: &'a RunningJob) -> BoxFuture<'a, Result<JobOutcome, JobError>> {
        async move {
            while !job.is_cancelled() && self.purge_some().await.map_err(temporary)? > 0 {}
            Ok(JobOutcome::Done)
        }
        .boxed()
    }
}

/// Removes files that no row names: what crashes and broken uploads leave.
pub(crate) struct OrphanSweep(pub(crate) Archive);

impl OrphanSweep {
    pub(crate) const KIND: &'static str = "dicom.sweep";

    pub(crate) const SCHEDULE: Schedule = Schedule { kind: Self::KIND, every: SWEEP_EVERY };

    pub(crate) async fn sweep(&self) -> Result<u64, DicomError> {
        let archive = &self.0.0;
        let options = SweepOptions::at(archive.clock.now());
        let swept = sweep(&archive.blobs, &options, async |keys: Vec<BlobKey>| {
            let mut tx = archive.db.read().await?;
            let texts: Vec<&str> = keys.iter().map(BlobKey::as_str).collect();
            let named = lookup::named_blobs(&mut tx, &texts).await?;
            Ok::<HashSet<BlobKey>, DicomError>(
                named.iter().map(|text| BlobKey::parse(text)).collect::<Result<_, _>>()?,
            )
        })
        .await?;
        if swept.deleted > 0 {
            tracing::info!(deleted = swept.deleted, checked = swept.checked, "orphaned files were removed");
        }
        Ok(swept.deleted)
    }
}

impl JobHandler for OrphanSweep {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn run<'a>(&'a self, _job: &'a RunningJob) -> BoxFuture<'a, Result<JobOutcome, JobError>> {
        async move { self.sweep().await.map(|_| JobOutcome::Done).map_err(temporary) }.boxed()
    }
}

fn temporary(error: DicomError) -> JobError {
    match error {
        DicomError::Db(error) => error.into(),
        DicomError::Blob(error) => error.into(),
        other => JobError::Temporary(Box::new(other)),
    }
}
