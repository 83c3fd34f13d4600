//! Why a command failed, and the exit code that says so: 1 an error, 2 wrong usage, 3 not found.

use std::fmt;

use hilum_identity::IdentityError;

/// A command's failure, worded for people.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something went wrong.
    Error(String),
    /// The command line contradicts itself.
    Usage(String),
    /// What was named does not exist.
    NotFound(String),
}

impl Failure {
    /// From any error, with the whole chain of its causes.
    pub(crate) fn error(error: impl std::error::Error) -> Self {
        Self::Error(chain(&error))
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Error(_) => 1,
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Error(text) | Self::Usage(text) | Self::NotFound(text)) = self;
        let mut letters = text.chars();
        let Some(first) = letters.next() else { return Ok(()) };
        write!(f, "{}{}", first.to_uppercase(), letters.as_str())
    }
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        let text = chain(&error);
        match error {
            IdentityError::NotFound { .. } => Self::NotFound(text),
            IdentityError::NotInitialised => Self::Error(format!(
                "{text}: run `hilum init` or `hilum serve` first, or name another directory with --data"
            )),
            IdentityError::WrongMasterKey => Self::Error(format!("{text}: {WRONG_MASTER_KEY_MEND}")),
            _ => Self::Error(text),
        }
    }
}

/// What to do about [`IdentityError::WrongMasterKey`].
pub(super) const WRONG_MASTER_KEY_MEND: &str = "copy keys/master.key from the data directory in which it was made, or from its backup, or set HILUM_MASTER_KEY to \
     what that file holds";

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<IdentityError>() {
            Ok(error) => error.into(),
            Err(error) => Self::Error(format!("{error:#}")),
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
