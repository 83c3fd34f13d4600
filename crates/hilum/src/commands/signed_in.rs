//! `hilum ad signed-in-user …`: the user who is signed in, as `az ad signed-in-user`.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    Answer, Context, Failure,
    directory::{DirectoryClient, all_shown, shown, text},
};

#[derive(Debug, Subcommand)]
pub(crate) enum SignedInUserCommand {
    /// Show the user.
    Show,
    /// List what the user owns.
    ListOwnedObjects(OwnedArgs),
}

#[derive(Debug, Args)]
pub(crate) struct OwnedArgs {
    /// application, servicePrincipal or group.
    #[arg(long = "type", short = 't')]
    kind: Option<String>,
}

pub(crate) async fn run(context: &Context, command: SignedInUserCommand) -> Answer {
    context
        .with_client(async |client| match command {
            SignedInUserCommand::Show => {
                must_be_signed_in(client)?;
                Ok(Some(shown(client.get("/v1.0/me").await?)))
            }
            SignedInUserCommand::ListOwnedObjects(arguments) => {
                owned(client, arguments.kind.as_deref()).await.map(Some)
            }
        })
        .await
}

/// What the signed-in user owns.
pub(crate) async fn owned(client: &DirectoryClient, kind: Option<&str>) -> Result<Value, Failure> {
    must_be_signed_in(client)?;
    let owned = client.list("/v1.0/me/ownedObjects", None).await?;
    let wanted = kind.map(|kind| format!("#microsoft.graph.{kind}"));
    let is = |object: &Value| {
        wanted.as_ref().is_none_or(|kind| text(object, "@odata.type").eq_ignore_ascii_case(kind))
    };
    Ok(all_shown(owned.into_iter().filter(is).collect()))
}

fn must_be_signed_in(client: &DirectoryClient) -> Result<(), Failure> {
    match client.server() {
        Some(_) => Ok(()),
        None => Err(Failure::Error(
            "nobody is signed in: on a data directory you are its operator, who is no user; run `hilum login`".to_owned(),
        )),
    }
}
