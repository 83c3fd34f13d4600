//! Who may do what: one value for each operation, checked before its handler runs. Deny by default.
//!
//! Applications act by the app roles of Microsoft Graph in their token (or by directory roles given to their principal);
//! users by a delegated permission of the client *and* a directory role of their own, or by owning the object.

use hilum_kernel::{ObjectId, UserId};

use super::{DirectoryRole, caller::Caller};

/// Who may. Any one of the permissions is enough.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access {
    /// App roles of Microsoft Graph for app-only tokens, e.g. `Application.ReadWrite.All`: reach everything.
    pub(crate) application: &'static [&'static str],
    /// Delegated permissions. Needs one of `roles` besides, or ownership.
    pub(crate) delegated: &'static [&'static str],
    /// Directory roles that reach every object.
    pub(crate) roles: &'static [DirectoryRole],
    /// Who may besides, on fewer objects.
    pub(crate) owned: Owned,
}

/// Who may without a role that reaches every object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owned {
    /// Nobody.
    Never,
    /// Owners of the application or service principal: users with the delegated permission, applications with
    /// [`OWNED_BY`]. Whoever creates the object owns it.
    Objects,
    /// As [`Owned::Objects`], for what makes new objects: of users only Application Developers.
    NewObjects,
    /// Owners of the group: users with the delegated permission.
    Groups,
    /// The signed-in user, about himself.
    Own,
    /// Any signed-in user with the delegated permission reaches everything.
    AnyUser,
    /// Whoever has a token: for what authorises its parts by themselves.
    AnyCaller,
}

/// How far a caller reaches. Handlers honour it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Every object.
    All,
    /// Objects that this user or service principal owns; what it creates is its own.
    Owned(ObjectId),
    /// This user.
    Own(UserId),
}

/// The app role that reaches own applications only.
pub(crate) const OWNED_BY: &str = "Application.ReadWrite.OwnedBy";

/// Why a caller may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// An app-only token where a user is meant.
    NeedsUser,
    /// Neither permission nor role.
    Privileges,
}

impl Access {
    /// Nobody but the operator; a start for what follows.
    pub(crate) const NONE: Self = Self { application: &[], delegated: &[], roles: &[], owned: Owned::Never };

    /// Reading applications and service principals.
    pub(crate) const READ_APPLICATIONS: Self = Self {
        application: &[
            "Application.Read.All",
            "Application.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ],
        delegated: &[
            "Application.Read.All",
            "Application.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
            "Directory.AccessAsUser.All",
        ],
        roles: &[
            DirectoryRole::GlobalAdministrator,
            DirectoryRole::GlobalReader,
            DirectoryRole::ApplicationAdministrator,
            DirectoryRole::CloudApplicationAdministrator,
            DirectoryRole::UserAdministrator,
            DirectoryRole::DirectoryReaders,
        ],
        owned: Owned::Objects,
    };

    /// Changing applications and service principals.
    pub(crate) const WRITE_APPLICATIONS: Self = Self {
        application: &["Application.ReadWrite.All", "Directory.ReadWrite.All"],
        delegated: &["Application.ReadWrite.All", "Directory.ReadWrite.All", "Directory.AccessAsUser.All"],
        roles: &[
            DirectoryRole::GlobalAdministrator,
            DirectoryRole::ApplicationAdministrator,
            DirectoryRole::CloudApplicationAdministrator,
        ],
        owned: Owned::Objects,
    };

    /// Registering applications and making service principals.
    pub(crate) const CREATE_APPLICATIONS: Self =
        Self { owned: Owned::NewObjects, ..Self::WRITE_APPLICATIONS };

    /// How far this caller reaches.
    pub(crate) fn reach(&self, caller: &Caller) -> Result<Reach, Denied> {
        match caller {
            Caller::Operator => Ok(Reach::All),
            _ if self.owned == Owned::AnyCaller => Ok(Reach::All),
            Caller::App(_) if self.owned == Owned::Own => Err(Denied::NeedsUser),
            Caller::App(app) => {
                let by_app_role = has_any(&app.roles, self.application);
                let by_directory_role = self.roles.iter().any(|role| app.directory_roles.contains(role));
                let by_ownership = matches!(self.owned, Owned::Objects | Owned::NewObjects)
                    && has_any(&app.roles, &[OWNED_BY]);
                match (by_app_role || by_directory_role, by_ownership) {
                    (true, _) => Ok(Reach::All),
                    (false, true) => Ok(Reach::Owned(app.principal)),
                    (false, false) => Err(Denied::Privileges),
                }
            }
            Caller::User(user) => {
                if !has_any(&user.scopes, self.delegated) {
                    return Err(Denied::Privileges);
                }
                let by_role = self.roles.iter().any(|role| user.directory_roles.contains(role));
                let developer = user.directory_roles.contains(&DirectoryRole::ApplicationDeveloper);
                let owner = ObjectId::new(user.id.uuid());
                match self.owned {
                    Owned::Own => Ok(Reach::Own(user.id)),
                    _ if by_role => Ok(Reach::All),
                    Owned::AnyUser | Owned::AnyCaller => Ok(Reach::All),
                    Owned::Objects | Owned::Groups => Ok(Reach::Owned(owner)),
                    Owned::NewObjects if developer => Ok(Reach::Owned(owner)),
                    Owned::NewObjects | Owned::Never => Err(Denied::Privileges),
                }
            }
        }
    }
}

/// Whether one of the names is among those wanted. Entra compares permissions without regard to case.
fn has_any(held: &[String], wanted: &[&str]) -> bool {
    held.iter().any(|name| wanted.iter().any(|other| other.eq_ignore_ascii_case(name)))
}
