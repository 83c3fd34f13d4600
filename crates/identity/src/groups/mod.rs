//! Security groups, their members and owners. Owns `directory_group`, `group_member` and `group_owner`.
//!
//! Members are users, groups and service principals. Nesting may form circles, as in Entra; every walk over it keeps
//! what it has seen. What a group gives to members of its members: data roles, as Azure's do; not app roles, as Entra's
//! do not; not directory roles, whose groups take no groups.
//! A deleted group can be restored for 30 days (`deleted/`) with its members; until then it gives nothing.

mod deletion;
mod details;
mod list;
mod members;
mod sql;

#[cfg(test)]
mod tests;

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_kernel::{GroupId, ObjectId, TenantId};
use hilum_storage::db::{ReadTx, WriteTx};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{Identity, IdentityError, Stamp, privileges, role_assignments};

pub(crate) use deletion::{delete, forget_deleted, restore, view_deleted};
pub(crate) use details::shape;
pub(crate) use list::{COLLECTION, OF_GROUP, OF_MEMBER, OF_OWNER, OWNING_GROUP, page};
pub use members::Relation;
pub(crate) use members::{Edge, Steps, add, remove};
#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{
    SCHEMA, SCHEMA_DETAILS, by_id, by_ids, by_name, by_unique_name, containing, edges, forget, has_member,
    inner, owns, park, transitive_members, unpark,
};

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
    /// `Private`, `Public`, `HiddenMembership`; kept.
    pub visibility: Option<String>,
    /// Whether directory roles may be given to it. Never changes.
    pub assignable_to_role: bool,
    /// A name that never changes once it is set.
    pub unique_name: Option<String>,
}

impl Identity {
    /// Creates a group. `members` is shaped like the body of Graph's `POST /groups`, without what is bound; that comes
    /// beside it.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] or [`IdentityError::Conflict`] for what the rules refuse, [`IdentityError::NotFound`]
    /// for members that are not there.
    pub async fn create_group(
        &self,
        actor: &Actor,
        members: &Map<String, Value>,
        bound: &BoundObjects,
    ) -> Result<Group, IdentityError> {
        let stamp = self.stamp(actor);
        let group = self.new_group(members, crate::timestamp(stamp.at_ms))?;
        let input = (self.tenant().await?.id, group.clone(), bound.clone(), stamp);
        self.0
            .db
            .write(input, |tx, (tenant, group, bound, stamp)| {
                create(tx, *tenant, group, bound, stamp).boxed()
            })
            .await?;
        Ok(group)
    }

    /// Checks a new group and makes the object.
    pub(crate) fn new_group(
        &self,
        members: &Map<String, Value>,
        created_at: Timestamp,
    ) -> Result<Group, IdentityError> {
        for name in ["displayName", "mailEnabled", "mailNickname", "securityEnabled"] {
            if members.get(name).is_none_or(Value::is_null) {
                return Err(IdentityError::invalid(name, "is required to create a group"));
            }
        }
        Group {
            id: GroupId::new(self.0.random.uuid()),
            display_name: String::new(),
            mail_nickname: String::new(),
            description: None,
            created_at,
            visibility: None,
            assignable_to_role: false,
            unique_name: None,
        }
        .created(members)
    }

    /// Finds a group by object ID.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn find_group(&self, id: GroupId) -> Result<Group, IdentityError> {
        let tenant = self.tenant().await?.id;
        required(&mut self.0.db.read().await?, tenant, id).await
    }

    /// Whether a user or service principal owns a group.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn owns_group(&self, id: GroupId, owner: ObjectId) -> Result<bool, IdentityError> {
        Ok(owns(&mut self.0.db.read().await?, id, owner).await?)
    }

    /// Changes a group as Graph's `PATCH /groups/{id}` does.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], and what the rules refuse.
    pub async fn update_group(
        &self,
        actor: &Actor,
        id: GroupId,
        members: &Map<String, Value>,
    ) -> Result<Group, IdentityError> {
        let input = (self.tenant().await?.id, id, members.clone(), self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, id, members, stamp)| update(tx, *tenant, *id, members, stamp).boxed())
            .await
    }

    /// Deletes a group, which can be restored for 30 days.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn delete_group(&self, actor: &Actor, id: GroupId) -> Result<(), IdentityError> {
        let input = (self.tenant().await?.id, id, self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, id, stamp)| {
                delete(tx, *tenant, *id, stamp).map(|deleted| deleted.map(drop)).boxed()
            })
            .await
    }

    /// Adds members or owners to a group.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for objects that are not there, [`IdentityError::Referenced`] for those that are
    /// in it already, [`IdentityError::Invalid`] for what the rules refuse.
    pub async fn add_to_group(
        &self,
        actor: &Actor,
        id: GroupId,
        relation: Relation,
        objects: &[ObjectId],
    ) -> Result<(), IdentityError> {
        let input = (self.tenant().await?.id, id, relation, objects.to_vec(), self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, id, relation, objects, stamp)| {
                async move {
                    let group = locked(tx, *tenant, *id).await?;
                    add(tx, *tenant, &group, *relation, objects, stamp).await
                }
                .boxed()
            })
            .await
    }

    /// Takes a member or owner out of a group.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] when it is not in it; [`IdentityError::Invalid`] for the last Global Administrator.
    pub async fn remove_from_group(
        &self,
        actor: &Actor,
        id: GroupId,
        relation: Relation,
        object: ObjectId,
    ) -> Result<(), IdentityError> {
        let input = (self.tenant().await?.id, id, relation, object, self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, id, relation, object, stamp)| {
                async move {
                    let group = locked(tx, *tenant, *id).await?;
                    remove(tx, *tenant, &group, *relation, *object, stamp).await
                }
                .boxed()
            })
            .await
    }
}

/// What a new group is bound to (`members@odata.bind`, `owners@odata.bind`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BoundObjects {
    /// The first members.
    pub members: Vec<ObjectId>,
    /// The first owners.
    pub owners: Vec<ObjectId>,
}

/// Inserts a group with what it is bound to.
pub(crate) async fn create(
    tx: &mut WriteTx,
    tenant: TenantId,
    group: &Group,
    bound: &BoundObjects,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    sql::insert(tx, tenant, group).await?;
    stamp.record(tx, Action::GroupChanged, group.id, Some("created".to_owned())).await?;
    ensure_may_manage(tx, tenant, group, stamp).await?;
    for (relation, objects) in [(Relation::Members, &bound.members), (Relation::Owners, &bound.owners)] {
        if !objects.is_empty() {
            add(tx, tenant, group, relation, objects, stamp).await?;
        }
    }
    Ok(())
}

/// Who makes, fills or names a group that may have directory roles decides who will have them, whether it has any yet or
/// not: that is for Global Administrators.
async fn ensure_may_manage(
    tx: &mut ReadTx,
    tenant: TenantId,
    group: &Group,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    if !group.assignable_to_role {
        return Ok(());
    }
    let role = role_assignments::required_role("Global Administrator")?;
    privileges::ensure_may_give_role(tx, tenant, stamp, &role).await
}

/// Changes a group. Two changes at once follow each other: the row is locked before it is read.
pub(crate) async fn update(
    tx: &mut WriteTx,
    tenant: TenantId,
    id: GroupId,
    members: &Map<String, Value>,
    stamp: &Stamp,
) -> Result<Group, IdentityError> {
    let before = locked(tx, tenant, id).await?;
    ensure_may_manage(tx, tenant, &before, stamp).await?;
    let group = before.changed(members)?;
    sql::update(tx, &group).await?;
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    let detail = Some(format!("updated {}", names.join(" ")));
    stamp.record(tx, Action::GroupChanged, id, detail).await?;
    Ok(group)
}

/// As [`by_id`], for callers that cannot go on without it.
pub(crate) async fn required(tx: &mut ReadTx, tenant: TenantId, id: GroupId) -> Result<Group, IdentityError> {
    by_id(tx, tenant, id).await?.ok_or_else(|| IdentityError::not_found("group", id))
}

/// As [`required`], with the row locked until the end of the transaction.
pub(crate) async fn locked(tx: &mut WriteTx, tenant: TenantId, id: GroupId) -> Result<Group, IdentityError> {
    sql::lock(tx, tenant, id).await?;
    required(tx, tenant, id).await
}
