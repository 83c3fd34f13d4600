//! Groups, as far as roles need them: who is a member gets the group's roles. Owns `directory_group` and
//! `group_member`. The operations on them come with the Graph API.

use hilum_kernel::{GroupId, TenantId};
use hilum_storage::db::{DbError, ReadTx, Sql};
use jiff::Timestamp;

pub(crate) const SCHEMA: Sql = "CREATE TABLE directory_group (
        id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, display_name TEXT NOT NULL, display_name_folded TEXT NOT NULL,
        mail_nickname TEXT NOT NULL, description TEXT, created_at_ms BIGINT NOT NULL);
    CREATE INDEX directory_group_display_name ON directory_group (tenant_id, display_name_folded, id);
    CREATE TABLE group_member (
        group_id TEXT NOT NULL, member_id TEXT NOT NULL, PRIMARY KEY (group_id, member_id));
    CREATE INDEX group_member_member ON group_member (member_id, group_id)";

const BY_ID: Sql = "SELECT id, display_name, mail_nickname, description, created_at_ms FROM directory_group
    WHERE id = $1 AND tenant_id = $2";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[BY_ID];

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The object ID.
    pub id: GroupId,
    /// Name for people.
    pub display_name: String,
    /// Name for mail.
    pub mail_nickname: String,
    /// For people.
    pub description: Option<String>,
    /// Since when it exists.
    pub created_at: Timestamp,
}

pub(crate) async fn by_id(tx: &mut ReadTx, tenant: TenantId, id: GroupId) -> Result<Option<Group>, DbError> {
    let Some(row) = tx.fetch_optional(BY_ID, &[id.into(), tenant.into()]).await? else { return Ok(None) };
    Ok(Some(Group {
        id: row.id(0)?,
        display_name: row.text(1)?,
        mail_nickname: row.text(2)?,
        description: row.opt_text(3)?,
        created_at: crate::timestamp(row.int(4)?),
    }))
}
