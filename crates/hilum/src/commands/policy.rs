//! `hilum policy …`: rules of the tenant. Second factors are a matter of the data directory alone, so that nobody locks
//! themselves out.

use clap::{Args, Subcommand, builder::PossibleValuesParser};
use hilum_audit::Actor;
use hilum_identity::{Identity, IdentityError, SecondFactorChange, SecondFactorFor, json as graph};
use uuid::Uuid;

use super::{
    Answer, Context, Failure,
    token_lifetime::{self, TokenLifetimeCommand},
};

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Who has to show a second factor, and for what.
    #[command(subcommand)]
    SecondFactor(SecondFactorCommand),
    /// How long tokens and sessions live.
    #[command(subcommand)]
    TokenLifetime(TokenLifetimeCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecondFactorCommand {
    /// Show who has to.
    Show,
    /// Change who has to.
    Set(SetArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// Users who need one wherever they sign in: nobody, who holds a directory role, or everybody.
    #[arg(long, value_parser = PossibleValuesParser::new(["off", "administrators", "everybody"]))]
    users: Option<String>,
    /// Applications for which one is required: application IDs or names; as client, and as the resource asked for.
    #[arg(long, num_args = 1.., value_name = "APPLICATION")]
    require_for_application: Vec<String>,
    /// Applications for which it is not required any more.
    #[arg(long, num_args = 1.., value_name = "APPLICATION")]
    release_application: Vec<String>,
    /// Roles whose holders need one: names or IDs of roles of the directory and of data, IDs of app roles.
    #[arg(long, num_args = 1.., value_name = "ROLE")]
    require_for_role: Vec<String>,
    /// Roles whose holders do not need one any more.
    #[arg(long, num_args = 1.., value_name = "ROLE")]
    release_role: Vec<String>,
}

pub(crate) async fn run(context: &Context, command: PolicyCommand) -> Answer {
    match command {
        PolicyCommand::SecondFactor(command) => second_factor(context, command).await,
        PolicyCommand::TokenLifetime(command) => {
            context.with_client(async |client| token_lifetime::run(client, command).await).await
        }
    }
}

async fn second_factor(context: &Context, command: SecondFactorCommand) -> Answer {
    context
        .with_directory(async |identity| {
            let policy = match command {
                SecondFactorCommand::Show => identity.second_factor_policy().await?,
                SecondFactorCommand::Set(arguments) => {
                    let changes = changes(identity, arguments).await?;
                    if changes.is_empty() {
                        return Err(Failure::Usage("say what is to change".to_owned()));
                    }
                    identity.change_second_factor_policy(&Actor::operator(), changes).await?
                }
            };
            Ok(Some(graph::second_factor_policy(&policy)))
        })
        .await
}

async fn changes(identity: &Identity, arguments: SetArgs) -> Result<Vec<SecondFactorChange>, Failure> {
    let users = arguments.users.as_deref().and_then(SecondFactorFor::parse);
    let mut changes = Vec::from_iter(users.map(SecondFactorChange::Users));
    for (names, required) in
        [(arguments.require_for_application, true), (arguments.release_application, false)]
    {
        for name in names {
            // One that was deleted can still be released.
            let app_id = match (name.parse(), required) {
                (Ok(app_id), false) => app_id,
                _ => identity.find_application(&name).await?.app_id,
            };
            changes.push(SecondFactorChange::Application(app_id, required));
        }
    }
    for (names, required) in [(arguments.require_for_role, true), (arguments.release_role, false)] {
        for name in names {
            changes.push(SecondFactorChange::Role(role(identity, &name).await?, required));
        }
    }
    Ok(changes)
}

/// An ID may be that of an app role, which no definition has.
async fn role(identity: &Identity, name: &str) -> Result<Uuid, Failure> {
    if let Ok(id) = Uuid::try_parse(name) {
        return Ok(id);
    }
    match identity.list_role_definitions(Some(name)).await?.first() {
        Some(role) => Ok(role.id),
        None => Err(IdentityError::NotFound { kind: "role", name: name.to_owned() }.into()),
    }
}
