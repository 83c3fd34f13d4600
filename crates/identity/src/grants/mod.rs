//! What was granted: delegated permissions (Graph's `oauth2PermissionGrant`) and roles (`appRoleAssignment`).
//!
//! Owns `permission_grant` and `app_role_assignment`. The latter is what puts `roles` into tokens.

mod assignments;
mod permissions;
mod sql;

#[cfg(test)]
mod tests;

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_kernel::{AppRoleId, ObjectId, TenantId};
use hilum_storage::db::{ReadTx, WriteTx};
use jiff::Timestamp;

use crate::{
    Application, Identity, IdentityError, MemberType, PermissionKind, RequiredResourceAccess,
    ServicePrincipal, Stamp, applications, privileges, service_principals,
};

#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{
    SCHEMA, SCHEMA_LISTS, SCHEMA_OF_USER, SCHEMA_TIME, delete_assignment, delete_grant, delete_of_principal,
    for_user, grant as find, granted_at_ms, insert_assignment, of_user,
};

pub(crate) use assignments::{COLLECTION as APP_ROLE_ASSIGNMENTS, page as page_of_assignments};
pub(crate) use permissions::{COLLECTION as PERMISSION_GRANTS, page as page_of_grants};

pub use assignments::{AssignmentEnd, NamedAssignment, NewAppRoleAssignment};
pub use permissions::PermissionGrantRequest;

/// Who a delegated permission holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsentKind {
    /// Every user of the tenant.
    AllPrincipals,
    /// One user.
    Principal,
}

impl ConsentKind {
    /// Graph's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AllPrincipals => "AllPrincipals",
            Self::Principal => "Principal",
        }
    }

    /// Reads Graph's word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::AllPrincipals, Self::Principal]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(text))
    }
}

/// The kinds of objects that can hold a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrincipalKind {
    /// A person.
    User,
    /// Several.
    Group,
    /// An application.
    ServicePrincipal,
}

impl PrincipalKind {
    /// Graph's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
            Self::ServicePrincipal => "ServicePrincipal",
        }
    }

    /// Reads Graph's word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::User, Self::Group, Self::ServicePrincipal]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(text))
    }
}

/// A granted delegated permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionGrant {
    /// Its opaque ID.
    pub id: String,
    /// The client's service principal.
    pub client_id: ObjectId,
    /// For whom.
    pub consent: ConsentKind,
    /// The user, where it is for one.
    pub principal_id: Option<ObjectId>,
    /// The resource's service principal.
    pub resource_id: ObjectId,
    /// The values, separated by spaces.
    pub scope: String,
}

/// A role given to a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppRoleAssignment {
    /// Its opaque ID.
    pub id: String,
    /// The role.
    pub app_role_id: AppRoleId,
    /// To whom.
    pub principal_id: ObjectId,
    /// What kind of object that is.
    pub principal_kind: PrincipalKind,
    /// The resource's service principal.
    pub resource_id: ObjectId,
    /// Since when.
    pub created_at: Timestamp,
}

/// Delegated permissions to be granted (`az ad app permission grant`).
#[derive(Debug, Clone)]
pub struct NewPermissionGrant {
    /// The client: appId, object ID or identifier URI.
    pub client: String,
    /// The resource: appId, object ID or identifier URI.
    pub resource: String,
    /// The values, each must be a scope of the resource.
    pub scopes: Vec<String>,
    /// For one user; for everybody if absent.
    pub principal: Option<ObjectId>,
}

impl Identity {
    /// Grants delegated permissions; an existing grant's scopes are replaced, as `az` does.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for unknown client or resource principals, [`IdentityError::Invalid`] for scopes
    /// the resource does not define.
    pub async fn grant_permissions(
        &self,
        actor: &Actor,
        new: NewPermissionGrant,
    ) -> Result<PermissionGrant, IdentityError> {
        let tenant = self.tenant().await?.id;
        let input = (tenant, new, self.random_text::<32>(), self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, new, id, stamp)| {
                async move {
                    let client = service_principals::required(tx, *tenant, &new.client).await?;
                    let resource = service_principals::required(tx, *tenant, &new.resource).await?;
                    let (resource, application) = resource_of(tx, *tenant, resource).await?;
                    check_scopes(&application, &new.scopes)?;
                    let scopes: Vec<&str> = new.scopes.iter().map(String::as_str).collect();
                    privileges::ensure_may_grant(tx, *tenant, stamp, &resource, &scopes).await?;
                    let scope = new.scopes.join(" ");
                    set_grant(tx, *tenant, (&client, &resource), new.principal, scope, (id, stamp)).await
                }
                .boxed()
            })
            .await
    }

    /// The delegated permissions granted to a client, or all of the tenant.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for an unknown client principal.
    pub async fn list_grants(&self, client: Option<&str>) -> Result<Vec<PermissionGrant>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        let Some(client) = client else { return Ok(sql::all_grants(&mut tx, tenant).await?) };
        let principal = service_principals::required(&mut tx, tenant, client).await?;
        Ok(sql::grants_of_client(&mut tx, principal.id).await?)
    }

    /// Takes delegated permissions back.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn delete_grant(&self, actor: &Actor, id: &str) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        self.0
            .db
            .write((tenant, id.to_owned(), self.stamp(actor)), |tx, (tenant, id, stamp)| {
                remove_grant(tx, *tenant, id, stamp).boxed()
            })
            .await
    }

    /// Grants everything an application asks for (`az ad app permission admin-consent`): its delegated permissions for
    /// everybody, its application permissions as role assignments. Permissions that the resource does not define and
    /// resources that are not in the tenant are passed over, as in Entra.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for an unknown application or one without service principal.
    pub async fn admin_consent(&self, actor: &Actor, application: &str) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        // An ID per permission asked for at most, made before the transaction, which may run twice.
        let wanted = self.find_application(application).await?.properties.required_resource_access;
        let most = wanted.iter().map(|resource| resource.resource_access.len() + 1).sum();
        let ids: Vec<String> = (0..most).map(|_| self.random_text::<32>()).collect();
        let input = (tenant, application.to_owned(), ids, self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, application, ids, stamp)| {
                async move {
                    let application = applications::required(tx, *tenant, application).await?;
                    let client =
                        service_principals::required(tx, *tenant, &application.app_id.to_string()).await?;
                    let mut ids = ids.iter();
                    for asked in &application.properties.required_resource_access {
                        consent_for_all(tx, (*tenant, &client), asked, &mut ids, stamp).await?;
                    }
                    Ok::<_, IdentityError>(())
                }
                .boxed()
            })
            .await
    }

    /// The roles given to a principal.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn list_app_role_assignments(
        &self,
        principal: ObjectId,
    ) -> Result<Vec<AppRoleAssignment>, IdentityError> {
        Ok(sql::assignments_of(&mut self.0.db.read().await?, principal).await?)
    }
}

/// Takes delegated permissions back.
pub(crate) async fn remove_grant(
    tx: &mut WriteTx,
    tenant: TenantId,
    id: &str,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    if !delete_grant(tx, tenant, id).await? {
        return Err(IdentityError::not_found("permission grant", id));
    }
    stamp.record(tx, Action::ConsentRevoked, id, None).await?;
    Ok(())
}

/// Makes a grant say exactly these scopes, as a step of a larger transaction.
pub(crate) async fn declare_grant(
    tx: &mut WriteTx,
    tenant: TenantId,
    (client, resource_id, principal): (ObjectId, ObjectId, Option<ObjectId>),
    scopes: &[String],
    means: (&String, &Stamp),
) -> Result<(), IdentityError> {
    let client = service_principals::required(tx, tenant, &client.to_string()).await?;
    let (resource, application) = resource(tx, tenant, resource_id).await?;
    check_scopes(&application, scopes)?;
    set_grant(tx, tenant, (&client, &resource), principal, scopes.join(" "), means).await?;
    Ok(())
}

/// Grants what is asked of one resource, for everybody. Takes an ID for each permission at most.
pub(crate) async fn consent_for_all(
    tx: &mut WriteTx,
    (tenant, client): (TenantId, &ServicePrincipal),
    asked: &RequiredResourceAccess,
    ids: &mut std::slice::Iter<'_, String>,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    let Some(application) = applications::by_app_id(tx, tenant, asked.resource_app_id).await? else {
        return Ok(());
    };
    let Some(resource) = service_principals::by_app_id(tx, tenant, application.app_id).await? else {
        return Ok(());
    };
    let wanted = |kind| asked.resource_access.iter().filter(move |access| access.kind == kind);
    let known = &application.properties.api.oauth2_permission_scopes;
    let mut scopes: Vec<&str> = wanted(PermissionKind::Scope)
        .filter_map(|access| known.iter().find(|scope| scope.id.uuid() == access.id && scope.is_enabled))
        .filter_map(|scope| scope.value.as_deref())
        .collect();
    if !scopes.is_empty() {
        // Consent adds to what was granted before.
        let before = sql::grant(tx, client.id, resource.id, None).await?;
        privileges::ensure_may_grant(tx, tenant, stamp, &resource, &scopes).await?;
        let old = before.map(|grant| grant.scope).unwrap_or_default();
        scopes.extend(old.split_whitespace());
        let mut seen = Vec::new();
        scopes.retain(|scope| {
            !seen.contains(scope) && {
                seen.push(*scope);
                true
            }
        });
        let id = ids.next().ok_or(IdentityError::Interrupted)?;
        set_grant(tx, tenant, (client, &resource), None, scopes.join(" "), (id, stamp)).await?;
    }
    for access in wanted(PermissionKind::Role) {
        let role = application.properties.app_roles.iter().find(|role| {
            role.id.uuid() == access.id
                && role.is_enabled
                && role.allowed_member_types.contains(&MemberType::Application)
        });
        let (Some(role), Some(id)) = (role, ids.next()) else { continue };
        privileges::ensure_may_assign(tx, tenant, stamp, &resource, (role.id, role.value.as_deref())).await?;
        let assignment = AppRoleAssignment {
            id: id.clone(),
            app_role_id: role.id,
            principal_id: client.id,
            principal_kind: PrincipalKind::ServicePrincipal,
            resource_id: resource.id,
            created_at: crate::timestamp(stamp.at_ms),
        };
        if insert_assignment(tx, tenant, &assignment).await? {
            let detail = Some(format!("role {} of {}", role.id, resource.id));
            stamp.record(tx, Action::ConsentGranted, client.id, detail).await?;
        }
    }
    Ok(())
}

/// Adds what a user consented to, for himself or for everybody; the caller records it.
pub(crate) async fn add_consent(
    tx: &mut WriteTx,
    tenant: TenantId,
    (client, resource, user): (ObjectId, ObjectId, Option<ObjectId>),
    values: &[String],
    (id, at_ms): (&str, i64),
) -> Result<(), IdentityError> {
    let before = sql::grant(tx, client, resource, user).await?;
    let (id, old) = before.map_or_else(|| (id.to_owned(), String::new()), |grant| (grant.id, grant.scope));
    let mut words: Vec<&str> = old.split_whitespace().collect();
    for value in values {
        if !words.iter().any(|word| word.eq_ignore_ascii_case(value)) {
            words.push(value);
        }
    }
    let grant = PermissionGrant {
        id,
        client_id: client,
        consent: if user.is_some() { ConsentKind::Principal } else { ConsentKind::AllPrincipals },
        principal_id: user,
        resource_id: resource,
        scope: words.join(" "),
    };
    sql::upsert_grant(tx, tenant, &grant).await?;
    Ok(sql::note_granted(tx, &grant.id, at_ms).await?)
}

async fn set_grant(
    tx: &mut WriteTx,
    tenant: TenantId,
    (client, resource): (&ServicePrincipal, &ServicePrincipal),
    principal: Option<ObjectId>,
    scope: String,
    (id, stamp): (&String, &Stamp),
) -> Result<PermissionGrant, IdentityError> {
    let before = sql::grant(tx, client.id, resource.id, principal).await?;
    let grant = PermissionGrant {
        id: before.map_or_else(|| id.clone(), |grant| grant.id),
        client_id: client.id,
        consent: if principal.is_some() { ConsentKind::Principal } else { ConsentKind::AllPrincipals },
        principal_id: principal,
        resource_id: resource.id,
        scope,
    };
    sql::upsert_grant(tx, tenant, &grant).await?;
    let detail = Some(format!("{} of {}", grant.scope, resource.id));
    stamp.record(tx, Action::ConsentGranted, client.id, detail).await?;
    Ok(grant)
}

/// The resource with this object ID.
async fn resource(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: ObjectId,
) -> Result<(ServicePrincipal, Application), IdentityError> {
    let principal = service_principals::by_id(tx, tenant, id).await?;
    let unknown = || permissions::unknown("resourceId", id, "a service principal");
    resource_of(tx, tenant, principal.ok_or_else(unknown)?).await
}

async fn resource_of(
    tx: &mut ReadTx,
    tenant: TenantId,
    principal: ServicePrincipal,
) -> Result<(ServicePrincipal, Application), IdentityError> {
    let application = applications::by_app_id(tx, tenant, principal.app_id).await?;
    let missing = || IdentityError::not_found("application", principal.app_id);
    let application = application.ok_or_else(missing)?;
    Ok((principal, application))
}

fn check_scopes(application: &Application, scopes: &[String]) -> Result<(), IdentityError> {
    let known = &application.properties.api.oauth2_permission_scopes;
    let defined = |value: &String| {
        known.iter().any(|scope| scope.value.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(value)))
    };
    match scopes.iter().find(|scope| !defined(scope)) {
        Some(unknown) => {
            let reason = format!("'{}' is no scope of {}", unknown, application.properties.display_name);
            Err(IdentityError::invalid("scope", reason))
        }
        None if scopes.is_empty() => Err(IdentityError::invalid("scope", "must name at least one scope")),
        None => Ok(()),
    }
}
