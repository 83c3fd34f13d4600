//! The tables of credentials: client secrets as keyed hashes, certificates, password hashes.

use std::collections::HashMap;

use hilum_kernel::{AppId, CredentialId, ObjectId, UserId};
use hilum_storage::db::{DbError, ReadTx, Row, Sql, Statement, WriteTx};

use super::{CertificateInfo, SecretInfo};
use crate::timestamp;

pub(crate) const SCHEMA: Sql = "CREATE TABLE client_secret (
        key_id TEXT PRIMARY KEY, application_id TEXT NOT NULL, hash BLOB NOT NULL, hint TEXT NOT NULL,
        display_name TEXT, starts_at_ms BIGINT NOT NULL, ends_at_ms BIGINT NOT NULL);
    CREATE INDEX client_secret_application ON client_secret (application_id);
    CREATE TABLE client_certificate (
        key_id TEXT PRIMARY KEY, application_id TEXT NOT NULL, thumbprint TEXT NOT NULL, der BLOB NOT NULL,
        display_name TEXT, starts_at_ms BIGINT NOT NULL, ends_at_ms BIGINT NOT NULL,
        UNIQUE (application_id, thumbprint));
    CREATE TABLE user_password (
        user_id TEXT PRIMARY KEY, hash TEXT NOT NULL, must_change BIGINT NOT NULL, changed_at_ms BIGINT NOT NULL)";

/// `application_id` is the ID of whoever holds the credential: application or service principal.
pub(crate) const SCHEMA_WHOLE: Sql = "ALTER TABLE client_certificate ADD COLUMN custom_key_identifier TEXT";

const SECRETS: Sql = "SELECT key_id, hint, display_name, starts_at_ms, ends_at_ms, application_id
    FROM client_secret WHERE application_id = $1 ORDER BY starts_at_ms, key_id LIMIT 1000";
const INSERT_SECRET: Sql = "INSERT INTO client_secret
    (key_id, application_id, hash, hint, display_name, starts_at_ms, ends_at_ms) VALUES ($1,$2,$3,$4,$5,$6,$7)";
const DELETE_SECRET: Sql = "DELETE FROM client_secret WHERE application_id = $1 AND key_id = $2";
const DELETE_SECRETS: Sql = "DELETE FROM client_secret WHERE application_id = $1";
const CERTIFICATES: Sql = "SELECT key_id, thumbprint, der, display_name, starts_at_ms, ends_at_ms,
    custom_key_identifier, application_id FROM client_certificate WHERE application_id = $1 ORDER BY ends_at_ms DESC, key_id LIMIT 1000";
const CLIENT_CERTIFICATES: Sql = "SELECT key_id, thumbprint, der, display_name, starts_at_ms, ends_at_ms,
    custom_key_identifier, application_id FROM client_certificate WHERE application_id IN (
        SELECT object_id FROM application WHERE app_id = $1 UNION ALL
        SELECT id FROM service_principal WHERE app_id = $1)
    ORDER BY ends_at_ms DESC, key_id LIMIT 1000";
const INSERT_CERTIFICATE: Sql = "INSERT INTO client_certificate
    (key_id, application_id, thumbprint, der, display_name, starts_at_ms, ends_at_ms, custom_key_identifier)
    VALUES ($1,$2,$3,$4,$5,$6,$7,$8)";
const RENAME_CERTIFICATE: Sql =
    "UPDATE client_certificate SET display_name = $3 WHERE application_id = $1 AND key_id = $2";
const DELETE_CERTIFICATE: Sql = "DELETE FROM client_certificate WHERE application_id = $1 AND key_id = $2";
const DELETE_CERTIFICATES: Sql = "DELETE FROM client_certificate WHERE application_id = $1";
const PASSWORD: Sql = "SELECT hash, must_change FROM user_password WHERE user_id = $1";
const SET_PASSWORD: Sql = "INSERT INTO user_password (user_id, hash, must_change, changed_at_ms)
    VALUES ($1, $2, $3, $4) ON CONFLICT (user_id) DO UPDATE
    SET hash = excluded.hash, must_change = excluded.must_change, changed_at_ms = excluded.changed_at_ms";
const DELETE_PASSWORD: Sql = "DELETE FROM user_password WHERE user_id = $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[
    SECRETS,
    INSERT_SECRET,
    DELETE_SECRET,
    DELETE_SECRETS,
    CERTIFICATES,
    CLIENT_CERTIFICATES,
    INSERT_CERTIFICATE,
    RENAME_CERTIFICATE,
    DELETE_CERTIFICATE,
    DELETE_CERTIFICATES,
    PASSWORD,
    SET_PASSWORD,
    DELETE_PASSWORD,
];

pub(crate) async fn secrets(tx: &mut ReadTx, application: ObjectId) -> Result<Vec<SecretInfo>, DbError> {
    tx.fetch_all(SECRETS, &[application.into()]).await?.iter().map(read_secret).collect()
}

/// The secrets of several owners.
pub(crate) async fn secrets_of(
    tx: &mut ReadTx,
    owners: &[ObjectId],
) -> Result<HashMap<ObjectId, Vec<SecretInfo>>, DbError> {
    let mut statement = Statement::new(
        "SELECT key_id, hint, display_name, starts_at_ms, ends_at_ms, application_id FROM client_secret
        WHERE application_id IN (",
    );
    statement.bind_list(owners.iter().copied()).push(") ORDER BY starts_at_ms, key_id LIMIT 1000000");
    let mut all: HashMap<ObjectId, Vec<SecretInfo>> = HashMap::new();
    for row in tx.fetch_all_of(&statement).await? {
        all.entry(row.id(5)?).or_default().push(read_secret(&row)?);
    }
    Ok(all)
}

/// The certificates of several owners.
pub(crate) async fn certificates_of(
    tx: &mut ReadTx,
    owners: &[ObjectId],
) -> Result<HashMap<ObjectId, Vec<CertificateInfo>>, DbError> {
    let mut statement = Statement::new(
        "SELECT key_id, thumbprint, der, display_name, starts_at_ms, ends_at_ms, custom_key_identifier,
        application_id FROM client_certificate WHERE application_id IN (",
    );
    statement.bind_list(owners.iter().copied()).push(") ORDER BY ends_at_ms DESC, key_id LIMIT 1000000");
    let mut all: HashMap<ObjectId, Vec<CertificateInfo>> = HashMap::new();
    for row in tx.fetch_all_of(&statement).await? {
        all.entry(row.id(7)?).or_default().push(read_certificate(&row)?);
    }
    Ok(all)
}

pub(crate) async fn insert_secret(
    tx: &mut WriteTx,
    application: ObjectId,
    info: &SecretInfo,
    hash: &[u8],
) -> Result<(), DbError> {
    let row = [
        info.key_id.into(),
        application.into(),
        hash.into(),
        (&info.hint).into(),
        info.display_name.clone().into(),
        info.starts_at.as_millisecond().into(),
        info.ends_at.as_millisecond().into(),
    ];
    tx.execute(INSERT_SECRET, &row).await.map(drop)
}

pub(crate) async fn delete_secret(
    tx: &mut WriteTx,
    application: ObjectId,
    key: CredentialId,
) -> Result<bool, DbError> {
    Ok(tx.execute(DELETE_SECRET, &[application.into(), key.into()]).await? > 0)
}

pub(crate) async fn delete_secrets(tx: &mut WriteTx, application: ObjectId) -> Result<(), DbError> {
    tx.execute(DELETE_SECRETS, &[application.into()]).await.map(drop)
}

pub(crate) async fn certificates(
    tx: &mut ReadTx,
    application: ObjectId,
) -> Result<Vec<CertificateInfo>, DbError> {
    tx.fetch_all(CERTIFICATES, &[application.into()]).await?.iter().map(read_certificate).collect()
}

/// The certificates of a client that has not proven anything yet.
pub(crate) async fn certificates_of_client(
    tx: &mut ReadTx,
    app_id: AppId,
) -> Result<Vec<CertificateInfo>, DbError> {
    tx.fetch_all(CLIENT_CERTIFICATES, &[app_id.into()]).await?.iter().map(read_certificate).collect()
}

pub(crate) async fn insert_certificate(
    tx: &mut WriteTx,
    application: ObjectId,
    info: &CertificateInfo,
) -> Result<(), DbError> {
    let row = [
        info.key_id.into(),
        application.into(),
        (&info.thumbprint).into(),
        info.der.as_slice().into(),
        info.display_name.clone().into(),
        info.starts_at.as_millisecond().into(),
        info.ends_at.as_millisecond().into(),
        info.custom_key_identifier.clone().into(),
    ];
    tx.execute(INSERT_CERTIFICATE, &row).await.map(drop)
}

pub(crate) async fn rename_certificate(
    tx: &mut WriteTx,
    owner: ObjectId,
    key: CredentialId,
    name: &str,
) -> Result<(), DbError> {
    tx.execute(RENAME_CERTIFICATE, &[owner.into(), key.into(), name.into()]).await.map(drop)
}

pub(crate) async fn delete_certificate(
    tx: &mut WriteTx,
    application: ObjectId,
    key: CredentialId,
) -> Result<bool, DbError> {
    Ok(tx.execute(DELETE_CERTIFICATE, &[application.into(), key.into()]).await? > 0)
}

pub(crate) async fn delete_certificates(tx: &mut WriteTx, application: ObjectId) -> Result<(), DbError> {
    tx.execute(DELETE_CERTIFICATES, &[application.into()]).await.map(drop)
}

/// The hash, and whether the password must be changed at the next sign-in.
pub(crate) async fn password(tx: &mut ReadTx, user: UserId) -> Result<Option<(String, bool)>, DbError> {
    let row = tx.fetch_optional(PASSWORD, &[user.into()]).await?;
    row.map(|row| Ok((row.text(0)?, row.truth(1)?))).transpose()
}

pub(crate) async fn set_password(
    tx: &mut WriteTx,
    user: UserId,
    hash: &str,
    must_change: bool,
    at_ms: i64,
) -> Result<(), DbError> {
    let row = [user.into(), hash.into(), must_change.into(), at_ms.into()];
    tx.execute(SET_PASSWORD, &row).await.map(drop)
}

pub(crate) async fn delete_password(tx: &mut WriteTx, user: UserId) -> Result<(), DbError> {
    tx.execute(DELETE_PASSWORD, &[user.into()]).await.map(drop)
}

fn read_secret(row: &Row) -> Result<SecretInfo, DbError> {
    Ok(SecretInfo {
        key_id: row.id(0)?,
        hint: row.text(1)?,
        display_name: row.opt_text(2)?,
        starts_at: timestamp(row.int(3)?),
        ends_at: timestamp(row.int(4)?),
    })
}

fn read_certificate(row: &Row) -> Result<CertificateInfo, DbError> {
    Ok(CertificateInfo {
        key_id: row.id(0)?,
        thumbprint: row.text(1)?,
        der: row.blob(2)?,
        display_name: row.opt_text(3)?,
        starts_at: timestamp(row.int(4)?),
        ends_at: timestamp(row.int(5)?),
        custom_key_identifier: row.opt_text(6)?,
    })
}
