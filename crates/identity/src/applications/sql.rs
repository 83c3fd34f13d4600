//! The tables of registrations. The document is the truth; the other columns and tables are what is searched by,
//! rewritten with it in the same transaction.

use hilum_kernel::{AppId, ObjectId, TenantId};
use hilum_storage::db::{DbError, ReadTx, Row, Sql, Statement, WriteTx};

use super::{Application, ApplicationFilter, ApplicationProperties, MemberType};
use crate::{IdentityError, LIST_MAX, error::OnDuplicate as _, folded, timestamp};

pub(crate) const SCHEMA: Sql = "CREATE TABLE application (
        object_id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, app_id TEXT NOT NULL UNIQUE,
        display_name_folded TEXT NOT NULL, public_client BIGINT NOT NULL, disabled BIGINT NOT NULL,
        token_version BIGINT NOT NULL, seeded BIGINT NOT NULL, created_at_ms BIGINT NOT NULL, properties TEXT NOT NULL);
    CREATE INDEX application_display_name ON application (tenant_id, display_name_folded, object_id);
    CREATE TABLE application_name (
        tenant_id TEXT NOT NULL, name_folded TEXT NOT NULL, name TEXT NOT NULL, application_id TEXT NOT NULL,
        PRIMARY KEY (tenant_id, name_folded));
    CREATE INDEX application_name_application ON application_name (application_id);
    CREATE TABLE app_role (
        application_id TEXT NOT NULL, id TEXT NOT NULL, value TEXT, enabled BIGINT NOT NULL,
        for_applications BIGINT NOT NULL, for_users BIGINT NOT NULL, PRIMARY KEY (application_id, id))";

/// What Graph's API asks besides: versions for `ETag`, columns and tables for `$filter`. Rows of version 0 were written
/// before and are written anew at the next start ([`super::index_old_rows`]).
pub(crate) const SCHEMA_WHOLE: Sql = "ALTER TABLE application ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
    ALTER TABLE application ADD COLUMN sign_in_audience TEXT NOT NULL DEFAULT 'AzureADMyOrg';
    ALTER TABLE application ADD COLUMN unique_name_folded TEXT;
    ALTER TABLE application ADD COLUMN publisher_domain TEXT NOT NULL DEFAULT '';
    CREATE INDEX application_created ON application (tenant_id, created_at_ms, object_id);
    CREATE INDEX application_audience ON application (tenant_id, sign_in_audience, display_name_folded, object_id);
    CREATE INDEX application_unique_name_of ON application (tenant_id, unique_name_folded);
    CREATE TABLE application_unique_name (
        tenant_id TEXT NOT NULL, name_folded TEXT NOT NULL, application_id TEXT NOT NULL,
        PRIMARY KEY (tenant_id, name_folded));
    CREATE INDEX application_unique_name_application ON application_unique_name (application_id);
    CREATE TABLE application_tag (
        application_id TEXT NOT NULL, tag_folded TEXT NOT NULL, tenant_id TEXT NOT NULL,
        PRIMARY KEY (application_id, tag_folded));
    CREATE INDEX application_tag_tag ON application_tag (tenant_id, tag_folded, application_id)";

/// What [`read`] reads.
pub(super) const ROW: Sql = "object_id, app_id, created_at_ms, seeded, properties, version";
const COLUMNS: Sql = "SELECT object_id, app_id, created_at_ms, seeded, properties, version FROM application";
const BY_APP_ID: Sql = "SELECT object_id, app_id, created_at_ms, seeded, properties, version FROM application
    WHERE app_id = $1 AND tenant_id = $2";
const BY_OBJECT_ID: Sql =
    "SELECT object_id, app_id, created_at_ms, seeded, properties, version FROM application
    WHERE object_id = $1 AND tenant_id = $2";
const BY_NAME: Sql = "SELECT object_id, app_id, created_at_ms, seeded, properties, version FROM application
    WHERE object_id = (SELECT application_id FROM application_name WHERE tenant_id = $2 AND name_folded = $1)";
const BY_UNIQUE_NAME: Sql =
    "SELECT object_id, app_id, created_at_ms, seeded, properties, version FROM application
    WHERE unique_name_folded = $1 AND tenant_id = $2";
const OLD: Sql = "SELECT object_id, app_id, created_at_ms, seeded, properties, version FROM application
    WHERE tenant_id = $1 AND version = 0 ORDER BY display_name_folded, object_id LIMIT 10000";
const INSERT: Sql =
    "INSERT INTO application (object_id, tenant_id, app_id, display_name_folded, public_client, disabled,
    token_version, seeded, created_at_ms, properties, version, sign_in_audience, unique_name_folded, publisher_domain)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, (SELECT domain FROM tenant WHERE id = $2))";
const UPDATE: Sql = "UPDATE application SET display_name_folded = $2, public_client = $3, disabled = $4,
    token_version = $5, properties = $6, version = $7, sign_in_audience = $8, unique_name_folded = $9,
    publisher_domain = (SELECT domain FROM tenant WHERE id = application.tenant_id) WHERE object_id = $1";
const LOCK: Sql = "UPDATE application SET version = version + 1 WHERE object_id = $1";
const DELETE: Sql = "DELETE FROM application WHERE object_id = $1";
const INSERT_NAME: Sql =
    "INSERT INTO application_name (tenant_id, name_folded, name, application_id) VALUES ($1, $2, $3, $4)";
const DELETE_NAMES: Sql = "DELETE FROM application_name WHERE application_id = $1";
const INSERT_ROLE: Sql =
    "INSERT INTO app_role (application_id, id, value, enabled, for_applications, for_users)
    VALUES ($1, $2, $3, $4, $5, $6)";
const DELETE_ROLES: Sql = "DELETE FROM app_role WHERE application_id = $1";
const INSERT_TAG: Sql =
    "INSERT INTO application_tag (application_id, tag_folded, tenant_id) VALUES ($1, $2, $3)
    ON CONFLICT (application_id, tag_folded) DO NOTHING";
const DELETE_TAGS: Sql = "DELETE FROM application_tag WHERE application_id = $1";
const INSERT_UNIQUE_NAME: Sql =
    "INSERT INTO application_unique_name (tenant_id, name_folded, application_id) VALUES ($1, $2, $3)";
const DELETE_UNIQUE_NAME: Sql = "DELETE FROM application_unique_name WHERE application_id = $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[
    COLUMNS,
    BY_APP_ID,
    BY_OBJECT_ID,
    BY_NAME,
    BY_UNIQUE_NAME,
    OLD,
    INSERT,
    UPDATE,
    LOCK,
    DELETE,
    INSERT_NAME,
    DELETE_NAMES,
    INSERT_ROLE,
    DELETE_ROLES,
    INSERT_TAG,
    DELETE_TAGS,
    INSERT_UNIQUE_NAME,
    DELETE_UNIQUE_NAME,
];

pub(crate) async fn by_app_id(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: AppId,
) -> Result<Option<Application>, IdentityError> {
    one(tx.fetch_optional(BY_APP_ID, &[id.into(), tenant.into()]).await?)
}

/// Those with one of these IDs, in no order.
pub(crate) async fn by_app_ids(
    tx: &mut ReadTx,
    tenant: TenantId,
    ids: &[AppId],
) -> Result<Vec<Application>, IdentityError> {
    let mut statement = Statement::new(COLUMNS);
    statement.push(" WHERE app_id IN (").bind_list(ids.iter().copied()).push(")");
    // No column to SQLite's planner, which would take any tenant to be small and read all of it.
    statement.push(" AND tenant_id || '' = ").bind(tenant);
    tx.fetch_all_of(&statement).await?.iter().map(read).collect()
}

pub(crate) async fn by_object_id(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: ObjectId,
) -> Result<Option<Application>, IdentityError> {
    one(tx.fetch_optional(BY_OBJECT_ID, &[id.into(), tenant.into()]).await?)
}

/// By identifier URI, in any case.
pub(crate) async fn by_name(
    tx: &mut ReadTx,
    tenant: TenantId,
    name: &str,
) -> Result<Option<Application>, IdentityError> {
    one(tx.fetch_optional(BY_NAME, &[folded(name).into(), tenant.into()]).await?)
}

/// By name, in any case: the first two, which tell one from several.
pub(crate) async fn by_display_name(
    tx: &mut ReadTx,
    tenant: TenantId,
    name: &str,
) -> Result<Vec<Application>, IdentityError> {
    list(tx, tenant, &ApplicationFilter::DisplayName(name.to_owned()), Some(2)).await
}

/// By `uniqueName`, in any case.
pub(crate) async fn by_unique_name(
    tx: &mut ReadTx,
    tenant: TenantId,
    name: &str,
) -> Result<Option<Application>, IdentityError> {
    one(tx.fetch_optional(BY_UNIQUE_NAME, &[folded(name).into(), tenant.into()]).await?)
}

/// Those that were written before there were versions.
pub(super) async fn old(tx: &mut ReadTx, tenant: TenantId) -> Result<Vec<Application>, IdentityError> {
    tx.fetch_all(OLD, &[tenant.into()]).await?.iter().map(read).collect()
}

/// Keeps an application for this transaction: whoever else wants to change it waits, and counts a new version.
pub(crate) async fn lock(tx: &mut WriteTx, id: ObjectId) -> Result<(), DbError> {
    tx.execute(LOCK, &[id.into()]).await.map(drop)
}

pub(crate) async fn list(
    tx: &mut ReadTx,
    tenant: TenantId,
    filter: &ApplicationFilter,
    limit: Option<usize>,
) -> Result<Vec<Application>, IdentityError> {
    let mut statement = Statement::new(COLUMNS);
    statement.push(" WHERE tenant_id = ").bind(tenant);
    match filter {
        ApplicationFilter::All => {}
        ApplicationFilter::AppId(id) => {
            statement.push(" AND app_id = ").bind(*id);
        }
        ApplicationFilter::ObjectId(id) => {
            statement.push(" AND object_id = ").bind(*id);
        }
        ApplicationFilter::DisplayName(name) => {
            statement.push(" AND display_name_folded = ").bind(folded(name));
        }
        ApplicationFilter::DisplayNamePrefix(prefix) => {
            statement.push(" AND display_name_folded >= ").bind(folded(prefix));
            statement.push(" AND display_name_folded < ").bind(past_prefix(prefix));
        }
        ApplicationFilter::IdentifierUri(uri) => {
            statement
                .push(" AND object_id = (SELECT application_id FROM application_name WHERE tenant_id = ");
            statement.bind(tenant).push(" AND name_folded = ").bind(folded(uri)).push(")");
        }
    }
    let limit = i64::try_from(limit.unwrap_or(LIST_MAX).min(LIST_MAX)).unwrap_or(i64::MAX);
    statement.push(" ORDER BY display_name_folded, object_id LIMIT ").bind(limit);
    tx.fetch_all_of(&statement).await?.iter().map(read).collect()
}

/// The end of the range of texts that start with a prefix: no text holds the last code point.
pub(crate) fn past_prefix(prefix: &str) -> String {
    let mut end = folded(prefix);
    end.push(char::MAX);
    end
}

pub(crate) async fn insert(
    tx: &mut WriteTx,
    tenant: TenantId,
    application: &Application,
) -> Result<(), IdentityError> {
    insert_row(tx, tenant, application).await?;
    index(tx, tenant, application).await
}

/// The row alone: what it is found by is there already.
pub(super) async fn insert_row(
    tx: &mut WriteTx,
    tenant: TenantId,
    application: &Application,
) -> Result<(), IdentityError> {
    let p = &application.properties;
    let row = [
        application.object_id.into(),
        tenant.into(),
        application.app_id.into(),
        folded(&p.display_name).into(),
        p.is_fallback_public_client.unwrap_or(false).into(),
        p.is_disabled.unwrap_or(false).into(),
        p.api.requested_access_token_version.unwrap_or(1).into(),
        application.seeded.into(),
        application.created_at.as_millisecond().into(),
        document(p)?.into(),
        application.version.into(),
        p.sign_in_audience.as_str().into(),
        p.unique_name.as_deref().map(folded).into(),
    ];
    tx.execute(INSERT, &row).await.on_duplicate("appId").map(drop)
}

pub(crate) async fn update(
    tx: &mut WriteTx,
    tenant: TenantId,
    application: &Application,
) -> Result<(), IdentityError> {
    let p = &application.properties;
    let row = [
        application.object_id.into(),
        folded(&p.display_name).into(),
        p.is_fallback_public_client.unwrap_or(false).into(),
        p.is_disabled.unwrap_or(false).into(),
        p.api.requested_access_token_version.unwrap_or(1).into(),
        document(p)?.into(),
        application.version.into(),
        p.sign_in_audience.as_str().into(),
        p.unique_name.as_deref().map(folded).into(),
    ];
    tx.execute(UPDATE, &row).await?;
    for statement in [DELETE_NAMES, DELETE_ROLES, DELETE_TAGS, DELETE_UNIQUE_NAME] {
        tx.execute(statement, &[application.object_id.into()]).await?;
    }
    index(tx, tenant, application).await
}

/// Deletes the row. What it is found by stays reserved until [`forget`].
pub(super) async fn delete_row(tx: &mut WriteTx, id: ObjectId) -> Result<(), DbError> {
    tx.execute(DELETE, &[id.into()]).await.map(drop)
}

/// Frees what a deleted application was found by.
pub(super) async fn forget(tx: &mut WriteTx, id: ObjectId) -> Result<(), DbError> {
    for statement in [DELETE_NAMES, DELETE_ROLES, DELETE_TAGS, DELETE_UNIQUE_NAME] {
        tx.execute(statement, &[id.into()]).await?;
    }
    Ok(())
}

/// Writes what the application is found by: its names as a resource, its roles, its tags.
async fn index(tx: &mut WriteTx, tenant: TenantId, application: &Application) -> Result<(), IdentityError> {
    let id = application.object_id;
    let own = application.app_id.to_string();
    let own = [tenant.into(), (&own).into(), (&own).into(), id.into()];
    tx.execute(INSERT_NAME, &own).await.on_duplicate("appId")?;
    for uri in &application.properties.identifier_uris {
        let row = [tenant.into(), folded(uri).into(), uri.into(), id.into()];
        tx.execute(INSERT_NAME, &row).await.on_duplicate("identifierUris")?;
    }
    if let Some(name) = &application.properties.unique_name {
        let row = [tenant.into(), folded(name).into(), id.into()];
        tx.execute(INSERT_UNIQUE_NAME, &row).await.on_duplicate("uniqueName")?;
    }
    for tag in &application.properties.tags {
        tx.execute(INSERT_TAG, &[id.into(), folded(tag).into(), tenant.into()]).await?;
    }
    for role in &application.properties.app_roles {
        let row = [
            id.into(),
            role.id.into(),
            role.value.clone().into(),
            role.is_enabled.into(),
            role.allowed_member_types.contains(&MemberType::Application).into(),
            role.allowed_member_types.contains(&MemberType::User).into(),
        ];
        tx.execute(INSERT_ROLE, &row).await.on_duplicate("appRoles")?;
    }
    Ok(())
}

fn document(properties: &ApplicationProperties) -> Result<String, IdentityError> {
    serde_json::to_string(properties)
        .map_err(|error| IdentityError::invalid("application", error.to_string()))
}

fn one(row: Option<Row>) -> Result<Option<Application>, IdentityError> {
    row.as_ref().map(read).transpose()
}

pub(super) fn read(row: &Row) -> Result<Application, IdentityError> {
    let document = row.text(4)?;
    Ok(Application {
        object_id: row.id(0)?,
        app_id: row.id(1)?,
        created_at: timestamp(row.int(2)?),
        seeded: row.truth(3)?,
        version: row.int(5)?,
        properties: serde_json::from_str(&document).map_err(|_| DbError::Corrupt { column: 4 })?,
        secrets: Vec::new(),
        certificates: Vec::new(),
    })
}
