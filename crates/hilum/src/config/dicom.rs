//! `[dicom]`: whose tokens the DICOM service takes and what their roles may do.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ConfigError, CorsSettings, invalid, issuer, present};

/// The DICOM service.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dicom {
    /// Audiences beside the built-in ones: an own resource application's identifier URIs or ID.
    pub audiences: Vec<String>,
    /// Issuers beside Hilum's own.
    pub authorities: Vec<AuthoritySettings>,
    /// Roles beside the built-in ones.
    pub role_definitions: Vec<RoleDefinitionSettings>,
    /// Refuses Hilum's own tokens, so that only `authorities` count.
    pub foreign_only: bool,
    /// Limits of the store transaction.
    pub store: StoreSettings,
    /// Pages of other origins that may call the service.
    pub cors: CorsSettings,
}

/// An issuer of tokens that the service trusts: an Entra tenant, Keycloak, any OpenID provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthoritySettings {
    /// The issuer; its metadata is at `ISSUER/.well-known/openid-configuration`.
    pub issuer: String,
    /// Further spellings of `iss` that its tokens carry (Entra's v1 tokens).
    #[serde(default)]
    pub issuers: Vec<String>,
    /// What `aud` must be.
    pub audiences: Vec<String>,
    /// The claim that holds roles; dots lead into objects (`realm_access.roles`).
    #[serde(default)]
    pub roles_claim: Option<String>,
    /// The claim that holds scopes.
    #[serde(default)]
    pub scope_claim: Option<String>,
    /// What decides: `scopes-and-roles`, `roles`, or `scopes`.
    #[serde(default)]
    pub rights_from: RightsFromSetting,
    /// Takes `http://` issuers on loopback, for tests.
    #[serde(default)]
    pub allow_http_loopback: bool,
    /// PEM file of a CA that signs the issuer's certificate.
    #[serde(default)]
    pub ca_certificate: Option<PathBuf>,
}

/// Which claims of an authority's tokens decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RightsFromSetting {
    /// Roles, and for delegated tokens the scopes as far as the roles allow.
    #[default]
    ScopesAndRoles,
    /// Roles alone.
    Roles,
    /// Scopes alone.
    Scopes,
}

/// A role of the administrator's own, in the spelling of Microsoft's `roles.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleDefinitionSettings {
    /// The value in the token's roles claim.
    pub name: String,
    /// `read`, `write`, `delete`, `export`, `manage`, or `*`.
    pub data_actions: Vec<String>,
    /// Taken away again.
    #[serde(default)]
    pub not_data_actions: Vec<String>,
}

/// Limits of the store transaction.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    /// The largest body of one request.
    pub body_bytes_max: u64,
    /// Store requests received at a time; the next is answered 503.
    pub at_once_max: usize,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { body_bytes_max: hilum_kernel::limits::STORE_BODY_BYTES_MAX, at_once_max: 64 }
    }
}

impl Dicom {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        for authority in &self.authorities {
            issuer("dicom.authorities.issuer", &authority.issuer, authority.allow_http_loopback)?;
            if authority.audiences.is_empty() {
                return Err(invalid(
                    "dicom.authorities.audiences",
                    "must name an audience: without it every token of that issuer would be let in",
                ));
            }
            present("dicom.authorities.ca_certificate", authority.ca_certificate.as_deref())?;
        }
        self.cors.layer()?;
        if self.foreign_only && self.authorities.is_empty() {
            return Err(invalid("dicom.foreign_only", "needs dicom.authorities: nobody else could get in"));
        }
        Ok(())
    }
}
