//! Lists of assignments of directory roles.

use crate::query::{Collection, Column, Field};

/// What assignments may be listed by. Data roles are in the same table.
pub(crate) const ASSIGNMENTS: Collection = Collection {
    table: "role_assignment",
    id: "id",
    tenant: "tenant_id",
    only: Some(
        "role_id IN ('62e90394-69f5-4237-9190-012177145e10', '9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3',
            '158c047a-c907-4556-b7ef-446551a6b5f7', 'cf1c38e5-3621-4004-a7cb-879624dced7c',
            'f2ef992c-3afb-46b9-b7cf-a126ee74c451', 'fe930be7-5e62-47db-91af-98c3a49a38b1',
            '88d8e3e3-8f55-4a1e-953a-9b9898b8876b')",
    ),
    default_order: "id",
    orders: &["id"],
    fields: &[
        Field::new("id", Column::Guid("id")).indexed(),
        Field::new("principalId", Column::Guid("principal_id")).indexed(),
        Field::new("roleDefinitionId", Column::Guid("role_id")).indexed(),
        Field::new("directoryScopeId", Column::Text("scope")),
    ],
    search: &[],
};
