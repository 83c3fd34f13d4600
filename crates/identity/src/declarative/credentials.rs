//! Declared credentials of applications and service principals: secrets that are made where there is none of their name, certificates that are
//! registered where they are not. None is ever taken away: that is a rotation's last step, and a person's.

use hilum_jose::Certificate;
use hilum_kernel::{AppId, ObjectId};
use jiff::{Timestamp, tz::TimeZone};

use super::{
    MadeSecret,
    document::{DeclaredSecret, Document, Ends},
    run::{Run, Trouble},
};
use crate::{
    IdentityError, Keep, NewCertificate, OwnedKind, SecretInfo, applications,
    credentials::{self, Client},
    json, service_principals,
};

/// Whose credentials are meant.
#[derive(Clone, Copy)]
pub(super) struct Holder<'a> {
    pub(super) id: ObjectId,
    pub(super) app_id: AppId,
    pub(super) kind: OwnedKind,
    /// The application's name.
    pub(super) name: &'a str,
}

impl Holder<'_> {
    const fn client(self) -> Client {
        Client { id: self.id, app_id: self.app_id }
    }

    /// Keeps the object for this transaction and counts its version on, as each change of credentials does.
    async fn lock(self, run: &mut Run<'_>) -> Result<(), IdentityError> {
        match self.kind {
            OwnedKind::Application => applications::lock(run.tx, self.id).await?,
            OwnedKind::ServicePrincipal => service_principals::lock(run.tx, self.id).await?,
        }
        Ok(())
    }
}

/// Makes the secrets that are missing.
pub(super) async fn secrets(
    run: &mut Run<'_>,
    document: &Document,
    holder: Holder<'_>,
    notes: &mut Vec<String>,
) -> Result<(), Trouble> {
    if document.secrets.is_empty() {
        return Ok(());
    }
    let now = crate::timestamp(run.means.stamp.at_ms);
    let present = credentials::secrets_of(run.tx, holder.id).await?;
    for (at, declared) in document.secrets.iter().enumerate() {
        let path = format!("secrets[{at}]");
        let same = |name: &Option<String>| name.as_ref() == Some(&declared.display_name);
        let there = |secret: &&SecretInfo| same(&secret.display_name) && secret.ends_at > now;
        if let Some(secret) = present.iter().find(there) {
            if declared.lost {
                let text = lost(declared, secret, holder);
                run.warnings.push(document.problem(&format!("{path}.writeTo"), text));
            }
            continue;
        }
        let ends_at = match declared.ends {
            Ends::At(time) => time,
            Ends::After(span) => later(now, span)
                .ok_or_else(|| document.problem(&path, "lifetime reaches beyond the calendar"))?,
        };
        let new = (declared.display_name.as_str(), ends_at);
        let means = run.means;
        holder.lock(run).await?;
        let (info, value) = means.identity.declare_secret(run.tx, holder.client(), new, &means.stamp).await?;
        notes.push(format!(
            "new secret '{}', valid until {}, to {}",
            declared.display_name,
            json::date_time(info.ends_at),
            declared.write_to
        ));
        run.secrets.push(MadeSecret {
            app_id: holder.app_id,
            holder: holder.kind,
            application: holder.name.to_owned(),
            key_id: info.key_id,
            display_name: declared.display_name.clone(),
            value,
            target: declared.write_to.clone(),
            file: document.file.clone(),
        });
    }
    Ok(())
}

/// The directory keeps a hash only: whoever lost the text needs a new secret.
fn lost(declared: &DeclaredSecret, secret: &SecretInfo, holder: Holder<'_>) -> String {
    let command = match holder.kind {
        OwnedKind::Application => "app",
        OwnedKind::ServicePrincipal => "sp",
    };
    format!(
        "the secret '{}' is in the directory (valid until {}), but not in {}; the secret's value is not recoverable. Bring \
         it back, or run `hilum {command} credential delete --id {} --key-id {}` and apply again to make a new one",
        declared.display_name,
        json::date_time(secret.ends_at),
        declared.write_to,
        holder.app_id,
        secret.key_id
    )
}

/// In calendar days and years, as people say and Entra counts. To the second: that is how times are shown.
fn later(now: Timestamp, span: jiff::Span) -> Option<Timestamp> {
    let end = now.to_zoned(TimeZone::UTC).checked_add(span).ok()?.timestamp();
    Timestamp::from_second(end.as_second()).ok()
}

/// Registers the certificates that are missing.
pub(super) async fn certificates(
    run: &mut Run<'_>,
    document: &Document,
    holder: Holder<'_>,
    notes: &mut Vec<String>,
) -> Result<(), Trouble> {
    let Some(declared) = &document.certificates else { return Ok(()) };
    let present = credentials::certificates_of(run.tx, holder.id).await?;
    for (at, new) in declared.iter().enumerate() {
        let certificate = Certificate::from_pem_or_der(new.content.expose()).map_err(|error| {
            let text = format!("the certificate cannot be used: {error}");
            document.problem(&format!("certificates[{at}]"), text)
        })?;
        if present.iter().any(|old| old.thumbprint == certificate.thumbprint_hex()) {
            continue;
        }
        let subject = certificate.subject().to_owned();
        let new = NewCertificate { certificate, display_name: new.display_name.clone(), keep: Keep::Others };
        let means = run.means;
        holder.lock(run).await?;
        let info = means.identity.declare_certificate(run.tx, holder.client(), new, &means.stamp).await?;
        let end = json::date_time(info.ends_at);
        notes.push(format!("new certificate {} ({subject}), valid until {end}", info.thumbprint));
    }
    Ok(())
}
