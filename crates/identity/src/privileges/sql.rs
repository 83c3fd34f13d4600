//! What a principal has, read over the tables of several nouns: like the token's reading path this one joins them,
//! because what counts is what a token would hold. It only reads.

use hilum_kernel::{AppRoleId, ObjectId, TenantId};
use hilum_storage::db::{DbError, ReadTx, Sql};
use uuid::Uuid;

/// How deep groups in groups are followed.
const DEPTH_MAX: i64 = 20;

/// The groups a principal is in, directly or through others.
const GROUPS: Sql = "WITH RECURSIVE around (id, depth) AS (
        SELECT group_id, CAST(1 AS BIGINT) FROM group_member WHERE member_id = $1
        UNION SELECT m.group_id, a.depth + 1 FROM around a JOIN group_member m ON m.member_id = a.id WHERE a.depth < $2)
    SELECT id, MIN(depth) FROM around GROUP BY id LIMIT 10000";
/// The application roles of one principal: resource, its application, role, its value.
const APP_ROLES: Sql = "SELECT g.resource_id, p.app_id, g.app_role_id, r.value
    FROM app_role_assignment g
    JOIN service_principal p ON p.id = g.resource_id
    LEFT JOIN application a ON a.tenant_id = p.tenant_id AND a.app_id = p.app_id
    LEFT JOIN app_role r ON r.application_id = a.object_id AND r.id = g.app_role_id
    WHERE g.principal_id = $1 AND g.tenant_id = $2 LIMIT 10000";
/// The roles assigned to one principal, of the directory or of data.
const ROLES: Sql =
    "SELECT role_id FROM role_assignment WHERE principal_id = $1 AND tenant_id = $2 LIMIT 10000";
/// The delegated permissions a client was granted: resource, its application, the values.
const DELEGATED: Sql = "SELECT g.resource_id, p.app_id, g.scope FROM permission_grant g
    JOIN service_principal p ON p.id = g.resource_id
    WHERE g.client_id = $1 AND g.tenant_id = $2 LIMIT 10000";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[GROUPS, APP_ROLES, ROLES, DELEGATED];

/// A role on a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HeldRole {
    pub(super) resource: ObjectId,
    pub(super) resource_app: hilum_kernel::AppId,
    pub(super) role: AppRoleId,
    pub(super) value: Option<String>,
}

/// Delegated permissions on a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeldScopes {
    pub(super) resource: ObjectId,
    pub(super) resource_app: hilum_kernel::AppId,
    pub(super) scope: String,
}

/// The groups around a principal, with how far away each is: 1 is a direct membership.
pub(super) async fn groups(tx: &mut ReadTx, principal: ObjectId) -> Result<Vec<(ObjectId, i64)>, DbError> {
    let rows = tx.fetch_all(GROUPS, &[principal.into(), DEPTH_MAX.into()]).await?;
    rows.iter().map(|row| Ok((row.id(0)?, row.int(1)?))).collect()
}

pub(super) async fn app_roles(
    tx: &mut ReadTx,
    tenant: TenantId,
    principal: ObjectId,
) -> Result<Vec<HeldRole>, DbError> {
    let rows = tx.fetch_all(APP_ROLES, &[principal.into(), tenant.into()]).await?;
    rows.iter()
        .map(|row| {
            Ok(HeldRole {
                resource: row.id(0)?,
                resource_app: row.id(1)?,
                role: row.id(2)?,
                value: row.opt_text(3)?,
            })
        })
        .collect()
}

pub(super) async fn roles(
    tx: &mut ReadTx,
    tenant: TenantId,
    principal: ObjectId,
) -> Result<Vec<Uuid>, DbError> {
    let rows = tx.fetch_all(ROLES, &[principal.into(), tenant.into()]).await?;
    rows.iter().map(|row| row.id(0)).collect()
}

pub(super) async fn delegated(
    tx: &mut ReadTx,
    tenant: TenantId,
    client: ObjectId,
) -> Result<Vec<HeldScopes>, DbError> {
    let rows = tx.fetch_all(DELEGATED, &[client.into(), tenant.into()]).await?;
    rows.iter()
        .map(|row| Ok(HeldScopes { resource: row.id(0)?, resource_app: row.id(1)?, scope: row.text(2)? }))
        .collect()
}
