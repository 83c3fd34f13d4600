//! Lists of users.

use futures::FutureExt as _;
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
        Field::new("givenName", Column::Folded("given_name_folded")).indexed(),
        Field::new("surname", Column::Folded("surname_folded")).indexed(),
        Field::new("jobTitle", Column::Folded("job_title_folded")).indexed(),
        Field::new("department", Column::Folded("department_folded")).indexed(),
        Field::new("companyName", Column::Folded("company_name_folded")).indexed(),
        Field::new("officeLocation", Column::Folded("office_location_folded")).indexed(),
        Field::new("city", Column::Folded("city_folded")).indexed(),
        Field::new("country", Column::Folded("country_folded")).indexed(),
        Field::new("onPremisesImmutableId", Column::Text("immutable_id")).indexed(),
        Field::new("accountEnabled", Column::Bool("account_enabled")),
        Field::new("userType", Column::Text("user_type")),
        Field::new("createdDateTime", Column::Time("created_at_ms")),
        Field::new("memberOf", Column::Child(&MEMBERSHIPS)).indexed(),
    ],
    search: &["displayName", "mail", "userPrincipalName", "mailNickname"],
};

impl Identity {
    /// Writes rows anew that were written before there were columns for all that is searched by.
    pub(crate) async fn index_old_users(&self) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        loop {
            if sql::not_searchable(&mut self.0.db.read().await?).await?.is_empty() {
                return Ok(());
            }
            self.0
                .db
                .write(tenant, |tx, tenant| {
                    async move {
                        for user in sql::not_searchable(tx).await? {
                            sql::update(tx, *tenant, &user).await?;
                        }
                        Ok::<_, IdentityError>(())
                    }
                    .boxed()
                })
                .await?;
        }
    }

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
