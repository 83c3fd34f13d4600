//! Consent for the whole organisation at a client's request (`/adminconsent`; sheet §2.12): an administrator sees all that
//! the registration asks for, delegated and application permissions, and grants it for everybody.

use hilum_kernel::AppId;
use hilum_storage::db::ReadTx;

use super::checks::Request;
use crate::{
    Holder, Identity, IdentityError, PermissionKind, RequiredResourceAccess, Tenant, applications,
    oauth::{
        browser::Live,
        consent, delegation,
        error::OAuthError,
        scopes::Values,
        token::{Caller, ensure_session},
    },
    sign_in::{Origin, actor_of},
};

/// The permissions on one resource, in words.
#[derive(Debug)]
pub(super) struct OnResource {
    pub(super) resource: String,
    pub(super) permissions: Vec<AdminPermission>,
}

/// One permission, in words.
#[derive(Debug)]
pub(super) struct AdminPermission {
    pub(super) name: String,
    pub(super) description: String,
    /// Without any user.
    pub(super) of_application: bool,
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
        let only = resource_of(&mut tx, tenant, request).await?;
        let mut all = Vec::new();
        for asked in &request.application.properties.required_resource_access {
            if only.is_some_and(|only| only != asked.resource_app_id) {
                continue;
            }
            all.extend(in_words(&mut tx, tenant, asked).await?);
        }
        if all.is_empty() {
            let name = request.name().to_owned();
            return Err(OAuthError::ConsentRequired(request.app_id().to_string(), name));
        }
        Ok(all)
    }

    /// Grants it, with the person's rights.
    pub(super) async fn grant_for_all(
        &self,
        request: &Request,
        live: &Live,
        caller: &Caller,
    ) -> Result<(), OAuthError> {
        // Who may not ask may not answer either: roles may have changed since the page was made.
        self.admin_question(request, live).await?;
        ensure_session(&live.user, live.session.authenticated_at_ms)?;
        let tenant = self.tenant().await?;
        let only = resource_of(&mut self.0.db.read().await?, tenant, request).await?;
        let origin =
            Origin { address: caller.address, correlation: caller.correlation, app_id: request.app_id() };
        let acting = self.acting(Holder::User(live.user.id));
        let id = request.app_id().to_string();
        match acting.admin_consent_on(&actor_of(&live.user, origin), &id, only).await {
            Err(IdentityError::Denied(_)) => Err(OAuthError::AdminConsentRequired),
            other => Ok(other?),
        }
    }
}

/// The only resource that is meant, if `scope` names one. Values other than `.default` are what the registration lists
/// anyway, or are asked of users.
async fn resource_of(
    tx: &mut ReadTx,
    tenant: &Tenant,
    request: &Request,
) -> Result<Option<AppId>, OAuthError> {
    let nothing = matches!(&request.asked.values, Values::Named(values) if values.is_empty());
    if nothing {
        return Ok(None);
    }
    Ok(Some(delegation::resource(tx, tenant.id, &request.asked.resource).await?.app_id))
}

async fn in_words(
    tx: &mut ReadTx,
    tenant: &Tenant,
    asked: &RequiredResourceAccess,
) -> Result<Option<OnResource>, OAuthError> {
    let Some(resource) = applications::by_app_id(tx, tenant.id, asked.resource_app_id).await? else {
        return Ok(None);
    };
    let properties = &resource.properties;
    let first = |texts: [&Option<String>; 2]| texts.into_iter().flatten().next().cloned().unwrap_or_default();
    let mut permissions = Vec::new();
    for access in &asked.resource_access {
        let found = match access.kind {
            PermissionKind::Scope => properties
                .api
                .oauth2_permission_scopes
                .iter()
                .find(|scope| scope.id.uuid() == access.id && scope.is_enabled)
                .map(|scope| AdminPermission {
                    name: first([&scope.admin_consent_display_name, &scope.value]),
                    description: first([&scope.admin_consent_description, &None]),
                    of_application: false,
                }),
            PermissionKind::Role => {
                properties.app_roles.iter().find(|role| role.id.uuid() == access.id && role.is_enabled).map(
                    |role| AdminPermission {
                        name: role.display_name.clone(),
                        description: role.description.clone().unwrap_or_default(),
                        of_application: true,
                    },
                )
            }
        };
        permissions.extend(found);
    }
    let resource = properties.display_name.clone();
    Ok((!permissions.is_empty()).then_some(OnResource { resource, permissions }))
}
