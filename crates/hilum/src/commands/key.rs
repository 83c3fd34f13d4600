//! `hilum key …`: the keys that sign tokens.

use clap::{Args, Subcommand};
use hilum_audit::Actor;
use hilum_identity::{Rotation, json as graph};

use super::{Answer, Context};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// List the signing keys.
    List,
    /// Sign with the key that was published in advance, and publish the one after it.
    Rotate(RotateArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// Drop all present keys at once, because one was stolen: every token signed with them is refused within a
    /// minute.
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(context: &Context, command: KeyCommand) -> Answer {
    context
        .with_directory(async |identity| {
            let keys = match command {
                KeyCommand::List => identity.list_signing_keys().await?,
                KeyCommand::Rotate(arguments) => {
                    let rotation = if arguments.force { Rotation::Emergency } else { Rotation::Planned };
                    identity.rotate_signing_key(&Actor::operator(), rotation).await?
                }
            };
            let next = identity.next_key_rotation().await?;
            Ok(Some(keys.iter().map(|key| graph::signing_key(key, next)).collect()))
        })
        .await
}
