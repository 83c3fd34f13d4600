//! `hilum app|sp credential …`: secrets and certificates, as `az ad app|sp credential`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use hilum_identity::json::date_time;
use hilum_jose::{Certificate, SigningKey, Validity, base64_decode, base64_encode};
use hilum_kernel::Secret;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use serde_json::{Map, Value, json};

use super::{
    Answer, Context, Failure,
    app::Id,
    directory::{DirectoryClient, items, text},
    find, values,
};
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
    #[command(flatten)]
    pub(crate) kind: CredentialKindArgs,
}

/// Secret or certificate, and how long.
#[derive(Debug, Args, Default)]
pub(crate) struct CredentialKindArgs {
    /// How long it is valid; 1 year by default.
    #[arg(long, conflicts_with = "end_date")]
    pub(crate) years: Option<i64>,
    /// Until when it is valid.
    #[arg(long)]
    pub(crate) end_date: Option<String>,
    /// A certificate to register, without its key: PEM, base64, or @file.
    #[arg(long)]
    pub(crate) cert: Option<String>,
    /// Make a certificate and its key; both are written to one PEM file.
    #[arg(long, conflicts_with = "cert")]
    pub(crate) create_cert: bool,
    /// There is no Key Vault here.
    #[arg(long, hide = true)]
    pub(crate) keyvault: Option<String>,
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

/// Whose credentials they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    Application,
    ServicePrincipal,
}

/// An object with its credentials.
pub(crate) struct Held {
    path: String,
    app_id: String,
    secrets: Vec<Value>,
    certificates: Vec<Value>,
}

impl Held {
    pub(crate) async fn find(client: &DirectoryClient, holder: Holder, id: &str) -> Result<Self, Failure> {
        let (found, collection) = match holder {
            Holder::Application => (find::application(client, id).await?, "applications"),
            Holder::ServicePrincipal => (find::service_principal(client, id).await?, "servicePrincipals"),
        };
        let path = format!("/v1.0/{collection}/{}", text(&found, "id"));
        // Only so does Graph give the certificates themselves, which a change of the list must send back.
        let select = format!("{path}?$select=id,appId,passwordCredentials,keyCredentials");
        let with_keys = client.get(&select).await?;
        Ok(Self {
            path,
            app_id: text(&found, "appId").to_owned(),
            secrets: items(&with_keys, "passwordCredentials"),
            certificates: items(&with_keys, "keyCredentials"),
        })
    }
}

pub(crate) async fn run(
    context: &Context,
    client: &DirectoryClient,
    holder: Holder,
    command: CredentialCommand,
) -> Answer {
    match command {
        CredentialCommand::Reset(arguments) => {
            let held = Held::find(client, holder, &arguments.id.id).await?;
            reset(context, client, &held, &arguments.new, arguments.append).await.map(Some)
        }
        CredentialCommand::List(arguments) => {
            let held = Held::find(client, holder, &arguments.id.id).await?;
            let mut shown = if arguments.cert { held.certificates } else { held.secrets };
            for credential in &mut shown {
                if let Some(key) = credential.get_mut("key") {
                    *key = Value::Null;
                }
            }
            Ok(Some(shown.into()))
        }
        CredentialCommand::Delete(arguments) => {
            delete(client, &Held::find(client, holder, &arguments.id.id).await?, &arguments).await
        }
    }
}

async fn delete(client: &DirectoryClient, held: &Held, arguments: &DeleteArgs) -> Answer {
    let named = |one: &Value| text(one, "keyId").eq_ignore_ascii_case(&arguments.key_id);
    let present = if arguments.cert { &held.certificates } else { &held.secrets };
    if !present.iter().any(named) {
        let kind = if arguments.cert { "certificate" } else { "secret" };
        return Err(Failure::NotFound(format!("no {kind} has the ID '{}'", arguments.key_id)));
    }
    if arguments.cert {
        let kept: Vec<&Value> = held.certificates.iter().filter(|one| !named(one)).collect();
        client.patch(&held.path, json!({"keyCredentials": kept})).await?;
    } else {
        remove_secret(client, held, &arguments.key_id).await?;
    }
    Ok(None)
}

async fn remove_secret(client: &DirectoryClient, held: &Held, key_id: &str) -> Result<(), Failure> {
    client.post(&format!("{}/removePassword", held.path), json!({"keyId": key_id})).await.map(drop)
}

/// Makes or registers one credential. What is printed holds the secret, this once.
pub(crate) async fn reset(
    context: &Context,
    client: &DirectoryClient,
    held: &Held,
    new: &NewCredentialArgs,
    append: bool,
) -> Result<Value, Failure> {
    if new.kind.keyvault.is_some() {
        return Err(Failure::Usage(
            "there is no Key Vault here: --create-cert writes certificate and key to a file".to_owned(),
        ));
    }
    let now = context.ground.clock.now();
    let ends_at = ends_at(&new.kind, now)?;
    if new.kind.create_cert {
        return create_certificate(context, client, held, new, (append, now, ends_at)).await;
    }
    if let Some(text) = &new.kind.cert {
        let certificate = certificate(&values::bytes_or_file(text)?)?;
        register(client, held, new, (&certificate, append)).await?;
        return Ok(json!({"appId": held.app_id, "password": null, "tenant": client.tenant_id()}));
    }
    let mut wanted = Map::from_iter([("endDateTime".to_owned(), Value::from(date_time(ends_at)))]);
    if let Some(name) = &new.display_name {
        wanted.insert("displayName".to_owned(), name.as_str().into());
    }
    let added =
        client.post(&format!("{}/addPassword", held.path), json!({"passwordCredential": wanted})).await?;
    if !append {
        // The new one first: should this break off, there is still one that works.
        for old in &held.secrets {
            remove_secret(client, held, text(old, "keyId")).await?;
        }
    }
    context.warn(
        "The output includes credentials that you must protect. Be sure that you do not include these \
         credentials in your code or check the credentials into your source control.",
    );
    Ok(json!({
        "appId": held.app_id, "password": added.get("secretText"), "tenant": client.tenant_id(),
    }))
}

fn ends_at(new: &CredentialKindArgs, now: Timestamp) -> Result<Timestamp, Failure> {
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

/// A certificate as users give it. A private key has no place in it.
pub(crate) fn certificate(file: &[u8]) -> Result<Certificate, Failure> {
    let as_text = std::str::from_utf8(file).unwrap_or_default();
    if as_text.contains("PRIVATE KEY") {
        return Err(Failure::Error(
            "this holds a private key: give the certificate alone, and consider the key as seen if it was sent anywhere"
                .to_owned(),
        ));
    }
    // Base64 of the DER form without the PEM lines around it, as other tools export it.
    let bare: String = as_text.chars().filter(|letter| !letter.is_whitespace()).collect();
    let der = if bare.starts_with('-') { None } else { base64_decode(&bare).ok() };
    let der = der.filter(|der| !der.is_empty());
    Certificate::from_pem_or_der(der.as_deref().unwrap_or(file)).map_err(Failure::error)
}

/// In Graph's shape.
pub(crate) fn key_credential(certificate: &Certificate) -> Value {
    json!({"type": "AsymmetricX509Cert", "usage": "Verify", "key": base64_encode(certificate.der())})
}

async fn register(
    client: &DirectoryClient,
    held: &Held,
    new: &NewCredentialArgs,
    (certificate, append): (&Certificate, bool),
) -> Result<(), Failure> {
    let mut added = key_credential(certificate);
    if let (Some(name), Some(members)) = (&new.display_name, added.as_object_mut()) {
        members.insert("displayName".to_owned(), name.as_str().into());
    }
    let mut all = if append { held.certificates.clone() } else { Vec::new() };
    all.push(added);
    client.patch(&held.path, json!({"keyCredentials": all})).await
}

async fn create_certificate(
    context: &Context,
    client: &DirectoryClient,
    held: &Held,
    new: &NewCredentialArgs,
    (append, now, ends_at): (bool, Timestamp, Timestamp),
) -> Result<Value, Failure> {
    let random = std::sync::Arc::clone(&context.ground.random);
    let name = held.app_id.clone();
    let key = tokio::task::spawn_blocking(move || {
        SigningKey::generate(&name, Validity { not_before: now, not_after: ends_at }, &*random)
    });
    let key = key.await.map_err(Failure::error)?.map_err(Failure::error)?;
    let made = key.to_self_signed().map_err(Failure::error)?;
    let combined: Secret<String> = made.combined_pem();
    let stamp = now.strftime("%Y%m%d%H%M%S%3f");
    let file = std::env::current_dir()
        .unwrap_or_else(|_| PathBuf::from("."))
        .join(format!("hilum-{}-{stamp}.pem", held.app_id));
    write_private(&file, combined.expose().as_bytes())
        .map_err(|error| Failure::Error(format!("cannot write {}: {error}", file.display())))?;
    register(client, held, new, (&made.certificate, append)).await?;
    context.warn(format!("Certificate and private key are in {}. Protect this file.", file.display()));
    Ok(json!({
        "appId": held.app_id,
        "fileWithCertAndPrivateKey": file.display().to_string(),
        "password": null,
        "tenant": client.tenant_id(),
    }))
}
