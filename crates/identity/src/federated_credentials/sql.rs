//! The table of federated identity credentials.

use hilum_kernel::{ObjectId, TenantId};
use hilum_storage::db::{DbError, ReadTx, Row, Sql, WriteTx};

use super::{FederatedCredential, FederatedProperties};
use crate::folded;

pub(crate) const SCHEMA: Sql = "CREATE TABLE federated_credential (
        id TEXT PRIMARY KEY, application_id TEXT NOT NULL, tenant_id TEXT NOT NULL, name TEXT NOT NULL,
        name_folded TEXT NOT NULL, issuer TEXT NOT NULL, subject TEXT NOT NULL, audience TEXT NOT NULL,
        description TEXT, UNIQUE (application_id, name_folded), UNIQUE (application_id, issuer, subject))";

/// What [`read`] reads.
pub(super) const ROW: Sql = "id, name, issuer, subject, audience, description";
const LIST: Sql = "SELECT id, name, issuer, subject, audience, description FROM federated_credential
    WHERE application_id = $1 ORDER BY id LIMIT 100";
const INSERT: Sql = "INSERT INTO federated_credential
    (id, application_id, tenant_id, name, name_folded, issuer, subject, audience, description)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const UPDATE: Sql =
    "UPDATE federated_credential SET issuer = $2, subject = $3, audience = $4, description = $5
    WHERE id = $1";
const DELETE: Sql = "DELETE FROM federated_credential WHERE id = $1";
const FORGET: Sql = "DELETE FROM federated_credential WHERE application_id = $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[LIST, INSERT, UPDATE, DELETE, FORGET];

pub(crate) async fn list(tx: &mut ReadTx, owner: ObjectId) -> Result<Vec<FederatedCredential>, DbError> {
    tx.fetch_all(LIST, &[owner.into()]).await?.iter().map(read).collect()
}

pub(super) async fn insert(
    tx: &mut WriteTx,
    tenant: TenantId,
    owner: ObjectId,
    credential: &FederatedCredential,
) -> Result<(), DbError> {
    let p = &credential.properties;
    let row = [
        credential.id.into(),
        owner.into(),
        tenant.into(),
        (&p.name).into(),
        folded(&p.name).into(),
        (&p.issuer).into(),
        (&p.subject).into(),
        p.audiences.first().cloned().unwrap_or_default().into(),
        p.description.clone().into(),
    ];
    tx.execute(INSERT, &row).await.map(drop)
}

pub(super) async fn update(tx: &mut WriteTx, credential: &FederatedCredential) -> Result<(), DbError> {
    let p = &credential.properties;
    let row = [
        credential.id.into(),
        (&p.issuer).into(),
        (&p.subject).into(),
        p.audiences.first().cloned().unwrap_or_default().into(),
        p.description.clone().into(),
    ];
    tx.execute(UPDATE, &row).await.map(drop)
}

pub(super) async fn delete(tx: &mut WriteTx, id: hilum_kernel::CredentialId) -> Result<(), DbError> {
    tx.execute(DELETE, &[id.into()]).await.map(drop)
}

/// For an application that is gone for good.
pub(crate) async fn forget(tx: &mut WriteTx, owner: ObjectId) -> Result<(), DbError> {
    tx.execute(FORGET, &[owner.into()]).await.map(drop)
}

pub(super) fn read(row: &Row) -> Result<FederatedCredential, DbError> {
    Ok(FederatedCredential {
        id: row.id(0)?,
        properties: FederatedProperties {
            name: row.text(1)?,
            issuer: row.text(2)?,
            subject: row.text(3)?,
            audiences: vec![row.text(4)?],
            description: row.opt_text(5)?,
        },
    })
}
