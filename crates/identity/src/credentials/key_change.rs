//! `keyCredentials` and `passwordCredentials` in the body of a change: what is not named any more goes, certificates with
//! a `key` come, secrets are never set from outside.

use hilum_audit::Action;
use hilum_jose::{Certificate, CertificateError, base64_decode, base64_encode};
use hilum_kernel::{CredentialId, Secret, TenantId};
use hilum_storage::db::WriteTx;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{CertificateInfo, Client, certificates, check_display_name, sql};
use crate::{
    Identity, IdentityError, Stamp,
    applications::{parse, without_annotations},
    error::OnDuplicate as _,
    privileges,
};

const MEMBER: &str = "keyCredentials";

/// A certificate as it comes over the wire (`keyCredential`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyCredential {
    #[serde(default)]
    key_id: Option<CredentialId>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    usage: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    start_date_time: Option<String>,
    #[serde(default)]
    end_date_time: Option<String>,
    #[serde(default)]
    custom_key_identifier: Option<String>,
    #[serde(default)]
    key: Option<String>,
}

/// A secret as it is named in a change; only its `keyId` is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PasswordCredential {
    #[serde(default)]
    key_id: Option<CredentialId>,
    #[serde(default)]
    secret_text: Option<String>,
}

/// What a change does to credentials.
#[derive(Default)]
pub(crate) struct KeyChange {
    certificates: Option<Vec<KeyEntry>>,
    secrets: Option<Vec<CredentialId>>,
}

enum KeyEntry {
    Kept { key_id: CredentialId, display_name: Option<String> },
    New(Box<CertificateInfo>),
}

impl KeyChange {
    /// Takes the two members out of a change and checks them.
    pub(crate) fn take(
        identity: &Identity,
        members: &mut Map<String, Value>,
        now: Timestamp,
    ) -> Result<Self, IdentityError> {
        let keys: Option<Vec<KeyCredential>> = list(members.remove(MEMBER), MEMBER)?;
        let certificates = keys
            .map(|keys| {
                if keys.len() > certificates::CERTIFICATES_MAX {
                    return Err(IdentityError::invalid(MEMBER, "there may be at most 10: remove old ones"));
                }
                keys.into_iter()
                    .map(|key| match (&key.key, key.key_id) {
                        (None, Some(key_id)) => {
                            check_display_name(key.display_name.as_ref())?;
                            Ok(KeyEntry::Kept { key_id, display_name: key.display_name })
                        }
                        _ => Ok(KeyEntry::New(Box::new(key.into_certificate(identity, now)?))),
                    })
                    .collect()
            })
            .transpose()?;
        let named: Option<Vec<PasswordCredential>> =
            list(members.remove("passwordCredentials"), "passwordCredentials")?;
        let secrets = named
            .map(|all| {
                all.into_iter()
                    .map(|one| match (one.key_id, one.secret_text.map(Secret::new)) {
                        (Some(key_id), None) => Ok(key_id),
                        _ => Err(IdentityError::invalid(
                            "passwordCredentials",
                            "secrets are made by the server: call addPassword",
                        )),
                    })
                    .collect()
            })
            .transpose()?;
        Ok(Self { certificates, secrets })
    }

    /// Writes it, for an application or service principal that is kept for this transaction.
    pub(crate) async fn apply(
        &self,
        tx: &mut WriteTx,
        tenant: TenantId,
        client: Client,
        stamp: &Stamp,
    ) -> Result<(), IdentityError> {
        if self.certificates.is_none() && self.secrets.is_none() {
            return Ok(());
        }
        privileges::ensure_may_control(tx, tenant, stamp, client.app_id).await?;
        if let Some(named) = &self.secrets {
            keep_secrets(tx, client, named, stamp).await?;
        }
        match &self.certificates {
            Some(entries) => set_certificates(tx, client, entries, stamp).await,
            None => Ok(()),
        }
    }
}

fn list<T: serde::de::DeserializeOwned>(
    value: Option<Value>,
    member: &str,
) -> Result<Option<Vec<T>>, IdentityError> {
    let Some(value) = value else { return Ok(None) };
    if value.is_null() {
        return Ok(Some(Vec::new()));
    }
    parse(without_annotations(&value)).map(Some).map_err(|error| match error {
        IdentityError::Invalid { property, reason } => {
            let gap = if property.is_empty() || property.starts_with('[') { "" } else { "." };
            IdentityError::invalid(format!("{member}{gap}{property}"), reason)
        }
        other => other,
    })
}

async fn keep_secrets(
    tx: &mut WriteTx,
    client: Client,
    named: &[CredentialId],
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    let present = sql::secrets(tx, client.id).await?;
    if let Some(unknown) = named.iter().find(|id| !present.iter().any(|secret| secret.key_id == **id)) {
        return Err(IdentityError::invalid(
            "passwordCredentials",
            format!("{unknown} is no secret of this object: new ones are made with addPassword"),
        ));
    }
    for secret in present.iter().filter(|secret| !named.contains(&secret.key_id)) {
        sql::delete_secret(tx, client.id, secret.key_id).await?;
        let detail = Some(format!("secret {}", secret.key_id));
        stamp.record(tx, Action::CredentialRemoved, client.app_id, detail).await?;
    }
    Ok(())
}

async fn set_certificates(
    tx: &mut WriteTx,
    client: Client,
    entries: &[KeyEntry],
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    let owner = client.id;
    let present = sql::certificates(tx, owner).await?;
    let stays = |info: &CertificateInfo| {
        entries.iter().any(|entry| match entry {
            KeyEntry::Kept { key_id, .. } => *key_id == info.key_id,
            KeyEntry::New(new) => new.thumbprint == info.thumbprint,
        })
    };
    for gone in present.iter().filter(|info| !stays(info)) {
        sql::delete_certificate(tx, owner, gone.key_id).await?;
        let detail = Some(format!("certificate {}", gone.key_id));
        stamp.record(tx, Action::CredentialRemoved, client.app_id, detail).await?;
    }
    for entry in entries {
        match entry {
            KeyEntry::Kept { key_id, display_name } => {
                if !present.iter().any(|info| info.key_id == *key_id) {
                    return Err(IdentityError::invalid(
                        MEMBER,
                        format!(
                            "{key_id} is no certificate of this application, and there is no key to add one"
                        ),
                    ));
                }
                if let Some(name) = display_name {
                    sql::rename_certificate(tx, owner, *key_id, name).await?;
                }
            }
            // What is sent back with its key, as it was read, stays as it is.
            KeyEntry::New(new) if present.iter().any(|info| info.thumbprint == new.thumbprint) => {}
            KeyEntry::New(new) => {
                sql::insert_certificate(tx, owner, new).await.on_duplicate(MEMBER)?;
                let detail = Some(format!("certificate {}", new.key_id));
                stamp.record(tx, Action::CredentialAdded, client.app_id, detail).await?;
            }
        }
    }
    Ok(())
}

impl KeyCredential {
    /// Checks everything about it that does not need the database.
    pub(crate) fn into_certificate(
        self,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<CertificateInfo, IdentityError> {
        let refuse = |reason: &str| Err(IdentityError::invalid(MEMBER, reason));
        match self.kind.as_deref() {
            None | Some("AsymmetricX509Cert") => {}
            Some("X509CertAndPassword") => {
                return refuse(
                    "holds a private key, which must stay where it was made: use AsymmetricX509Cert",
                );
            }
            Some(_) => return refuse("type must be AsymmetricX509Cert"),
        }
        if !matches!(self.usage.as_deref(), None | Some("Verify")) {
            return refuse("usage must be Verify");
        }
        let Some(key) = self.key else {
            return refuse("key must hold the certificate: DER in base64, or PEM");
        };
        check_display_name(self.display_name.as_ref())?;
        if self.custom_key_identifier.as_ref().is_some_and(|id| id.len() > 128) {
            return refuse("customKeyIdentifier must not exceed 128 characters");
        }
        let certificate = read(&key)?;
        let mut info = certificates::info_of(&certificate, self.display_name, now)?;
        info.key_id = self.key_id.unwrap_or_else(|| CredentialId::new(identity.0.random.uuid()));
        info.custom_key_identifier = self.custom_key_identifier;
        let start = time("startDateTime", self.start_date_time.as_deref())?.unwrap_or(info.starts_at);
        let end = time("endDateTime", self.end_date_time.as_deref())?.unwrap_or(info.ends_at);
        // Whole seconds: a certificate knows no finer ones, whoever repeats its times may.
        if start.as_second() < info.starts_at.as_second() || end.as_second() > info.ends_at.as_second() {
            return refuse("startDateTime and endDateTime must lie within the certificate's own validity");
        }
        if end <= start || end <= now {
            return refuse("endDateTime must lie after startDateTime and in the future");
        }
        (info.starts_at, info.ends_at) = (start, end);
        Ok(info)
    }
}

/// The certificate in `key`: DER in base64, base64 of a PEM file, or a PEM file as it is.
fn read(key: &str) -> Result<Certificate, IdentityError> {
    let decoded = if key.contains("-----BEGIN ") {
        Ok(key.as_bytes().to_vec())
    } else {
        base64_decode(key).map_err(|_| CertificateError::Malformed)
    };
    let decoded = decoded.map(Secret::new);
    decoded.and_then(|file| Certificate::from_pem_or_der(file.expose())).map_err(|error| {
        IdentityError::invalid(
            MEMBER,
            match error {
                CertificateError::PrivateKey => {
                    "this is a private key: it must stay where it was made; send only the certificate, and \
                     consider the key as known to others"
                        .to_owned()
                }
                CertificateError::WeakKey => {
                    "the certificate's RSA key is smaller than 2048 bits: make one with 2048 or more"
                        .to_owned()
                }
                other => format!("{other}: send the certificate as DER in base64, or PEM"),
            },
        )
    })
}

pub(crate) fn time(member: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, IdentityError> {
    text.map(|text| {
        text.parse()
            .map_err(|_| IdentityError::invalid(member, "must be a time such as 2026-01-31T12:34:56Z"))
    })
    .transpose()
}

/// The wire's form of `customKeyIdentifier`: the owner's own, or the thumbprint's bytes.
pub(crate) fn custom_key_identifier(info: &CertificateInfo) -> String {
    let thumbprint = |at| info.thumbprint.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
    let bytes = || (0..info.thumbprint.len()).step_by(2).filter_map(thumbprint).collect::<Vec<u8>>();
    info.custom_key_identifier.clone().unwrap_or_else(|| base64_encode(bytes()))
}
