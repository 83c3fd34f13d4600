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
    let mut tx = identity.0.db.read().await?;
    let found = sql::resource(&mut tx, tenant.id, resource, (client.app_id(), client.principal())).await?;
    drop(tx);
    let found =
        found.filter(|found| found.enabled).ok_or_else(|| OAuthError::ResourceNotFound(quoted(resource)))?;
    if found.assignment_required && !found.assigned {
        return Err(OAuthError::NotAssigned(found.name));
    }
    Ok(AppToken {
        times: identity.token_times(identity.0.clock.now(), &found.lifetimes, client.kind()),
        client,
        resource: found.app_id,
        audience: found.name,
        roles: found.roles,
        optional: found.optional,
        client_name: found.client_name,
        takes_challenges: caller.takes_challenges,
        version: if found.token_version == 2 { Version::V2 } else { Version::V1 },
        uti: identity.random_text::<16>(),
        bound_to: caller.key.clone(),
    })
}
