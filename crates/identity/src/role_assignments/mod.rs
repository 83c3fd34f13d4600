//! Role assignments (`az role assignment …`): a built-in role, a principal, a scope.
//!
//! Owns `role_assignment`. A data role also becomes an app role assignment on the DICOM service's principal, in the
//! same transaction: that is how it gets into the `roles` of tokens.

mod custom;
mod definitions;
mod sql;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_kernel::{AppRoleId, GroupId, ObjectId, TenantId};
use hilum_storage::db::{DbError, ReadTx, WriteTx};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    AppRoleAssignment, Identity, IdentityError, PrincipalKind, Stamp,
    directory_roles::{self, DirectoryRole},
    grants, groups, privileges, seed, service_principals, users,
};

pub use custom::{ConfiguredRole, NewRoleDefinition};
pub(crate) use custom::{
    all as custom_definitions, delete as delete_definition, find as find_definition,
    put_custom as put_definition,
};
use definitions::BuiltIn;
pub(crate) use definitions::{DEFINITIONS, find as built_in};
pub use definitions::{RoleDefinition, RoleKind, RoleOrigin};
#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{SCHEMA, SCHEMA_CUSTOM, insert};

/// Azure's scopes are resource IDs of a few hundred characters.
const SCOPE_CHARS_MAX: usize = 1000;
/// How many assignments can be named by ID in one request.
const IDS_MAX: usize = 500;

/// A role given to a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleAssignment {
    /// Its GUID.
    pub id: Uuid,
    /// The role.
    pub role: Arc<RoleDefinition>,
    /// To whom.
    pub principal_id: ObjectId,
    /// What kind of object that is.
    pub principal_kind: PrincipalKind,
    /// Where it holds, as given: the local service whatever the resource ID says.
    pub scope: String,
    /// Since when.
    pub created_at: Timestamp,
    /// The principal's name: user principal name, appId or group name. Empty when it is gone.
    pub principal_name: String,
}

/// Who is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalRef {
    /// An object ID, appId, service principal name or user principal name (`--assignee`).
    Assignee(String),
    /// An object ID and what it is (`--assignee-object-id`, `--assignee-principal-type`).
    Object {
        /// The object ID.
        id: ObjectId,
        /// What it is; looked up if absent.
        kind: Option<PrincipalKind>,
    },
}

/// A role to be assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRoleAssignment {
    /// Its name or GUID.
    pub role: String,
    /// To whom.
    pub principal: PrincipalRef,
    /// Where; `/` if nothing was said.
    pub scope: String,
}

/// Which assignments to list or delete; what is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleAssignmentFilter {
    /// With one of these GUIDs.
    pub ids: Option<Vec<Uuid>>,
    /// Of this role, by name or GUID.
    pub role: Option<String>,
    /// Of this principal.
    pub principal: Option<PrincipalRef>,
    /// With exactly this scope.
    pub scope: Option<String>,
}

impl Identity {
    /// The built-in roles, or the one with this name or GUID.
    pub fn role_definitions(name: Option<&str>) -> Vec<RoleDefinition> {
        match name {
            Some(name) => definitions::find(name).into_iter().map(BuiltIn::definition).collect(),
            None => DEFINITIONS.iter().map(BuiltIn::definition).collect(),
        }
    }

    /// Assigns a role. Doing it again gives the assignment that is there, as Azure does.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for an unknown role or principal.
    pub async fn create_role_assignment(
        &self,
        actor: &Actor,
        new: NewRoleAssignment,
    ) -> Result<RoleAssignment, IdentityError> {
        self.put_role_assignment(actor, self.0.random.uuid(), new).await
    }

    /// The same, under an ID that the caller chose. An assignment that says the same keeps its own.
    ///
    /// # Errors
    /// As [`Identity::create_role_assignment`]; [`IdentityError::Conflict`] for an ID that is taken.
    pub async fn put_role_assignment(
        &self,
        actor: &Actor,
        id: Uuid,
        new: NewRoleAssignment,
    ) -> Result<RoleAssignment, IdentityError> {
        let tenant = self.tenant().await?.id;
        check_scope(&new.scope)?;
        let ids = (id, self.random_text::<32>());
        let input = (tenant, new, ids, self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, new, (id, grant_id), stamp)| {
                async move {
                    let role = custom::required(tx, *tenant, &new.role).await?;
                    privileges::ensure_may_give_role(tx, *tenant, stamp, &role).await?;
                    let principal = principal(tx, *tenant, &new.principal).await?;
                    ensure_assignable(tx, *tenant, &role, &principal).await?;
                    let mut assignment = RoleAssignment {
                        id: *id,
                        role,
                        principal_id: principal.id,
                        principal_kind: principal.kind,
                        scope: new.scope.clone(),
                        created_at: crate::timestamp(stamp.at_ms),
                        principal_name: principal.name,
                    };
                    if let Some(existing) = same(tx, *tenant, &assignment).await? {
                        assignment.id = existing.id;
                        assignment.created_at = existing.created_at;
                        return Ok(assignment);
                    }
                    assign(tx, *tenant, &assignment, grant_id, stamp).await?;
                    Ok(assignment)
                }
                .boxed()
            })
            .await
    }

    /// Lists role assignments, oldest first.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for an unknown role or principal in the filter.
    pub async fn list_role_assignments(
        &self,
        filter: &RoleAssignmentFilter,
    ) -> Result<Vec<RoleAssignment>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        let selection = selection(&mut tx, tenant, filter).await?;
        let mut all = sql::select(&mut tx, tenant, &selection).await?;
        for assignment in &mut all {
            let id = assignment.principal_id;
            let kind = Some(assignment.principal_kind);
            assignment.principal_name =
                match principal(&mut tx, tenant, &PrincipalRef::Object { id, kind }).await {
                    Ok(principal) => principal.name,
                    Err(IdentityError::NotFound { .. }) => String::new(),
                    Err(error) => return Err(error),
                };
        }
        Ok(all)
    }

    /// Removes role assignments; tells how many.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for an unknown role or principal in the filter; [`IdentityError::Invalid`] for a
    /// filter that says nothing, which would remove all of them.
    pub async fn delete_role_assignments(
        &self,
        actor: &Actor,
        filter: &RoleAssignmentFilter,
    ) -> Result<usize, IdentityError> {
        if *filter == RoleAssignmentFilter::default() {
            return Err(IdentityError::invalid("ids", "say which assignments to remove"));
        }
        let tenant = self.tenant().await?.id;
        self.0
            .db
            .write((tenant, filter.clone(), self.stamp(actor)), |tx, (tenant, filter, stamp)| {
                async move { Ok(remove_selected(tx, *tenant, filter, stamp).await?.len()) }.boxed()
            })
            .await
    }
}

/// Directory roles go to groups that were made for it, and hold everywhere.
async fn ensure_assignable(
    tx: &mut ReadTx,
    tenant: TenantId,
    role: &RoleDefinition,
    principal: &Principal,
) -> Result<(), IdentityError> {
    if role.kind == RoleKind::Directory && principal.kind == PrincipalKind::Group {
        let group = groups::required(tx, tenant, GroupId::new(principal.id.uuid())).await?;
        if !group.assignable_to_role {
            let reason = "a group can have directory roles only when it was created with isAssignableToRole";
            return Err(IdentityError::invalid("principalId", reason));
        }
    }
    Ok(())
}

/// Removes assignments; tells which.
pub(crate) async fn remove_selected(
    tx: &mut WriteTx,
    tenant: TenantId,
    filter: &RoleAssignmentFilter,
    stamp: &Stamp,
) -> Result<Vec<RoleAssignment>, IdentityError> {
    let selection = selection(tx, tenant, filter).await?;
    let all = sql::select(tx, tenant, &selection).await?;
    for assignment in &all {
        // Who could not give it does not take it away: else anybody who gives roles strips administrators.
        privileges::ensure_may_give_role(tx, tenant, stamp, &assignment.role).await?;
        remove(tx, tenant, assignment, stamp).await?;
    }
    Ok(all)
}

/// Assignments in the order of their IDs, behind one, without the principals' names.
pub(crate) async fn page(
    tx: &mut ReadTx,
    tenant: TenantId,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Vec<RoleAssignment>, DbError> {
    sql::page(tx, tenant, after.unwrap_or_default(), limit).await
}

fn check_scope(scope: &str) -> Result<(), IdentityError> {
    if scope.is_empty() || scope.len() > SCOPE_CHARS_MAX {
        return Err(IdentityError::invalid("scope", "must have 1 to 1000 characters"));
    }
    Ok(())
}

/// Assigns a role as a step of a larger transaction; tells whether it was not assigned before.
pub(crate) async fn declare(
    tx: &mut WriteTx,
    tenant: TenantId,
    assignment: &RoleAssignment,
    grant_id: &str,
    stamp: &Stamp,
) -> Result<bool, IdentityError> {
    check_scope(&assignment.scope)?;
    privileges::ensure_may_give_role(tx, tenant, stamp, &assignment.role).await?;
    let principal =
        Principal { id: assignment.principal_id, kind: assignment.principal_kind, name: String::new() };
    ensure_assignable(tx, tenant, &assignment.role, &principal).await?;
    if same(tx, tenant, assignment).await?.is_some() {
        return Ok(false);
    }
    assign(tx, tenant, assignment, grant_id, stamp).await?;
    Ok(true)
}

/// Inserts an assignment, and for data roles what puts it into tokens.
pub(crate) async fn assign(
    tx: &mut WriteTx,
    tenant: TenantId,
    assignment: &RoleAssignment,
    grant_id: &str,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    insert(tx, tenant, assignment).await?;
    if assignment.role.kind == RoleKind::DicomData {
        let resource = service_principals::by_app_id(tx, tenant, seed::DICOM_APP_ID)
            .await?
            .ok_or_else(|| IdentityError::not_found("service principal", seed::DICOM_APP_ID))?;
        let grant = AppRoleAssignment {
            id: grant_id.to_owned(),
            app_role_id: AppRoleId::new(assignment.role.id),
            principal_id: assignment.principal_id,
            principal_kind: assignment.principal_kind,
            resource_id: resource.id,
            created_at: assignment.created_at,
        };
        grants::insert_assignment(tx, tenant, &grant).await?;
    }
    let detail = Some(format!("{} at {}", assignment.role.name, assignment.scope));
    stamp.record(tx, Action::RoleAssigned, assignment.principal_id, detail).await?;
    Ok(())
}

/// Removes an assignment; with the last one of its role the principal loses the role in tokens, too.
async fn remove(
    tx: &mut WriteTx,
    tenant: TenantId,
    assignment: &RoleAssignment,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    sql::delete(tx, assignment.id).await?;
    let others = sql::Selection {
        role: Some(assignment.role.id),
        principal: Some(assignment.principal_id),
        ..sql::Selection::default()
    };
    if assignment.role.kind == RoleKind::DicomData && sql::select(tx, tenant, &others).await?.is_empty() {
        let resource = service_principals::by_app_id(tx, tenant, seed::DICOM_APP_ID).await?;
        if let Some(resource) = resource {
            let role = AppRoleId::new(assignment.role.id);
            grants::delete_assignment(tx, assignment.principal_id, resource.id, role).await?;
        }
    }
    if assignment.role.id == DirectoryRole::GlobalAdministrator.id() {
        directory_roles::ensure_an_administrator(tx, tenant).await?;
    }
    let detail = Some(format!("{} at {}", assignment.role.name, assignment.scope));
    stamp.record(tx, Action::RoleRemoved, assignment.principal_id, detail).await?;
    Ok(())
}

/// Removes all assignments of a role that is about to go.
async fn remove_of_role(
    tx: &mut WriteTx,
    tenant: TenantId,
    role: Uuid,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    let selection = sql::Selection { role: Some(role), ..sql::Selection::default() };
    for assignment in sql::select(tx, tenant, &selection).await? {
        remove(tx, tenant, &assignment, stamp).await?;
    }
    Ok(())
}

/// Removes the assignments of a data role whose application role was taken away.
pub(crate) async fn forget_data_role(
    tx: &mut WriteTx,
    tenant: TenantId,
    gone: &AppRoleAssignment,
) -> Result<(), IdentityError> {
    let resource = service_principals::by_app_id(tx, tenant, seed::DICOM_APP_ID).await?;
    if resource.is_none_or(|resource| resource.id != gone.resource_id) {
        return Ok(());
    }
    let selection = sql::Selection {
        role: Some(gone.app_role_id.uuid()),
        principal: Some(gone.principal_id),
        ..sql::Selection::default()
    };
    for assignment in sql::select(tx, tenant, &selection).await? {
        sql::delete(tx, assignment.id).await?;
    }
    Ok(())
}

/// Removes all assignments of a principal that is about to go.
pub(crate) async fn delete_of_principal(tx: &mut WriteTx, principal: ObjectId) -> Result<(), DbError> {
    sql::delete_of_principal(tx, principal).await
}

async fn same(
    tx: &mut ReadTx,
    tenant: TenantId,
    assignment: &RoleAssignment,
) -> Result<Option<RoleAssignment>, DbError> {
    let selection = sql::Selection {
        ids: None,
        role: Some(assignment.role.id),
        principal: Some(assignment.principal_id),
        scope: Some(assignment.scope.clone()),
    };
    Ok(sql::select(tx, tenant, &selection).await?.pop())
}

struct Principal {
    id: ObjectId,
    kind: PrincipalKind,
    name: String,
}

async fn principal(
    tx: &mut ReadTx,
    tenant: TenantId,
    reference: &PrincipalRef,
) -> Result<Principal, IdentityError> {
    let (text, kind) = match reference {
        PrincipalRef::Assignee(text) => (text.clone(), None),
        PrincipalRef::Object { id, kind } => (id.to_string(), *kind),
    };
    let may_be = |other| kind.is_none_or(|kind| kind == other);
    if may_be(PrincipalKind::ServicePrincipal)
        && let Some(found) = service_principals::lookup(tx, tenant, &text).await?
    {
        let (kind, name) = (PrincipalKind::ServicePrincipal, found.app_id.to_string());
        return Ok(Principal { id: found.id, kind, name });
    }
    if may_be(PrincipalKind::User)
        && let Some(found) = users::lookup(tx, tenant, &text).await?
    {
        let id = ObjectId::new(found.id.uuid());
        return Ok(Principal { id, kind: PrincipalKind::User, name: found.user_principal_name });
    }
    if may_be(PrincipalKind::Group)
        && let Ok(id) = text.parse::<GroupId>()
        && let Some(found) = groups::by_id(tx, tenant, id).await?
    {
        let id = ObjectId::new(found.id.uuid());
        return Ok(Principal { id, kind: PrincipalKind::Group, name: found.display_name });
    }
    Err(IdentityError::not_found("principal", text))
}

async fn selection(
    tx: &mut ReadTx,
    tenant: TenantId,
    filter: &RoleAssignmentFilter,
) -> Result<sql::Selection, IdentityError> {
    if filter.ids.as_ref().is_some_and(|ids| ids.len() > IDS_MAX) {
        return Err(IdentityError::invalid("ids", "there may be at most 500"));
    }
    Ok(sql::Selection {
        ids: filter.ids.clone(),
        role: match &filter.role {
            Some(name) => Some(custom::required(tx, tenant, name).await?.id),
            None => None,
        },
        principal: match &filter.principal {
            Some(reference) => Some(principal(tx, tenant, reference).await?.id),
            None => None,
        },
        scope: filter.scope.clone(),
    })
}

/// The built-in role with this name or GUID.
pub(crate) fn required_role(name: &str) -> Result<Arc<RoleDefinition>, IdentityError> {
    let found = definitions::find(name).map(|role| Arc::new(role.definition()));
    found.ok_or_else(|| IdentityError::not_found("role", name))
}
