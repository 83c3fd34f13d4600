//! The table of requirements, and the roles of a user in every way they are given.

use hilum_kernel::{TenantId, UserId};
use hilum_storage::db::{DbError, ReadTx, Sql, WriteTx};
use uuid::Uuid;

pub(crate) const SCHEMA: Sql = "CREATE TABLE second_factor_requirement (
        tenant_id TEXT NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL, created_at_ms BIGINT NOT NULL,
        PRIMARY KEY (tenant_id, kind, target))";

const ALL: Sql = "SELECT kind, target FROM second_factor_requirement WHERE tenant_id = $1 ORDER BY kind, target LIMIT 1000";
const PUT: Sql = "INSERT INTO second_factor_requirement (tenant_id, kind, target, created_at_ms)
    VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
const REMOVE: Sql =
    "DELETE FROM second_factor_requirement WHERE tenant_id = $1 AND kind = $2 AND target = $3";
/// Roles of the directory, of data, and app roles; by groups in groups, too: rather one question too many.
const ROLES: Sql = "WITH RECURSIVE around (id) AS (
        SELECT $1 UNION SELECT m.group_id FROM around a JOIN group_member m ON m.member_id = a.id)
    SELECT role_id FROM role_assignment WHERE principal_id IN (SELECT id FROM around)
    UNION SELECT app_role_id FROM app_role_assignment WHERE principal_id IN (SELECT id FROM around) LIMIT 10000";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[ALL, PUT, REMOVE, ROLES];

/// Kinds and targets.
pub(super) async fn all(tx: &mut ReadTx, tenant: TenantId) -> Result<Vec<(String, String)>, DbError> {
    let rows = tx.fetch_all(ALL, &[tenant.into()]).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
}

pub(super) async fn put(
    tx: &mut WriteTx,
    tenant: TenantId,
    (kind, target): (&str, &str),
    at_ms: i64,
) -> Result<bool, DbError> {
    Ok(tx.execute(PUT, &[tenant.into(), kind.into(), target.into(), at_ms.into()]).await? == 1)
}

pub(super) async fn remove(
    tx: &mut WriteTx,
    tenant: TenantId,
    (kind, target): (&str, &str),
) -> Result<bool, DbError> {
    Ok(tx.execute(REMOVE, &[tenant.into(), kind.into(), target.into()]).await? == 1)
}

pub(super) async fn roles_of(tx: &mut ReadTx, user: UserId) -> Result<Vec<Uuid>, DbError> {
    tx.fetch_all(ROLES, &[user.into()]).await?.iter().map(|row| row.id(0)).collect()
}
