//! `hilum account …`: tokens, and who is signed in, as `az account`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use hilum_kernel::Secret;
use jiff::{Timestamp, tz::TimeZone};
use reqwest::Client;
use serde_json::{Value, json};

use super::{Answer, Context, Failure, context::Place};
use crate::{
    client,
    session::{Authority, Token},
};

/// What a token is for when nothing is said.
const DICOM_RESOURCE: &str = "https://dicom.healthcareapis.azure.com";

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Get an access token: as the account that is signed in, or as a service client that is named.
    GetAccessToken(TokenArgs),
    /// Show the account that is signed in, or the data directory's tenant.
    Show(NameArgs),
    /// List the accounts that are signed in.
    List(ListArgs),
    /// Choose the account that commands use.
    Set(SetArgs),
    /// Sign all accounts out.
    Clear,
}

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// The client's appId.
    #[arg(long, short = 'u', visible_alias = "username", env = "HILUM_CLIENT_ID")]
    client_id: Option<String>,
    /// The client's secret.
    #[arg(
        long,
        short = 'p',
        visible_alias = "password",
        env = "HILUM_CLIENT_SECRET",
        hide_env_values = true
    )]
    client_secret: Option<String>,
    /// PEM file with the client's certificate and private key.
    #[arg(long, env = "HILUM_CLIENT_CERTIFICATE", conflicts_with = "client_secret")]
    certificate: Option<PathBuf>,
    /// The resource's identifier URI.
    #[arg(long, conflicts_with = "scope")]
    resource: Option<String>,
    #[arg(long, num_args = 1..)]
    scope: Vec<String>,
    /// A resource by its usual name.
    #[arg(long, value_enum, conflicts_with_all = ["resource", "scope"])]
    resource_type: Option<ResourceType>,
    /// Tenant ID or domain; that of the account or of the data directory by default.
    #[arg(long, short = 't')]
    tenant: Option<String>,
    /// The account, by tenant, user or server.
    #[arg(long, short = 's', visible_alias = "name", short_alias = 'n')]
    subscription: Option<String>,
}

/// The names of `az`, and our own.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ResourceType {
    /// The DICOM service.
    Dicom,
    /// The management API.
    MsGraph,
    /// The management API: Azure AD Graph is its predecessor.
    AadGraph,
    /// Azure Resource Manager: the management API answers for roles.
    Arm,
}

#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    /// The account, by tenant, user or server.
    #[arg(long, short = 's', visible_alias = "name", short_alias = 'n')]
    subscription: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Every account, as without it.
    #[arg(long)]
    all: bool,
    /// Nothing is kept that could be asked for again.
    #[arg(long, hide = true)]
    refresh: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// The account, by tenant, user or server; USER@SERVER where that is not enough.
    #[arg(long, short = 's', visible_alias = "name", short_alias = 'n')]
    subscription: String,
}

pub(crate) async fn run(context: &Context, command: AccountCommand) -> Answer {
    match command {
        AccountCommand::GetAccessToken(arguments) => get_access_token(context, arguments).await.map(Some),
        AccountCommand::Show(arguments) => show(context, arguments.subscription.as_deref()).await.map(Some),
        AccountCommand::List(_) => list(context).await.map(Some),
        AccountCommand::Set(arguments) => {
            let change = |accounts: &mut crate::session::Accounts| {
                let chosen = accounts.named(&arguments.subscription)?;
                accounts.set_default(chosen);
                Ok(())
            };
            context.sessions()?.change(change).await?;
            Ok(None)
        }
        AccountCommand::Clear => {
            context.sessions()?.clear().await?;
            Ok(None)
        }
    }
}

async fn list(context: &Context) -> Result<Value, Failure> {
    match context.place()? {
        Place::Here => Ok(json!([show(context, None).await?])),
        Place::Server(_) => Ok(context.sessions()?.accounts()?.to_json()),
    }
}

async fn show(context: &Context, name: Option<&str>) -> Result<Value, Failure> {
    if let Some(name) = name {
        let accounts = context.sessions()?.accounts()?;
        let chosen = accounts.named(name)?;
        return Ok(accounts.accounts.get(chosen).map(crate::session::Account::to_json).unwrap_or_default());
    }
    if let Place::Server(account) = context.place()? {
        return Ok(account.to_json());
    }
    let shown = context
        .with_directory(async |identity| {
            let tenant = identity.tenant().await?;
            let id = tenant.id.to_string();
            Ok(Some(json!({
                "environmentName": "Hilum",
                "homeTenantId": id,
                "id": id,
                "isDefault": true,
                "managedByTenants": [],
                "name": tenant.domain,
                "state": "Enabled",
                "tenantId": id,
                "user": {"name": "operator of the data directory", "type": "user"},
            })))
        })
        .await?;
    Ok(shown.unwrap_or_default())
}

async fn get_access_token(context: &Context, arguments: TokenArgs) -> Result<Value, Failure> {
    let scope = scope(&arguments);
    let place = match &arguments.subscription {
        Some(name) => {
            let accounts = context.sessions()?.accounts()?;
            let chosen = accounts.named(name).ok().and_then(|at| accounts.accounts.get(at)).cloned();
            // On a data directory the subscription is the tenant, as `account show` prints it.
            match chosen {
                Some(account) => Place::Server(Box::new(account)),
                None => context.place()?,
            }
        }
        None if arguments.client_id.is_some() => context.place().unwrap_or(Place::Here),
        None => context.place()?,
    };
    let (token, tenant) = match (arguments.client_id.as_deref(), place) {
        (Some(client_id), place) => as_client(context, &arguments, client_id, (place, &scope)).await?,
        (None, Place::Server(account)) => {
            if let Some(tenant) = &arguments.tenant
                && ![&account.tenant_id, &account.tenant_name]
                    .iter()
                    .any(|own| own.eq_ignore_ascii_case(tenant))
            {
                return Err(Failure::Error(format!(
                    "{} is signed in to the tenant {}, not to '{tenant}'",
                    account.user, account.tenant_name
                )));
            }
            (context.sessions()?.token(&account, &scope).await?, account.tenant_id.clone())
        }
        (None, Place::Here) => {
            return Err(Failure::Usage(
                "say who asks: sign in with `hilum login`, or give --client-id with --client-secret or --certificate"
                    .to_owned(),
            ));
        }
    };
    printed(&token, tenant, arguments.tenant.is_some())
}

/// A service client that the line names gets the token, without being signed in.
async fn as_client(
    context: &Context,
    arguments: &TokenArgs,
    client_id: &str,
    (place, scope): (Place, &str),
) -> Result<(Token, String), Failure> {
    let (server, http, home) = endpoint(context, &place)?;
    let tenant = match (arguments.tenant.clone(), home) {
        (Some(tenant), _) | (None, Some(tenant)) => tenant,
        (None, None) => {
            let account = show(context, None).await?;
            account.get("tenantId").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
    };
    let authority = Authority { http: &http, server: &server, tenant: &tenant };
    let now = context.ground.clock.now();
    let tokens = match (&arguments.client_secret, &arguments.certificate) {
        (Some(secret), _) => authority.with_secret(client_id, &Secret::new(secret.clone()), scope).await?,
        (None, Some(file)) => {
            let moment = (now, context.ground.random.uuid());
            authority.with_certificate(client_id, file, scope, moment).await?
        }
        (None, None) => {
            return Err(Failure::Usage("say who asks: --client-secret or --certificate".to_owned()));
        }
    };
    let expires_on = now.as_second().saturating_add(tokens.expires_in);
    Ok((Token { text: tokens.access_token, expires_on }, tenant))
}

/// Server, client for it and tenant, as far as they are known without asking the store.
fn endpoint(context: &Context, place: &Place) -> Result<(String, Client, Option<String>), Failure> {
    if let Place::Server(account) = place {
        let http = client::for_server(account.ca.as_deref())?;
        return Ok((account.server.clone(), http, Some(account.tenant_id.clone())));
    }
    let http = client::new(&context.ground.data)?;
    // --server beside --data names where the data directory's server answers.
    let server = match context.server()? {
        Some(server) => server,
        None => context.origin()?,
    };
    Ok((server, http, None))
}

fn printed(token: &Token, tenant: String, tenant_given: bool) -> Result<Value, Failure> {
    let expires = Timestamp::from_second(token.expires_on).map_err(Failure::error)?;
    let mut result = json!({
        "accessToken": token.text.expose(),
        // Local time without a zone, as az prints it.
        "expiresOn": expires.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S%.6f").to_string(),
        "expires_on": token.expires_on,
        "tenant": tenant,
        "tokenType": "Bearer",
    });
    if !tenant_given && let Some(members) = result.as_object_mut() {
        members.insert("subscription".to_owned(), tenant.into());
    }
    Ok(result)
}

fn scope(arguments: &TokenArgs) -> String {
    let named = match arguments.resource_type {
        Some(ResourceType::Dicom) | None => DICOM_RESOURCE,
        Some(ResourceType::MsGraph | ResourceType::AadGraph | ResourceType::Arm) => {
            "https://graph.microsoft.com"
        }
    };
    if arguments.scope.is_empty() {
        format!("{}/.default", arguments.resource.as_deref().unwrap_or(named))
    } else {
        arguments.scope.join(" ")
    }
}
