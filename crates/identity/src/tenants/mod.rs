//! The directory (Entra: *tenant*): one per installation today, named by GUID or domain.

mod sql;

use hilum_kernel::TenantId;
use jiff::Timestamp;

use crate::{Identity, IdentityError};

#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{SCHEMA, insert, lock, select};

/// A domain may not look like a path of ours (the sheet's reserved first segments).
const RESERVED: &[&str] = &[
    "portal",
    "v1.0",
    "beta",
    "oidc",
    "dicom",
    "fhir",
    "viewer",
    "openapi",
    "healthz",
    "health",
    "readyz",
    "metrics",
    "devicelogin",
    "common",
    "organizations",
    "consumers",
];
/// The longest host name (RFC 1035 §2.3.4).
const DOMAIN_CHARS_MAX: usize = 253;

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its GUID, the `tid` of every token.
    pub id: TenantId,
    /// Its domain in lower case, e.g. `contoso.local`.
    pub domain: String,
    /// For people.
    pub display_name: String,
    /// Since when it exists.
    pub created_at: Timestamp,
}

impl Identity {
    /// The tenant of this installation.
    ///
    /// # Errors
    /// [`IdentityError::NotInitialised`] before the first [`Identity::init`].
    pub async fn tenant(&self) -> Result<&Tenant, IdentityError> {
        if let Some(tenant) = self.0.tenant.get() {
            return Ok(tenant);
        }
        let tenant = select(&mut self.0.db.read().await?).await?.ok_or(IdentityError::NotInitialised)?;
        Ok(self.0.tenant.get_or_init(|| tenant))
    }

    /// The issuer of v2.0 tokens: `HOST/{tenantId}/v2.0`.
    pub fn v2_issuer(&self, tenant: &Tenant) -> String {
        format!("{}/{}/v2.0", self.0.origin, tenant.id)
    }

    /// The issuer of v1.0 tokens: `HOST/{tenantId}/`. Not a prefix of the other in any comparison: issuers are
    /// compared whole.
    pub fn v1_issuer(&self, tenant: &Tenant) -> String {
        format!("{}/{}/", self.0.origin, tenant.id)
    }
}

/// Checks a domain and brings it into lower case.
pub(crate) fn domain(text: &str) -> Result<String, IdentityError> {
    let domain = text.to_ascii_lowercase();
    if !is_plausible_domain(&domain) || RESERVED.contains(&domain.as_str()) {
        return Err(IdentityError::invalid("domain", "must be a domain name such as contoso.local"));
    }
    Ok(domain)
}

/// Whether a text could be a domain: two labels or more of letters, digits and hyphens.
pub(crate) fn is_plausible_domain(text: &str) -> bool {
    text.len() <= DOMAIN_CHARS_MAX
        && text.contains('.')
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_checked() {
        assert_eq!(domain("Contoso.Local").unwrap(), "contoso.local");
        for wrong in ["", "contoso", "v1.0", "-a.b", "a..b", "a b.c", "ü.de", &"a".repeat(300)] {
            assert!(domain(wrong).is_err(), "{wrong}");
        }
    }
}
