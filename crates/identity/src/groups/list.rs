//! Lists of groups.

use hilum_kernel::TenantId;
use hilum_storage::db::{ReadTx, Sql};

use super::{Group, sql};
use crate::{
    Identity, IdentityError,
    query::{self, Child, Collection, Column, Field, ListQuery, Page},
};

/// `members/any(m:m/id eq …)`.
const MEMBERS: Child = Child {
    table: "group_member",
    parent: "group_id",
    tenant: Some("tenant_id"),
    only: None,
    fields: &[
        Field::new("", Column::Guid("member_id")).indexed(),
        Field::new("id", Column::Guid("member_id")).indexed(),
    ],
};
/// `owners/any(o:o/id eq …)`.
const OWNERS: Child = Child {
    table: "group_owner",
    parent: "group_id",
    tenant: None,
    only: None,
    fields: &[
        Field::new("", Column::Guid("owner_id")).indexed(),
        Field::new("id", Column::Guid("owner_id")).indexed(),
    ],
};

/// What is directly in a group; the group's ID follows.
pub(crate) const OF_GROUP: Sql = "SELECT member_id FROM group_member WHERE group_id = ";
/// What owns a group; the group's ID follows.
pub(crate) const OWNING_GROUP: Sql = "SELECT owner_id FROM group_owner WHERE group_id = ";
/// The groups that an object is directly in; its ID follows.
pub(crate) const OF_MEMBER: Sql = "SELECT group_id FROM group_member WHERE member_id = ";
/// The groups that an object owns; its ID follows.
pub(crate) const OF_OWNER: Sql = "SELECT group_id FROM group_owner WHERE owner_id = ";

/// What groups may be listed by.
pub(crate) const COLLECTION: Collection = Collection {
    table: "directory_group",
    id: "id",
    tenant: "tenant_id",
    only: None,
    default_order: "displayName",
    orders: &["displayName"],
    fields: &[
        Field::new("id", Column::Guid("id")).indexed(),
        Field::new("displayName", Column::Folded("display_name_folded")).indexed(),
        Field::new("mailNickname", Column::Folded("mail_nickname_folded")).indexed(),
        Field::new("uniqueName", Column::Folded("unique_name_folded")).indexed(),
        Field::new("securityEnabled", Column::Bool("security_enabled")),
        Field::new("isAssignableToRole", Column::Bool("assignable_to_role")),
        Field::new("createdDateTime", Column::Time("created_at_ms")),
        Field::new("members", Column::Child(&MEMBERS)).indexed(),
        Field::new("owners", Column::Child(&OWNERS)).indexed(),
    ],
    search: &["displayName", "mailNickname"],
};

impl Identity {
    /// A page of groups.
    pub(crate) async fn page_groups(&self, query: &ListQuery) -> Result<Page<Group>, IdentityError> {
        let tenant = self.tenant().await?.id;
        page(&mut self.0.db.read().await?, tenant, query).await
    }
}

/// A page of groups.
pub(crate) async fn page(
    tx: &mut ReadTx,
    tenant: TenantId,
    query: &ListQuery,
) -> Result<Page<Group>, IdentityError> {
    let page = query::page(tx, &COLLECTION, tenant, query, sql::COLUMNS).await?;
    page.try_map(|row| Ok(sql::read(&row)?))
}
