//! Lists of users.

use hilum_kernel::TenantId;
use hilum_storage::db::ReadTx;

use super::{User, sql};
use crate::{
    Identity, IdentityError,
    query::{self, Child, Collection, Column, Field, ListQuery, Page},
};

/// The groups a user is directly in: `memberOf/any(g:g/id eq …)`.
const MEMBERSHIPS: Child = Child {
    table: "group_member",
    parent: "member_id",
    tenant: Some("tenant_id"),
    only: None,
    fields: &[
        Field::new("", Column::Guid("group_id")).indexed(),
        Field::new("id", Column::Guid("group_id")).indexed(),
    ],
};

/// What users may be listed by.
pub(crate) const COLLECTION: Collection = Collection {
    table: "directory_user",
    id: "id",
    tenant: "tenant_id",
    only: None,
    default_order: "displayName",
    orders: &["displayName", "userPrincipalName", "createdDateTime"],
    fields: &[
        Field::new("id", Column::Guid("id")).indexed(),
        Field::new("userPrincipalName", Column::Folded("user_principal_name_folded")).indexed(),
        Field::new("displayName", Column::Folded("display_name_folded")).indexed(),
        Field::new("mailNickname", Column::Folded("mail_nickname_folded")).indexed(),
        Field::new("mail", Column::Folded("mail_folded")).indexed(),
        Field::new("employeeId", Column::Folded("employee_id_folded")).indexed(),
        Field::new("onPremisesImmutableId", Column::Text("immutable_id")).indexed(),
        Field::new("accountEnabled", Column::Bool("account_enabled")),
        Field::new("userType", Column::Text("user_type")),
        Field::new("createdDateTime", Column::Time("created_at_ms")),
        Field::new("memberOf", Column::Child(&MEMBERSHIPS)).indexed(),
    ],
    search: &["displayName", "mail", "userPrincipalName", "mailNickname"],
};

impl Identity {
    /// A page of users.
    pub(crate) async fn page_users(&self, query: &ListQuery) -> Result<Page<User>, IdentityError> {
        let tenant = self.tenant().await?.id;
        page(&mut self.0.db.read().await?, tenant, query).await
    }
}

/// A page of users.
pub(crate) async fn page(
    tx: &mut ReadTx,
    tenant: TenantId,
    query: &ListQuery,
) -> Result<Page<User>, IdentityError> {
    let page = query::page(tx, &COLLECTION, tenant, query, sql::COLUMNS).await?;
    page.try_map(|row| Ok(sql::read(&row)?))
}
