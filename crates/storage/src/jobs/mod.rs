//! The durable job queue: work that outlives the request that asked for it.
//!
//! A job is a row written in the caller's own transaction ([`enqueue`]), so it exists exactly when the change that
//! needs it does. Workers of any node claim due jobs under a lease and renew it while they run; when a node dies,
//! the lease runs out and another node takes the job over. So a job runs **at least once**: handlers must be fit
//! to run again over their own traces, and may note how far they came with [`RunningJob::save_checkpoint`].

mod queue;
mod schedule;
mod sql;
#[cfg(test)]
mod tests;
mod worker;

use std::{error::Error, fmt, str::FromStr};

use hilum_kernel::JobId;
use jiff::Timestamp;
use serde::Serialize;
use thiserror::Error;

pub use queue::{cancel, depth, enqueue, purge, status};
pub use schedule::{PurgeFinished, Schedule};
pub use sql::MIGRATIONS;
pub use worker::{JobHandler, JobOutcome, JobSignal, RunningJob, Worker, WorkerOptions};

#[cfg(any(test, feature = "contract"))]
pub(crate) use queue::{Claim, claim};
#[cfg(any(test, feature = "contract"))]
pub(crate) use sql::ALL as STATEMENTS;

use crate::{blobs::BlobError, db::DbError};

/// The largest payload, checkpoint or result. What is larger belongs into a table or a blob.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// How often a job is tried unless it says otherwise. With the pauses in between that is about an hour and a half.
const ATTEMPTS_MAX: i64 = 10;

/// A job to be enqueued.
#[derive(Debug, Clone)]
pub struct NewJob {
    kind: &'static str,
    payload: String,
    dedup_key: Option<String>,
    run_at: Option<Timestamp>,
    attempts_max: i64,
}

impl NewJob {
    /// A job of a kind, due at once.
    ///
    /// # Errors
    /// Where the payload is no JSON or larger than [`PAYLOAD_BYTES_MAX`].
    pub fn new(kind: &'static str, payload: &impl Serialize) -> Result<Self, JobError> {
        Ok(Self { kind, payload: json(payload)?, dedup_key: None, run_at: None, attempts_max: ATTEMPTS_MAX })
    }

    /// Enqueues nothing while another job of this kind and key waits or runs.
    #[must_use]
    pub fn deduplicated_by(self, key: impl Into<String>) -> Self {
        Self { dedup_key: Some(key.into()), ..self }
    }

    /// Runs it no earlier than this.
    #[must_use]
    pub fn due_at(self, time: Timestamp) -> Self {
        Self { run_at: Some(time), ..self }
    }

    /// How often it is tried before it counts as failed.
    #[must_use]
    pub fn tried_at_most(self, attempts: u32) -> Self {
        Self { attempts_max: i64::from(attempts.max(1)), ..self }
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Waits for its time, or for a worker.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Done.
    Succeeded,
    /// Given up.
    Failed,
    /// Somebody asked for it to stop.
    Cancelled,
}

impl JobState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more will happen to it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is none of the five states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no such state of a job")]
pub struct InvalidJobState;

impl FromStr for JobState {
    type Err = InvalidJobState;

    fn from_str(text: &str) -> Result<Self, InvalidJobState> {
        [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(InvalidJobState)
    }
}

/// What is known of a job.
#[derive(Debug, Clone)]
pub struct JobStatus {
    /// Its identifier.
    pub id: JobId,
    /// What kind of work it is.
    pub kind: String,
    /// What it was enqueued with, as JSON.
    pub payload: String,
    /// Where it stands.
    pub state: JobState,
    /// How often it was begun.
    pub attempts: i64,
    /// How much is done, 0 to 100.
    pub progress: i64,
    /// Why the last attempt failed, for operators only: it may tell of the inside.
    pub last_error: Option<String>,
    /// What it had to say at its end, as JSON.
    pub result: Option<String>,
    /// When it is or was due.
    pub run_at: Timestamp,
    /// When it was enqueued.
    pub created: Timestamp,
    /// When its row last changed.
    pub updated: Timestamp,
}

/// How much is in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueDepth {
    /// Due and waiting for a worker.
    pub due: i64,
    /// Due later.
    pub later: i64,
    /// Being worked on.
    pub running: i64,
}

/// Why a job did not succeed.
#[derive(Debug, Error)]
pub enum JobError {
    /// Trying again later may help.
    #[error("the job failed for now")]
    Temporary(#[source] Box<dyn Error + Send + Sync>),
    /// Trying again will not help.
    #[error("the job failed for good")]
    Permanent(#[source] Box<dyn Error + Send + Sync>),
    /// The handler stopped because [`RunningJob::cancelled`] told it to: it runs again, unless it was cancelled.
    #[error("the job was interrupted")]
    Interrupted,
    /// Payload, checkpoint or result are larger than [`PAYLOAD_BYTES_MAX`].
    #[error("the job's payload is too large")]
    PayloadTooLarge,
}

impl From<DbError> for JobError {
    fn from(error: DbError) -> Self {
        Self::Temporary(error.into())
    }
}

impl From<BlobError> for JobError {
    fn from(error: BlobError) -> Self {
        Self::Temporary(error.into())
    }
}

fn json(value: &impl Serialize) -> Result<String, JobError> {
    let text = serde_json::to_string(value).map_err(|error| JobError::Permanent(error.into()))?;
    if text.len() > PAYLOAD_BYTES_MAX { Err(JobError::PayloadTooLarge) } else { Ok(text) }
}
