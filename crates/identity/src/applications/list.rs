//! Lists of applications.

use super::{Application, sql};
use crate::{
    Identity, IdentityError, credentials,
    query::{self, Child, Collection, Column, Field, ListQuery, Page},
};

const NAMES: Child = Child {
    table: "application_name",
    parent: "application_id",
    tenant: Some("tenant_id"),
    only: None,
    fields: &[Field::new("", Column::Folded("name_folded")).indexed()],
};

/// What applications may be listed by.
pub(crate) const COLLECTION: Collection = Collection {
    table: "application",
    id: "object_id",
    tenant: "tenant_id",
    only: None,
    default_order: "displayName",
    orders: &["displayName", "createdDateTime"],
    fields: &[
        Field::new("id", Column::Guid("object_id")).indexed(),
        Field::new("appId", Column::Guid("app_id")).indexed(),
        Field::new("displayName", Column::Folded("display_name_folded")).indexed(),
        Field::new("createdDateTime", Column::Time("created_at_ms")),
        Field::new("identifierUris", Column::Child(&NAMES)).indexed(),
    ],
    search: &["displayName"],
};

impl Identity {
    /// A page of applications with their credentials.
    pub(crate) async fn page_applications(
        &self,
        query: &ListQuery,
    ) -> Result<Page<Application>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        let page = query::page(&mut tx, &COLLECTION, tenant, query, sql::ROW).await?;
        let mut page = page.try_map(|row| sql::read(&row))?;
        for application in &mut page.items {
            credentials::attach(&mut tx, application).await?;
        }
        Ok(page)
    }
}
