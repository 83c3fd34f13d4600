//! What can go wrong with the database, seen by its callers.

use thiserror::Error;

/// A database failure.
#[derive(Debug, Error)]
pub enum DbError {
    /// A unique constraint forbids the row: the caller decides what that means to the client.
    #[error("a row with the same key exists (constraint {constraint})")]
    Duplicate {
        /// The constraint's name on PostgreSQL, the columns on SQLite.
        constraint: String,
    },
    /// The database cannot be reached, is shutting down, or its disk is full. Trying again may help.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// The transaction could not even be begun: nothing was done for certain.
    #[error("the database could not be asked")]
    NotBegun(#[source] sqlx::Error),
    /// More writes are waiting than the queue may hold. Trying again later will help.
    #[error("the database is busy")]
    Busy,
    /// Two transactions got into each other's way more often than we retry.
    #[error("the transaction was in conflict with others")]
    Conflict(#[source] sqlx::Error),
    /// A column is missing or of another type than the code expects.
    #[error("column {column} cannot be read")]
    Column {
        /// Its position in the statement.
        column: usize,
        /// The driver's words.
        #[source]
        source: sqlx::Error,
    },
    /// A stored value does not parse as what it must be.
    #[error("column {column} holds a value that is none of its kind")]
    Corrupt {
        /// Its position in the statement.
        column: usize,
    },
    /// The database was written by a newer or altered program.
    #[error("the database's schema does not fit this program: {0}")]
    Schema(String),
    /// The configuration names a database that cannot be used.
    #[error("the database cannot be used: {0}")]
    Configuration(String),
    /// Anything else: a bug in a statement, mostly.
    #[error("a statement failed")]
    Statement(#[source] sqlx::Error),
    /// A piece of work panicked inside a transaction, which was rolled back.
    #[error("the work inside a transaction panicked")]
    Panicked,
}

impl DbError {
    /// Whether the same request may succeed when sent again a little later (HTTP: 503).
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::NotBegun(_) | Self::Busy | Self::Conflict(_))
    }

    /// Says of a failure to begin that it was one.
    pub(super) fn not_begun(self) -> Self {
        match self {
            Self::Unavailable(source) | Self::Conflict(source) | Self::Statement(source) => {
                Self::NotBegun(source)
            }
            other => other,
        }
    }

    /// Whether a failed write has left nothing for certain. Otherwise its commit may have reached the database although
    /// its answer did not reach us.
    pub fn is_undone(&self) -> bool {
        matches!(self, Self::NotBegun(_) | Self::Busy | Self::Duplicate { .. })
    }

    /// Whether another transaction's interference is the reason, so that the work should run again.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(database) = &error else {
            return match error {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
                other => Self::Statement(other),
            };
        };
        if database.is_unique_violation() {
            let constraint = database.constraint().unwrap_or_else(|| database.message()).to_owned();
            return Self::Duplicate { constraint };
        }
        match database.code().as_deref() {
            // PostgreSQL: serialisation failure, deadlock.
            Some("40001" | "40P01") => Self::Conflict(error),
            // PostgreSQL classes 08 (connection), 53 (resources), 57 (operator intervention).
            Some(code) if code.len() == 5 && ["08", "53", "57"].iter().any(|c| code.starts_with(c)) => {
                Self::Unavailable(error)
            }
            // SQLite primary result codes (the low byte): BUSY 5, LOCKED 6, IOERR 10, FULL 13, CANTOPEN 14, READONLY 8.
            Some(code) if code.parse::<u32>().is_ok_and(|c| matches!(c & 0xff, 5 | 6 | 8 | 10 | 13 | 14)) => {
                Self::Unavailable(error)
            }
            _ => Self::Statement(error),
        }
    }
}
