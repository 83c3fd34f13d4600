//! `hilum user …`: users, as `az ad user`.

use clap::{Args, Subcommand};
use hilum_audit::Actor;
use hilum_identity::{Identity, NewUser, UserChange, UserFilter, json as graph};
use hilum_kernel::Secret;
use serde_json::Value;

use super::{Answer, Context, Failure, app::LIST_DEFAULT};

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Create a user.
    Create(CreateArgs),
    /// List users.
    List(ListArgs),
    /// Show a user.
    Show(Id),
    /// Change a user.
    Update(UpdateArgs),
    /// Delete a user.
    Delete(Id),
}

#[derive(Debug, Args)]
pub(crate) struct Id {
    /// User principal name or object ID.
    #[arg(long, visible_alias = "upn-or-object-id")]
    id: String,
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[arg(long)]
    display_name: String,
    #[arg(long)]
    user_principal_name: String,
    /// The password; `-` reads it from standard input, where no other process sees it.
    #[arg(long)]
    password: String,
    #[arg(long, num_args = 0..=1, default_missing_value = "true", default_value = "false")]
    force_change_password_next_sign_in: bool,
    #[arg(long)]
    mail_nickname: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// How the display name begins.
    #[arg(long)]
    display_name: Option<String>,
    #[arg(long)]
    upn: Option<String>,
    /// An OData filter.
    #[arg(long)]
    filter: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    id: Id,
    #[arg(long)]
    display_name: Option<String>,
    #[arg(long, num_args = 1)]
    account_enabled: Option<bool>,
    #[arg(long)]
    mail: Option<String>,
    /// A new password; `-` reads it from standard input.
    #[arg(long)]
    password: Option<String>,
    #[arg(long, num_args = 0..=1, default_missing_value = "true", default_value = "false")]
    force_change_password_next_sign_in: bool,
}

pub(crate) async fn run(context: &Context, command: UserCommand) -> Answer {
    let actor = Actor::operator();
    context
        .with_directory(async |identity| match command {
            UserCommand::Create(arguments) => {
                let new = NewUser {
                    user_principal_name: arguments.user_principal_name,
                    display_name: arguments.display_name,
                    mail_nickname: arguments.mail_nickname,
                    password: password(arguments.password)?,
                    force_change_password_next_sign_in: arguments.force_change_password_next_sign_in,
                };
                Ok(Some(graph::user(&identity.create_user(&actor, new).await?)))
            }
            UserCommand::List(arguments) => list(identity, arguments).await.map(Some),
            UserCommand::Show(id) => Ok(Some(graph::user(&identity.find_user(&id.id).await?))),
            UserCommand::Update(arguments) => {
                let change = UserChange {
                    display_name: arguments.display_name,
                    account_enabled: arguments.account_enabled,
                    mail: arguments.mail,
                    password: arguments.password.map(password).transpose()?,
                    force_change_password_next_sign_in: arguments.force_change_password_next_sign_in,
                    ..UserChange::default()
                };
                identity.update_user(&actor, &arguments.id.id, change).await?;
                Ok(None)
            }
            UserCommand::Delete(id) => {
                identity.delete_user(&actor, &id.id).await?;
                Ok(None)
            }
        })
        .await
}

async fn list(identity: &Identity, arguments: ListArgs) -> Result<Value, Failure> {
    let filter = match (&arguments.display_name, &arguments.upn, &arguments.filter) {
        (Some(name), ..) => UserFilter::DisplayNamePrefix(name.clone()),
        (_, Some(name), _) => UserFilter::UserPrincipalName(name.clone()),
        (_, _, Some(filter)) => UserFilter::parse_odata(filter)?,
        _ => UserFilter::All,
    };
    let limit = matches!(filter, UserFilter::All).then_some(LIST_DEFAULT);
    Ok(identity.list_users(&filter, limit).await?.iter().map(graph::user).collect())
}

fn password(text: String) -> Result<Secret<String>, Failure> {
    if text == "-" { password_from_stdin() } else { Ok(Secret::new(text)) }
}

/// One line from standard input.
pub(crate) fn password_from_stdin() -> Result<Secret<String>, Failure> {
    use std::io::{BufRead as _, Read as _};
    /// Longer passwords are refused anyway.
    const LINE_BYTES_MAX: u64 = 4096;
    let mut line = zeroize::Zeroizing::new(String::new());
    std::io::stdin()
        .lock()
        .take(LINE_BYTES_MAX)
        .read_line(&mut line)
        .map_err(|error| Failure::Error(format!("cannot read the password from standard input: {error}")))?;
    let text = line.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(Failure::Usage("there is no password on standard input".to_owned()));
    }
    Ok(Secret::new(text.to_owned()))
}
