//! `hilum account …`: tokens from the server's own endpoint, as `az account`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use hilum_jose::{SigningHeader, SigningKey, sign_jwt};
use hilum_kernel::Secret;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::{Answer, Context, Failure, values};

/// What a token is for when nothing is said.
const DICOM_RESOURCE: &str = "https://dicom.healthcareapis.azure.com";

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Get an access token as a service client.
    GetAccessToken(TokenArgs),
    /// Show the tenant.
    Show,
    /// Show the tenant, as a list.
    List,
}

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// The client's appId.
    #[arg(long, short = 'u', visible_alias = "username", env = "HILUM_CLIENT_ID")]
    client_id: String,
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
    /// Tenant ID or domain; that of the data directory by default.
    #[arg(long, short = 't')]
    tenant: Option<String>,
    #[arg(long, short = 's', visible_aliases = ["name"], hide = true)]
    subscription: Option<String>,
    /// The server's URL; the one that runs on the data directory by default.
    #[arg(long, env = "HILUM_SERVER")]
    server: Option<String>,
}

pub(crate) async fn run(context: &Context, command: AccountCommand) -> Answer {
    match command {
        AccountCommand::GetAccessToken(arguments) => get_access_token(context, arguments).await.map(Some),
        AccountCommand::Show => show(context).await.map(Some),
        AccountCommand::List => show(context).await.map(|account| Some(json!([account]))),
    }
}

async fn show(context: &Context) -> Result<Value, Failure> {
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
    let named = arguments.tenant.clone();
    let tenant = match named {
        Some(tenant) => tenant,
        None => show(context).await?.get("tenantId").and_then(Value::as_str).unwrap_or_default().to_owned(),
    };
    let server = match &arguments.server {
        Some(server) => server.trim_end_matches('/').to_owned(),
        None => context.origin()?,
    };
    let endpoint = format!("{server}/{tenant}/oauth2/v2.0/token");
    let now = context.ground.clock.now();
    let mut form = vec![
        ("grant_type", Secret::new("client_credentials".to_owned())),
        ("client_id", Secret::new(arguments.client_id.clone())),
        ("scope", Secret::new(scope(&arguments))),
    ];
    match (&arguments.client_secret, &arguments.certificate) {
        (Some(secret), _) => form.push(("client_secret", Secret::new(secret.clone()))),
        (None, Some(file)) => {
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned();
            form.push(("client_assertion_type", Secret::new(kind)));
            let id = context.ground.random.uuid();
            let assertion = assertion(file.clone(), &arguments.client_id, &endpoint, (now, id)).await?;
            form.push(("client_assertion", assertion));
        }
        (None, None) => {
            return Err(Failure::Usage("say who asks: --client-secret or --certificate".to_owned()));
        }
    }
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.expose().as_str())).collect();
    let client = crate::client::new(&context.ground.data)?;
    let request = client.post(&endpoint).timeout(Duration::from_secs(30)).form(&form);
    let response = request.send().await.map_err(|error| {
        Failure::Error(format!("cannot reach {server}; is the server running? ({})", cause(&error)))
    })?;
    let answer: Value =
        response.json().await.map_err(|_| Failure::Error(format!("{server} did not answer in JSON")))?;
    let Some(token) = answer.get("access_token").and_then(Value::as_str) else {
        let text =
            answer.get("error_description").and_then(Value::as_str).unwrap_or("the server gave no token");
        return Err(Failure::Error(text.to_owned()));
    };
    let lifetime = answer
        .get("expires_in")
        .map_or(0, |value| value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0));
    let expires = now.checked_add(SignedDuration::from_secs(lifetime)).map_err(Failure::error)?;
    let mut result = json!({
        "accessToken": token,
        // Local time without a zone, as az prints it.
        "expiresOn": expires.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S%.6f").to_string(),
        "expires_on": expires.as_second(),
        "tenant": tenant,
        "tokenType": "Bearer",
    });
    if arguments.tenant.is_none()
        && let Some(members) = result.as_object_mut()
    {
        members.insert("subscription".to_owned(), tenant.into());
    }
    Ok(result)
}

fn scope(arguments: &TokenArgs) -> String {
    if arguments.scope.is_empty() {
        format!("{}/.default", arguments.resource.as_deref().unwrap_or(DICOM_RESOURCE))
    } else {
        arguments.scope.join(" ")
    }
}

/// A signed assertion in place of a secret (RFC 7523 §2.2).
async fn assertion(
    file: PathBuf,
    client_id: &str,
    endpoint: &str,
    (now, id): (Timestamp, uuid::Uuid),
) -> Result<Secret<String>, Failure> {
    let pem = Secret::new(values::read_file(&file)?);
    let claims = json!({
        "aud": endpoint, "iss": client_id, "sub": client_id, "jti": id.to_string(),
        "iat": now.as_second(), "nbf": now.as_second() - 60, "exp": now.as_second() + 300,
    });
    let signed = tokio::task::spawn_blocking(move || {
        SigningKey::from_pem(&pem).and_then(|key| sign_jwt(&key, SigningHeader::ASSERTION, &claims))
    });
    let signed = signed.await.map_err(Failure::error)?;
    signed.map(Secret::new).map_err(|error| {
        Failure::Error(format!("{} must hold a certificate and its private key: {error}", file.display()))
    })
}

fn cause(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    text
}
