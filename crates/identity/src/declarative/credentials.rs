//! Declared credentials of applications: secrets that are made where there is none of their name, certificates that are
//! registered where they are not. None is ever taken away: that is a rotation's last step, and a person's.

use hilum_jose::Certificate;
use jiff::{Timestamp, tz::TimeZone};

use super::{
    MadeSecret,
    document::{Document, Ends},
    run::{Run, Trouble},
};
use crate::{Application, Keep, NewCertificate, credentials, json};

/// Makes the secrets that are missing.
pub(super) async fn secrets(
    run: &mut Run<'_>,
    document: &Document,
    application: &Application,
    notes: &mut Vec<String>,
) -> Result<(), Trouble> {
    if document.secrets.is_empty() {
        return Ok(());
    }
    let now = crate::timestamp(run.means.stamp.at_ms);
    let present = credentials::secrets_of(run.tx, application.object_id).await?;
    for (at, declared) in document.secrets.iter().enumerate() {
        let same = |name: &Option<String>| name.as_ref() == Some(&declared.display_name);
        if present.iter().any(|secret| same(&secret.display_name) && secret.ends_at > now) {
            continue;
        }
        let path = format!("secrets[{at}]");
        let ends_at = match declared.ends {
            Ends::At(time) => time,
            Ends::After(span) => later(now, span)
                .ok_or_else(|| document.problem(&path, "lifetime reaches beyond the calendar"))?,
        };
        let new = (declared.display_name.as_str(), ends_at);
        let means = run.means;
        let (info, value) = means.identity.declare_secret(run.tx, application, new, &means.stamp).await?;
        notes.push(format!(
            "new secret '{}', valid until {}, to {}",
            declared.display_name,
            json::date_time(info.ends_at),
            declared.write_to
        ));
        run.secrets.push(MadeSecret {
            app_id: application.app_id,
            application: application.properties.display_name.clone(),
            key_id: info.key_id,
            display_name: declared.display_name.clone(),
            value,
            target: declared.write_to.clone(),
            file: document.file.clone(),
        });
    }
    Ok(())
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
    application: &Application,
    notes: &mut Vec<String>,
) -> Result<(), Trouble> {
    let Some(declared) = &document.certificates else { return Ok(()) };
    let present = credentials::certificates_of(run.tx, application.object_id).await?;
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
        let info = means.identity.declare_certificate(run.tx, application, new, &means.stamp).await?;
        let end = json::date_time(info.ends_at);
        notes.push(format!("new certificate {} ({subject}), valid until {end}", info.thumbprint));
    }
    Ok(())
}
