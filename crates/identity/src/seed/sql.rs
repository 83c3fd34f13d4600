//! The table of what has been seeded: what an administrator removes since does not come back.

use std::collections::BTreeSet;

use hilum_kernel::{AppId, TenantId};
use hilum_storage::db::{DbError, ReadTx, Sql, WriteTx};

pub(crate) const SCHEMA: Sql = "CREATE TABLE seeded_item (
        tenant_id TEXT NOT NULL, app_id TEXT NOT NULL, item TEXT NOT NULL, PRIMARY KEY (tenant_id, app_id, item))";

const ITEMS: Sql = "SELECT item FROM seeded_item WHERE tenant_id = $1 AND app_id = $2 LIMIT 10000";
const INSERT: Sql = "INSERT INTO seeded_item (tenant_id, app_id, item) VALUES ($1, $2, $3)
    ON CONFLICT (tenant_id, app_id, item) DO NOTHING";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[ITEMS, INSERT];

pub(super) async fn items(
    tx: &mut ReadTx,
    tenant: TenantId,
    app_id: AppId,
) -> Result<BTreeSet<String>, DbError> {
    let rows = tx.fetch_all(ITEMS, &[tenant.into(), app_id.into()]).await?;
    rows.iter().map(|row| row.text(0)).collect()
}

pub(super) async fn insert(
    tx: &mut WriteTx,
    tenant: TenantId,
    app_id: AppId,
    item: &str,
) -> Result<(), DbError> {
    tx.execute(INSERT, &[tenant.into(), app_id.into(), item.into()]).await.map(drop)
}
