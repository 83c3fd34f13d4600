//! Who is in a group and who owns it, over one step or all of them.

use hilum_audit::Action;
use hilum_kernel::{GroupId, ObjectId, TenantId};
use hilum_storage::db::{ReadTx, WriteTx};

use super::{Group, sql};
use crate::{IdentityError, PrincipalKind, Stamp, directory_objects, directory_roles, privileges};

/// Entra's limit of owners.
const OWNERS_MAX: usize = 100;
/// How many levels of groups within groups there may be: what walks over them stays short.
const LEVELS_MAX: usize = 20;
/// How many groups one level may have while the levels are counted.
const LEVEL_GROUPS_MAX: usize = 1000;

/// What an object is to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// In it.
    Members,
    /// Responsible for it.
    Owners,
}

impl Relation {
    /// Graph's name of the property.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::Owners => "owners",
        }
    }
}

/// An object in a group or owning it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) id: ObjectId,
    pub(crate) kind: PrincipalKind,
}

/// Adds objects to a group whose row is locked: all of them or none.
pub(crate) async fn add(
    tx: &mut WriteTx,
    tenant: TenantId,
    group: &Group,
    relation: Relation,
    objects: &[ObjectId],
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    super::ensure_may_manage(tx, tenant, group, stamp).await?;
    // Owners add members: both are asked the same.
    privileges::ensure_may_add_member(tx, tenant, stamp, ObjectId::new(group.id.uuid())).await?;
    for object in objects {
        let kind = directory_objects::principal_kind(tx, tenant, *object).await?;
        let kind = kind.ok_or_else(|| IdentityError::not_found("directory object", object))?;
        let edge = Edge { id: *object, kind };
        match relation {
            Relation::Members => add_member(tx, tenant, group, edge).await?,
            Relation::Owners => add_owner(tx, group, edge).await?,
        }
        let detail = Some(format!("{} + {object}", relation.as_str()));
        stamp.record(tx, Action::GroupChanged, group.id, detail).await?;
    }
    Ok(())
}

async fn add_member(
    tx: &mut WriteTx,
    tenant: TenantId,
    group: &Group,
    edge: Edge,
) -> Result<(), IdentityError> {
    let property = Relation::Members.as_str();
    if edge.kind == PrincipalKind::Group {
        if group.assignable_to_role {
            let reason = "a group that may have roles takes no groups as members";
            return Err(IdentityError::invalid(property, reason));
        }
        check_nesting(tx, group.id, GroupId::new(edge.id.uuid())).await?;
    }
    sql::insert_member(tx, tenant, group.id, edge).await?;
    if !sql::count_member(tx, group.id).await? {
        return Err(IdentityError::invalid(property, "a group has at most 100,000 members"));
    }
    Ok(())
}

async fn add_owner(tx: &mut WriteTx, group: &Group, edge: Edge) -> Result<(), IdentityError> {
    let property = Relation::Owners.as_str();
    if edge.kind == PrincipalKind::Group {
        return Err(IdentityError::invalid(property, "a group cannot own a group"));
    }
    sql::insert_owner(tx, group.id, edge).await?;
    if sql::edges(tx, group.id, Relation::Owners, None, OWNERS_MAX + 1).await?.len() > OWNERS_MAX {
        return Err(IdentityError::invalid(property, "a group has at most 100 owners"));
    }
    Ok(())
}

/// A group in itself says nothing; and more than a few levels are a mistake that makes every token slow.
async fn check_nesting(tx: &mut ReadTx, outer: GroupId, inner: GroupId) -> Result<(), IdentityError> {
    if outer == inner {
        return Err(IdentityError::invalid("members", "a group cannot be a member of itself"));
    }
    let above = levels(tx, outer, Direction::Up).await?;
    let below = levels(tx, inner, Direction::Down).await?;
    if above + below + 1 > LEVELS_MAX {
        let reason = format!("groups can be nested over at most {LEVELS_MAX} levels");
        return Err(IdentityError::invalid("members", reason));
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// How many levels of groups there are above or below one, circles counted once.
async fn levels(tx: &mut ReadTx, start: GroupId, direction: Direction) -> Result<usize, IdentityError> {
    let mut seen = std::collections::BTreeSet::from([start]);
    let mut level = vec![start];
    let mut count = 0;
    while !level.is_empty() && count <= LEVELS_MAX {
        let next = sql::next_level(tx, &level, direction, LEVEL_GROUPS_MAX).await?;
        level = next.into_iter().filter(|group| seen.insert(*group)).collect();
        count += usize::from(!level.is_empty());
    }
    Ok(count)
}

/// Takes an object out of a group whose row is locked.
pub(crate) async fn remove(
    tx: &mut WriteTx,
    tenant: TenantId,
    group: &Group,
    relation: Relation,
    object: ObjectId,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    super::ensure_may_manage(tx, tenant, group, stamp).await?;
    if !sql::delete_edge(tx, group.id, relation, object).await? {
        return Err(IdentityError::not_found(relation.as_str(), object));
    }
    if relation == Relation::Members {
        sql::uncount_member(tx, group.id).await?;
        if group.assignable_to_role {
            directory_roles::ensure_an_administrator(tx, tenant).await?;
        }
    }
    let detail = Some(format!("{} - {object}", relation.as_str()));
    stamp.record(tx, Action::GroupChanged, group.id, detail).await?;
    Ok(())
}

/// How far a walk over groups goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Steps {
    /// The groups it is a member of.
    One,
    /// And those these are members of, and so on.
    All,
}
