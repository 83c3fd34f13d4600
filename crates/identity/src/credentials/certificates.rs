//! Client certificates: the public part, found again by thumbprint when an assertion comes (RFC 7523).

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_jose::Certificate;
use hilum_kernel::{AppId, CredentialId, TenantId};
use hilum_storage::db::WriteTx;
use jiff::Timestamp;

use super::{Keep, check_display_name, sql};
use crate::{Identity, IdentityError, Stamp, applications, error::OnDuplicate as _, privileges};

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
    /// Valid from, as the certificate says.
    pub starts_at: Timestamp,
    /// Valid until, as the certificate says.
    pub ends_at: Timestamp,
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
    /// Registers a certificate for an application named by appId, object ID or identifier URI.
    ///
    /// # Errors
    /// [`IdentityError::Conflict`] when it is registered already; [`IdentityError::Invalid`] when it has expired or
    /// there are too many.
    pub async fn add_certificate(
        &self,
        actor: &Actor,
        application: &str,
        new: NewCertificate,
    ) -> Result<AddedCertificate, IdentityError> {
        check_display_name(new.display_name.as_ref())?;
        let tenant_id = self.tenant().await?.id;
        let stamp = self.stamp(actor);
        let validity = new.certificate.validity();
        if validity.not_after <= crate::timestamp(stamp.at_ms) {
            return Err(IdentityError::invalid("keyCredentials", "the certificate has expired"));
        }
        let subject: String = new.certificate.subject().chars().take(super::DISPLAY_NAME_CHARS_MAX).collect();
        let info = CertificateInfo {
            key_id: CredentialId::new(self.0.random.uuid()),
            thumbprint: new.certificate.thumbprint_hex(),
            der: new.certificate.der().to_vec(),
            display_name: Some(new.display_name.unwrap_or(subject)),
            starts_at: validity.not_before,
            ends_at: validity.not_after,
        };
        let input = (tenant_id, application.to_owned(), info.clone(), new.keep, stamp);
        let app_id = self
            .0
            .db
            .write(input, |tx, (tenant, application, info, keep, stamp)| {
                add(tx, (*tenant, application), info, *keep, stamp).boxed()
            })
            .await?;
        Ok(AddedCertificate { tenant_id, app_id, info })
    }

    /// Removes a certificate by its ID.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for an unknown application or certificate.
    pub async fn remove_certificate(
        &self,
        actor: &Actor,
        application: &str,
        key_id: CredentialId,
    ) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        let input = (tenant, application.to_owned(), key_id, self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, application, key_id, stamp)| {
                async move {
                    let application = applications::required(tx, *tenant, application).await?;
                    if !sql::delete_certificate(tx, application.object_id, *key_id).await? {
                        return Err(IdentityError::not_found("certificate", key_id));
                    }
                    let detail = Some(format!("certificate {key_id}"));
                    stamp.record(tx, Action::CredentialRemoved, application.app_id, detail).await?;
                    Ok(())
                }
                .boxed()
            })
            .await
    }
}

async fn add(
    tx: &mut WriteTx,
    (tenant, application): (TenantId, &str),
    info: &CertificateInfo,
    keep: Keep,
    stamp: &Stamp,
) -> Result<AppId, IdentityError> {
    let application = applications::required(tx, tenant, application).await?;
    privileges::ensure_may_control(tx, tenant, stamp, application.app_id).await?;
    if keep == Keep::None {
        sql::delete_certificates(tx, application.object_id).await?;
    } else if sql::certificates(tx, application.object_id).await?.len() >= CERTIFICATES_MAX {
        return Err(IdentityError::invalid("keyCredentials", "there may be at most 10: remove old ones"));
    }
    sql::insert_certificate(tx, application.object_id, info).await.on_duplicate("keyCredentials")?;
    let detail = Some(format!("certificate {}", info.key_id));
    stamp.record(tx, Action::CredentialAdded, application.app_id, detail).await?;
    Ok(application.app_id)
}
