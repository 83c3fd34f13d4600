//! `… owner …`: who owns an application, service principal or group, as `az ad app|sp|group owner`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Answer, Failure,
    app::Id,
    directory::{DirectoryClient, all_shown, segment, text},
    find,
};

#[derive(Debug, Subcommand)]
pub(crate) enum OwnerCommand {
    /// Make somebody an owner; who is one already stays one.
    Add(OwnerArgs),
    /// List the owners.
    List(Id),
    /// Take somebody's ownership away.
    Remove(OwnerArgs),
}

#[derive(Debug, Args)]
pub(crate) struct OwnerArgs {
    #[command(flatten)]
    id: Id,
    /// Object ID of a user or service principal.
    #[arg(long)]
    owner_object_id: String,
}

pub(crate) async fn of_application(client: &DirectoryClient, command: OwnerCommand) -> Answer {
    match command {
        OwnerCommand::Add(arguments) => {
            let path = find::application_path(client, &arguments.id.id).await?;
            add(client, &path, "owners", &arguments.owner_object_id).await
        }
        OwnerCommand::List(id) => {
            list(client, &find::application_path(client, &id.id).await?, "owners").await
        }
        OwnerCommand::Remove(arguments) => {
            let path = find::application_path(client, &arguments.id.id).await?;
            remove(client, &path, "owners", &arguments.owner_object_id).await
        }
    }
}

/// What refers to others: owners, members.
pub(crate) async fn list(client: &DirectoryClient, path: &str, references: &str) -> Answer {
    Ok(Some(all_shown(client.list(&format!("{path}/{references}"), None).await?)))
}

/// Reads first, as `az`, so that it may be repeated.
pub(crate) async fn add(client: &DirectoryClient, path: &str, references: &str, id: &str) -> Answer {
    let present: Vec<Value> = client.list(&format!("{path}/{references}"), None).await?;
    if present.iter().any(|one| text(one, "id").eq_ignore_ascii_case(id)) {
        return Ok(None);
    }
    refer(client, path, references, id).await
}

pub(crate) async fn refer(client: &DirectoryClient, path: &str, references: &str, id: &str) -> Answer {
    let target = format!("https://graph.microsoft.com/v1.0/directoryObjects/{}", segment(id));
    client.post(&format!("{path}/{references}/$ref"), json!({"@odata.id": target})).await?;
    Ok(None)
}

pub(crate) async fn remove(client: &DirectoryClient, path: &str, references: &str, id: &str) -> Answer {
    client.delete(&format!("{path}/{references}/{}/$ref", segment(id))).await.map_err(
        |failure| match failure {
            Failure::NotFound(_) => Failure::NotFound(format!("'{id}' is none of the {references}")),
            failure => failure,
        },
    )?;
    Ok(None)
}
