//! Why a sign-in is refused, in words for the person.

use hilum_pages::{Message, Texts};
use http::StatusCode;

use crate::{sign_in::SignInError, users::PasswordFault};

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
