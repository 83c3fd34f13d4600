//! Credentials: client secrets, client certificates, users' passwords.
//!
//! Owns `client_secret`, `client_certificate` and `user_password`. Nothing here can be turned back into a secret.

mod certificates;
mod declared;
pub(crate) mod passwords;
mod secrets;
mod sql;

#[cfg(test)]
mod tests;

use hilum_kernel::ObjectId;
use hilum_storage::db::{ReadTx, WriteTx};
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};

use crate::{Application, IdentityError};

pub(crate) use secrets::hash;
#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{
    SCHEMA, certificates as certificates_of, certificates_of_client, secrets as secrets_of,
};

pub use certificates::{AddedCertificate, CertificateInfo, NewCertificate};
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

/// Fills in an application's credentials.
pub(crate) async fn attach(tx: &mut ReadTx, application: &mut Application) -> Result<(), IdentityError> {
    application.secrets = sql::secrets(tx, application.object_id).await?;
    application.certificates = sql::certificates(tx, application.object_id).await?;
    Ok(())
}

/// Deletes all credentials of an application.
pub(crate) async fn delete_all(tx: &mut WriteTx, application: ObjectId) -> Result<(), IdentityError> {
    sql::delete_secrets(tx, application).await?;
    sql::delete_certificates(tx, application).await?;
    Ok(())
}

fn check_display_name(name: Option<&String>) -> Result<(), IdentityError> {
    match name {
        Some(name) if name.chars().count() > DISPLAY_NAME_CHARS_MAX => {
            Err(IdentityError::invalid("displayName", "must not exceed 120 characters"))
        }
        _ => Ok(()),
    }
}

/// Two calendar years later, as Entra counts.
fn two_years_after(time: Timestamp) -> Timestamp {
    time.to_zoned(TimeZone::UTC).checked_add(2.years()).map_or(time, |later| later.timestamp())
}
