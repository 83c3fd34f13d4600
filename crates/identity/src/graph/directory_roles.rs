//! `/directoryRoles`, `/directoryRoleTemplates` and `/roleManagement/directory`: who administers the directory. All roles
//! are active from the start; a role, its template and its definition have one ID.

use futures::{FutureExt as _, future::ready};
use hilum_kernel::ObjectId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Access, Answer, Call, DirectoryRole, GraphError, Key, Operation, access::Owned, directory_objects, fixed,
    operation::row, users,
};
use crate::{
    IdentityError, NewRoleAssignment, PrincipalRef, RoleAssignmentFilter, directory_roles::ASSIGNMENTS,
    role_assignments,
};

/// Reading who has which role.
const READ: Access = Access {
    application: &[
        "RoleManagement.Read.Directory",
        "RoleManagement.ReadWrite.Directory",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ],
    delegated: &[
        "RoleManagement.Read.Directory",
        "RoleManagement.ReadWrite.Directory",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
        "Directory.AccessAsUser.All",
    ],
    roles: users::READ.roles,
    owned: Owned::Never,
};
/// Giving and taking roles.
const WRITE: Access = Access {
    application: &["RoleManagement.ReadWrite.Directory"],
    delegated: &["RoleManagement.ReadWrite.Directory", "Directory.AccessAsUser.All"],
    roles: &[DirectoryRole::GlobalAdministrator],
    owned: Owned::Never,
};

/// The rows of the table.
pub(super) const OPERATIONS: &[Operation] = &[
    row!(GET, "/directoryRoles", READ, "List the directory roles.", |call| ready(list(&call)).boxed()),
    row!(POST, "/directoryRoles", WRITE, "Activate a directory role; all of them are.", |call| {
        ready(activate(&call)).boxed()
    }),
    row!(GET, "/directoryRoles/{role}", READ, "Get a directory role.", |call| ready(get(&call)).boxed()),
    row!(GET, "/directoryRoles/{role}/members", READ, "List who has a directory role.", |call| {
        members(call).boxed()
    }),
    row!(POST, "/directoryRoles/{role}/members/$ref", WRITE, "Give a directory role.", |call| {
        add_member(call).boxed()
    }),
    row!(
        DELETE,
        "/directoryRoles/{role}/members/{member}/$ref",
        WRITE,
        "Take a directory role away.",
        |call| { remove_member(call).boxed() }
    ),
    row!(GET, "/directoryRoleTemplates", READ, "List the templates of directory roles.", |call| {
        ready(templates(&call)).boxed()
    }),
    row!(GET, "/directoryRoleTemplates/{role}", READ, "Get the template of a directory role.", |call| {
        ready(template(&call)).boxed()
    }),
    row!(
        GET,
        "/roleManagement/directory/roleDefinitions",
        READ,
        "List the definitions of directory roles.",
        |call| { ready(definitions(&call)).boxed() }
    ),
    row!(
        GET,
        "/roleManagement/directory/roleDefinitions/{role}",
        READ,
        "Get the definition of a directory role.",
        |call| { ready(definition(&call)).boxed() }
    ),
    row!(
        GET,
        "/roleManagement/directory/roleAssignments",
        READ,
        "List who has which directory role.",
        |call| { assignments(call).boxed() }
    ),
    row!(POST, "/roleManagement/directory/roleAssignments", WRITE, "Give a directory role.", |call| {
        assign(call).boxed()
    }),
    row!(
        GET,
        "/roleManagement/directory/roleAssignments/{assignment}",
        READ,
        "Get an assignment of a directory role.",
        |call| { assignment(call).boxed() }
    ),
    row!(
        DELETE,
        "/roleManagement/directory/roleAssignments/{assignment}",
        WRITE,
        "Take a directory role away.",
        |call| { unassign(call).boxed() }
    ),
];

/// The role as a `directoryRole` among other objects.
pub(super) fn annotated(role: DirectoryRole) -> Value {
    let mut object = shape(role);
    if let Value::Object(members) = &mut object {
        members.insert("@odata.type".to_owned(), "#microsoft.graph.directoryRole".into());
    }
    object
}

fn shape(role: DirectoryRole) -> Value {
    let (name, description) = words(role);
    json!({
        "deletedDateTime": null,
        "description": description,
        "displayName": name,
        "id": role.id().to_string(),
        "roleTemplateId": role.id().to_string(),
    })
}

fn template_of(role: DirectoryRole) -> Value {
    let (name, description) = words(role);
    json!({
        "deletedDateTime": null,
        "description": description,
        "displayName": name,
        "id": role.id().to_string(),
    })
}

fn definition_of(role: DirectoryRole) -> Value {
    let (name, description) = words(role);
    json!({
        "description": description,
        "displayName": name,
        "id": role.id().to_string(),
        "isBuiltIn": true,
        "isEnabled": true,
        "resourceScopes": ["/"],
        "rolePermissions": [],
        "templateId": role.id().to_string(),
        "version": "1",
    })
}

fn words(role: DirectoryRole) -> (&'static str, &'static str) {
    let definition = role_assignments::built_in(&role.id().to_string());
    definition.map_or(("", ""), |definition| (definition.name, definition.description))
}

fn all(shape: fn(DirectoryRole) -> Value) -> Vec<Value> {
    DirectoryRole::ALL.into_iter().map(shape).collect()
}

fn list(call: &Call) -> Result<Answer, GraphError> {
    fixed::answer(call, "directoryRoles", all(shape))
}

fn templates(call: &Call) -> Result<Answer, GraphError> {
    fixed::answer(call, "directoryRoleTemplates", all(template_of))
}

fn definitions(call: &Call) -> Result<Answer, GraphError> {
    fixed::answer(call, "roleManagement/directory/roleDefinitions", all(definition_of))
}

fn get(call: &Call) -> Result<Answer, GraphError> {
    Ok(Answer::object("directoryRoles/$entity", shape(role(call)?)))
}

fn template(call: &Call) -> Result<Answer, GraphError> {
    Ok(Answer::object("directoryRoleTemplates/$entity", template_of(role(call)?)))
}

fn definition(call: &Call) -> Result<Answer, GraphError> {
    let role = role(call)?;
    Ok(Answer::object("roleManagement/directory/roleDefinitions/$entity", definition_of(role)))
}

fn activate(call: &Call) -> Result<Answer, GraphError> {
    let wanted = call.body.object()?.get("roleTemplateId").and_then(Value::as_str).unwrap_or_default();
    let role = wanted.parse().ok().and_then(DirectoryRole::of);
    let role = role.ok_or_else(|| IdentityError::invalid("roleTemplateId", "is the ID of no role"))?;
    Ok(Answer::created("directoryRoles/$entity", shape(role)))
}

/// `/directoryRoles/{id}`, `/directoryRoles(roleTemplateId='…')`.
fn role(call: &Call) -> Result<DirectoryRole, GraphError> {
    let key = call.key("role")?;
    let known = match key {
        Key::Id(_) => true,
        Key::Alternate { property, .. } => {
            ["roleTemplateId", "templateId"].iter().any(|known| known.eq_ignore_ascii_case(property))
        }
    };
    let found = key.value().parse().ok().and_then(DirectoryRole::of).filter(|_| known);
    found.ok_or_else(|| GraphError::not_found(key.value()))
}

async fn members(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let filter = of_role(role(&call)?);
    let all = call.identity.list_role_assignments(&filter).await?;
    let ids: Vec<ObjectId> = all.iter().map(|assignment| assignment.principal_id).collect();
    let objects = call.identity.directory_objects(&ids).await?;
    directory_objects::answer(&call, crate::query::Page::whole(objects)).await
}

fn of_role(role: DirectoryRole) -> RoleAssignmentFilter {
    RoleAssignmentFilter { role: Some(role.id().to_string()), ..RoleAssignmentFilter::default() }
}

fn of_member(role: DirectoryRole, id: ObjectId) -> RoleAssignmentFilter {
    RoleAssignmentFilter { principal: Some(PrincipalRef::Object { id, kind: None }), ..of_role(role) }
}

async fn add_member(call: Call) -> Result<Answer, GraphError> {
    let (role, id) = (role(&call)?, call.body.reference()?);
    if !call.identity.list_role_assignments(&of_member(role, id)).await?.is_empty() {
        return Err(IdentityError::Referenced { property: "members" }.into());
    }
    give(&call, role.id(), id).await?;
    Ok(Answer::no_content())
}

async fn give(call: &Call, role: Uuid, id: ObjectId) -> Result<crate::RoleAssignment, GraphError> {
    let new = NewRoleAssignment {
        role: role.to_string(),
        principal: PrincipalRef::Object { id, kind: None },
        scope: "/".to_owned(),
    };
    Ok(call.identity.create_role_assignment(&call.actor, new).await?)
}

async fn remove_member(call: Call) -> Result<Answer, GraphError> {
    let (role, id) = (role(&call)?, call.id::<ObjectId>("member")?);
    match call.identity.delete_role_assignments(&call.actor, &of_member(role, id)).await? {
        0 => Err(GraphError::not_found(&id.to_string())),
        _ => Ok(Answer::no_content()),
    }
}

async fn assignments(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let query = call.list_query(&ASSIGNMENTS)?;
    let page = call.page(&ASSIGNMENTS, &query, "id, principal_id, role_id, scope").await?;
    let page =
        page.try_map(|row| Ok::<_, GraphError>(assignment_shape(row.id(0)?, row.id(1)?, row.id(2)?)))?;
    Ok(Answer::page("roleManagement/directory/roleAssignments", page))
}

fn assignment_shape(id: Uuid, principal: ObjectId, role: Uuid) -> Value {
    json!({
        "directoryScopeId": "/",
        "id": id.to_string(),
        "principalId": principal.to_string(),
        "principalOrganizationId": null,
        "resourceScope": "/",
        "roleDefinitionId": role.to_string(),
    })
}

/// The assignment of a directory role with the ID in the path; data roles are Azure's (`/providers/…`).
async fn found(call: &Call) -> Result<crate::RoleAssignment, GraphError> {
    let id: Uuid = call.id("assignment")?;
    let filter = RoleAssignmentFilter { ids: Some(vec![id]), ..RoleAssignmentFilter::default() };
    let found = call.identity.list_role_assignments(&filter).await?.pop();
    found
        .filter(|assignment| DirectoryRole::of(assignment.role.id).is_some())
        .ok_or_else(|| GraphError::not_found(&id.to_string()))
}

async fn assignment(call: Call) -> Result<Answer, GraphError> {
    let found = found(&call).await?;
    let shape = assignment_shape(found.id, found.principal_id, found.role.id);
    Ok(Answer::object("roleManagement/directory/roleAssignments/$entity", shape))
}

async fn assign(call: Call) -> Result<Answer, GraphError> {
    let members = call.body.object()?;
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let known = ["principalId", "roleDefinitionId", "directoryScopeId", "condition", "appScopeId"];
    if let Some(unknown) = members.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(IdentityError::invalid(unknown, "a role assignment has no such property").into());
    }
    let principal = text("principalId").and_then(|id| id.parse().ok());
    let principal: ObjectId =
        principal.ok_or_else(|| IdentityError::invalid("principalId", "must be an object ID"))?;
    let role = text("roleDefinitionId").and_then(|id| id.parse().ok()).and_then(DirectoryRole::of);
    let role = role.ok_or_else(|| IdentityError::invalid("roleDefinitionId", "is the ID of no role"))?;
    if text("directoryScopeId").unwrap_or("/") != "/" {
        let reason = "must be \"/\": directory roles hold everywhere";
        return Err(IdentityError::invalid("directoryScopeId", reason).into());
    }
    if !call.identity.list_role_assignments(&of_member(role, principal)).await?.is_empty() {
        return Err(GraphError::request(
            "A conflicting object with one or more of the specified property values is present in the directory.",
        ));
    }
    let made = give(&call, role.id(), principal).await?;
    let shape = assignment_shape(made.id, made.principal_id, made.role.id);
    Ok(Answer::created("roleManagement/directory/roleAssignments/$entity", shape))
}

async fn unassign(call: Call) -> Result<Answer, GraphError> {
    let id = found(&call).await?.id;
    let filter = RoleAssignmentFilter { ids: Some(vec![id]), ..RoleAssignmentFilter::default() };
    call.identity.delete_role_assignments(&call.actor, &filter).await?;
    Ok(Answer::no_content())
}
