//! `hilum role definition …`: what roles there are, as `az role definition`. Azure Resource Manager's wire.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    Answer, Context, Failure, assignment,
    directory::{DirectoryClient, items, quoted, text, with_query},
    values,
};

/// The version of Azure Resource Manager's authorization API that is spoken.
pub(crate) const API_VERSION: &str = "2022-04-01";
const DEFINITIONS: &str = "/providers/Microsoft.Authorization/roleDefinitions";

#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    /// What roles there are.
    #[command(subcommand)]
    Definition(DefinitionCommand),
    /// Who has which role.
    #[command(subcommand)]
    Assignment(assignment::AssignmentCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum DefinitionCommand {
    /// Make a role of one's own.
    Create(DocumentArgs),
    /// Change a role of one's own.
    Update(DocumentArgs),
    /// List roles.
    List(ListArgs),
    /// Delete a role of one's own.
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DocumentArgs {
    /// JSON with name, description, assignableScopes, dataActions and notDataActions; or a file that holds it.
    #[arg(long)]
    role_definition: String,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Name or GUID.
    #[arg(long, short = 'n')]
    name: Option<String>,
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    custom_role_only: Option<bool>,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Name or GUID.
    #[arg(long, short = 'n')]
    name: String,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true")]
    custom_role_only: Option<bool>,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Roles here are known everywhere.
#[derive(Debug, Args)]
struct PlaceArgs {
    #[arg(long, hide = true)]
    scope: Option<String>,
    #[arg(long, short = 'g', hide = true)]
    resource_group: Option<String>,
}

pub(crate) async fn run(context: &Context, command: RoleCommand) -> Answer {
    context
        .with_client(async |client| match command {
            RoleCommand::Definition(command) => definition(context, client, command).await,
            RoleCommand::Assignment(command) => assignment::run(context, client, command).await,
        })
        .await
}

async fn definition(context: &Context, client: &DirectoryClient, command: DefinitionCommand) -> Answer {
    match command {
        DefinitionCommand::Create(arguments) => {
            let document = document(&arguments.role_definition)?;
            if items(&document, "assignableScopes").is_empty() {
                return Err(Failure::Usage(
                    "--role-definition needs assignableScopes, such as [\"/\"]".to_owned(),
                ));
            }
            let name = name(&document)?;
            if !named(client, &name).await?.is_empty() {
                return Err(Failure::Error(format!(
                    "there is a role '{name}' already; change it with `hilum role definition update`"
                )));
            }
            let id = context.ground.random.uuid().to_string();
            store(client, &id, &document).await.map(Some)
        }
        DefinitionCommand::Update(arguments) => {
            let document = document(&arguments.role_definition)?;
            let wanted = match text(&document, "id").rsplit('/').next().filter(|id| !id.is_empty()) {
                Some(id) => id.to_owned(),
                None => name(&document)?,
            };
            let present = one(client, &wanted).await?;
            store(client, text(&present, "name"), &document).await.map(Some)
        }
        DefinitionCommand::List(arguments) => {
            let mut found = match &arguments.name {
                Some(name) => named(client, name).await?,
                None => all(client).await?,
            };
            if arguments.custom_role_only == Some(true) {
                found.retain(|role| text(role, "roleType") == "CustomRole");
            }
            Ok(Some(found.into()))
        }
        DefinitionCommand::Delete(arguments) => {
            let role = one(client, &arguments.name).await?;
            client.delete(&definition_path(text(&role, "name"))).await?;
            Ok(None)
        }
    }
}

fn definition_path(id: &str) -> String {
    format!("{DEFINITIONS}/{id}?api-version={API_VERSION}")
}

/// Every role.
pub(crate) async fn all(client: &DirectoryClient) -> Result<Vec<Value>, Failure> {
    let path = format!("{DEFINITIONS}?api-version={API_VERSION}");
    Ok(client.list(&path, None).await?.into_iter().map(flat).collect())
}

/// The roles that a name or GUID means.
pub(crate) async fn named(client: &DirectoryClient, name: &str) -> Result<Vec<Value>, Failure> {
    let found = if let Ok(id) = Uuid::try_parse(name) {
        Vec::from_iter(client.find(&definition_path(&id.to_string())).await?)
    } else {
        let filter = format!("roleName eq {}", quoted(name));
        let options = [("$filter", Some(filter)), ("api-version", Some(API_VERSION.to_owned()))];
        client.list(&with_query(DEFINITIONS, &options), None).await?
    };
    Ok(found.into_iter().map(flat).collect())
}

async fn one(client: &DirectoryClient, name: &str) -> Result<Value, Failure> {
    let mut found = named(client, name).await?;
    match (found.len(), found.pop()) {
        (1, Some(role)) => Ok(role),
        (0, _) => Err(Failure::NotFound(format!("role '{name}' does not exist"))),
        _ => Err(Failure::Error(format!("several roles are named '{name}': say the GUID"))),
    }
}

/// The document in the spelling of Graph and Azure Resource Manager: files of Azure PowerShell begin members with capitals.
fn document(given: &str) -> Result<Value, Failure> {
    let file = std::path::Path::new(given);
    let value = if !given.trim_start().starts_with('{') && file.is_file() {
        values::json("--role-definition", &format!("@{given}"))?
    } else {
        values::json("--role-definition", given)?
    };
    let Value::Object(members) = value else {
        return Err(Failure::Usage("--role-definition wants a JSON object".to_owned()));
    };
    let lower = |name: String| {
        let mut letters = name.chars();
        letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
    };
    Ok(Value::Object(members.into_iter().map(|(name, value)| (lower(name), value)).collect()))
}

fn name(document: &Value) -> Result<String, Failure> {
    // In documents that list prints, name is the GUID.
    let given = Some(text(document, "roleName")).filter(|name| !name.is_empty());
    let name = given.unwrap_or_else(|| text(document, "name"));
    if name.is_empty() {
        return Err(Failure::Usage("--role-definition needs a name".to_owned()));
    }
    Ok(name.to_owned())
}

async fn store(client: &DirectoryClient, id: &str, document: &Value) -> Result<Value, Failure> {
    let mut permissions = items(document, "permissions");
    if permissions.is_empty() {
        let list = |member: &str| items(document, member);
        permissions.push(json!({
            "actions": list("actions"),
            "dataActions": list("dataActions"),
            "notActions": list("notActions"),
            "notDataActions": list("notDataActions"),
        }));
    }
    let body = json!({"properties": {
        "assignableScopes": items(document, "assignableScopes"),
        "description": text(document, "description"),
        "permissions": permissions,
        "roleName": name(document)?,
        "type": "CustomRole",
    }});
    client.call(reqwest::Method::PUT, &definition_path(id), Some(body)).await.map(flat)
}

/// Azure Resource Manager nests what `az` prints flat.
pub(crate) fn flat(resource: Value) -> Value {
    let Value::Object(mut members) = resource else { return resource };
    let Some(Value::Object(properties)) = members.remove("properties") else {
        return Value::Object(members);
    };
    let mut flat: Map<String, Value> = Map::new();
    for (name, value) in properties {
        // A definition's kind has the name of the resource's own type.
        flat.insert(if name == "type" { "roleType".to_owned() } else { name }, value);
    }
    flat.extend(members);
    Value::Object(flat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_become_flat() {
        let resource = json!({
            "id": "/x", "name": "g", "type": "Microsoft.Authorization/roleDefinitions",
            "properties": {"roleName": "n", "type": "CustomRole"},
        });
        assert_eq!(flat(resource.clone()), flat(flat(resource.clone())));
        assert_eq!(
            flat(resource),
            json!({"id": "/x", "name": "g", "roleName": "n", "roleType": "CustomRole",
                "type": "Microsoft.Authorization/roleDefinitions"})
        );
    }

    #[test]
    fn documents_of_powershell_are_understood() {
        let read =
            document(r#"{"Name": "Reader", "AssignableScopes": ["/"], "DataActions": ["a"]}"#).unwrap();
        assert_eq!(read, json!({"name": "Reader", "assignableScopes": ["/"], "dataActions": ["a"]}));
        assert_eq!(name(&read).unwrap(), "Reader");
        assert_eq!(name(&json!({"name": "guid", "roleName": "Reader"})).unwrap(), "Reader");
        assert!(document("[]").is_err() && document("nonsense").is_err() && name(&json!({})).is_err());
    }
}
