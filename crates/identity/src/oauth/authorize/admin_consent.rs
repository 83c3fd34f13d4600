//! Consent for the whole organisation at a client's request (`/adminconsent`; sheet §2.12): an administrator sees all that
//! the registration lists, delegated and application permissions, or on the v2.0 endpoint what `scope` names, and grants
//! exactly that for everybody.

use futures::FutureExt as _;
use hilum_kernel::{AppId, TenantId, UserId};
use hilum_storage::db::{ReadTx, WriteTx};

use super::checks::Request;
use crate::{
    ApplicationProperties, Holder, Identity, IdentityError, MemberType, PermissionKind,
    RequiredResourceAccess, ResourceAccess, Stamp, Tenant, applications, grants,
    oauth::{
        browser::Live,
        consent::{self, Shown},
        delegation,
        error::OAuthError,
        scopes::{Asked, Values},
        token::{Caller, ensure_session},
    },
    service_principals,
    sign_in::{Origin, actor_of},
    users,
};

/// The permissions on one resource, in words.
#[derive(Debug)]
pub(super) struct OnResource {
    app_id: AppId,
    /// What its permissions' full names begin with.
    name: String,
    pub(super) resource: String,
    pub(super) permissions: Vec<AdminPermission>,
}

/// One permission, in words.
#[derive(Debug)]
pub(super) struct AdminPermission {
    access: ResourceAccess,
    value: Option<String>,
    pub(super) name: String,
    pub(super) description: String,
    /// Without any user.
    pub(super) of_application: bool,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum AdminConsented {
    /// Granted; the answer's `scope`.
    Yes(String),
    /// The permissions are no longer those that the page showed; nothing was granted.
    Changed,
}

struct Input {
    app_id: AppId,
    asked: Asked,
    user: UserId,
    authenticated_at_ms: i64,
    shown: Shown,
    ids: Vec<String>,
    stamp: Stamp,
}

impl Identity {
    /// What would be granted. Refuses people who may not grant it.
    pub(super) async fn admin_question(
        &self,
        request: &Request,
        live: &Live,
    ) -> Result<Vec<OnResource>, OAuthError> {
        let tenant = self.tenant().await?;
        let mut tx = self.0.db.snapshot().await?;
        if !consent::may_consent_for_all(&mut tx, tenant, &live.user).await? {
            return Err(OAuthError::AdminConsentRequired);
        }
        let all = meant(&mut tx, tenant.id, request.app_id(), &request.asked).await?;
        if all.is_empty() {
            let name = request.name().to_owned();
            return Err(OAuthError::ConsentRequired(request.app_id().to_string(), name));
        }
        Ok(all)
    }

    /// Grants what the page showed, with the person's rights.
    pub(super) async fn grant_for_all(
        &self,
        request: &Request,
        live: &Live,
        page: &Shown,
        caller: &Caller,
    ) -> Result<AdminConsented, OAuthError> {
        let all = self.admin_question(request, live).await?;
        if shown(&all) != *page {
            return Ok(AdminConsented::Changed);
        }
        // An ID for each permission at most, made before the transaction, which may run twice.
        let most = all.iter().map(|on| on.permissions.len() + 1).sum();
        let origin =
            Origin { address: caller.address, correlation: caller.correlation, app_id: request.app_id() };
        let input = Input {
            app_id: request.app_id(),
            asked: request.asked.clone(),
            user: live.user.id,
            authenticated_at_ms: live.session.authenticated_at_ms,
            shown: page.clone(),
            ids: (0..most).map(|_| self.random_text::<32>()).collect(),
            stamp: self.acting(Holder::User(live.user.id)).stamp(&actor_of(&live.user, origin)),
        };
        let tenant = self.tenant().await?.clone();
        self.0.db.write((tenant, input), |tx, (tenant, input)| write(tx, tenant, input).boxed()).await
    }
}

async fn write(tx: &mut WriteTx, tenant: &Tenant, input: &Input) -> Result<AdminConsented, OAuthError> {
    let user = users::lookup(tx, tenant.id, &input.user.to_string()).await?;
    let user = user.filter(|user| user.account_enabled).ok_or(OAuthError::UserDisabled)?;
    ensure_session(&user, input.authenticated_at_ms)?;
    if !consent::may_consent_for_all(tx, tenant, &user).await? {
        return Err(OAuthError::AdminConsentRequired);
    }
    let all = meant(tx, tenant.id, input.app_id, &input.asked).await?;
    if shown(&all) != input.shown {
        return Ok(AdminConsented::Changed);
    }
    let client = service_principals::required(tx, tenant.id, &input.app_id.to_string()).await?;
    let mut ids = input.ids.iter();
    for on in &all {
        let access = on.permissions.iter().map(|permission| permission.access).collect();
        let access = RequiredResourceAccess { resource_app_id: on.app_id, resource_access: access };
        match grants::consent_for_all(tx, (tenant.id, &client), &access, &mut ids, &input.stamp).await {
            Err(IdentityError::Denied(_)) => return Err(OAuthError::AdminConsentRequired),
            other => other?,
        }
    }
    Ok(AdminConsented::Yes(echo(&all, &input.asked)))
}

/// The page's content, for comparing.
pub(super) fn shown(all: &[OnResource]) -> Shown {
    let mut words = Vec::new();
    for on in all {
        words.extend([on.app_id.to_string(), on.resource.clone(), on.permissions.len().to_string()]);
        for permission in &on.permissions {
            words.extend([
                permission.access.id.to_string(),
                permission.of_application.to_string(),
                permission.value.clone().unwrap_or_default(),
                permission.name.clone(),
                permission.description.clone(),
            ]);
        }
    }
    Shown::of(words.iter().map(String::as_str))
}

/// What was granted: delegated permissions under full names, then the words that were asked for.
fn echo(all: &[OnResource], asked: &Asked) -> String {
    let mut words: Vec<String> = Vec::new();
    for on in all {
        let delegated = on.permissions.iter().filter(|permission| !permission.of_application);
        let values = delegated.filter_map(|permission| permission.value.as_deref());
        words.extend(values.map(|value| format!("{}/{value}", on.name)));
    }
    // What was named is there already, under its full name.
    let named = |word: &str| {
        let value = word.rsplit('/').next().unwrap_or_default();
        matches!(&asked.values, Values::Named(values) if values.iter().any(|named| named == value))
    };
    words.extend(asked.words.iter().filter(|word| !named(word)).cloned());
    words.join(" ")
}

/// What is asked for: the permissions that `scope` names, or those that the registration lists, on all resources or on
/// the one of `{resource}/.default`.
async fn meant(
    tx: &mut ReadTx,
    tenant: TenantId,
    app_id: AppId,
    asked: &Asked,
) -> Result<Vec<OnResource>, OAuthError> {
    let client = applications::by_app_id(tx, tenant, app_id).await?;
    let client = client.ok_or_else(|| OAuthError::ApplicationNotFound(app_id.to_string()))?;
    let mut listed = client.properties.required_resource_access;
    let mut name = None;
    match &asked.values {
        Values::Named(values) if values.is_empty() => {}
        Values::Named(values) => {
            let resource = delegation::resource(tx, tenant, &asked.resource).await?;
            let scopes = delegation::named(values, &resource)?;
            let access = |id| ResourceAccess { id, kind: PermissionKind::Scope };
            let resource_access = scopes.into_iter().map(|scope| access(scope.id.uuid())).collect();
            listed = vec![RequiredResourceAccess { resource_app_id: resource.app_id, resource_access }];
            name = Some(&asked.resource);
        }
        Values::Default => {
            let resource = delegation::resource(tx, tenant, &asked.resource).await?;
            listed.retain(|access| access.resource_app_id == resource.app_id);
            name = Some(&asked.resource);
        }
    }
    let mut all = Vec::new();
    for access in &listed {
        all.extend(in_words(tx, tenant, access, name).await?);
    }
    Ok(all)
}

/// What of it there is to grant: permissions that the resource does not define are passed over, as in Entra.
async fn in_words(
    tx: &mut ReadTx,
    tenant: TenantId,
    asked: &RequiredResourceAccess,
    name: Option<&String>,
) -> Result<Option<OnResource>, OAuthError> {
    let app_id = asked.resource_app_id;
    let Some(resource) = applications::by_app_id(tx, tenant, app_id).await? else { return Ok(None) };
    if service_principals::by_app_id(tx, tenant, app_id).await?.is_none() {
        return Ok(None);
    }
    let properties = &resource.properties;
    let permissions: Vec<AdminPermission> =
        asked.resource_access.iter().filter_map(|access| permission(properties, *access)).collect();
    let name = name.or(properties.identifier_uris.first());
    Ok((!permissions.is_empty()).then(|| OnResource {
        app_id,
        name: name.cloned().unwrap_or_else(|| app_id.to_string()),
        resource: properties.display_name.clone(),
        permissions,
    }))
}

fn permission(resource: &ApplicationProperties, access: ResourceAccess) -> Option<AdminPermission> {
    let of_application = access.kind == PermissionKind::Role;
    if of_application {
        let mut roles = resource.app_roles.iter();
        let role = roles.find(|role| {
            role.id.uuid() == access.id
                && role.is_enabled
                && role.allowed_member_types.contains(&MemberType::Application)
        })?;
        return Some(AdminPermission {
            access,
            value: role.value.clone(),
            name: role.display_name.clone(),
            description: role.description.clone().unwrap_or_default(),
            of_application,
        });
    }
    let mut scopes = resource.api.oauth2_permission_scopes.iter();
    let scope = scopes.find(|scope| scope.id.uuid() == access.id && scope.is_enabled)?;
    let name = scope.admin_consent_display_name.clone().or_else(|| scope.value.clone());
    Some(AdminPermission {
        access,
        value: scope.value.clone(),
        name: name.unwrap_or_default(),
        description: scope.admin_consent_description.clone().unwrap_or_default(),
        of_application,
    })
}
