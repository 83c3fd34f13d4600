//! `hilum role assignment …`: who has which role, as `az role assignment`. Azure Resource Manager's wire.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Answer, Context, Failure,
    directory::{DirectoryClient, quoted, segment, text, with_query},
    find,
    role::{self, API_VERSION, flat},
};

const ASSIGNMENTS: &str = "/providers/Microsoft.Authorization/roleAssignments";

#[derive(Debug, Subcommand)]
pub(crate) enum AssignmentCommand {
    /// Give a role.
    Create(CreateArgs),
    /// List who has which role.
    List(ListArgs),
    /// Take roles away.
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Name or GUID of the role.
    #[arg(long)]
    role: String,
    /// User principal name, object ID, appId or a name of a service principal.
    #[arg(long, required_unless_present = "assignee_object_id", conflicts_with = "assignee_object_id")]
    assignee: Option<String>,
    #[arg(long)]
    assignee_object_id: Option<String>,
    /// User, Group or ServicePrincipal.
    #[arg(long, requires = "assignee_object_id", conflicts_with = "assignee")]
    assignee_principal_type: Option<String>,
    /// Where the role holds; a path that ends in /dicomservices/… means the local DICOM service.
    #[arg(long, default_value = "/")]
    scope: String,
    /// A GUID for the assignment; by default a new one.
    #[arg(long, short = 'n')]
    name: Option<String>,
    #[arg(long)]
    description: Option<String>,
    /// Conditions are Azure's; here they are refused.
    #[arg(long, hide = true)]
    condition: Option<String>,
    #[arg(long, hide = true)]
    condition_version: Option<String>,
    #[arg(long, short = 'g', hide = true)]
    resource_group: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// User principal name, object ID, appId or a name of a service principal.
    #[arg(long)]
    assignee: Option<String>,
    /// Name or GUID of the role.
    #[arg(long)]
    role: Option<String>,
    #[arg(long)]
    scope: Option<String>,
    /// Assignments at outer scopes, too.
    #[arg(long)]
    include_inherited: bool,
    #[arg(long, short = 'g', hide = true)]
    resource_group: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Assignments at every scope, as without --scope.
    #[arg(long, conflicts_with = "scope")]
    all: bool,
    /// Those of the assignee's groups, too.
    #[arg(long)]
    include_groups: bool,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true")]
    include_classic_administrators: Option<bool>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true")]
    fill_principal_name: Option<bool>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true")]
    fill_role_definition_name: Option<bool>,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// IDs of assignments.
    #[arg(long, num_args = 1.., conflicts_with_all = ["assignee", "role", "scope", "include_inherited"])]
    ids: Vec<String>,
    /// Do not ask; nothing is ever asked here.
    #[arg(long, short = 'y', hide = true)]
    yes: bool,
}

pub(crate) async fn run(context: &Context, client: &DirectoryClient, command: AssignmentCommand) -> Answer {
    match command {
        AssignmentCommand::Create(arguments) => create(context, client, arguments).await.map(Some),
        AssignmentCommand::List(arguments) => {
            let mut found = search(client, &arguments.filter, arguments.include_groups).await?;
            fill(client, &mut found).await?;
            Ok(Some(found.into()))
        }
        AssignmentCommand::Delete(arguments) => delete(client, &arguments).await,
    }
}

async fn create(
    context: &Context,
    client: &DirectoryClient,
    arguments: CreateArgs,
) -> Result<Value, Failure> {
    if arguments.condition.is_some() || arguments.condition_version.is_some() {
        return Err(Failure::Usage("conditions of role assignments are not supported".to_owned()));
    }
    let role = role_id(client, &arguments.role).await?;
    let (id, kind) = match (&arguments.assignee_object_id, &arguments.assignee) {
        (Some(id), _) => {
            let id = Uuid::try_parse(id)
                .map_err(|_| Failure::Usage("--assignee-object-id must be a GUID".to_owned()))?;
            (id.to_string(), arguments.assignee_principal_type.as_deref().map(kind).transpose()?)
        }
        (None, assignee) => {
            let (id, kind) = find::principal(client, assignee.as_deref().unwrap_or_default()).await?;
            (id, Some(kind))
        }
    };
    let wanted = Wanted {
        role: &role,
        principal: (&id, kind),
        scope: &arguments.scope,
        name: arguments.name.as_deref(),
        description: arguments.description.as_deref(),
    };
    put(context, client, wanted).await
}

fn kind(text: &str) -> Result<&'static str, Failure> {
    ["User", "Group", "ServicePrincipal"].into_iter().find(|kind| kind.eq_ignore_ascii_case(text)).ok_or_else(
        || Failure::Usage("--assignee-principal-type must be User, Group or ServicePrincipal".to_owned()),
    )
}

struct Wanted<'a> {
    /// The definition's resource ID.
    role: &'a str,
    principal: (&'a str, Option<&'static str>),
    scope: &'a str,
    name: Option<&'a str>,
    description: Option<&'a str>,
}

/// Gives a role; who has it already keeps it.
pub(crate) async fn assign(
    context: &Context,
    client: &DirectoryClient,
    role: &str,
    principal: (&str, Option<&'static str>),
    scope: &str,
) -> Result<Value, Failure> {
    put(context, client, Wanted { role, principal, scope, name: None, description: None }).await
}

async fn put(context: &Context, client: &DirectoryClient, wanted: Wanted<'_>) -> Result<Value, Failure> {
    let name = match wanted.name {
        Some(name) => {
            Uuid::try_parse(name).map_err(|_| Failure::Usage("--name must be a GUID".to_owned()))?
        }
        None => context.ground.random.uuid(),
    };
    let scope = scope_of(wanted.scope)?;
    let mut properties = json!({"principalId": wanted.principal.0, "roleDefinitionId": wanted.role});
    if let Some(members) = properties.as_object_mut() {
        let texts = [("principalType", wanted.principal.1), ("description", wanted.description)];
        members.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))));
    }
    let path = format!("{}{ASSIGNMENTS}/{name}?api-version={API_VERSION}", scope_path(&scope));
    let reply = client.send(Method::PUT, &path, Some(json!({"properties": properties}))).await?;
    if reply.status.is_success() {
        let mut made = vec![flat(reply.body)];
        fill(client, &mut made).await?;
        return Ok(made.pop().unwrap_or_default());
    }
    // As az: giving a role again gives back what is there.
    if reply.status == reqwest::StatusCode::CONFLICT {
        let mut found = of_principal(client, wanted.principal.0).await?;
        found.retain(|one| has_role(one, wanted.role) && same_scope(text(one, "scope"), &scope));
        fill(client, &mut found).await?;
        if let Some(present) = found.pop() {
            return Ok(present);
        }
    }
    Err(reply.failure())
}

async fn delete(client: &DirectoryClient, arguments: &DeleteArgs) -> Answer {
    for id in &arguments.ids {
        // An assignment's ID is a path; its last segment is its name.
        let name = id.rsplit('/').next().unwrap_or(id);
        let name = Uuid::try_parse(name)
            .map_err(|_| Failure::Usage(format!("'{id}' is no ID of a role assignment")))?;
        client.delete(&format!("{ASSIGNMENTS}/{name}?api-version={API_VERSION}")).await?;
    }
    if !arguments.ids.is_empty() {
        return Ok(None);
    }
    let filter = &arguments.filter;
    if filter.assignee.is_none() && filter.role.is_none() && filter.scope.is_none() {
        return Err(Failure::Usage(
            "say which: --ids, --assignee, --role or --scope; all assignments are never deleted at once"
                .to_owned(),
        ));
    }
    let found = search(client, filter, false).await?;
    if found.is_empty() {
        return Err(Failure::Error("no matching assignments were found to delete".to_owned()));
    }
    for one in found {
        let path = format!("{ASSIGNMENTS}/{}?api-version={API_VERSION}", segment(text(&one, "name")));
        client.delete(&path).await?;
    }
    Ok(None)
}

async fn search(
    client: &DirectoryClient,
    filter: &FilterArgs,
    include_groups: bool,
) -> Result<Vec<Value>, Failure> {
    let mut found = match &filter.assignee {
        None => list(client, None).await?,
        Some(assignee) => {
            let (id, kind) = find::principal(client, assignee).await?;
            let mut found = of_principal(client, &id).await?;
            if include_groups && kind != "Group" {
                let collection = if kind == "User" { "users" } else { "servicePrincipals" };
                let path = format!("/v1.0/{collection}/{id}");
                for group in super::group::member_of(client, &path, None).await? {
                    found.extend(of_principal(client, &group).await?);
                }
            }
            found
        }
    };
    if let Some(role) = &filter.role {
        let id = role_id(client, role).await?;
        found.retain(|one| has_role(one, &id));
    }
    if let Some(scope) = &filter.scope {
        let scope = scope_of(scope)?;
        found.retain(|one| {
            let at = text(one, "scope");
            same_scope(at, &scope) || (filter.include_inherited && is_inside(&scope, at))
        });
    }
    Ok(found)
}

async fn of_principal(client: &DirectoryClient, id: &str) -> Result<Vec<Value>, Failure> {
    list(client, Some(format!("principalId eq {}", quoted(id)))).await
}

async fn list(client: &DirectoryClient, filter: Option<String>) -> Result<Vec<Value>, Failure> {
    let options = [("$filter", filter), ("api-version", Some(API_VERSION.to_owned()))];
    Ok(client.list(&with_query(ASSIGNMENTS, &options), None).await?.into_iter().map(flat).collect())
}

/// The resource ID of a role's definition.
pub(crate) async fn role_id(client: &DirectoryClient, role: &str) -> Result<String, Failure> {
    let name = if role.starts_with('/') { role.rsplit('/').next().unwrap_or(role) } else { role };
    let mut found = role::named(client, name).await?;
    match (found.len(), found.pop()) {
        (1, Some(role)) => Ok(text(&role, "id").to_owned()),
        (0, _) => Err(Failure::NotFound(format!("role '{role}' does not exist"))),
        _ => Err(Failure::Error(format!("more than one role is named '{role}': say its GUID"))),
    }
}

fn has_role(assignment: &Value, role: &str) -> bool {
    let last = |id: &str| id.rsplit('/').next().unwrap_or_default().to_lowercase();
    last(text(assignment, "roleDefinitionId")) == last(role)
}

/// Names of roles and principals, where the server left them out, as `az` fills them in.
async fn fill(client: &DirectoryClient, assignments: &mut [Value]) -> Result<(), Failure> {
    let lacks = |member: &str| assignments.iter().any(|one| one.get(member).is_none_or(Value::is_null));
    let roles = if lacks("roleDefinitionName") { role::all(client).await? } else { Vec::new() };
    let principals = if lacks("principalName") {
        let ids = assignments.iter().map(|one| text(one, "principalId").to_owned()).collect::<Vec<_>>();
        find::by_ids(client, &ids).await?
    } else {
        Vec::new()
    };
    for one in assignments {
        let role = roles.iter().find(|role| has_role(one, text(role, "id")));
        let principal = principals.iter().find(|object| text(object, "id") == text(one, "principalId"));
        let names = [
            ("roleDefinitionName", role.map(|role| text(role, "roleName").to_owned())),
            ("principalName", principal.map(displayed)),
        ];
        let Value::Object(members) = one else { continue };
        for (member, name) in names {
            if let Some(name) = name.filter(|_| members.get(member).is_none_or(Value::is_null)) {
                members.insert(member.to_owned(), name.into());
            }
        }
    }
    Ok(())
}

fn displayed(object: &Value) -> String {
    let names = object.get("servicePrincipalNames").and_then(Value::as_array);
    let first = names.and_then(|names| names.first()).and_then(Value::as_str);
    let user = Some(text(object, "userPrincipalName")).filter(|name| !name.is_empty());
    user.or(first).unwrap_or_else(|| text(object, "displayName")).to_owned()
}

/// A scope as Azure Resource Manager writes it; users leave the first slash out. `/` and the last segments of a service's
/// path alone mean everything here.
fn scope_of(text: &str) -> Result<String, Failure> {
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [] => Ok("/".to_owned()),
        [first, ..]
            if ["subscriptions", "providers"].iter().any(|known| known.eq_ignore_ascii_case(first)) =>
        {
            Ok(format!("/{}", parts.join("/")))
        }
        [service, _]
            if ["dicomservices", "fhirservices"].iter().any(|known| known.eq_ignore_ascii_case(service)) =>
        {
            Ok("/".to_owned())
        }
        _ => Err(Failure::Usage(format!(
            "--scope must be / or begin with /subscriptions/, as Azure's scopes do, not '{text}'"
        ))),
    }
}

/// The beginning of a path for a scope.
fn scope_path(scope: &str) -> String {
    let parts: Vec<String> = scope.split('/').filter(|part| !part.is_empty()).map(segment).collect();
    if parts.is_empty() { String::new() } else { format!("/{}", parts.join("/")) }
}

fn same_scope(one: &str, other: &str) -> bool {
    one.trim_matches('/').eq_ignore_ascii_case(other.trim_matches('/'))
}

fn is_inside(scope: &str, outer: &str) -> bool {
    let (scope, outer) = (scope.trim_matches('/').to_lowercase(), outer.trim_matches('/').to_lowercase());
    outer.is_empty() || scope.starts_with(&format!("{outer}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_paths() {
        for (given, meant) in
            [("/", "/"), ("", "/"), ("subscriptions/s/x", "/subscriptions/s/x"), ("/dicomservices/d", "/")]
        {
            assert_eq!(scope_of(given).unwrap(), meant, "{given}");
        }
        assert_eq!(scope_of("/nonsense").unwrap_err().exit_code(), 2);
        assert_eq!(scope_path("/"), "");
        assert_eq!(scope_path("subscriptions/s/resourceGroups/a b"), "/subscriptions/s/resourceGroups/a%20b");
        assert!(same_scope("/Subscriptions/s/", "subscriptions/S") && !same_scope("/a", "/a/b"));
        assert!(is_inside("/a/b", "/a") && is_inside("/a", "/") && !is_inside("/ab", "/a"));
    }
}
