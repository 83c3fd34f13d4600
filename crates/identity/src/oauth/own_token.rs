//! Tokens of this installation that come back to it: at the user info endpoint, and as a hint at sign-in and sign-out.

use hilum_jose::{Claims, Jwt};
use hilum_kernel::AppId;
use serde::{Deserialize, Serialize};

use super::error::OAuthError;
use crate::{Identity, authentication_methods::Amr, sessions::SessionId};

/// Longer ones are not ours.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

const HINT_PURPOSE: &str = "ID token hint";
/// A sealed hint outlives the pages that carry it, and little else.
const HINT_MS: i64 = 2 * 3_600_000;

const PROVENANCE_PURPOSE: &str = "access token provenance";

/// What a user's access token says to us alone, sealed in `aio`, where Entra's tokens keep what is no resource's business:
/// how it came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Provenance {
    /// When the user signed in.
    #[serde(rename = "a")]
    pub(super) authenticated_at_ms: i64,
    /// What the user proved then.
    #[serde(rename = "m")]
    pub(super) amr: Amr,
    /// The session that it was issued in: that of its refresh token, or of the code that it came of.
    #[serde(rename = "s", skip_serializing_if = "Option::is_none", default)]
    pub(super) session: Option<SessionId>,
    /// The issuer that vouched for the user, if it was not this one.
    #[serde(rename = "i", skip_serializing_if = "Option::is_none", default)]
    pub(super) idp: Option<String>,
}

/// Whom an ID token of ours is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Hinted {
    /// To whom the token was given.
    pub(super) client: AppId,
    /// What it calls the user.
    pub(super) subject: String,
    ends_at_ms: i64,
}

impl Identity {
    /// Reads an `id_token_hint` (OIDC Core §3.1.2.1, RP-Initiated Logout §2): an ID token of ours, which may have expired,
    /// or what [`Self::sealed_hint`] made of one. Nothing when it is neither; an access token is no hint.
    pub(super) async fn hinted(&self, hint: &str) -> Result<Option<Hinted>, OAuthError> {
        let now_ms = self.0.clock.now_ms();
        let sealed: Option<Hinted> = self.unseal(HINT_PURPOSE, hint);
        if let Some(hinted) = sealed {
            return Ok(Some(hinted).filter(|hinted| hinted.ends_at_ms > now_ms));
        }
        let claims = self.own_claims(hint).await?.filter(|claims| claims.get("scp").is_none());
        Ok(claims.and_then(|claims| {
            let client = claims.audiences().first().and_then(|id| id.parse().ok())?;
            let subject = claims.text("sub")?.to_owned();
            Some(Hinted { client, subject, ends_at_ms: now_ms.saturating_add(HINT_MS) })
        }))
    }

    /// The hint in few bytes and unreadable: an ID token belongs neither into our URLs nor into our pages.
    pub(super) fn sealed_hint(&self, hinted: &Hinted) -> Result<String, OAuthError> {
        self.seal(HINT_PURPOSE, hinted)
    }

    /// `aio`.
    pub(super) fn sealed_provenance(&self, provenance: &Provenance) -> Result<String, OAuthError> {
        self.seal(PROVENANCE_PURPOSE, provenance)
    }

    /// How a user's access token came about.
    pub(super) fn provenance(&self, claims: &Claims) -> Option<Provenance> {
        self.unseal(PROVENANCE_PURPOSE, claims.text("aio")?)
    }

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
