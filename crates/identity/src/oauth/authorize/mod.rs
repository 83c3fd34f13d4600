//! Signing in by redirect: the authorization endpoint (RFC 6749 §3.1, OIDC Core §3; sheet §2.1–§2.4).
//!
//! A request is checked (`checks`) as far as nobody is needed, then a person is led through sign-in, choice of account and
//! consent (`steps`), and an answer goes back the way that was proven (`response`). The request travels with the person,
//! sealed, so that an unanswered one costs the server nothing. Codes are sealed, too (`code`); owns `redeemed_code`.

mod admin_consent;
mod answer;
mod checks;
mod code;
mod consent_steps;
mod consenting;
mod goal;
mod http;
mod page;
mod parameters;
pub(crate) mod pkce;
mod prompt;
mod redirect_uri;
mod response;
mod second_factor;
mod sql;
mod steps;
mod upstream;

#[cfg(test)]
pub(super) mod tests;

pub(super) use checks::{Asking, Kind, Refusal, usable_client};
pub(crate) use code::{Code, Redeemed, Redemption, redeem, redeem_once};
pub(super) use goal::OwnPage;
pub(crate) use http::{
    admin_consent_v1, admin_consent_v2, federated, get_v1, get_v2, login, post_v1, post_v2,
};
pub(super) use http::{parameters, sign_in_to};
pub(super) use parameters::{Parameters, REQUEST_URI_CHARS_MAX};
pub(crate) use redirect_uri::{Platform, is_spa_origin, registered};
pub(super) use response::{location, see_other};
pub(crate) use sql::SCHEMA;
#[cfg(test)]
pub(crate) use sql::STATEMENTS;
