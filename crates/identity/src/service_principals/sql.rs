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

/// What Graph's principals have besides, what they are found by, and a counter of changes.
pub(crate) const SCHEMA_WHOLE: Sql =
    "ALTER TABLE service_principal ADD COLUMN details TEXT NOT NULL DEFAULT '{}';
    ALTER TABLE service_principal ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
    CREATE TABLE service_principal_tag (
        tenant_id TEXT NOT NULL, principal_id TEXT NOT NULL, tag_folded TEXT NOT NULL,
        PRIMARY KEY (principal_id, tag_folded));
    CREATE INDEX service_principal_tag_tag ON service_principal_tag (tenant_id, tag_folded, principal_id);
    CREATE VIEW service_principal_any_tag AS
        SELECT principal_id, tenant_id, tag_folded FROM service_principal_tag
        UNION ALL SELECT p.id, t.tenant_id, t.tag_folded FROM application_tag t
        JOIN application a ON a.object_id = t.application_id
        JOIN service_principal p ON p.tenant_id = a.tenant_id AND p.app_id = a.app_id;
    CREATE VIEW service_principal_name AS SELECT p.id AS principal_id, n.tenant_id AS tenant_id,
        n.name_folded AS name_folded FROM application_name n
        JOIN application a ON a.object_id = n.application_id
        JOIN service_principal p ON p.tenant_id = a.tenant_id AND p.app_id = a.app_id";

/// What [`read`] reads.
pub(super) const READ: Sql =
    "id, app_id, display_name, account_enabled, assignment_required, notes, created_at_ms,
    details, version";
const COLUMNS: Sql =
    "SELECT id, app_id, display_name, account_enabled, assignment_required, notes, created_at_ms,
    details, version FROM service_principal WHERE tenant_id = ";
const INSERT: Sql = "INSERT INTO service_principal (id, tenant_id, app_id, display_name, display_name_folded,
    account_enabled, assignment_required, notes, created_at_ms, details, version)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const UPDATE: Sql = "UPDATE service_principal SET account_enabled = $2, assignment_required = $3, notes = $4,
    details = $5 WHERE id = $1";
/// Whoever else wants to change the row waits for the end of the transaction.
const LOCK: Sql = "UPDATE service_principal SET version = version + 1 WHERE id = $1";
const RENAME: Sql =
    "UPDATE service_principal SET display_name = $3, display_name_folded = $4, version = version + 1
    WHERE tenant_id = $1 AND app_id = $2";
const DELETE: Sql = "DELETE FROM service_principal WHERE id = $1";
const INSERT_TAG: Sql = "INSERT INTO service_principal_tag (tenant_id, principal_id, tag_folded)
    SELECT tenant_id, id, CAST($2 AS TEXT) FROM service_principal WHERE id = $1
    ON CONFLICT (principal_id, tag_folded) DO NOTHING";
const DELETE_TAGS: Sql = "DELETE FROM service_principal_tag WHERE principal_id = $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[INSERT, UPDATE, LOCK, RENAME, DELETE, INSERT_TAG, DELETE_TAGS];

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

/// Those of these applications, in no order, the rows alone.
pub(crate) async fn by_app_ids(
    tx: &mut ReadTx,
    tenant: TenantId,
    ids: &[AppId],
) -> Result<Vec<ServicePrincipal>, DbError> {
    let mut statement = Statement::new(COLUMNS);
    statement.bind(tenant).push(" AND app_id IN (").bind_list(ids.iter().copied()).push(")");
    tx.fetch_all_of(&statement).await?.iter().map(read).collect()
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
        document(principal)?.into(),
        principal.version.into(),
    ];
    tx.execute(INSERT, &row).await.on_duplicate("appId")?;
    index(tx, principal).await
}

pub(crate) async fn update(tx: &mut WriteTx, principal: &ServicePrincipal) -> Result<(), IdentityError> {
    let row = [
        principal.id.into(),
        principal.account_enabled.into(),
        principal.app_role_assignment_required.into(),
        principal.notes.clone().into(),
        document(principal)?.into(),
    ];
    tx.execute(UPDATE, &row).await?;
    tx.execute(DELETE_TAGS, &[principal.id.into()]).await?;
    index(tx, principal).await
}

/// Writes the words of its own by which a principal is found.
async fn index(tx: &mut WriteTx, principal: &ServicePrincipal) -> Result<(), IdentityError> {
    for tag in &principal.details.tags {
        tx.execute(INSERT_TAG, &[principal.id.into(), folded(tag).into()]).await?;
    }
    Ok(())
}

fn document(principal: &ServicePrincipal) -> Result<String, IdentityError> {
    serde_json::to_string(&principal.details)
        .map_err(|error| IdentityError::invalid("servicePrincipal", error.to_string()))
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

/// Keeps a principal for this transaction and counts its version on.
pub(crate) async fn lock(tx: &mut WriteTx, id: ObjectId) -> Result<(), DbError> {
    tx.execute(LOCK, &[id.into()]).await.map(drop)
}

pub(crate) async fn delete(tx: &mut WriteTx, id: ObjectId) -> Result<(), DbError> {
    tx.execute(DELETE_TAGS, &[id.into()]).await?;
    tx.execute(DELETE, &[id.into()]).await.map(drop)
}

pub(super) fn read(row: &Row) -> Result<ServicePrincipal, DbError> {
    let details = row.text(7)?;
    Ok(ServicePrincipal {
        id: row.id(0)?,
        app_id: row.id(1)?,
        display_name: row.text(2)?,
        account_enabled: row.truth(3)?,
        app_role_assignment_required: row.truth(4)?,
        notes: row.opt_text(5)?,
        created_at: timestamp(row.int(6)?),
        details: serde_json::from_str(&details).map_err(|_| DbError::Corrupt { column: 7 })?,
        version: row.int(8)?,
        application: None,
        secrets: Vec::new(),
        certificates: Vec::new(),
    })
}
