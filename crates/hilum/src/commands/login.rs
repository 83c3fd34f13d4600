//! `hilum login`, `hilum logout`: who is signed in at which server, as `az login`.

use std::path::PathBuf;

use clap::Args;
use hilum_kernel::Secret;
use serde_json::Value;

use super::{
    Answer, Context, Failure, context::origin_of, directory::text, user::password_from_stdin, values,
};
use crate::{
    client,
    session::{Account, AccountKind, Authority, CLI_CLIENT_ID, Credential, GRAPH_SCOPE, Tokens},
    ui,
};

/// The tenant that the server finds by the user.
const ANY_TENANT: &str = "organizations";

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "the switches of az")]
pub(crate) struct LoginArgs {
    /// Sign in as a service principal.
    #[arg(long, requires = "username")]
    service_principal: bool,
    /// User principal name, or the appId of a service principal.
    #[arg(long, short = 'u')]
    username: Option<String>,
    /// Password or client secret; `-` reads it from standard input, where no other process sees it.
    #[arg(long, short = 'p', requires = "username")]
    password: Option<String>,
    /// PEM file with the service principal's certificate and private key; it is read again for every new token.
    #[arg(long, requires = "service_principal", conflicts_with = "password")]
    certificate: Option<PathBuf>,
    /// Tenant ID or domain.
    #[arg(long, short = 't')]
    tenant: Option<String>,
    /// Sign in in a browser, anywhere, by a code. That is what happens without --username, too.
    #[arg(long, conflicts_with_all = ["service_principal", "username"])]
    use_device_code: bool,
    /// The scope to ask for at sign-in; the management API's by default.
    #[arg(long, num_args = 1..)]
    scope: Vec<String>,
    /// PEM file with the CA that signed the server's certificate; the data directory's own CA by default.
    #[arg(long, value_name = "PEM")]
    ca: Option<PathBuf>,
    /// There are no subscriptions here.
    #[arg(long, hide = true)]
    allow_no_subscriptions: bool,
    #[arg(long, hide = true)]
    federated_token: Option<String>,
    #[arg(long, short = 'i', hide = true)]
    identity: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogoutArgs {
    /// User, tenant or server; the default account where nothing is said.
    #[arg(long, short = 'u')]
    username: Option<String>,
}

pub(crate) async fn run(context: &Context, arguments: LoginArgs) -> Answer {
    if arguments.identity || arguments.federated_token.is_some() {
        return Err(Failure::Usage(
            "managed identities and federated tokens belong to Azure: sign in with --service-principal and a secret or \
             certificate, with --username, or with a device code"
                .to_owned(),
        ));
    }
    let server = match context.server()? {
        Some(server) => server,
        None => origin_of(&context.origin()?)?,
    };
    let ca = ca(context, &arguments, &server)?;
    let http = client::for_server(ca.as_deref())?;
    let tenant = arguments.tenant.clone().unwrap_or_else(|| ANY_TENANT.to_owned());
    check_tenant(&tenant)?;
    let authority = Authority { http: &http, server: &server, tenant: &tenant };
    let scope = if arguments.scope.is_empty() { GRAPH_SCOPE.to_owned() } else { arguments.scope.join(" ") };
    let now = context.ground.clock.now();
    let mut account = if arguments.service_principal {
        let account = Account::new(
            &server,
            ca,
            AccountKind::ServicePrincipal,
            arguments.username.as_deref().unwrap_or_default(),
        );
        service_principal(context, &authority, &arguments, (account, &scope)).await?
    } else {
        let tokens = user(&authority, &arguments, &scope).await?;
        let mut account = Account::new(&server, ca, AccountKind::User, CLI_CLIENT_ID);
        name(&mut account, &tokens)?;
        account.keep(&scope, tokens, now.as_second());
        account
    };
    account.tenant_name = tenant_name(context, &http, &account, &tenant).await;
    let sessions = context.sessions()?;
    let accounts = sessions
        .change(|accounts| {
            accounts.put(account);
            Ok(accounts.to_json())
        })
        .await?;
    Ok(Some(accounts))
}

/// Signs in as a service principal, and remembers how.
async fn service_principal(
    context: &Context,
    authority: &Authority<'_>,
    arguments: &LoginArgs,
    (mut account, scope): (Account, &str),
) -> Result<Account, Failure> {
    if arguments.tenant.is_none() {
        // As az: there is no home to look up for a service principal.
        return Err(Failure::Usage("--service-principal needs --tenant".to_owned()));
    }
    let now = context.ground.clock.now();
    let tokens = if let Some(file) = &arguments.certificate {
        let file = std::path::absolute(file).map_err(Failure::error)?;
        let moment = (now, context.ground.random.uuid());
        let tokens = authority.with_certificate(&account.client_id, &file, scope, moment).await?;
        account.credential = Credential::Certificate { file };
        tokens
    } else if let Some(secret) = arguments.password.clone() {
        let client_secret = password(secret)?;
        let tokens = authority.with_secret(&account.client_id, &client_secret, scope).await?;
        account.credential = Credential::Secret { client_secret };
        tokens
    } else {
        return Err(Failure::Usage("--service-principal needs --password or --certificate".to_owned()));
    };
    name(&mut account, &tokens)?;
    account.user.clone_from(&account.client_id);
    account.keep(scope, tokens, now.as_second());
    Ok(account)
}

async fn user(authority: &Authority<'_>, arguments: &LoginArgs, scope: &str) -> Result<Tokens, Failure> {
    // OIDC Core §11: offline_access asks for a refresh token.
    let scope = format!("{scope} offline_access openid profile");
    if let Some(user) = &arguments.username {
        let secret = if let Some(text) = arguments.password.clone() {
            password(text)?
        } else {
            ui::note(format!("Password of {user}, on standard input:"));
            password_from_stdin()?
        };
        return authority.with_password(CLI_CLIENT_ID, user, &secret, &scope).await;
    }
    let code = authority.device_code(CLI_CLIENT_ID, &scope).await?;
    // Not a hint: without it nobody can sign in.
    ui::note(&code.message);
    authority.poll(CLI_CLIENT_ID, &code).await
}

fn password(text: String) -> Result<Secret<String>, Failure> {
    if text == "-" { password_from_stdin() } else { Ok(Secret::new(text)) }
}

/// Tenant and user, as the token tells them.
fn name(account: &mut Account, tokens: &Tokens) -> Result<(), Failure> {
    let claims = tokens.claims();
    text(&claims, "tid").clone_into(&mut account.tenant_id);
    if account.tenant_id.is_empty() {
        return Err(Failure::Error("the server's token names no tenant".to_owned()));
    }
    let names = ["preferred_username", "upn", "unique_name", "oid"];
    let user = names.iter().map(|claim| text(&claims, claim)).find(|name| !name.is_empty());
    user.unwrap_or_default().clone_into(&mut account.user);
    Ok(())
}

/// The tenant's domain: as it was given, or as the directory says where the account may ask.
async fn tenant_name(context: &Context, http: &reqwest::Client, account: &Account, asked: &str) -> String {
    if asked != ANY_TENANT && !asked.eq_ignore_ascii_case(&account.tenant_id) {
        return asked.to_owned();
    }
    let good_until = context.ground.clock.now().as_second();
    let Some(token) = account.token(GRAPH_SCOPE, good_until) else { return account.tenant_id.clone() };
    let client = super::directory::Remote::new(http.clone(), account, token.text);
    let organization = super::directory::DirectoryClient::Remote(client).get("/v1.0/organization").await;
    let domains = organization
        .ok()
        .and_then(|answer| answer.pointer("/value/0/verifiedDomains").and_then(Value::as_array).cloned());
    let is_default = |domain: &&Value| domain.get("isDefault").and_then(Value::as_bool) == Some(true);
    domains
        .as_ref()
        .and_then(|domains| domains.iter().find(is_default).or_else(|| domains.first()))
        .map(|domain| text(domain, "name").to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| account.tenant_id.clone())
}

/// The CA that is trusted for this server: the named file, or that of the data directory whose server it is.
fn ca(context: &Context, arguments: &LoginArgs, server: &str) -> Result<Option<String>, Failure> {
    if let Some(file) = &arguments.ca {
        return values::read_file(file).map(Some);
    }
    let ours = context.origin().is_ok_and(|origin| origin_of(&origin).is_ok_and(|origin| origin == server));
    let file = context.ground.data.tls("ca.pem");
    if ours && file.is_file() { values::read_file(&file).map(Some) } else { Ok(None) }
}

/// It becomes a segment of a path.
fn check_tenant(tenant: &str) -> Result<(), Failure> {
    let good = !tenant.is_empty()
        && tenant.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.'));
    if good { Ok(()) } else { Err(Failure::Usage("--tenant must be a tenant's ID or domain".to_owned())) }
}

pub(crate) async fn logout(context: &Context, arguments: LogoutArgs) -> Answer {
    let server = context.server()?;
    let sessions = context.sessions()?;
    sessions
        .change(|accounts| {
            let chosen = match (&arguments.username, &server) {
                (Some(name), _) => accounts.named(name)?,
                (None, Some(server)) => accounts.named(server)?,
                (None, None) => accounts
                    .accounts
                    .iter()
                    .position(|account| account.is_default)
                    .ok_or_else(|| Failure::Error("there are no active accounts".to_owned()))?,
            };
            let Some(gone) = accounts.accounts.get(chosen).cloned() else { return Ok(()) };
            accounts.remove(|account| {
                account.server == gone.server
                    && account.user == gone.user
                    && account.tenant_id == gone.tenant_id
            });
            Ok(())
        })
        .await?;
    Ok(None)
}
