//! The table of redeemed codes. A code that waits is stored nowhere: it is sealed, and in the client's hands. One that was
//! redeemed leaves its hash, and the session it began.

use hilum_storage::db::{DbError, ReadTx, Sql, WriteTx};

use super::code::CodeHash;
use crate::sessions::SessionId;

pub(crate) const SCHEMA: Sql = "CREATE TABLE redeemed_code (
        code_hash TEXT PRIMARY KEY, session_id TEXT, expires_at_ms BIGINT NOT NULL);
    CREATE INDEX redeemed_code_expiry ON redeemed_code (expires_at_ms)";

const REDEEM: Sql = "INSERT INTO redeemed_code (code_hash, session_id, expires_at_ms) VALUES ($1,$2,$3)
    ON CONFLICT DO NOTHING";
const SESSION: Sql = "SELECT session_id FROM redeemed_code WHERE code_hash = $1";
/// A few at a time: each redemption clears more than it adds.
const PURGE: Sql = "DELETE FROM redeemed_code WHERE code_hash IN
    (SELECT code_hash FROM redeemed_code WHERE expires_at_ms < $1 ORDER BY expires_at_ms LIMIT 10)";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[REDEEM, SESSION, PURGE];

/// Notes that a code is redeemed: true for one caller only.
pub(super) async fn redeem(
    tx: &mut WriteTx,
    (code, expires_at_ms): (&CodeHash, i64),
    session: Option<SessionId>,
    at_ms: i64,
) -> Result<bool, DbError> {
    tx.execute(PURGE, &[at_ms.into()]).await?;
    let row = [code.text().into(), session.map(|id| id.to_string()).into(), expires_at_ms.into()];
    Ok(tx.execute(REDEEM, &row).await? == 1)
}

/// The session that a code began.
pub(super) async fn session_of(tx: &mut ReadTx, code: &CodeHash) -> Result<Option<SessionId>, DbError> {
    let row = tx.fetch_optional(SESSION, &[code.text().into()]).await?;
    row.map_or(Ok(None), |row| row.opt_id(0))
}
