//! `hilum init`: the first start's work without serving. Doing it again changes nothing.

use clap::Args;
use serde_json::json;

use super::{Answer, Context, user::password_from_stdin};
use crate::{assemble::Directory, certificates, ui};

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The tenant's domain.
    #[arg(long)]
    domain: Option<String>,
    /// The administrator's user principal name; admin@DOMAIN by default.
    #[arg(long)]
    admin_upn: Option<String>,
    /// Read the administrator's password from standard input; it is final.
    #[arg(long)]
    admin_password_stdin: bool,
}

pub(crate) async fn run(context: &Context, arguments: InitArgs) -> Answer {
    let ground = &context.ground;
    let password = if arguments.admin_password_stdin { Some(password_from_stdin()?) } else { None };
    let directory = Directory::open(ground, context.origin()?).await?;
    let domain = arguments.domain.unwrap_or_else(|| ground.config.identity.domain.clone());
    let outcome = directory.init(&domain, arguments.admin_upn, password).await;
    directory.close().await;
    let outcome = outcome?;
    certificates::ensure_local(&ground.data, &ground.config.tls.names, &*ground.clock)?;
    if let Some(password) = &outcome.one_time_password {
        // Not part of the result, which scripts keep in files and logs.
        ui::note(format!("The administrator's one-time password, shown this once: {}", password.expose()));
    }
    let ca = ground.data.tls("ca.pem");
    Ok(Some(json!({
        "adminUserPrincipalName": outcome.admin_user_principal_name,
        "caCertificate": std::path::absolute(&ca).unwrap_or(ca).display().to_string(),
        "domain": outcome.tenant.domain,
        "tenantId": outcome.tenant.id.to_string(),
    })))
}
