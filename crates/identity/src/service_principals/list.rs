//! Lists of service principals.

use hilum_kernel::TenantId;
use hilum_storage::db::ReadTx;

use super::{ServicePrincipal, ServicePrincipalFilter, attach, lookup_by_name, sql};
use crate::{
    Identity, IdentityError,
    query::{Child, Collection, Column, Field, ListQuery, Page},
};

const NAMES: Child = Child {
    table: "service_principal_name",
    parent: "principal_id",
    tenant: Some("tenant_id"),
    only: None,
    fields: &[Field::new("", Column::Folded("name_folded")).indexed()],
};

const TAGS: Child = Child {
    table: "service_principal_any_tag",
    parent: "principal_id",
    tenant: Some("tenant_id"),
    only: None,
    fields: &[Field::new("", Column::Folded("tag_folded")).indexed()],
};

/// What `GET /servicePrincipals` can be asked for.
pub(crate) const COLLECTION: Collection = Collection {
    table: "service_principal",
    id: "id",
    tenant: "tenant_id",
    only: None,
    default_order: "displayName",
    orders: &["displayName", "appDisplayName", "id"],
    fields: &[
        Field::new("id", Column::Guid("id")).indexed(),
        Field::new("appId", Column::Guid("app_id")).indexed(),
        Field::new("displayName", Column::Folded("display_name_folded")).indexed(),
        Field::new("appDisplayName", Column::Folded("display_name_folded")).indexed(),
        Field::new("accountEnabled", Column::Bool("account_enabled")),
        Field::new("appRoleAssignmentRequired", Column::Bool("assignment_required")),
        Field::new("createdDateTime", Column::Time("created_at_ms")),
        Field::new("servicePrincipalType", Column::Text("'Application'")),
        Field::new("servicePrincipalNames", Column::Child(&NAMES)).indexed(),
        Field::new("tags", Column::Child(&TAGS)).indexed(),
    ],
    search: &["displayName"],
};

impl Identity {
    /// Lists service principals by name.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn list_service_principals(
        &self,
        filter: &ServicePrincipalFilter,
        limit: Option<usize>,
    ) -> Result<Vec<ServicePrincipal>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        let mut all: Vec<ServicePrincipal> = match filter {
            ServicePrincipalFilter::Name(name) => {
                lookup_by_name(&mut tx, tenant, name).await?.into_iter().collect()
            }
            other => sql::list(&mut tx, tenant, other, limit).await?,
        };
        attach(&mut tx, tenant, &mut all).await?;
        Ok(all)
    }

    /// A page of service principals.
    pub(crate) async fn page_of_service_principals(
        &self,
        query: &ListQuery,
    ) -> Result<Page<ServicePrincipal>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        let mut page = page(&mut tx, tenant, query).await?;
        attach(&mut tx, tenant, &mut page.items).await?;
        Ok(page)
    }
}

/// A page of service principals, without what comes from the application, and without credentials.
pub(crate) async fn page(
    tx: &mut ReadTx,
    tenant: TenantId,
    query: &ListQuery,
) -> Result<Page<ServicePrincipal>, IdentityError> {
    let page = crate::query::page(tx, &COLLECTION, tenant, query, sql::READ).await?;
    Ok(page.try_map(|row| sql::read(&row))?)
}
