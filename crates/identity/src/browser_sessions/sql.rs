//! The tables of browser sessions. They hold nothing that could be put into a cookie.

use hilum_kernel::{AppId, TenantId, UserId};
use hilum_storage::db::{DbError, ReadTx, Row, Sql, WriteTx};

use super::{BrowserSession, NewBrowserSession, Seen, SessionHash};
use crate::authentication_methods::Amr;

pub(crate) const SCHEMA: Sql = "CREATE TABLE browser_session (
        token_hash TEXT PRIMARY KEY, sid TEXT NOT NULL UNIQUE, tenant_id TEXT NOT NULL, user_id TEXT NOT NULL,
        authenticated_at_ms BIGINT NOT NULL, created_at_ms BIGINT NOT NULL, used_at_ms BIGINT NOT NULL,
        expires_at_ms BIGINT NOT NULL);
    CREATE INDEX browser_session_user ON browser_session (user_id, used_at_ms);
    CREATE INDEX browser_session_expiry ON browser_session (expires_at_ms);
    CREATE TABLE browser_session_client (
        token_hash TEXT NOT NULL, app_id TEXT NOT NULL, PRIMARY KEY (token_hash, app_id))";

/// What tells people their browsers apart.
pub(crate) const SCHEMA_BROWSER: Sql = "ALTER TABLE browser_session ADD COLUMN address TEXT;
    ALTER TABLE browser_session ADD COLUMN browser TEXT";

/// Who vouched for the user, and when they proved themselves there.
pub(crate) const SCHEMA_IDP: Sql = "ALTER TABLE browser_session ADD COLUMN idp TEXT;
    ALTER TABLE browser_session ADD COLUMN proven_elsewhere_at_ms BIGINT";

/// What its user proved.
pub(crate) const SCHEMA_AMR: Sql = "ALTER TABLE browser_session ADD COLUMN amr TEXT";

const BY_HASH: Sql = "SELECT sid, user_id, authenticated_at_ms, created_at_ms, used_at_ms, expires_at_ms,
    idp, proven_elsewhere_at_ms, amr
    FROM browser_session WHERE token_hash = $1 AND tenant_id = $2";
const INSERT: Sql = "INSERT INTO browser_session (token_hash, sid, tenant_id, user_id, authenticated_at_ms,
    created_at_ms, used_at_ms, expires_at_ms, idp, proven_elsewhere_at_ms, amr)
    VALUES ($1,$2,$3,$4,$5,$6,$6,$7,$8,$9,$10)";
const TOUCH: Sql = "UPDATE browser_session SET used_at_ms = $2, expires_at_ms = $3 WHERE token_hash = $1";
const STRENGTHEN: Sql = "UPDATE browser_session SET token_hash = $2, amr = $3 WHERE token_hash = $1";
const MOVE_CLIENTS: Sql = "UPDATE browser_session_client SET token_hash = $2 WHERE token_hash = $1";
const NOTE_BROWSER: Sql = "UPDATE browser_session SET address = $2, browser = $3 WHERE token_hash = $1";
const OF_USER: Sql =
    "SELECT token_hash, sid, authenticated_at_ms, created_at_ms, used_at_ms, address, browser
    FROM browser_session WHERE user_id = $1 AND tenant_id || '' = $2 AND expires_at_ms > $3
    ORDER BY used_at_ms DESC, token_hash LIMIT 100";
const END: Sql = "DELETE FROM browser_session WHERE token_hash = $1";
const END_CLIENTS: Sql = "DELETE FROM browser_session_client WHERE token_hash = $1";
/// A few at a time: each sign-in clears more than it adds. A user has a hundred browsers at most.
const OVER: Sql = "SELECT token_hash FROM (
        SELECT token_hash FROM browser_session WHERE expires_at_ms < $1 ORDER BY expires_at_ms LIMIT 10) expired
    UNION SELECT token_hash FROM (SELECT token_hash FROM browser_session WHERE user_id = $2
        ORDER BY used_at_ms DESC, token_hash LIMIT 10 OFFSET 99) oldest";
/// The condition bounds how many clients one session is told to.
const NOTE_CLIENT: Sql = "INSERT INTO browser_session_client (token_hash, app_id)
    SELECT $1, $2 WHERE (SELECT COUNT(*) FROM browser_session_client WHERE token_hash = $1) < 100
    ON CONFLICT DO NOTHING";
const CLIENTS: Sql =
    "SELECT app_id FROM browser_session_client WHERE token_hash = $1 ORDER BY app_id LIMIT 100";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[
    BY_HASH,
    INSERT,
    TOUCH,
    STRENGTHEN,
    MOVE_CLIENTS,
    END,
    END_CLIENTS,
    OVER,
    NOTE_CLIENT,
    CLIENTS,
    NOTE_BROWSER,
    OF_USER,
];

pub(crate) async fn by_hash(
    tx: &mut ReadTx,
    tenant: TenantId,
    hash: &SessionHash,
) -> Result<Option<BrowserSession>, DbError> {
    let row = tx.fetch_optional(BY_HASH, &[hash.as_str().into(), tenant.into()]).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(BrowserSession {
        hash: hash.clone(),
        sid: row.id(0)?,
        user: row.id(1)?,
        authenticated_at_ms: row.int(2)?,
        created_at_ms: row.int(3)?,
        used_at_ms: row.int(4)?,
        expires_at_ms: row.int(5)?,
        idp: row.opt_text(6)?,
        proven_elsewhere_at_ms: row.opt_int(7)?,
        amr: Amr::of(row.opt_text(8)?.as_deref()),
    }))
}

pub(crate) async fn insert(
    tx: &mut WriteTx,
    tenant: TenantId,
    new: &NewBrowserSession,
    (at_ms, expires_at_ms): (i64, i64),
) -> Result<(), DbError> {
    let row = [
        new.hash.as_str().into(),
        new.sid.to_string().into(),
        tenant.into(),
        new.user.into(),
        new.authenticated_at_ms.into(),
        at_ms.into(),
        expires_at_ms.into(),
        new.idp.clone().into(),
        new.proven_elsewhere_at_ms.into(),
        new.amr.text().into(),
    ];
    tx.execute(INSERT, &row).await.map(drop)
}

/// Notes where the session was begun.
pub(crate) async fn note_browser(
    tx: &mut WriteTx,
    hash: &SessionHash,
    (address, browser): (Option<String>, Option<String>),
) -> Result<(), DbError> {
    tx.execute(NOTE_BROWSER, &[hash.as_str().into(), address.into(), browser.into()]).await.map(drop)
}

/// The user's live sessions, the last used first.
pub(crate) async fn of_user(
    tx: &mut ReadTx,
    tenant: TenantId,
    user: UserId,
    now_ms: i64,
) -> Result<Vec<Seen>, DbError> {
    let read = |row: &Row| {
        Ok(Seen {
            hash: SessionHash(row.text(0)?),
            sid: row.id(1)?,
            authenticated_at_ms: row.int(2)?,
            created_at_ms: row.int(3)?,
            used_at_ms: row.int(4)?,
            address: row.opt_text(5)?,
            browser: row.opt_text(6)?,
        })
    };
    let rows = tx.fetch_all(OF_USER, &[user.into(), tenant.into(), now_ms.into()]).await?;
    rows.iter().map(read).collect()
}

/// False when the session has ended meanwhile.
pub(crate) async fn touch(
    tx: &mut WriteTx,
    hash: &SessionHash,
    (at_ms, expires_at_ms): (i64, i64),
) -> Result<bool, DbError> {
    Ok(tx.execute(TOUCH, &[hash.as_str().into(), at_ms.into(), expires_at_ms.into()]).await? == 1)
}

/// Gives the session another token, and notes what was proven. False when it has ended meanwhile.
pub(crate) async fn strengthen(
    tx: &mut WriteTx,
    (old, new): (&SessionHash, &SessionHash),
    amr: Amr,
) -> Result<bool, DbError> {
    let row = [old.as_str().into(), new.as_str().into(), amr.text().into()];
    let strengthened = tx.execute(STRENGTHEN, &row).await? == 1;
    tx.execute(MOVE_CLIENTS, &[old.as_str().into(), new.as_str().into()]).await?;
    Ok(strengthened)
}

pub(crate) async fn note_client(tx: &mut WriteTx, hash: &SessionHash, client: AppId) -> Result<(), DbError> {
    tx.execute(NOTE_CLIENT, &[hash.as_str().into(), client.into()]).await.map(drop)
}

/// The clients that the session was used for.
pub(crate) async fn clients_of(tx: &mut ReadTx, hash: &SessionHash) -> Result<Vec<AppId>, DbError> {
    tx.fetch_all(CLIENTS, &[hash.as_str().into()]).await?.iter().map(|row| row.id(0)).collect()
}

/// Ends a session.
pub(crate) async fn end(tx: &mut WriteTx, hash: &SessionHash) -> Result<(), DbError> {
    tx.execute(END, &[hash.as_str().into()]).await?;
    tx.execute(END_CLIENTS, &[hash.as_str().into()]).await.map(drop)
}

pub(crate) async fn purge(tx: &mut WriteTx, user: UserId, at_ms: i64) -> Result<(), DbError> {
    for row in tx.fetch_all(OVER, &[at_ms.into(), user.into()]).await? {
        end(tx, &SessionHash(row.text(0)?)).await?;
    }
    Ok(())
}
