//! `hilum app …`: applications (registrations), as `az ad app`.

use clap::{Args, Subcommand};
use hilum_audit::Actor;
use hilum_identity::{Application, ApplicationFilter, Identity, json as graph};
use serde_json::{Map, Value, json};

use super::{Answer, Context, Failure, credential, permission, values};

/// What a list shows without `--all`, as `az` does.
pub(crate) const LIST_DEFAULT: usize = 100;

#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    /// Register an application; one that has the same display name is updated instead.
    Create(CreateArgs),
    /// Change an application.
    Update(UpdateArgs),
    /// Show an application.
    Show(Id),
    /// Delete an application and its service principal.
    Delete(Id),
    /// List applications.
    List(ListArgs),
    /// Secrets and certificates.
    #[command(subcommand)]
    Credential(credential::CredentialCommand),
    /// What the application may ask of others.
    #[command(subcommand)]
    Permission(permission::PermissionCommand),
}

/// The application that is meant.
#[derive(Debug, Args)]
pub(crate) struct Id {
    /// appId, object ID or identifier URI.
    #[arg(long)]
    pub(crate) id: String,
}

/// What create and update have in common.
#[derive(Debug, Args)]
pub(crate) struct Properties {
    #[arg(long, num_args = 0.., value_delimiter = ' ')]
    identifier_uris: Option<Vec<String>>,
    /// AzureADMyOrg, AzureADMultipleOrgs, AzureADandPersonalMicrosoftAccount or PersonalMicrosoftAccount.
    #[arg(long)]
    sign_in_audience: Option<String>,
    #[arg(long)]
    web_home_page_url: Option<String>,
    /// Where the authorization code of a web application is sent.
    #[arg(long, num_args = 0.., value_delimiter = ' ', visible_alias = "reply-urls")]
    web_redirect_uris: Option<Vec<String>>,
    /// The same for mobile and desktop applications.
    #[arg(long, num_args = 0.., value_delimiter = ' ')]
    public_client_redirect_uris: Option<Vec<String>>,
    /// The same for single-page applications.
    #[arg(long, num_args = 0.., value_delimiter = ' ')]
    spa_redirect_uris: Option<Vec<String>>,
    /// Allow public client flows.
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    is_fallback_public_client: Option<bool>,
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    enable_id_token_issuance: Option<bool>,
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    enable_access_token_issuance: Option<bool>,
    /// JSON, or @file.
    #[arg(long, visible_alias = "required-resource-manifest")]
    required_resource_accesses: Option<String>,
    /// JSON, or @file.
    #[arg(long)]
    app_roles: Option<String>,
    /// JSON, or @file.
    #[arg(long)]
    optional_claims: Option<String>,
    #[arg(long)]
    requested_access_token_version: Option<i64>,
    #[arg(long)]
    service_management_reference: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[arg(long)]
    display_name: String,
    #[command(flatten)]
    properties: Properties,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    id: Id,
    #[arg(long)]
    display_name: Option<String>,
    #[command(flatten)]
    properties: Properties,
    /// property.path=value
    #[arg(long, num_args = 1.., value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// A collection and what to add to it.
    #[arg(long, num_args = 2.., value_names = ["PATH", "VALUE"])]
    add: Option<Vec<String>>,
    /// A property, or a collection and the position in it, to remove.
    #[arg(long, num_args = 1..=2, value_names = ["PATH", "INDEX"])]
    remove: Option<Vec<String>>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// More than the first 100.
    #[arg(long)]
    all: bool,
    #[arg(long)]
    app_id: Option<String>,
    /// How the display name begins.
    #[arg(long)]
    display_name: Option<String>,
    /// An OData filter.
    #[arg(long)]
    filter: Option<String>,
    #[arg(long)]
    identifier_uri: Option<String>,
    #[arg(long, hide = true)]
    show_mine: bool,
}

pub(crate) async fn run(context: &Context, command: AppCommand) -> Answer {
    match command {
        AppCommand::Credential(command) => return credential::run(context, command).await,
        AppCommand::Permission(command) => return permission::run(context, command).await,
        _ => {}
    }
    context
        .with_directory(async |identity| match command {
            AppCommand::Create(arguments) => create(context, identity, arguments).await.map(Some),
            AppCommand::Update(arguments) => update(identity, arguments).await,
            AppCommand::Show(id) => {
                let application = identity.find_application(&id.id).await?;
                show(identity, &application).await.map(Some)
            }
            AppCommand::Delete(id) => {
                identity.delete_application(&Actor::operator(), &id.id).await?;
                Ok(None)
            }
            AppCommand::List(arguments) => list(identity, arguments).await.map(Some),
            AppCommand::Credential(_) | AppCommand::Permission(_) => Ok(None),
        })
        .await
}

pub(crate) async fn show(identity: &Identity, application: &Application) -> Result<Value, Failure> {
    Ok(graph::application(application, &identity.tenant().await?.domain))
}

async fn create(context: &Context, identity: &Identity, arguments: CreateArgs) -> Result<Value, Failure> {
    let mut members = arguments.properties.members()?;
    members.insert("displayName".to_owned(), arguments.display_name.clone().into());
    let twins =
        identity.list_applications(&ApplicationFilter::DisplayName(arguments.display_name), Some(2)).await?;
    let application = match twins.as_slice() {
        [] => identity.create_application(&Actor::operator(), &members).await?,
        [twin] => {
            context.warn(format!(
                "Found an existing application instance: (id) {}. We will patch it.",
                twin.object_id
            ));
            identity.update_application(&Actor::operator(), &twin.object_id.to_string(), &members).await?
        }
        _ => {
            return Err(Failure::Error(
                "there are several applications with this display name; change one with `hilum app update --id`".to_owned(),
            ));
        }
    };
    show(identity, &application).await
}

async fn update(identity: &Identity, arguments: UpdateArgs) -> Answer {
    let mut members = arguments.properties.members()?;
    if let Some(name) = arguments.display_name {
        members.insert("displayName".to_owned(), name.into());
    }
    for setting in &arguments.set {
        let (path, value) = setting
            .split_once('=')
            .ok_or_else(|| Failure::Usage(format!("--set wants PATH=VALUE, not '{setting}'")))?;
        // The Azure AD Graph's name for the switch, as Microsoft's articles write it.
        let path = if path == "publicClient" { "isFallbackPublicClient" } else { path };
        values::put(&mut members, path, values::loose(value));
    }
    if arguments.add.is_some() || arguments.remove.is_some() {
        let present = show(identity, &identity.find_application(&arguments.id.id).await?).await?;
        if let Some([path, added @ ..]) = arguments.add.as_deref() {
            let mut items = collection(&present, path)?;
            items.extend(added.iter().map(|text| values::loose(text)));
            values::put(&mut members, path, items.into());
        }
        match arguments.remove.as_deref() {
            Some([path, index]) => {
                let mut items = collection(&present, path)?;
                let index = index.parse().ok().filter(|at| *at < items.len());
                let at: usize =
                    index.ok_or_else(|| Failure::Usage(format!("--remove: {path} has no such position")))?;
                items.remove(at);
                values::put(&mut members, path, items.into());
            }
            Some([path]) => values::put(&mut members, path, Value::Null),
            _ => {}
        }
    }
    identity.update_application(&Actor::operator(), &arguments.id.id, &members).await?;
    Ok(None)
}

fn collection(present: &Value, path: &str) -> Result<Vec<Value>, Failure> {
    match present.pointer(&format!("/{}", path.replace('.', "/"))) {
        Some(Value::Array(items)) => Ok(items.clone()),
        Some(Value::Null) | None => Ok(Vec::new()),
        Some(_) => Err(Failure::Usage(format!("{path} is no collection"))),
    }
}

async fn list(identity: &Identity, arguments: ListArgs) -> Result<Value, Failure> {
    let filter =
        match (&arguments.app_id, &arguments.display_name, &arguments.identifier_uri, &arguments.filter) {
            (Some(id), ..) => ApplicationFilter::AppId(
                id.parse().map_err(|_| Failure::Usage("--app-id must be a GUID".to_owned()))?,
            ),
            (_, Some(name), ..) => ApplicationFilter::DisplayNamePrefix(name.clone()),
            (_, _, Some(uri), _) => ApplicationFilter::IdentifierUri(uri.clone()),
            (_, _, _, Some(filter)) => ApplicationFilter::parse_odata(filter)?,
            _ => ApplicationFilter::All,
        };
    // As az: a list without filter stops at 100 unless --all.
    let limit = (!arguments.all && matches!(filter, ApplicationFilter::All)).then_some(LIST_DEFAULT);
    let domain = &identity.tenant().await?.domain;
    let found = identity.list_applications(&filter, limit).await?;
    Ok(found.iter().map(|application| graph::application(application, domain)).collect())
}

impl Properties {
    /// The change in Graph's shape.
    fn members(&self) -> Result<Map<String, Value>, Failure> {
        let mut members = Map::new();
        let mut put = |path: &str, value: Option<Value>| {
            if let Some(value) = value {
                values::put(&mut members, path, value);
            }
        };
        put("identifierUris", self.identifier_uris.as_ref().map(|uris| json!(uris)));
        put("signInAudience", self.sign_in_audience.clone().map(Value::from));
        put("web.homePageUrl", self.web_home_page_url.clone().map(Value::from));
        put("web.redirectUris", self.web_redirect_uris.as_ref().map(|uris| json!(uris)));
        put("publicClient.redirectUris", self.public_client_redirect_uris.as_ref().map(|uris| json!(uris)));
        put("spa.redirectUris", self.spa_redirect_uris.as_ref().map(|uris| json!(uris)));
        put("isFallbackPublicClient", self.is_fallback_public_client.map(Value::from));
        put(
            "web.implicitGrantSettings.enableIdTokenIssuance",
            self.enable_id_token_issuance.map(Value::from),
        );
        put(
            "web.implicitGrantSettings.enableAccessTokenIssuance",
            self.enable_access_token_issuance.map(Value::from),
        );
        put("api.requestedAccessTokenVersion", self.requested_access_token_version.map(Value::from));
        put("serviceManagementReference", self.service_management_reference.clone().map(Value::from));
        let from_json = |option: &str, text: &Option<String>| {
            text.as_deref().map(|text| values::json(option, text)).transpose()
        };
        let required = from_json("--required-resource-accesses", &self.required_resource_accesses)?;
        put("requiredResourceAccess", required);
        put("appRoles", from_json("--app-roles", &self.app_roles)?);
        put("optionalClaims", from_json("--optional-claims", &self.optional_claims)?);
        Ok(members)
    }
}
