//! Lists of users, groups and service principals together: members and owners.

use hilum_kernel::{GroupId, ObjectId};

use super::{DirectoryObject, by_ids};
use crate::{
    GroupList, Identity, IdentityError, groups,
    query::{self, Child, Collection, Column, Cursor, Expr, Field, ListQuery, Literal, Page, TOP_MAX},
};

/// The groups an object is directly in.
const MEMBERSHIPS: Child = Child {
    table: "group_member",
    parent: "member_id",
    tenant: Some("tenant_id"),
    only: None,
    fields: &[Field::new("", Column::Guid("group_id")).indexed()],
};
/// What directory objects may be listed by.
pub(crate) const COLLECTION: Collection = Collection {
    // A view over users, groups and service principals.
    table: "directory_object",
    id: "id",
    tenant: "tenant_id",
    only: None,
    default_order: "id",
    orders: &["id", "displayName"],
    fields: &[
        Field::new("id", Column::Guid("id")).indexed(),
        Field::new("displayName", Column::Folded("display_name_folded")),
        Field::new(MEMBER_OF, Column::Child(&MEMBERSHIPS)).indexed(),
    ],
    search: &["displayName"],
};
const MEMBER_OF: &str = "memberOf";

impl Identity {
    /// A page of directory objects, whole.
    pub(crate) async fn page_directory_objects(
        &self,
        query: &ListQuery,
    ) -> Result<Page<DirectoryObject>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        let page = query::page(&mut tx, &COLLECTION, tenant, query, "id").await?;
        let Page { items, next, total } = page.try_map(|row| row.id::<ObjectId>(0))?;
        Ok(Page { items: by_ids(&mut tx, tenant, &items).await?, next, total })
    }

    /// A page of a group's members or owners.
    pub(crate) async fn page_group(
        &self,
        group: GroupId,
        which: GroupList,
        query: ListQuery,
    ) -> Result<Page<DirectoryObject>, IdentityError> {
        let by_key = query.filter.is_none() && query.search.is_none() && query.order.is_none();
        let (top, after) = (query.top.clamp(1, TOP_MAX), query.after.clone());
        let query = match which {
            GroupList::Members => query.within(groups::OF_GROUP, group),
            GroupList::Owners => query.within(groups::OWNING_GROUP, group),
            GroupList::TransitiveMembers => self.within_nested(group, query).await?,
        };
        if !by_key {
            return self.page_directory_objects(&query).await;
        }
        // The common case costs what it shows, however large the group is.
        let wrong = || IdentityError::invalid("$skiptoken", "is not one that this server made");
        let after = match &after {
            Some(cursor) => Some(cursor.key(&COLLECTION)?.parse::<ObjectId>().map_err(|_| wrong())?),
            None => None,
        };
        let mut items = self.list_group(group, which, after, top + 1).await?;
        let more = items.len() > top;
        items.truncate(top);
        let behind = items.last().filter(|_| more);
        let next = behind.map(|object| Cursor::behind(&COLLECTION, object.id().to_string()));
        let tenant = self.tenant().await?.id;
        let total = if query.count {
            Some(query::count(&mut self.0.db.snapshot().await?, &COLLECTION, tenant, &query).await?)
        } else {
            None
        };
        Ok(Page { items, next, total })
    }

    /// Only the members of a group and of the groups in it.
    async fn within_nested(&self, group: GroupId, mut query: ListQuery) -> Result<ListQuery, IdentityError> {
        let all = groups::inner(&mut self.0.db.snapshot().await?, group).await?;
        let values = all.into_iter().map(|group| Literal::Guid(group.uuid())).collect();
        let condition = Some(Box::new(Expr::In { path: String::new(), values }));
        let within = Expr::Any { collection: MEMBER_OF.to_owned(), condition };
        query.filter = Some(Expr::And(query.filter.into_iter().chain([within]).collect()));
        Ok(query)
    }
}
