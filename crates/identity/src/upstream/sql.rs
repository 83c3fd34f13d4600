//! The tables of links to identities elsewhere and of sign-ins under way there.

use hilum_kernel::{TenantId, UserId};
use hilum_storage::db::{DbError, ReadTx, Row, Sql, Statement, WriteTx};

use super::{
    FederatedIdentity, Parked, StateHash,
    identities::{IDENTITIES_OF_USER_MAX, LinkOrigin},
};

/// One identity leads to one user.
pub(crate) const SCHEMA: Sql = "CREATE TABLE user_identity (
        tenant_id TEXT NOT NULL, issuer TEXT NOT NULL, subject TEXT NOT NULL, user_id TEXT NOT NULL,
        origin TEXT NOT NULL, created_at_ms BIGINT NOT NULL, PRIMARY KEY (tenant_id, issuer, subject));
    CREATE INDEX user_identity_user ON user_identity (user_id, issuer, subject)";

pub(crate) const SCHEMA_PENDING: Sql = "CREATE TABLE upstream_sign_in (
        state_hash TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, network TEXT NOT NULL, sealed TEXT NOT NULL,
        created_at_ms BIGINT NOT NULL, expires_at_ms BIGINT NOT NULL);
    CREATE INDEX upstream_sign_in_network ON upstream_sign_in (network, created_at_ms);
    CREATE INDEX upstream_sign_in_expiry ON upstream_sign_in (expires_at_ms)";

const BY_SUBJECT: Sql = "SELECT user_id, issuer, subject, origin FROM user_identity
    WHERE tenant_id = $1 AND issuer = $2 AND subject = $3";
const OF_USER: Sql = "SELECT user_id, issuer, subject, origin FROM user_identity
    WHERE user_id = $1 ORDER BY issuer, subject LIMIT 20";
const OF_USERS: Sql = "SELECT user_id, issuer, subject, origin FROM user_identity WHERE user_id IN (";
const INSERT: Sql = "INSERT INTO user_identity (tenant_id, issuer, subject, user_id, origin, created_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6)";
const SET_ORIGIN: Sql =
    "UPDATE user_identity SET origin = $4 WHERE tenant_id = $1 AND issuer = $2 AND subject = $3";
const DELETE: Sql = "DELETE FROM user_identity WHERE tenant_id = $1 AND issuer = $2 AND subject = $3";
const FORGET: Sql = "DELETE FROM user_identity WHERE user_id = $1";

const PARK: Sql =
    "INSERT INTO upstream_sign_in (state_hash, tenant_id, network, sealed, created_at_ms, expires_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6)";
const PARKED: Sql =
    "SELECT sealed FROM upstream_sign_in WHERE state_hash = $1 AND tenant_id = $2 AND expires_at_ms > $3";
const UNPARK: Sql = "DELETE FROM upstream_sign_in WHERE state_hash = $1";
/// Each new one clears more than it adds.
const PURGE: Sql = "DELETE FROM upstream_sign_in WHERE state_hash IN
    (SELECT state_hash FROM upstream_sign_in WHERE expires_at_ms < $1 ORDER BY expires_at_ms LIMIT 100)";
const COUNT: Sql = "SELECT COUNT(*) FROM (SELECT 1 FROM upstream_sign_in LIMIT 10000) live";
const COUNT_OF_NETWORK: Sql =
    "SELECT COUNT(*) FROM (SELECT 1 FROM upstream_sign_in WHERE network = $1 LIMIT 10000) own";
const DISPLACE: Sql = "DELETE FROM upstream_sign_in WHERE state_hash = (
    SELECT state_hash FROM upstream_sign_in WHERE network = (
        SELECT network FROM upstream_sign_in GROUP BY network ORDER BY COUNT(*) DESC, network LIMIT 1)
    ORDER BY created_at_ms, state_hash LIMIT 1)";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[
    BY_SUBJECT,
    OF_USER,
    INSERT,
    SET_ORIGIN,
    DELETE,
    FORGET,
    PARK,
    PARKED,
    UNPARK,
    PURGE,
    COUNT,
    COUNT_OF_NETWORK,
    DISPLACE,
];

/// The link of an identity elsewhere.
pub(super) async fn by_subject(
    tx: &mut ReadTx,
    tenant: TenantId,
    (issuer, subject): (&str, &str),
) -> Result<Option<FederatedIdentity>, DbError> {
    let row = tx.fetch_optional(BY_SUBJECT, &[tenant.into(), issuer.into(), subject.into()]).await?;
    row.as_ref().map(read).transpose()
}

/// The links of a user.
pub(super) async fn of_user(tx: &mut ReadTx, user: UserId) -> Result<Vec<FederatedIdentity>, DbError> {
    tx.fetch_all(OF_USER, &[user.into()]).await?.iter().map(read).collect()
}

/// The links of several users.
pub(super) async fn of_users(tx: &mut ReadTx, users: &[UserId]) -> Result<Vec<FederatedIdentity>, DbError> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let mut statement = Statement::new(OF_USERS);
    statement.bind_list(users.iter().copied()).push(") ORDER BY user_id, issuer, subject LIMIT ");
    let most = users.len().saturating_mul(IDENTITIES_OF_USER_MAX);
    statement.bind(i64::try_from(most).unwrap_or(i64::MAX));
    tx.fetch_all_of(&statement).await?.iter().map(read).collect()
}

pub(super) async fn insert(
    tx: &mut WriteTx,
    tenant: TenantId,
    link: &FederatedIdentity,
    at_ms: i64,
) -> Result<(), DbError> {
    let row = [
        tenant.into(),
        (&link.issuer).into(),
        (&link.subject).into(),
        link.user.into(),
        link.origin.as_str().into(),
        at_ms.into(),
    ];
    tx.execute(INSERT, &row).await.map(drop)
}

/// An administrator stands for the link from now on.
pub(super) async fn set_origin(
    tx: &mut WriteTx,
    tenant: TenantId,
    link: &FederatedIdentity,
) -> Result<(), DbError> {
    let row = [tenant.into(), (&link.issuer).into(), (&link.subject).into(), link.origin.as_str().into()];
    tx.execute(SET_ORIGIN, &row).await.map(drop)
}

pub(super) async fn delete(
    tx: &mut WriteTx,
    tenant: TenantId,
    link: &FederatedIdentity,
) -> Result<(), DbError> {
    tx.execute(DELETE, &[tenant.into(), (&link.issuer).into(), (&link.subject).into()]).await.map(drop)
}

/// For a user who is gone for good.
pub(super) async fn forget(tx: &mut WriteTx, user: UserId) -> Result<(), DbError> {
    tx.execute(FORGET, &[user.into()]).await.map(drop)
}

pub(super) async fn park(
    tx: &mut WriteTx,
    tenant: TenantId,
    (parked, network): (&Parked, &str),
    (at_ms, expires_at_ms): (i64, i64),
) -> Result<(), DbError> {
    let row = [
        parked.state.as_str().into(),
        tenant.into(),
        network.into(),
        (&parked.sealed).into(),
        at_ms.into(),
        expires_at_ms.into(),
    ];
    tx.execute(PARK, &row).await.map(drop)
}

pub(super) async fn parked(
    tx: &mut ReadTx,
    tenant: TenantId,
    state: &StateHash,
    now_ms: i64,
) -> Result<Option<String>, DbError> {
    let row = tx.fetch_optional(PARKED, &[state.as_str().into(), tenant.into(), now_ms.into()]).await?;
    row.map(|row| row.text(0)).transpose()
}

pub(super) async fn unpark(tx: &mut WriteTx, state: &StateHash) -> Result<bool, DbError> {
    Ok(tx.execute(UNPARK, &[state.as_str().into()]).await? == 1)
}

/// Deletes some whose time is over; tells how many are left, up to a limit.
pub(super) async fn purge(tx: &mut WriteTx, at_ms: i64) -> Result<i64, DbError> {
    tx.execute(PURGE, &[at_ms.into()]).await?;
    tx.fetch_optional(COUNT, &[]).await?.map_or(Ok(0), |row| row.int(0))
}

pub(super) async fn count_of_network(tx: &mut WriteTx, network: &str) -> Result<i64, DbError> {
    tx.fetch_optional(COUNT_OF_NETWORK, &[network.into()]).await?.map_or(Ok(0), |row| row.int(0))
}

pub(super) async fn displace(tx: &mut WriteTx) -> Result<bool, DbError> {
    Ok(tx.execute(DISPLACE, &[]).await? == 1)
}

fn read(row: &Row) -> Result<FederatedIdentity, DbError> {
    Ok(FederatedIdentity {
        user: row.id(0)?,
        issuer: row.text(1)?,
        subject: row.text(2)?,
        origin: LinkOrigin::parse(&row.text(3)?).ok_or(DbError::Corrupt { column: 3 })?,
    })
}
