//! `[identity]`: what the first start makes.

use serde::{Deserialize, Serialize};

/// The tenant of a new data directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// The tenant's domain; the administrator is named `admin@DOMAIN`.
    pub domain: String,
}

impl Default for Identity {
    fn default() -> Self {
        Self { domain: "hilum.local".to_owned() }
    }
}
