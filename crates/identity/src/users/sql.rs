//! The table of users. `details` holds the properties that nothing is searched by; the columns hold the rest, with
//! folded copies of what is compared.

use hilum_kernel::{ObjectId, TenantId, UserId};
use hilum_storage::db::{DbError, ReadTx, Row, Sql, Statement, WriteTx};

use super::{User, UserFilter};
use crate::{IdentityError, LIST_MAX, applications::past_prefix, error::OnDuplicate as _, folded, timestamp};

pub(crate) const SCHEMA: Sql = "CREATE TABLE directory_user (
        id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, user_principal_name TEXT NOT NULL,
        user_principal_name_folded TEXT NOT NULL, display_name TEXT NOT NULL, display_name_folded TEXT NOT NULL,
        mail_nickname TEXT NOT NULL, given_name TEXT, surname TEXT, mail TEXT, account_enabled BIGINT NOT NULL,
        created_at_ms BIGINT NOT NULL, UNIQUE (tenant_id, user_principal_name_folded));
    CREATE INDEX directory_user_display_name ON directory_user (tenant_id, display_name_folded, id)";

pub(crate) const SCHEMA_DETAILS: Sql =
    "ALTER TABLE directory_user ADD COLUMN details TEXT NOT NULL DEFAULT '{}';
    ALTER TABLE directory_user ADD COLUMN mail_nickname_folded TEXT NOT NULL DEFAULT '';
    ALTER TABLE directory_user ADD COLUMN mail_folded TEXT;
    ALTER TABLE directory_user ADD COLUMN user_type TEXT NOT NULL DEFAULT 'Member';
    ALTER TABLE directory_user ADD COLUMN employee_id_folded TEXT;
    ALTER TABLE directory_user ADD COLUMN immutable_id TEXT;
    ALTER TABLE directory_user ADD COLUMN sessions_valid_from_ms BIGINT NOT NULL DEFAULT 0;
    ALTER TABLE directory_user ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
    UPDATE directory_user SET mail_nickname_folded = lower(mail_nickname), mail_folded = lower(mail),
        sessions_valid_from_ms = created_at_ms;
    CREATE INDEX directory_user_mail_nickname ON directory_user (tenant_id, mail_nickname_folded, id);
    CREATE INDEX directory_user_mail ON directory_user (tenant_id, mail_folded, id);
    CREATE INDEX directory_user_employee_id ON directory_user (tenant_id, employee_id_folded, id);
    CREATE INDEX directory_user_type ON directory_user (tenant_id, user_type, display_name_folded, id);
    CREATE INDEX directory_user_enabled ON directory_user (tenant_id, account_enabled, display_name_folded, id);
    CREATE INDEX directory_user_created ON directory_user (tenant_id, created_at_ms, id);
    CREATE UNIQUE INDEX directory_user_immutable_id ON directory_user (tenant_id, immutable_id)";

/// More of what administrators look users up by. Rows that are not yet `searchable` were written before and are written
/// anew at the next start.
pub(crate) const SCHEMA_SEARCHABLE: Sql =
    "ALTER TABLE directory_user ADD COLUMN searchable BIGINT NOT NULL DEFAULT 0;
    ALTER TABLE directory_user ADD COLUMN given_name_folded TEXT;
    ALTER TABLE directory_user ADD COLUMN surname_folded TEXT;
    ALTER TABLE directory_user ADD COLUMN job_title_folded TEXT;
    ALTER TABLE directory_user ADD COLUMN department_folded TEXT;
    ALTER TABLE directory_user ADD COLUMN company_name_folded TEXT;
    ALTER TABLE directory_user ADD COLUMN office_location_folded TEXT;
    ALTER TABLE directory_user ADD COLUMN city_folded TEXT;
    ALTER TABLE directory_user ADD COLUMN country_folded TEXT;
    CREATE INDEX directory_user_not_searchable ON directory_user (id) WHERE searchable = 0;
    CREATE INDEX directory_user_given_name ON directory_user (tenant_id, given_name_folded, id)
        WHERE given_name_folded IS NOT NULL;
    CREATE INDEX directory_user_surname ON directory_user (tenant_id, surname_folded, id)
        WHERE surname_folded IS NOT NULL;
    CREATE INDEX directory_user_job_title ON directory_user (tenant_id, job_title_folded, id)
        WHERE job_title_folded IS NOT NULL;
    CREATE INDEX directory_user_department ON directory_user (tenant_id, department_folded, id)
        WHERE department_folded IS NOT NULL;
    CREATE INDEX directory_user_company_name ON directory_user (tenant_id, company_name_folded, id)
        WHERE company_name_folded IS NOT NULL;
    CREATE INDEX directory_user_office_location ON directory_user (tenant_id, office_location_folded, id)
        WHERE office_location_folded IS NOT NULL;
    CREATE INDEX directory_user_city ON directory_user (tenant_id, city_folded, id) WHERE city_folded IS NOT NULL;
    CREATE INDEX directory_user_country ON directory_user (tenant_id, country_folded, id)
        WHERE country_folded IS NOT NULL";

/// When the user's last sign-in began: what ends sessions ends that one, too, whatever the clocks of nodes say.
pub(crate) const SCHEMA_SIGNED_IN: Sql =
    "ALTER TABLE directory_user ADD COLUMN signed_in_at_ms BIGINT NOT NULL DEFAULT 0";

/// What [`read`] reads, in its order.
pub(super) const COLUMNS: Sql =
    "id, user_principal_name, display_name, mail_nickname, given_name, surname, mail,
    account_enabled, created_at_ms, details, sessions_valid_from_ms";
const SELECT: Sql = "SELECT id, user_principal_name, display_name, mail_nickname, given_name, surname, mail,
    account_enabled, created_at_ms, details, sessions_valid_from_ms
    FROM directory_user WHERE tenant_id = ";
/// The tenant's condition is no column to SQLite's planner, which would take any tenant to be small and read all of it.
const BY_IDS: Sql = "SELECT id, user_principal_name, display_name, mail_nickname, given_name, surname, mail,
    account_enabled, created_at_ms, details, sessions_valid_from_ms FROM directory_user WHERE id IN (";
const INSERT: Sql = "INSERT INTO directory_user (id, tenant_id, user_principal_name, user_principal_name_folded,
    display_name, display_name_folded, mail_nickname, given_name, surname, mail, account_enabled, created_at_ms,
    details, mail_nickname_folded, mail_folded, user_type, employee_id_folded, immutable_id, sessions_valid_from_ms,
    given_name_folded, surname_folded, job_title_folded, department_folded, company_name_folded,
    office_location_folded, city_folded, country_folded, searchable)
    VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,$25,$26,$27,1)";
const UPDATE: Sql = "UPDATE directory_user SET user_principal_name = $3, user_principal_name_folded = $4,
    display_name = $5, display_name_folded = $6, mail_nickname = $7, given_name = $8, surname = $9, mail = $10,
    account_enabled = $11, details = $13, mail_nickname_folded = $14, mail_folded = $15, user_type = $16,
    employee_id_folded = $17, immutable_id = $18, sessions_valid_from_ms = $19, given_name_folded = $20,
    surname_folded = $21, job_title_folded = $22, department_folded = $23, company_name_folded = $24,
    office_location_folded = $25, city_folded = $26, country_folded = $27, searchable = 1
    WHERE id = $1 AND tenant_id = $2 AND created_at_ms = $12";
/// Also tells apart who changed what: nobody reads the version yet, everybody waits for the row.
const LOCK: Sql = "UPDATE directory_user SET version = version + 1 WHERE id = $1";
const SET_MUST_CHANGE: Sql = "UPDATE user_password SET must_change = $2 WHERE user_id = $1";
const NOT_SEARCHABLE: Sql =
    "SELECT id, user_principal_name, display_name, mail_nickname, given_name, surname, mail,
    account_enabled, created_at_ms, details, sessions_valid_from_ms
    FROM directory_user WHERE searchable = 0 ORDER BY id LIMIT 1000";
/// Ends what began before, and every sign-in that was noted, though its time may be later by some milliseconds.
const END_SESSIONS: Sql = "UPDATE directory_user SET sessions_valid_from_ms =
        CASE WHEN signed_in_at_ms >= $2 THEN signed_in_at_ms + 1 ELSE $2 END
    WHERE id = $1 RETURNING sessions_valid_from_ms";
const SIGNED_IN: Sql =
    "UPDATE directory_user SET signed_in_at_ms = $2 WHERE id = $1 AND signed_in_at_ms < $2";
const DELETE: Sql = "DELETE FROM directory_user WHERE id = $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] =
    &[INSERT, UPDATE, LOCK, SET_MUST_CHANGE, END_SESSIONS, SIGNED_IN, NOT_SEARCHABLE, DELETE];

pub(crate) async fn list(
    tx: &mut ReadTx,
    tenant: TenantId,
    filter: &UserFilter,
    limit: Option<usize>,
) -> Result<Vec<User>, IdentityError> {
    let mut statement = Statement::new(SELECT);
    statement.bind(tenant);
    match filter {
        UserFilter::All => {}
        UserFilter::Id(id) => {
            statement.push(" AND id = ").bind(*id);
        }
        UserFilter::UserPrincipalName(name) => {
            statement.push(" AND user_principal_name_folded = ").bind(folded(name));
        }
        UserFilter::Mail(mail) => {
            statement.push(" AND mail_folded = ").bind(folded(mail));
        }
        UserFilter::DisplayName(name) => {
            statement.push(" AND display_name_folded = ").bind(folded(name));
        }
        UserFilter::DisplayNamePrefix(prefix) => {
            statement.push(" AND display_name_folded >= ").bind(folded(prefix));
            statement.push(" AND display_name_folded < ").bind(past_prefix(prefix));
        }
    }
    let limit = i64::try_from(limit.unwrap_or(LIST_MAX).min(LIST_MAX)).unwrap_or(i64::MAX);
    statement.push(" ORDER BY display_name_folded, id LIMIT ").bind(limit);
    Ok(tx.fetch_all_of(&statement).await?.iter().map(read).collect::<Result<_, DbError>>()?)
}

pub(crate) async fn by_ids(
    tx: &mut ReadTx,
    tenant: TenantId,
    ids: &[ObjectId],
) -> Result<Vec<User>, DbError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut statement = Statement::new(BY_IDS);
    statement.bind_list(ids.iter().copied()).push(") AND tenant_id || '' = ").bind(tenant).push(" LIMIT ");
    statement.bind(i64::try_from(LIST_MAX).unwrap_or(i64::MAX));
    tx.fetch_all_of(&statement).await?.iter().map(read).collect()
}

pub(crate) async fn insert(tx: &mut WriteTx, tenant: TenantId, user: &User) -> Result<(), IdentityError> {
    write(tx, INSERT, tenant, user).await
}

pub(crate) async fn update(tx: &mut WriteTx, tenant: TenantId, user: &User) -> Result<(), IdentityError> {
    write(tx, UPDATE, tenant, user).await
}

async fn write(tx: &mut WriteTx, sql: Sql, tenant: TenantId, user: &User) -> Result<(), IdentityError> {
    let details = serde_json::to_string(&user.details)
        .map_err(|error| IdentityError::invalid("user", error.to_string()))?;
    let row = [
        user.id.into(),
        tenant.into(),
        (&user.user_principal_name).into(),
        folded(&user.user_principal_name).into(),
        (&user.display_name).into(),
        folded(&user.display_name).into(),
        (&user.mail_nickname).into(),
        user.given_name.clone().into(),
        user.surname.clone().into(),
        user.mail.clone().into(),
        user.account_enabled.into(),
        user.created_at.as_millisecond().into(),
        details.into(),
        folded(&user.mail_nickname).into(),
        user.mail.as_deref().map(folded).into(),
        user.details.user_type.as_str().into(),
        user.details.employee_id.as_deref().map(folded).into(),
        user.details.on_premises_immutable_id.clone().into(),
        user.sessions_valid_from.as_millisecond().into(),
        user.given_name.as_deref().map(folded).into(),
        user.surname.as_deref().map(folded).into(),
        user.details.job_title.as_deref().map(folded).into(),
        user.details.department.as_deref().map(folded).into(),
        user.details.company_name.as_deref().map(folded).into(),
        user.details.office_location.as_deref().map(folded).into(),
        user.details.city.as_deref().map(folded).into(),
        user.details.country.as_deref().map(folded).into(),
    ];
    match tx.execute(sql, &row).await {
        Err(DbError::Duplicate { constraint }) if constraint.contains("immutable_id") => {
            Err(IdentityError::Conflict { property: "onPremisesImmutableId" })
        }
        outcome => outcome.on_duplicate("userPrincipalName").map(drop),
    }
}

/// Some of the rows that were written before there were columns for all that is searched by.
pub(crate) async fn not_searchable(tx: &mut ReadTx) -> Result<Vec<User>, DbError> {
    tx.fetch_all(NOT_SEARCHABLE, &[]).await?.iter().map(read).collect()
}

/// Makes others wait who want to change this user.
pub(crate) async fn lock(tx: &mut WriteTx, id: UserId) -> Result<(), DbError> {
    tx.execute(LOCK, &[id.into()]).await.map(drop)
}

pub(crate) async fn set_must_change(tx: &mut WriteTx, id: UserId, must: bool) -> Result<(), DbError> {
    tx.execute(SET_MUST_CHANGE, &[id.into(), must.into()]).await.map(drop)
}

/// Ends all sessions; tells since when new ones hold.
pub(crate) async fn end_sessions(tx: &mut WriteTx, id: UserId, at_ms: i64) -> Result<i64, DbError> {
    let row = tx.fetch_optional(END_SESSIONS, &[id.into(), at_ms.into()]).await?;
    row.map_or(Ok(at_ms), |row| row.int(0))
}

pub(crate) async fn signed_in(tx: &mut WriteTx, id: UserId, at_ms: i64) -> Result<(), DbError> {
    tx.execute(SIGNED_IN, &[id.into(), at_ms.into()]).await.map(drop)
}

pub(crate) async fn delete(tx: &mut WriteTx, id: UserId) -> Result<(), DbError> {
    tx.execute(DELETE, &[id.into()]).await.map(drop)
}

pub(crate) fn read(row: &Row) -> Result<User, DbError> {
    Ok(User {
        id: row.id(0)?,
        user_principal_name: row.text(1)?,
        display_name: row.text(2)?,
        mail_nickname: row.text(3)?,
        given_name: row.opt_text(4)?,
        surname: row.opt_text(5)?,
        mail: row.opt_text(6)?,
        account_enabled: row.truth(7)?,
        created_at: timestamp(row.int(8)?),
        details: serde_json::from_str(&row.text(9)?).map_err(|_| DbError::Corrupt { column: 9 })?,
        sessions_valid_from: timestamp(row.int(10)?),
    })
}
