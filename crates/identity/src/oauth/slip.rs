//! What a form or a link of our own pages carries from one request to the next: sealed, for the browser that got it, for a
//! while.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    browser::{Live, Visit},
    error::OAuthError,
};

/// What was sealed, and when.
#[derive(Serialize, Deserialize)]
pub(crate) struct Slip<T> {
    browser: String,
    at_ms: i64,
    pub(crate) what: T,
}

impl<T> Slip<T> {
    /// What was sealed, if that is not longer ago.
    pub(crate) fn within(self, visit: &Visit<'_>, life_ms: i64) -> Result<T, OAuthError> {
        let is_over = visit.identity.0.clock.now_ms() > self.at_ms.saturating_add(life_ms);
        if is_over { Err(OAuthError::FlowExpired) } else { Ok(self.what) }
    }
}

impl Visit<'_> {
    /// Seals something for this browser.
    pub(crate) fn slip(&self, purpose: &str, what: impl Serialize) -> Result<String, OAuthError> {
        let slip = Slip { browser: self.browser_mark(), at_ms: self.identity.0.clock.now_ms(), what };
        self.identity.seal(purpose, &slip)
    }

    /// Opens what was sealed for this browser and this purpose.
    pub(crate) fn opened<T: DeserializeOwned>(
        &self,
        purpose: &str,
        text: &str,
    ) -> Result<Slip<T>, OAuthError> {
        let slip: Option<Slip<T>> = self.identity.unseal(purpose, text);
        slip.filter(|slip| self.is_of_this_browser(&slip.browser)).ok_or(OAuthError::FlowForeign)
    }

    /// The session of this hash, if the browser still has it.
    pub(crate) async fn live_as(&self, session: &str) -> Result<Option<Live>, OAuthError> {
        Ok(self.live().await?.filter(|live| live.session.hash.as_str() == session))
    }
}
