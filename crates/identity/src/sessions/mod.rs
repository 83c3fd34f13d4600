//! What a sign-in leaves behind: sessions that refresh tokens belong to (RFC 6749 §6, RFC 9700 §4.14; sheet §2.7).
//!
//! Owns `refresh_session`. A refresh token names its session and the session's generation under a keyed hash; the row
//! keeps only the generation, so that nothing in the database is, or can be turned into, a token. Each use moves the
//! session on by one. Its predecessor holds for a short grace, because answers get lost and clients share caches; what
//! comes later is a copy in the wrong hands, and ends the session.

mod sql;

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use hilum_jose::{MasterKey, base64url_decode, base64url_encode, constant_time_eq};
use hilum_kernel::{AppId, Secret, TenantId, UserId};
use hilum_storage::db::{DbError, WriteTx};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{authentication_methods::Amr, oauth::Platform};

#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{
    SCHEMA, SCHEMA_AMR, SCHEMA_IDP, SCHEMA_KEY, SCHEMA_PLATFORM, by_id, of_user, revoke,
    revoke_of_application,
};

/// A single page's session ends a day after its code was redeemed, however often it is used (sheet §2.7).
const SPA_LIFE_MS: i64 = 24 * 3600 * 1000;
/// How long a session is remembered after its end: no policy lets access tokens hold for longer than a day.
const ENDED_MEMORY_MS: i64 = 25 * 3600 * 1000;
/// How long the predecessor of a token holds: clients that authenticate are harder to rob.
const GRACE_CONFIDENTIAL_MS: i64 = 60_000;
const GRACE_PUBLIC_MS: i64 = 30_000;
/// What a token starts with, so that its form can change.
const PREFIX: &str = "1.";

/// A session's ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionId(Uuid);

impl SessionId {
    pub(crate) const fn new(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for SessionId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self)
    }
}

/// Whether the client proved itself when the session began: it must do so at each use, then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientKind {
    Confidential,
    Public,
}

/// A session to be started.
#[derive(Debug, Clone)]
pub(crate) struct NewSession {
    pub(crate) id: SessionId,
    pub(crate) user: UserId,
    pub(crate) app_id: AppId,
    pub(crate) kind: ClientKind,
    /// What was asked for at first: what a refresh without `scope` means.
    pub(crate) scope: String,
    pub(crate) authenticated_at_ms: i64,
    /// The issuer that vouched for the user, if it was not this one.
    pub(crate) idp: Option<String>,
    /// Where its code was sent; nothing where it began without redirects.
    pub(crate) platform: Option<Platform>,
    /// What the user proved.
    pub(crate) amr: Amr,
    /// The key that its refresh tokens are worth nothing without (RFC 9449 §5).
    pub(crate) bound_to: Option<String>,
    /// What the policies say now.
    pub(crate) life: SessionLife,
}

/// How long a session goes on (`token_lifetimes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionLife {
    /// How long it may rest.
    pub(crate) inactive_max_ms: i64,
    /// How long after the sign-in it ends, however busy it is.
    pub(crate) age_max_ms: Option<i64>,
}

impl SessionLife {
    /// When the user has to sign in again.
    pub(crate) fn ends_at_ms(self, authenticated_at_ms: i64) -> i64 {
        self.age_max_ms.map_or(i64::MAX, |age_ms| authenticated_at_ms.saturating_add(age_ms))
    }
}

impl NewSession {
    /// When it ends though it is used: a single page's, one day after its code was redeemed.
    pub(crate) fn ends_at_ms(&self, at_ms: i64) -> Option<i64> {
        let policy = self.life.ends_at_ms(self.authenticated_at_ms);
        (self.platform == Some(Platform::Spa)).then(|| at_ms.saturating_add(SPA_LIFE_MS).min(policy))
    }

    /// When it ends if it is not used from now on.
    fn rests_until_ms(&self, at_ms: i64) -> i64 {
        let rested = at_ms.saturating_add(self.life.inactive_max_ms);
        rested.min(self.life.ends_at_ms(self.authenticated_at_ms))
    }
}

/// A session as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) user: UserId,
    pub(crate) app_id: AppId,
    pub(crate) kind: ClientKind,
    pub(crate) scope: String,
    pub(crate) authenticated_at_ms: i64,
    generation: i64,
    rotated_at_ms: i64,
    pub(crate) expires_at_ms: i64,
    pub(crate) revoked: bool,
    pub(crate) platform: Option<Platform>,
    /// The issuer that vouched for the user, if it was not this one.
    pub(crate) idp: Option<String>,
    /// When it ends though it is used.
    pub(crate) ends_at_ms: Option<i64>,
    /// What the user proved.
    pub(crate) amr: Amr,
    /// The key that its refresh tokens are worth nothing without (RFC 9449 §5).
    pub(crate) bound_to: Option<String>,
}

impl Session {
    /// Whether the token would be taken now: the newest one, or its predecessor within the grace.
    pub(crate) const fn takes(&self, token: RefreshToken, now_ms: i64) -> bool {
        !self.revoked
            && now_ms < self.expires_at_ms
            && (token.generation == self.generation || self.is_in_grace(token, now_ms))
    }

    /// When the newest token was made.
    pub(crate) const fn rotated_at_ms(&self) -> i64 {
        self.rotated_at_ms
    }

    const fn is_in_grace(&self, token: RefreshToken, now_ms: i64) -> bool {
        let grace_ms = match self.kind {
            ClientKind::Confidential => GRACE_CONFIDENTIAL_MS,
            ClientKind::Public => GRACE_PUBLIC_MS,
        };
        self.generation == token.generation.saturating_add(1)
            && now_ms <= self.rotated_at_ms.saturating_add(grace_ms)
    }
}

/// What an application keeps for a user: one or more live sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OfApplication {
    pub(crate) app_id: AppId,
    /// When the user signed in for the oldest.
    pub(crate) since_ms: i64,
    pub(crate) used_at_ms: i64,
}

/// What a refresh token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RefreshToken {
    pub(crate) session: SessionId,
    generation: i64,
}

/// What became of a token that was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// Here is the successor.
    Next(RefreshToken),
    /// It was used before, longer ago than the grace: the session is over now.
    Reused,
    /// The session was over already.
    Over,
}

impl RefreshToken {
    /// The token as the client holds it. The key makes it unforgeable.
    pub(crate) fn text(self, key: &MasterKey) -> Secret<String> {
        let claim = self.claim();
        let mut bytes = claim.to_vec();
        bytes.extend_from_slice(&key.keyed_hash(&claim));
        Secret::new(format!("{PREFIX}{}", base64url_encode(bytes)))
    }

    /// Reads what a client sent; nothing when we did not make it.
    pub(crate) fn parse(text: &str, key: &MasterKey) -> Option<Self> {
        let bytes = base64url_decode(text.strip_prefix(PREFIX)?).ok()?;
        let (claim, hash) = bytes.split_first_chunk::<24>()?;
        if !constant_time_eq(&key.keyed_hash(claim), hash) {
            return None;
        }
        let (id, generation) = claim.split_first_chunk::<16>()?;
        Some(Self {
            session: SessionId(Uuid::from_bytes(*id)),
            generation: i64::from_be_bytes(*generation.first_chunk()?),
        })
    }

    fn claim(self) -> [u8; 24] {
        let mut claim = [0; 24];
        let (id, generation) = claim.split_at_mut(16);
        id.copy_from_slice(self.session.0.as_bytes());
        generation.copy_from_slice(&self.generation.to_be_bytes());
        claim
    }
}

/// Starts a session; the answer is its first token. The oldest of too many sessions of the same user and client go.
pub(crate) async fn start(
    tx: &mut WriteTx,
    tenant: TenantId,
    new: &NewSession,
    at_ms: i64,
) -> Result<RefreshToken, DbError> {
    let ends_at_ms = new.ends_at_ms(at_ms);
    let expires_at_ms = ends_at_ms.unwrap_or_else(|| new.rests_until_ms(at_ms));
    sql::insert(tx, tenant, new, (at_ms, expires_at_ms, ends_at_ms)).await?;
    sql::purge(tx, (new.user, new.app_id), at_ms.saturating_sub(ENDED_MEMORY_MS)).await?;
    Ok(RefreshToken { session: new.id, generation: 0 })
}

/// Ends a session, also one that never had a refresh token: that it is over is remembered for as long as its access tokens may
/// hold.
pub(crate) async fn end(
    tx: &mut WriteTx,
    tenant: TenantId,
    session: &NewSession,
    at_ms: i64,
) -> Result<(), DbError> {
    if !revoke(tx, session.id, at_ms).await? {
        sql::insert_ended(tx, tenant, session, at_ms).await?;
    }
    Ok(())
}

/// Uses a token: moves its session on, or ends it. `now` is what the session would be if it began now.
pub(crate) async fn rotate(
    tx: &mut WriteTx,
    tenant: TenantId,
    (token, now): (RefreshToken, &NewSession),
    at_ms: i64,
) -> Result<Rotation, DbError> {
    let next = RefreshToken { generation: token.generation.saturating_add(1), ..token };
    if sql::rotate(tx, token.session, token.generation, (at_ms, now.rests_until_ms(at_ms))).await? {
        return Ok(Rotation::Next(next));
    }
    let Some(session) = by_id(tx, tenant, token.session).await?.filter(|session| !session.revoked) else {
        return Ok(Rotation::Over);
    };
    // Who asks twice within the grace gets the same successor twice.
    if session.is_in_grace(token, at_ms) {
        return Ok(Rotation::Next(next));
    }
    if token.generation > session.generation {
        // The database was restored from a backup: an honest client signs in anew.
        return Ok(Rotation::Over);
    }
    // RFC 9700 §4.14.2: reuse of an invalidated refresh token revokes the active one, too.
    revoke(tx, token.session, at_ms).await?;
    Ok(Rotation::Reused)
}
