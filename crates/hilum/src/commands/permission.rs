//! `hilum app permission …`: what an application may ask of others, as `az ad app permission`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Answer, Context, Failure,
    app::Id,
    consent,
    directory::{DirectoryClient, all_of, items, quoted, shown, text, with_query},
    find,
};

#[derive(Debug, Subcommand)]
pub(crate) enum PermissionCommand {
    /// Add permissions to the registration; they still have to be granted.
    Add(AddArgs),
    /// List the registration's permissions.
    List(Id),
    /// Remove permissions from the registration.
    Delete(DeleteArgs),
    /// Grant delegated permissions.
    Grant(GrantArgs),
    /// List granted delegated permissions.
    ListGrants(ListGrantsArgs),
    /// Grant everything that the registration asks for, delegated and application permissions.
    AdminConsent(Id),
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    #[command(flatten)]
    id: Id,
    /// The appId of the resource.
    #[arg(long)]
    api: String,
    /// ID=Scope for a delegated permission, ID=Role for an application permission.
    #[arg(long, num_args = 1.., required = true)]
    api_permissions: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    id: Id,
    #[arg(long)]
    api: String,
    /// IDs; without, all permissions on that resource.
    #[arg(long, num_args = 1..)]
    api_permissions: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct GrantArgs {
    /// The client: appId, object ID or a name of its service principal.
    #[arg(long, visible_alias = "client-id")]
    id: String,
    /// The resource, named likewise.
    #[arg(long, visible_alias = "resource-id")]
    api: String,
    #[arg(long, num_args = 1.., required = true)]
    scope: Vec<String>,
    /// AllPrincipals or Principal.
    #[arg(long, default_value = "AllPrincipals")]
    consent_type: String,
    /// The user who consents, when that is one.
    #[arg(long)]
    principal_id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListGrantsArgs {
    #[arg(long)]
    id: Option<String>,
    /// An OData filter.
    #[arg(long)]
    filter: Option<String>,
    /// Adds the name of the resource.
    #[arg(long, short = 'r', num_args = 0..=1, default_missing_value = "true")]
    show_resource_name: Option<bool>,
}

pub(crate) async fn run(context: &Context, client: &DirectoryClient, command: PermissionCommand) -> Answer {
    match command {
        PermissionCommand::Add(arguments) => add(context, client, &arguments).await,
        PermissionCommand::List(id) => {
            let application = find::application(client, &id.id).await?;
            Ok(Some(items(&application, "requiredResourceAccess").into()))
        }
        PermissionCommand::Delete(arguments) => delete(context, client, &arguments).await,
        PermissionCommand::Grant(arguments) => grant(client, arguments).await.map(Some),
        PermissionCommand::ListGrants(arguments) => list_grants(client, arguments).await.map(Some),
        PermissionCommand::AdminConsent(id) => {
            consent::grant_all(client, &id.id).await?;
            Ok(None)
        }
    }
}

async fn add(context: &Context, client: &DirectoryClient, arguments: &AddArgs) -> Answer {
    let resource = app_id("--api", &arguments.api)?;
    let permissions = permissions(&arguments.api_permissions)?;
    let application = find::application(client, &arguments.id.id).await?;
    let mut required = items(&application, "requiredResourceAccess");
    let at = position(&required, &resource).unwrap_or(required.len());
    if at == required.len() {
        required.push(json!({"resourceAppId": resource, "resourceAccess": []}));
    }
    if let Some(Value::Array(access)) = required.get_mut(at).and_then(|one| one.get_mut("resourceAccess")) {
        for permission in permissions {
            // Adding a permission again changes nothing.
            if !access.contains(&permission) {
                access.push(permission);
            }
        }
    }
    store(client, &application, required).await?;
    context.warn(format!(
        "Invoking `hilum app permission grant --id {} --api {}` is needed to make the change effective",
        arguments.id.id, arguments.api
    ));
    Ok(None)
}

async fn delete(context: &Context, client: &DirectoryClient, arguments: &DeleteArgs) -> Answer {
    let resource = app_id("--api", &arguments.api)?;
    let ids = arguments.api_permissions.iter().flat_map(|text| text.split_whitespace()).map(permission_id);
    let ids: Vec<String> = ids.collect::<Result<_, _>>()?;
    let application = find::application(client, &arguments.id.id).await?;
    let mut required = items(&application, "requiredResourceAccess");
    let Some(at) = position(&required, &resource) else {
        return Err(Failure::NotFound(format!("the application asks nothing of {resource}")));
    };
    if let Some(Value::Array(access)) = required.get_mut(at).and_then(|one| one.get_mut("resourceAccess")) {
        let is = |one: &Value, id: &String| text(one, "id").eq_ignore_ascii_case(id);
        let missing: Vec<&String> = ids.iter().filter(|id| !access.iter().any(|one| is(one, id))).collect();
        for id in missing {
            context.warn(format!("The application does not ask for {id}."));
        }
        access.retain(|one| !ids.is_empty() && !ids.iter().any(|id| is(one, id)));
        if access.is_empty() {
            required.remove(at);
        }
    }
    store(client, &application, required).await?;
    Ok(None)
}

fn position(required: &[Value], resource: &str) -> Option<usize> {
    required.iter().position(|one| text(one, "resourceAppId").eq_ignore_ascii_case(resource))
}

async fn store(client: &DirectoryClient, application: &Value, required: Vec<Value>) -> Result<(), Failure> {
    let path = format!("/v1.0/applications/{}", text(application, "id"));
    client.patch(&path, json!({"requiredResourceAccess": required})).await
}

async fn grant(client: &DirectoryClient, arguments: GrantArgs) -> Result<Value, Failure> {
    let principal = match (arguments.consent_type.to_lowercase().as_str(), arguments.principal_id) {
        ("allprincipals", None) => None,
        ("principal", Some(id)) => Some(id),
        ("principal", None) => {
            return Err(Failure::Usage("--consent-type Principal needs --principal-id".to_owned()));
        }
        ("allprincipals", Some(_)) => {
            return Err(Failure::Usage("--principal-id needs --consent-type Principal".to_owned()));
        }
        _ => return Err(Failure::Usage("--consent-type must be AllPrincipals or Principal".to_owned())),
    };
    let scopes: Vec<String> =
        arguments.scope.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect();
    let app = find::service_principal(client, &arguments.id).await?;
    let resource = find::service_principal(client, &arguments.api).await?;
    consent::grant_scopes(client, (text(&app, "id"), text(&resource, "id")), principal.as_deref(), &scopes)
        .await
        .map(shown)
}

async fn list_grants(client: &DirectoryClient, arguments: ListGrantsArgs) -> Result<Value, Failure> {
    let mut conditions = Vec::from_iter(arguments.filter);
    if let Some(id) = &arguments.id {
        let app = find::service_principal(client, id).await?;
        conditions.push(format!("clientId eq {}", quoted(text(&app, "id"))));
    }
    let path = with_query("/v1.0/oauth2PermissionGrants", &[("$filter", all_of(conditions))]);
    let mut grants: Vec<Value> = client.list(&path, None).await?.into_iter().map(shown).collect();
    if arguments.show_resource_name == Some(true) {
        for grant in &mut grants {
            let resource = find::service_principal(client, text(grant, "resourceId")).await?;
            if let Some(members) = grant.as_object_mut() {
                members.insert("resourceDisplayName".to_owned(), text(&resource, "displayName").into());
            }
        }
    }
    Ok(grants.into())
}

fn app_id(option: &str, text: &str) -> Result<String, Failure> {
    let id = Uuid::try_parse(text)
        .map_err(|_| Failure::Usage(format!("{option} must be the resource's appId")))?;
    Ok(id.to_string())
}

fn permissions(texts: &[String]) -> Result<Vec<Value>, Failure> {
    let one = |text: &str| {
        let (id, kind) = text.split_once('=').unwrap_or((text, ""));
        if !matches!(kind, "Scope" | "Role") {
            return Err(Failure::Usage(format!("--api-permissions wants ID=Scope or ID=Role, not '{text}'")));
        }
        Ok(json!({"id": permission_id(id)?, "type": kind}))
    };
    texts.iter().flat_map(|text| text.split_whitespace()).map(one).collect()
}

fn permission_id(text: &str) -> Result<String, Failure> {
    let id = text.split_once('=').map_or(text, |(id, _)| id);
    let id = Uuid::try_parse(id).map_err(|_| Failure::Usage(format!("'{text}' is no permission ID")))?;
    Ok(id.to_string())
}
