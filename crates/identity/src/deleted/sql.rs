//! The table of deleted objects.

use hilum_kernel::{ObjectId, Secret, TenantId};
use hilum_storage::db::{DbError, ReadTx, Row, Sql, WriteTx};

use super::{DeletedKind, DeletedObject};
use crate::{folded, timestamp};

pub(crate) const SCHEMA: Sql = "CREATE TABLE deleted_object (
        id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, kind TEXT NOT NULL, display_name TEXT NOT NULL,
        display_name_folded TEXT NOT NULL, parent_id TEXT, deleted_at_ms BIGINT NOT NULL, document TEXT NOT NULL);
    CREATE INDEX deleted_object_kind ON deleted_object (tenant_id, kind, id);
    CREATE INDEX deleted_object_parent ON deleted_object (parent_id);
    CREATE INDEX deleted_object_deleted ON deleted_object (deleted_at_ms, id)";

/// What [`read`] reads.
pub(super) const ROW: Sql = "id, kind, display_name, deleted_at_ms, parent_id, document, tenant_id";
const FIND: Sql =
    "SELECT id, kind, display_name, deleted_at_ms, parent_id, document, tenant_id FROM deleted_object
    WHERE id = $1 AND tenant_id = $2";
const CHILDREN: Sql =
    "SELECT id, kind, display_name, deleted_at_ms, parent_id, document, tenant_id FROM deleted_object
    WHERE parent_id = $1 AND tenant_id = $2 ORDER BY id LIMIT 100";
const LIST: Sql =
    "SELECT id, kind, display_name, deleted_at_ms, parent_id, document, tenant_id FROM deleted_object
    WHERE tenant_id = $1 AND kind = $2 ORDER BY id LIMIT 10000";
const DUE: Sql =
    "SELECT id, kind, display_name, deleted_at_ms, parent_id, document, tenant_id FROM deleted_object
    WHERE deleted_at_ms <= $1 ORDER BY deleted_at_ms, id LIMIT 100";
const INSERT: Sql = "INSERT INTO deleted_object
    (id, tenant_id, kind, display_name, display_name_folded, parent_id, deleted_at_ms, document)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const DELETE: Sql = "DELETE FROM deleted_object WHERE id = $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[FIND, CHILDREN, LIST, DUE, INSERT, DELETE];

/// Keeps a deleted object; its own row is the caller's to delete, in the same transaction.
pub(crate) async fn put(tx: &mut WriteTx, tenant: TenantId, object: &DeletedObject) -> Result<(), DbError> {
    let row = [
        object.id.into(),
        tenant.into(),
        object.kind.as_str().into(),
        (&object.display_name).into(),
        folded(&object.display_name).into(),
        object.parent.into(),
        object.deleted_at.as_millisecond().into(),
        object.document.expose().into(),
    ];
    tx.execute(INSERT, &row).await.map(drop)
}

pub(crate) async fn find(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: ObjectId,
) -> Result<Option<DeletedObject>, DbError> {
    tx.fetch_optional(FIND, &[id.into(), tenant.into()]).await?.map(|row| read(&row)).transpose()
}

/// What was deleted with an object.
pub(super) async fn children(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: ObjectId,
) -> Result<Vec<DeletedObject>, DbError> {
    tx.fetch_all(CHILDREN, &[id.into(), tenant.into()]).await?.iter().map(read).collect()
}

pub(super) async fn list(
    tx: &mut ReadTx,
    tenant: TenantId,
    kind: DeletedKind,
) -> Result<Vec<DeletedObject>, DbError> {
    tx.fetch_all(LIST, &[tenant.into(), kind.as_str().into()]).await?.iter().map(read).collect()
}

/// Some of those deleted up to a time, of any tenant, oldest first.
pub(super) async fn due(tx: &mut ReadTx, until_ms: i64) -> Result<Vec<(TenantId, DeletedObject)>, DbError> {
    let rows = tx.fetch_all(DUE, &[until_ms.into()]).await?;
    rows.iter().map(|row| Ok((row.id(6)?, read(row)?))).collect()
}

pub(crate) async fn remove(tx: &mut WriteTx, id: ObjectId) -> Result<(), DbError> {
    tx.execute(DELETE, &[id.into()]).await.map(drop)
}

pub(super) fn read(row: &Row) -> Result<DeletedObject, DbError> {
    Ok(DeletedObject {
        id: row.id(0)?,
        kind: DeletedKind::parse(&row.text(1)?).ok_or(DbError::Corrupt { column: 1 })?,
        display_name: row.text(2)?,
        deleted_at: timestamp(row.int(3)?),
        parent: row.opt_id(4)?,
        document: Secret::new(row.text(5)?),
    })
}
