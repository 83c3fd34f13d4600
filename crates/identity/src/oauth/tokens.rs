//! What goes into tokens (sheet §4), and the one place that signs.

use std::{net::IpAddr, sync::Arc};

use hilum_jose::{SigningHeader, base64url_encode, sign_jwt};
use hilum_kernel::{AppId, GroupId, UserId};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    claims::{self, Place},
    client_authentication::AuthenticatedClient,
    error::OAuthError,
    own_token::Provenance,
    scopes::OidcWords,
};
use crate::{
    Identity, IdentityError, OptionalClaim, Tenant, User,
    authentication_methods::Amr,
    sessions::{ClientKind, SessionId},
    token_lifetimes::Lifetimes,
};

/// Entra dates tokens back, so that services whose clock is slow take them.
pub(super) const BACKDATED_S: i64 = 300;
/// More groups than this do not go into a token of the implicit flow (sheet §4.2).
const GROUPS_IN_URL_MAX: usize = 6;
/// From this life on clients are told to ask again before the end.
const PROACTIVE_S: i64 = 7200;

/// A decision to issue a token to an application: everything that goes into it.
#[derive(Debug)]
pub(crate) struct AppToken {
    pub(crate) client: AuthenticatedClient,
    pub(crate) resource: AppId,
    /// The resource's name as it was asked for.
    pub(crate) audience: String,
    pub(crate) roles: Vec<String>,
    /// Optional claims that the resource's registration names, where there are any that count.
    pub(crate) optional: Vec<OptionalClaim>,
    /// The client's name, for Microsoft Graph.
    pub(crate) client_name: Option<String>,
    /// Whether the client takes claims challenges.
    pub(crate) takes_challenges: bool,
    pub(crate) version: Version,
    pub(crate) uti: String,
    pub(crate) times: Times,
    /// The thumbprint of the key that it is worth nothing without (RFC 9449 §6).
    pub(crate) bound_to: Option<String>,
}

/// A decision to issue a token on behalf of a user: everything that goes into it.
#[derive(Debug)]
pub(crate) struct UserToken {
    pub(crate) client: AuthenticatedClient,
    pub(crate) user: User,
    pub(crate) resource: AppId,
    /// The resource's name as it was asked for.
    pub(crate) audience: String,
    /// The values of the delegated permissions.
    pub(crate) scopes: Vec<String>,
    pub(crate) rights: Rights,
    pub(crate) oidc: OidcWords,
    /// Optional claims that the resource's registration names.
    pub(crate) optional: Vec<OptionalClaim>,
    /// The client's name, for Microsoft Graph.
    pub(crate) client_name: Option<String>,
    /// Whether the client takes claims challenges.
    pub(crate) takes_challenges: bool,
    /// The browser session, while it is known.
    pub(crate) sid: Option<Uuid>,
    pub(crate) version: Version,
    pub(crate) uti: String,
    pub(crate) times: Times,
    pub(crate) authenticated_at_ms: i64,
    /// The session that it belongs to: that of its refresh token, or of the code that it comes of.
    pub(crate) session: Option<SessionId>,
    pub(crate) amr: Amr,
    /// The issuer that vouched for the user, if it was not this one.
    pub(crate) idp: Option<String>,
    pub(crate) address: Option<IpAddr>,
    /// The thumbprint of the key that it is worth nothing without (RFC 9449 §6).
    pub(crate) bound_to: Option<String>,
}

/// What the user is in the directory and on the resource.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    /// The values of the resource's app roles.
    pub(crate) roles: Vec<String>,
    /// Directory roles, where the resource wants them.
    pub(crate) wids: Vec<Uuid>,
    pub(crate) groups: Groups,
}

/// The `groups` claim.
#[derive(Debug, Default)]
pub(crate) enum Groups {
    /// The resource does not want it.
    #[default]
    Unwanted,
    These(Vec<GroupId>),
    /// More than a token holds: the service asks the directory (sheet §4.2).
    TooMany,
    /// More than the address of a page holds.
    TooManyForUrl,
}

impl Groups {
    /// What of them goes into a token that the browser carries in an address.
    pub(crate) fn in_url(self) -> Self {
        match self {
            Self::These(groups) if groups.len() > GROUPS_IN_URL_MAX => Self::TooManyForUrl,
            Self::TooMany => Self::TooManyForUrl,
            other => other,
        }
    }
}

/// A decision to issue an ID token.
#[derive(Debug)]
pub(crate) struct IdToken {
    pub(crate) client: AppId,
    pub(crate) user: User,
    pub(crate) oidc: OidcWords,
    /// The format, which the endpoint decides.
    pub(crate) version: Version,
    pub(crate) uti: String,
    pub(crate) now_s: i64,
    /// How long it holds.
    pub(crate) life_s: i64,
    /// Optional claims that the client's registration names.
    pub(crate) optional: Vec<OptionalClaim>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) authenticated_at_ms: i64,
    pub(crate) amr: Amr,
    pub(crate) rights: Rights,
    pub(crate) extras: IdExtras,
}

/// What an ID token says of the request that it answers (OIDC Core §2, §3.3.2.11).
#[derive(Debug, Clone, Default)]
pub(crate) struct IdExtras {
    /// Only if it was sent: some clients refuse a token with a nonce they did not send.
    pub(crate) nonce: Option<String>,
    pub(crate) c_hash: Option<String>,
    pub(crate) at_hash: Option<String>,
    /// The browser session, for clients that want to hear of its end.
    pub(crate) sid: Option<Uuid>,
    pub(crate) auth_time: bool,
    /// The issuer that vouched for the user, if it was not this one.
    pub(crate) idp: Option<String>,
}

/// `at_hash`, `c_hash`: the left half of the hash of RS256 (OIDC Core §3.1.3.6).
pub(crate) fn half_hash(text: &str) -> String {
    let hash = hilum_jose::sha256(text.as_bytes());
    base64url_encode(hash.first_chunk::<16>().copied().unwrap_or_default())
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

impl Times {
    /// Half the life, of tokens that live for two hours or longer (sheet §2.3).
    pub(crate) fn refresh_in(&self) -> Option<i64> {
        (self.expires_in + 1 >= PROACTIVE_S).then_some(self.expires_in / 2)
    }
}

impl Identity {
    /// When a token issued now to such a client holds.
    pub(crate) fn token_times(&self, now: Timestamp, lifetimes: &Lifetimes, kind: ClientKind) -> Times {
        let mut chance = [0; 4];
        self.0.random.fill(&mut chance);
        let life_s = lifetimes.access_token_s(kind, u32::from_le_bytes(chance));
        let now_s = now.as_second();
        Times { not_before: now_s - BACKDATED_S, expires_at: now_s + life_s, expires_in: life_s - 1 }
    }

    /// Signs an application's token.
    pub(crate) async fn sign(&self, tenant: &Tenant, token: AppToken) -> Result<String, IdentityError> {
        let (tid, issuer) = (tenant.id, self.issuer(tenant, token.version));
        self.sign_claims(token.version, move || claims::app_claims(&token, &issuer, tid)).await
    }

    /// Signs a user's access token.
    pub(crate) async fn sign_for_user(
        &self,
        tenant: &Tenant,
        token: UserToken,
    ) -> Result<String, OAuthError> {
        let (version, place) = (token.version, self.place(tenant, token.version));
        let provenance = Provenance {
            authenticated_at_ms: token.authenticated_at_ms,
            amr: token.amr,
            session: token.session,
            idp: token.idp.clone(),
        };
        let aio = self.sealed_provenance(&provenance)?;
        let claims = move || {
            let mut claims = claims::user_claims(&token, &place);
            claims::put(&mut claims, [("aio", json!(aio))]);
            Value::Object(claims)
        };
        Ok(self.sign_claims(version, claims).await?)
    }

    /// Signs an ID token.
    pub(crate) async fn sign_id_token(
        &self,
        tenant: &Tenant,
        token: IdToken,
    ) -> Result<String, IdentityError> {
        let place = self.place(tenant, token.version);
        self.sign_claims(token.version, move || Value::Object(claims::id_claims(&token, &place))).await
    }

    /// Makes and signs claims. No transaction is open and no lock held meanwhile; the work runs off the async threads.
    async fn sign_claims(
        &self,
        version: Version,
        claims: impl FnOnce() -> Value + Send + 'static,
    ) -> Result<String, IdentityError> {
        let ring = self.ring().await?;
        let key = Arc::clone(&ring.current);
        let header = match version {
            Version::V1 => SigningHeader::ENTRA_V1,
            Version::V2 => SigningHeader::ENTRA_V2,
        };
        let work = move || sign_jwt(&key, header, &claims());
        Ok(tokio::task::spawn_blocking(work).await.map_err(|_| IdentityError::Interrupted)??)
    }

    /// The user's subject to a client.
    pub(crate) fn subject(&self, user: UserId, client: AppId) -> String {
        claims::subject(&self.0.subject_key, user, client)
    }

    fn issuer(&self, tenant: &Tenant, version: Version) -> String {
        match version {
            Version::V1 => self.v1_issuer(tenant),
            Version::V2 => self.v2_issuer(tenant),
        }
    }

    fn place(&self, tenant: &Tenant, version: Version) -> Place {
        Place {
            issuer: self.issuer(tenant, version),
            tenant: tenant.id,
            domain: tenant.domain.clone(),
            origin: Arc::clone(&self.0.origin),
            subject_key: self.0.subject_key.clone(),
        }
    }
}
