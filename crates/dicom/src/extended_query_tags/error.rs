//! Why tags cannot be added, changed or removed, in the archived server's words.

use hilum_kernel::JobId;
use hilum_storage::{db::DbError, jobs::JobError};
use thiserror::Error;

use super::TAGS_MAX;

/// A refusal, or a failure of the database. `Display` is the body of the answer but for the last three.
#[derive(Debug, Error)]
pub enum TagError {
    /// 400: the request is wrong; the text says how.
    #[error("{0}")]
    Invalid(String),
    /// 400: there would be more than may be.
    #[error("Extended query tags exceeds max allowed count '{TAGS_MAX}'.")]
    TooMany,
    /// 400: the tag is being added.
    #[error(
        "The extended query tag '{0}' is being added and cannot be removed before its operation is over."
    )]
    Busy(String),
    /// 404.
    #[error("The specified extended query tag with tag path {0} cannot be found.")]
    NotFound(String),
    /// 409.
    #[error("One or more extended query tags already exist.")]
    Exists,
    /// 409: one at a time.
    #[error("There is already an active re-index operation with ID '{}'.", .operation.uuid().simple())]
    Reindexing {
        /// The one that runs.
        operation: JobId,
    },
    /// The database failed.
    #[error("the database failed")]
    Db(#[from] DbError),
    /// A job could not be made.
    #[error("a job could not be made")]
    Job(#[from] JobError),
}
