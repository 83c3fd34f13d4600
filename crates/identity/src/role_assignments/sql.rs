//! The table of role assignments.

use hilum_kernel::{ObjectId, TenantId};
use hilum_storage::db::{DbError, ReadTx, Row, Sql, Statement, WriteTx};
use uuid::Uuid;

use super::{RoleAssignment, definitions};
use crate::{IdentityError, LIST_MAX, PrincipalKind, error::OnDuplicate as _, timestamp};

pub(crate) const SCHEMA: Sql = "CREATE TABLE role_assignment (
        id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, role_id TEXT NOT NULL, principal_id TEXT NOT NULL,
        principal_kind TEXT NOT NULL, scope TEXT NOT NULL, created_at_ms BIGINT NOT NULL,
        UNIQUE (principal_id, role_id, scope))";

const COLUMNS: Sql =
    "SELECT id, role_id, principal_id, principal_kind, scope, created_at_ms FROM role_assignment
    WHERE tenant_id = ";
const INSERT: Sql =
    "INSERT INTO role_assignment (id, tenant_id, role_id, principal_id, principal_kind, scope, created_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const DELETE: Sql = "DELETE FROM role_assignment WHERE id = $1";
const DELETE_OF_PRINCIPAL: Sql = "DELETE FROM role_assignment WHERE principal_id = $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[INSERT, DELETE, DELETE_OF_PRINCIPAL];

/// What to select by; all parts must hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    pub(crate) ids: Option<Vec<Uuid>>,
    pub(crate) role: Option<Uuid>,
    pub(crate) principal: Option<ObjectId>,
    pub(crate) scope: Option<String>,
}

pub(crate) async fn select(
    tx: &mut ReadTx,
    tenant: TenantId,
    selection: &Selection,
) -> Result<Vec<RoleAssignment>, DbError> {
    let mut statement = Statement::new(COLUMNS);
    statement.bind(tenant);
    if let Some(ids) = &selection.ids {
        statement.push(" AND id IN (").bind_list(ids.iter().map(Uuid::to_string)).push(")");
    }
    if let Some(role) = selection.role {
        statement.push(" AND role_id = ").bind(role.to_string());
    }
    if let Some(principal) = selection.principal {
        statement.push(" AND principal_id = ").bind(principal);
    }
    if let Some(scope) = &selection.scope {
        statement.push(" AND scope = ").bind(scope);
    }
    statement.push(" ORDER BY created_at_ms, id LIMIT ").bind(i64::try_from(LIST_MAX).unwrap_or(i64::MAX));
    tx.fetch_all_of(&statement).await?.iter().map(read).collect()
}

pub(crate) async fn insert(
    tx: &mut WriteTx,
    tenant: TenantId,
    assignment: &RoleAssignment,
) -> Result<(), IdentityError> {
    let row = [
        assignment.id.to_string().into(),
        tenant.into(),
        assignment.role.id.to_string().into(),
        assignment.principal_id.into(),
        assignment.principal_kind.as_str().into(),
        (&assignment.scope).into(),
        assignment.created_at.as_millisecond().into(),
    ];
    tx.execute(INSERT, &row).await.on_duplicate("roleAssignment").map(drop)
}

pub(crate) async fn delete(tx: &mut WriteTx, id: Uuid) -> Result<(), DbError> {
    tx.execute(DELETE, &[id.to_string().into()]).await.map(drop)
}

pub(crate) async fn delete_of_principal(tx: &mut WriteTx, principal: ObjectId) -> Result<(), DbError> {
    tx.execute(DELETE_OF_PRINCIPAL, &[principal.into()]).await.map(drop)
}

fn read(row: &Row) -> Result<RoleAssignment, DbError> {
    Ok(RoleAssignment {
        id: row.id(0)?,
        role: definitions::find(&row.text(1)?).ok_or(DbError::Corrupt { column: 1 })?,
        principal_id: row.id(2)?,
        principal_kind: PrincipalKind::parse(&row.text(3)?).ok_or(DbError::Corrupt { column: 3 })?,
        scope: row.text(4)?,
        created_at: timestamp(row.int(5)?),
        principal_name: String::new(),
    })
}
