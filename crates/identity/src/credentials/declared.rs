//! Credentials made as one step of a larger transaction: when a declaration is applied.

use hilum_audit::Action;
use hilum_kernel::{CredentialId, Secret};
use hilum_storage::db::WriteTx;
use jiff::Timestamp;

use super::{
    CertificateInfo, Client, NewCertificate, SecretInfo,
    certificates::{CERTIFICATES_MAX, info_of},
    check_display_name,
    secrets::{HINT_CHARS, SECRETS_MAX, check_times, hash},
    sql,
};
use crate::{Identity, IdentityError, Stamp, error::OnDuplicate as _};

impl Identity {
    /// Makes a secret that is valid from now on. Its text is worth something only after the commit.
    pub(crate) async fn declare_secret(
        &self,
        tx: &mut WriteTx,
        client: Client,
        (display_name, ends_at): (&str, Timestamp),
        stamp: &Stamp,
    ) -> Result<(SecretInfo, Secret<String>), IdentityError> {
        let display_name = Some(display_name.to_owned());
        check_display_name(display_name.as_ref())?;
        let value = self.secret_text();
        let info = SecretInfo {
            key_id: CredentialId::new(self.0.random.uuid()),
            hint: value.expose().chars().take(HINT_CHARS).collect(),
            display_name,
            starts_at: crate::timestamp(stamp.at_ms),
            ends_at,
        };
        check_times(&info, crate::timestamp(stamp.at_ms))?;
        if sql::secrets(tx, client.id).await?.len() >= SECRETS_MAX {
            return Err(IdentityError::invalid("secrets", "there may be at most 50: remove old ones"));
        }
        let hash = hash(&self.0.secret_key, client.id, value.expose());
        sql::insert_secret(tx, client.id, &info, &hash).await?;
        let detail = Some(format!("secret {}", info.key_id));
        stamp.record(tx, Action::CredentialAdded, client.app_id, detail).await?;
        Ok((info, value))
    }

    /// Registers a certificate.
    pub(crate) async fn declare_certificate(
        &self,
        tx: &mut WriteTx,
        client: Client,
        new: NewCertificate,
        stamp: &Stamp,
    ) -> Result<CertificateInfo, IdentityError> {
        let info = self.certificate_info(new, stamp)?;
        if sql::certificates(tx, client.id).await?.len() >= CERTIFICATES_MAX {
            return Err(IdentityError::invalid("certificates", "there may be at most 10: remove old ones"));
        }
        sql::insert_certificate(tx, client.id, &info).await.on_duplicate("certificates")?;
        let detail = Some(format!("certificate {}", info.key_id));
        stamp.record(tx, Action::CredentialAdded, client.app_id, detail).await?;
        Ok(info)
    }

    fn certificate_info(&self, new: NewCertificate, stamp: &Stamp) -> Result<CertificateInfo, IdentityError> {
        check_display_name(new.display_name.as_ref())?;
        let mut info = info_of(&new.certificate, new.display_name, crate::timestamp(stamp.at_ms))?;
        info.key_id = CredentialId::new(self.0.random.uuid());
        Ok(info)
    }
}
