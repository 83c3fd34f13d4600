//! Roles given to principals: seen from the principal (`appRoleAssignments`) and from the resource
//! (`appRoleAssignedTo`).

use std::collections::HashMap;

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_kernel::{AppRoleId, GroupId, ObjectId, TenantId};
use hilum_storage::db::{ReadTx, WriteTx};

use super::{AppRoleAssignment, PrincipalKind, permissions::unknown, resource, sql};
use crate::{
    Application, Identity, IdentityError, MemberType, Stamp, groups, privileges,
    query::{Collection, Column, Field, ListQuery, Page},
    role_assignments, service_principals, users,
};

/// What lists of role assignments can be asked for.
pub(crate) const COLLECTION: Collection = Collection {
    table: "app_role_assignment",
    id: "id",
    tenant: "tenant_id",
    only: None,
    default_order: "id",
    orders: &["id", "createdDateTime"],
    fields: &[
        Field::new("id", Column::Text("id")).indexed(),
        Field::new("appRoleId", Column::Guid("app_role_id")),
        Field::new("createdDateTime", Column::Time("created_at_ms")),
        Field::new("principalId", Column::Guid("principal_id")).indexed(),
        Field::new("principalType", Column::Text("principal_kind")),
        Field::new("resourceId", Column::Guid("resource_id")).indexed(),
    ],
    search: &[],
};

const OF_PRINCIPAL: &str = "SELECT id FROM app_role_assignment WHERE principal_id = ";
const OF_RESOURCE: &str = "SELECT id FROM app_role_assignment WHERE resource_id = ";

/// The end from which an assignment is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssignmentEnd {
    /// What a principal was given (`appRoleAssignments`).
    Principal(ObjectId),
    /// Who was given roles of a resource (`appRoleAssignedTo`).
    Resource(ObjectId),
}

/// A role to be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewAppRoleAssignment {
    /// To whom: a user, group or service principal.
    pub principal_id: ObjectId,
    /// The resource's service principal.
    pub resource_id: ObjectId,
    /// The role; zeros for access without a role.
    pub app_role_id: AppRoleId,
}

/// An assignment with the names of both ends; absent for what is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedAssignment {
    /// The assignment.
    pub assignment: AppRoleAssignment,
    /// What the principal is called.
    pub principal_name: Option<String>,
    /// What the resource is called.
    pub resource_name: Option<String>,
}

impl Identity {
    /// Gives a role of a resource to a user, group or service principal.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for roles that the resource does not define, are switched off or are not for this kind
    /// of principal, for unknown ends and for what was given before; [`IdentityError::Denied`].
    pub async fn create_app_role_assignment(
        &self,
        actor: &Actor,
        new: NewAppRoleAssignment,
    ) -> Result<NamedAssignment, IdentityError> {
        let tenant = self.tenant().await?.id;
        let input = (tenant, new, self.random_text::<32>(), self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, new, id, stamp)| create(tx, *tenant, *new, (id, stamp)).boxed())
            .await
    }

    /// Takes a role away.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] where that end has no assignment with this ID.
    pub async fn delete_app_role_assignment(
        &self,
        actor: &Actor,
        end: AssignmentEnd,
        id: &str,
    ) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        let input = (tenant, end, id.to_owned(), self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, end, id, stamp)| {
                async move {
                    let found = required(tx, *tenant, *end, id).await?;
                    sql::delete_assignment(tx, found.principal_id, found.resource_id, found.app_role_id)
                        .await?;
                    // A data role's assignment would otherwise say what no token does.
                    role_assignments::forget_data_role(tx, *tenant, &found).await?;
                    let detail = Some(format!("role {} of {}", found.app_role_id, found.resource_id));
                    stamp.record(tx, Action::ConsentRevoked, found.principal_id, detail).await?;
                    Ok::<_, IdentityError>(())
                }
                .boxed()
            })
            .await
    }

    /// One assignment of an end.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn find_app_role_assignment(
        &self,
        end: AssignmentEnd,
        id: &str,
    ) -> Result<NamedAssignment, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        let found = required(&mut tx, tenant, end, id).await?;
        let named = named(&mut tx, tenant, vec![found]).await?;
        named.into_iter().next().ok_or_else(|| IdentityError::not_found("app role assignment", id))
    }

    /// A page of an end's assignments.
    pub(crate) async fn page_of_app_role_assignments(
        &self,
        end: AssignmentEnd,
        query: ListQuery,
    ) -> Result<Page<NamedAssignment>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        let query = match end {
            AssignmentEnd::Principal(id) => query.within(OF_PRINCIPAL, id),
            AssignmentEnd::Resource(id) => query.within(OF_RESOURCE, id),
        };
        let page = page(&mut tx, tenant, &query).await?;
        Ok(Page { items: named(&mut tx, tenant, page.items).await?, next: page.next, total: page.total })
    }
}

/// A page of assignments, without names.
pub(crate) async fn page(
    tx: &mut ReadTx,
    tenant: TenantId,
    query: &ListQuery,
) -> Result<Page<AppRoleAssignment>, IdentityError> {
    let page = crate::query::page(tx, &COLLECTION, tenant, query, sql::ASSIGNMENT_COLUMNS).await?;
    Ok(page.try_map(|row| sql::read_assignment(&row))?)
}

async fn create(
    tx: &mut WriteTx,
    tenant: TenantId,
    new: NewAppRoleAssignment,
    (id, stamp): (&String, &Stamp),
) -> Result<NamedAssignment, IdentityError> {
    let (resource, application) = resource(tx, tenant, new.resource_id).await?;
    let kind = kind_of(tx, tenant, new.principal_id).await?;
    let kind =
        kind.ok_or_else(|| unknown("principalId", new.principal_id, "a user, group or service principal"))?;
    let value = role_value(&application, new.app_role_id, kind)?;
    privileges::ensure_may_assign(tx, tenant, stamp, &resource, (new.app_role_id, value)).await?;
    let assignment = AppRoleAssignment {
        id: id.clone(),
        app_role_id: new.app_role_id,
        principal_id: new.principal_id,
        principal_kind: kind,
        resource_id: resource.id,
        created_at: crate::timestamp(stamp.at_ms),
    };
    if !sql::insert_assignment(tx, tenant, &assignment).await? {
        return Err(IdentityError::invalid(
            "appRoleId",
            "this principal has this role of the resource already",
        ));
    }
    let detail = Some(format!("role {} of {}", new.app_role_id, resource.id));
    stamp.record(tx, Action::ConsentGranted, new.principal_id, detail).await?;
    let named = named(tx, tenant, vec![assignment]).await?;
    named.into_iter().next().ok_or(IdentityError::Interrupted)
}

/// The role's word in tokens; nothing for access without a role.
fn role_value(
    application: &Application,
    id: AppRoleId,
    kind: PrincipalKind,
) -> Result<Option<&str>, IdentityError> {
    if id.uuid().is_nil() {
        return Ok(None);
    }
    let invalid = |reason: String| Err(IdentityError::invalid("appRoleId", reason));
    let name = &application.properties.display_name;
    let Some(role) = application.properties.app_roles.iter().find(|role| role.id == id) else {
        return invalid(format!("'{id}' is no role of {name}"));
    };
    if !role.is_enabled {
        return invalid(format!("the role '{}' of {name} is switched off", role.display_name));
    }
    let needed = match kind {
        PrincipalKind::User | PrincipalKind::Group => MemberType::User,
        PrincipalKind::ServicePrincipal => MemberType::Application,
    };
    if !role.allowed_member_types.contains(&needed) {
        let reason = match needed {
            MemberType::User => "is for applications only, not for users and groups",
            MemberType::Application => "is for users and groups only, not for applications",
        };
        return invalid(format!("the role '{}' of {name} {reason}", role.display_name));
    }
    Ok(role.value.as_deref())
}

/// What kind of principal an object is.
async fn kind_of(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: ObjectId,
) -> Result<Option<PrincipalKind>, IdentityError> {
    Ok(if service_principals::by_id(tx, tenant, id).await?.is_some() {
        Some(PrincipalKind::ServicePrincipal)
    } else if users::lookup(tx, tenant, &id.to_string()).await?.is_some() {
        Some(PrincipalKind::User)
    } else if groups::by_id(tx, tenant, GroupId::new(id.uuid())).await?.is_some() {
        Some(PrincipalKind::Group)
    } else {
        None
    })
}

async fn required(
    tx: &mut ReadTx,
    tenant: TenantId,
    end: AssignmentEnd,
    id: &str,
) -> Result<AppRoleAssignment, IdentityError> {
    let found = sql::assignment_by_id(tx, tenant, id).await?.filter(|found| match end {
        AssignmentEnd::Principal(id) => found.principal_id == id,
        AssignmentEnd::Resource(id) => found.resource_id == id,
    });
    found.ok_or_else(|| IdentityError::not_found("app role assignment", id))
}

async fn named(
    tx: &mut ReadTx,
    tenant: TenantId,
    all: Vec<AppRoleAssignment>,
) -> Result<Vec<NamedAssignment>, IdentityError> {
    let ids = all.iter().flat_map(|one| [one.principal_id, one.resource_id]);
    let names: HashMap<ObjectId, String> = sql::names(tx, tenant, ids).await?;
    Ok(all
        .into_iter()
        .map(|assignment| NamedAssignment {
            principal_name: names.get(&assignment.principal_id).cloned(),
            resource_name: names.get(&assignment.resource_id).cloned(),
            assignment,
        })
        .collect())
}
