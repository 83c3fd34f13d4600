//! `hilum user authentication-method …`: what users prove more than a password with. Graph's name for it; az has none.
//! It acts on the data directory.

use clap::{Args, Subcommand};
use hilum_audit::Actor;
use hilum_identity::json as graph;
use uuid::Uuid;

use super::{Answer, Context};

#[derive(Debug, Subcommand)]
pub(crate) enum AuthenticationMethodCommand {
    /// List what a user has registered.
    List(UserArgs),
    /// Remove one: a lost phone, a lost key.
    Delete(DeleteArgs),
    /// Remove all and end the user's sessions; where a second factor is required the user registers anew.
    Reset(UserArgs),
}

#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    /// User principal name or object ID.
    #[arg(long, visible_alias = "upn-or-object-id")]
    id: String,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    user: UserArgs,
    /// The method's ID, as the list shows it.
    #[arg(long)]
    method_id: Uuid,
}

pub(crate) async fn run(context: &Context, command: AuthenticationMethodCommand) -> Answer {
    context
        .with_directory(async |identity| {
            let operator = Actor::operator();
            match command {
                AuthenticationMethodCommand::List(user) => {
                    let known = identity.list_authentication_methods(&user.id).await?;
                    Ok(Some(graph::authentication_methods(&known)))
                }
                AuthenticationMethodCommand::Delete(arguments) => {
                    let id = &arguments.user.id;
                    identity.delete_authentication_method(&operator, id, arguments.method_id).await?;
                    Ok(None)
                }
                AuthenticationMethodCommand::Reset(user) => {
                    identity.reset_authentication_methods(&operator, &user.id).await?;
                    Ok(None)
                }
            }
        })
        .await
}
