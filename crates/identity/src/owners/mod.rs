//! Owners: who may look after an object without a directory role (Graph: `owners`).
//!
//! Owns `directory_owner`. An owner is a user or a service principal; what can be owned is an application or a service
//! principal (a group's owners are the group's). Rows of deleted objects and owners stay until those are gone for good, so that they are there
//! again after a restore; whoever reads them passes over what does not exist at the moment.

mod sql;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_kernel::{AppId, ObjectId, TenantId};
use hilum_storage::db::{ReadTx, WriteTx};

use crate::{
    DirectoryObject, Identity, IdentityError, PrincipalKind, Target, applications, directory_objects,
    error::OnDuplicate as _, privileges, service_principals, users,
};

#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{SCHEMA, forget_object, forget_owner, of, owned_by, owns, remove};

/// As many as Entra allows for users; more would not be looked after by anybody.
const OWNERS_MAX: usize = 100;

/// What can be owned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnedKind {
    /// An application.
    Application,
    /// A service principal.
    ServicePrincipal,
}

impl OwnedKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::ServicePrincipal => "servicePrincipal",
        }
    }

    pub(crate) const fn action(self) -> Action {
        match self {
            Self::Application => Action::ApplicationChanged,
            Self::ServicePrincipal => Action::ServicePrincipalChanged,
        }
    }
}

/// An owner's reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnerRef {
    /// The owner.
    pub id: ObjectId,
    /// User or service principal.
    pub kind: PrincipalKind,
}

/// An object somebody owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) id: ObjectId,
    pub(crate) kind: OwnedKind,
}

impl Identity {
    /// Makes somebody an owner of an application or service principal.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for object or owner; [`IdentityError::Referenced`] for an owner already.
    pub async fn add_owner(
        &self,
        actor: &Actor,
        kind: OwnedKind,
        object: impl Into<Target>,
        owner: ObjectId,
    ) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        let input = (tenant, kind, object.into(), owner, self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, kind, object, owner, stamp)| {
                async move {
                    let (object, app_id) = resolve_object(tx, *tenant, *kind, object).await?;
                    // Who owns an application can act as it.
                    privileges::ensure_may_control(tx, *tenant, stamp, app_id).await?;
                    let owner = resolve(tx, *tenant, *owner).await?;
                    add(tx, *tenant, object, owner, stamp.at_ms).await?;
                    let detail = Some(format!("owner {} added", owner.id));
                    stamp.record(tx, kind.action(), object.id, detail).await?;
                    Ok::<_, IdentityError>(())
                }
                .boxed()
            })
            .await
    }

    /// Ends an ownership.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for the object, or when that one is no owner.
    pub async fn remove_owner(
        &self,
        actor: &Actor,
        kind: OwnedKind,
        object: impl Into<Target>,
        owner: ObjectId,
    ) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        let input = (tenant, kind, object.into(), owner, self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, kind, object, owner, stamp)| {
                async move {
                    let (object, app_id) = resolve_object(tx, *tenant, *kind, object).await?;
                    privileges::ensure_may_control(tx, *tenant, stamp, app_id).await?;
                    if !remove(tx, object.id, *owner).await? {
                        return Err(IdentityError::not_found("owner", owner));
                    }
                    let detail = Some(format!("owner {owner} removed"));
                    stamp.record(tx, kind.action(), object.id, detail).await?;
                    Ok(())
                }
                .boxed()
            })
            .await
    }

    /// The owners of an object that exist at the moment.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for the object.
    pub async fn list_owners(
        &self,
        kind: OwnedKind,
        object: impl Into<Target>,
    ) -> Result<Vec<DirectoryObject>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        let (owned, _) = resolve_object(&mut tx, tenant, kind, &object.into()).await?;
        let ids: Vec<ObjectId> = of(&mut tx, owned.id).await?.iter().map(|owner| owner.id).collect();
        directory_objects::by_ids(&mut tx, tenant, &ids).await
    }
}

impl Identity {
    /// Whether somebody owns an object, deleted or not.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub(crate) async fn owns(&self, owner: ObjectId, object: ObjectId) -> Result<bool, IdentityError> {
        Ok(owns(&mut self.0.db.read().await?, owner, object).await?)
    }

    /// The owners of several objects that exist at the moment.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub(crate) async fn owners_of_all(
        &self,
        objects: &[ObjectId],
    ) -> Result<HashMap<ObjectId, Vec<DirectoryObject>>, IdentityError> {
        let tenant = self.tenant().await?.id;
        of_all(&mut self.0.db.snapshot().await?, tenant, objects).await
    }
}

/// Makes a principal an owner. The caller has checked that both exist, and that it may.
pub(crate) async fn add(
    tx: &mut WriteTx,
    tenant: TenantId,
    object: Owned,
    owner: OwnerRef,
    at_ms: i64,
) -> Result<(), IdentityError> {
    if of(tx, object.id).await?.len() >= OWNERS_MAX {
        return Err(IdentityError::invalid("owners", "there may be at most 100: remove old ones"));
    }
    sql::insert(tx, tenant, object, owner, at_ms).await.on_duplicate("owners").map_err(|error| match error {
        IdentityError::Conflict { property } => IdentityError::Referenced { property },
        other => other,
    })
}

/// The user or service principal with this ID, as an owner.
pub(crate) async fn resolve(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: ObjectId,
) -> Result<OwnerRef, IdentityError> {
    if users::lookup(tx, tenant, &id.to_string()).await?.is_some() {
        return Ok(OwnerRef { id, kind: PrincipalKind::User });
    }
    if service_principals::by_id(tx, tenant, id).await?.is_some() {
        return Ok(OwnerRef { id, kind: PrincipalKind::ServicePrincipal });
    }
    Err(IdentityError::not_found("directory object", id))
}

async fn resolve_object(
    tx: &mut ReadTx,
    tenant: TenantId,
    kind: OwnedKind,
    target: &Target,
) -> Result<(Owned, AppId), IdentityError> {
    let (id, app_id, version) = match kind {
        OwnedKind::Application => {
            let application = applications::named(tx, tenant, &target.name).await?;
            (application.object_id, application.app_id, application.version)
        }
        OwnedKind::ServicePrincipal => {
            let principal = service_principals::named(tx, tenant, &target.name).await?;
            (principal.id, principal.app_id, 0)
        }
    };
    target.check(tx, id, version).await?;
    Ok((Owned { id, kind }, app_id))
}

/// The owners of several objects that exist at the moment, oldest first for each.
pub(crate) async fn of_all(
    tx: &mut ReadTx,
    tenant: TenantId,
    objects: &[ObjectId],
) -> Result<HashMap<ObjectId, Vec<DirectoryObject>>, IdentityError> {
    let edges = sql::of_all(tx, objects).await?;
    let mut ids: Vec<ObjectId> = edges.iter().map(|(_, owner)| owner.id).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut found: HashMap<ObjectId, DirectoryObject> = HashMap::new();
    for ids in ids.chunks(OWNERS_MAX) {
        let some = directory_objects::by_ids(tx, tenant, ids).await?;
        found.extend(some.into_iter().map(|owner| (owner.id(), owner)));
    }
    let mut all: HashMap<ObjectId, Vec<DirectoryObject>> = HashMap::new();
    for (object, owner) in edges {
        all.entry(object).or_default().extend(found.get(&owner.id).cloned());
    }
    Ok(all)
}
