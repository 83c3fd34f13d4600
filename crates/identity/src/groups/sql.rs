//! The tables of groups.

use hilum_kernel::{GroupId, ObjectId, TenantId};
use hilum_storage::db::{DbError, ReadTx, Row, Sql, Statement, WriteTx};

use super::{Edge, Group, Relation, Steps, members::Direction};
use crate::{IdentityError, LIST_MAX, PrincipalKind, error::OnDuplicate as _, folded, timestamp};

pub(crate) const SCHEMA: Sql = "CREATE TABLE directory_group (
        id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, display_name TEXT NOT NULL, display_name_folded TEXT NOT NULL,
        mail_nickname TEXT NOT NULL, description TEXT, created_at_ms BIGINT NOT NULL);
    CREATE INDEX directory_group_display_name ON directory_group (tenant_id, display_name_folded, id);
    CREATE TABLE group_member (
        group_id TEXT NOT NULL, member_id TEXT NOT NULL, PRIMARY KEY (group_id, member_id));
    CREATE INDEX group_member_member ON group_member (member_id, group_id)";

pub(crate) const SCHEMA_DETAILS: Sql =
    "ALTER TABLE directory_group ADD COLUMN mail_nickname_folded TEXT NOT NULL DEFAULT '';
    ALTER TABLE directory_group ADD COLUMN visibility TEXT;
    ALTER TABLE directory_group ADD COLUMN security_enabled BIGINT NOT NULL DEFAULT 1;
    ALTER TABLE directory_group ADD COLUMN assignable_to_role BIGINT NOT NULL DEFAULT 0;
    ALTER TABLE directory_group ADD COLUMN unique_name TEXT;
    ALTER TABLE directory_group ADD COLUMN unique_name_folded TEXT;
    ALTER TABLE directory_group ADD COLUMN member_count BIGINT NOT NULL DEFAULT 0;
    ALTER TABLE directory_group ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
    UPDATE directory_group SET mail_nickname_folded = lower(mail_nickname),
        member_count = (SELECT COUNT(*) FROM group_member m WHERE m.group_id = directory_group.id);
    CREATE INDEX directory_group_mail_nickname ON directory_group (tenant_id, mail_nickname_folded, id);
    CREATE UNIQUE INDEX directory_group_unique_name ON directory_group (tenant_id, unique_name_folded);
    ALTER TABLE group_member ADD COLUMN tenant_id TEXT NOT NULL DEFAULT '';
    ALTER TABLE group_member ADD COLUMN member_kind TEXT NOT NULL DEFAULT 'User';
    CREATE INDEX group_member_kind ON group_member (group_id, member_kind, member_id);
    CREATE TABLE group_owner (
        group_id TEXT NOT NULL, owner_id TEXT NOT NULL, owner_kind TEXT NOT NULL, PRIMARY KEY (group_id, owner_id));
    CREATE TABLE parked_member (
        object_id TEXT NOT NULL, group_id TEXT NOT NULL, member_id TEXT NOT NULL, tenant_id TEXT NOT NULL,
        member_kind TEXT NOT NULL, PRIMARY KEY (group_id, member_id));
    CREATE INDEX parked_member_object ON parked_member (object_id);
    CREATE INDEX parked_member_member ON parked_member (member_id);
    CREATE INDEX group_owner_owner ON group_owner (owner_id, group_id);
    CREATE INDEX role_assignment_role ON role_assignment (tenant_id, role_id, principal_id);
    CREATE VIEW directory_object AS
        SELECT id, tenant_id, display_name_folded FROM directory_user
        UNION ALL SELECT id, tenant_id, display_name_folded FROM directory_group
        UNION ALL SELECT id, tenant_id, display_name_folded FROM service_principal";

/// Entra's limit is higher; beyond this, a list of members is no longer something people look at.
const MEMBERS_MAX: i64 = 100_000;

/// What [`read`] reads, in its order.
pub(super) const COLUMNS: Sql = "id, display_name, mail_nickname, description, created_at_ms, visibility,
    assignable_to_role, unique_name";
const BY_ID: Sql = "SELECT id, display_name, mail_nickname, description, created_at_ms, visibility,
    assignable_to_role, unique_name FROM directory_group
    WHERE id = $1 AND tenant_id = $2";
const BY_IDS: Sql = "SELECT id, display_name, mail_nickname, description, created_at_ms, visibility,
    assignable_to_role, unique_name FROM directory_group WHERE id IN (";
const BY_NAME: Sql = "SELECT id, display_name, mail_nickname, description, created_at_ms, visibility,
    assignable_to_role, unique_name FROM directory_group
    WHERE display_name_folded = $1 AND tenant_id = $2 ORDER BY id LIMIT 2";
const BY_UNIQUE_NAME: Sql = "SELECT id, display_name, mail_nickname, description, created_at_ms, visibility,
    assignable_to_role, unique_name FROM directory_group WHERE unique_name_folded = $1 AND tenant_id = $2";
const INSERT: Sql = "INSERT INTO directory_group (id, tenant_id, display_name, display_name_folded, mail_nickname,
    mail_nickname_folded, description, created_at_ms, visibility, assignable_to_role, unique_name, unique_name_folded)
    VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)";
const UPDATE: Sql =
    "UPDATE directory_group SET display_name = $2, display_name_folded = $3, mail_nickname = $4,
    mail_nickname_folded = $5, description = $6, visibility = $7, unique_name = $8, unique_name_folded = $9
    WHERE id = $1";
const LOCK: Sql = "UPDATE directory_group SET version = version + 1 WHERE id = $1 AND tenant_id = $2";
const DELETE: Sql = "DELETE FROM directory_group WHERE id = $1";
const INSERT_MEMBER: Sql =
    "INSERT INTO group_member (group_id, member_id, tenant_id, member_kind) VALUES ($1, $2, $3, $4)";
const INSERT_OWNER: Sql = "INSERT INTO group_owner (group_id, owner_id, owner_kind) VALUES ($1, $2, $3)";
const COUNT_MEMBER: Sql =
    "UPDATE directory_group SET member_count = member_count + 1 WHERE id = $1 AND member_count < $2";
const UNCOUNT_MEMBER: Sql = "UPDATE directory_group SET member_count = member_count - 1 WHERE id = $1";
const UNCOUNT_EVERYWHERE: Sql = "UPDATE directory_group SET member_count = member_count - 1
    WHERE id IN (SELECT group_id FROM group_member WHERE member_id = $1)";
const DELETE_MEMBER: Sql = "DELETE FROM group_member WHERE group_id = $1 AND member_id = $2";
const DELETE_OWNER: Sql = "DELETE FROM group_owner WHERE group_id = $1 AND owner_id = $2";
const FORGET_OWNER: Sql = "DELETE FROM group_owner WHERE owner_id = $1 OR group_id = $1";
/// What a deleted object was member of, and what was member of it, put aside in its name.
const PARK: Sql = "INSERT INTO parked_member (object_id, group_id, member_id, tenant_id, member_kind)
    SELECT $1, group_id, member_id, tenant_id, member_kind FROM group_member WHERE group_id = $1 OR member_id = $1";
const DELETE_MEMBERS: Sql = "DELETE FROM group_member WHERE member_id = $1 OR group_id = $1";
/// Where the other end is deleted now, it waits in that one's name.
const PARK_WITH_OTHER_MEMBER: Sql = "UPDATE parked_member SET object_id = member_id
    WHERE object_id = $1 AND group_id = $1 AND member_id IN (SELECT id FROM deleted_object)";
const PARK_WITH_OTHER_GROUP: Sql = "UPDATE parked_member SET object_id = group_id
    WHERE object_id = $1 AND member_id = $1 AND group_id IN (SELECT id FROM deleted_object)";
const UNPARK: Sql = "INSERT INTO group_member (group_id, member_id, tenant_id, member_kind)
    SELECT group_id, member_id, tenant_id, member_kind FROM parked_member p WHERE object_id = $1
        AND group_id IN (SELECT id FROM directory_group)
        AND member_id IN (SELECT id FROM directory_object o WHERE o.id = p.member_id)";
const DELETE_PARKED: Sql = "DELETE FROM parked_member WHERE object_id = $1";
const COUNT_EVERYWHERE: Sql = "UPDATE directory_group SET member_count = (
        SELECT COUNT(*) FROM group_member m WHERE m.group_id = directory_group.id)
    WHERE id = $1 OR id IN (SELECT group_id FROM group_member WHERE member_id = $1)";
const FORGET_PARKED: Sql =
    "DELETE FROM parked_member WHERE object_id = $1 OR group_id = $1 OR member_id = $1";
const HAS_MEMBER: Sql = "SELECT member_id FROM group_member WHERE group_id = $1 AND member_id = $2";
const MEMBERS: Sql = "SELECT member_id, member_kind FROM group_member
    WHERE group_id = $1 AND member_id > $2 ORDER BY member_id LIMIT $3";
const OWNERS: Sql = "SELECT owner_id, owner_kind FROM group_owner
    WHERE group_id = $1 AND owner_id > $2 ORDER BY owner_id LIMIT $3";
/// `UNION` keeps what was seen: circles end.
const TRANSITIVE_MEMBERS: Sql = "WITH RECURSIVE inner_group(id) AS (
        SELECT CAST($1 AS TEXT)
        UNION
        SELECT m.member_id FROM inner_group i JOIN group_member m ON m.group_id = i.id AND m.member_kind = 'Group'
            JOIN directory_group g ON g.id = m.member_id)
    SELECT DISTINCT m.member_id, m.member_kind FROM inner_group i JOIN group_member m ON m.group_id = i.id
    WHERE m.member_id > $2 ORDER BY m.member_id LIMIT $3";
const INNER: Sql = "WITH RECURSIVE inner_group(id) AS (
        SELECT id FROM directory_group WHERE id = $1
        UNION
        SELECT m.member_id FROM inner_group i JOIN group_member m ON m.group_id = i.id AND m.member_kind = 'Group'
            JOIN directory_group g ON g.id = m.member_id)
    SELECT id FROM inner_group ORDER BY id LIMIT 10000";
const OWNS: Sql = "SELECT owner_id FROM group_owner WHERE group_id = $1 AND owner_id = $2";
const CONTAINING: Sql = "SELECT g.id FROM group_member m JOIN directory_group g ON g.id = m.group_id
    WHERE m.member_id = $1 AND g.tenant_id = $2 ORDER BY g.id LIMIT 10000";
const CONTAINING_TRANSITIVE: Sql = "WITH RECURSIVE outer_group(id) AS (
        SELECT m.group_id FROM group_member m JOIN directory_group g ON g.id = m.group_id
            WHERE m.member_id = $1 AND g.tenant_id = $2
        UNION
        SELECT m.group_id FROM outer_group o JOIN group_member m ON m.member_id = o.id
            JOIN directory_group g ON g.id = m.group_id)
    SELECT id FROM outer_group ORDER BY id LIMIT 10000";
const LEVEL_UP: Sql = "SELECT DISTINCT group_id FROM group_member WHERE member_id IN (";
const LEVEL_DOWN: Sql =
    "SELECT DISTINCT member_id FROM group_member WHERE member_kind = 'Group' AND group_id IN (";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[
    BY_NAME,
    BY_UNIQUE_NAME,
    BY_ID,
    INSERT,
    UPDATE,
    LOCK,
    DELETE,
    INSERT_MEMBER,
    INSERT_OWNER,
    COUNT_MEMBER,
    UNCOUNT_MEMBER,
    UNCOUNT_EVERYWHERE,
    DELETE_MEMBER,
    DELETE_OWNER,
    PARK,
    DELETE_MEMBERS,
    PARK_WITH_OTHER_MEMBER,
    PARK_WITH_OTHER_GROUP,
    UNPARK,
    DELETE_PARKED,
    COUNT_EVERYWHERE,
    FORGET_PARKED,
    FORGET_OWNER,
    HAS_MEMBER,
    MEMBERS,
    OWNERS,
    TRANSITIVE_MEMBERS,
    INNER,
    OWNS,
    CONTAINING,
    CONTAINING_TRANSITIVE,
];

pub(crate) async fn by_id(tx: &mut ReadTx, tenant: TenantId, id: GroupId) -> Result<Option<Group>, DbError> {
    tx.fetch_optional(BY_ID, &[id.into(), tenant.into()]).await?.as_ref().map(read).transpose()
}

/// The groups among these objects.
pub(crate) async fn by_ids(
    tx: &mut ReadTx,
    tenant: TenantId,
    ids: &[ObjectId],
) -> Result<Vec<Group>, DbError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut statement = Statement::new(BY_IDS);
    // As in users: the tenant must not tempt SQLite's planner.
    statement.bind_list(ids.iter().copied()).push(") AND tenant_id || '' = ").bind(tenant);
    statement.push(" LIMIT ").bind(limit(LIST_MAX));
    tx.fetch_all_of(&statement).await?.iter().map(read).collect()
}

/// By name, in any case: the first two, which tell one from several.
pub(crate) async fn by_name(tx: &mut ReadTx, tenant: TenantId, name: &str) -> Result<Vec<Group>, DbError> {
    tx.fetch_all(BY_NAME, &[folded(name).into(), tenant.into()]).await?.iter().map(read).collect()
}

/// By `uniqueName`, in any case.
pub(crate) async fn by_unique_name(
    tx: &mut ReadTx,
    tenant: TenantId,
    name: &str,
) -> Result<Option<Group>, DbError> {
    let row = tx.fetch_optional(BY_UNIQUE_NAME, &[folded(name).into(), tenant.into()]).await?;
    row.as_ref().map(read).transpose()
}

/// All groups, by name.
pub(crate) async fn insert(tx: &mut WriteTx, tenant: TenantId, group: &Group) -> Result<(), IdentityError> {
    let row = [
        group.id.into(),
        tenant.into(),
        (&group.display_name).into(),
        folded(&group.display_name).into(),
        (&group.mail_nickname).into(),
        folded(&group.mail_nickname).into(),
        group.description.clone().into(),
        group.created_at.as_millisecond().into(),
        group.visibility.clone().into(),
        group.assignable_to_role.into(),
        group.unique_name.clone().into(),
        group.unique_name.as_deref().map(folded).into(),
    ];
    tx.execute(INSERT, &row).await.on_duplicate("uniqueName").map(drop)
}

pub(crate) async fn update(tx: &mut WriteTx, group: &Group) -> Result<(), IdentityError> {
    let row = [
        group.id.into(),
        (&group.display_name).into(),
        folded(&group.display_name).into(),
        (&group.mail_nickname).into(),
        folded(&group.mail_nickname).into(),
        group.description.clone().into(),
        group.visibility.clone().into(),
        group.unique_name.clone().into(),
        group.unique_name.as_deref().map(folded).into(),
    ];
    tx.execute(UPDATE, &row).await.on_duplicate("uniqueName").map(drop)
}

/// Makes others wait who want to change this group.
pub(crate) async fn lock(tx: &mut WriteTx, tenant: TenantId, id: GroupId) -> Result<(), DbError> {
    tx.execute(LOCK, &[id.into(), tenant.into()]).await.map(drop)
}

pub(crate) async fn delete(tx: &mut WriteTx, id: GroupId) -> Result<(), DbError> {
    tx.execute(DELETE, &[id.into()]).await.map(drop)
}

pub(crate) async fn insert_member(
    tx: &mut WriteTx,
    tenant: TenantId,
    group: GroupId,
    edge: Edge,
) -> Result<(), IdentityError> {
    let row = [group.into(), edge.id.into(), tenant.into(), edge.kind.as_str().into()];
    existing(tx.execute(INSERT_MEMBER, &row).await, Relation::Members)
}

pub(crate) async fn insert_owner(tx: &mut WriteTx, group: GroupId, edge: Edge) -> Result<(), IdentityError> {
    let row = [group.into(), edge.id.into(), edge.kind.as_str().into()];
    existing(tx.execute(INSERT_OWNER, &row).await, Relation::Owners)
}

fn existing(outcome: Result<u64, DbError>, relation: Relation) -> Result<(), IdentityError> {
    match outcome {
        Err(DbError::Duplicate { .. }) => Err(IdentityError::Referenced { property: relation.as_str() }),
        outcome => Ok(outcome.map(drop)?),
    }
}

/// Counts one more, unless the group is full.
pub(crate) async fn count_member(tx: &mut WriteTx, group: GroupId) -> Result<bool, DbError> {
    Ok(tx.execute(COUNT_MEMBER, &[group.into(), MEMBERS_MAX.into()]).await? > 0)
}

pub(crate) async fn uncount_member(tx: &mut WriteTx, group: GroupId) -> Result<(), DbError> {
    tx.execute(UNCOUNT_MEMBER, &[group.into()]).await.map(drop)
}

pub(crate) async fn delete_edge(
    tx: &mut WriteTx,
    group: GroupId,
    relation: Relation,
    object: ObjectId,
) -> Result<bool, DbError> {
    let sql = match relation {
        Relation::Members => DELETE_MEMBER,
        Relation::Owners => DELETE_OWNER,
    };
    Ok(tx.execute(sql, &[group.into(), object.into()]).await? > 0)
}

/// Takes an object that is gone for good out of all groups.
pub(crate) async fn forget(tx: &mut WriteTx, object: ObjectId) -> Result<(), DbError> {
    for sql in [UNCOUNT_EVERYWHERE, DELETE_MEMBERS, FORGET_PARKED, FORGET_OWNER] {
        tx.execute(sql, &[object.into()]).await?;
    }
    Ok(())
}

/// Puts aside what an object that is being deleted is member of, and what is member of it.
pub(crate) async fn park(tx: &mut WriteTx, object: ObjectId) -> Result<(), DbError> {
    for sql in [PARK, UNCOUNT_EVERYWHERE, DELETE_MEMBERS] {
        tx.execute(sql, &[object.into()]).await?;
    }
    Ok(())
}

/// Brings back what [`park`] put aside. The object's row is written again, and it is no longer among the deleted ones.
pub(crate) async fn unpark(tx: &mut WriteTx, object: ObjectId) -> Result<(), DbError> {
    for sql in [PARK_WITH_OTHER_MEMBER, PARK_WITH_OTHER_GROUP, UNPARK, DELETE_PARKED, COUNT_EVERYWHERE] {
        tx.execute(sql, &[object.into()]).await?;
    }
    Ok(())
}

/// Whether an object is directly in a group.
pub(crate) async fn has_member(tx: &mut ReadTx, group: GroupId, object: ObjectId) -> Result<bool, DbError> {
    Ok(tx.fetch_optional(HAS_MEMBER, &[group.into(), object.into()]).await?.is_some())
}

/// The objects in a group or owning it, by ID, those after `after`. Deleted ones, which can be restored, are among them.
pub(crate) async fn edges(
    tx: &mut ReadTx,
    group: GroupId,
    relation: Relation,
    after: Option<ObjectId>,
    rows: usize,
) -> Result<Vec<Edge>, DbError> {
    let sql = match relation {
        Relation::Members => MEMBERS,
        Relation::Owners => OWNERS,
    };
    edges_of(tx, sql, group, after, rows).await
}

/// The objects in a group and in the groups in it, by ID.
pub(crate) async fn transitive_members(
    tx: &mut ReadTx,
    group: GroupId,
    after: Option<ObjectId>,
    rows: usize,
) -> Result<Vec<Edge>, DbError> {
    edges_of(tx, TRANSITIVE_MEMBERS, group, after, rows).await
}

/// A group and all groups in it.
pub(crate) async fn inner(tx: &mut ReadTx, group: GroupId) -> Result<Vec<GroupId>, DbError> {
    tx.fetch_all(INNER, &[group.into()]).await?.iter().map(|row| row.id(0)).collect()
}

/// Whether an object owns a group.
pub(crate) async fn owns(tx: &mut ReadTx, group: GroupId, owner: ObjectId) -> Result<bool, DbError> {
    Ok(tx.fetch_optional(OWNS, &[group.into(), owner.into()]).await?.is_some())
}

async fn edges_of(
    tx: &mut ReadTx,
    sql: Sql,
    group: GroupId,
    after: Option<ObjectId>,
    rows: usize,
) -> Result<Vec<Edge>, DbError> {
    let after = after.map_or_else(String::new, |id| id.to_string());
    tx.fetch_all(sql, &[group.into(), after.into(), limit(rows).into()])
        .await?
        .iter()
        .map(|row| {
            let kind = PrincipalKind::parse(&row.text(1)?).ok_or(DbError::Corrupt { column: 1 })?;
            Ok(Edge { id: row.id(0)?, kind })
        })
        .collect()
}

/// The groups an object is in, directly or over groups, by ID.
pub(crate) async fn containing(
    tx: &mut ReadTx,
    tenant: TenantId,
    object: ObjectId,
    steps: Steps,
) -> Result<Vec<GroupId>, DbError> {
    let sql = match steps {
        Steps::One => CONTAINING,
        Steps::All => CONTAINING_TRANSITIVE,
    };
    tx.fetch_all(sql, &[object.into(), tenant.into()]).await?.iter().map(|row| row.id(0)).collect()
}

pub(crate) async fn next_level(
    tx: &mut ReadTx,
    level: &[GroupId],
    direction: Direction,
    rows: usize,
) -> Result<Vec<GroupId>, DbError> {
    let mut statement = Statement::new(match direction {
        Direction::Up => LEVEL_UP,
        Direction::Down => LEVEL_DOWN,
    });
    statement.bind_list(level.iter().copied()).push(") LIMIT ").bind(limit(rows));
    tx.fetch_all_of(&statement).await?.iter().map(|row| row.id(0)).collect()
}

fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

pub(crate) fn read(row: &Row) -> Result<Group, DbError> {
    Ok(Group {
        id: row.id(0)?,
        display_name: row.text(1)?,
        mail_nickname: row.text(2)?,
        description: row.opt_text(3)?,
        created_at: timestamp(row.int(4)?),
        visibility: row.opt_text(5)?,
        assignable_to_role: row.truth(6)?,
        unique_name: row.opt_text(7)?,
    })
}
