//! OAuth 2.0 and OpenID Connect on the wire (RFC 6749, OIDC Discovery), in Entra's shapes (DESIGN §3, sheet §1).

mod account;
mod authorize;
mod browser;
mod claims;
mod client_authentication;
mod consent;
mod delegation;
mod device;
mod discovery;
mod dpop;
mod enrolment;
mod error;
mod failure;
mod federation;
mod form;
mod introspection;
mod logout;
mod openapi;
mod own_token;
mod pages;
mod par;
mod revocation;
mod scopes;
mod sealed;
mod slip;
mod sql;
mod tenant;
mod throttle;
pub(crate) mod token;
mod tokens;
mod userinfo;

#[cfg(test)]
mod claims_tests;
#[cfg(test)]
mod dpop_tests;
#[cfg(test)]
mod error_tests;
#[cfg(test)]
mod introspection_tests;
#[cfg(test)]
mod revocation_tests;
#[cfg(test)]
pub(crate) mod tests;

use axum::{
    Router,
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get, post},
};
use http::{HeaderValue, header};
use serde::Serialize;

use crate::Identity;

pub(crate) use authorize::{Platform, SCHEMA as CODE_SCHEMA};
pub(crate) use device::{
    SCHEMA as DEVICE_SCHEMA, SCHEMA_AMR as DEVICE_SCHEMA_AMR, SCHEMA_CLIENTS as DEVICE_SCHEMA_CLIENTS,
    SCHEMA_IDP as DEVICE_SCHEMA_IDP, SCHEMA_NETWORKS as DEVICE_SCHEMA_NETWORKS,
};
pub use openapi::openapi;
pub(crate) use throttle::{Throttle, network};
pub use token::{AccessToken, ClientCredential};
#[cfg(test)]
pub(crate) use {
    authorize::STATEMENTS as CODE_STATEMENTS, device::STATEMENTS as DEVICE_STATEMENTS, sql::STATEMENTS,
};

/// Every path of the protocol, in the order of [`router`]'s handlers.
const PATHS: [&str; 35] = [
    "/{tenant}/v2.0/.well-known/openid-configuration",
    "/{tenant}/.well-known/openid-configuration",
    "/{tenant}/discovery/v2.0/keys",
    "/{tenant}/discovery/keys",
    "/{tenant}/discovery/instance",
    "/{tenant}/oauth2/v2.0/token",
    "/{tenant}/oauth2/token",
    "/{tenant}/oauth2/v2.0/authorize",
    "/{tenant}/oauth2/authorize",
    "/{tenant}/oauth2/v2.0/devicecode",
    "/{tenant}/oauth2/devicecode",
    "/{tenant}/oauth2/deviceauth",
    "/devicelogin",
    "/{tenant}/userrealm/{user}",
    "/{tenant}/v2.0/adminconsent",
    "/{tenant}/adminconsent",
    "/common/login",
    "/common/federation/oauth2/{provider}",
    "/{tenant}/oauth2/v2.0/logout",
    "/{tenant}/oauth2/logout",
    "/common/signout",
    "/oidc/userinfo",
    "/{tenant}/openid/userinfo",
    "/.well-known/oauth-authorization-server/{tenant}/v2.0",
    "/.well-known/oauth-authorization-server/{tenant}",
    "/{tenant}/v2.0/.well-known/oauth-authorization-server",
    "/{tenant}/.well-known/oauth-authorization-server",
    "/{tenant}/oauth2/v2.0/revoke",
    "/{tenant}/oauth2/v2.0/introspect",
    "/{tenant}/oauth2/v2.0/par",
    "/error",
    "/portal/account",
    "/portal/account/applications",
    "/portal/account/sessions",
    "/portal/account/security-info",
];

/// Routes every path of the protocol. Each answers with any valid tenant segment, and with a slash at the end, too.
pub(crate) fn router(identity: Identity) -> Router {
    let read = |handler: MethodRouter<Identity>| handler.options(discovery::options);
    let token =
        |handler: MethodRouter<Identity>| handler.options(token::options).fallback(token::other_method);
    let userinfo = || get(userinfo::userinfo).post(userinfo::userinfo).options(userinfo::options);
    let page = || get(device::page_get).post(device::page_post);
    let handlers: [MethodRouter<Identity>; 35] = [
        read(get(discovery::document_v2)),
        read(get(discovery::document_v1)),
        read(get(discovery::keys)),
        read(get(discovery::keys)),
        read(get(discovery::instance)),
        token(post(token::post_v2)),
        token(post(token::post_v1)),
        get(authorize::get_v2).post(authorize::post_v2),
        get(authorize::get_v1).post(authorize::post_v1),
        token(post(device::post_v2)),
        token(post(device::post_v1)),
        page(),
        page(),
        read(get(discovery::user_realm)),
        get(authorize::admin_consent_v2),
        get(authorize::admin_consent_v1),
        post(authorize::login),
        get(authorize::federated),
        get(logout::get).post(logout::post),
        get(logout::get).post(logout::post),
        post(logout::confirmed),
        userinfo(),
        userinfo(),
        read(get(discovery::document_v2)),
        read(get(discovery::document_v1)),
        read(get(discovery::document_v2)),
        read(get(discovery::document_v1)),
        token(post(revocation::post)),
        token(post(introspection::post)),
        token(post(par::post)),
        get(failure::explain),
        get(account::index),
        get(account::applications_get).post(account::applications_post),
        get(account::sessions_get).post(account::sessions_post),
        get(account::security_info::get).post(account::security_info::post),
    ];
    PATHS
        .into_iter()
        .zip(handlers)
        .fold(Router::new(), |all, (path, handler)| {
            all.route(path, handler.clone()).route(&format!("{path}/"), handler)
        })
        .with_state(identity)
}

/// A JSON answer in the spelling of Entra's content type.
fn json_body(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let kind = HeaderValue::from_static("application/json; charset=utf-8");
            ([(header::CONTENT_TYPE, kind)], body).into_response()
        }
        Err(_) => http::StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
