//! `hilum user identity …`: whose identity at another provider belongs to which user (Graph: `identities`).

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Answer, Failure,
    directory::{DirectoryClient, text},
    find,
};

#[derive(Debug, Subcommand)]
pub(crate) enum IdentityCommand {
    /// Let an identity at another provider sign in as the user.
    Add(OneArgs),
    /// List the user's identities at other providers.
    List(super::user::Id),
    /// Part an identity from the user, whose sessions end.
    Remove(OneArgs),
}

#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    #[command(flatten)]
    id: super::user::Id,
    /// The provider's issuer, as in the configuration.
    #[arg(long)]
    issuer: String,
    /// Who the user is there: `sub` of the provider's ID tokens for Hilum.
    #[arg(long, visible_alias = "issuer-assigned-id")]
    subject: String,
}

pub(crate) async fn run(client: &DirectoryClient, command: IdentityCommand) -> Answer {
    match command {
        IdentityCommand::List(id) => {
            let (_, identities) = of_user(client, &id.id).await?;
            Ok(Some(identities.into_iter().filter(is_federated).collect()))
        }
        IdentityCommand::Add(arguments) => {
            let (path, mut identities) = of_user(client, &arguments.id.id).await?;
            identities.retain(|identity| !arguments.is(identity));
            identities.push(json!({
                "signInType": "federated",
                "issuer": arguments.issuer,
                "issuerAssignedId": arguments.subject,
            }));
            client.patch(&path, json!({ "identities": identities })).await?;
            Ok(None)
        }
        IdentityCommand::Remove(arguments) => {
            let (path, mut identities) = of_user(client, &arguments.id.id).await?;
            let before = identities.len();
            identities.retain(|identity| !arguments.is(identity));
            if identities.len() == before {
                let (issuer, subject) = (&arguments.issuer, &arguments.subject);
                return Err(Failure::NotFound(format!("the user has no identity {subject} at {issuer}")));
            }
            client.patch(&path, json!({ "identities": identities })).await?;
            Ok(None)
        }
    }
}

impl OneArgs {
    fn is(&self, identity: &Value) -> bool {
        is_federated(identity)
            && text(identity, "issuer") == self.issuer
            && text(identity, "issuerAssignedId") == self.subject
    }
}

fn is_federated(identity: &Value) -> bool {
    text(identity, "signInType") == "federated"
}

/// The user's path, and all identities.
async fn of_user(client: &DirectoryClient, id: &str) -> Result<(String, Vec<Value>), Failure> {
    let found = find::user(client, id).await?;
    let path = find::user_path(text(&found, "id"));
    let user = client.get(&format!("{path}?$select=identities")).await?;
    Ok((path, super::directory::items(&user, "identities")))
}
