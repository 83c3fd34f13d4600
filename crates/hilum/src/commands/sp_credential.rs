//! `hilum sp credential …`: secrets and certificates of a service principal's application.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use hilum_audit::Actor;
use hilum_identity::{Identity, Keep, NewCertificate, NewSecret, json as graph};
use hilum_jose::{Certificate, SigningKey, Validity};
use hilum_kernel::{CredentialId, Secret};
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use serde_json::{Value, json};

use super::{Answer, Context, Failure, app::Id, values};
use crate::data_dir::write_private;

#[derive(Debug, Subcommand)]
pub(crate) enum CredentialCommand {
    /// Make a new secret, or register a certificate; without --append the old ones go.
    Reset(ResetArgs),
    /// List secrets, or with --cert certificates.
    List(ListArgs),
    /// Delete a secret or certificate.
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ResetArgs {
    #[command(flatten)]
    pub(crate) id: Id,
    #[command(flatten)]
    pub(crate) new: NewCredentialArgs,
    /// Keep the credentials that are there.
    #[arg(long)]
    pub(crate) append: bool,
}

#[derive(Debug, Args, Default)]
pub(crate) struct NewCredentialArgs {
    /// What the credential is for.
    #[arg(long, visible_alias = "credential-description")]
    pub(crate) display_name: Option<String>,
    /// How long it is valid; 1 year by default.
    #[arg(long, conflicts_with = "end_date")]
    pub(crate) years: Option<i64>,
    /// Until when it is valid.
    #[arg(long)]
    pub(crate) end_date: Option<String>,
    /// A certificate to register: PEM, or @file.
    #[arg(long)]
    pub(crate) cert: Option<String>,
    /// Make a certificate and its key; both are written to one PEM file.
    #[arg(long, conflicts_with = "cert")]
    pub(crate) create_cert: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    id: Id,
    /// Certificates instead of secrets.
    #[arg(long)]
    cert: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    id: Id,
    #[arg(long)]
    key_id: String,
    /// A certificate instead of a secret.
    #[arg(long)]
    cert: bool,
}

pub(crate) async fn run(context: &Context, command: CredentialCommand) -> Answer {
    context
        .with_directory(async |identity| match command {
            CredentialCommand::Reset(arguments) => {
                reset(context, identity, &arguments.id.id, &arguments.new, keep(arguments.append))
                    .await
                    .map(Some)
            }
            CredentialCommand::List(arguments) => {
                let application = identity.find_application(&arguments.id.id).await?;
                Ok(Some(if arguments.cert {
                    application.certificates.iter().map(graph::certificate).collect()
                } else {
                    application.secrets.iter().map(graph::secret).collect()
                }))
            }
            CredentialCommand::Delete(arguments) => {
                let key: CredentialId = arguments
                    .key_id
                    .parse()
                    .map_err(|_| Failure::Usage("--key-id must be a GUID".to_owned()))?;
                let (actor, id) = (Actor::operator(), &arguments.id.id);
                if arguments.cert {
                    identity.remove_certificate(&actor, id, key).await?;
                } else {
                    identity.remove_secret(&actor, id, key).await?;
                }
                Ok(None)
            }
        })
        .await
}

pub(crate) fn keep(append: bool) -> Keep {
    if append { Keep::Others } else { Keep::None }
}

/// Makes or registers one credential. What is printed holds the secret, this once.
pub(crate) async fn reset(
    context: &Context,
    identity: &Identity,
    id: &str,
    new: &NewCredentialArgs,
    keep: Keep,
) -> Result<Value, Failure> {
    let now = context.ground.clock.now();
    let ends_at = ends_at(new, now)?;
    if new.create_cert {
        return create_certificate(context, identity, id, new, (keep, now, ends_at)).await;
    }
    if let Some(text) = &new.cert {
        let pem = values::text_or_file(text)?;
        let certificate = Certificate::from_pem_or_der(pem.as_bytes()).map_err(Failure::error)?;
        let new = NewCertificate { certificate, display_name: new.display_name.clone(), keep };
        let added = identity.add_certificate(&Actor::operator(), id, new).await?;
        return Ok(json!({
            "appId": added.app_id.to_string(), "password": null, "tenant": added.tenant_id.to_string(),
        }));
    }
    let new =
        NewSecret { display_name: new.display_name.clone(), starts_at: None, ends_at: Some(ends_at), keep };
    let added = identity.add_secret(&Actor::operator(), id, new).await?;
    context.warn(
        "The output includes credentials that you must protect. Be sure that you do not include these \
         credentials in your code or check the credentials into your source control.",
    );
    Ok(graph::added_secret(&added))
}

fn ends_at(new: &NewCredentialArgs, now: Timestamp) -> Result<Timestamp, Failure> {
    if let Some(text) = &new.end_date {
        return values::date("--end-date", text);
    }
    let years = new.years.unwrap_or(1);
    if !(1..=100).contains(&years) {
        return Err(Failure::Usage("--years must be at least 1".to_owned()));
    }
    let end = now.to_zoned(TimeZone::UTC).checked_add(years.years()).map_err(Failure::error)?;
    Ok(end.timestamp())
}

async fn create_certificate(
    context: &Context,
    identity: &Identity,
    id: &str,
    new: &NewCredentialArgs,
    (keep, now, ends_at): (Keep, Timestamp, Timestamp),
) -> Result<Value, Failure> {
    let application = identity.find_application(id).await?;
    let random = std::sync::Arc::clone(&context.ground.random);
    let name = format!("CN={}", application.app_id);
    let key = tokio::task::spawn_blocking(move || {
        SigningKey::generate(
            name.trim_start_matches("CN="),
            Validity { not_before: now, not_after: ends_at },
            &*random,
        )
    });
    let key = key.await.map_err(Failure::error)?.map_err(Failure::error)?;
    let made = key.to_self_signed().map_err(Failure::error)?;
    let combined: Secret<String> = made.combined_pem();
    let stamp = now.strftime("%Y%m%d%H%M%S");
    let file = std::env::current_dir()
        .unwrap_or_else(|_| PathBuf::from("."))
        .join(format!("hilum-{}-{stamp}.pem", application.app_id));
    write_private(&file, combined.expose().as_bytes())
        .map_err(|error| Failure::Error(format!("cannot write {}: {error}", file.display())))?;
    let certificate =
        NewCertificate { certificate: made.certificate, display_name: new.display_name.clone(), keep };
    let added = identity.add_certificate(&Actor::operator(), id, certificate).await?;
    context.warn(format!("Certificate and private key are in {}. Protect this file.", file.display()));
    Ok(json!({
        "appId": added.app_id.to_string(),
        "fileWithCertAndPrivateKey": file.display().to_string(),
        "password": null,
        "tenant": added.tenant_id.to_string(),
    }))
}
