//! The table of service principals.

use hilum_kernel::{AppId, ObjectId, TenantId};
use hilum_storage::db::{DbError, ReadTx, Row, Sql, Statement, WriteTx};

use super::{ServicePrincipal, ServicePrincipalFilter};
use crate::{IdentityError, LIST_MAX, applications::past_prefix, error::OnDuplicate as _, folded, timestamp};

pub(crate) const SCHEMA: Sql = "CREATE TABLE service_principal (
        id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, app_id TEXT NOT NULL, display_name TEXT NOT NULL,
        display_name_folded TEXT NOT NULL, account_enabled BIGINT NOT NULL, assignment_required BIGINT NOT NULL,
        notes TEXT, created_at_ms BIGINT NOT NULL, UNIQUE (tenant_id, app_id));
    CREATE INDEX service_principal_display_name ON service_principal (tenant_id, display_name_folded, id)";

const COLUMNS: Sql =
    "SELECT id, app_id, display_name, account_enabled, assignment_required, notes, created_at_ms
    FROM service_principal WHERE tenant_id = ";
const INSERT: Sql = "INSERT INTO service_principal (id, tenant_id, app_id, display_name, display_name_folded,
    account_enabled, assignment_required, notes, created_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const UPDATE: Sql =
    "UPDATE service_principal SET account_enabled = $2, assignment_required = $3, notes = $4 WHERE id = $1";
const RENAME: Sql = "UPDATE service_principal SET display_name = $3, display_name_folded = $4
    WHERE tenant_id = $1 AND app_id = $2";
/// Changes nothing; whoever else wants to change the row waits for the end of the transaction.
const LOCK: Sql = "UPDATE service_principal SET id = id WHERE id = $1";
const DELETE: Sql = "DELETE FROM service_principal WHERE id = $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[INSERT, UPDATE, RENAME, LOCK, DELETE];

pub(crate) async fn by_app_id(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: AppId,
) -> Result<Option<ServicePrincipal>, IdentityError> {
    Ok(list(tx, tenant, &ServicePrincipalFilter::AppId(id), Some(1)).await?.pop())
}

pub(crate) async fn by_id(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: ObjectId,
) -> Result<Option<ServicePrincipal>, IdentityError> {
    Ok(list(tx, tenant, &ServicePrincipalFilter::Id(id), Some(1)).await?.pop())
}

/// The rows alone, without what comes from the application.
pub(crate) async fn list(
    tx: &mut ReadTx,
    tenant: TenantId,
    filter: &ServicePrincipalFilter,
    limit: Option<usize>,
) -> Result<Vec<ServicePrincipal>, IdentityError> {
    let mut statement = Statement::new(COLUMNS);
    statement.bind(tenant);
    match filter {
        ServicePrincipalFilter::All => {}
        ServicePrincipalFilter::Id(id) => {
            statement.push(" AND id = ").bind(*id);
        }
        ServicePrincipalFilter::AppId(id) => {
            statement.push(" AND app_id = ").bind(*id);
        }
        ServicePrincipalFilter::DisplayName(name) => {
            statement.push(" AND display_name_folded = ").bind(folded(name));
        }
        ServicePrincipalFilter::DisplayNamePrefix(prefix) => {
            statement.push(" AND display_name_folded >= ").bind(folded(prefix));
            statement.push(" AND display_name_folded < ").bind(past_prefix(prefix));
        }
        // Names belong to the application: the caller has resolved them to an appId.
        ServicePrincipalFilter::Name(_) => {
            statement.push(" AND 1 = 0");
        }
    }
    let limit = i64::try_from(limit.unwrap_or(LIST_MAX).min(LIST_MAX)).unwrap_or(i64::MAX);
    statement.push(" ORDER BY display_name_folded, id LIMIT ").bind(limit);
    Ok(tx.fetch_all_of(&statement).await?.iter().map(read).collect::<Result<_, DbError>>()?)
}

pub(crate) async fn insert(
    tx: &mut WriteTx,
    tenant: TenantId,
    principal: &ServicePrincipal,
) -> Result<(), IdentityError> {
    let row = [
        principal.id.into(),
        tenant.into(),
        principal.app_id.into(),
        (&principal.display_name).into(),
        folded(&principal.display_name).into(),
        principal.account_enabled.into(),
        principal.app_role_assignment_required.into(),
        principal.notes.clone().into(),
        principal.created_at.as_millisecond().into(),
    ];
    tx.execute(INSERT, &row).await.on_duplicate("appId").map(drop)
}

pub(crate) async fn update(tx: &mut WriteTx, principal: &ServicePrincipal) -> Result<(), DbError> {
    let row = [
        principal.id.into(),
        principal.account_enabled.into(),
        principal.app_role_assignment_required.into(),
        principal.notes.clone().into(),
    ];
    tx.execute(UPDATE, &row).await.map(drop)
}

/// A principal is called what its application is called.
pub(crate) async fn rename(
    tx: &mut WriteTx,
    tenant: TenantId,
    app_id: AppId,
    name: &str,
) -> Result<(), DbError> {
    let row = [tenant.into(), app_id.into(), name.into(), folded(name).into()];
    tx.execute(RENAME, &row).await.map(drop)
}

/// Keeps a principal for this transaction.
pub(crate) async fn lock(tx: &mut WriteTx, id: ObjectId) -> Result<(), DbError> {
    tx.execute(LOCK, &[id.into()]).await.map(drop)
}

pub(crate) async fn delete(tx: &mut WriteTx, id: ObjectId) -> Result<(), DbError> {
    tx.execute(DELETE, &[id.into()]).await.map(drop)
}

fn read(row: &Row) -> Result<ServicePrincipal, DbError> {
    Ok(ServicePrincipal {
        id: row.id(0)?,
        app_id: row.id(1)?,
        display_name: row.text(2)?,
        account_enabled: row.truth(3)?,
        app_role_assignment_required: row.truth(4)?,
        notes: row.opt_text(5)?,
        created_at: timestamp(row.int(6)?),
        application: None,
        secrets: Vec::new(),
        certificates: Vec::new(),
    })
}
