//! User info (OIDC Core §5.3; sheet §1.7): who signed in, for a client that holds an access token. Any delegated access
//! token of this installation will do, whatever its audience: generic clients come with the one they have.

use axum::{
    extract::{OriginalUri, State},
    response::{IntoResponse as _, Response},
};
use hilum_access::{
    AccessError, Challenge, NONCE_HEADER, ProvenRequest, Scheme, TokenError, key_of_token, presented_token,
};
use hilum_jose::{Claims, validate_times};
use hilum_kernel::{AppId, UserId};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::SignedDuration;
use serde::Serialize;

use super::{error::OAuthError, json_body};
use crate::{Identity, users};

/// How far clocks may differ.
const LEEWAY: SignedDuration = SignedDuration::from_mins(5);

/// What is told. `sub` is the one of the client's ID tokens (OIDC Core §5.3.2).
#[derive(Serialize)]
struct UserInfo {
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    family_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

/// Why nothing is told.
enum Refusal {
    /// No token, none of ours, or presented in the wrong way (RFC 6750 §3.1, RFC 9449 §7).
    Token(TokenError),
    /// An application's own token.
    NoUser,
    Failed(OAuthError),
}

impl Refusal {
    const NO_SUBJECT: Self = Self::Token(TokenError::NoSubject);
}

impl<E: Into<OAuthError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

pub(crate) async fn userinfo(
    State(identity): State<Identity>,
    (method, OriginalUri(uri)): (Method, OriginalUri),
    headers: HeaderMap,
) -> Response {
    let request = ProvenRequest { method: &method, origin: &identity.0.origin, path: uri.path() };
    let mut response = match identity.user_info(&headers, request).await {
        Ok(info) => json_body(&info),
        Err(refusal) => refused(&identity, &refusal, Scheme::tried(&headers)),
    };
    let answer = response.headers_mut();
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let exposed = HeaderValue::from_static("www-authenticate, dpop-nonce");
    answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    if let Some(nonce) = identity.0.proofs.next_nonce(&headers) {
        answer.insert(NONCE_HEADER, nonce);
    }
    response
}

/// The preflight of a page that sends its token.
pub(crate) async fn options() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, client-request-id, dpop"),
        (header::ACCESS_CONTROL_MAX_AGE, "3600"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn refused(identity: &Identity, refusal: &Refusal, tried: Scheme) -> Response {
    let error = match refusal {
        Refusal::Token(error) => *error,
        Refusal::NoUser => {
            let mut response = StatusCode::FORBIDDEN.into_response();
            let challenge = format!("{} error=\"insufficient_scope\", scope=\"openid\"", tried.as_str());
            if let Ok(challenge) = HeaderValue::from_str(&challenge) {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            return response;
        }
        Refusal::Failed(error) => {
            if let OAuthError::Unavailable(source) | OAuthError::Internal(source) = error {
                tracing::error!(error = source as &dyn std::error::Error, "user info failed");
            }
            return error.row().status.into_response();
        }
    };
    let refusal = Challenge::default().refuse(&AccessError::Token(error), tried);
    let mut response = refusal.status.into_response();
    for challenge in refusal.www_authenticate {
        response.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
    }
    if refusal.brings_nonce {
        response.headers_mut().insert(NONCE_HEADER, identity.0.proofs.nonce());
    }
    response
}

impl Identity {
    async fn user_info(&self, headers: &HeaderMap, request: ProvenRequest<'_>) -> Result<UserInfo, Refusal> {
        let (scheme, token) = presented_token(headers).map_err(Refusal::Token)?;
        let claims = self.own_claims(token).await?.ok_or(Refusal::Token(TokenError::Signature))?;
        validate_times(&claims, self.0.clock.now(), LEEWAY)
            .map_err(|_| Refusal::Token(TokenError::Expired))?;
        let bound_to = key_of_token(&claims);
        let presented = (scheme, token, bound_to.as_deref());
        self.0.proofs.check(headers, request, presented).map_err(Refusal::Token)?;
        let client = client_of(&claims).ok_or(Refusal::Token(TokenError::NotAccessToken))?;
        // An ID token names no client but its audience, and an application's token no user.
        let scopes = claims.text("scp").ok_or(Refusal::NoUser)?;
        let user: UserId = claims.text("oid").and_then(|id| id.parse().ok()).ok_or(Refusal::NO_SUBJECT)?;
        let tenant = self.tenant().await?.id;
        let user = users::lookup(&mut self.0.db.read().await?, tenant, &user.to_string()).await?;
        let user = user.filter(|user| user.account_enabled).ok_or(Refusal::NO_SUBJECT)?;
        let said = |word: &str| scopes.split(' ').any(|scope| scope == word);
        // A token holds the name where `profile` was granted, and always in v1.0.
        let knows_name = said("profile") || claims.get("name").is_some();
        Ok(UserInfo {
            sub: self.subject(user.id, client),
            name: knows_name.then(|| user.display_name.clone()),
            given_name: user.given_name.clone().filter(|_| knows_name),
            family_name: user.surname.clone().filter(|_| knows_name),
            email: user.mail.filter(|_| said("email")),
        })
    }
}

/// The client of an access token.
fn client_of(claims: &Claims) -> Option<AppId> {
    claims.text("azp").or_else(|| claims.text("appid"))?.parse().ok()
}
