//! The table of owners.

use hilum_kernel::{ObjectId, TenantId};
use hilum_storage::db::{DbError, ReadTx, Row, Sql, Statement, WriteTx};

use super::{Owned, OwnedKind, OwnerRef};
use crate::PrincipalKind;

pub(crate) const SCHEMA: Sql = "CREATE TABLE directory_owner (
        object_id TEXT NOT NULL, owner_id TEXT NOT NULL, tenant_id TEXT NOT NULL, object_kind TEXT NOT NULL,
        owner_kind TEXT NOT NULL, created_at_ms BIGINT NOT NULL, PRIMARY KEY (object_id, owner_id));
    CREATE INDEX directory_owner_owner ON directory_owner (owner_id, object_id)";

const OF: Sql = "SELECT owner_id, owner_kind FROM directory_owner
    WHERE object_id = $1 ORDER BY created_at_ms, owner_id LIMIT 200";
const OWNED_BY: Sql = "SELECT object_id, object_kind FROM directory_owner
    WHERE owner_id = $1 ORDER BY object_id LIMIT 10000";
const OWNS: Sql = "SELECT owner_id FROM directory_owner WHERE object_id = $1 AND owner_id = $2";
const INSERT: Sql = "INSERT INTO directory_owner
    (object_id, owner_id, tenant_id, object_kind, owner_kind, created_at_ms) VALUES ($1, $2, $3, $4, $5, $6)";
const DELETE: Sql = "DELETE FROM directory_owner WHERE object_id = $1 AND owner_id = $2";
const FORGET_OBJECT: Sql = "DELETE FROM directory_owner WHERE object_id = $1";
const FORGET_OWNER: Sql = "DELETE FROM directory_owner WHERE owner_id = $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[OF, OWNED_BY, OWNS, INSERT, DELETE, FORGET_OBJECT, FORGET_OWNER];

/// The owners of an object, oldest first, whether they exist at the moment or not.
pub(crate) async fn of(tx: &mut ReadTx, object: ObjectId) -> Result<Vec<OwnerRef>, DbError> {
    tx.fetch_all(OF, &[object.into()]).await?.iter().map(read_owner).collect()
}

/// The owners of several objects.
pub(super) async fn of_all(
    tx: &mut ReadTx,
    objects: &[ObjectId],
) -> Result<Vec<(ObjectId, OwnerRef)>, DbError> {
    let mut statement =
        Statement::new("SELECT owner_id, owner_kind, object_id FROM directory_owner WHERE object_id IN (");
    statement.bind_list(objects.iter().copied()).push(") ORDER BY created_at_ms, owner_id LIMIT 100000");
    let rows = tx.fetch_all_of(&statement).await?;
    rows.iter().map(|row| Ok((row.id(2)?, read_owner(row)?))).collect()
}

/// What somebody owns, by ID, whether it exists at the moment or not.
pub(crate) async fn owned_by(tx: &mut ReadTx, owner: ObjectId) -> Result<Vec<Owned>, DbError> {
    tx.fetch_all(OWNED_BY, &[owner.into()]).await?.iter().map(read_owned).collect()
}

/// Whether somebody owns an object.
pub(crate) async fn owns(tx: &mut ReadTx, owner: ObjectId, object: ObjectId) -> Result<bool, DbError> {
    Ok(tx.fetch_optional(OWNS, &[object.into(), owner.into()]).await?.is_some())
}

pub(super) async fn insert(
    tx: &mut WriteTx,
    tenant: TenantId,
    object: Owned,
    owner: OwnerRef,
    at_ms: i64,
) -> Result<(), DbError> {
    let row = [
        object.id.into(),
        owner.id.into(),
        tenant.into(),
        object.kind.as_str().into(),
        owner.kind.as_str().into(),
        at_ms.into(),
    ];
    tx.execute(INSERT, &row).await.map(drop)
}

/// Ends an ownership, if there is one.
pub(crate) async fn remove(tx: &mut WriteTx, object: ObjectId, owner: ObjectId) -> Result<bool, DbError> {
    Ok(tx.execute(DELETE, &[object.into(), owner.into()]).await? > 0)
}

/// For an object that is gone for good.
pub(crate) async fn forget_object(tx: &mut WriteTx, object: ObjectId) -> Result<(), DbError> {
    tx.execute(FORGET_OBJECT, &[object.into()]).await.map(drop)
}

/// For a principal that is gone for good.
pub(crate) async fn forget_owner(tx: &mut WriteTx, owner: ObjectId) -> Result<(), DbError> {
    tx.execute(FORGET_OWNER, &[owner.into()]).await.map(drop)
}

fn read_owner(row: &Row) -> Result<OwnerRef, DbError> {
    let kind = match row.text(1)?.as_str() {
        "User" => PrincipalKind::User,
        "ServicePrincipal" => PrincipalKind::ServicePrincipal,
        _ => return Err(DbError::Corrupt { column: 1 }),
    };
    Ok(OwnerRef { id: row.id(0)?, kind })
}

fn read_owned(row: &Row) -> Result<Owned, DbError> {
    let kind = match row.text(1)?.as_str() {
        "application" => OwnedKind::Application,
        "servicePrincipal" => OwnedKind::ServicePrincipal,
        _ => return Err(DbError::Corrupt { column: 1 }),
    };
    Ok(Owned { id: row.id(0)?, kind })
}
