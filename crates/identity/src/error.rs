//! What can go wrong with an operation, in words its caller can act on.
//!
//! The protocol's own errors (RFC 6749 §5.2) are another type, `oauth::OAuthError`.

use hilum_jose::{CertificateError, KeyError, SealError};
use hilum_storage::db::DbError;
use thiserror::Error;

/// The failure of an operation on the directory.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// Nothing has this name.
    #[error("{kind} '{name}' does not exist")]
    NotFound {
        /// What was looked for, e.g. `application`.
        kind: &'static str,
        /// The name as the caller gave it.
        name: String,
    },
    /// Several things have this name, and one was meant.
    #[error("more than one {kind} is named '{name}'")]
    Ambiguous {
        /// What was looked for.
        kind: &'static str,
        /// The name as the caller gave it.
        name: String,
    },
    /// Something else has what must be unique.
    #[error("another object with the same value for property {property} already exists")]
    Conflict {
        /// The property in Graph's spelling.
        property: &'static str,
    },
    /// A value breaks a rule.
    #[error("invalid value specified for property '{property}': {reason}")]
    Invalid {
        /// The property in Graph's spelling.
        property: String,
        /// Which rule, in a sentence for people.
        reason: String,
    },
    /// A list was asked for in a way that is not supported. The text is for the caller.
    #[error("{0}")]
    UnsupportedQuery(String),
    /// Something is referenced already that should be added: an owner, a member.
    #[error("one or more added object references already exist for the property '{property}'")]
    Referenced {
        /// The property in Graph's spelling.
        property: &'static str,
    },
    /// The object is no longer as its reader saw it.
    #[error("the object was changed meanwhile")]
    Changed,
    /// More than an object may hold. The text is for the caller.
    #[error("{0}")]
    SizeExceeded(String),
    /// The database holds no tenant: `hilum init` or a first start must come before.
    #[error("there is no tenant yet")]
    NotInitialised,
    /// Rotating now would sign with a key that data services may not know yet.
    #[error("the next signing key was published less than 24 hours ago")]
    KeyTooFresh,
    /// A certificate cannot be used.
    #[error("the certificate cannot be used")]
    Certificate(#[from] CertificateError),
    /// A signing key cannot be made or used.
    #[error("a signing key cannot be made or used")]
    Key(#[from] KeyError),
    /// The current signing key does not open: the database belongs to another master key.
    #[error("the master key is not the one this database was made with")]
    WrongMasterKey,
    /// A value at rest cannot be sealed or opened.
    #[error("a value at rest cannot be sealed or opened")]
    Seal(#[from] SealError),
    /// A password could not be hashed.
    #[error("a password could not be hashed")]
    Password,
    /// The program is stopping.
    #[error("the work was cut off")]
    Interrupted,
    /// The caller may not: it would give more than the caller has.
    #[error("insufficient privileges to complete the operation: {0}")]
    Denied(String),
    /// The token endpoint's rules refuse (`acquire_token_for_client`). The text starts with the `AADSTS` code.
    #[error("{0}")]
    Refused(String),
    /// The database failed.
    #[error("the database failed")]
    Db(#[from] DbError),
}

impl IdentityError {
    pub(crate) fn not_found(kind: &'static str, name: impl ToString) -> Self {
        Self::NotFound { kind, name: name.to_string() }
    }

    pub(crate) fn invalid(property: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { property: property.into(), reason: reason.into() }
    }
}

/// Gives a violated unique constraint its meaning.
pub(crate) trait OnDuplicate<T> {
    fn on_duplicate(self, property: &'static str) -> Result<T, IdentityError>;
}

impl<T> OnDuplicate<T> for Result<T, DbError> {
    fn on_duplicate(self, property: &'static str) -> Result<T, IdentityError> {
        self.map_err(|error| match error {
            DbError::Duplicate { .. } => IdentityError::Conflict { property },
            other => other.into(),
        })
    }
}
