//! Nobody gives more than they have: the rules that close the ways from a right to manage objects to the rights those
//! objects carry. Every operation that hands something on asks here, inside its own transaction, with its [`Stamp`].
//!
//! | who | may |
//! | --- | --- |
//! | the operator, a Global Administrator | everything |
//! | other users (Application Administrator, User Administrator, owners …) | not: give roles of Microsoft Graph, of the directory, or of guarded resources that they do not hold; control what holds directory roles above theirs or Graph permissions that write more than applications; change resources that belong to the installation, or that the configuration names as an audience |
//! | applications by themselves | give only what they hold, or what that includes (`powers::includes`); control only what holds no more than they |
//!
//! *Controlling* an application means whatever lets one act as it or receive its tokens: credentials, owners, redirect
//! URIs, its flows. Who may call an operation at all is decided before (`graph`); this is what remains to be asked.

mod change;
mod guarded;
mod powers;
mod sql;

#[cfg(test)]
mod tests;

use hilum_kernel::{AppId, AppRoleId, ObjectId, TenantId, UserId};
use hilum_storage::db::ReadTx;
use uuid::{Uuid, uuid};

use crate::{
    IdentityError, RoleDefinition, RoleKind, ServicePrincipal, Stamp, applications, role_assignments, seed,
    service_principals,
};

pub(crate) use change::{ensure_may_change_application, ensure_may_let_in_passwords};
use guarded::guarded;
pub(crate) use guarded::{GuardedNames, ensure_may_name, ensure_not_audience};
#[cfg(test)]
use powers::includes;
use powers::{Certainty, Powers, harmless};
#[cfg(test)]
pub(crate) use sql::STATEMENTS;

pub(crate) const GLOBAL_ADMINISTRATOR: Uuid = uuid!("62e90394-69f5-4237-9190-012177145e10");
const APPLICATION_ADMINISTRATOR: Uuid = uuid!("9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3");
const CLOUD_APPLICATION_ADMINISTRATOR: Uuid = uuid!("158c047a-c907-4556-b7ef-446551a6b5f7");
const APPLICATION_DEVELOPER: Uuid = uuid!("cf1c38e5-3621-4004-a7cb-879624dced7c");
const DIRECTORY_READERS: Uuid = uuid!("88d8e3e3-8f55-4a1e-953a-9b9898b8876b");

/// With whose rights something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Somebody at the server's own command line.
    Operator,
    /// An application by itself: its service principal.
    Application(ObjectId),
    /// A user, through whatever client.
    User(UserId),
}

impl Holder {
    /// The holder's object ID; the operator has none.
    pub(crate) const fn object_id(self) -> Option<ObjectId> {
        match self {
            Self::Operator => None,
            Self::Application(id) => Some(id),
            Self::User(id) => Some(ObjectId::new(id.uuid())),
        }
    }
}

/// What a holder can give, read now.
enum Means {
    /// The operator, a Global Administrator.
    Everything,
    /// An application by itself.
    Application(Powers),
    /// Any other user.
    User(Powers),
}

async fn means(tx: &mut ReadTx, tenant: TenantId, stamp: &Stamp) -> Result<Means, IdentityError> {
    let Some(id) = stamp.holder.object_id() else { return Ok(Means::Everything) };
    let powers = powers::of(tx, tenant, id, Certainty::Sure).await?;
    if powers.directory.contains(&GLOBAL_ADMINISTRATOR) {
        return Ok(Means::Everything);
    }
    Ok(match stamp.holder {
        Holder::User(_) => Means::User(powers),
        Holder::Application(_) | Holder::Operator => Means::Application(powers),
    })
}

/// Before credentials, owners or redirect URIs are added to an application or its service principal, before it is
/// restored, and before anything else is changed that lets one act as it.
pub(crate) async fn ensure_may_control(
    tx: &mut ReadTx,
    tenant: TenantId,
    stamp: &Stamp,
    app_id: AppId,
) -> Result<(), IdentityError> {
    let means = means(tx, tenant, stamp).await?;
    if matches!(means, Means::Everything) {
        return Ok(());
    }
    if applications::by_app_id(tx, tenant, app_id).await?.is_some_and(|application| application.seeded) {
        return denied(
            "this application belongs to the installation; only a Global Administrator changes it",
        );
    }
    if guarded(tx, tenant, stamp, app_id).await? {
        return denied(
            "this application is an audience of the data services; only a Global Administrator changes it",
        );
    }
    let Some(principal) = service_principals::by_app_id(tx, tenant, app_id).await? else { return Ok(()) };
    if stamp.holder == Holder::Application(principal.id) {
        return Ok(());
    }
    let mut target = powers::of(tx, tenant, principal.id, Certainty::Possible).await?;
    powers::add_delegated(tx, tenant, &principal, &mut target).await?;
    ensure_covers(&means, &target, "the application")
}

/// Before an application role of a resource is given.
pub(crate) async fn ensure_may_assign(
    tx: &mut ReadTx,
    tenant: TenantId,
    stamp: &Stamp,
    resource: &ServicePrincipal,
    role: (AppRoleId, Option<&str>),
) -> Result<(), IdentityError> {
    let (id, value) = role;
    if id.uuid().is_nil() {
        // Default access: it says nothing in tokens.
        return Ok(());
    }
    let asked = sql::HeldRole {
        resource: resource.id,
        resource_app: resource.app_id,
        role: id,
        value: value.map(str::to_owned),
    };
    let name = value.unwrap_or("the role").to_owned();
    match means(tx, tenant, stamp).await? {
        Means::Everything => Ok(()),
        Means::Application(powers) if powers.covers_role(&asked) => Ok(()),
        Means::Application(_) => denied(format!(
            "an application gives only the roles it holds itself, and it does not hold {name}"
        )),
        Means::User(powers) if held_data_role(&powers, &asked) => Ok(()),
        Means::User(_) if !guarded(tx, tenant, stamp, resource.app_id).await? => Ok(()),
        Means::User(_) => denied(format!("only a Global Administrator may give {name}")),
    }
}

/// Before delegated permissions of a resource are granted to a client, or a client is pre-authorised for them.
pub(crate) async fn ensure_may_grant(
    tx: &mut ReadTx,
    tenant: TenantId,
    stamp: &Stamp,
    resource: &ServicePrincipal,
    scopes: &[&str],
) -> Result<(), IdentityError> {
    let means = means(tx, tenant, stamp).await?;
    for scope in scopes.iter().copied().filter(|scope| !harmless(resource.app_id, scope)) {
        match &means {
            Means::Everything => {}
            Means::Application(powers) if powers.covers_scope(resource.id, resource.app_id, scope) => {}
            Means::Application(_) => {
                return denied(format!(
                    "an application grants only permissions it holds itself, and it does not hold {scope}"
                ));
            }
            Means::User(_) if resource.app_id != seed::GRAPH_APP_ID || powers::manages_only(scope) => {}
            Means::User(_) => {
                return denied(format!("only a Global Administrator may grant {scope} of Microsoft Graph"));
            }
        }
    }
    Ok(())
}

/// Before a directory role or a data role is assigned, or an assignment of it is changed.
pub(crate) async fn ensure_may_give_role(
    tx: &mut ReadTx,
    tenant: TenantId,
    stamp: &Stamp,
    role: &RoleDefinition,
) -> Result<(), IdentityError> {
    if role.kind == RoleKind::DicomData {
        let resource = service_principals::by_app_id(tx, tenant, seed::DICOM_APP_ID).await?;
        let Some(resource) = resource else { return Ok(()) };
        let role = (AppRoleId::new(role.id), Some(role.name.as_str()));
        return ensure_may_assign(tx, tenant, stamp, &resource, role).await;
    }
    match means(tx, tenant, stamp).await? {
        Means::Everything => Ok(()),
        Means::Application(powers) if powers.directory.contains(&role.id) => Ok(()),
        Means::Application(_) | Means::User(_) => {
            denied(format!("only a Global Administrator may assign the directory role {}", role.name))
        }
    }
}

/// Before a data role is made, changed or removed: whoever does that gives any right to the data to those who have it.
pub(crate) async fn ensure_may_define_roles(
    tx: &mut ReadTx,
    tenant: TenantId,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    let owner = role_assignments::required_role("DICOM Data Owner")?;
    ensure_may_give_role(tx, tenant, stamp, &owner).await
}

/// Before somebody joins a group, or becomes its owner: who is in it has the group's roles.
pub(crate) async fn ensure_may_add_member(
    tx: &mut ReadTx,
    tenant: TenantId,
    stamp: &Stamp,
    group: ObjectId,
) -> Result<(), IdentityError> {
    let means = means(tx, tenant, stamp).await?;
    if matches!(means, Means::Everything) {
        return Ok(());
    }
    let target = powers::of(tx, tenant, group, Certainty::Possible).await?;
    match &means {
        Means::User(powers) => {
            if !target.directory.is_empty() {
                return denied("the group has directory roles; only a Global Administrator adds members");
            }
            for role in target.roles.iter().filter(|role| !held_data_role(powers, role)) {
                if guarded(tx, tenant, stamp, role.resource_app).await? {
                    return denied(format!("the group has the role {} that you do not hold", named(role)));
                }
            }
            Ok(())
        }
        _ => ensure_covers(&means, &target, "the group"),
    }
}

/// Before a user's password is reset or the user is disabled, renamed or deleted: who does that can become the user.
pub(crate) async fn ensure_may_manage_user(
    tx: &mut ReadTx,
    tenant: TenantId,
    stamp: &Stamp,
    user: UserId,
) -> Result<(), IdentityError> {
    if stamp.holder == Holder::User(user) {
        return Ok(());
    }
    let means = means(tx, tenant, stamp).await?;
    if matches!(means, Means::Everything) {
        return Ok(());
    }
    let id = ObjectId::new(user.uuid());
    let mut target = powers::of(tx, tenant, id, Certainty::Possible).await?;
    if let Means::User(powers) = &means {
        // Helping users with their passwords is what a User Administrator is for, whatever data they work with.
        ensure_not_above(powers, &target, "the user")
    } else {
        // An owner makes credentials for what is owned.
        powers::add_owned(tx, tenant, id, &mut target).await?;
        ensure_covers(&means, &target, "the user")
    }
}

/// Whether `target` holds nothing that these means could not give.
fn ensure_covers(means: &Means, target: &Powers, what: &str) -> Result<(), IdentityError> {
    match means {
        Means::Everything => Ok(()),
        Means::Application(powers) => match powers.missing(target) {
            Some(missing) => {
                denied(format!("{what} holds {missing}, which the calling application does not"))
            }
            None => Ok(()),
        },
        Means::User(powers) => {
            ensure_not_above(powers, target, what)?;
            let graph = target.roles.iter().filter(|role| role.resource_app == seed::GRAPH_APP_ID);
            let roles = graph.map(|role| role.value.as_deref().unwrap_or_default());
            let delegated =
                target.delegated.iter().filter(|granted| granted.resource_app == seed::GRAPH_APP_ID);
            let mut all = roles.chain(delegated.flat_map(|granted| granted.scope.split_whitespace()));
            match all.find(|value| !powers::manages_only(value)) {
                Some(value) => {
                    denied(format!("{what} holds {value}; only a Global Administrator may control it"))
                }
                None => Ok(()),
            }
        }
    }
}

/// Whether no directory role of the target is above those of a user.
fn ensure_not_above(powers: &Powers, target: &Powers, what: &str) -> Result<(), IdentityError> {
    let administers = powers.directory.contains(&APPLICATION_ADMINISTRATOR);
    let below = |role: &Uuid| {
        powers.directory.contains(role)
            || *role == DIRECTORY_READERS
            || (administers && [CLOUD_APPLICATION_ADMINISTRATOR, APPLICATION_DEVELOPER].contains(role))
    };
    if target.directory.iter().all(below) {
        return Ok(());
    }
    denied(format!("{what} holds a directory role that you do not; only a Global Administrator may do this"))
}

/// A user passes on a data role that the user holds; never one of Microsoft Graph.
fn held_data_role(powers: &Powers, asked: &sql::HeldRole) -> bool {
    asked.resource_app != seed::GRAPH_APP_ID && powers.covers_role(asked)
}

fn named(role: &sql::HeldRole) -> String {
    role.value.clone().unwrap_or_else(|| role.role.to_string())
}

fn denied<T>(reason: impl Into<String>) -> Result<T, IdentityError> {
    Err(IdentityError::Denied(reason.into()))
}
