//! What this server gives away to get it back unread and unchanged: authorization codes, and what pages carry from step to
//! step. Nothing is stored meanwhile, so that nobody can fill the database by asking.

use hilum_jose::{base64url_decode, base64url_encode};
use hilum_kernel::Secret;
use serde::{Serialize, de::DeserializeOwned};

use super::error::OAuthError;
use crate::{Identity, IdentityError};

/// Longer ones are not ours.
const CHARS_MAX: usize = 48 * 1024;

impl Identity {
    /// Seals a value for one purpose.
    pub(crate) fn seal(&self, purpose: &str, value: &impl Serialize) -> Result<String, OAuthError> {
        let json = serde_json::to_vec(value).map_err(|_| OAuthError::Internal(IdentityError::Interrupted))?;
        let sealed = self.0.page_key.seal(&Secret::new(json), purpose, self.0.random.as_ref());
        sealed.map(base64url_encode).map_err(|error| OAuthError::Internal(error.into()))
    }

    /// Opens what was sealed for this purpose; nothing when it was not.
    pub(crate) fn unseal<T: DeserializeOwned>(&self, purpose: &str, text: &str) -> Option<T> {
        if text.len() > CHARS_MAX {
            return None;
        }
        let json = self.0.page_key.open(&base64url_decode(text).ok()?, purpose).ok()?;
        serde_json::from_slice(json.expose()).ok()
    }
}
