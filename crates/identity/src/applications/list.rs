//! Lists of applications.

use hilum_kernel::TenantId;
use hilum_storage::db::ReadTx;

use super::{Application, sql};
use crate::{
    Identity, IdentityError, credentials,
    query::{self, Child, Collection, Column, Field, ListQuery, Page},
};

const NAMES: Child = Child {
    table: "application_name",
    parent: "application_id",
    tenant: Some("tenant_id"),
    // The application is known by its appId, too, which is no URI.
    only: Some("name_folded LIKE '%:%'"),
    fields: &[Field::new("", Column::Folded("name_folded")).indexed()],
};

const TAGS: Child = Child {
    table: "application_tag",
    parent: "application_id",
    tenant: Some("tenant_id"),
    only: None,
    fields: &[Field::new("", Column::Folded("tag_folded")).indexed()],
};

const SECRETS: Child = Child {
    table: "client_secret",
    parent: "application_id",
    tenant: None,
    only: None,
    fields: &[
        Field::new("keyId", Column::Guid("key_id")).indexed(),
        Field::new("displayName", Column::Text("display_name")),
        Field::new("endDateTime", Column::Time("ends_at_ms")),
    ],
};

const CERTIFICATES: Child = Child {
    table: "client_certificate",
    parent: "application_id",
    tenant: None,
    only: None,
    fields: &[
        Field::new("keyId", Column::Guid("key_id")).indexed(),
        Field::new("displayName", Column::Text("display_name")),
        Field::new("endDateTime", Column::Time("ends_at_ms")),
    ],
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
        Field::new("signInAudience", Column::Text("sign_in_audience")),
        Field::new("uniqueName", Column::Folded("unique_name_folded")).indexed(),
        Field::new("publisherDomain", Column::Text("publisher_domain")),
        Field::new("identifierUris", Column::Child(&NAMES)).indexed(),
        Field::new("tags", Column::Child(&TAGS)).indexed(),
        Field::new("passwordCredentials", Column::Child(&SECRETS)).indexed(),
        Field::new("keyCredentials", Column::Child(&CERTIFICATES)).indexed(),
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
        let mut page = page(&mut tx, tenant, query).await?;
        credentials::attach_all(&mut tx, &mut page.items).await?;
        Ok(page)
    }
}

/// A page of applications without their credentials.
pub(crate) async fn page(
    tx: &mut ReadTx,
    tenant: TenantId,
    query: &ListQuery,
) -> Result<Page<Application>, IdentityError> {
    let page = query::page(tx, &COLLECTION, tenant, query, sql::ROW).await?;
    page.try_map(|row| sql::read(&row))
}
