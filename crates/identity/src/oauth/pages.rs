//! Why a sign-in is refused, in words for the person.

use hilum_pages::{Message, Texts};
use http::StatusCode;

use crate::{
    sign_in::{FactorError, SignInError},
    upstream::UpstreamError,
    users::PasswordFault,
};

/// A refused second factor in words for people.
pub(crate) fn refused_factor(texts: Texts, error: &FactorError) -> (StatusCode, String) {
    let (status, text) = match error {
        FactorError::Locked { retry_after_s } => {
            let minutes = retry_after_s.div_ceil(60).max(1);
            (StatusCode::TOO_MANY_REQUESTS, texts.text("sign-in-refused-locked").with("minutes", minutes))
        }
        FactorError::Wrong | FactorError::Over | FactorError::Unavailable(_) => {
            (StatusCode::BAD_REQUEST, texts.text("second-factor-refused"))
        }
    };
    (status, text.to_string())
}

/// A refused sign-in in words for people.
pub(crate) fn refused(texts: Texts, error: &SignInError) -> (StatusCode, String) {
    let (status, text) = match error {
        SignInError::Locked { retry_after_s } | SignInError::TooManyAttempts { retry_after_s } => {
            let minutes = retry_after_s.div_ceil(60).max(1);
            (StatusCode::TOO_MANY_REQUESTS, texts.text("sign-in-refused-locked").with("minutes", minutes))
        }
        SignInError::Disabled => (StatusCode::FORBIDDEN, texts.text("sign-in-refused-disabled")),
        SignInError::NewPassword(fault) => (StatusCode::BAD_REQUEST, unfit(texts, *fault)),
        SignInError::WrongCredentials | SignInError::MustChangePassword | SignInError::Unavailable(_) => {
            (StatusCode::BAD_REQUEST, texts.text("sign-in-refused-credentials"))
        }
    };
    (status, text.to_string())
}

/// Why a new password will not do.
fn unfit(texts: Texts, fault: PasswordFault) -> Message<'static> {
    match fault {
        PasswordFault::Length => texts.text("sign-in-refused-length"),
        PasswordFault::Control => texts.text("sign-in-refused-control"),
        PasswordFault::Simple => texts.text("sign-in-refused-simple"),
        PasswordFault::Name => texts.text("sign-in-refused-name"),
        PasswordFault::Common => texts.text("sign-in-refused-common"),
        PasswordFault::Same => texts.text("sign-in-refused-same"),
    }
}

/// A sign-in elsewhere that came to nothing, in words for people.
pub(crate) fn refused_elsewhere(texts: Texts, error: &UpstreamError) -> (StatusCode, String) {
    use UpstreamError as Error;
    let (status, text) = match error {
        Error::UnknownProvider => (StatusCode::BAD_REQUEST, texts.text("elsewhere-unknown")),
        Error::Away(name) => (StatusCode::BAD_GATEWAY, texts.text("elsewhere-away").with("provider", name)),
        Error::Busy(name) => {
            (StatusCode::SERVICE_UNAVAILABLE, texts.text("elsewhere-busy").with("provider", name))
        }
        Error::Denied(name) => {
            (StatusCode::BAD_REQUEST, texts.text("elsewhere-denied").with("provider", name))
        }
        Error::Refused(name) => {
            (StatusCode::BAD_REQUEST, texts.text("elsewhere-refused").with("provider", name))
        }
        Error::NotProven(name) => {
            (StatusCode::BAD_REQUEST, texts.text("elsewhere-not-proven").with("provider", name))
        }
        Error::NotFresh(name) => {
            (StatusCode::BAD_REQUEST, texts.text("elsewhere-not-fresh").with("provider", name))
        }
        Error::NotLinked { name, issuer, subject } => (
            StatusCode::FORBIDDEN,
            texts
                .text("elsewhere-not-linked")
                .with("provider", name)
                .with("issuer", issuer)
                .with("subject", subject),
        ),
        Error::ExplicitOnly { name, issuer, subject } => (
            StatusCode::FORBIDDEN,
            texts
                .text("elsewhere-explicit-only")
                .with("provider", name)
                .with("issuer", issuer)
                .with("subject", subject),
        ),
        Error::Disabled => (StatusCode::FORBIDDEN, texts.text("elsewhere-disabled")),
        Error::Unavailable(_) => (StatusCode::INTERNAL_SERVER_ERROR, texts.text("elsewhere-unavailable")),
    };
    (status, format!("AADSTS{}: {text}", error.code()))
}
