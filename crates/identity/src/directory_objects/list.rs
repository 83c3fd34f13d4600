//! Lists of users, groups and service principals together: members and owners.

use hilum_kernel::{GroupId, ObjectId};
use hilum_storage::db::Sql;

use super::{DirectoryObject, by_ids};
use crate::{
    Identity, IdentityError, groups,
    query::{self, Child, Collection, Column, Expr, Field, ListQuery, Literal, Page},
};

/// The groups an object is directly in.
const MEMBERSHIPS: Child = Child {
    table: "group_member",
    parent: "member_id",
    tenant: Some("tenant_id"),
    only: None,
    fields: &[Field::new("", Column::Guid("group_id")).indexed()],
};
/// Where the objects of a list are looked for: what they have in common.
const ALL: Sql = "(SELECT id, tenant_id, display_name_folded FROM directory_user
    UNION ALL SELECT id, tenant_id, display_name_folded FROM directory_group
    UNION ALL SELECT id, tenant_id, display_name_folded FROM service_principal) directory_object";

/// What directory objects may be listed by.
pub(crate) const COLLECTION: Collection = Collection {
    table: ALL,
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

    /// A page of the members of a group and of the groups in it.
    pub(crate) async fn page_transitive_members(
        &self,
        group: GroupId,
        mut query: ListQuery,
    ) -> Result<Page<DirectoryObject>, IdentityError> {
        let all = groups::inner(&mut self.0.db.snapshot().await?, group).await?;
        let values = all.into_iter().map(|group| Literal::Guid(group.uuid())).collect();
        let condition = Some(Box::new(Expr::In { path: String::new(), values }));
        let within = Expr::Any { collection: MEMBER_OF.to_owned(), condition };
        query.filter = Some(Expr::And(query.filter.into_iter().chain([within]).collect()));
        self.page_directory_objects(&query).await
    }
}
