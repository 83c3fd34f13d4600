//! Credentials: client secrets, client certificates, users' passwords.
//!
//! Owns `client_secret`, `client_certificate` and `user_password`. Nothing here can be turned back into a secret.
//! A client's credentials belong to its application or to its service principal, and hold for both alike.

mod certificates;
mod declared;
mod expiring;
mod hashing;
mod key_change;
pub(crate) mod passwords;
mod proof;
mod secrets;
mod sql;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use hilum_kernel::{AppId, ObjectId, TenantId};
use hilum_storage::db::{ReadTx, WriteTx};
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};

use crate::{Application, IdentityError, Stamp, Target, applications, privileges, service_principals};

#[cfg(test)]
pub(crate) use expiring::EXPIRY_STATEMENTS;
pub use expiring::{CredentialHolder, CredentialKind};
pub(crate) use expiring::{EXPIRY_SCHEMA, Ending, ending_by, forget_notes, note_ending};
pub(crate) use hashing::HashingPool;
pub(crate) use key_change::{KeyChange, custom_key_identifier, time};
pub(crate) use secrets::hash;
#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{
    SCHEMA, SCHEMA_WHOLE, certificates as certificates_of, certificates_of_client, secrets as secrets_of,
};

pub use certificates::{AddedCertificate, CertificateInfo, NewCertificate};
pub use key_change::KeyCredential;
pub use secrets::{AddedSecret, NewSecret, SecretInfo};

/// The longest description of a credential.
const DISPLAY_NAME_CHARS_MAX: usize = 120;

/// What happens to the application's other credentials of the same kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keep {
    /// They stay (`az … credential reset --append`, Graph's `addPassword`).
    #[default]
    Others,
    /// They go (`az … credential reset`).
    None,
}

/// Whose credentials are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialOwner {
    /// An application's.
    Application(Target),
    /// A service principal's.
    ServicePrincipal(Target),
}

impl From<&str> for CredentialOwner {
    fn from(name: &str) -> Self {
        Self::Application(name.into())
    }
}

impl From<&String> for CredentialOwner {
    fn from(name: &String) -> Self {
        Self::Application(name.into())
    }
}

/// An object that holds credentials.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    /// The application's or the service principal's ID.
    pub(crate) id: ObjectId,
    pub(crate) app_id: AppId,
}

impl Client {
    /// An application, as a holder of credentials of its own.
    pub(crate) const fn of(application: &Application) -> Self {
        Self { id: application.object_id, app_id: application.app_id }
    }
}

impl CredentialOwner {
    /// Finds the object and keeps it for this transaction, if the caller may act as that client.
    async fn locked(
        &self,
        tx: &mut WriteTx,
        tenant: TenantId,
        stamp: &Stamp,
    ) -> Result<Client, IdentityError> {
        let client = match self {
            Self::Application(target) => {
                let application = applications::locked(tx, tenant, target).await?;
                Client { id: application.object_id, app_id: application.app_id }
            }
            Self::ServicePrincipal(target) => principal(tx, tenant, target).await?,
        };
        privileges::ensure_may_control(tx, tenant, stamp, client.app_id).await?;
        Ok(client)
    }
}

async fn principal(tx: &mut WriteTx, tenant: TenantId, target: &Target) -> Result<Client, IdentityError> {
    let principal = service_principals::named(tx, tenant, &target.name).await?;
    service_principals::lock(tx, principal.id).await?;
    target.check(tx, principal.id, principal.version).await?;
    Ok(Client { id: principal.id, app_id: principal.app_id })
}

/// Fills in an application's credentials.
pub(crate) async fn attach(tx: &mut ReadTx, application: &mut Application) -> Result<(), IdentityError> {
    attach_all(tx, std::slice::from_mut(application)).await
}

/// Fills in the credentials of several applications, with two statements for all of them.
pub(crate) async fn attach_all(tx: &mut ReadTx, all: &mut [Application]) -> Result<(), IdentityError> {
    let ids: Vec<ObjectId> = all.iter().map(|application| application.object_id).collect();
    let mut secrets = sql::secrets_of(tx, &ids).await?;
    let mut certificates = sql::certificates_of(tx, &ids).await?;
    for application in all {
        application.secrets = secrets.remove(&application.object_id).unwrap_or_default();
        application.certificates = certificates.remove(&application.object_id).unwrap_or_default();
    }
    Ok(())
}

/// The credentials of several applications or service principals, by their IDs.
pub(crate) async fn of_all(
    tx: &mut ReadTx,
    ids: &[ObjectId],
) -> Result<(HashMap<ObjectId, Vec<SecretInfo>>, HashMap<ObjectId, Vec<CertificateInfo>>), IdentityError> {
    Ok((sql::secrets_of(tx, ids).await?, sql::certificates_of(tx, ids).await?))
}

/// Deletes all credentials of an application or service principal.
pub(crate) async fn delete_all(tx: &mut WriteTx, owner: ObjectId) -> Result<(), IdentityError> {
    sql::delete_secrets(tx, owner).await?;
    sql::delete_certificates(tx, owner).await?;
    Ok(())
}

fn check_display_name(name: Option<&String>) -> Result<(), IdentityError> {
    match name {
        Some(name) if name.chars().count() > DISPLAY_NAME_CHARS_MAX => {
            Err(IdentityError::invalid("displayName", "must not exceed 120 characters"))
        }
        Some(name) if name.chars().any(char::is_control) => {
            Err(IdentityError::invalid("displayName", "must not hold control characters"))
        }
        _ => Ok(()),
    }
}

/// Two calendar years later, as Entra counts.
fn two_years_after(time: Timestamp) -> Timestamp {
    time.to_zoned(TimeZone::UTC).checked_add(2.years()).map_or(time, |later| later.timestamp())
}
