//! `hilum app …`: applications (registrations), as `az ad app`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    Answer, Context, Failure,
    change::ChangeArgs,
    credential,
    directory::{DirectoryClient, quoted, shown, text, with_query},
    federated, find, import_manifest, list, owner, permission, signed_in, values,
};

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
    /// Tokens of other issuers that stand for a credential.
    #[command(subcommand)]
    FederatedCredential(federated::FederatedCommand),
    /// Who may change the application.
    #[command(subcommand)]
    Owner(owner::OwnerCommand),
    /// What the application may ask of others.
    #[command(subcommand)]
    Permission(permission::PermissionCommand),
    /// Make an application of a manifest that was downloaded from Entra's portal.
    ImportManifest(import_manifest::ImportManifestArgs),
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
    #[arg(long, visible_alias = "homepage")]
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
    #[arg(long, num_args = 0..=1, default_missing_value = "true", visible_alias = "native-app")]
    is_fallback_public_client: Option<bool>,
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    enable_id_token_issuance: Option<bool>,
    #[arg(long, num_args = 0..=1, default_missing_value = "true", visible_alias = "oauth2-allow-implicit-flow")]
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
    #[command(flatten)]
    key: KeyArgs,
}

/// A certificate that is given with the registration.
#[derive(Debug, Args)]
struct KeyArgs {
    /// The certificate: base64 of its DER form, PEM, or @file.
    #[arg(long)]
    key_value: Option<String>,
    /// Only AsymmetricX509Cert: secrets are always made by the server.
    #[arg(long, default_value = "AsymmetricX509Cert", requires = "key_value", hide_default_value = true)]
    key_type: String,
    #[arg(long, default_value = "Verify", requires = "key_value", hide_default_value = true)]
    key_usage: String,
    #[arg(long, requires = "key_value")]
    key_display_name: Option<String>,
    /// From when it is valid; by default as the certificate says.
    #[arg(long, requires = "key_value")]
    start_date: Option<String>,
    /// Until when it is valid.
    #[arg(long, requires = "key_value")]
    end_date: Option<String>,
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
    #[command(flatten)]
    change: ChangeArgs,
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
    /// Those that the signed-in user owns.
    #[arg(long)]
    show_mine: bool,
}

pub(crate) async fn run(context: &Context, command: AppCommand) -> Answer {
    match command {
        AppCommand::ImportManifest(arguments) => Box::pin(import_manifest::run(context, arguments)).await,
        command => context.with_client(async |client| Box::pin(on(context, client, command)).await).await,
    }
}

async fn on(context: &Context, client: &DirectoryClient, command: AppCommand) -> Answer {
    match command {
        AppCommand::Create(arguments) => create(context, client, arguments).await.map(Some),
        AppCommand::Update(arguments) => update(client, arguments).await,
        AppCommand::Show(id) => Ok(Some(shown(find::application(client, &id.id).await?))),
        AppCommand::Delete(id) => {
            client.delete(&find::application_path(client, &id.id).await?).await?;
            Ok(None)
        }
        AppCommand::List(arguments) => list(context, client, arguments).await.map(Some),
        AppCommand::Credential(command) => {
            credential::run(context, client, credential::Holder::Application, command).await
        }
        AppCommand::FederatedCredential(command) => federated::run(client, command).await,
        AppCommand::Owner(command) => owner::of_application(client, command).await,
        AppCommand::Permission(command) => permission::run(context, client, command).await,
        AppCommand::ImportManifest(_) => Ok(None),
    }
}

async fn create(
    context: &Context,
    client: &DirectoryClient,
    arguments: CreateArgs,
) -> Result<Value, Failure> {
    let mut members = arguments.properties.members()?;
    members.insert("displayName".to_owned(), arguments.display_name.clone().into());
    named_or_new(context, client, &arguments.display_name, members).await
}

/// As `az`: a name that one application has means that one.
pub(crate) async fn named_or_new(
    context: &Context,
    client: &DirectoryClient,
    name: &str,
    members: Map<String, Value>,
) -> Result<Value, Failure> {
    let filter = format!("displayName eq {}", quoted(name));
    let path = with_query("/v1.0/applications", &[("$filter", Some(filter)), ("$top", Some("2".to_owned()))]);
    let twins = client.list(&path, Some(2)).await?;
    let application = match twins.as_slice() {
        [] => client.post("/v1.0/applications", Value::Object(members)).await?,
        [twin] => {
            let id = text(twin, "id");
            context.warn(format!("Found an existing application instance: (id) {id}. We will patch it."));
            let path = format!("/v1.0/applications/{id}");
            client.patch(&path, Value::Object(members)).await?;
            client.get(&path).await?
        }
        _ => {
            return Err(Failure::Error(
                "there are several applications with this display name; change one with `hilum app update --id`".to_owned(),
            ));
        }
    };
    Ok(shown(application))
}

async fn update(client: &DirectoryClient, arguments: UpdateArgs) -> Answer {
    arguments.change.check()?;
    let mut members = arguments.properties.members()?;
    if let Some(name) = arguments.display_name {
        members.insert("displayName".to_owned(), name.into());
    }
    let present = find::application(client, &arguments.id.id).await?;
    let mut change = arguments.change;
    for setting in &mut change.set {
        // The Azure AD Graph's name for the switch, as Microsoft's articles write it.
        if let Some(value) = setting.strip_prefix("publicClient=")
            && matches!(values::loose(value), Value::Bool(_) | Value::String(_))
        {
            *setting = format!("isFallbackPublicClient={value}");
        }
    }
    change.apply(&mut members, &present)?;
    let path = format!("/v1.0/applications/{}", text(&present, "id"));
    client.patch(&path, Value::Object(members)).await?;
    Ok(None)
}

async fn list(context: &Context, client: &DirectoryClient, arguments: ListArgs) -> Result<Value, Failure> {
    if arguments.show_mine {
        return signed_in::owned(client, Some("application")).await;
    }
    let mut conditions = Vec::from_iter(arguments.filter);
    conditions.extend(arguments.app_id.map(|id| format!("appId eq {}", quoted(&id))));
    conditions
        .extend(arguments.display_name.map(|name| format!("startswith(displayName,{})", quoted(&name))));
    conditions
        .extend(arguments.identifier_uri.map(|uri| format!("identifierUris/any(s:s eq {})", quoted(&uri))));
    list::listed(context, client, "/v1.0/applications", (conditions, arguments.all)).await
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
        put("keyCredentials", self.key.credential()?.map(|credential| json!([credential])));
        Ok(members)
    }
}

impl KeyArgs {
    fn credential(&self) -> Result<Option<Value>, Failure> {
        let Some(value) = &self.key_value else { return Ok(None) };
        if self.key_type != "AsymmetricX509Cert" || self.key_usage != "Verify" {
            return Err(Failure::Usage(
                "--key-type must be AsymmetricX509Cert and --key-usage Verify: secrets are made by the server, with \
                 `hilum app credential reset`"
                    .to_owned(),
            ));
        }
        let file = values::bytes_or_file(value)?;
        let mut credential = credential::key_credential(&credential::certificate(&file)?);
        let members = credential.as_object_mut();
        let date = |option: &str, text: &Option<String>| {
            text.as_deref().map(|text| values::date(option, text)).transpose()
        };
        let (start, end) = (date("--start-date", &self.start_date)?, date("--end-date", &self.end_date)?);
        if let Some(members) = members {
            let dates = [("startDateTime", start), ("endDateTime", end)];
            members.extend(dates.into_iter().filter_map(|(name, time)| {
                Some((name.to_owned(), hilum_identity::json::date_time(time?).into()))
            }));
            if let Some(name) = &self.key_display_name {
                members.insert("displayName".to_owned(), name.as_str().into());
            }
        }
        Ok(Some(credential))
    }
}
