//! The tables of grants.

use std::collections::{BTreeSet, HashMap};

use hilum_kernel::{AppRoleId, ObjectId, TenantId};
use hilum_storage::db::{DbError, ReadTx, Row, Sql, Statement, WriteTx};

use super::{AppRoleAssignment, ConsentKind, PermissionGrant, PrincipalKind};
use crate::timestamp;

pub(crate) const SCHEMA: Sql = "CREATE TABLE permission_grant (
        id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, client_id TEXT NOT NULL, consent TEXT NOT NULL,
        principal_id TEXT NOT NULL, resource_id TEXT NOT NULL, scope TEXT NOT NULL,
        UNIQUE (client_id, resource_id, principal_id));
    CREATE INDEX permission_grant_resource ON permission_grant (resource_id);
    CREATE INDEX permission_grant_principal ON permission_grant (principal_id);
    CREATE TABLE app_role_assignment (
        id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, app_role_id TEXT NOT NULL, principal_id TEXT NOT NULL,
        principal_kind TEXT NOT NULL, resource_id TEXT NOT NULL, created_at_ms BIGINT NOT NULL,
        UNIQUE (principal_id, resource_id, app_role_id));
    CREATE INDEX app_role_assignment_resource ON app_role_assignment (resource_id)";

/// For lists: by ID within a tenant.
pub(crate) const SCHEMA_LISTS: Sql =
    "CREATE INDEX permission_grant_tenant ON permission_grant (tenant_id, id);
    CREATE INDEX app_role_assignment_tenant ON app_role_assignment (tenant_id, id)";

/// What a client has for a user, whatever the resource.
pub(crate) const SCHEMA_OF_USER: Sql =
    "CREATE INDEX permission_grant_client_principal ON permission_grant (client_id, principal_id)";

/// Since when; of grants of before it is not known.
pub(crate) const SCHEMA_TIME: Sql = "ALTER TABLE permission_grant ADD COLUMN granted_at_ms BIGINT";

pub(super) const GRANT_COLUMNS: Sql = "id, client_id, consent, principal_id, resource_id, scope";
pub(super) const ASSIGNMENT_COLUMNS: Sql =
    "id, app_role_id, principal_id, principal_kind, resource_id, created_at_ms";

const GRANT_BY_ID: Sql =
    "SELECT id, client_id, consent, principal_id, resource_id, scope FROM permission_grant
    WHERE id = $1 AND tenant_id = $2";
/// Changes nothing: who is about to change the grant waits for others who do.
const LOCK_GRANT: Sql = "UPDATE permission_grant SET scope = scope WHERE id = $1 AND tenant_id = $2";
const ASSIGNMENT_BY_ID: Sql =
    "SELECT id, app_role_id, principal_id, principal_kind, resource_id, created_at_ms
    FROM app_role_assignment WHERE id = $1 AND tenant_id = $2";
const GRANTS_OF_CLIENT: Sql =
    "SELECT id, client_id, consent, principal_id, resource_id, scope FROM permission_grant
    WHERE client_id = $1 ORDER BY id LIMIT 10000";
const GRANTS_FOR_USER: Sql =
    "SELECT id, client_id, consent, principal_id, resource_id, scope FROM permission_grant
    WHERE client_id = $1 AND principal_id IN ('', $2) ORDER BY id LIMIT 1000";
const GRANTS_OF_USER: Sql =
    "SELECT id, client_id, consent, principal_id, resource_id, scope FROM permission_grant
    WHERE principal_id = $1 ORDER BY id LIMIT 1000";
/// The first time counts.
const NOTE_GRANTED: Sql =
    "UPDATE permission_grant SET granted_at_ms = $2 WHERE id = $1 AND granted_at_ms IS NULL";
const GRANTED_AT: Sql = "SELECT granted_at_ms FROM permission_grant WHERE id = $1";
const ALL_GRANTS: Sql =
    "SELECT id, client_id, consent, principal_id, resource_id, scope FROM permission_grant
    WHERE tenant_id = $1 ORDER BY id LIMIT 10000";
/// For everybody, the principal is the empty text: NULLs would not be unique.
const GRANT: Sql = "SELECT id, client_id, consent, principal_id, resource_id, scope FROM permission_grant
    WHERE client_id = $1 AND resource_id = $2 AND principal_id = $3";
const UPSERT_GRANT: Sql = "INSERT INTO permission_grant
    (id, tenant_id, client_id, consent, principal_id, resource_id, scope) VALUES ($1,$2,$3,$4,$5,$6,$7)
    ON CONFLICT (client_id, resource_id, principal_id) DO UPDATE SET scope = excluded.scope";
const DELETE_GRANT: Sql = "DELETE FROM permission_grant WHERE id = $1 AND tenant_id = $2";
const DELETE_GRANTS_OF: Sql =
    "DELETE FROM permission_grant WHERE client_id = $1 OR principal_id = $1 OR resource_id = $1";
const INSERT_ASSIGNMENT: Sql = "INSERT INTO app_role_assignment
    (id, tenant_id, app_role_id, principal_id, principal_kind, resource_id, created_at_ms) VALUES ($1,$2,$3,$4,$5,$6,$7)
    ON CONFLICT (principal_id, resource_id, app_role_id) DO NOTHING";
const ASSIGNMENTS_OF: Sql = "SELECT id, app_role_id, principal_id, principal_kind, resource_id, created_at_ms
    FROM app_role_assignment WHERE principal_id = $1 ORDER BY created_at_ms, id LIMIT 10000";
const DELETE_ASSIGNMENT: Sql =
    "DELETE FROM app_role_assignment WHERE principal_id = $1 AND resource_id = $2 AND app_role_id = $3";
const DELETE_ASSIGNMENTS_OF: Sql =
    "DELETE FROM app_role_assignment WHERE principal_id = $1 OR resource_id = $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[
    GRANT_BY_ID,
    LOCK_GRANT,
    ASSIGNMENT_BY_ID,
    GRANTS_OF_CLIENT,
    GRANTS_FOR_USER,
    GRANTS_OF_USER,
    NOTE_GRANTED,
    GRANTED_AT,
    ALL_GRANTS,
    GRANT,
    UPSERT_GRANT,
    DELETE_GRANT,
    DELETE_GRANTS_OF,
    INSERT_ASSIGNMENT,
    ASSIGNMENTS_OF,
    DELETE_ASSIGNMENT,
    DELETE_ASSIGNMENTS_OF,
];

pub(crate) async fn grants_of_client(
    tx: &mut ReadTx,
    client: ObjectId,
) -> Result<Vec<PermissionGrant>, DbError> {
    tx.fetch_all(GRANTS_OF_CLIENT, &[client.into()]).await?.iter().map(read_grant).collect()
}

/// What a client has for everybody and for this user.
pub(crate) async fn for_user(
    tx: &mut ReadTx,
    client: ObjectId,
    user: ObjectId,
) -> Result<Vec<PermissionGrant>, DbError> {
    tx.fetch_all(GRANTS_FOR_USER, &[client.into(), user.into()]).await?.iter().map(read_grant).collect()
}

/// What a user granted, whatever the client.
pub(crate) async fn of_user(tx: &mut ReadTx, user: ObjectId) -> Result<Vec<PermissionGrant>, DbError> {
    tx.fetch_all(GRANTS_OF_USER, &[user.into()]).await?.iter().map(read_grant).collect()
}

/// Notes when a person granted it.
pub(super) async fn note_granted(tx: &mut WriteTx, id: &str, at_ms: i64) -> Result<(), DbError> {
    tx.execute(NOTE_GRANTED, &[id.into(), at_ms.into()]).await.map(drop)
}

/// When a person granted it, if that is known.
pub(crate) async fn granted_at_ms(tx: &mut ReadTx, id: &str) -> Result<Option<i64>, DbError> {
    tx.fetch_optional(GRANTED_AT, &[id.into()]).await?.map_or(Ok(None), |row| row.opt_int(0))
}

pub(super) async fn all_grants(tx: &mut ReadTx, tenant: TenantId) -> Result<Vec<PermissionGrant>, DbError> {
    tx.fetch_all(ALL_GRANTS, &[tenant.into()]).await?.iter().map(read_grant).collect()
}

pub(crate) async fn grant(
    tx: &mut ReadTx,
    client: ObjectId,
    resource: ObjectId,
    principal: Option<ObjectId>,
) -> Result<Option<PermissionGrant>, DbError> {
    let row =
        tx.fetch_optional(GRANT, &[client.into(), resource.into(), principal_text(principal).into()]).await?;
    row.as_ref().map(read_grant).transpose()
}

pub(super) async fn grant_by_id(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: &str,
) -> Result<Option<PermissionGrant>, DbError> {
    let row = tx.fetch_optional(GRANT_BY_ID, &[id.into(), tenant.into()]).await?;
    row.as_ref().map(read_grant).transpose()
}

pub(super) async fn lock_grant(tx: &mut WriteTx, tenant: TenantId, id: &str) -> Result<(), DbError> {
    tx.execute(LOCK_GRANT, &[id.into(), tenant.into()]).await.map(drop)
}

pub(super) async fn assignment_by_id(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: &str,
) -> Result<Option<AppRoleAssignment>, DbError> {
    let row = tx.fetch_optional(ASSIGNMENT_BY_ID, &[id.into(), tenant.into()]).await?;
    row.as_ref().map(read_assignment).transpose()
}

/// What principals are called, whatever their kind: a join over the nouns, as a page may hold all of them.
pub(super) async fn names(
    tx: &mut ReadTx,
    tenant: TenantId,
    ids: impl Iterator<Item = ObjectId>,
) -> Result<HashMap<ObjectId, String>, DbError> {
    let ids: BTreeSet<ObjectId> = ids.collect();
    let mut names = HashMap::new();
    for select in [
        // An expression: SQLite's planner would take any tenant to be small and read all of it.
        "SELECT id, display_name FROM service_principal WHERE tenant_id || '' = ",
        "SELECT id, display_name FROM directory_user WHERE tenant_id || '' = ",
        "SELECT id, display_name FROM directory_group WHERE tenant_id || '' = ",
    ] {
        let missing = ids.iter().copied().filter(|id| !names.contains_key(id));
        let missing: Vec<ObjectId> = missing.collect();
        if missing.is_empty() {
            break;
        }
        let mut statement = Statement::new(select);
        statement.bind(tenant).push(" AND id IN (").bind_list(missing).push(")");
        for row in tx.fetch_all_of(&statement).await? {
            names.insert(row.id(0)?, row.text(1)?);
        }
    }
    Ok(names)
}

pub(crate) async fn upsert_grant(
    tx: &mut WriteTx,
    tenant: TenantId,
    grant: &PermissionGrant,
) -> Result<(), DbError> {
    let row = [
        (&grant.id).into(),
        tenant.into(),
        grant.client_id.into(),
        grant.consent.as_str().into(),
        principal_text(grant.principal_id).into(),
        grant.resource_id.into(),
        (&grant.scope).into(),
    ];
    tx.execute(UPSERT_GRANT, &row).await.map(drop)
}

pub(crate) async fn delete_grant(tx: &mut WriteTx, tenant: TenantId, id: &str) -> Result<bool, DbError> {
    Ok(tx.execute(DELETE_GRANT, &[id.into(), tenant.into()]).await? > 0)
}

/// Adds an assignment unless it is there already.
pub(crate) async fn insert_assignment(
    tx: &mut WriteTx,
    tenant: TenantId,
    assignment: &AppRoleAssignment,
) -> Result<bool, DbError> {
    let row = [
        (&assignment.id).into(),
        tenant.into(),
        assignment.app_role_id.into(),
        assignment.principal_id.into(),
        assignment.principal_kind.as_str().into(),
        assignment.resource_id.into(),
        assignment.created_at.as_millisecond().into(),
    ];
    Ok(tx.execute(INSERT_ASSIGNMENT, &row).await? > 0)
}

pub(crate) async fn assignments_of(
    tx: &mut ReadTx,
    principal: ObjectId,
) -> Result<Vec<AppRoleAssignment>, DbError> {
    tx.fetch_all(ASSIGNMENTS_OF, &[principal.into()]).await?.iter().map(read_assignment).collect()
}

pub(crate) async fn delete_assignment(
    tx: &mut WriteTx,
    principal: ObjectId,
    resource: ObjectId,
    role: AppRoleId,
) -> Result<bool, DbError> {
    Ok(tx.execute(DELETE_ASSIGNMENT, &[principal.into(), resource.into(), role.into()]).await? > 0)
}

pub(crate) async fn delete_of_principal(tx: &mut WriteTx, principal: ObjectId) -> Result<(), DbError> {
    tx.execute(DELETE_GRANTS_OF, &[principal.into()]).await?;
    tx.execute(DELETE_ASSIGNMENTS_OF, &[principal.into()]).await.map(drop)
}

fn principal_text(principal: Option<ObjectId>) -> String {
    principal.map_or_else(String::new, |id| id.to_string())
}

pub(super) fn read_grant(row: &Row) -> Result<PermissionGrant, DbError> {
    let principal = row.text(3)?;
    Ok(PermissionGrant {
        id: row.text(0)?,
        client_id: row.id(1)?,
        consent: ConsentKind::parse(&row.text(2)?).ok_or(DbError::Corrupt { column: 2 })?,
        principal_id: match principal.as_str() {
            "" => None,
            id => Some(id.parse().map_err(|_| DbError::Corrupt { column: 3 })?),
        },
        resource_id: row.id(4)?,
        scope: row.text(5)?,
    })
}

pub(super) fn read_assignment(row: &Row) -> Result<AppRoleAssignment, DbError> {
    Ok(AppRoleAssignment {
        id: row.text(0)?,
        app_role_id: row.id(1)?,
        principal_id: row.id(2)?,
        principal_kind: PrincipalKind::parse(&row.text(3)?).ok_or(DbError::Corrupt { column: 3 })?,
        resource_id: row.id(4)?,
        created_at: timestamp(row.int(5)?),
    })
}
