//! The tenant in the path (sheet §1.2): GUID, domain, `common` or `organizations`, in any case.

use hilum_kernel::TenantId;

use super::error::{OAuthError, quoted};
use crate::{Tenant, tenants};

/// Whom the path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TenantSegment {
    /// This tenant, by GUID or domain.
    Own,
    /// Any organisation: `common` or `organizations`.
    Any,
}

impl TenantSegment {
    /// Reads the segment of the path.
    pub(crate) fn parse(segment: &str, tenant: &Tenant) -> Result<Self, OAuthError> {
        let lower = segment.to_ascii_lowercase();
        if lower == "common" || lower == "organizations" {
            return Ok(Self::Any);
        }
        let known = match lower.parse::<TenantId>() {
            Ok(id) => id == tenant.id,
            Err(_) if lower == "consumers" => false,
            Err(_) if tenants::is_plausible_domain(&lower) => lower == tenant.domain,
            Err(_) => return Err(OAuthError::TenantMalformed(quoted(segment))),
        };
        if known { Ok(Self::Own) } else { Err(OAuthError::TenantNotFound(quoted(segment))) }
    }
}
