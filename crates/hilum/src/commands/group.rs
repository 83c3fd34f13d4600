//! `hilum group …`: groups, their members and owners, as `az ad group`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    Answer, Context, Failure,
    change::ChangeArgs,
    directory::{DirectoryClient, items, quoted, shown, text, with_query},
    find, list, owner,
};

#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Create a group; one with the same display name and mail nickname is given back instead.
    Create(CreateArgs),
    /// List groups.
    List(ListArgs),
    /// Show a group.
    Show(Group),
    /// Change a group.
    Update(UpdateArgs),
    /// Delete a group.
    Delete(Group),
    /// List the groups that the group is a member of, also through other groups.
    GetMemberGroups(MemberGroupsArgs),
    /// Members.
    #[command(subcommand)]
    Member(MemberCommand),
    /// Who may change the group.
    #[command(subcommand)]
    Owner(OwnerCommand),
}

#[derive(Debug, Args)]
pub(crate) struct Group {
    /// Object ID, display name, or the beginning of one where only one group begins so.
    #[arg(long, short = 'g')]
    group: String,
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[arg(long)]
    display_name: String,
    #[arg(long)]
    mail_nickname: String,
    #[arg(long)]
    description: Option<String>,
    /// Create a group even where there is one of this name.
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    force: Option<bool>,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    group: Group,
    #[arg(long)]
    display_name: Option<String>,
    #[arg(long)]
    description: Option<String>,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// How the display name begins.
    #[arg(long)]
    display_name: Option<String>,
    /// An OData filter.
    #[arg(long)]
    filter: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct MemberGroupsArgs {
    #[command(flatten)]
    group: Group,
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    security_enabled_only: Option<bool>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// Add a member.
    Add(MemberArgs),
    /// Tell whether somebody is a member, also through other groups.
    Check(MemberArgs),
    /// List the members.
    List(Group),
    /// Remove a member.
    Remove(MemberArgs),
}

#[derive(Debug, Args)]
pub(crate) struct MemberArgs {
    #[command(flatten)]
    group: Group,
    /// Object ID of a user, group or service principal.
    #[arg(long)]
    member_id: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OwnerCommand {
    /// Make somebody an owner; who is one already stays one.
    Add(OwnerArgs),
    /// List the owners.
    List(Group),
    /// Take somebody's ownership away.
    Remove(OwnerArgs),
}

#[derive(Debug, Args)]
pub(crate) struct OwnerArgs {
    #[command(flatten)]
    group: Group,
    /// Object ID of a user or service principal.
    #[arg(long)]
    owner_object_id: String,
}

pub(crate) async fn run(context: &Context, command: GroupCommand) -> Answer {
    context.with_client(async |client| on(context, client, command).await).await
}

async fn on(context: &Context, client: &DirectoryClient, command: GroupCommand) -> Answer {
    match command {
        GroupCommand::Create(arguments) => create(context, client, arguments).await.map(Some),
        GroupCommand::List(arguments) => {
            let mut conditions = Vec::from_iter(arguments.filter);
            conditions.extend(
                arguments.display_name.map(|name| format!("startswith(displayName,{})", quoted(&name))),
            );
            // az's list of groups has no --all and no end.
            list::listed(context, client, "/v1.0/groups", (conditions, true)).await.map(Some)
        }
        GroupCommand::Show(group) => Ok(Some(shown(find::group(client, &group.group).await?))),
        GroupCommand::Update(arguments) => update(client, arguments).await,
        GroupCommand::Delete(group) => {
            client.delete(&find::group_path(client, &group.group).await?).await?;
            Ok(None)
        }
        GroupCommand::GetMemberGroups(arguments) => {
            let path = find::group_path(client, &arguments.group.group).await?;
            let ids = member_of(client, &path, arguments.security_enabled_only).await?;
            Ok(Some(json!(ids)))
        }
        GroupCommand::Member(command) => member(client, command).await,
        GroupCommand::Owner(command) => own(client, command).await,
    }
}

async fn create(
    context: &Context,
    client: &DirectoryClient,
    arguments: CreateArgs,
) -> Result<Value, Failure> {
    if arguments.force != Some(true) {
        let filter = format!(
            "displayName eq {} and mailNickname eq {}",
            quoted(&arguments.display_name),
            quoted(&arguments.mail_nickname)
        );
        let mut twins =
            client.list(&with_query("/v1.0/groups", &[("$filter", Some(filter))]), Some(2)).await?;
        match (twins.len(), twins.pop()) {
            (1, Some(twin)) => {
                context
                    .warn("A group with the same display name and mail nickname already exists, returning.");
                return Ok(shown(twin));
            }
            (0, _) => {}
            _ => {
                return Err(Failure::Error(
                    "there are several groups with this display name and mail nickname; --force makes another".to_owned(),
                ));
            }
        }
    }
    let mut body = json!({
        "displayName": arguments.display_name,
        "mailEnabled": false,
        "mailNickname": arguments.mail_nickname,
        "securityEnabled": true,
    });
    if let (Some(description), Some(members)) = (arguments.description, body.as_object_mut()) {
        members.insert("description".to_owned(), description.into());
    }
    client.post("/v1.0/groups", body).await.map(shown)
}

async fn update(client: &DirectoryClient, arguments: UpdateArgs) -> Answer {
    arguments.change.check()?;
    let mut members = Map::new();
    members.extend(arguments.display_name.map(|name| ("displayName".to_owned(), name.into())));
    members.extend(arguments.description.map(|text| ("description".to_owned(), text.into())));
    let present = find::group(client, &arguments.group.group).await?;
    arguments.change.apply(&mut members, &present)?;
    if members.is_empty() {
        return Err(Failure::Usage("say what is to change".to_owned()));
    }
    client.patch(&format!("/v1.0/groups/{}", text(&present, "id")), Value::Object(members)).await?;
    Ok(None)
}

async fn member(client: &DirectoryClient, command: MemberCommand) -> Answer {
    match command {
        MemberCommand::Add(arguments) => {
            let path = find::group_path(client, &arguments.group.group).await?;
            owner::refer(client, &path, "members", &arguments.member_id).await
        }
        MemberCommand::Check(arguments) => {
            let group = find::group(client, &arguments.group.group).await?;
            let id = text(&group, "id");
            let path = format!(
                "/v1.0/directoryObjects/{}/checkMemberGroups",
                super::directory::segment(&arguments.member_id)
            );
            let answer = client.post(&path, json!({"groupIds": [id]})).await?;
            let is_member = items(&answer, "value").iter().any(|found| found.as_str() == Some(id));
            Ok(Some(json!({"value": is_member})))
        }
        MemberCommand::List(group) => {
            owner::list(client, &find::group_path(client, &group.group).await?, "members").await
        }
        MemberCommand::Remove(arguments) => {
            let path = find::group_path(client, &arguments.group.group).await?;
            owner::remove(client, &path, "members", &arguments.member_id).await
        }
    }
}

async fn own(client: &DirectoryClient, command: OwnerCommand) -> Answer {
    match command {
        OwnerCommand::Add(arguments) => {
            let path = find::group_path(client, &arguments.group.group).await?;
            owner::add(client, &path, "owners", &arguments.owner_object_id).await
        }
        OwnerCommand::List(group) => {
            owner::list(client, &find::group_path(client, &group.group).await?, "owners").await
        }
        OwnerCommand::Remove(arguments) => {
            let path = find::group_path(client, &arguments.group.group).await?;
            owner::remove(client, &path, "owners", &arguments.owner_object_id).await
        }
    }
}

/// IDs of the groups that a user or group is in, directly or through others.
pub(crate) async fn member_of(
    client: &DirectoryClient,
    path: &str,
    security_enabled_only: Option<bool>,
) -> Result<Vec<String>, Failure> {
    let body = json!({"securityEnabledOnly": security_enabled_only.unwrap_or(false)});
    let answer = client.post(&format!("{path}/getMemberGroups"), body).await?;
    Ok(items(&answer, "value").iter().filter_map(|id| id.as_str().map(str::to_owned)).collect())
}
