//! Labels of declared objects: what `--prune -l key=value` chooses by. Owns `declared_label`.
//!
//! They stand in a table of their own and not among an object's tags, because only some kinds have tags, and because
//! a script that writes tags must not make an object fall to a prune.

use std::collections::{BTreeMap, BTreeSet};

use hilum_kernel::TenantId;
use hilum_storage::db::{DbError, ReadTx, Sql, Statement, WriteTx};

use super::document::{DeclaredKind, Labels};

pub(crate) const SCHEMA: Sql = "CREATE TABLE declared_label (
        tenant_id TEXT NOT NULL, kind TEXT NOT NULL, object_id TEXT NOT NULL, label TEXT NOT NULL,
        label_value TEXT NOT NULL, PRIMARY KEY (tenant_id, kind, object_id, label));
    CREATE INDEX declared_label_value ON declared_label (tenant_id, label, label_value, kind, object_id)";

const OF_OBJECT: Sql = "SELECT label, label_value FROM declared_label
    WHERE tenant_id = $1 AND kind = $2 AND object_id = $3 ORDER BY label LIMIT 100";
const OF_OBJECTS: Sql = "SELECT object_id, label, label_value FROM declared_label WHERE tenant_id = ";
const WITH_LABEL: Sql = "SELECT object_id FROM declared_label
    WHERE tenant_id = $1 AND label = $2 AND label_value = $3 AND kind = $4 AND object_id > $5
    ORDER BY object_id LIMIT $6";
const INSERT: Sql = "INSERT INTO declared_label (tenant_id, kind, object_id, label, label_value)
    VALUES ($1, $2, $3, $4, $5)";
const DELETE: Sql = "DELETE FROM declared_label WHERE tenant_id = $1 AND kind = $2 AND object_id = $3";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[OF_OBJECT, WITH_LABEL, INSERT, DELETE];

pub(super) async fn of_object(
    tx: &mut ReadTx,
    tenant: TenantId,
    kind: DeclaredKind,
    id: &str,
) -> Result<Labels, DbError> {
    let rows = tx.fetch_all(OF_OBJECT, &[tenant.into(), kind.as_str().into(), id.into()]).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
}

/// The labels of several objects of a kind, by the object's ID.
pub(super) async fn of_objects<'a>(
    tx: &mut ReadTx,
    tenant: TenantId,
    kind: DeclaredKind,
    ids: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, Labels>, DbError> {
    let mut statement = Statement::new(OF_OBJECTS);
    statement.bind(tenant).push(" AND kind = ").bind(kind.as_str());
    statement.push(" AND object_id IN (").bind_list(ids).push(")");
    let mut all: BTreeMap<String, Labels> = BTreeMap::new();
    for row in tx.fetch_all_of(&statement).await? {
        all.entry(row.text(0)?).or_default().insert(row.text(1)?, row.text(2)?);
    }
    Ok(all)
}

/// The objects of a kind that carry all of these labels: every one of them, read `page` at a time.
pub(super) async fn with_labels(
    tx: &mut ReadTx,
    tenant: TenantId,
    (kind, labels): (DeclaredKind, &Labels),
    page: usize,
) -> Result<BTreeSet<String>, DbError> {
    let mut found: Option<BTreeSet<String>> = None;
    for (label, value) in labels {
        let these = with_label(tx, tenant, kind, (label, value), page).await?;
        found = Some(match found {
            Some(before) => before.intersection(&these).cloned().collect(),
            None => these,
        });
    }
    Ok(found.unwrap_or_default())
}

async fn with_label(
    tx: &mut ReadTx,
    tenant: TenantId,
    kind: DeclaredKind,
    (label, value): (&str, &str),
    page: usize,
) -> Result<BTreeSet<String>, DbError> {
    let limit = i64::try_from(page.max(1)).unwrap_or(i64::MAX);
    let mut all = BTreeSet::new();
    loop {
        let after = all.last().map_or("", String::as_str);
        let row =
            [tenant.into(), label.into(), value.into(), kind.as_str().into(), after.into(), limit.into()];
        let rows = tx.fetch_all(WITH_LABEL, &row).await?;
        let more = rows.len() >= page.max(1);
        for row in rows {
            all.insert(row.text(0)?);
        }
        if !more {
            return Ok(all);
        }
    }
}

pub(super) async fn replace(
    tx: &mut WriteTx,
    tenant: TenantId,
    (kind, id): (DeclaredKind, &str),
    labels: &Labels,
) -> Result<(), DbError> {
    delete(tx, tenant, kind, id).await?;
    for (label, value) in labels {
        let row = [tenant.into(), kind.as_str().into(), id.into(), label.into(), value.into()];
        tx.execute(INSERT, &row).await?;
    }
    Ok(())
}

pub(super) async fn delete(
    tx: &mut WriteTx,
    tenant: TenantId,
    kind: DeclaredKind,
    id: &str,
) -> Result<(), DbError> {
    tx.execute(DELETE, &[tenant.into(), kind.as_str().into(), id.into()]).await.map(drop)
}
