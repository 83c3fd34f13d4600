//! `hilum app permission …`: what an application may ask of others, as `az ad app permission`.

use clap::{Args, Subcommand};
use hilum_audit::Actor;
use hilum_identity::{Identity, NewPermissionGrant, Permission, PermissionKind, json as graph};
use hilum_kernel::AppId;
use serde_json::Value;
use uuid::Uuid;

use super::{Answer, Context, Failure, app::Id};

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
    #[arg(long)]
    principal_id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListGrantsArgs {
    #[arg(long)]
    id: Option<String>,
    /// Adds the name of the resource.
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    show_resource_name: Option<bool>,
}

pub(crate) async fn run(context: &Context, command: PermissionCommand) -> Answer {
    let actor = Actor::operator();
    context
        .with_directory(async |identity| match command {
            PermissionCommand::Add(arguments) => {
                let resource = app_id("--api", &arguments.api)?;
                let permissions = permissions(&arguments.api_permissions)?;
                identity.add_permissions(&actor, &arguments.id.id, resource, &permissions).await?;
                context.warn(format!(
                    "Invoking `hilum app permission grant --id {} --api {}` is needed to make the change effective",
                    arguments.id.id, arguments.api
                ));
                Ok(None)
            }
            PermissionCommand::List(id) => {
                let application = identity.find_application(&id.id).await?;
                Ok(Some(graph::required_resource_access(&application.properties.required_resource_access)))
            }
            PermissionCommand::Delete(arguments) => {
                let resource = app_id("--api", &arguments.api)?;
                let ids = arguments.api_permissions.iter().map(|text| permission_id(text));
                let ids: Vec<Uuid> = ids.collect::<Result<_, _>>()?;
                identity.remove_permissions(&actor, &arguments.id.id, resource, &ids).await?;
                Ok(None)
            }
            PermissionCommand::Grant(arguments) => grant(identity, arguments).await.map(Some),
            PermissionCommand::ListGrants(arguments) => {
                let grants = identity.list_grants(arguments.id.as_deref()).await?;
                let mut shown = Vec::new();
                for grant in &grants {
                    let mut one = graph::permission_grant(grant);
                    if arguments.show_resource_name == Some(true) {
                        let resource = identity.find_service_principal(&grant.resource_id.to_string()).await?;
                        if let Some(members) = one.as_object_mut() {
                            members.insert("resourceDisplayName".to_owned(), resource.display_name.into());
                        }
                    }
                    shown.push(one);
                }
                Ok(Some(shown.into()))
            }
            PermissionCommand::AdminConsent(id) => {
                identity.admin_consent(&actor, &id.id).await?;
                Ok(None)
            }
        })
        .await
}

async fn grant(identity: &Identity, arguments: GrantArgs) -> Result<Value, Failure> {
    let principal = match (arguments.consent_type.to_lowercase().as_str(), arguments.principal_id) {
        ("allprincipals", None) => None,
        ("principal", Some(id)) => {
            Some(id.parse().map_err(|_| Failure::Usage("--principal-id must be a GUID".to_owned()))?)
        }
        ("principal", None) => {
            return Err(Failure::Usage("--consent-type Principal needs --principal-id".to_owned()));
        }
        ("allprincipals", Some(_)) => {
            return Err(Failure::Usage("--principal-id needs --consent-type Principal".to_owned()));
        }
        _ => return Err(Failure::Usage("--consent-type must be AllPrincipals or Principal".to_owned())),
    };
    let scopes = arguments.scope.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect();
    let new = NewPermissionGrant { client: arguments.id, resource: arguments.api, scopes, principal };
    let grant = identity.grant_permissions(&Actor::operator(), new).await?;
    Ok(graph::permission_grant(&grant))
}

fn app_id(option: &str, text: &str) -> Result<AppId, Failure> {
    text.parse().map_err(|_| Failure::Usage(format!("{option} must be the resource's appId")))
}

fn permissions(texts: &[String]) -> Result<Vec<Permission>, Failure> {
    let one = |text: &String| {
        let (id, kind) = text.split_once('=').unwrap_or((text, ""));
        let kind = match kind {
            "Scope" => PermissionKind::Scope,
            "Role" => PermissionKind::Role,
            _ => {
                return Err(Failure::Usage(format!(
                    "--api-permissions wants ID=Scope or ID=Role, not '{text}'"
                )));
            }
        };
        Ok(Permission { id: permission_id(id)?, kind })
    };
    texts.iter().flat_map(|text| text.split_whitespace().map(str::to_owned)).map(|text| one(&text)).collect()
}

fn permission_id(text: &str) -> Result<Uuid, Failure> {
    let id = text.split_once('=').map_or(text, |(id, _)| id);
    Uuid::try_parse(id).map_err(|_| Failure::Usage(format!("'{text}' is no permission ID")))
}
