//! Changes of a registration that hand rights on.

use hilum_kernel::{AppId, ScopeId, TenantId};
use hilum_storage::db::ReadTx;

use super::{
    APPLICATION_ADMINISTRATOR, CLOUD_APPLICATION_ADMINISTRATOR, Means, denied, ensure_may_control,
    ensure_may_grant, ensure_may_name, means,
};
use crate::{Application, ApplicationProperties, Holder, IdentityError, Stamp, seed, service_principals};

/// Before a registration is changed. What only describes it is free; whatever lets one act as the application, or
/// changes what its tokens mean, needs control of it. On top of that, an application that manages others may neither
/// rename a role that somebody holds nor pre-authorise a client for what it does not hold itself.
pub(crate) async fn ensure_may_change_application(
    tx: &mut ReadTx,
    tenant: TenantId,
    stamp: &Stamp,
    before: &Application,
    after: &Application,
) -> Result<(), IdentityError> {
    if stamp.holder == Holder::Operator || described(&before.properties) == described(&after.properties) {
        return Ok(());
    }
    ensure_may_control(tx, tenant, stamp, before.app_id).await?;
    ensure_may_name(tx, tenant, stamp, after).await?;
    ensure_may_let_in_passwords(tx, tenant, stamp, (&before.properties, &after.properties)).await?;
    if !matches!(means(tx, tenant, stamp).await?, Means::Application(_)) {
        return Ok(());
    }
    // Without a principal nobody holds a role there, and no token names the resource.
    let Some(resource) = service_principals::by_app_id(tx, tenant, before.app_id).await? else {
        return Ok(());
    };
    if let Some(role) = renamed_role(&before.properties, &after.properties) {
        return denied(format!(
            "the role '{role}' may be held by somebody; an application may not rename it"
        ));
    }
    let granted = pre_authorised(&before.properties, &after.properties);
    let scopes: Vec<&str> = granted.iter().map(String::as_str).collect();
    ensure_may_grant(tx, tenant, stamp, &resource, &scopes).await
}

/// Before the password grant is switched on: whoever registers the application gets to see users' passwords, so that an
/// owner alone may not.
pub(crate) async fn ensure_may_let_in_passwords(
    tx: &mut ReadTx,
    tenant: TenantId,
    stamp: &Stamp,
    (before, after): (&ApplicationProperties, &ApplicationProperties),
) -> Result<(), IdentityError> {
    let on = |properties: &ApplicationProperties| properties.allow_password_grant == Some(true);
    if on(before) || !on(after) {
        return Ok(());
    }
    let administers = match means(tx, tenant, stamp).await? {
        Means::Everything => true,
        Means::User(powers) => [APPLICATION_ADMINISTRATOR, CLOUD_APPLICATION_ADMINISTRATOR]
            .iter()
            .any(|role| powers.directory.contains(role)),
        Means::Application(powers) => powers.roles.iter().any(|role| {
            role.resource_app == seed::GRAPH_APP_ID
                && role.value.as_deref() == Some("Application.ReadWrite.All")
        }),
    };
    if administers {
        return Ok(());
    }
    denied("only an administrator may switch on allowPasswordGrant; the device code flow needs no switch")
}

/// The properties without those that only describe.
fn described(properties: &ApplicationProperties) -> ApplicationProperties {
    let plain = ApplicationProperties::default();
    ApplicationProperties {
        description: plain.description,
        notes: plain.notes,
        tags: plain.tags,
        info: plain.info,
        service_management_reference: plain.service_management_reference,
        // Asking for permissions gives none: consent is another operation.
        required_resource_access: plain.required_resource_access,
        ..properties.clone()
    }
}

/// A role whose word in tokens changes, or that is switched on.
fn renamed_role(before: &ApplicationProperties, after: &ApplicationProperties) -> Option<String> {
    let old = |id| before.app_roles.iter().find(|role| role.id == id);
    after
        .app_roles
        .iter()
        .find(|role| {
            old(role.id).is_some_and(|old| old.value != role.value || (!old.is_enabled && role.is_enabled))
        })
        .map(|role| role.value.clone().unwrap_or_else(|| role.id.to_string()))
}

/// The scopes for which clients are pre-authorised now and were not before; a renamed scope counts as new.
fn pre_authorised(before: &ApplicationProperties, after: &ApplicationProperties) -> Vec<String> {
    let had = |client: AppId, scope: ScopeId, value: &str| {
        before.api.pre_authorized_applications.iter().any(|entry| {
            entry.app_id == client
                && entry.delegated_permission_ids.contains(&scope)
                && value_of(before, scope) == Some(value)
        })
    };
    let mut new = Vec::new();
    for entry in &after.api.pre_authorized_applications {
        for scope in &entry.delegated_permission_ids {
            if let Some(value) = value_of(after, *scope)
                && !had(entry.app_id, *scope, value)
            {
                new.push(value.to_owned());
            }
        }
    }
    new
}

fn value_of(properties: &ApplicationProperties, id: ScopeId) -> Option<&str> {
    let scopes = &properties.api.oauth2_permission_scopes;
    scopes.iter().find(|scope| scope.id == id).and_then(|scope| scope.value.as_deref())
}
