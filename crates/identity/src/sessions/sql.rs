//! The table of refresh sessions. It holds nothing that could be presented as a token.

use hilum_kernel::{AppId, TenantId, UserId};
use hilum_storage::db::{DbError, ReadTx, Row, Sql, WriteTx};

use super::{ClientKind, NewSession, OfApplication, Session, SessionId};
use crate::{User, authentication_methods::Amr, oauth::Platform};

pub(crate) const SCHEMA: Sql = "CREATE TABLE refresh_session (
        id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, user_id TEXT NOT NULL, app_id TEXT NOT NULL,
        confidential BIGINT NOT NULL, scope TEXT NOT NULL, authenticated_at_ms BIGINT NOT NULL,
        generation BIGINT NOT NULL, rotated_at_ms BIGINT NOT NULL, expires_at_ms BIGINT NOT NULL,
        revoked_at_ms BIGINT);
    CREATE INDEX refresh_session_user ON refresh_session (user_id, app_id, rotated_at_ms);
    CREATE INDEX refresh_session_application ON refresh_session (app_id);
    CREATE INDEX refresh_session_expiry ON refresh_session (expires_at_ms)";

/// Where the session's code was sent, and the end of those that do not roll on.
pub(crate) const SCHEMA_PLATFORM: Sql = "ALTER TABLE refresh_session ADD COLUMN platform TEXT;
    ALTER TABLE refresh_session ADD COLUMN ends_at_ms BIGINT";

/// What its user proved.
pub(crate) const SCHEMA_AMR: Sql = "ALTER TABLE refresh_session ADD COLUMN amr TEXT";

/// Who vouched for its user.
pub(crate) const SCHEMA_IDP: Sql = "ALTER TABLE refresh_session ADD COLUMN idp TEXT";

/// The key that its refresh tokens are bound to.
pub(crate) const SCHEMA_KEY: Sql = "ALTER TABLE refresh_session ADD COLUMN bound_to TEXT";

const BY_ID: Sql =
    "SELECT id, user_id, app_id, confidential, scope, authenticated_at_ms, generation, rotated_at_ms,
    expires_at_ms, revoked_at_ms, platform, ends_at_ms, amr, idp, bound_to
    FROM refresh_session WHERE id = $1 AND tenant_id = $2";
const INSERT: Sql = "INSERT INTO refresh_session (id, tenant_id, user_id, app_id, confidential, scope,
    authenticated_at_ms, generation, rotated_at_ms, expires_at_ms, platform, ends_at_ms, amr, idp, bound_to)
    VALUES ($1,$2,$3,$4,$5,$6,$7,0,$8,$9,$10,$11,$12,$13,$14)";
/// Nothing where the session is there already.
const INSERT_ENDED: Sql = "INSERT INTO refresh_session (id, tenant_id, user_id, app_id, confidential, scope,
    authenticated_at_ms, generation, rotated_at_ms, expires_at_ms, amr, revoked_at_ms)
    VALUES ($1,$2,$3,$4,$5,$6,$7,0,$8,$9,$10,$8) ON CONFLICT DO NOTHING";
const ROTATE: Sql = "UPDATE refresh_session SET generation = generation + 1, rotated_at_ms = $3,
    expires_at_ms = COALESCE(ends_at_ms, $4)
    WHERE id = $1 AND generation = $2 AND revoked_at_ms IS NULL";
const REVOKE: Sql = "UPDATE refresh_session SET revoked_at_ms = $2 WHERE id = $1 AND revoked_at_ms IS NULL";
/// Live sessions of a user, of each application; those of before `$4` are worth nothing.
const OF_USER: Sql = "SELECT app_id, MIN(authenticated_at_ms), MAX(rotated_at_ms) FROM refresh_session
    WHERE user_id = $1 AND tenant_id || '' = $2 AND revoked_at_ms IS NULL AND expires_at_ms > $3
        AND authenticated_at_ms >= $4
    GROUP BY app_id ORDER BY app_id LIMIT 1000";
const REVOKE_OF_APPLICATION: Sql = "UPDATE refresh_session SET revoked_at_ms = $3
    WHERE user_id = $1 AND app_id = $2 AND revoked_at_ms IS NULL";
/// A few at a time: each start of a session clears more than it adds.
const PURGE: Sql = "DELETE FROM refresh_session
    WHERE id IN (SELECT id FROM refresh_session WHERE expires_at_ms < $1 ORDER BY expires_at_ms LIMIT 10)";
const PURGE_OLDEST: Sql = "DELETE FROM refresh_session WHERE id IN (SELECT id FROM refresh_session
    WHERE user_id = $1 AND app_id = $2 ORDER BY rotated_at_ms DESC, id LIMIT 10 OFFSET 100)";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] =
    &[BY_ID, INSERT, INSERT_ENDED, ROTATE, REVOKE, PURGE, PURGE_OLDEST, OF_USER, REVOKE_OF_APPLICATION];

pub(crate) async fn by_id(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: SessionId,
) -> Result<Option<Session>, DbError> {
    tx.fetch_optional(BY_ID, &[id.to_string().into(), tenant.into()]).await?.as_ref().map(read).transpose()
}

pub(crate) async fn insert(
    tx: &mut WriteTx,
    tenant: TenantId,
    new: &NewSession,
    (at_ms, expires_at_ms, ends_at_ms): (i64, i64, Option<i64>),
) -> Result<(), DbError> {
    let row = [
        new.id.to_string().into(),
        tenant.into(),
        new.user.into(),
        new.app_id.into(),
        (new.kind == ClientKind::Confidential).into(),
        (&new.scope).into(),
        new.authenticated_at_ms.into(),
        at_ms.into(),
        expires_at_ms.into(),
        new.platform.map(|platform| platform.as_str().to_owned()).into(),
        ends_at_ms.into(),
        new.amr.text().into(),
        new.idp.clone().into(),
        new.bound_to.clone().into(),
    ];
    tx.execute(INSERT, &row).await.map(drop)
}

/// Writes down that a session is over that was never written down.
pub(crate) async fn insert_ended(
    tx: &mut WriteTx,
    tenant: TenantId,
    ended: &NewSession,
    at_ms: i64,
) -> Result<(), DbError> {
    let row = [
        ended.id.to_string().into(),
        tenant.into(),
        ended.user.into(),
        ended.app_id.into(),
        (ended.kind == ClientKind::Confidential).into(),
        (&ended.scope).into(),
        ended.authenticated_at_ms.into(),
        at_ms.into(),
        at_ms.into(),
        ended.amr.text().into(),
    ];
    tx.execute(INSERT_ENDED, &row).await.map(drop)
}

/// Whether the session was at this generation, and has moved on.
pub(crate) async fn rotate(
    tx: &mut WriteTx,
    id: SessionId,
    generation: i64,
    (at_ms, expires_at_ms): (i64, i64),
) -> Result<bool, DbError> {
    let row = [id.to_string().into(), generation.into(), at_ms.into(), expires_at_ms.into()];
    Ok(tx.execute(ROTATE, &row).await? == 1)
}

/// Ends a session; false when it was over already.
pub(crate) async fn revoke(tx: &mut WriteTx, id: SessionId, at_ms: i64) -> Result<bool, DbError> {
    Ok(tx.execute(REVOKE, &[id.to_string().into(), at_ms.into()]).await? > 0)
}

/// What applications keep for a user.
pub(crate) async fn of_user(
    tx: &mut ReadTx,
    tenant: TenantId,
    user: &User,
    now_ms: i64,
) -> Result<Vec<OfApplication>, DbError> {
    let valid_from_ms = user.sessions_valid_from.as_millisecond();
    let values = [user.id.into(), tenant.into(), now_ms.into(), valid_from_ms.into()];
    let read =
        |row: &Row| Ok(OfApplication { app_id: row.id(0)?, since_ms: row.int(1)?, used_at_ms: row.int(2)? });
    tx.fetch_all(OF_USER, &values).await?.iter().map(read).collect()
}

/// Ends all sessions of an application for a user; how many there were.
pub(crate) async fn revoke_of_application(
    tx: &mut WriteTx,
    user: UserId,
    app_id: AppId,
    at_ms: i64,
) -> Result<u64, DbError> {
    tx.execute(REVOKE_OF_APPLICATION, &[user.into(), app_id.into(), at_ms.into()]).await
}

/// Removes sessions that ended by themselves before then, and the oldest of too many.
pub(crate) async fn purge(
    tx: &mut WriteTx,
    (user, app_id): (UserId, AppId),
    ended_before_ms: i64,
) -> Result<(), DbError> {
    tx.execute(PURGE, &[ended_before_ms.into()]).await?;
    tx.execute(PURGE_OLDEST, &[user.into(), app_id.into()]).await.map(drop)
}

fn read(row: &Row) -> Result<Session, DbError> {
    Ok(Session {
        id: row.id(0)?,
        user: row.id(1)?,
        app_id: row.id(2)?,
        kind: if row.truth(3)? { ClientKind::Confidential } else { ClientKind::Public },
        scope: row.text(4)?,
        authenticated_at_ms: row.int(5)?,
        generation: row.int(6)?,
        rotated_at_ms: row.int(7)?,
        expires_at_ms: row.int(8)?,
        revoked: row.opt_int(9)?.is_some(),
        platform: match row.opt_text(10)? {
            None => None,
            Some(word) => Some(Platform::parse(&word).ok_or(DbError::Corrupt { column: 10 })?),
        },
        ends_at_ms: row.opt_int(11)?,
        idp: row.opt_text(13)?,
        bound_to: row.opt_text(14)?,
        amr: Amr::of(row.opt_text(12)?.as_deref()),
    })
}
