//! What a client can find out by itself: discovery documents (OIDC Discovery §4, RFC 8414; sheet §1.3), keys (RFC 7517;
//! §1.5) and instance discovery (§1.6).
//!
//! The documents name what works. Tokens through the browser (`implicit`) and passwords are off for each application until
//! somebody switches them on.

use axum::{
    extract::{Path, RawQuery, State},
    response::{IntoResponse as _, Response},
};
use hilum_access::PROOF_ALGORITHMS;
use hilum_jose::Algorithm;
use hilum_web::RequestContext;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::json;

use super::{
    error::{Envelope, OAuthError, quoted},
    form::Form,
    json_body,
    scopes::Endpoint,
    tenant::TenantSegment,
};
use crate::{Identity, Tenant};

/// The placeholder in the issuer of a document that is not about one tenant.
const ANY_TENANT: &str = "{tenantid}";
/// Clients keep the document for a day.
const DOCUMENT_MAX_AGE: &str = "max-age=86400, private";
/// Keys may be withdrawn in an emergency, so they are kept for an hour at most.
const KEYS_MAX_AGE: &str = "max-age=3600, private";

/// How clients prove themselves.
const AUTH_METHODS: &[&str] = &["client_secret_post", "private_key_jwt", "client_secret_basic"];
/// The same where public clients may come, too.
const AUTH_METHODS_OR_NONE: &[&str] =
    &["client_secret_post", "private_key_jwt", "client_secret_basic", "none"];
/// What they sign assertions with.
const ASSERTION_ALGORITHMS: &[&str] = &["RS256", "PS256", "PS384", "PS512", "ES256"];

/// What ID tokens may hold.
const CLAIMS: &[&str] = &[
    "sub",
    "iss",
    "aud",
    "exp",
    "iat",
    "nbf",
    "auth_time",
    "nonce",
    "at_hash",
    "c_hash",
    "sid",
    "oid",
    "preferred_username",
    "name",
    "tid",
    "ver",
    "email",
];

#[expect(clippy::struct_excessive_bools, reason = "each is a member of the standard's document")]
#[derive(Serialize)]
struct Document {
    token_endpoint: String,
    token_endpoint_auth_methods_supported: &'static [&'static str],
    token_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    jwks_uri: String,
    response_modes_supported: &'static [&'static str],
    subject_types_supported: &'static [&'static str],
    id_token_signing_alg_values_supported: &'static [&'static str],
    response_types_supported: &'static [&'static str],
    scopes_supported: &'static [&'static str],
    grant_types_supported: &'static [&'static str],
    code_challenge_methods_supported: &'static [&'static str],
    dpop_signing_alg_values_supported: [&'static str; PROOF_ALGORITHMS.len()],
    prompt_values_supported: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_response_iss_parameter_supported: Option<bool>,
    issuer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    microsoft_multi_refresh_token: Option<bool>,
    request_uri_parameter_supported: bool,
    pushed_authorization_request_endpoint: String,
    require_pushed_authorization_requests: bool,
    authorization_endpoint: String,
    device_authorization_endpoint: String,
    userinfo_endpoint: String,
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: &'static [&'static str],
    revocation_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: &'static [&'static str],
    introspection_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    end_session_endpoint: String,
    http_logout_supported: bool,
    frontchannel_logout_supported: bool,
    frontchannel_logout_session_supported: bool,
    claims_supported: &'static [&'static str],
    tenant_region_scope: Option<&'static str>,
    cloud_instance_name: String,
    cloud_graph_host_name: String,
    msgraph_host: String,
}

pub(crate) async fn document_v1(
    State(identity): State<Identity>,
    Path(segment): Path<String>,
    context: RequestContext,
) -> Response {
    document(&identity, Endpoint::V1, &segment, &context).await
}

pub(crate) async fn document_v2(
    State(identity): State<Identity>,
    Path(segment): Path<String>,
    context: RequestContext,
) -> Response {
    document(&identity, Endpoint::V2, &segment, &context).await
}

async fn document(
    identity: &Identity,
    endpoint: Endpoint,
    segment: &str,
    context: &RequestContext,
) -> Response {
    let made = async {
        let tenant = identity.tenant().await?;
        let whom = TenantSegment::parse(segment, tenant)?;
        Ok::<_, OAuthError>(json_body(&describe(&identity.0.origin, endpoint, whom, (segment, tenant))))
    };
    match made.await {
        Ok(response) => open(identity, response, DOCUMENT_MAX_AGE),
        Err(error) => refuse(identity, context, &error),
    }
}

fn describe(
    origin: &str,
    endpoint: Endpoint,
    whom: TenantSegment,
    (segment, tenant): (&str, &Tenant),
) -> Document {
    // Endpoints repeat the word the caller used, so that MSAL's caches agree with themselves.
    let t = segment.to_ascii_lowercase();
    let issuer_tenant = match whom {
        TenantSegment::Own => tenant.id.to_string(),
        TenantSegment::Any => ANY_TENANT.to_owned(),
    };
    let (issuer, path) = match endpoint {
        Endpoint::V1 => (format!("{origin}/{issuer_tenant}/"), format!("{origin}/{t}/oauth2")),
        Endpoint::V2 => (format!("{origin}/{issuer_tenant}/v2.0"), format!("{origin}/{t}/oauth2/v2.0")),
    };
    let keys = if endpoint == Endpoint::V1 { "discovery/keys" } else { "discovery/v2.0/keys" };
    let host = host_of(origin);
    Document {
        token_endpoint: format!("{path}/token"),
        token_endpoint_auth_methods_supported: AUTH_METHODS,
        token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
        jwks_uri: format!("{origin}/{t}/{keys}"),
        response_modes_supported: &["query", "fragment", "form_post"],
        subject_types_supported: &["pairwise"],
        id_token_signing_alg_values_supported: &["RS256"],
        // Entra's lists.
        response_types_supported: if endpoint == Endpoint::V1 {
            &["code", "id_token", "code id_token", "token id_token", "token"]
        } else {
            &["code", "id_token", "code id_token", "id_token token"]
        },
        scopes_supported: if endpoint == Endpoint::V1 {
            &["openid"]
        } else {
            &["openid", "profile", "email", "offline_access"]
        },
        grant_types_supported: &[
            "authorization_code",
            "implicit",
            "client_credentials",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "password",
        ],
        // `plain` is taken of clients that prove themselves, but nobody should be led to it.
        code_challenge_methods_supported: &["S256"],
        dpop_signing_alg_values_supported: PROOF_ALGORITHMS.map(Algorithm::as_str),
        prompt_values_supported: &["none", "login", "consent", "select_account"],
        // RFC 9207 §3: where no tenant is named, clients know no issuer to compare with.
        authorization_response_iss_parameter_supported: (whom == TenantSegment::Own).then_some(true),
        issuer,
        microsoft_multi_refresh_token: (endpoint == Endpoint::V1).then_some(true),
        // RFC 9126 §5: those of our own need no switch; others are not fetched.
        request_uri_parameter_supported: false,
        pushed_authorization_request_endpoint: format!("{origin}/{t}/oauth2/v2.0/par"),
        // Some applications do (RFC 9126 §6).
        require_pushed_authorization_requests: false,
        authorization_endpoint: format!("{path}/authorize"),
        device_authorization_endpoint: format!("{path}/devicecode"),
        userinfo_endpoint: match endpoint {
            Endpoint::V1 => format!("{origin}/{t}/openid/userinfo"),
            Endpoint::V2 => format!("{origin}/oidc/userinfo"),
        },
        // One place for both versions.
        revocation_endpoint: format!("{origin}/{t}/oauth2/v2.0/revoke"),
        revocation_endpoint_auth_methods_supported: AUTH_METHODS_OR_NONE,
        revocation_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
        introspection_endpoint: format!("{origin}/{t}/oauth2/v2.0/introspect"),
        introspection_endpoint_auth_methods_supported: AUTH_METHODS,
        introspection_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
        end_session_endpoint: format!("{path}/logout"),
        http_logout_supported: true,
        frontchannel_logout_supported: true,
        frontchannel_logout_session_supported: true,
        claims_supported: CLAIMS,
        tenant_region_scope: (whom == TenantSegment::Own).then_some("WW"),
        cloud_instance_name: host.to_owned(),
        cloud_graph_host_name: host.to_owned(),
        msgraph_host: host.to_owned(),
    }
}

/// The published keys, on both paths. On `common` each key's issuer is the template (sheet §1.5).
pub(crate) async fn keys(
    State(identity): State<Identity>,
    Path(segment): Path<String>,
    context: RequestContext,
) -> Response {
    let made = async {
        let tenant = identity.tenant().await?;
        let issuer = match TenantSegment::parse(&segment, tenant)? {
            TenantSegment::Own => identity.v2_issuer(tenant),
            TenantSegment::Any => format!("{}/{ANY_TENANT}/v2.0", identity.0.origin),
        };
        Ok::<_, OAuthError>(json_body(&identity.key_set(&issuer).await?))
    };
    match made.await {
        Ok(response) => open(&identity, response, KEYS_MAX_AGE),
        Err(error) => refuse(&identity, &context, &error),
    }
}

/// Which hosts belong together: ours, and only ours.
pub(crate) async fn instance(
    State(identity): State<Identity>,
    context: RequestContext,
    RawQuery(query): RawQuery,
) -> Response {
    match instance_of(&identity.0.origin, query.as_deref().unwrap_or_default()) {
        Ok(response) => open(&identity, response, DOCUMENT_MAX_AGE),
        Err(error) => refuse(&identity, &context, &error),
    }
}

fn instance_of(origin: &str, query: &str) -> Result<Response, OAuthError> {
    let query = Form::parse(query.as_bytes())?;
    let version = match query.get("api-version") {
        Some("1.1") | None => "1.1",
        Some("1.0") => "1.0",
        Some(_) => return Err(OAuthError::BadParameter("api-version")),
    };
    let asked = query.required("authorization_endpoint")?;
    let rest = asked.strip_prefix(origin).and_then(|rest| rest.strip_prefix('/'));
    let unknown = || OAuthError::UnknownInstance(quoted(asked));
    let segment = rest
        .ok_or_else(unknown)?
        .split('/')
        .next()
        .filter(|segment| !segment.is_empty())
        .ok_or_else(unknown)?;
    let host = host_of(origin);
    Ok(json_body(&json!({
        "tenant_discovery_endpoint": format!("{origin}/{segment}/v2.0/.well-known/openid-configuration"),
        "api-version": version,
        "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
    })))
}

/// Where a user signs in, which MSAL asks before the password grant (sheet §2.11). The answer depends on the domain
/// alone: it does not tell whether the user exists.
pub(crate) async fn user_realm(
    State(identity): State<Identity>,
    Path((segment, user)): Path<(String, String)>,
    context: RequestContext,
) -> Response {
    let made = async {
        let tenant = identity.tenant().await?;
        TenantSegment::parse(&segment, tenant)?;
        let domain = user.rsplit_once('@').map_or("", |(_, domain)| domain);
        let ours = domain.eq_ignore_ascii_case(&tenant.domain);
        let realm = json!({
            "ver": "1.0",
            "account_type": if ours { "Managed" } else { "Unknown" },
            "domain_name": quoted(domain),
            "cloud_instance_name": host_of(&identity.0.origin),
            "cloud_audience_urn": "urn:federation:MicrosoftOnline",
        });
        Ok::<_, OAuthError>(json_body(&realm))
    };
    match made.await {
        Ok(response) => open(&identity, response, "no-store"),
        Err(error) => refuse(&identity, &context, &error),
    }
}

/// Host and port of the origin.
fn host_of(origin: &str) -> &str {
    origin.split_once("://").map_or(origin, |(_, host)| host)
}

/// What anybody may read from anywhere.
fn open(identity: &Identity, mut response: Response, cache: &'static str) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, OPTIONS"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(&identity.0.random.uuid().to_string()) {
        headers.insert("x-ms-request-id", id);
    }
    response
}

fn refuse(identity: &Identity, context: &RequestContext, error: &OAuthError) -> Response {
    if let OAuthError::Unavailable(source) | OAuthError::Internal(source) = error {
        tracing::error!(error = source as &dyn std::error::Error, "discovery failed");
    }
    let envelope = Envelope {
        origin: &identity.0.origin,
        correlation: context.correlation,
        trace: identity.0.random.uuid(),
        now: identity.0.clock.now(),
    };
    // Discovery has a word of its own for an unknown tenant (sheet §1.2).
    let word = matches!(error, OAuthError::TenantNotFound(_)).then_some("invalid_tenant");
    open(identity, envelope.respond(error, word), "no-store")
}

/// The preflight of a page.
pub(crate) async fn options(State(identity): State<Identity>) -> Response {
    let mut response = open(&identity, StatusCode::NO_CONTENT.into_response(), "max-age=3600");
    let allowed = HeaderValue::from_static("content-type, client-request-id, x-client-sku, x-client-ver");
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    response
}
