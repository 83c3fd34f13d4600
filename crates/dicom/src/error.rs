//! Every failure of the DICOM service and what the client is told: one table (fact: bodies are one plain sentence).
//!
//! Causes go to the log, once, here; the client reads only what it can mend.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use hilum_audit::AuditLost;
use hilum_storage::{blobs::BlobError, db::DbError};
use thiserror::Error;

use crate::{extended_query_tags::TagError, index::metadata::MetadataError, search::SearchError};

/// What a client should wait before it tries again, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// What of the archive was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The study.
    Study,
    /// The series.
    Series,
    /// The instance.
    Instance,
    /// The frame, or the instance has no pixel data.
    Frame,
    /// The operation.
    Operation,
}

/// A failed request.
#[derive(Debug, Error)]
pub enum DicomError {
    /// The request is wrong; the text says how.
    #[error("{0}")]
    Invalid(String),
    /// Search parameters are wrong.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// Extended query tags cannot be changed so.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// Nothing of that name.
    #[error("there is no such {0:?}")]
    NotFound(Missing),
    /// The Accept header admits nothing we have for the resource.
    #[error("The request headers are not acceptable")]
    NotAcceptable,
    /// As above, where no body is expected.
    #[error("the store response has no acceptable form")]
    NotAcceptableEmpty,
    /// The wanted form cannot be made of what is stored; the text says why.
    #[error("{0}")]
    CannotTranscode(String),
    /// The body's media type is none we store.
    #[error("{0}")]
    UnsupportedMediaType(String),
    /// The body is too large.
    #[error("The request exceeded the allowed limit of {limit} bytes.")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// Too much is going on; later is better.
    #[error("The service is busy. Please try again later.")]
    Busy,
    /// The database failed.
    #[error("the database failed")]
    Db(#[from] DbError),
    /// The blob store failed.
    #[error("the blob store failed")]
    Blob(#[from] BlobError),
    /// Stored metadata cannot be read.
    #[error("stored metadata cannot be read")]
    Metadata(#[from] MetadataError),
    /// The audit trail does not take events.
    #[error("the audit trail failed")]
    Audit(#[from] AuditLost),
    /// A state that cannot be.
    #[error("bug: {0}")]
    Bug(&'static str),
}

const UNAVAILABLE: &str = "The service is not available. Please try again later.";
const INTERNAL: &str = "The server met an error it did not expect.";

impl DicomError {
    /// The status and the sentence the client gets.
    pub(crate) fn wire(&self) -> (StatusCode, String) {
        match self {
            Self::Invalid(text) => (StatusCode::BAD_REQUEST, text.clone()),
            Self::Search(error) => match error {
                SearchError::Db(error) => of_db(error),
                other => (StatusCode::BAD_REQUEST, other.to_string()),
            },
            Self::Tag(error) => of_tag(error),
            Self::NotFound(missing) => {
                let what = match missing {
                    Missing::Study => "study",
                    Missing::Series => "series",
                    Missing::Instance => "instance",
                    Missing::Frame => "frame",
                    Missing::Operation => "operation",
                };
                (StatusCode::NOT_FOUND, format!("The specified {what} cannot be found."))
            }
            Self::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, self.to_string()),
            Self::NotAcceptableEmpty => (StatusCode::NOT_ACCEPTABLE, String::new()),
            Self::CannotTranscode(text) => (StatusCode::NOT_ACCEPTABLE, text.clone()),
            Self::UnsupportedMediaType(text) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, text.clone()),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, self.to_string()),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, self.to_string()),
            Self::Db(error) => of_db(error),
            Self::Blob(error) if error.is_transient() => {
                (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE.to_owned())
            }
            Self::Audit(_) => (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE.to_owned()),
            Self::Blob(_) | Self::Metadata(_) | Self::Bug(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL.to_owned())
            }
        }
    }
}

fn of_tag(error: &TagError) -> (StatusCode, String) {
    let status = match error {
        TagError::Invalid(_) | TagError::TooMany | TagError::Busy(_) => StatusCode::BAD_REQUEST,
        TagError::NotFound(_) => StatusCode::NOT_FOUND,
        TagError::Exists | TagError::Reindexing { .. } => StatusCode::CONFLICT,
        TagError::Db(error) => return of_db(error),
        TagError::Job(_) => return (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL.to_owned()),
    };
    (status, error.to_string())
}

fn of_db(error: &DbError) -> (StatusCode, String) {
    if error.is_transient() {
        (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE.to_owned())
    } else {
        (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL.to_owned())
    }
}

impl IntoResponse for DicomError {
    fn into_response(self) -> Response {
        let (status, text) = self.wire();
        if status.is_server_error() {
            tracing::error!(
                error = &self as &dyn std::error::Error,
                status = status.as_u16(),
                "request failed"
            );
        } else {
            tracing::debug!(status = status.as_u16(), "request refused");
        }
        let mut response = (status, text).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}
