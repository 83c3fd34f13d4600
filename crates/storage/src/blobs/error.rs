//! What can go wrong with blobs, seen by their callers.

use std::{error::Error, io};

use thiserror::Error;

use super::BlobKey;

/// A failure of the blob store.
#[derive(Debug, Error)]
pub enum BlobError {
    /// There is no such blob.
    #[error("there is no blob {key}")]
    NotFound {
        /// The key asked for.
        key: BlobKey,
    },
    /// Local files only: a blob of this key is there and was left as it is. Keys are never used twice.
    #[error("there is a blob {key} already")]
    AlreadyExists {
        /// The key that was to be written.
        key: BlobKey,
    },
    /// The blob ends before the range asked for does.
    #[error("the blob {key} is shorter than the range asked for")]
    Truncated {
        /// The key asked for.
        key: BlobKey,
    },
    /// More than [`super::READ_BYTES_MAX`] were to be read at once; a stream has no such limit.
    #[error("{bytes} bytes are too many to be read at once")]
    TooLarge {
        /// How many were asked for.
        bytes: u64,
    },
    /// The disk is full or the quota used up (HTTP: 507).
    #[error("the disk is full")]
    Full(#[source] Box<dyn Error + Send + Sync>),
    /// The disk or the bucket did not do what it was asked for. Trying again may help (HTTP: 503).
    #[error("the blob store is not available")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The text is no blob key.
    #[error("the blob key is not valid: {0}")]
    InvalidKey(&'static str),
    /// The configuration names a store that cannot be used.
    #[error("the blob store cannot be used: {0}")]
    Configuration(String),
}

impl BlobError {
    /// Whether the same call may succeed a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Unavailable(_))
    }

    /// Tells what a failed system call means for a blob.
    pub(super) fn of_file(key: &BlobKey, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound { key: key.clone() },
            io::ErrorKind::AlreadyExists => Self::AlreadyExists { key: key.clone() },
            _ => error.into(),
        }
    }

    /// Tells what a bucket's answer means for a blob.
    pub(super) fn of_object(key: &BlobKey, error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound { key: key.clone() },
            other => Self::Unavailable(other.into()),
        }
    }
}

impl From<io::Error> for BlobError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(error.into()),
            _ => Self::Unavailable(error.into()),
        }
    }
}
