//! `hilum app federated-credential …`: tokens of other issuers in place of a secret, as `az ad app federated-credential`.

use clap::{Args, Subcommand};

use super::{
    Answer,
    app::Id,
    directory::{DirectoryClient, segment},
    find, values,
};

#[derive(Debug, Subcommand)]
pub(crate) enum FederatedCommand {
    /// Trust an issuer's token for a subject.
    Create(CreateArgs),
    /// Change one.
    Update(UpdateArgs),
    /// Show one.
    Show(OneArgs),
    /// List those of an application.
    List(Id),
    /// Delete one.
    Delete(OneArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    id: Id,
    /// JSON with name, issuer, subject, audiences and description, or @file.
    #[arg(long)]
    parameters: String,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    one: OneArgs,
    /// JSON with issuer, subject, audiences and description, or @file.
    #[arg(long)]
    parameters: String,
}

#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    #[command(flatten)]
    id: Id,
    /// ID or name.
    #[arg(long)]
    federated_credential_id: String,
}

pub(crate) async fn run(client: &DirectoryClient, command: FederatedCommand) -> Answer {
    match command {
        FederatedCommand::Create(arguments) => {
            let body = values::json("--parameters", &arguments.parameters)?;
            let made = client.post(&all(client, &arguments.id).await?, body).await?;
            Ok(Some(super::directory::shown(made)))
        }
        FederatedCommand::Update(arguments) => {
            let body = values::json("--parameters", &arguments.parameters)?;
            client.patch(&one(client, &arguments.one).await?, body).await?;
            Ok(None)
        }
        FederatedCommand::Show(arguments) => {
            Ok(Some(super::directory::shown(client.get(&one(client, &arguments).await?).await?)))
        }
        FederatedCommand::List(id) => Ok(Some(client.list(&all(client, &id).await?, None).await?.into())),
        FederatedCommand::Delete(arguments) => {
            client.delete(&one(client, &arguments).await?).await?;
            Ok(None)
        }
    }
}

async fn all(client: &DirectoryClient, id: &Id) -> Result<String, super::Failure> {
    Ok(format!("{}/federatedIdentityCredentials", find::application_path(client, &id.id).await?))
}

async fn one(client: &DirectoryClient, arguments: &OneArgs) -> Result<String, super::Failure> {
    let all = all(client, &arguments.id).await?;
    Ok(format!("{all}/{}", segment(&arguments.federated_credential_id)))
}
