//! The table of users.

use hilum_kernel::{TenantId, UserId};
use hilum_storage::db::{DbError, ReadTx, Row, Sql, Statement, WriteTx};

use super::{User, UserFilter};
use crate::{IdentityError, LIST_MAX, applications::past_prefix, error::OnDuplicate as _, folded, timestamp};

pub(crate) const SCHEMA: Sql = "CREATE TABLE directory_user (
        id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, user_principal_name TEXT NOT NULL,
        user_principal_name_folded TEXT NOT NULL, display_name TEXT NOT NULL, display_name_folded TEXT NOT NULL,
        mail_nickname TEXT NOT NULL, given_name TEXT, surname TEXT, mail TEXT, account_enabled BIGINT NOT NULL,
        created_at_ms BIGINT NOT NULL, UNIQUE (tenant_id, user_principal_name_folded));
    CREATE INDEX directory_user_display_name ON directory_user (tenant_id, display_name_folded, id)";

const COLUMNS: Sql = "SELECT id, user_principal_name, display_name, mail_nickname, given_name, surname, mail,
    account_enabled, created_at_ms FROM directory_user WHERE tenant_id = ";
const INSERT: Sql = "INSERT INTO directory_user (id, tenant_id, user_principal_name, user_principal_name_folded,
    display_name, display_name_folded, mail_nickname, given_name, surname, mail, account_enabled, created_at_ms)
    VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)";
const UPDATE: Sql = "UPDATE directory_user SET display_name = $2, display_name_folded = $3, given_name = $4,
    surname = $5, mail = $6, account_enabled = $7 WHERE id = $1";
const DELETE: Sql = "DELETE FROM directory_user WHERE id = $1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[INSERT, UPDATE, DELETE];

pub(crate) async fn list(
    tx: &mut ReadTx,
    tenant: TenantId,
    filter: &UserFilter,
    limit: Option<usize>,
) -> Result<Vec<User>, IdentityError> {
    let mut statement = Statement::new(COLUMNS);
    statement.bind(tenant);
    match filter {
        UserFilter::All => {}
        UserFilter::Id(id) => {
            statement.push(" AND id = ").bind(*id);
        }
        UserFilter::UserPrincipalName(name) => {
            statement.push(" AND user_principal_name_folded = ").bind(folded(name));
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

pub(crate) async fn insert(tx: &mut WriteTx, tenant: TenantId, user: &User) -> Result<(), IdentityError> {
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
    ];
    tx.execute(INSERT, &row).await.on_duplicate("userPrincipalName").map(drop)
}

pub(crate) async fn update(tx: &mut WriteTx, user: &User) -> Result<(), DbError> {
    let row = [
        user.id.into(),
        (&user.display_name).into(),
        folded(&user.display_name).into(),
        user.given_name.clone().into(),
        user.surname.clone().into(),
        user.mail.clone().into(),
        user.account_enabled.into(),
    ];
    tx.execute(UPDATE, &row).await.map(drop)
}

pub(crate) async fn delete(tx: &mut WriteTx, id: UserId) -> Result<(), DbError> {
    tx.execute(DELETE, &[id.into()]).await.map(drop)
}

fn read(row: &Row) -> Result<User, DbError> {
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
    })
}
