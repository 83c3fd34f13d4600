//! `hilum sp …`: service principals, as `az ad sp`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    Answer, Context, Failure,
    app::Id,
    change::ChangeArgs,
    credential::{self, CredentialCommand},
    directory::{DirectoryClient, quoted, shown, text},
    find, list, owner, rbac, signed_in,
};

#[derive(Debug, Subcommand)]
pub(crate) enum SpCommand {
    /// Create the service principal of an application.
    Create(Id),
    /// Create application, service principal, secret and role assignment in one go.
    CreateForRbac(rbac::RbacArgs),
    /// Show a service principal.
    Show(Id),
    /// List service principals.
    List(ListArgs),
    /// Change a service principal.
    Update(UpdateArgs),
    /// Delete a service principal.
    Delete(Id),
    /// Secrets and certificates of the service principal itself.
    #[command(subcommand)]
    Credential(CredentialCommand),
    /// Who may change the service principal.
    #[command(subcommand)]
    Owner(OwnerCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum OwnerCommand {
    /// List the owners.
    List(Id),
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// More than the first 100.
    #[arg(long)]
    all: bool,
    /// How the display name begins.
    #[arg(long)]
    display_name: Option<String>,
    /// An OData filter.
    #[arg(long)]
    filter: Option<String>,
    /// One of its names.
    #[arg(long)]
    spn: Option<String>,
    /// Those that the signed-in user owns.
    #[arg(long)]
    show_mine: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    id: Id,
    #[command(flatten)]
    change: ChangeArgs,
}

pub(crate) async fn run(context: &Context, command: SpCommand) -> Answer {
    context.with_client(async |client| Box::pin(on(context, client, command)).await).await
}

async fn on(context: &Context, client: &DirectoryClient, command: SpCommand) -> Answer {
    match command {
        SpCommand::Create(id) => create(client, &id.id).await.map(Some),
        SpCommand::CreateForRbac(arguments) => rbac::create(context, client, arguments).await.map(Some),
        SpCommand::Show(id) => Ok(Some(shown(find::service_principal(client, &id.id).await?))),
        SpCommand::List(arguments) => list(context, client, arguments).await.map(Some),
        SpCommand::Update(arguments) => {
            arguments.change.check()?;
            let present = find::service_principal(client, &arguments.id.id).await?;
            let mut members = Map::new();
            arguments.change.apply(&mut members, &present)?;
            client.patch(&path(&present), Value::Object(members)).await?;
            Ok(None)
        }
        SpCommand::Delete(id) => {
            client.delete(&path(&find::service_principal(client, &id.id).await?)).await?;
            Ok(None)
        }
        SpCommand::Credential(command) => {
            credential::run(context, client, credential::Holder::ServicePrincipal, command).await
        }
        SpCommand::Owner(OwnerCommand::List(id)) => {
            let found = find::service_principal(client, &id.id).await?;
            owner::list(client, &path(&found), "owners").await
        }
    }
}

fn path(principal: &Value) -> String {
    format!("/v1.0/servicePrincipals/{}", text(principal, "id"))
}

/// As `az`, an application that is not registered here is taken by its appId: services of Microsoft's are.
async fn create(client: &DirectoryClient, id: &str) -> Result<Value, Failure> {
    let app_id = match find::application(client, id).await {
        Ok(application) => text(&application, "appId").to_owned(),
        Err(Failure::NotFound(_)) => id.to_owned(),
        Err(failure) => return Err(failure),
    };
    client.post("/v1.0/servicePrincipals", json!({"appId": app_id})).await.map(shown)
}

async fn list(context: &Context, client: &DirectoryClient, arguments: ListArgs) -> Result<Value, Failure> {
    if arguments.show_mine {
        return signed_in::owned(client, Some("servicePrincipal")).await;
    }
    let mut conditions = Vec::from_iter(arguments.filter);
    conditions
        .extend(arguments.spn.map(|name| format!("servicePrincipalNames/any(c:c eq {})", quoted(&name))));
    conditions
        .extend(arguments.display_name.map(|name| format!("startswith(displayName,{})", quoted(&name))));
    list::listed(context, client, "/v1.0/servicePrincipals", (conditions, arguments.all)).await
}
