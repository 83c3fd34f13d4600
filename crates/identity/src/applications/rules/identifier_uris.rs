//! Identifier URIs: the names under which an application is a resource. Who may take any name could have tokens made
//! out to a name that others trust.

use std::collections::HashSet;

use url::Url;

use super::{Ground, IdentifierUriPolicy, Policy, shortened};
use crate::{IdentityError, folded, tenants};

const URIS_MAX: usize = 50;
const CHARS_MAX: usize = 255;

pub(super) fn check(uris: &[String], ground: Ground<'_>) -> Result<(), IdentityError> {
    let refuse = |uri: &str, reason: &str| {
        Err(IdentityError::invalid("identifierUris", format!("'{}' {reason}", shortened(uri))))
    };
    if uris.len() > URIS_MAX {
        return Err(IdentityError::invalid("identifierUris", "there may be at most 50: remove some"));
    }
    let mut seen = HashSet::new();
    for uri in uris {
        if uri.chars().count() > CHARS_MAX {
            return refuse(uri, "has more than 255 characters");
        }
        if uri.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return refuse(uri, "holds white space");
        }
        if !seen.insert(folded(uri)) {
            return refuse(uri, "is named twice");
        }
        if ground.policy == Policy::Seeded {
            continue;
        }
        if uri.ends_with('/') {
            return refuse(uri, "ends with a slash: leave it out");
        }
        if uri.contains('*') || uri.contains('#') || uri.contains('?') {
            return refuse(uri, "holds a wildcard, query or fragment");
        }
        if !allowed(uri, ground) {
            return refuse(
                uri,
                match ground.identifier_uris {
                    IdentifierUriPolicy::Tenant => {
                        "must have the form api://{appId}, api://{tenantId}/…, api://…/{appId} or https://{tenant domain}/…"
                    }
                    IdentifierUriPolicy::Any => "must start with https:// or api://",
                },
            );
        }
    }
    Ok(())
}

fn allowed(uri: &str, ground: Ground<'_>) -> bool {
    let uri = uri.to_ascii_lowercase();
    let (app_id, tenant_id) = (ground.app_id.to_string(), ground.tenant.id.to_string());
    if let Some(rest) = uri.strip_prefix("api://") {
        let tenant_first =
            rest.split_once('/').is_some_and(|(first, rest)| first == tenant_id && !rest.is_empty());
        return ground.identifier_uris == IdentifierUriPolicy::Any && !rest.is_empty()
            || rest == app_id
            || tenant_first
            || rest.strip_suffix(&app_id).is_some_and(|p| p.len() > 1 && p.ends_with('/'));
    }
    let Some(host) = Url::parse(&uri)
        .ok()
        .filter(|url| url.scheme() == "https" && url.username().is_empty() && url.password().is_none())
        .and_then(|url| url.host_str().map(str::to_owned))
    else {
        return false;
    };
    let domain = &ground.tenant.domain;
    ground.identifier_uris == IdentifierUriPolicy::Any
        || tenants::is_plausible_domain(&host)
            && (host == *domain || host.strip_suffix(domain).is_some_and(|sub| sub.ends_with('.')))
}
