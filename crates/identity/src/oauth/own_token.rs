//! Tokens of this installation that come back to it: at the user info endpoint, and as a hint at sign-out.

use hilum_jose::{Claims, Jwt};

use super::error::OAuthError;
use crate::Identity;

/// Longer ones are not ours.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

impl Identity {
    /// The claims of a token that we signed for this tenant; nothing when we did not. Its times and its kind are still to
    /// be checked.
    pub(super) async fn own_claims(&self, token: &str) -> Result<Option<Claims>, OAuthError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Ok(None);
        }
        let Ok(jwt) = Jwt::parse(token) else { return Ok(None) };
        let Some(kid) = jwt.header().kid.as_deref() else { return Ok(None) };
        let Some(key) = self.find_key(kid).await? else { return Ok(None) };
        let Ok(claims) = jwt.verify(&key) else { return Ok(None) };
        let tenant = self.tenant().await?;
        let issuers = [self.v1_issuer(tenant), self.v2_issuer(tenant)];
        let ours = claims.text("iss").is_some_and(|issuer| issuers.iter().any(|own| own == issuer))
            && claims.text("tid").is_some_and(|tid| tid.parse() == Ok(tenant.id));
        Ok(ours.then(|| claims.clone()))
    }
}
