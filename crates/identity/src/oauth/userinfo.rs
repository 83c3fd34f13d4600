//! User info (OIDC Core §5.3; sheet §1.7): who signed in, for a client that holds an access token. Any delegated access
//! token of this installation will do, whatever its audience: generic clients come with the one they have.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use hilum_access::bearer_token;
use hilum_jose::{Claims, validate_times};
use hilum_kernel::{AppId, UserId};
use http::{HeaderMap, HeaderValue, StatusCode, header};
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

/// Why nothing is told (RFC 6750 §3.1).
enum Refusal {
    NoToken,
    InvalidToken,
    /// An application's own token.
    NoUser,
    Failed(OAuthError),
}

impl<E: Into<OAuthError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

pub(crate) async fn userinfo(State(identity): State<Identity>, headers: HeaderMap) -> Response {
    let mut response = match identity.user_info(&headers).await {
        Ok(info) => json_body(&info),
        Err(refusal) => refused(&refusal),
    };
    let answer = response.headers_mut();
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let exposed = HeaderValue::from_static("www-authenticate");
    answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    response
}

/// The preflight of a page that sends its token.
pub(crate) async fn options() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, client-request-id"),
        (header::ACCESS_CONTROL_MAX_AGE, "3600"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn refused(refusal: &Refusal) -> Response {
    let (status, challenge) = match refusal {
        Refusal::NoToken => (StatusCode::UNAUTHORIZED, "Bearer"),
        Refusal::InvalidToken => (StatusCode::UNAUTHORIZED, "Bearer error=\"invalid_token\""),
        Refusal::NoUser => (StatusCode::FORBIDDEN, "Bearer error=\"insufficient_scope\", scope=\"openid\""),
        Refusal::Failed(error) => {
            if let OAuthError::Unavailable(source) | OAuthError::Internal(source) = error {
                tracing::error!(error = source as &dyn std::error::Error, "user info failed");
            }
            return error.row().status.into_response();
        }
    };
    let mut response = status.into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

impl Identity {
    async fn user_info(&self, headers: &HeaderMap) -> Result<UserInfo, Refusal> {
        if !headers.contains_key(header::AUTHORIZATION) {
            return Err(Refusal::NoToken);
        }
        let token = bearer_token(headers).map_err(|_| Refusal::InvalidToken)?;
        let claims = self.own_claims(token).await?.ok_or(Refusal::InvalidToken)?;
        validate_times(&claims, self.0.clock.now(), LEEWAY).map_err(|_| Refusal::InvalidToken)?;
        let client = client_of(&claims).ok_or(Refusal::InvalidToken)?;
        // An ID token names no client but its audience, and an application's token no user.
        let scopes = claims.text("scp").ok_or(Refusal::NoUser)?;
        let user: UserId = claims.text("oid").and_then(|id| id.parse().ok()).ok_or(Refusal::InvalidToken)?;
        let tenant = self.tenant().await?.id;
        let user = users::lookup(&mut self.0.db.read().await?, tenant, &user.to_string()).await?;
        let user = user.filter(|user| user.account_enabled).ok_or(Refusal::InvalidToken)?;
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
