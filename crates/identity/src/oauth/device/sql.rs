//! The table of device flows under way. Codes are kept as hashes.

use hilum_jose::base64url_encode;
use hilum_kernel::{AppId, TenantId};
use hilum_storage::db::{DbError, ReadTx, Row, Sql, WriteTx};

use super::{Authenticated, Flow, NewFlow, State};
use crate::authentication_methods::Amr;

pub(crate) const SCHEMA: Sql = "CREATE TABLE device_code (
        device_hash TEXT PRIMARY KEY, user_code_hash TEXT NOT NULL UNIQUE, tenant_id TEXT NOT NULL,
        app_id TEXT NOT NULL, scope TEXT NOT NULL, source TEXT, state TEXT NOT NULL, user_id TEXT,
        authenticated_at_ms BIGINT, interval_s BIGINT NOT NULL, polled_at_ms BIGINT NOT NULL,
        created_at_ms BIGINT NOT NULL, expires_at_ms BIGINT NOT NULL);
    CREATE INDEX device_code_expiry ON device_code (expires_at_ms)";

pub(crate) const SCHEMA_CLIENTS: Sql = "CREATE INDEX device_code_client ON device_code (app_id)";

/// The address by which flows are counted: all of a subscriber's IPv6 network are one.
pub(crate) const SCHEMA_NETWORKS: Sql = "ALTER TABLE device_code ADD COLUMN network TEXT;
    CREATE INDEX device_code_network ON device_code (network)";

/// What the user proved who let the device in.
pub(crate) const SCHEMA_AMR: Sql = "ALTER TABLE device_code ADD COLUMN amr TEXT";

/// Who vouched for the user who let the device in.
pub(crate) const SCHEMA_IDP: Sql = "ALTER TABLE device_code ADD COLUMN idp TEXT";

const INSERT: Sql =
    "INSERT INTO device_code (device_hash, user_code_hash, tenant_id, app_id, scope, source, state,
    interval_s, polled_at_ms, created_at_ms, expires_at_ms, network)
    VALUES ($1,$2,$3,$4,$5,$6,'pending',$7,0,$8,$9,$10)";
const PURGE: Sql = "DELETE FROM device_code WHERE device_hash IN
    (SELECT device_hash FROM device_code WHERE expires_at_ms < $1 ORDER BY expires_at_ms LIMIT 100)";
const COUNT: Sql = "SELECT COUNT(*) FROM (SELECT 1 FROM device_code LIMIT 10000) live";
const COUNT_OF_CLIENT: Sql =
    "SELECT COUNT(*) FROM (SELECT 1 FROM device_code WHERE app_id = $1 LIMIT 10000) own";
const COUNT_OF_NETWORK: Sql =
    "SELECT COUNT(*) FROM (SELECT 1 FROM device_code WHERE network = $1 LIMIT 10000) own";
/// The client with most undecided flows.
const GREEDIEST: Sql = "SELECT app_id FROM device_code WHERE state = 'pending'
    GROUP BY app_id ORDER BY COUNT(*) DESC, app_id LIMIT 1";
/// The oldest undecided flow of a client, from where most of them come.
const DISPLACE: Sql = "DELETE FROM device_code WHERE device_hash = (
    SELECT d.device_hash FROM device_code d
    JOIN (SELECT COALESCE(network, '') AS origin, COUNT(*) AS flows FROM device_code
        WHERE app_id = $1 AND state = 'pending' GROUP BY COALESCE(network, '')) o
        ON o.origin = COALESCE(d.network, '')
    WHERE d.app_id = $1 AND d.state = 'pending'
    ORDER BY o.flows DESC, d.created_at_ms, d.device_hash LIMIT 1)";
const BY_DEVICE: Sql =
    "SELECT app_id, scope, source, state, user_id, authenticated_at_ms, interval_s, polled_at_ms,
    created_at_ms, expires_at_ms, amr, idp FROM device_code WHERE device_hash = $1 AND tenant_id = $2";
const BY_USER_CODE: Sql =
    "SELECT app_id, scope, source, state, user_id, authenticated_at_ms, interval_s, polled_at_ms,
    created_at_ms, expires_at_ms, amr, idp FROM device_code WHERE user_code_hash = $1 AND tenant_id = $2";
const POLLED: Sql = "UPDATE device_code SET polled_at_ms = $2, interval_s = $3 WHERE device_hash = $1";
const DECIDE: Sql =
    "UPDATE device_code SET state = $2, user_id = $3, authenticated_at_ms = $4, amr = $6, idp = $7
    WHERE user_code_hash = $1 AND state = 'pending' AND expires_at_ms > $5";
const REDEEM: Sql = "DELETE FROM device_code WHERE device_hash = $1 AND state = 'approved'";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[
    INSERT,
    PURGE,
    COUNT,
    COUNT_OF_CLIENT,
    COUNT_OF_NETWORK,
    GREEDIEST,
    DISPLACE,
    BY_DEVICE,
    BY_USER_CODE,
    POLLED,
    DECIDE,
    REDEEM,
];

/// A code as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CodeHash(pub(crate) [u8; 32]);

impl CodeHash {
    pub(crate) fn text(&self) -> String {
        base64url_encode(self.0)
    }
}

pub(crate) async fn insert(tx: &mut WriteTx, tenant: TenantId, new: &NewFlow) -> Result<(), DbError> {
    let row = [
        new.device.text().into(),
        new.user_code.text().into(),
        tenant.into(),
        new.app_id.into(),
        (&new.scope).into(),
        new.source.clone().into(),
        new.interval_s.into(),
        new.at_ms.into(),
        new.expires_at_ms.into(),
        new.network.clone().into(),
    ];
    tx.execute(INSERT, &row).await.map(drop)
}

/// Deletes some expired flows; tells how many are left, up to a limit.
pub(crate) async fn purge(tx: &mut WriteTx, at_ms: i64) -> Result<i64, DbError> {
    tx.execute(PURGE, &[at_ms.into()]).await?;
    tx.fetch_optional(COUNT, &[]).await?.map_or(Ok(0), |row| row.int(0))
}

/// How many flows of a client are left, up to a limit.
pub(crate) async fn count_of_client(tx: &mut WriteTx, app_id: AppId) -> Result<i64, DbError> {
    tx.fetch_optional(COUNT_OF_CLIENT, &[app_id.into()]).await?.map_or(Ok(0), |row| row.int(0))
}

/// The same of an address.
pub(crate) async fn count_of_network(tx: &mut WriteTx, network: &str) -> Result<i64, DbError> {
    tx.fetch_optional(COUNT_OF_NETWORK, &[network.into()]).await?.map_or(Ok(0), |row| row.int(0))
}

/// The client with most undecided flows.
pub(crate) async fn greediest(tx: &mut WriteTx) -> Result<Option<AppId>, DbError> {
    tx.fetch_optional(GREEDIEST, &[]).await?.map(|row| row.id(0)).transpose()
}

/// Deletes an undecided flow of a client. False when it has none.
pub(crate) async fn displace(tx: &mut WriteTx, app_id: AppId) -> Result<bool, DbError> {
    Ok(tx.execute(DISPLACE, &[app_id.into()]).await? == 1)
}

pub(crate) async fn by_device(
    tx: &mut ReadTx,
    tenant: TenantId,
    device: CodeHash,
) -> Result<Option<Flow>, DbError> {
    let row = tx.fetch_optional(BY_DEVICE, &[device.text().into(), tenant.into()]).await?;
    row.as_ref().map(read).transpose()
}

pub(crate) async fn by_user_code(
    tx: &mut ReadTx,
    tenant: TenantId,
    code: CodeHash,
) -> Result<Option<Flow>, DbError> {
    let row = tx.fetch_optional(BY_USER_CODE, &[code.text().into(), tenant.into()]).await?;
    row.as_ref().map(read).transpose()
}

pub(crate) async fn polled(
    tx: &mut WriteTx,
    device: CodeHash,
    at_ms: i64,
    interval_s: i64,
) -> Result<(), DbError> {
    tx.execute(POLLED, &[device.text().into(), at_ms.into(), interval_s.into()]).await.map(drop)
}

/// Lets the device in, or turns it away. False when somebody decided before, or it is too late.
pub(crate) async fn decide(
    tx: &mut WriteTx,
    code: CodeHash,
    approved: Option<&Authenticated>,
    at_ms: i64,
) -> Result<bool, DbError> {
    let state = if approved.is_some() { "approved" } else { "declined" };
    let row = [
        code.text().into(),
        state.into(),
        approved.map(|by| by.user.to_string()).into(),
        approved.map(|by| by.at_ms).into(),
        at_ms.into(),
        approved.map(|by| by.amr.text()).into(),
        approved.and_then(|by| by.idp.clone()).into(),
    ];
    Ok(tx.execute(DECIDE, &row).await? == 1)
}

/// Takes an approved flow away: true for one caller only.
pub(crate) async fn redeem(tx: &mut WriteTx, device: CodeHash) -> Result<bool, DbError> {
    Ok(tx.execute(REDEEM, &[device.text().into()]).await? == 1)
}

fn read(row: &Row) -> Result<Flow, DbError> {
    let state = match row.text(3)?.as_str() {
        "pending" => State::Pending,
        "declined" => State::Declined,
        "approved" => State::Approved(Authenticated {
            user: row.id(4)?,
            at_ms: row.int(5)?,
            amr: Amr::of(row.opt_text(10)?.as_deref()),
            idp: row.opt_text(11)?,
        }),
        _ => return Err(DbError::Corrupt { column: 3 }),
    };
    let app_id: AppId = row.id(0)?;
    Ok(Flow {
        app_id,
        scope: row.text(1)?,
        source: row.opt_text(2)?,
        state,
        interval_s: row.int(6)?,
        polled_at_ms: row.int(7)?,
        created_at_ms: row.int(8)?,
        expires_at_ms: row.int(9)?,
    })
}
