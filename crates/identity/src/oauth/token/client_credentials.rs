//! The client credentials grant (RFC 6749 §4.4; sheet §2.5): an application asks for itself.

use super::Caller;
use crate::{
    Identity, Tenant,
    oauth::{
        client_authentication::AuthenticatedClient,
        error::{OAuthError, quoted},
        sql,
        tokens::{AppToken, Version},
    },
};

/// Decides what goes into the token. A token is given also without any role, unless the resource wants one.
pub(crate) async fn decide(
    identity: &Identity,
    tenant: &Tenant,
    client: AuthenticatedClient,
    (resource, caller): (&str, &Caller),
) -> Result<AppToken, OAuthError> {
    let found =
        sql::resource(&mut identity.0.db.read().await?, tenant.id, resource, client.principal()).await?;
    let found =
        found.filter(|found| found.enabled).ok_or_else(|| OAuthError::ResourceNotFound(quoted(resource)))?;
    if found.assignment_required && !found.assigned {
        return Err(OAuthError::NotAssigned(found.name));
    }
    Ok(AppToken {
        client,
        resource: found.app_id,
        audience: found.name,
        roles: found.roles,
        version: if found.token_version == 2 { Version::V2 } else { Version::V1 },
        uti: identity.random_text::<16>(),
        times: identity.token_times(identity.0.clock.now()),
        bound_to: caller.key.clone(),
    })
}
