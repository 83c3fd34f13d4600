//! The rules for registrations (sheet §5.4), checked before one is saved. Every refusal says how to mend it.

mod identifier_uris;
mod permissions;
mod redirect_uris;
mod texts;

#[cfg(test)]
mod tests;

use hilum_kernel::AppId;

use super::properties::{ApplicationProperties, SignInAudience};
use crate::{IdentityError, Tenant};

pub(crate) use permissions::check_removals;

/// Entra's limit for the collection items of one object, all collections together.
const ITEMS_MAX: usize = 1200;

/// Whether the object is one of the seeded ones, which own names that nobody else may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Registered,
    Seeded,
}

/// Which identifier URIs registrations may have. The seeded ones are exempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IdentifierUriPolicy {
    /// Entra's: `api://` with the application's or the tenant's ID, `https` on the tenant's domain.
    #[default]
    Tenant,
    /// Any `https` or `api` URI.
    Any,
}

/// What the rules depend on besides the properties.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) app_id: AppId,
    pub(crate) tenant: &'a Tenant,
    pub(crate) policy: Policy,
    pub(crate) identifier_uris: IdentifierUriPolicy,
}

/// Checks all rules; the first that is broken is told.
pub(crate) fn check(properties: &ApplicationProperties, ground: Ground<'_>) -> Result<(), IdentityError> {
    texts::check(properties)?;
    redirect_uris::check(properties)?;
    identifier_uris::check(&properties.identifier_uris, ground)?;
    permissions::check_asked(properties)?;
    permissions::check_defined(properties, ground.policy)?;
    token_version(properties)?;
    if items(properties) > ITEMS_MAX {
        return Err(IdentityError::invalid(
            "application",
            "holds more than 1200 items in all its collections together: remove some, or split the registration",
        ));
    }
    Ok(())
}

fn token_version(properties: &ApplicationProperties) -> Result<(), IdentityError> {
    match (properties.api.requested_access_token_version, properties.sign_in_audience) {
        (None | Some(1), SignInAudience::AzureADMyOrg | SignInAudience::AzureADMultipleOrgs)
        | (Some(2), _) => Ok(()),
        (None | Some(1), _) => Err(IdentityError::invalid(
            "api.requestedAccessTokenVersion",
            "must be 2 where personal accounts may sign in",
        )),
        (Some(_), _) => {
            Err(IdentityError::invalid("api.requestedAccessTokenVersion", "must be 1, 2 or null"))
        }
    }
}

/// All collection items together.
fn items(p: &ApplicationProperties) -> usize {
    let asked: usize = p.required_resource_access.iter().map(|entry| 1 + entry.resource_access.len()).sum();
    let pre_authorized: usize =
        p.api.pre_authorized_applications.iter().map(|entry| 1 + entry.delegated_permission_ids.len()).sum();
    let add_ins: usize = p.add_ins.iter().map(|add_in| 1 + add_in.properties.len()).sum();
    let claims = p.optional_claims.iter().flat_map(|claims| {
        [&claims.access_token, &claims.id_token, &claims.saml2_token].into_iter().flatten()
    });
    asked
        + pre_authorized
        + add_ins
        + claims.map(|claim| 1 + claim.additional_properties.len()).sum::<usize>()
        + p.identifier_uris.len()
        + p.tags.len()
        + p.app_roles.len()
        + p.api.oauth2_permission_scopes.len()
        + p.api.known_client_applications.len()
        + p.web.redirect_uris.len()
        + p.spa.redirect_uris.len()
        + p.public_client.redirect_uris.len()
        + p.parental_control_settings.countries_blocked_for_minors.len()
}

/// What is repeated to the caller stays short.
fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}
