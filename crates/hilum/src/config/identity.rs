//! `[identity]`: what the first start makes.

use serde::{Deserialize, Serialize};

/// The tenant of a new data directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// The tenant's domain; the administrator is named `admin@DOMAIN`.
    pub domain: String,
    /// Which identifier URIs applications may have.
    pub identifier_uris: IdentifierUris,
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
        Self { domain: "hilum.local".to_owned(), identifier_uris: IdentifierUris::default() }
    }
}
