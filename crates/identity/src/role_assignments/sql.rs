//! The table of role assignments.

use std::sync::Arc;

use hilum_kernel::{ObjectId, TenantId};
use hilum_storage::db::{DbError, ReadTx, Row, Sql, Statement, WriteTx};
use uuid::Uuid;

use super::{RoleAssignment, RoleDefinition, RoleKind, RoleOrigin, definitions};
use crate::{IdentityError, LIST_MAX, PrincipalKind, error::OnDuplicate as _, folded, timestamp};

pub(crate) const SCHEMA: Sql = "CREATE TABLE role_assignment (
        id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, role_id TEXT NOT NULL, principal_id TEXT NOT NULL,
        principal_kind TEXT NOT NULL, scope TEXT NOT NULL, created_at_ms BIGINT NOT NULL,
        UNIQUE (principal_id, role_id, scope))";

/// Roles of one's own.
pub(crate) const SCHEMA_CUSTOM: Sql = "CREATE TABLE role_definition (
        id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, name TEXT NOT NULL, name_folded TEXT NOT NULL,
        description TEXT NOT NULL, origin TEXT NOT NULL, data_actions TEXT NOT NULL, not_data_actions TEXT NOT NULL,
        assignable_scopes TEXT NOT NULL, created_at_ms BIGINT NOT NULL, updated_at_ms BIGINT NOT NULL,
        UNIQUE (tenant_id, name_folded))";

const COLUMNS: Sql = "SELECT a.id, a.role_id, a.principal_id, a.principal_kind, a.scope, a.created_at_ms,
        d.id, d.name, d.description, d.origin, d.data_actions, d.not_data_actions, d.assignable_scopes
    FROM role_assignment a LEFT JOIN role_definition d ON d.id = a.role_id AND d.tenant_id = a.tenant_id
    WHERE a.tenant_id = ";
const DEFINITIONS: Sql =
    "SELECT id, name, description, origin, data_actions, not_data_actions, assignable_scopes FROM role_definition
    WHERE tenant_id = $1 ORDER BY name_folded LIMIT 1000";
const DEFINITION: Sql =
    "SELECT id, name, description, origin, data_actions, not_data_actions, assignable_scopes FROM role_definition
    WHERE tenant_id = $1 AND (id = $2 OR name_folded = $3)";
const STORE_DEFINITION: Sql =
    "INSERT INTO role_definition (id, tenant_id, name, name_folded, description, origin,
    data_actions, not_data_actions, assignable_scopes, created_at_ms, updated_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_folded = excluded.name_folded,
    description = excluded.description, origin = excluded.origin, data_actions = excluded.data_actions,
    not_data_actions = excluded.not_data_actions, assignable_scopes = excluded.assignable_scopes,
    updated_at_ms = excluded.updated_at_ms";
const DELETE_DEFINITION: Sql = "DELETE FROM role_definition WHERE id = $1 AND tenant_id = $2";
const INSERT: Sql =
    "INSERT INTO role_assignment (id, tenant_id, role_id, principal_id, principal_kind, scope, created_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const DELETE: Sql = "DELETE FROM role_assignment WHERE id = $1";
const DELETE_OF_PRINCIPAL: Sql = "DELETE FROM role_assignment WHERE principal_id = $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] =
    &[DEFINITIONS, DEFINITION, STORE_DEFINITION, DELETE_DEFINITION, INSERT, DELETE, DELETE_OF_PRINCIPAL];

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
        statement.push(" AND a.id IN (").bind_list(ids.iter().map(Uuid::to_string)).push(")");
    }
    if let Some(role) = selection.role {
        statement.push(" AND a.role_id = ").bind(role.to_string());
    }
    if let Some(principal) = selection.principal {
        statement.push(" AND a.principal_id = ").bind(principal);
    }
    if let Some(scope) = &selection.scope {
        statement.push(" AND a.scope = ").bind(scope);
    }
    statement
        .push(" ORDER BY a.created_at_ms, a.id LIMIT ")
        .bind(i64::try_from(LIST_MAX).unwrap_or(i64::MAX));
    tx.fetch_all_of(&statement).await?.iter().map(read).collect()
}

/// In the order of their IDs, behind one.
pub(super) async fn page(
    tx: &mut ReadTx,
    tenant: TenantId,
    after: Uuid,
    limit: usize,
) -> Result<Vec<RoleAssignment>, DbError> {
    let mut statement = Statement::new(COLUMNS);
    statement.bind(tenant).push(" AND a.id > ").bind(after.to_string());
    statement.push(" ORDER BY a.id LIMIT ").bind(i64::try_from(limit.min(LIST_MAX)).unwrap_or(i64::MAX));
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

pub(super) async fn definitions(tx: &mut ReadTx, tenant: TenantId) -> Result<Vec<RoleDefinition>, DbError> {
    let rows = tx.fetch_all(DEFINITIONS, &[tenant.into()]).await?;
    rows.iter().map(|row| read_definition(row, 0)).collect()
}

/// By name, in any case, or by GUID.
pub(super) async fn definition(
    tx: &mut ReadTx,
    tenant: TenantId,
    name: &str,
) -> Result<Option<RoleDefinition>, DbError> {
    let values = [tenant.into(), name.to_lowercase().into(), folded(name).into()];
    tx.fetch_optional(DEFINITION, &values).await?.map(|row| read_definition(&row, 0)).transpose()
}

pub(super) async fn store_definition(
    tx: &mut WriteTx,
    tenant: TenantId,
    role: &RoleDefinition,
    at_ms: i64,
) -> Result<(), IdentityError> {
    let row = [
        role.id.to_string().into(),
        tenant.into(),
        (&role.name).into(),
        folded(&role.name).into(),
        (&role.description).into(),
        origin_text(role.origin).into(),
        list_text(&role.data_actions).into(),
        list_text(&role.not_data_actions).into(),
        list_text(&role.assignable_scopes).into(),
        at_ms.into(),
    ];
    tx.execute(STORE_DEFINITION, &row).await.on_duplicate("roleName").map(drop)
}

pub(super) async fn delete_definition(tx: &mut WriteTx, tenant: TenantId, id: Uuid) -> Result<(), DbError> {
    tx.execute(DELETE_DEFINITION, &[id.to_string().into(), tenant.into()]).await.map(drop)
}

const fn origin_text(origin: RoleOrigin) -> &'static str {
    match origin {
        RoleOrigin::BuiltIn => "built-in",
        RoleOrigin::Custom => "custom",
        RoleOrigin::Configured => "configured",
    }
}

/// The actions and scopes hold no line breaks.
fn list_text(items: &[String]) -> String {
    items.join("\n")
}

fn list(text: &str) -> Vec<String> {
    text.split('\n').filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn read_definition(row: &Row, first: usize) -> Result<RoleDefinition, DbError> {
    let origin = row.text(first + 3)?;
    Ok(RoleDefinition {
        id: row.id(first)?,
        name: row.text(first + 1)?,
        description: row.text(first + 2)?,
        kind: RoleKind::DicomData,
        origin: [RoleOrigin::Custom, RoleOrigin::Configured]
            .into_iter()
            .find(|known| origin_text(*known) == origin)
            .ok_or(DbError::Corrupt { column: first + 3 })?,
        data_actions: list(&row.text(first + 4)?),
        not_data_actions: list(&row.text(first + 5)?),
        assignable_scopes: list(&row.text(first + 6)?),
    })
}

fn read(row: &Row) -> Result<RoleAssignment, DbError> {
    let role = match definitions::find(&row.text(1)?) {
        Some(role) => role.definition(),
        None => read_definition(row, 6)?,
    };
    Ok(RoleAssignment {
        id: row.id(0)?,
        role: Arc::new(role),
        principal_id: row.id(2)?,
        principal_kind: PrincipalKind::parse(&row.text(3)?).ok_or(DbError::Corrupt { column: 3 })?,
        scope: row.text(4)?,
        created_at: timestamp(row.int(5)?),
        principal_name: String::new(),
    })
}
