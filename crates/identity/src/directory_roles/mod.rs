//! Directory roles: what a user may do with the directory itself (sheet §5.5).
//!
//! The definitions and the table are `role_assignments`'; here is what authorization asks: which roles a user has now,
//! given directly or to a role-assignable group of which the user is a direct member. As in Entra, groups inside such a
//! group give nothing.

mod list;
mod sql;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use hilum_kernel::{ObjectId, TenantId, UserId};
use hilum_storage::db::{DbError, ReadTx, WriteTx};
use uuid::{Uuid, uuid};

use crate::IdentityError;

pub(crate) use list::ASSIGNMENTS;
#[cfg(test)]
pub(crate) use sql::STATEMENTS;

/// The directory roles there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum DirectoryRole {
    /// Everything.
    GlobalAdministrator,
    /// All applications.
    ApplicationAdministrator,
    /// All applications.
    CloudApplicationAdministrator,
    /// Applications of one's own.
    ApplicationDeveloper,
    /// Reads everything.
    GlobalReader,
    /// Users and groups without administrator roles.
    UserAdministrator,
    /// Reads users, groups and applications.
    DirectoryReaders,
}

impl DirectoryRole {
    pub(crate) const ALL: [Self; 7] = [
        Self::GlobalAdministrator,
        Self::ApplicationAdministrator,
        Self::CloudApplicationAdministrator,
        Self::ApplicationDeveloper,
        Self::GlobalReader,
        Self::UserAdministrator,
        Self::DirectoryReaders,
    ];

    /// The GUID of the role's definition, which is also that of its template.
    pub(crate) const fn id(self) -> Uuid {
        match self {
            Self::GlobalAdministrator => uuid!("62e90394-69f5-4237-9190-012177145e10"),
            Self::ApplicationAdministrator => uuid!("9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"),
            Self::CloudApplicationAdministrator => uuid!("158c047a-c907-4556-b7ef-446551a6b5f7"),
            Self::ApplicationDeveloper => uuid!("cf1c38e5-3621-4004-a7cb-879624dced7c"),
            Self::GlobalReader => uuid!("f2ef992c-3afb-46b9-b7cf-a126ee74c451"),
            Self::UserAdministrator => uuid!("fe930be7-5e62-47db-91af-98c3a49a38b1"),
            Self::DirectoryReaders => uuid!("88d8e3e3-8f55-4a1e-953a-9b9898b8876b"),
        }
    }

    /// The role with this definition.
    pub(crate) fn of(id: Uuid) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.id() == id)
    }
}

/// The directory roles a user has now.
pub(crate) async fn of_user(
    tx: &mut ReadTx,
    tenant: TenantId,
    user: UserId,
) -> Result<BTreeSet<DirectoryRole>, DbError> {
    of_principal(tx, tenant, ObjectId::new(user.uuid())).await
}

/// The directory roles a user or service principal has now.
pub(crate) async fn of_principal(
    tx: &mut ReadTx,
    tenant: TenantId,
    principal: ObjectId,
) -> Result<BTreeSet<DirectoryRole>, DbError> {
    Ok(sql::roles_of(tx, tenant, principal).await?.into_iter().filter_map(DirectoryRole::of).collect())
}

/// Refuses a change after which no enabled user would be Global Administrator: call it after the change, in its
/// transaction. Two changes at once take turns here, so that the second sees what the first left.
pub(crate) async fn ensure_an_administrator(tx: &mut WriteTx, tenant: TenantId) -> Result<(), IdentityError> {
    sql::take_turn(tx, tenant).await?;
    if sql::has_enabled_holder(tx, tenant, DirectoryRole::GlobalAdministrator.id()).await? {
        return Ok(());
    }
    let reason = "at least one enabled Global Administrator must remain: give the role to another user first";
    Err(IdentityError::invalid("roleAssignments", reason))
}
