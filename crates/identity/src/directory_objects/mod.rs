//! Any object of the directory by its ID, whatever kind it is (Graph's `directoryObject`), and what objects are to each
//! other: members, owners, the groups somebody is in.

mod list;

use hilum_kernel::{GroupId, ObjectId, TenantId};
use hilum_storage::db::ReadTx;

use crate::{
    Application, Group, Identity, IdentityError, LIST_MAX, PrincipalKind, Relation, ServicePrincipal, User,
    applications,
    groups::{self, Edge, Steps},
    service_principals, users,
};

pub(crate) use list::COLLECTION;

/// An object of the directory.
#[derive(Debug, Clone, PartialEq)]
pub enum DirectoryObject {
    /// A user.
    User(Box<User>),
    /// A group.
    Group(Box<Group>),
    /// A service principal.
    ServicePrincipal(Box<ServicePrincipal>),
    /// An application.
    Application(Box<Application>),
}

impl DirectoryObject {
    /// Its object ID.
    pub const fn id(&self) -> ObjectId {
        match self {
            Self::User(user) => ObjectId::new(user.id.uuid()),
            Self::Group(group) => ObjectId::new(group.id.uuid()),
            Self::ServicePrincipal(principal) => principal.id,
            Self::Application(application) => application.object_id,
        }
    }

    /// Graph's name of its type, after `microsoft.graph.`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Group(_) => "group",
            Self::ServicePrincipal(_) => "servicePrincipal",
            Self::Application(_) => "application",
        }
    }
}

impl Identity {
    /// The objects with these IDs, in this order; IDs of nothing are passed over.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn directory_objects(&self, ids: &[ObjectId]) -> Result<Vec<DirectoryObject>, IdentityError> {
        let tenant = self.tenant().await?.id;
        by_ids(&mut self.0.db.snapshot().await?, tenant, ids).await
    }

    /// The members or owners of a group, by ID, those after `after`; with `transitive` those of groups within, too.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for an unknown group.
    pub async fn list_group(
        &self,
        id: GroupId,
        which: GroupList,
        after: Option<ObjectId>,
        limit: usize,
    ) -> Result<Vec<DirectoryObject>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        groups::required(&mut tx, tenant, id).await?;
        let (mut found, mut after) = (Vec::new(), after);
        // Deleted objects, which can be restored, are still listed in the group: they are passed over.
        while found.len() < limit {
            let wanted = limit - found.len();
            let edges = which.read(&mut tx, id, after, wanted).await?;
            let Some(last) = edges.last() else { break };
            after = Some(last.id);
            let ids: Vec<ObjectId> = edges.iter().map(|edge| edge.id).collect();
            found.extend(by_ids(&mut tx, tenant, &ids).await?);
            if edges.len() < wanted {
                break;
            }
        }
        Ok(found)
    }

    /// The groups that an object is a member of, by ID; with `transitive` those over other groups, too.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn groups_of(&self, id: ObjectId, transitive: bool) -> Result<Vec<Group>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        let steps = if transitive { Steps::All } else { Steps::One };
        let ids: Vec<ObjectId> = groups::containing(&mut tx, tenant, id, steps)
            .await?
            .into_iter()
            .map(|group| ObjectId::new(group.uuid()))
            .collect();
        let mut found = Vec::new();
        for ids in ids.chunks(IDS_AT_ONCE) {
            found.extend(groups::by_ids(&mut tx, tenant, ids).await?);
        }
        found.sort_by_key(|group| group.id);
        Ok(found)
    }

    /// Whether an object is directly in a group (`az ad group member check`).
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for an unknown group.
    pub async fn is_member(&self, group: GroupId, id: ObjectId) -> Result<bool, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        groups::required(&mut tx, tenant, group).await?;
        Ok(groups::has_member(&mut tx, group, id).await?)
    }
}

/// Which list of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupList {
    /// Members, directly in it.
    Members,
    /// Members, over any number of groups.
    TransitiveMembers,
    /// Owners.
    Owners,
}

impl GroupList {
    async fn read(
        self,
        tx: &mut ReadTx,
        group: GroupId,
        after: Option<ObjectId>,
        limit: usize,
    ) -> Result<Vec<Edge>, IdentityError> {
        let limit = limit.min(LIST_MAX);
        Ok(match self {
            Self::Members => groups::edges(tx, group, Relation::Members, after, limit).await?,
            Self::Owners => groups::edges(tx, group, Relation::Owners, after, limit).await?,
            Self::TransitiveMembers if groups::inner(tx, group).await?.len() == 1 => {
                groups::edges(tx, group, Relation::Members, after, limit).await?
            }
            Self::TransitiveMembers => groups::transitive_members(tx, group, after, limit).await?,
        })
    }
}

/// How many IDs go into one statement.
const IDS_AT_ONCE: usize = 500;

/// The objects with these IDs, in this order.
pub(crate) async fn by_ids(
    tx: &mut ReadTx,
    tenant: TenantId,
    ids: &[ObjectId],
) -> Result<Vec<DirectoryObject>, IdentityError> {
    let mut found = Vec::new();
    for ids in ids.chunks(IDS_AT_ONCE) {
        let mut some: Vec<DirectoryObject> = users::by_ids(tx, tenant, ids)
            .await?
            .into_iter()
            .map(|user| DirectoryObject::User(Box::new(user)))
            .collect();
        let groups = groups::by_ids(tx, tenant, ids).await?;
        some.extend(groups.into_iter().map(|group| DirectoryObject::Group(Box::new(group))));
        for id in ids {
            if some.iter().any(|object| object.id() == *id) {
                continue;
            }
            if let Some(principal) = service_principals::by_id(tx, tenant, *id).await? {
                some.push(DirectoryObject::ServicePrincipal(Box::new(principal)));
            } else if let Some(application) = applications::by_object_id(tx, tenant, *id).await? {
                some.push(DirectoryObject::Application(Box::new(application)));
            }
        }
        for id in ids {
            if let Some(place) = some.iter().position(|object| object.id() == *id) {
                found.push(some.swap_remove(place));
            }
        }
    }
    Ok(found)
}

/// What kind of principal has this ID, if one has.
pub(crate) async fn principal_kind(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: ObjectId,
) -> Result<Option<PrincipalKind>, IdentityError> {
    if !users::by_ids(tx, tenant, &[id]).await?.is_empty() {
        return Ok(Some(PrincipalKind::User));
    }
    if groups::by_id(tx, tenant, GroupId::new(id.uuid())).await?.is_some() {
        return Ok(Some(PrincipalKind::Group));
    }
    let principal = service_principals::by_id(tx, tenant, id).await?;
    Ok(principal.map(|_| PrincipalKind::ServicePrincipal))
}
