//! Azure Resource Manager's operations on roles, which `az role` calls: `…/providers/Microsoft.Authorization/
//! roleDefinitions` and `…/roleAssignments`, at any scope. Every scope means the local service. Only data roles are seen
//! and given here, but by the operator; directory roles have paths and permissions of their own (`directory_roles`).

use futures::FutureExt as _;
use http::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    Access, Answer, Call, DirectoryRole, GraphError, Operation,
    access::Owned,
    grants::{object_id, text},
};
use crate::{
    Holder, IdentityError, NewRoleAssignment, NewRoleDefinition, PrincipalKind, PrincipalRef, RoleAssignment,
    RoleAssignmentFilter, RoleDefinition, RoleKind, json as shapes,
};

/// Reading roles and who has them.
const READ: Access = Access {
    application: &[
        "RoleManagement.Read.Directory",
        "RoleManagement.ReadWrite.Directory",
        "AppRoleAssignment.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ],
    delegated: DELEGATED,
    roles: Access::READ_APPLICATIONS.roles,
    owned: Owned::Never,
};
/// Giving and taking roles, and defining them.
const WRITE: Access = Access {
    application: &["RoleManagement.ReadWrite.Directory", "AppRoleAssignment.ReadWrite.All"],
    delegated: DELEGATED,
    roles: &[DirectoryRole::GlobalAdministrator],
    owned: Owned::Never,
};
const DELEGATED: &[&str] =
    &["user_impersonation", "RoleManagement.ReadWrite.Directory", "Directory.AccessAsUser.All"];

macro_rules! row {
    ($method:ident, $path:literal, $access:expr, $summary:literal, $handler:ident) => {
        Operation {
            method: Method::$method,
            path: concat!("/{*scope}/providers/Microsoft.Authorization/", $path),
            summary: $summary,
            access: $access,
            handler: |call| $handler(call).boxed(),
        }
    };
}

/// The rows of the table.
pub(super) const OPERATIONS: &[Operation] = &[
    row!(GET, "roleDefinitions", READ, "List roles.", list_definitions),
    row!(GET, "roleDefinitions/{definition}", READ, "Get a role.", get_definition),
    row!(PUT, "roleDefinitions/{definition}", WRITE, "Make or change a data role.", put_definition),
    row!(DELETE, "roleDefinitions/{definition}", WRITE, "Delete a data role.", delete_definition),
    row!(GET, "roleAssignments", READ, "List who has which role.", list_assignments),
    row!(GET, "roleAssignments/{assignment}", READ, "Get an assignment of a role.", get_assignment),
    row!(PUT, "roleAssignments/{assignment}", WRITE, "Assign a role.", put_assignment),
    row!(DELETE, "roleAssignments/{assignment}", WRITE, "Remove an assignment of a role.", delete_assignment),
];

async fn list_definitions(call: Call) -> Result<Answer, GraphError> {
    let filter = call.options.text("$filter").map(str::to_owned);
    let (mut name, mut kind) = (None, None);
    for (property, value) in filter.as_deref().map(comparisons).transpose()?.unwrap_or_default() {
        match property.to_ascii_lowercase().as_str() {
            "rolename" => name = Some(value),
            "type" => kind = Some(value),
            _ => return Err(unsupported(&property)),
        }
    }
    let mut all = call.identity.list_role_definitions(name.as_deref()).await?;
    all.retain(|role| reaches(&call, role));
    if let Some(kind) = kind {
        all.retain(|role| resource_kind(role).eq_ignore_ascii_case(&kind));
    }
    Ok(Answer::list("", all.iter().map(definition).collect()))
}

async fn get_definition(call: Call) -> Result<Answer, GraphError> {
    let id = guid(&call, "definition")?;
    let found = call.identity.list_role_definitions(Some(&id.to_string())).await?;
    let found =
        found.iter().find(|role| reaches(&call, role)).ok_or_else(|| IdentityError::not_found("role", id))?;
    Ok(Answer::object("", definition(found)))
}

async fn put_definition(call: Call) -> Result<Answer, GraphError> {
    let id = guid(&call, "definition")?;
    let body = properties(&call)?;
    let permissions = match body.get("permissions") {
        Some(Value::Array(all)) => all.clone(),
        _ => return Err(IdentityError::invalid("permissions", "must be a list").into()),
    };
    let mut new = NewRoleDefinition {
        name: text(body, "roleName")?.to_owned(),
        description: body.get("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
        assignable_scopes: texts(body, "assignableScopes")?,
        ..NewRoleDefinition::default()
    };
    for permission in &permissions {
        let Value::Object(permission) = permission else {
            return Err(IdentityError::invalid("permissions", "must hold objects").into());
        };
        if !texts(permission, "actions")?.is_empty() {
            let reason = "must be empty: roles of one's own give rights on data only (dataActions)";
            return Err(IdentityError::invalid("actions", reason).into());
        }
        new.data_actions.extend(texts(permission, "dataActions")?);
        new.not_data_actions.extend(texts(permission, "notDataActions")?);
    }
    let role = call.identity.put_role_definition(&call.actor, id, new).await?;
    Ok(Answer::created("", definition(&role)))
}

/// Azure, Role Definitions - Delete: 200 with what was removed, 204 where nothing was.
async fn delete_definition(call: Call) -> Result<Answer, GraphError> {
    let id = guid(&call, "definition")?;
    match call.identity.delete_role_definition(&call.actor, &id.to_string()).await {
        Ok(role) => Ok(Answer::object("", definition(&role))),
        Err(IdentityError::NotFound { .. }) => Ok(Answer::no_content()),
        Err(error) => Err(error.into()),
    }
}

async fn list_assignments(call: Call) -> Result<Answer, GraphError> {
    let mut filter = RoleAssignmentFilter::default();
    let mut exact = false;
    let text = call.options.text("$filter").map(str::to_owned);
    for part in text.iter().flat_map(|text| text.split(" and ")).map(str::trim) {
        if part.eq_ignore_ascii_case("atScope()") {
            exact = true;
            continue;
        }
        let (property, value) = comparison(part)?;
        match property.to_ascii_lowercase().as_str() {
            "principalid" | "assignedto" => {
                let id = value.parse().map_err(|_| IdentityError::invalid("$filter", "must hold a GUID"))?;
                filter.principal = Some(PrincipalRef::Object { id, kind: None });
            }
            "roledefinitionid" => filter.role = Some(last(&value).to_owned()),
            _ => return Err(unsupported(&property)),
        }
    }
    let scope = scope(&call)?;
    if exact && scope != "/" {
        filter.scope = Some(scope);
    }
    let mut all = match call.identity.list_role_assignments(&filter).await {
        // A principal that is gone has no assignments.
        Err(IdentityError::NotFound { .. }) => Vec::new(),
        other => other?,
    };
    all.retain(|assignment| reaches(&call, &assignment.role));
    Ok(Answer::list("", all.iter().map(assignment).collect()))
}

async fn get_assignment(call: Call) -> Result<Answer, GraphError> {
    let id = guid(&call, "assignment")?;
    let found = by_id(&call, id).await?.filter(|found| reaches(&call, &found.role));
    let found = found.ok_or_else(|| IdentityError::not_found("role assignment", id))?;
    Ok(Answer::object("", assignment(&found)))
}

async fn put_assignment(call: Call) -> Result<Answer, GraphError> {
    let id = guid(&call, "assignment")?;
    let body = properties(&call)?;
    let kind = match body.get("principalType").and_then(Value::as_str) {
        Some(kind) => Some(PrincipalKind::parse(kind).ok_or_else(|| {
            IdentityError::invalid("principalType", "must be User, Group or ServicePrincipal")
        })?),
        None => None,
    };
    let scope = scope(&call)?;
    let role = last(text(body, "roleDefinitionId")?).to_owned();
    for known in call.identity.list_role_definitions(Some(&role)).await? {
        ensure_reaches(&call, &known)?;
    }
    let new = NewRoleAssignment {
        role,
        principal: PrincipalRef::Object { id: object_id(body, "principalId")?, kind },
        scope,
    };
    let made = call.identity.put_role_assignment(&call.actor, id, new).await?;
    // Azure, Role Assignments - Create: 201, or 200 for what was there.
    let shown = assignment(&made);
    Ok(if made.id == id { Answer::created("", shown) } else { Answer::object("", shown) })
}

/// Azure, Role Assignments - Delete: 200 with what was removed, 204 where nothing was.
async fn delete_assignment(call: Call) -> Result<Answer, GraphError> {
    let id = guid(&call, "assignment")?;
    let Some(found) = by_id(&call, id).await? else { return Ok(Answer::no_content()) };
    ensure_reaches(&call, &found.role)?;
    let filter = RoleAssignmentFilter { ids: Some(vec![id]), ..RoleAssignmentFilter::default() };
    call.identity.delete_role_assignments(&call.actor, &filter).await?;
    Ok(Answer::object("", assignment(&found)))
}

/// Permissions that suffice for data roles do not for those of the directory. The operator has no permissions: the command
/// line gives and lists all roles on these paths.
fn reaches(call: &Call, role: &RoleDefinition) -> bool {
    role.kind == RoleKind::DicomData || call.identity.1 == Holder::Operator
}

fn ensure_reaches(call: &Call, role: &RoleDefinition) -> Result<(), IdentityError> {
    if reaches(call, role) {
        return Ok(());
    }
    let reason = "names a directory role: use Microsoft Graph's /roleManagement/directory/roleAssignments";
    Err(IdentityError::invalid("roleDefinitionId", reason))
}

async fn by_id(call: &Call, id: Uuid) -> Result<Option<RoleAssignment>, GraphError> {
    let filter = RoleAssignmentFilter { ids: Some(vec![id]), ..RoleAssignmentFilter::default() };
    Ok(call.identity.list_role_assignments(&filter).await?.pop())
}

/// Azure nests what `az` prints flat.
fn definition(role: &RoleDefinition) -> Value {
    let mut resource = nested(shapes::role_definition(role));
    if let Some(Value::Object(properties)) = resource.get_mut("properties") {
        properties.remove("roleType");
        properties.insert("type".to_owned(), resource_kind(role).into());
    }
    resource
}

fn resource_kind(role: &RoleDefinition) -> &'static str {
    match role.origin {
        crate::RoleOrigin::BuiltIn => "BuiltInRole",
        crate::RoleOrigin::Custom | crate::RoleOrigin::Configured => "CustomRole",
    }
}

fn assignment(assignment: &RoleAssignment) -> Value {
    nested(shapes::role_assignment(assignment))
}

fn nested(flat: Value) -> Value {
    let Value::Object(mut members) = flat else { return flat };
    let mut take = |name: &str| members.remove(name).unwrap_or_default();
    let (id, name, kind) = (take("id"), take("name"), take("type"));
    json!({"id": id, "name": name, "type": kind, "properties": members})
}

/// The body's `properties`, or the body where it is flat.
fn properties(call: &Call) -> Result<&Map<String, Value>, GraphError> {
    let body = call.body.object()?;
    match body.get("properties") {
        Some(Value::Object(properties)) => Ok(properties),
        Some(_) => Err(IdentityError::invalid("properties", "must be an object").into()),
        None => Ok(body),
    }
}

fn texts(body: &Map<String, Value>, name: &str) -> Result<Vec<String>, GraphError> {
    let wrong = || GraphError::from(IdentityError::invalid(name, "must be a list of texts"));
    match body.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(all)) => {
            all.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

fn guid(call: &Call, name: &str) -> Result<Uuid, GraphError> {
    let value = call.key(name)?.value();
    Uuid::try_parse(value).map_err(|_| IdentityError::invalid(name, "must be a GUID").into())
}

/// Where, as Azure writes it: with a slash in front and none behind.
fn scope(call: &Call) -> Result<String, GraphError> {
    Ok(format!("/{}", call.key("scope")?.value().trim_matches('/')))
}

/// The last segment of a resource ID.
fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

fn comparisons(filter: &str) -> Result<Vec<(String, String)>, GraphError> {
    filter.split(" and ").map(comparison).collect()
}

/// `property eq 'value'`, or Azure's `assignedTo('value')`.
fn comparison(text: &str) -> Result<(String, String), GraphError> {
    let text = text.trim();
    let unquoted = |value: &str| {
        let inner = value.trim().strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
        inner.map(|value| value.replace("''", "'"))
    };
    if let Some((function, rest)) = text.split_once('(')
        && let Some(value) = rest.strip_suffix(')').and_then(unquoted)
    {
        return Ok((function.trim().to_owned(), value));
    }
    let mut words = text.splitn(3, ' ');
    match (words.next(), words.next(), words.next()) {
        (Some(property), Some(operator), Some(value)) if operator.eq_ignore_ascii_case("eq") => {
            let value = unquoted(value).unwrap_or_else(|| value.trim().to_owned());
            Ok((property.to_owned(), value))
        }
        _ => Err(unsupported(text)),
    }
}

fn unsupported(what: &str) -> GraphError {
    let what: String = what.chars().take(100).collect();
    GraphError::unsupported_query(format!("The filter '{what}' is not supported here."))
}
