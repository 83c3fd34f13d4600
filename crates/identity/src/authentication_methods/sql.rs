//! The tables of authentication methods and recovery codes. Secrets are sealed, codes hashed under a key.

use hilum_kernel::{TenantId, UserId};
use hilum_storage::db::{DbError, ReadTx, Row, Sql, WriteTx};
use uuid::Uuid;

use super::{MethodKind, Registered};

pub(crate) const SCHEMA: Sql = "CREATE TABLE authentication_method (
        id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, user_id TEXT NOT NULL, kind TEXT NOT NULL,
        display_name TEXT NOT NULL, credential_id TEXT UNIQUE, material BLOB NOT NULL, counter BIGINT NOT NULL,
        created_at_ms BIGINT NOT NULL, used_at_ms BIGINT);
    CREATE INDEX authentication_method_user ON authentication_method (user_id, created_at_ms);
    CREATE TABLE recovery_code (
        user_id TEXT NOT NULL, code_hash TEXT NOT NULL, PRIMARY KEY (user_id, code_hash))";

/// Challenges that were answered, until they would have been too old anyway.
pub(crate) const SCHEMA_CHALLENGES: Sql = "CREATE TABLE spent_challenge (
        challenge_hash TEXT PRIMARY KEY, expires_at_ms BIGINT NOT NULL);
    CREATE INDEX spent_challenge_expiry ON spent_challenge (expires_at_ms)";

const OF_USER: Sql =
    "SELECT id, kind, display_name, credential_id, material, counter, created_at_ms, used_at_ms
    FROM authentication_method WHERE user_id = $1 AND tenant_id = $2 ORDER BY created_at_ms, id LIMIT 50";
const INSERT: Sql = "INSERT INTO authentication_method
    (id, tenant_id, user_id, kind, display_name, credential_id, material, counter, created_at_ms, used_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
/// The condition makes each step good once.
const ADVANCE: Sql =
    "UPDATE authentication_method SET counter = $2, used_at_ms = $3 WHERE id = $1 AND counter < $2";
/// Authenticators without a counter say nought each time.
const USE_PASSKEY: Sql = "UPDATE authentication_method SET counter = $2, used_at_ms = $3
    WHERE id = $1 AND (counter < $2 OR (counter = 0 AND $2 = 0))";
const SPEND_CHALLENGE: Sql =
    "INSERT INTO spent_challenge (challenge_hash, expires_at_ms) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const PURGE_CHALLENGES: Sql = "DELETE FROM spent_challenge WHERE challenge_hash IN
    (SELECT challenge_hash FROM spent_challenge WHERE expires_at_ms < $1 ORDER BY expires_at_ms LIMIT 10)";
const RENAME: Sql = "UPDATE authentication_method SET display_name = $3 WHERE id = $1 AND user_id = $2";
const DELETE: Sql = "DELETE FROM authentication_method WHERE id = $1 AND user_id = $2";
const DELETE_ALL: Sql = "DELETE FROM authentication_method WHERE user_id = $1";
const CODES_LEFT: Sql = "SELECT COUNT(*) FROM recovery_code WHERE user_id = $1";
const ADD_CODE: Sql = "INSERT INTO recovery_code (user_id, code_hash) VALUES ($1, $2)";
const SPEND_CODE: Sql = "DELETE FROM recovery_code WHERE user_id = $1 AND code_hash = $2";
const DELETE_CODES: Sql = "DELETE FROM recovery_code WHERE user_id = $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[
    OF_USER,
    INSERT,
    ADVANCE,
    USE_PASSKEY,
    SPEND_CHALLENGE,
    PURGE_CHALLENGES,
    RENAME,
    DELETE,
    DELETE_ALL,
    CODES_LEFT,
    ADD_CODE,
    SPEND_CODE,
    DELETE_CODES,
];

pub(crate) async fn of_user(
    tx: &mut ReadTx,
    tenant: TenantId,
    user: UserId,
) -> Result<Vec<Registered>, DbError> {
    tx.fetch_all(OF_USER, &[user.into(), tenant.into()]).await?.iter().map(read).collect()
}

pub(super) async fn insert(
    tx: &mut WriteTx,
    (tenant, user): (TenantId, UserId),
    method: &Registered,
) -> Result<(), DbError> {
    let row = [
        method.id.to_string().into(),
        tenant.into(),
        user.into(),
        method.kind.as_str().into(),
        (&method.display_name).into(),
        method.credential_id.clone().into(),
        method.material.as_slice().into(),
        method.counter.into(),
        method.created_at_ms.into(),
        method.used_at_ms.into(),
    ];
    tx.execute(INSERT, &row).await.map(drop)
}

/// Moves the method's counter on; false when it is there already, or the method is gone.
pub(crate) async fn advance(
    tx: &mut WriteTx,
    id: Uuid,
    (counter, at_ms): (i64, i64),
) -> Result<bool, DbError> {
    Ok(tx.execute(ADVANCE, &[id.to_string().into(), counter.into(), at_ms.into()]).await? == 1)
}

/// Notes that a passkey was shown; false when its counter is further already, or it is gone.
pub(crate) async fn use_passkey(
    tx: &mut WriteTx,
    id: Uuid,
    (counter, at_ms): (i64, i64),
) -> Result<bool, DbError> {
    Ok(tx.execute(USE_PASSKEY, &[id.to_string().into(), counter.into(), at_ms.into()]).await? == 1)
}

/// Uses a challenge up; false when it was used before.
pub(crate) async fn spend_challenge(
    tx: &mut WriteTx,
    (hash, expires_at_ms): (&str, i64),
    at_ms: i64,
) -> Result<bool, DbError> {
    tx.execute(PURGE_CHALLENGES, &[at_ms.into()]).await?;
    Ok(tx.execute(SPEND_CHALLENGE, &[hash.into(), expires_at_ms.into()]).await? == 1)
}

pub(super) async fn rename(
    tx: &mut WriteTx,
    (id, user): (Uuid, UserId),
    name: &str,
) -> Result<bool, DbError> {
    Ok(tx.execute(RENAME, &[id.to_string().into(), user.into(), name.into()]).await? == 1)
}

pub(super) async fn delete(tx: &mut WriteTx, id: Uuid, user: UserId) -> Result<bool, DbError> {
    Ok(tx.execute(DELETE, &[id.to_string().into(), user.into()]).await? == 1)
}

/// Removes methods and recovery codes.
pub(crate) async fn delete_all(tx: &mut WriteTx, user: UserId) -> Result<(), DbError> {
    tx.execute(DELETE_ALL, &[user.into()]).await?;
    tx.execute(DELETE_CODES, &[user.into()]).await.map(drop)
}

pub(crate) async fn codes_left(tx: &mut ReadTx, user: UserId) -> Result<i64, DbError> {
    tx.fetch_optional(CODES_LEFT, &[user.into()]).await?.map_or(Ok(0), |row| row.int(0))
}

/// Puts a set in place of the one before.
pub(super) async fn replace_codes(tx: &mut WriteTx, user: UserId, hashes: &[String]) -> Result<(), DbError> {
    tx.execute(DELETE_CODES, &[user.into()]).await?;
    for hash in hashes {
        tx.execute(ADD_CODE, &[user.into(), hash.into()]).await?;
    }
    Ok(())
}

/// Uses a code up; false when there is none like it.
pub(crate) async fn spend_code(tx: &mut WriteTx, user: UserId, hash: &str) -> Result<bool, DbError> {
    Ok(tx.execute(SPEND_CODE, &[user.into(), hash.into()]).await? == 1)
}

fn read(row: &Row) -> Result<Registered, DbError> {
    let kind = MethodKind::parse(&row.text(1)?).ok_or(DbError::Corrupt { column: 1 })?;
    Ok(Registered {
        id: row.id(0)?,
        kind,
        display_name: row.text(2)?,
        credential_id: row.opt_text(3)?,
        material: row.blob(4)?,
        counter: row.int(5)?,
        created_at_ms: row.int(6)?,
        used_at_ms: row.opt_int(7)?,
    })
}
