//! Who is signed in in which browser (single sign-on; sheet §2.13).
//!
//! Owns `browser_session` and `browser_session_client`. The browser holds a token of 256 random bits in a cookie, the
//! table its hash. Each sign-in begins a new session and ends the one before in that browser, so that nobody can be
//! given a session beforehand. A session rests a day at most and lives a week.

mod sql;

#[cfg(test)]
mod tests;

use hilum_jose::{base64url_encode, sha256};
use hilum_kernel::{AppId, TenantId, UserId};
use hilum_storage::db::{DbError, WriteTx};
use uuid::Uuid;

use crate::authentication_methods::Amr;

#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{
    SCHEMA, SCHEMA_AMR, SCHEMA_BROWSER, SCHEMA_IDP, by_hash, clients_of, end, note_browser, of_user,
    strengthen,
};

/// How long a session may rest, as in Entra.
const IDLE_MAX_MS: i64 = 24 * 3_600_000;
/// How long it lives, however busy it is.
const LIFE_MAX_MS: i64 = 7 * 24 * 3_600_000;
/// Using a session is written down this often, not each time.
const TOUCH_MS: i64 = 300_000;
/// The token's random bytes.
pub(crate) const TOKEN_BYTES: usize = 32;

/// A session's token as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionHash(String);

impl SessionHash {
    /// Of what the cookie holds.
    pub(crate) fn of(token: &str) -> Self {
        Self(base64url_encode(sha256(token.as_bytes())))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A session that begins.
#[derive(Debug, Clone)]
pub(crate) struct NewBrowserSession {
    pub(crate) hash: SessionHash,
    pub(crate) sid: Uuid,
    pub(crate) user: UserId,
    pub(crate) authenticated_at_ms: i64,
    /// The issuer that vouched for the user, if it was not Hilum itself.
    pub(crate) idp: Option<String>,
    /// When the user proved who they are there, if that is known.
    pub(crate) proven_elsewhere_at_ms: Option<i64>,
    pub(crate) amr: Amr,
}

/// A session as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BrowserSession {
    pub(crate) hash: SessionHash,
    /// Its name to clients: `sid`, `session_state`.
    pub(crate) sid: Uuid,
    pub(crate) user: UserId,
    pub(crate) authenticated_at_ms: i64,
    /// The issuer that vouched for the user, if it was not Hilum itself.
    pub(crate) idp: Option<String>,
    proven_elsewhere_at_ms: Option<i64>,
    /// What its user proved.
    pub(crate) amr: Amr,
    created_at_ms: i64,
    used_at_ms: i64,
    expires_at_ms: i64,
}

/// A live session as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) hash: SessionHash,
    pub(crate) sid: Uuid,
    pub(crate) authenticated_at_ms: i64,
    pub(crate) created_at_ms: i64,
    pub(crate) used_at_ms: i64,
    /// From where it was begun.
    pub(crate) address: Option<String>,
    /// With what, in a few known words.
    pub(crate) browser: Option<String>,
}

impl BrowserSession {
    /// Whether it still holds.
    pub(crate) const fn is_live(&self, now_ms: i64) -> bool {
        self.expires_at_ms > now_ms
    }

    /// When the user proved who they are: a provider may have known it for long when it vouched for them here.
    pub(crate) fn proven_at_ms(&self) -> i64 {
        self.proven_elsewhere_at_ms
            .map_or(self.authenticated_at_ms, |at_ms| at_ms.min(self.authenticated_at_ms))
    }

    /// Whether its use is worth a line.
    pub(crate) const fn is_to_be_touched(&self, now_ms: i64) -> bool {
        now_ms >= self.used_at_ms.saturating_add(TOUCH_MS)
    }
}

/// Begins a session in place of the one that the browser had.
pub(crate) async fn begin(
    tx: &mut WriteTx,
    tenant: TenantId,
    (new, before): (&NewBrowserSession, Option<&SessionHash>),
    at_ms: i64,
) -> Result<(), DbError> {
    if let Some(before) = before {
        end(tx, before).await?;
    }
    sql::purge(tx, new.user, at_ms).await?;
    sql::insert(tx, tenant, new, (at_ms, at_ms + IDLE_MAX_MS)).await
}

/// Notes that the session was used for a page of our own.
pub(crate) async fn awake(tx: &mut WriteTx, session: &BrowserSession, at_ms: i64) -> Result<(), DbError> {
    let expires_at_ms = (at_ms + IDLE_MAX_MS).min(session.created_at_ms + LIFE_MAX_MS);
    sql::touch(tx, &session.hash, (at_ms, expires_at_ms)).await.map(drop)
}

/// Notes that the session was used to get to a client.
pub(crate) async fn used(
    tx: &mut WriteTx,
    session: &BrowserSession,
    client: AppId,
    at_ms: i64,
) -> Result<(), DbError> {
    let expires_at_ms = (at_ms + IDLE_MAX_MS).min(session.created_at_ms + LIFE_MAX_MS);
    if sql::touch(tx, &session.hash, (at_ms, expires_at_ms)).await? {
        sql::note_client(tx, &session.hash, client).await?;
    }
    Ok(())
}
