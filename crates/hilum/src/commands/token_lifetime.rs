//! `hilum policy token-lifetime …`: how long tokens and sessions live. Entra has Graph and PowerShell for it, no command of
//! `az`; what is written here is Graph's `tokenLifetimePolicy`.

use clap::{Args, Subcommand, builder::PossibleValuesParser};
use hilum_identity::token_lifetime_definition;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    Answer, Failure,
    directory::{DirectoryClient, items, quoted, segment, shown, text, with_query},
    find, values,
};

const ALL: &str = "/v1.0/policies/tokenLifetimePolicies";
/// The word that takes a member out of a definition.
const DEFAULT: &str = "default";

#[derive(Debug, Subcommand)]
pub(crate) enum TokenLifetimeCommand {
    /// List the policies.
    List,
    /// Show a policy, or the one of an application.
    Show(ShowArgs),
    /// Make a policy.
    Create(CreateArgs),
    /// Change a policy; what is not named stays.
    Update(UpdateArgs),
    /// Delete a policy; applications that had it fall back.
    Delete(Id),
    /// Assign a policy to an application.
    Assign(AssignArgs),
    /// Take a policy from an application.
    Remove(AssignArgs),
}

#[derive(Debug, Args)]
pub(crate) struct Id {
    /// The policy: ID or display name.
    #[arg(long, value_name = "POLICY")]
    id: String,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ShowArgs {
    /// The policy: ID or display name.
    #[arg(long, value_name = "POLICY")]
    id: Option<String>,
    /// The application: application ID, object ID or identifier URI.
    #[arg(long)]
    application: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// What it is called.
    #[arg(long)]
    display_name: String,
    #[command(flatten)]
    said: Said,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    id: Id,
    /// What it is called from now on.
    #[arg(long)]
    display_name: Option<String>,
    #[command(flatten)]
    said: Said,
}

#[derive(Debug, Args)]
pub(crate) struct AssignArgs {
    #[command(flatten)]
    id: Id,
    /// The application: application ID, object ID or identifier URI.
    #[arg(long)]
    application: String,
}

/// What a policy says. Times are written `8h`, `30m`, `90d`, or as Entra writes them, `D.HH:MM:SS`.
#[derive(Debug, Args)]
pub(crate) struct Said {
    /// Whether it holds for every application that has none of its own.
    #[arg(long, value_parser = PossibleValuesParser::new(["true", "false"]), num_args = 0..=1, default_missing_value = "true")]
    organization_default: Option<String>,
    /// How long access and ID tokens live: 10 minutes to a day; `default`: as if nothing were said.
    #[arg(long, value_name = "TIME")]
    access_token: Option<String>,
    /// The same for public clients alone.
    #[arg(long, value_name = "TIME")]
    public_access_token: Option<String>,
    /// How long a refresh token may rest: 10 minutes to 90 days.
    #[arg(long, value_name = "TIME")]
    max_inactive: Option<String>,
    /// The same for public clients alone.
    #[arg(long, value_name = "TIME")]
    public_max_inactive: Option<String>,
    /// How long after a sign-in with one factor a user has to sign in again: 10 minutes to 365 days, or until-revoked.
    #[arg(long, value_name = "TIME")]
    max_age_single_factor: Option<String>,
    /// The same after a sign-in with two factors.
    #[arg(long, value_name = "TIME")]
    max_age_multi_factor: Option<String>,
    /// Whether desktop and mobile applications get refresh tokens.
    #[arg(long, value_parser = PossibleValuesParser::new(["true", "false", DEFAULT]))]
    public_refresh_tokens: Option<String>,
    /// The whole definition as JSON, or @file.
    #[arg(long)]
    definition: Option<String>,
}

pub(crate) async fn run(client: &DirectoryClient, command: TokenLifetimeCommand) -> Answer {
    match command {
        TokenLifetimeCommand::List => Ok(Some(client.list(ALL, None).await?.into())),
        TokenLifetimeCommand::Show(arguments) => show(client, arguments).await,
        TokenLifetimeCommand::Create(arguments) => {
            let mut body = body(&arguments.said, Map::new())?;
            body.insert("displayName".to_owned(), arguments.display_name.into());
            Ok(Some(shown(client.post(ALL, body.into()).await?)))
        }
        TokenLifetimeCommand::Update(arguments) => {
            let found = one(client, &arguments.id.id).await?;
            let mut body = body(&arguments.said, members(&found))?;
            if let Some(name) = arguments.display_name {
                body.insert("displayName".to_owned(), name.into());
            }
            client.patch(&path(&found), body.into()).await?;
            Ok(None)
        }
        TokenLifetimeCommand::Delete(arguments) => {
            let found = one(client, &arguments.id).await?;
            client.delete(&path(&found)).await?;
            Ok(None)
        }
        TokenLifetimeCommand::Assign(arguments) => {
            let (found, application) = both(client, &arguments).await?;
            let reference = json!({ "@odata.id": format!("https://graph.microsoft.com{}", path(&found)) });
            client.post(&format!("{application}/$ref"), reference).await?;
            Ok(None)
        }
        TokenLifetimeCommand::Remove(arguments) => {
            let (found, application) = both(client, &arguments).await?;
            client.delete(&format!("{application}/{}/$ref", text(&found, "id"))).await?;
            Ok(None)
        }
    }
}

async fn show(client: &DirectoryClient, arguments: ShowArgs) -> Answer {
    if let Some(application) = &arguments.application {
        let all = client.get(&assigned(client, application).await?).await?;
        return Ok(items(&all, "value").into_iter().next());
    }
    let id = arguments.id.unwrap_or_default();
    Ok(Some(shown(one(client, &id).await?)))
}

/// The policy and the path of the application's own.
async fn both(client: &DirectoryClient, arguments: &AssignArgs) -> Result<(Value, String), Failure> {
    Ok((one(client, &arguments.id.id).await?, assigned(client, &arguments.application).await?))
}

async fn assigned(client: &DirectoryClient, application: &str) -> Result<String, Failure> {
    Ok(format!("{}/tokenLifetimePolicies", find::application_path(client, application).await?))
}

fn path(policy: &Value) -> String {
    format!("{ALL}/{}", segment(text(policy, "id")))
}

async fn one(client: &DirectoryClient, name: &str) -> Result<Value, Failure> {
    let gone = || Failure::NotFound(format!("token lifetime policy '{name}' does not exist"));
    if Uuid::try_parse(name).is_ok() {
        return client.find(&format!("{ALL}/{name}")).await?.ok_or_else(gone);
    }
    let filter = format!("displayName eq {}", quoted(name));
    let mut found = client.list(&with_query(ALL, &[("$filter", Some(filter))]), Some(2)).await?;
    match found.len() {
        0 => Err(gone()),
        1 => found.pop().ok_or_else(gone),
        _ => Err(Failure::Error("more than one policy has this name: name it by its ID".to_owned())),
    }
}

/// The members of a policy's definition.
fn members(policy: &Value) -> Map<String, Value> {
    let text = policy.pointer("/definition/0").and_then(Value::as_str).unwrap_or_default();
    let definition: Value = serde_json::from_str(text).unwrap_or_default();
    match definition.get("TokenLifetimePolicy") {
        Some(Value::Object(members)) => members.clone(),
        _ => Map::new(),
    }
}

fn body(said: &Said, mut members: Map<String, Value>) -> Result<Map<String, Value>, Failure> {
    let times = [
        ("AccessTokenLifetime", &said.access_token),
        ("PublicAccessTokenLifetime", &said.public_access_token),
        ("MaxInactiveTime", &said.max_inactive),
        ("PublicMaxInactiveTime", &said.public_max_inactive),
        ("MaxAgeSingleFactor", &said.max_age_single_factor),
        ("MaxAgeMultiFactor", &said.max_age_multi_factor),
    ];
    for (name, value) in times.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        set(&mut members, name, value, |text| timespan(text).into());
    }
    if let Some(value) = &said.public_refresh_tokens {
        set(&mut members, "PublicRefreshTokens", value, |text| (text == "true").into());
    }
    let definition = match &said.definition {
        Some(definition) => values::text_or_file(definition)?,
        None => token_lifetime_definition(members),
    };
    let mut body = Map::from_iter([("definition".to_owned(), json!([definition]))]);
    if let Some(word) = &said.organization_default {
        body.insert("isOrganizationDefault".to_owned(), (word == "true").into());
    }
    Ok(body)
}

fn set(members: &mut Map<String, Value>, name: &str, text: &str, value: impl FnOnce(&str) -> Value) {
    if text == DEFAULT {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value(text));
    }
}

/// `8h` as `0.08:00:00`; anything else as it is: the directory says what is wrong with it.
fn timespan(text: &str) -> String {
    let unit_s = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => return text.to_owned(),
    };
    let count = text.get(..text.len() - 1).and_then(|count| count.parse::<u32>().ok());
    let Some(seconds) = count.map(|count| u64::from(count) * unit_s) else { return text.to_owned() };
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    format!("{days}.{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_a_few_letters() {
        for (short, long) in [
            ("8h", "0.08:00:00"),
            ("90m", "0.01:30:00"),
            ("90d", "90.00:00:00"),
            ("45s", "0.00:00:45"),
            ("8:00:00", "8:00:00"),
            ("until-revoked", "until-revoked"),
            ("xh", "xh"),
            ("é", "é"),
            ("-1h", "-1h"),
            ("", ""),
        ] {
            assert_eq!(timespan(short), long);
        }
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let policy = json!({"definition": [
            r#"{"TokenLifetimePolicy":{"Version":1,"AccessTokenLifetime":"8:00:00","MaxInactiveTime":"1.00:00:00"}}"#
        ]});
        let said = Said {
            organization_default: Some("true".to_owned()),
            access_token: Some(DEFAULT.to_owned()),
            public_access_token: Some("30m".to_owned()),
            max_inactive: None,
            public_max_inactive: None,
            max_age_single_factor: None,
            max_age_multi_factor: None,
            public_refresh_tokens: Some("false".to_owned()),
            definition: None,
        };
        let body = body(&said, members(&policy)).unwrap();
        let definition: Value = serde_json::from_str(body["definition"][0].as_str().unwrap()).unwrap();
        let wanted = json!({"TokenLifetimePolicy": {"Version": 1, "MaxInactiveTime": "1.00:00:00",
            "PublicAccessTokenLifetime": "0.00:30:00", "PublicRefreshTokens": false}});
        assert_eq!((definition, &body["isOrganizationDefault"]), (wanted, &json!(true)));
    }
}
