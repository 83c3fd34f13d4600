//! `[identity]`: what the first start makes, and whom the platform trusts.

use std::path::PathBuf;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{ConfigError, IdentityProviderSettings, identity_providers, invalid, issuer, present};

/// More would be a mistake: each keeps a cache.
const FEDERATED_ISSUERS_MAX: usize = 100;
/// A key is published a day before it signs; a quarter is what Entra's own rhythm comes near to.
const KEY_ROTATION_DAYS: u32 = 90;
const KEY_ROTATION_DAYS_MIN: u32 = 2;
/// The certificates that carry keys hold for five years.
const KEY_ROTATION_DAYS_MAX: u32 = 4 * 365;

/// The identity platform.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// The tenant's domain; the administrator is named `admin@DOMAIN`.
    pub domain: String,
    /// Which identifier URIs applications may have.
    pub identifier_uris: IdentifierUris,
    /// After how many days the next signing key takes over; 0: only when `hilum key rotate` says so.
    pub signing_key_rotation_days: u32,
    /// Issuers whose tokens may stand for an application's own credential, where the application says so.
    pub federated_issuers: Vec<FederatedIssuerSettings>,
    /// The OpenID Connect providers that users may sign in through.
    pub providers: Vec<IdentityProviderSettings>,
}

/// An issuer of federated assertions: a pipeline's, a cluster's. Only issuers named so are asked for their keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederatedIssuerSettings {
    /// The issuer; its metadata is at `ISSUER/.well-known/openid-configuration`.
    pub issuer: String,
    /// Takes an `http://` issuer on loopback, for tests.
    #[serde(default)]
    pub allow_http_loopback: bool,
    /// PEM file of a CA that signs the issuer's certificate.
    #[serde(default)]
    pub ca_certificate: Option<PathBuf>,
}

/// Which identifier URIs applications may have.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifierUris {
    /// Entra's policy: `api://` with the application's or the tenant's ID, or `https` on the tenant's domain.
    #[default]
    Tenant,
    /// Any `https` or `api` URI.
    Any,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            domain: "hilum.local".to_owned(),
            identifier_uris: IdentifierUris::default(),
            signing_key_rotation_days: KEY_ROTATION_DAYS,
            federated_issuers: Vec::new(),
            providers: Vec::new(),
        }
    }
}

impl Identity {
    /// How long a signing key signs, where keys rotate by themselves.
    pub fn signing_key_rotation(&self) -> Option<SignedDuration> {
        let days = i64::from(self.signing_key_rotation_days);
        (days > 0).then(|| SignedDuration::from_hours(24 * days))
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if !matches!(self.signing_key_rotation_days, 0 | KEY_ROTATION_DAYS_MIN..=KEY_ROTATION_DAYS_MAX) {
            let reason = format!("must be 0, or {KEY_ROTATION_DAYS_MIN} to {KEY_ROTATION_DAYS_MAX}");
            return Err(invalid("identity.signing_key_rotation_days", reason));
        }
        if self.federated_issuers.len() > FEDERATED_ISSUERS_MAX {
            let reason = format!("there may be at most {FEDERATED_ISSUERS_MAX}");
            return Err(invalid("identity.federated_issuers", reason));
        }
        for one in &self.federated_issuers {
            issuer("identity.federated_issuers.issuer", &one.issuer, one.allow_http_loopback)?;
            present("identity.federated_issuers.ca_certificate", one.ca_certificate.as_deref())?;
        }
        identity_providers::validate(&self.providers)
    }
}
