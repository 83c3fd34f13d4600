//! Signing in through another OpenID Connect provider: a hospital's Entra tenant, Keycloak (OIDC Core §3.1, RFC 9700).
//!
//! The configuration names the providers. A person is sent to one with code flow, PKCE and nonce (`request`); what comes back
//! is redeemed and proven (`redemption`, `id_token`), and the provider's issuer and subject lead to a user (`linking`).
//! Owns `user_identity`, the links, and `upstream_sign_in`, the sign-ins that are under way at providers.
//!
//! A link is made once and never moved: neither a changed e-mail address nor another sign-in touches it. Whom to connect to
//! is the configuration's affair alone; nothing in a request or a token chooses it.

mod error;
mod id_token;
mod identities;
mod linking;
mod pending;
mod provider;
mod redemption;
mod request;
mod sql;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use error::UpstreamError;
pub(crate) use id_token::Asserted;
pub(crate) use identities::{FederatedIdentity, Links, Wanted, forget, parse as parse_identities, replace};
pub(crate) use pending::{Parked, StateHash};
pub(crate) use provider::Provider;
pub use provider::{IdentityProvider, Linking, ProviderSettings};
pub(crate) use redemption::Incoming;
pub(crate) use request::{Fresh, Outgoing, Sent};
#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{SCHEMA, SCHEMA_PENDING};

/// The providers, in the order of the configuration.
pub(crate) type Providers = Arc<[Arc<Provider>]>;

/// Where the provider sends the browser, followed by the provider's ID. Each provider has an own one: an answer of one cannot
/// pass for another's (RFC 9700 §4.4.2.2).
pub(crate) const CALLBACK: &str = "/common/federation/oauth2";

/// What a provider says of a sign-in there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Voucher {
    /// The provider's issuer: `idp` of the tokens.
    pub(crate) issuer: String,
    /// When the person proved who they are there, where the provider says so.
    pub(crate) proven_at_ms: Option<i64>,
}
