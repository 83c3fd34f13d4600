//! `hilum sp create-for-rbac`: application, service principal, role and credential in one go.

use clap::Args;
use serde_json::{Map, Value, json};

use super::{
    Context, Failure, app, assignment,
    credential::{self, CredentialKindArgs, Held, Holder, NewCredentialArgs},
    directory::{DirectoryClient, text},
    find,
};

#[derive(Debug, Args)]
pub(crate) struct RbacArgs {
    /// The display name.
    #[arg(long, short = 'n', visible_alias = "display-name")]
    name: Option<String>,
    /// Name or GUID of a role.
    #[arg(long)]
    role: Option<String>,
    /// Where the role holds.
    #[arg(long, num_args = 1..)]
    scopes: Vec<String>,
    #[command(flatten)]
    kind: CredentialKindArgs,
    /// The shape that Azure SDKs read from a file.
    #[arg(long, visible_alias = "sdk-auth", num_args = 0..=1, default_missing_value = "true")]
    json_auth: Option<bool>,
    /// Nothing is assigned without --role anyway.
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true")]
    skip_assignment: Option<bool>,
}

pub(crate) async fn create(
    context: &Context,
    client: &DirectoryClient,
    arguments: RbacArgs,
) -> Result<Value, Failure> {
    if arguments.role.is_none() != arguments.scopes.is_empty() {
        return Err(Failure::Usage("--role and --scopes are given together or not at all".to_owned()));
    }
    let name = arguments
        .name
        .unwrap_or_else(|| format!("hilum-cli-{}", context.ground.clock.now().strftime("%Y-%m-%d-%H-%M-%S")));
    // A role that does not exist must not leave an application behind.
    let role = match &arguments.role {
        Some(role) => Some(assignment::role_id(client, role).await?),
        None => None,
    };
    let members = Map::from_iter([("displayName".to_owned(), Value::from(name.clone()))]);
    let application = app::named_or_new(context, client, &name, members).await?;
    let app_id = text(&application, "appId").to_owned();
    let principal = match find::service_principal_if_any(client, &app_id).await? {
        Some(found) => found,
        None => client.post("/v1.0/servicePrincipals", json!({"appId": app_id})).await?,
    };
    if let Some(role) = &role {
        for scope in &arguments.scopes {
            let to = (text(&principal, "id"), Some("ServicePrincipal"));
            assignment::assign(context, client, role, to, scope).await?;
        }
    }
    let new = NewCredentialArgs { display_name: Some("rbac".to_owned()), kind: arguments.kind };
    let held = Held::find(client, Holder::Application, &app_id).await?;
    let mut made = credential::reset(context, client, &held, &new, false).await?;
    if arguments.json_auth == Some(true) {
        let origin = match client.server() {
            Some(server) => server.to_owned(),
            None => context.origin()?,
        };
        return Ok(json!({
            "activeDirectoryEndpointUrl": origin,
            "activeDirectoryGraphResourceId": origin,
            "clientId": app_id,
            "clientSecret": made.get("password"),
            "resourceManagerEndpointUrl": origin,
            "subscriptionId": client.tenant_id(),
            "tenantId": client.tenant_id(),
        }));
    }
    if let Some(members) = made.as_object_mut() {
        members.insert("displayName".to_owned(), name.into());
    }
    Ok(made)
}
