//! The claims of tokens, v1.0 and v2.0 (sheet §4.2, §4.3), and the one place that signs.

use std::{net::IpAddr, sync::Arc};

use hilum_jose::{MasterKey, SigningHeader, base64url_encode, sign_jwt};
use hilum_kernel::{AppId, GroupId, ObjectId, TenantId, UserId};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    client_authentication::AuthenticatedClient, error::OAuthError, own_token::Provenance, scopes::OidcWords,
};
use crate::{
    Identity, IdentityError, Tenant, User, UserType,
    authentication_methods::Amr,
    sessions::{ClientKind, SessionId},
    token_lifetimes::Lifetimes,
};

/// Entra dates tokens back, so that services whose clock is slow take them.
const BACKDATED_S: i64 = 300;
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
    pub(crate) optional: Vec<String>,
    pub(crate) version: Version,
    pub(crate) uti: String,
    pub(crate) times: Times,
    pub(crate) authenticated_at_ms: i64,
    /// The session of the refresh token that goes along with it.
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
    pub(crate) optional: Vec<String>,
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

/// `cnf` (RFC 7800 §3.1, RFC 9449 §6.1).
#[derive(Serialize)]
struct Confirmation<'a> {
    jkt: &'a str,
}

impl<'a> Confirmation<'a> {
    fn of(key: Option<&'a str>) -> Option<Self> {
        key.map(|jkt| Self { jkt })
    }
}

impl Times {
    /// Half the life, of tokens that live for two hours or longer (sheet §2.3).
    pub(crate) fn refresh_in(&self) -> Option<i64> {
        (self.expires_in + 1 >= PROACTIVE_S).then_some(self.expires_in / 2)
    }
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
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation<'a>>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation<'a>>,
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
        let tid = tenant.id;
        let issuer = self.issuer(tenant, token.version);
        match token.version {
            Version::V1 => self.sign_claims(token.version, move || json!(v1(&token, &issuer, tid))).await,
            Version::V2 => self.sign_claims(token.version, move || json!(v2(&token, &issuer, tid))).await,
        }
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
        };
        let aio = self.sealed_provenance(provenance)?;
        let claims = move || {
            let mut claims = user_claims(&token, &place);
            put(&mut claims, [("aio", json!(aio))]);
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
        self.sign_claims(token.version, move || Value::Object(id_claims(&token, &place))).await
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
        subject(&self.0.subject_key, user, client)
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
            origin: Arc::clone(&self.0.origin),
            subject_key: self.0.subject_key.clone(),
        }
    }
}

/// What all tokens of an installation share.
struct Place {
    issuer: String,
    tenant: TenantId,
    origin: Arc<str>,
    subject_key: MasterKey,
}

impl Place {
    fn subject(&self, user: UserId, audience: AppId) -> String {
        subject(&self.subject_key, user, audience)
    }
}

/// The pairwise subject (OIDC Core §8.1): the same user is another one to each application.
fn subject(key: &MasterKey, user: UserId, audience: AppId) -> String {
    let mut data = [0; 32];
    let (first, second) = data.split_at_mut(16);
    first.copy_from_slice(user.uuid().as_bytes());
    second.copy_from_slice(audience.uuid().as_bytes());
    base64url_encode(key.keyed_hash(&data))
}

/// Puts the members that are there.
fn put<const N: usize>(claims: &mut Map<String, Value>, members: [(&str, Value); N]) {
    for (name, value) in members {
        if !value.is_null() {
            claims.insert(name.to_owned(), value);
        }
    }
}

/// The claims of a user's access token.
fn user_claims(token: &UserToken, place: &Place) -> Map<String, Value> {
    let mut claims = Map::new();
    let (user, times) = (&token.user, token.times);
    put(
        &mut claims,
        [
            ("iss", json!(place.issuer)),
            ("cnf", json!(Confirmation::of(token.bound_to.as_deref()))),
            ("iat", json!(times.not_before)),
            ("nbf", json!(times.not_before)),
            ("exp", json!(times.expires_at)),
            ("name", json!(user.display_name)),
            ("oid", json!(user.id)),
            ("scp", json!(token.scopes.join(" "))),
            ("sub", json!(place.subject(user.id, token.resource))),
            ("tid", json!(place.tenant)),
            ("uti", json!(token.uti)),
            ("jti", json!(token.uti)),
        ],
    );
    let upn = || json!(user.user_principal_name);
    match token.version {
        Version::V1 => put(
            &mut claims,
            [
                ("acr", json!("1")),
                ("amr", json!(token.amr.words())),
                ("appid", json!(token.client.app_id())),
                ("appidacr", json!(token.client.acr())),
                ("aud", json!(token.audience)),
                ("family_name", json!(user.surname)),
                ("given_name", json!(user.given_name)),
                ("idp", json!(token.idp.as_ref().unwrap_or(&place.issuer))),
                ("ipaddr", json!(token.address.map(|address| address.to_string()))),
                ("unique_name", upn()),
                ("upn", upn()),
                ("ver", json!("1.0")),
            ],
        ),
        Version::V2 => {
            let members = [
                ("aud", json!(token.resource)),
                ("azp", json!(token.client.app_id())),
                ("azpacr", json!(token.client.acr())),
                ("idp", json!(token.idp)),
                ("ver", json!("2.0")),
            ];
            put(&mut claims, members);
            if token.oidc.profile {
                put(&mut claims, [("preferred_username", upn())]);
            } else {
                claims.remove("name");
            }
        }
    }
    rights_claims(&mut claims, &token.rights, (user.id, place));
    optional_claims(
        &mut claims,
        &token.optional,
        (user, (token.authenticated_at_ms, token.amr), token.address),
    );
    claims
}

/// The claims of an ID token.
fn id_claims(token: &IdToken, place: &Place) -> Map<String, Value> {
    let mut claims = Map::new();
    let user = &token.user;
    let not_before = token.now_s - BACKDATED_S;
    put(
        &mut claims,
        [
            ("aud", json!(token.client)),
            ("iss", json!(place.issuer)),
            ("iat", json!(not_before)),
            ("nbf", json!(not_before)),
            ("exp", json!(token.now_s + token.life_s)),
            ("sub", json!(place.subject(user.id, token.client))),
            ("tid", json!(place.tenant)),
            ("uti", json!(token.uti)),
        ],
    );
    if token.oidc.profile {
        put(&mut claims, [("name", json!(user.display_name)), ("oid", json!(user.id))]);
    }
    if token.oidc.email {
        put(&mut claims, [("email", json!(user.mail))]);
    }
    match token.version {
        Version::V1 => put(
            &mut claims,
            [
                ("amr", json!(token.amr.words())),
                ("family_name", json!(user.surname)),
                ("given_name", json!(user.given_name)),
                ("unique_name", json!(user.user_principal_name)),
                ("upn", json!(user.user_principal_name)),
                ("ver", json!("1.0")),
            ],
        ),
        Version::V2 => {
            put(&mut claims, [("ver", json!("2.0"))]);
            if token.oidc.profile {
                put(&mut claims, [("preferred_username", json!(user.user_principal_name))]);
            }
        }
    }
    let extras = &token.extras;
    put(
        &mut claims,
        [
            ("nonce", json!(extras.nonce)),
            ("c_hash", json!(extras.c_hash)),
            ("at_hash", json!(extras.at_hash)),
            ("sid", json!(extras.sid)),
            ("idp", json!(extras.idp)),
            ("auth_time", json!(extras.auth_time.then_some(token.authenticated_at_ms / 1000))),
        ],
    );
    rights_claims(&mut claims, &token.rights, (user.id, place));
    optional_claims(&mut claims, &token.optional, (user, (token.authenticated_at_ms, token.amr), None));
    claims
}

/// `roles`, `wids`, `groups`: absent where there are none.
fn rights_claims(claims: &mut Map<String, Value>, rights: &Rights, (user, place): (UserId, &Place)) {
    if !rights.roles.is_empty() {
        put(claims, [("roles", json!(rights.roles))]);
    }
    if !rights.wids.is_empty() {
        put(claims, [("wids", json!(rights.wids))]);
    }
    match &rights.groups {
        Groups::These(groups) if !groups.is_empty() => put(claims, [("groups", json!(groups))]),
        Groups::TooMany => {
            let endpoint = format!("{}/v1.0/users/{user}/getMemberObjects", place.origin);
            let sources = json!({ "src1": { "endpoint": endpoint } });
            put(claims, [("_claim_names", json!({ "groups": "src1" })), ("_claim_sources", sources)]);
        }
        Groups::These(_) | Groups::Unwanted => {}
    }
}

/// Claims that a registration asks for by name (sheet §4.4). Unknown names are passed over, as in Entra.
fn optional_claims(
    claims: &mut Map<String, Value>,
    names: &[String],
    (user, (authenticated_at_ms, amr), address): (&User, (i64, Amr), Option<IpAddr>),
) {
    for name in names {
        let value = match name.as_str() {
            // Whether the user is a guest of the tenant.
            "acct" => json!(i32::from(user.details.user_type == UserType::Guest)),
            "amr" => json!(amr.words()),
            "auth_time" => json!(authenticated_at_ms / 1000),
            "email" => json!(user.mail),
            "family_name" => json!(user.surname),
            "given_name" => json!(user.given_name),
            "idtyp" => json!("user"),
            "ipaddr" => json!(address.map(|address| address.to_string())),
            "login_hint" | "preferred_username" | "upn" => json!(user.user_principal_name),
            _ => continue,
        };
        put(claims, [(name.as_str(), value)]);
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
        cnf: Confirmation::of(token.bound_to.as_deref()),
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
        cnf: Confirmation::of(token.bound_to.as_deref()),
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
