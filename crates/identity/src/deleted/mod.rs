//! Deleted items: what is kept of a deleted object for 30 days, so that it can be restored (Graph: `directory/deletedItems`).
//!
//! Owns `deleted_object`. Deleting takes the object's own row out of its table and keeps it here as a document; rows that
//! are reached only through it (credentials, owners, reserved names) stay where they are. So no lookup, list or token
//! can find a deleted object by forgetting a condition, and what it was called stays taken until it is gone for good.
//!
//! Each noun says with three functions how its objects come back and go: `restore`, `forget`, and what is written by
//! its own `delete`.

mod purge;
mod sql;

#[cfg(test)]
mod tests;

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_kernel::{ObjectId, Secret, TenantId};
use hilum_storage::db::{DbError, ReadTx, WriteTx};
use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    Identity, IdentityError, Stamp, applications, groups, json as graph, privileges,
    query::{self, Collection, Column, Field, ListQuery, Page},
    service_principals, users,
};

pub(crate) use purge::PurgeDeleted;
#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{SCHEMA, find, put, remove};

/// How long a deleted object can be restored, as in Entra.
pub(crate) const KEPT_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What deleted objects may be listed by.
pub(crate) const COLLECTION: Collection = Collection {
    table: "deleted_object",
    id: "id",
    tenant: "tenant_id",
    only: None,
    default_order: "id",
    orders: &["id"],
    fields: &[
        Field::new("id", Column::Guid("id")).indexed(),
        Field::new("displayName", Column::Folded("display_name_folded")),
        Field::new("deletedDateTime", Column::Time("deleted_at_ms")),
    ],
    search: &["displayName"],
};

/// What kind of object was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletedKind {
    /// An application.
    Application,
    /// A service principal.
    ServicePrincipal,
    /// A user.
    User,
    /// A group.
    Group,
}

impl DeletedKind {
    const ALL: [Self; 4] = [Self::Application, Self::ServicePrincipal, Self::User, Self::Group];

    /// Graph's name of the type, after `microsoft.graph.`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::ServicePrincipal => "servicePrincipal",
            Self::User => "user",
            Self::Group => "group",
        }
    }

    /// The kind of this name, in any case, with or without `microsoft.graph.`.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let name = name.strip_prefix("microsoft.graph.").unwrap_or(&name);
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }

    const fn action(self) -> Action {
        match self {
            Self::Application => Action::ApplicationChanged,
            Self::ServicePrincipal => Action::ServicePrincipalChanged,
            Self::User => Action::UserChanged,
            Self::Group => Action::GroupChanged,
        }
    }
}

/// A deleted object.
#[derive(Debug, Clone)]
pub struct DeletedObject {
    /// The object's ID.
    pub id: ObjectId,
    /// What it was.
    pub kind: DeletedKind,
    /// What it was called.
    pub display_name: String,
    /// Since when it is deleted.
    pub deleted_at: Timestamp,
    /// The object with which it was deleted, and with which it comes back.
    pub parent: Option<ObjectId>,
    /// The row, in a form that only its noun reads. May hold what must not be logged.
    pub document: Secret<String>,
}

impl DeletedObject {
    /// What is kept of an object that is deleted by itself: `row` is what its noun reads again.
    pub(crate) fn of(
        (kind, id): (DeletedKind, ObjectId),
        display_name: &str,
        row: &impl Serialize,
        stamp: &Stamp,
    ) -> Result<Self, IdentityError> {
        let document = serde_json::to_string(row)
            .map_err(|error| IdentityError::invalid(kind.as_str(), error.to_string()))?;
        Ok(Self {
            id,
            kind,
            display_name: display_name.to_owned(),
            deleted_at: crate::timestamp(stamp.at_ms),
            parent: None,
            document: Secret::new(document),
        })
    }

    /// The row of a deleted object, for its noun.
    pub(crate) fn row<T: DeserializeOwned>(&self) -> Result<T, DbError> {
        serde_json::from_str(self.document.expose()).map_err(|_| DbError::Corrupt { column: 5 })
    }
}

impl Identity {
    /// Lists deleted objects of a kind, by ID.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn list_deleted(&self, kind: DeletedKind) -> Result<Vec<DeletedObject>, IdentityError> {
        let tenant = self.tenant().await?.id;
        Ok(sql::list(&mut self.0.db.read().await?, tenant, kind).await?)
    }

    /// A page of deleted objects of a kind.
    ///
    /// # Errors
    /// [`IdentityError::UnsupportedQuery`].
    pub(crate) async fn page_deleted(
        &self,
        kind: DeletedKind,
        query: ListQuery,
    ) -> Result<Page<DeletedObject>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let query = query.within("SELECT id FROM deleted_object WHERE kind = ", kind.as_str());
        let mut tx = self.0.db.snapshot().await?;
        let page = query::page(&mut tx, &COLLECTION, tenant, &query, sql::ROW).await?;
        page.try_map(|row| Ok(sql::read(&row)?))
    }

    /// Finds a deleted object.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn find_deleted(&self, id: ObjectId) -> Result<DeletedObject, IdentityError> {
        let tenant = self.tenant().await?.id;
        required(&mut self.0.db.read().await?, tenant, id).await
    }

    /// A deleted object in Graph's shape.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn show_deleted(&self, object: &DeletedObject) -> Result<Value, IdentityError> {
        let tenant = self.tenant().await?;
        let mut shown = match object.kind {
            DeletedKind::Application => {
                let mut tx = self.0.db.snapshot().await?;
                graph::application(&applications::view_deleted(&mut tx, object).await?, &tenant.domain)
            }
            DeletedKind::ServicePrincipal => {
                graph::service_principal(&service_principals::view_deleted(object)?, tenant.id)
            }
            DeletedKind::User => Value::Object(users::shape(&users::view_deleted(object)?, &tenant.domain)),
            DeletedKind::Group => Value::Object(groups::shape(&groups::view_deleted(object)?)),
        };
        if let Value::Object(members) = &mut shown {
            let time = graph::date_time(object.deleted_at);
            members.insert("deletedDateTime".to_owned(), time.into());
        }
        Ok(shown)
    }

    /// Brings a deleted object back, without what had been granted to it.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`]; [`IdentityError::Conflict`] when its place was taken meanwhile.
    pub async fn restore_deleted(&self, actor: &Actor, id: ObjectId) -> Result<DeletedKind, IdentityError> {
        let tenant = self.tenant().await?.id;
        self.0
            .db
            .write((tenant, id, self.stamp(actor)), |tx, (tenant, id, stamp)| {
                restore(tx, *tenant, *id, stamp).boxed()
            })
            .await
    }

    /// Removes a deleted object for good; what it was called is free again.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn delete_permanently(&self, actor: &Actor, id: ObjectId) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        self.0
            .db
            .write((tenant, id, self.stamp(actor)), |tx, (tenant, id, stamp)| {
                async move {
                    let object = required(tx, *tenant, *id).await?;
                    forget(tx, *tenant, &object, stamp).await
                }
                .boxed()
            })
            .await
    }
}

/// A deleted object, for callers that cannot go on without it.
pub(crate) async fn required(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: ObjectId,
) -> Result<DeletedObject, IdentityError> {
    find(tx, tenant, id).await?.ok_or_else(|| IdentityError::not_found("deleted object", id))
}

/// Brings an object back, and those that were deleted with it.
pub(crate) async fn restore(
    tx: &mut WriteTx,
    tenant: TenantId,
    id: ObjectId,
    stamp: &Stamp,
) -> Result<DeletedKind, IdentityError> {
    let object = required(tx, tenant, id).await?;
    let with_it = sql::children(tx, tenant, id).await?;
    for one in std::iter::once(&object).chain(&with_it) {
        remove(tx, one.id).await?;
        match one.kind {
            DeletedKind::Application => {
                let app_id = applications::restore(tx, tenant, one).await?;
                privileges::ensure_may_control(tx, tenant, stamp, app_id).await?;
            }
            DeletedKind::ServicePrincipal => {
                let app_id = service_principals::restore(tx, tenant, one).await?;
                privileges::ensure_may_control(tx, tenant, stamp, app_id).await?;
            }
            DeletedKind::User => users::restore(tx, tenant, one, stamp).await?,
            DeletedKind::Group => groups::restore(tx, tenant, one, stamp).await?,
        }
        stamp.record(tx, one.kind.action(), one.id, Some("restored".to_owned())).await?;
    }
    Ok(object.kind)
}

/// Removes an object for good, and those that were deleted with it.
pub(crate) async fn forget(
    tx: &mut WriteTx,
    tenant: TenantId,
    object: &DeletedObject,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    let with_it = sql::children(tx, tenant, object.id).await?;
    for one in std::iter::once(object).chain(&with_it) {
        remove(tx, one.id).await?;
        match one.kind {
            DeletedKind::Application => applications::forget(tx, one.id).await?,
            DeletedKind::ServicePrincipal => service_principals::forget(tx, one.id).await?,
            DeletedKind::User => users::forget(tx, one.id).await?,
            DeletedKind::Group => groups::forget_deleted(tx, tenant, one, stamp).await?,
        }
        stamp.record(tx, one.kind.action(), one.id, Some("deleted permanently".to_owned())).await?;
    }
    Ok(())
}
