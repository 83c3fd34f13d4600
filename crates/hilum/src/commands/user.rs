//! `hilum user …`: users, as `az ad user`.

use clap::{Args, Subcommand};
use hilum_kernel::Secret;
use serde_json::{Map, Value, json};

use super::{
    Answer, Context, Failure,
    authentication_method::{self, AuthenticationMethodCommand},
    directory::{DirectoryClient, quoted, shown, text},
    find, group, list, user_identity,
};

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
    /// List the groups that the user is a member of, also through other groups.
    GetMemberGroups(MemberGroupsArgs),
    /// Identities at other providers that sign in as the user.
    #[command(subcommand)]
    Identity(user_identity::IdentityCommand),
    /// What users prove more than a password with.
    #[command(subcommand)]
    AuthenticationMethod(AuthenticationMethodCommand),
}

#[derive(Debug, Args)]
pub(crate) struct Id {
    /// User principal name or object ID.
    #[arg(long, visible_alias = "upn-or-object-id")]
    pub(super) id: String,
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
    #[arg(
        long,
        num_args = 0..=1,
        default_missing_value = "true",
        default_value = "false",
        visible_alias = "force-change-password-next-login"
    )]
    force_change_password_next_sign_in: bool,
    /// The part of the user principal name before the @ by default.
    #[arg(long)]
    mail_nickname: Option<String>,
    /// Who the user is in another directory.
    #[arg(long)]
    immutable_id: Option<String>,
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
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    account_enabled: Option<bool>,
    #[arg(long)]
    mail: Option<String>,
    #[arg(long)]
    mail_nickname: Option<String>,
    /// A new password; `-` reads it from standard input.
    #[arg(long)]
    password: Option<String>,
    #[arg(
        long,
        num_args = 0..=1,
        default_missing_value = "true",
        default_value = "false",
        requires = "password",
        visible_alias = "force-change-password-next-login"
    )]
    force_change_password_next_sign_in: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MemberGroupsArgs {
    #[command(flatten)]
    id: Id,
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    security_enabled_only: Option<bool>,
}

pub(crate) async fn run(context: &Context, command: UserCommand) -> Answer {
    if let UserCommand::AuthenticationMethod(command) = command {
        return authentication_method::run(context, command).await;
    }
    context.with_client(async |client| on(context, client, command).await).await
}

async fn on(context: &Context, client: &DirectoryClient, command: UserCommand) -> Answer {
    match command {
        UserCommand::Create(arguments) => create(client, arguments).await.map(Some),
        UserCommand::List(arguments) => {
            let mut conditions = Vec::from_iter(arguments.filter);
            conditions.extend(arguments.upn.map(|name| format!("userPrincipalName eq {}", quoted(&name))));
            conditions.extend(
                arguments.display_name.map(|name| format!("startswith(displayName,{})", quoted(&name))),
            );
            // az's list of users has no --all and no end.
            list::listed(context, client, "/v1.0/users", (conditions, true)).await.map(Some)
        }
        UserCommand::Show(id) => Ok(Some(shown(find::user(client, &id.id).await?))),
        UserCommand::Update(arguments) => update(client, arguments).await,
        UserCommand::Delete(id) => {
            let found = find::user(client, &id.id).await?;
            client.delete(&find::user_path(text(&found, "id"))).await?;
            Ok(None)
        }
        UserCommand::Identity(command) => user_identity::run(client, command).await,
        UserCommand::GetMemberGroups(arguments) => {
            let found = find::user(client, &arguments.id.id).await?;
            let path = find::user_path(text(&found, "id"));
            let ids = group::member_of(client, &path, arguments.security_enabled_only).await?;
            let groups = find::by_ids(client, &ids).await?;
            let name = |id: &String| {
                let group = groups.iter().find(|group| text(group, "id") == id);
                json!({"displayName": group.map(|group| text(group, "displayName")), "id": id})
            };
            Ok(Some(ids.iter().map(name).collect()))
        }
        UserCommand::AuthenticationMethod(command) => authentication_method::run(context, command).await,
    }
}

async fn create(client: &DirectoryClient, arguments: CreateArgs) -> Result<Value, Failure> {
    let name = arguments.user_principal_name;
    let nickname =
        arguments.mail_nickname.unwrap_or_else(|| name.split('@').next().unwrap_or_default().to_owned());
    let mut body = json!({
        "accountEnabled": true,
        "displayName": arguments.display_name,
        "mailNickname": nickname,
        "passwordProfile": {
            "forceChangePasswordNextSignIn": arguments.force_change_password_next_sign_in,
            "password": password(arguments.password)?.expose(),
        },
        "userPrincipalName": name,
    });
    if let (Some(id), Some(members)) = (arguments.immutable_id, body.as_object_mut()) {
        members.insert("onPremisesImmutableId".to_owned(), id.into());
    }
    client.post("/v1.0/users", body).await.map(shown)
}

async fn update(client: &DirectoryClient, arguments: UpdateArgs) -> Answer {
    let mut members = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        members.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("displayName", arguments.display_name.map(Value::from));
    put("accountEnabled", arguments.account_enabled.map(Value::from));
    put("mail", arguments.mail.map(Value::from));
    put("mailNickname", arguments.mail_nickname.map(Value::from));
    let profile = match arguments.password {
        Some(text) => Some(json!({
            "forceChangePasswordNextSignIn": arguments.force_change_password_next_sign_in,
            "password": password(text)?.expose(),
        })),
        None => None,
    };
    put("passwordProfile", profile);
    if members.is_empty() {
        return Err(Failure::Usage("say what is to change".to_owned()));
    }
    let found = find::user(client, &arguments.id.id).await?;
    client.patch(&find::user_path(text(&found, "id")), Value::Object(members)).await?;
    Ok(None)
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
