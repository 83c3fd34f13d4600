//! Authorization codes (RFC 6749 §4.1.2): sealed, short-lived, good once, and bound to all of the request that they answer.

use hilum_jose::{base64url_encode, sha256};
use hilum_kernel::{AppId, UserId};
use hilum_storage::db::{DbError, WriteTx};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{pkce::Challenge, redirect_uri::Platform, sql};
use crate::{Identity, authentication_methods::Amr, oauth::error::OAuthError, sessions::SessionId};

/// RFC 6749 §4.1.2 allows ten minutes; clients redeem within seconds.
const LIFE_MS: i64 = 300_000;
/// How long after its end it is remembered that a code was redeemed.
const MEMORY_MS: i64 = 60_000;
const PURPOSE: &str = "authorization code";

/// A code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Code {
    #[serde(rename = "i")]
    id: String,
    #[serde(rename = "e")]
    expires_at_ms: i64,
    #[serde(flatten)]
    pub(crate) grant: Grant,
}

/// What a code says. The names are short, because it travels in URLs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Grant {
    #[serde(rename = "c")]
    pub(crate) client: AppId,
    #[serde(rename = "u")]
    pub(crate) user: UserId,
    #[serde(rename = "r")]
    pub(crate) redirect_uri: String,
    /// Whether the request named its redirect URI: the token request has to name it, too, then.
    #[serde(rename = "rn")]
    pub(crate) redirect_uri_named: bool,
    #[serde(rename = "p")]
    pub(crate) platform: Platform,
    #[serde(rename = "s")]
    pub(crate) scope: String,
    #[serde(rename = "n", skip_serializing_if = "Option::is_none", default)]
    pub(crate) nonce: Option<String>,
    #[serde(rename = "h", skip_serializing_if = "Option::is_none", default)]
    pub(crate) challenge: Option<Challenge>,
    #[serde(rename = "a")]
    pub(crate) authenticated_at_ms: i64,
    /// What the user proved then.
    #[serde(rename = "m")]
    pub(crate) amr: Amr,
    /// The key that it is to be redeemed with (RFC 9449 §10).
    #[serde(rename = "k", skip_serializing_if = "Option::is_none", default)]
    pub(crate) bound_to: Option<String>,
    /// The issuer that vouched for the user, if it was not this one.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none", default)]
    pub(crate) idp: Option<String>,
    /// Whether the ID token has to say when the user signed in.
    #[serde(rename = "at")]
    pub(crate) auth_time: bool,
    /// The browser session, by its name to clients.
    #[serde(rename = "b")]
    pub(crate) sid: Uuid,
}

/// A code as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CodeHash(String);

impl CodeHash {
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

/// A code that is being redeemed.
#[derive(Debug, Clone)]
pub(crate) struct Redemption {
    hash: CodeHash,
    expires_at_ms: i64,
}

/// What became of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redeemed {
    Now,
    /// It was redeemed before, and began this session.
    Before(Option<SessionId>),
}

impl Identity {
    /// Makes a code.
    pub(super) fn seal_code(&self, grant: Grant) -> Result<String, OAuthError> {
        let expires_at_ms = self.0.clock.now_ms() + LIFE_MS;
        self.seal(PURPOSE, &Code { id: self.random_text::<16>(), expires_at_ms, grant })
    }

    /// Reads a code; nothing when we did not make it.
    pub(crate) fn open_code(&self, text: &str) -> Option<Code> {
        self.unseal(PURPOSE, text)
    }
}

impl Code {
    /// Whether its time is over.
    pub(crate) const fn is_expired(&self, now_ms: i64) -> bool {
        self.expires_at_ms <= now_ms
    }

    pub(crate) fn redemption(&self) -> Redemption {
        let hash = CodeHash(base64url_encode(sha256(self.id.as_bytes())));
        Redemption { hash, expires_at_ms: self.expires_at_ms + MEMORY_MS }
    }
}

/// Uses something of ours up that is good once: true for one caller only. `id` is unlike any other's.
pub(crate) async fn redeem_once(
    tx: &mut WriteTx,
    (id, expires_at_ms): (&str, i64),
    at_ms: i64,
) -> Result<bool, DbError> {
    let hash = CodeHash(base64url_encode(sha256(id.as_bytes())));
    sql::redeem(tx, (&hash, expires_at_ms + MEMORY_MS), None, at_ms).await
}

/// Redeems a code that begins `session`, with refresh tokens or without. RFC 6749 §4.1.2, RFC 9700 §2.1.1: a code that comes
/// twice was stolen, once or twice; what it gave is to be withdrawn.
pub(crate) async fn redeem(
    tx: &mut WriteTx,
    redemption: &Redemption,
    session: SessionId,
    at_ms: i64,
) -> Result<Redeemed, DbError> {
    if sql::redeem(tx, (&redemption.hash, redemption.expires_at_ms), Some(session), at_ms).await? {
        return Ok(Redeemed::Now);
    }
    Ok(Redeemed::Before(sql::session_of(tx, &redemption.hash).await?))
}
