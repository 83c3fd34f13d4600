//! The claims of tokens, v1.0 and v2.0 (sheet §4.2 – §4.4): a decision as JSON. Nothing is decided here.

use std::{net::IpAddr, sync::Arc};

use hilum_jose::{MasterKey, base64url_encode};
use hilum_kernel::{AppId, ObjectId, TenantId, UserId};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::tokens::{AppToken, BACKDATED_S, Groups, IdToken, Rights, UserToken, Version};
use crate::{OptionalClaim, User, UserType, authentication_methods::Amr};

/// What a client says that takes refusals with claims to be met, and a token that lets services send them.
pub(super) const CLAIMS_CHALLENGE: &str = "CP1";

/// What all tokens of an installation share.
pub(super) struct Place {
    pub(super) issuer: String,
    pub(super) tenant: TenantId,
    pub(super) domain: String,
    pub(super) origin: Arc<str>,
    pub(super) subject_key: MasterKey,
}

impl Place {
    fn subject(&self, user: UserId, audience: AppId) -> String {
        subject(&self.subject_key, user, audience)
    }
}

/// The pairwise subject (OIDC Core §8.1): the same user is another one to each application.
pub(super) fn subject(key: &MasterKey, user: UserId, audience: AppId) -> String {
    let mut data = [0; 32];
    let (first, second) = data.split_at_mut(16);
    first.copy_from_slice(user.uuid().as_bytes());
    second.copy_from_slice(audience.uuid().as_bytes());
    base64url_encode(key.keyed_hash(&data))
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

#[derive(Serialize)]
struct ClaimsV1<'a> {
    aud: String,
    iss: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_displayname: Option<&'a str>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    xms_cc: Option<[&'a str; 1]>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    xms_cc: Option<[&'a str; 1]>,
    ver: &'a str,
}

/// The claims of an application's token.
pub(super) fn app_claims(token: &AppToken, issuer: &str, tid: TenantId) -> Value {
    let (client, times) = (&token.client, token.times);
    let xms_cc = challengeable(&token.optional, token.takes_challenges);
    match token.version {
        Version::V1 => json!(ClaimsV1 {
            aud: audience_v1(&token.optional, (&token.audience, token.resource)),
            iss: issuer,
            iat: times.not_before,
            nbf: times.not_before,
            exp: times.expires_at,
            app_displayname: token.client_name.as_deref(),
            appid: client.app_id(),
            appidacr: client.acr(),
            cnf: Confirmation::of(token.bound_to.as_deref()),
            idp: issuer,
            idtyp: "app",
            oid: client.principal(),
            roles: &token.roles,
            sub: client.principal(),
            tid,
            uti: &token.uti,
            jti: &token.uti,
            xms_cc,
            ver: "1.0",
        }),
        Version::V2 => json!(ClaimsV2 {
            aud: token.resource,
            iss: issuer,
            iat: times.not_before,
            nbf: times.not_before,
            exp: times.expires_at,
            azp: client.app_id(),
            azpacr: client.acr(),
            cnf: Confirmation::of(token.bound_to.as_deref()),
            idtyp: "app",
            oid: client.principal(),
            roles: &token.roles,
            sub: client.principal(),
            tid,
            uti: &token.uti,
            jti: &token.uti,
            xms_cc,
            ver: "2.0",
        }),
    }
}

/// Puts the members that are there.
pub(super) fn put<const N: usize>(claims: &mut Map<String, Value>, members: [(&str, Value); N]) {
    for (name, value) in members {
        if !value.is_null() {
            claims.insert(name.to_owned(), value);
        }
    }
}

/// The claims of a user's access token.
pub(super) fn user_claims(token: &UserToken, place: &Place) -> Map<String, Value> {
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
                ("app_displayname", json!(token.client_name)),
                ("appid", json!(token.client.app_id())),
                ("appidacr", json!(token.client.acr())),
                ("aud", json!(audience_v1(&token.optional, (&token.audience, token.resource)))),
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
    put(&mut claims, [("xms_cc", json!(challengeable(&token.optional, token.takes_challenges)))]);
    rights_claims(&mut claims, &token.rights, &token.optional, (user.id, place));
    let facts = Facts {
        user,
        authenticated_at_ms: token.authenticated_at_ms,
        amr: token.amr,
        address: token.address,
        sid: token.sid,
        domain: &place.domain,
    };
    optional_claims(&mut claims, &token.optional, &facts);
    claims
}

/// The claims of an ID token.
pub(super) fn id_claims(token: &IdToken, place: &Place) -> Map<String, Value> {
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
    rights_claims(&mut claims, &token.rights, &token.optional, (user.id, place));
    let facts = Facts {
        user,
        authenticated_at_ms: token.authenticated_at_ms,
        amr: token.amr,
        address: token.address,
        sid: extras.sid,
        domain: &place.domain,
    };
    optional_claims(&mut claims, &token.optional, &facts);
    claims
}

/// The entry of this name, if the registration has it with this addition; an empty addition: with or without any.
fn wants(optional: &[OptionalClaim], name: &str, addition: &str) -> bool {
    optional.iter().any(|claim| {
        claim.name == name
            && (addition.is_empty()
                || claim.additional_properties.iter().any(|known| known.eq_ignore_ascii_case(addition)))
    })
}

/// The resource's name as it was asked for, or its ID where its registration wants that.
fn audience_v1(optional: &[OptionalClaim], (name, resource): (&str, AppId)) -> String {
    if wants(optional, "aud", "use_guid") { resource.to_string() } else { name.to_owned() }
}

/// Services may refuse with claims to be met where they ask for this and the client can.
fn challengeable(optional: &[OptionalClaim], takes_challenges: bool) -> Option<[&'static str; 1]> {
    (takes_challenges && wants(optional, "xms_cc", "")).then_some([CLAIMS_CHALLENGE])
}

/// `roles`, `wids`, `groups`: absent where there are none.
fn rights_claims(
    claims: &mut Map<String, Value>,
    rights: &Rights,
    optional: &[OptionalClaim],
    (user, place): (UserId, &Place),
) {
    if !rights.roles.is_empty() {
        put(claims, [("roles", json!(rights.roles))]);
    }
    if !rights.wids.is_empty() {
        put(claims, [("wids", json!(rights.wids))]);
    }
    match &rights.groups {
        // As in Entra, they stand for the roles then.
        Groups::These(groups) if !groups.is_empty() && wants(optional, "groups", "emit_as_roles") => {
            put(claims, [("roles", json!(groups))]);
        }
        Groups::These(groups) if !groups.is_empty() => put(claims, [("groups", json!(groups))]),
        Groups::TooMany => {
            let endpoint = format!("{}/v1.0/users/{user}/getMemberObjects", place.origin);
            let sources = json!({ "src1": { "endpoint": endpoint } });
            put(claims, [("_claim_names", json!({ "groups": "src1" })), ("_claim_sources", sources)]);
        }
        Groups::TooManyForUrl => put(claims, [("hasgroups", json!(true))]),
        Groups::These(_) | Groups::Unwanted => {}
    }
}

/// What optional claims tell of.
struct Facts<'a> {
    user: &'a User,
    authenticated_at_ms: i64,
    amr: Amr,
    address: Option<IpAddr>,
    sid: Option<Uuid>,
    /// The tenant's domain.
    domain: &'a str,
}

/// Claims that a registration asks for by name (sheet §4.4). Unknown names are passed over, as in Entra.
fn optional_claims(claims: &mut Map<String, Value>, optional: &[OptionalClaim], facts: &Facts<'_>) {
    let user = facts.user;
    for claim in optional {
        let value = match claim.name.as_str() {
            // Whether the user is a guest of the tenant.
            "acct" => json!(i32::from(user.details.user_type == UserType::Guest)),
            "amr" => json!(facts.amr.words()),
            "auth_time" => json!(facts.authenticated_at_ms / 1000),
            "ctry" => json!(user.details.country.as_deref().filter(|country| is_country(country))),
            "email" => json!(user.mail),
            "family_name" => json!(user.surname),
            "given_name" => json!(user.given_name),
            // That there is none tells users' tokens from applications'; some resources want it said.
            "idtyp" if wants(optional, "idtyp", "include_user_token") => json!("user"),
            "ipaddr" => json!(facts.address.map(|address| address.to_string())),
            "login_hint" | "preferred_username" | "upn" => json!(user.user_principal_name),
            "sid" => json!(facts.sid),
            "verified_primary_email" => json!(verified_mail(user, facts.domain).map(|mail| [mail])),
            "xms_pl" => json!(user.details.preferred_language),
            _ => continue,
        };
        put(claims, [(claim.name.as_str(), value)]);
    }
}

/// ISO 3166-1: two letters. What else stands there is no claim.
fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// An address in the tenant's own domain: of others nobody knows whose they are.
fn verified_mail<'a>(user: &'a User, domain: &str) -> Option<&'a str> {
    let mail = user.mail.as_deref()?;
    mail.rsplit_once('@').filter(|(_, of)| of.eq_ignore_ascii_case(domain)).map(|_| mail)
}
