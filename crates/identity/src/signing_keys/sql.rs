//! The table of signing keys. Private keys are sealed under the master key.

use hilum_kernel::TenantId;
use hilum_storage::db::{DbError, ReadTx, Row, Sql, WriteTx};

use super::{KeyState, SigningKeyInfo};
use crate::timestamp;

pub(crate) const SCHEMA: Sql = "CREATE TABLE signing_key (
        kid TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, state TEXT NOT NULL, published_at_ms BIGINT NOT NULL,
        activated_at_ms BIGINT, retired_at_ms BIGINT, jwk TEXT NOT NULL, certificate BLOB NOT NULL, sealed BLOB NOT NULL);
    CREATE UNIQUE INDEX signing_key_current ON signing_key (tenant_id, state) WHERE state <> 'retired'";

const SELECT: Sql = "SELECT kid, state, published_at_ms, activated_at_ms, retired_at_ms, jwk, certificate
    FROM signing_key WHERE tenant_id = $1 ORDER BY published_at_ms, kid LIMIT 100";
const SEALED: Sql = "SELECT sealed FROM signing_key WHERE kid = $1";
const INSERT: Sql = "INSERT INTO signing_key
    (kid, tenant_id, state, published_at_ms, activated_at_ms, retired_at_ms, jwk, certificate, sealed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const PROMOTE: Sql = "UPDATE signing_key SET state = 'current', activated_at_ms = $2 WHERE kid = $1";
const RETIRE: Sql = "UPDATE signing_key SET state = 'retired', retired_at_ms = $2 WHERE kid = $1";
const DELETE: Sql = "DELETE FROM signing_key WHERE kid = $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[SELECT, SEALED, INSERT, PROMOTE, RETIRE, DELETE];

pub(crate) async fn select(tx: &mut ReadTx, tenant: TenantId) -> Result<Vec<SigningKeyInfo>, DbError> {
    tx.fetch_all(SELECT, &[tenant.into()]).await?.iter().map(read).collect()
}

pub(crate) async fn sealed(tx: &mut ReadTx, kid: &str) -> Result<Option<Vec<u8>>, DbError> {
    tx.fetch_optional(SEALED, &[kid.into()]).await?.map(|row| row.blob(0)).transpose()
}

pub(crate) async fn insert(
    tx: &mut WriteTx,
    tenant: TenantId,
    key: &SigningKeyInfo,
    sealed: &[u8],
) -> Result<(), DbError> {
    let row = [
        (&key.kid).into(),
        tenant.into(),
        key.state.as_str().into(),
        key.published_at.as_millisecond().into(),
        key.activated_at.map(jiff::Timestamp::as_millisecond).into(),
        key.retired_at.map(jiff::Timestamp::as_millisecond).into(),
        serde_json::to_string(&key.jwk).unwrap_or_default().into(),
        key.certificate.as_slice().into(),
        sealed.into(),
    ];
    tx.execute(INSERT, &row).await.map(drop)
}

pub(crate) async fn promote(tx: &mut WriteTx, kid: &str, at_ms: i64) -> Result<(), DbError> {
    tx.execute(PROMOTE, &[kid.into(), at_ms.into()]).await.map(drop)
}

pub(crate) async fn retire(tx: &mut WriteTx, kid: &str, at_ms: i64) -> Result<(), DbError> {
    tx.execute(RETIRE, &[kid.into(), at_ms.into()]).await.map(drop)
}

pub(crate) async fn delete(tx: &mut WriteTx, kid: &str) -> Result<(), DbError> {
    tx.execute(DELETE, &[kid.into()]).await.map(drop)
}

fn read(row: &Row) -> Result<SigningKeyInfo, DbError> {
    Ok(SigningKeyInfo {
        kid: row.text(0)?,
        state: KeyState::parse(&row.text(1)?).ok_or(DbError::Corrupt { column: 1 })?,
        published_at: timestamp(row.int(2)?),
        activated_at: row.opt_int(3)?.map(timestamp),
        retired_at: row.opt_int(4)?.map(timestamp),
        jwk: serde_json::from_str(&row.text(5)?).map_err(|_| DbError::Corrupt { column: 5 })?,
        certificate: row.blob(6)?,
    })
}
