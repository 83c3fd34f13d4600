//! The tenant's table.

use hilum_kernel::TenantId;
use hilum_storage::db::{DbError, ReadTx, Row, Sql, WriteTx};

use super::Tenant;

pub(crate) const SCHEMA: Sql = "CREATE TABLE tenant (
    id TEXT PRIMARY KEY, domain TEXT NOT NULL UNIQUE, display_name TEXT NOT NULL, created_at_ms BIGINT NOT NULL)";

const SELECT: Sql =
    "SELECT id, domain, display_name, created_at_ms FROM tenant ORDER BY created_at_ms, id LIMIT 1";
const INSERT: Sql = "INSERT INTO tenant (id, domain, display_name, created_at_ms) VALUES ($1, $2, $3, $4)";

/// Changes nothing: who also wants the tenant for itself waits.
const LOCK: Sql = "UPDATE tenant SET display_name = display_name WHERE id = $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[SELECT, INSERT, LOCK];

pub(crate) async fn select(tx: &mut ReadTx) -> Result<Option<Tenant>, DbError> {
    tx.fetch_optional(SELECT, &[]).await?.map(|row| read(&row)).transpose()
}

pub(crate) async fn insert(tx: &mut WriteTx, tenant: &Tenant) -> Result<(), DbError> {
    let row = [
        tenant.id.into(),
        (&tenant.domain).into(),
        (&tenant.display_name).into(),
        tenant.created_at.as_millisecond().into(),
    ];
    tx.execute(INSERT, &row).await.map(drop)
}

/// Keeps the tenant for this transaction.
pub(crate) async fn lock(tx: &mut WriteTx, tenant: TenantId) -> Result<(), DbError> {
    tx.execute(LOCK, &[tenant.into()]).await.map(drop)
}

fn read(row: &Row) -> Result<Tenant, DbError> {
    Ok(Tenant {
        id: row.id(0)?,
        domain: row.text(1)?,
        display_name: row.text(2)?,
        created_at: crate::timestamp(row.int(3)?),
    })
}
