//! Reads role assignments the way authorization needs them.

use hilum_kernel::{ObjectId, TenantId};
use hilum_storage::db::{DbError, ReadTx, Sql, WriteTx};
use uuid::Uuid;

/// Direct, and through role-assignable groups. More rows than roles: one for each way.
const ROLES_OF: Sql = "SELECT r.role_id FROM role_assignment r
    WHERE r.tenant_id = $1 AND r.principal_id IN (
        SELECT $2 UNION ALL
        SELECT g.id FROM group_member m JOIN directory_group g ON g.id = m.group_id
        WHERE m.member_id = $2 AND g.assignable_to_role = 1)
    ORDER BY r.role_id LIMIT 1000";

/// An enabled user with a role, directly or through a role-assignable group.
const ENABLED_HOLDER: Sql = "SELECT u.id FROM (
        SELECT r.principal_id AS id FROM role_assignment r WHERE r.tenant_id = $1 AND r.role_id = $2
        UNION ALL
        SELECT m.member_id FROM role_assignment r
            JOIN directory_group g ON g.id = r.principal_id AND g.assignable_to_role = 1
            JOIN group_member m ON m.group_id = g.id
            WHERE r.tenant_id = $1 AND r.role_id = $2) holder
    JOIN directory_user u ON u.id = holder.id
    WHERE u.tenant_id = $1 AND u.account_enabled = 1 LIMIT 1";
/// Changes nothing: who looks whether an administrator remains waits for others who do.
const TAKE_TURN: Sql = "UPDATE tenant SET id = id WHERE id = $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[ROLES_OF, ENABLED_HOLDER, TAKE_TURN];

pub(crate) async fn has_enabled_holder(
    tx: &mut ReadTx,
    tenant: TenantId,
    role: Uuid,
) -> Result<bool, DbError> {
    let row = tx.fetch_optional(ENABLED_HOLDER, &[tenant.into(), role.to_string().into()]).await?;
    Ok(row.is_some())
}

pub(crate) async fn take_turn(tx: &mut WriteTx, tenant: TenantId) -> Result<(), DbError> {
    tx.execute(TAKE_TURN, &[tenant.into()]).await.map(drop)
}

pub(crate) async fn roles_of(
    tx: &mut ReadTx,
    tenant: TenantId,
    principal: ObjectId,
) -> Result<Vec<Uuid>, DbError> {
    tx.fetch_all(ROLES_OF, &[tenant.into(), principal.into()]).await?.iter().map(|row| row.id(0)).collect()
}
