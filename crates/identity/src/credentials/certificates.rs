//! Client certificates: the public part, found again by thumbprint when an assertion comes (RFC 7523).

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_jose::Certificate;
use hilum_kernel::{AppId, CredentialId, TenantId};
use hilum_storage::db::WriteTx;
use jiff::Timestamp;

use super::{Client, CredentialOwner, Keep, check_display_name, sql};
use crate::{Identity, IdentityError, Stamp, error::OnDuplicate as _};

/// An assertion without thumbprint is tried with each of them.
pub(super) const CERTIFICATES_MAX: usize = 10;

/// A registered certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateInfo {
    /// Its ID.
    pub key_id: CredentialId,
    /// SHA-1 thumbprint in upper-case hexadecimal.
    pub thumbprint: String,
    /// The certificate in DER.
    pub der: Vec<u8>,
    /// Its description.
    pub display_name: Option<String>,
    /// Valid from: as the certificate says, or later.
    pub starts_at: Timestamp,
    /// Valid until: as the certificate says, or earlier.
    pub ends_at: Timestamp,
    /// A word of the owner's choice, in base64; the thumbprint if absent.
    pub custom_key_identifier: Option<String>,
}

/// A certificate to be registered.
#[derive(Debug, Clone)]
pub struct NewCertificate {
    /// The certificate. [`Certificate::from_pem_or_der`] refuses files that hold a private key.
    pub certificate: Certificate,
    /// Its description; the certificate's subject if absent.
    pub display_name: Option<String>,
    /// What happens to the others.
    pub keep: Keep,
}

/// A certificate just registered.
#[derive(Debug, Clone)]
pub struct AddedCertificate {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The client it belongs to.
    pub app_id: AppId,
    /// The certificate.
    pub info: CertificateInfo,
}

impl Identity {
    /// Registers a certificate for an application (by appId, object ID or identifier URI) or a service principal.
    ///
    /// # Errors
    /// [`IdentityError::Conflict`] when it is registered already; [`IdentityError::Invalid`] when it has expired, is
    /// weak, or there are too many.
    pub async fn add_certificate(
        &self,
        actor: &Actor,
        owner: impl Into<CredentialOwner>,
        new: NewCertificate,
    ) -> Result<AddedCertificate, IdentityError> {
        check_display_name(new.display_name.as_ref())?;
        let tenant_id = self.tenant().await?.id;
        let stamp = self.stamp(actor);
        let mut info = info_of(&new.certificate, new.display_name, crate::timestamp(stamp.at_ms))?;
        info.key_id = CredentialId::new(self.0.random.uuid());
        let input = (tenant_id, owner.into(), info.clone(), new.keep, stamp);
        let app_id = self
            .0
            .db
            .write(input, |tx, (tenant, owner, info, keep, stamp)| {
                async move {
                    let client = owner.locked(tx, *tenant, stamp).await?;
                    if *keep == Keep::None {
                        sql::delete_certificates(tx, client.id).await?;
                    }
                    insert(tx, client, info, stamp).await?;
                    Ok::<_, IdentityError>(client.app_id)
                }
                .boxed()
            })
            .await?;
        Ok(AddedCertificate { tenant_id, app_id, info })
    }

    /// Removes a certificate by its ID.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for an unknown object or certificate.
    pub async fn remove_certificate(
        &self,
        actor: &Actor,
        owner: impl Into<CredentialOwner>,
        key_id: CredentialId,
    ) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        let input = (tenant, owner.into(), key_id, self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, owner, key_id, stamp)| {
                async move {
                    let client = owner.locked(tx, *tenant, stamp).await?;
                    remove(tx, client, *key_id, stamp).await
                }
                .boxed()
            })
            .await
    }
}

/// What is kept of a certificate, if it may be registered. The ID is the caller's to give.
pub(super) fn info_of(
    certificate: &Certificate,
    display_name: Option<String>,
    now: Timestamp,
) -> Result<CertificateInfo, IdentityError> {
    let validity = certificate.validity();
    if validity.not_after <= now {
        return Err(IdentityError::invalid("keyCredentials", "the certificate has expired: make a new one"));
    }
    if certificate.is_weakly_signed() {
        return Err(IdentityError::invalid(
            "keyCredentials",
            "the certificate is signed over SHA-1 or MD5: make one that is signed over SHA-256",
        ));
    }
    let subject = || certificate.subject().chars().take(super::DISPLAY_NAME_CHARS_MAX).collect();
    Ok(CertificateInfo {
        key_id: CredentialId::new(uuid::Uuid::nil()),
        thumbprint: certificate.thumbprint_hex(),
        der: certificate.der().to_vec(),
        display_name: Some(display_name.unwrap_or_else(subject)),
        starts_at: validity.not_before,
        ends_at: validity.not_after,
        custom_key_identifier: None,
    })
}

pub(super) async fn insert(
    tx: &mut WriteTx,
    client: Client,
    info: &CertificateInfo,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    if sql::certificates(tx, client.id).await?.len() >= CERTIFICATES_MAX {
        return Err(IdentityError::invalid("keyCredentials", "there may be at most 10: remove old ones"));
    }
    sql::insert_certificate(tx, client.id, info).await.on_duplicate("keyCredentials")?;
    let detail = Some(format!("certificate {}", info.key_id));
    stamp.record(tx, Action::CredentialAdded, client.app_id, detail).await?;
    Ok(())
}

pub(super) async fn remove(
    tx: &mut WriteTx,
    client: Client,
    key_id: CredentialId,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    if !sql::delete_certificate(tx, client.id, key_id).await? {
        return Err(IdentityError::not_found("certificate", key_id));
    }
    let detail = Some(format!("certificate {key_id}"));
    stamp.record(tx, Action::CredentialRemoved, client.app_id, detail).await?;
    Ok(())
}
