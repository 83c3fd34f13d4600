//! The claims of access tokens, v1.0 and v2.0 (sheet §4.2), and the one place that signs.

use std::sync::Arc;

use hilum_jose::{SigningHeader, sign_jwt};
use hilum_kernel::{AppId, ObjectId, TenantId};
use jiff::Timestamp;
use serde::Serialize;

use super::client_authentication::AuthenticatedClient;
use crate::{Identity, IdentityError, Tenant};

/// Entra dates tokens back, so that services whose clock is slow take them.
const BACKDATED_S: i64 = 300;
/// Entra's lifetimes lie between 60 and 90 minutes at random, so that caches do not run out all at once.
const LIFE_MIN_S: i64 = 3600;
const LIFE_SPREAD_S: i64 = 1800;

/// A decision to issue a token to an application: everything that goes into it.
#[derive(Debug)]
pub(crate) struct AppToken {
    pub(crate) client: AuthenticatedClient,
    pub(crate) resource: AppId,
    /// The resource's name as it was asked for.
    pub(crate) audience: String,
    pub(crate) roles: Vec<String>,
    pub(crate) version: Version,
    pub(crate) uti: String,
    pub(crate) times: Times,
}

/// The token's format, which the resource decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// When the token holds, in seconds since 1970 (NumericDate, RFC 7519 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    /// `iat` and `nbf`.
    pub(crate) not_before: i64,
    /// `exp`.
    pub(crate) expires_at: i64,
    /// What the client is told, in seconds from now: one less than is left.
    pub(crate) expires_in: i64,
}

#[derive(Serialize)]
struct ClaimsV1<'a> {
    aud: &'a str,
    iss: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    appid: AppId,
    appidacr: &'a str,
    idp: &'a str,
    idtyp: &'a str,
    oid: ObjectId,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    roles: &'a [String],
    sub: ObjectId,
    tid: TenantId,
    uti: &'a str,
    jti: &'a str,
    ver: &'a str,
}

#[derive(Serialize)]
struct ClaimsV2<'a> {
    aud: AppId,
    iss: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    azp: AppId,
    azpacr: &'a str,
    idtyp: &'a str,
    oid: ObjectId,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    roles: &'a [String],
    sub: ObjectId,
    tid: TenantId,
    uti: &'a str,
    jti: &'a str,
    ver: &'a str,
}

impl Identity {
    /// When a token issued now holds.
    pub(crate) fn token_times(&self, now: Timestamp) -> Times {
        let mut chance = [0; 4];
        self.0.random.fill(&mut chance);
        let life_s = LIFE_MIN_S + i64::from(u32::from_le_bytes(chance)) % (LIFE_SPREAD_S + 1);
        let now_s = now.as_second();
        Times { not_before: now_s - BACKDATED_S, expires_at: now_s + life_s, expires_in: life_s - 1 }
    }

    /// Signs a token. No transaction is open and no lock held meanwhile; the work runs off the async threads.
    pub(crate) async fn sign(&self, tenant: &Tenant, token: AppToken) -> Result<String, IdentityError> {
        let ring = self.ring().await?;
        let key = Arc::clone(&ring.current);
        let tid = tenant.id;
        let issuer = match token.version {
            Version::V1 => self.v1_issuer(tenant),
            Version::V2 => self.v2_issuer(tenant),
        };
        let work = move || match token.version {
            Version::V1 => sign_jwt(&key, SigningHeader::ENTRA_V1, &v1(&token, &issuer, tid)),
            Version::V2 => sign_jwt(&key, SigningHeader::ENTRA_V2, &v2(&token, &issuer, tid)),
        };
        Ok(tokio::task::spawn_blocking(work).await.map_err(|_| IdentityError::Interrupted)??)
    }
}

fn v1<'a>(token: &'a AppToken, issuer: &'a str, tid: TenantId) -> ClaimsV1<'a> {
    ClaimsV1 {
        aud: &token.audience,
        iss: issuer,
        iat: token.times.not_before,
        nbf: token.times.not_before,
        exp: token.times.expires_at,
        appid: token.client.app_id(),
        appidacr: token.client.acr(),
        idp: issuer,
        idtyp: "app",
        oid: token.client.principal(),
        roles: &token.roles,
        sub: token.client.principal(),
        tid,
        uti: &token.uti,
        jti: &token.uti,
        ver: "1.0",
    }
}

fn v2<'a>(token: &'a AppToken, issuer: &'a str, tid: TenantId) -> ClaimsV2<'a> {
    ClaimsV2 {
        aud: token.resource,
        iss: issuer,
        iat: token.times.not_before,
        nbf: token.times.not_before,
        exp: token.times.expires_at,
        azp: token.client.app_id(),
        azpacr: token.client.acr(),
        idtyp: "app",
        oid: token.client.principal(),
        roles: &token.roles,
        sub: token.client.principal(),
        tid,
        uti: &token.uti,
        jti: &token.uti,
        ver: "2.0",
    }
}
