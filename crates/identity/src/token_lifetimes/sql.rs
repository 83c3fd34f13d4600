//! The tables of policies and of whom they are assigned to.

use hilum_kernel::{AppId, ObjectId, PolicyId, TenantId};
use hilum_storage::db::{DbError, ReadTx, Row, Sql, WriteTx};

use super::{TokenLifetimePolicy, TokenLifetimeProperties};
use crate::{Application, folded};

pub(crate) const SCHEMA: Sql = "CREATE TABLE token_lifetime_policy (
        id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, display_name TEXT NOT NULL, name_folded TEXT NOT NULL,
        description TEXT, definition TEXT NOT NULL, organization_default BIGINT NOT NULL, created_at_ms BIGINT NOT NULL);
    CREATE INDEX token_lifetime_policy_name ON token_lifetime_policy (tenant_id, name_folded, id);
    CREATE UNIQUE INDEX token_lifetime_policy_default ON token_lifetime_policy (tenant_id)
        WHERE organization_default = 1;
    CREATE TABLE token_lifetime_assignment (
        app_id TEXT PRIMARY KEY, application_id TEXT NOT NULL UNIQUE, policy_id TEXT NOT NULL);
    CREATE INDEX token_lifetime_assignment_policy ON token_lifetime_assignment (policy_id, app_id)";

/// What [`read`] reads.
pub(super) const ROW: Sql = "id, display_name, description, definition, organization_default";
const FIND: Sql = "SELECT id, display_name, description, definition, organization_default
    FROM token_lifetime_policy WHERE id = $1 AND tenant_id = $2";
const BY_NAME: Sql = "SELECT id, display_name, description, definition, organization_default
    FROM token_lifetime_policy WHERE tenant_id = $1 AND name_folded = $2 ORDER BY id LIMIT 10";
const ALL: Sql = "SELECT id, display_name, description, definition, organization_default
    FROM token_lifetime_policy WHERE tenant_id = $1 ORDER BY name_folded, id LIMIT 1000";
const COUNT: Sql = "SELECT COUNT(*) FROM token_lifetime_policy WHERE tenant_id = $1";
const INSERT: Sql = "INSERT INTO token_lifetime_policy
    (id, tenant_id, display_name, name_folded, description, definition, organization_default, created_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const UPDATE: Sql = "UPDATE token_lifetime_policy SET display_name = $2, name_folded = $3, description = $4,
    definition = $5, organization_default = $6 WHERE id = $1";
const DELETE: Sql = "DELETE FROM token_lifetime_policy WHERE id = $1";
const OF_APPLICATION: Sql = "SELECT p.id, p.display_name, p.description, p.definition, p.organization_default
    FROM token_lifetime_assignment t JOIN token_lifetime_policy p ON p.id = t.policy_id
    WHERE t.application_id = $1";
/// Deleted applications keep theirs until they are gone for good.
const APPLICATIONS_OF: Sql = "SELECT app_id FROM token_lifetime_assignment WHERE policy_id = $1
    ORDER BY app_id LIMIT 1000";
const ASSIGN: Sql =
    "INSERT INTO token_lifetime_assignment (app_id, application_id, policy_id) VALUES ($1, $2, $3)";
const UNASSIGN: Sql = "DELETE FROM token_lifetime_assignment WHERE application_id = $1 AND policy_id = $2";
const UNASSIGN_ALL: Sql = "DELETE FROM token_lifetime_assignment WHERE policy_id = $1";
const FORGET: Sql = "DELETE FROM token_lifetime_assignment WHERE application_id = $1";
/// For each token: by keys, and as a rule nothing.
const EFFECTIVE: Sql = "SELECT t.app_id, p.definition
    FROM token_lifetime_assignment t JOIN token_lifetime_policy p ON p.id = t.policy_id
    WHERE t.app_id IN ($2, $3)
    UNION ALL SELECT NULL, definition FROM token_lifetime_policy WHERE tenant_id = $1 AND organization_default = 1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[
    FIND,
    BY_NAME,
    ALL,
    COUNT,
    INSERT,
    UPDATE,
    DELETE,
    OF_APPLICATION,
    APPLICATIONS_OF,
    ASSIGN,
    UNASSIGN,
    UNASSIGN_ALL,
    FORGET,
    EFFECTIVE,
];

pub(super) async fn find(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: PolicyId,
) -> Result<Option<TokenLifetimePolicy>, DbError> {
    tx.fetch_optional(FIND, &[id.into(), tenant.into()]).await?.as_ref().map(read).transpose()
}

/// Names are not unique.
pub(crate) async fn by_name(
    tx: &mut ReadTx,
    tenant: TenantId,
    name: &str,
) -> Result<Vec<TokenLifetimePolicy>, DbError> {
    tx.fetch_all(BY_NAME, &[tenant.into(), folded(name).into()]).await?.iter().map(read).collect()
}

/// All of them, by name.
pub(crate) async fn all(tx: &mut ReadTx, tenant: TenantId) -> Result<Vec<TokenLifetimePolicy>, DbError> {
    tx.fetch_all(ALL, &[tenant.into()]).await?.iter().map(read).collect()
}

pub(super) async fn count(tx: &mut ReadTx, tenant: TenantId) -> Result<i64, DbError> {
    tx.fetch_optional(COUNT, &[tenant.into()]).await?.map_or(Ok(0), |row| row.int(0))
}

pub(super) async fn insert(
    tx: &mut WriteTx,
    tenant: TenantId,
    policy: &TokenLifetimePolicy,
    at_ms: i64,
) -> Result<(), DbError> {
    let p = &policy.properties;
    let row = [
        policy.id.into(),
        tenant.into(),
        (&p.display_name).into(),
        folded(&p.display_name).into(),
        p.description.clone().into(),
        p.text().into(),
        p.is_organization_default.into(),
        at_ms.into(),
    ];
    tx.execute(INSERT, &row).await.map(drop)
}

pub(super) async fn update(tx: &mut WriteTx, policy: &TokenLifetimePolicy) -> Result<(), DbError> {
    let p = &policy.properties;
    let row = [
        policy.id.into(),
        (&p.display_name).into(),
        folded(&p.display_name).into(),
        p.description.clone().into(),
        p.text().into(),
        p.is_organization_default.into(),
    ];
    tx.execute(UPDATE, &row).await.map(drop)
}

/// With its assignments: who had it falls back.
pub(super) async fn delete(tx: &mut WriteTx, id: PolicyId) -> Result<(), DbError> {
    tx.execute(UNASSIGN_ALL, &[id.into()]).await?;
    tx.execute(DELETE, &[id.into()]).await.map(drop)
}

pub(crate) async fn of_application(
    tx: &mut ReadTx,
    application: ObjectId,
) -> Result<Option<TokenLifetimePolicy>, DbError> {
    tx.fetch_optional(OF_APPLICATION, &[application.into()]).await?.as_ref().map(read).transpose()
}

pub(crate) async fn applications_of(tx: &mut ReadTx, id: PolicyId) -> Result<Vec<AppId>, DbError> {
    tx.fetch_all(APPLICATIONS_OF, &[id.into()]).await?.iter().map(|row| row.id(0)).collect()
}

pub(super) async fn assign(tx: &mut WriteTx, application: &Application, id: PolicyId) -> Result<(), DbError> {
    tx.execute(ASSIGN, &[application.app_id.into(), application.object_id.into(), id.into()]).await.map(drop)
}

/// Whether it was assigned.
pub(super) async fn unassign(tx: &mut WriteTx, application: ObjectId, id: PolicyId) -> Result<bool, DbError> {
    Ok(tx.execute(UNASSIGN, &[application.into(), id.into()]).await? > 0)
}

/// For an application that is gone for good.
pub(crate) async fn forget(tx: &mut WriteTx, application: ObjectId) -> Result<(), DbError> {
    tx.execute(FORGET, &[application.into()]).await.map(drop)
}

/// Definitions, with the application they are for; without one, the organisation's.
pub(super) async fn effective(
    tx: &mut ReadTx,
    tenant: TenantId,
    (client, resource): (AppId, AppId),
) -> Result<Vec<(Option<AppId>, String)>, DbError> {
    let rows = tx.fetch_all(EFFECTIVE, &[tenant.into(), client.into(), resource.into()]).await?;
    rows.iter().map(|row| Ok((row.opt_id(0)?, row.text(1)?))).collect()
}

pub(super) fn read(row: &Row) -> Result<TokenLifetimePolicy, DbError> {
    Ok(TokenLifetimePolicy {
        id: row.id(0)?,
        properties: TokenLifetimeProperties {
            display_name: row.text(1)?,
            description: row.opt_text(2)?,
            definition: vec![row.text(3)?],
            is_organization_default: row.truth(4)?,
        },
    })
}
