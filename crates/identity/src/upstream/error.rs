//! Why nobody is signed in through a provider.

use thiserror::Error;

use crate::IdentityError;

/// A refusal, with the provider's name in the configuration: what is shown of it holds nothing that the provider or the browser
/// could choose, but for the subject of an identity that is proven.
#[derive(Debug, Error)]
pub(crate) enum UpstreamError {
    /// No such provider in the configuration (any more).
    #[error("there is no such provider")]
    UnknownProvider,
    /// Unreachable, too slow, or answers nonsense.
    #[error("the provider {0} does not answer")]
    Away(String),
    /// Too many people are at the provider.
    #[error("too many sign-ins through {0} are under way")]
    Busy(String),
    /// `access_denied`.
    #[error("the provider {0} let nobody in")]
    Denied(String),
    /// Any other error the provider sent.
    #[error("the provider {0} refused")]
    Refused(String),
    /// The answer is not the provider's, not for us, or not for this sign-in.
    #[error("the answer of {0} proves nothing")]
    NotProven(String),
    /// The application wants a sign-in of just now.
    #[error("the sign-in at {0} is too old")]
    NotFresh(String),
    /// Nobody here belongs to who signed in there.
    #[error("the identity at {name} is not linked")]
    NotLinked { name: String, issuer: String, subject: String },
    /// An account fits, but it must not be taken by an e-mail address.
    #[error("the identity at {name} can only be linked by an administrator")]
    ExplicitOnly { name: String, issuer: String, subject: String },
    #[error("the account is disabled")]
    Disabled,
    #[error("the sign-in could not be checked")]
    Unavailable(#[source] IdentityError),
}

impl UpstreamError {
    /// Entra's number, for the trail and the page.
    pub(crate) const fn code(&self) -> u32 {
        match self {
            Self::UnknownProvider => 50_107,
            Self::Away(_) | Self::Refused(_) => 50_166,
            Self::Busy(_) => 90_055,
            Self::Denied(_) => 50_088,
            Self::NotProven(_) => 50_027,
            Self::NotFresh(_) => 70_044,
            Self::NotLinked { .. } | Self::ExplicitOnly { .. } => 50_020,
            Self::Disabled => 50_057,
            Self::Unavailable(_) => 50_000,
        }
    }
}

impl<E: Into<IdentityError>> From<E> for UpstreamError {
    fn from(error: E) -> Self {
        Self::Unavailable(error.into())
    }
}
