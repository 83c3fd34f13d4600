//! Credentials that end soon or have ended, of applications and service principals. Those of deleted objects do not
//! count: their holders' rows are gone.

use hilum_kernel::{AppId, CredentialId, TenantId};
use hilum_storage::db::{DbError, ReadTx, Sql, WriteTx};
use jiff::Timestamp;

use crate::timestamp;

/// What was told of a credential, and the order by end that the watch reads in.
pub(crate) const EXPIRY_SCHEMA: Sql = "CREATE TABLE credential_notice (
        key_id TEXT NOT NULL, days BIGINT NOT NULL, noted_at_ms BIGINT NOT NULL, PRIMARY KEY (key_id, days));
    CREATE INDEX client_secret_end ON client_secret (ends_at_ms);
    CREATE INDEX client_certificate_end ON client_certificate (ends_at_ms)";

const SECRETS_OF_APPLICATIONS: Sql = "SELECT c.key_id, c.display_name, c.ends_at_ms, h.app_id
    FROM client_secret c JOIN application h ON h.object_id = c.application_id
    WHERE h.tenant_id = $1 AND c.ends_at_ms <= $2 AND (c.ends_at_ms, c.key_id) > ($3, $4)
    ORDER BY c.ends_at_ms, c.key_id LIMIT $5";
const SECRETS_OF_PRINCIPALS: Sql = "SELECT c.key_id, c.display_name, c.ends_at_ms, h.app_id
    FROM client_secret c JOIN service_principal h ON h.id = c.application_id
    WHERE h.tenant_id = $1 AND c.ends_at_ms <= $2 AND (c.ends_at_ms, c.key_id) > ($3, $4)
    ORDER BY c.ends_at_ms, c.key_id LIMIT $5";
const CERTIFICATES_OF_APPLICATIONS: Sql = "SELECT c.key_id, c.display_name, c.ends_at_ms, h.app_id
    FROM client_certificate c JOIN application h ON h.object_id = c.application_id
    WHERE h.tenant_id = $1 AND c.ends_at_ms <= $2 AND (c.ends_at_ms, c.key_id) > ($3, $4)
    ORDER BY c.ends_at_ms, c.key_id LIMIT $5";
const CERTIFICATES_OF_PRINCIPALS: Sql = "SELECT c.key_id, c.display_name, c.ends_at_ms, h.app_id
    FROM client_certificate c JOIN service_principal h ON h.id = c.application_id
    WHERE h.tenant_id = $1 AND c.ends_at_ms <= $2 AND (c.ends_at_ms, c.key_id) > ($3, $4)
    ORDER BY c.ends_at_ms, c.key_id LIMIT $5";
const NOTE: Sql = "INSERT INTO credential_notice (key_id, days, noted_at_ms) VALUES ($1, $2, $3)
    ON CONFLICT (key_id, days) DO NOTHING";
const FORGET: Sql = "DELETE FROM credential_notice WHERE key_id NOT IN
    (SELECT key_id FROM client_secret UNION ALL SELECT key_id FROM client_certificate)";

#[cfg(test)]
pub(crate) const EXPIRY_STATEMENTS: &[Sql] = &[
    SECRETS_OF_APPLICATIONS,
    SECRETS_OF_PRINCIPALS,
    CERTIFICATES_OF_APPLICATIONS,
    CERTIFICATES_OF_PRINCIPALS,
    NOTE,
    FORGET,
];

/// What kind of credential it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// A client secret.
    Secret,
    /// A certificate.
    Certificate,
}

/// Who holds a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialHolder {
    /// The application's registration.
    Application,
    /// Its service principal.
    ServicePrincipal,
}

/// One that ends.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    pub(crate) key_id: CredentialId,
    pub(crate) kind: CredentialKind,
    pub(crate) holder: CredentialHolder,
    pub(crate) app_id: AppId,
    pub(crate) display_name: Option<String>,
    pub(crate) ends_at: Timestamp,
}

/// Those that end by then, the earliest first: all of them, read `page` at a time, so that many which ended long ago do
/// not hide one that ends tomorrow.
pub(crate) async fn ending_by(
    tx: &mut ReadTx,
    tenant: TenantId,
    time: Timestamp,
    page: usize,
) -> Result<Vec<Ending>, DbError> {
    let mut all = Vec::new();
    for (sql, kind, holder) in [
        (SECRETS_OF_APPLICATIONS, CredentialKind::Secret, CredentialHolder::Application),
        (SECRETS_OF_PRINCIPALS, CredentialKind::Secret, CredentialHolder::ServicePrincipal),
        (CERTIFICATES_OF_APPLICATIONS, CredentialKind::Certificate, CredentialHolder::Application),
        (CERTIFICATES_OF_PRINCIPALS, CredentialKind::Certificate, CredentialHolder::ServicePrincipal),
    ] {
        let mut after = (i64::MIN, String::new());
        loop {
            let (ends_at_ms, key) = &after;
            let limit = i64::try_from(page.max(1)).unwrap_or(i64::MAX);
            let until = time.as_millisecond();
            let row = [tenant.into(), until.into(), (*ends_at_ms).into(), key.into(), limit.into()];
            let rows = tx.fetch_all(sql, &row).await?;
            for row in &rows {
                after = (row.int(2)?, row.text(0)?);
                all.push(Ending {
                    key_id: row.id(0)?,
                    kind,
                    holder,
                    app_id: row.id(3)?,
                    display_name: row.opt_text(1)?,
                    ends_at: timestamp(row.int(2)?),
                });
            }
            if rows.len() < page.max(1) {
                break;
            }
        }
    }
    all.sort_by_key(|ending| (ending.ends_at, ending.key_id.uuid()));
    Ok(all)
}

/// Notes that it was told; tells whether for the first time.
pub(crate) async fn note_ending(
    tx: &mut WriteTx,
    key: CredentialId,
    days: i64,
    at_ms: i64,
) -> Result<bool, DbError> {
    Ok(tx.execute(NOTE, &[key.into(), days.into(), at_ms.into()]).await? > 0)
}

/// Forgets notes about credentials that are no more.
pub(crate) async fn forget_notes(tx: &mut WriteTx) -> Result<(), DbError> {
    tx.execute(FORGET, &[]).await.map(drop)
}
