//! What a principal has: directory roles, application roles, delegated permissions.

use std::collections::BTreeSet;

use hilum_kernel::{AppId, ObjectId, TenantId};
use hilum_storage::db::ReadTx;
use uuid::Uuid;

use super::sql::{self, HeldRole, HeldScopes};
use crate::{
    IdentityError, RoleKind, ServicePrincipal, applications,
    owners::{self, OwnedKind},
    role_assignments, seed, service_principals,
};

/// Which memberships count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Certainty {
    /// What certainly works: own roles, and those of groups the principal is a direct member of. For who gives.
    Sure,
    /// What might work: groups in groups as well. For what is given or controlled.
    Possible,
}

/// What somebody has.
#[derive(Debug, Default)]
pub(super) struct Powers {
    pub(super) directory: BTreeSet<Uuid>,
    pub(super) roles: Vec<HeldRole>,
    pub(super) delegated: Vec<HeldScopes>,
}

pub(super) async fn of(
    tx: &mut ReadTx,
    tenant: TenantId,
    principal: ObjectId,
    certainty: Certainty,
) -> Result<Powers, IdentityError> {
    let mut principals = vec![principal];
    for (group, depth) in sql::groups(tx, principal).await? {
        if certainty == Certainty::Possible || depth == 1 {
            principals.push(group);
        }
    }
    let mut powers = Powers::default();
    for id in principals {
        for role in sql::roles(tx, tenant, id).await? {
            let known = role_assignments::built_in(&role.to_string());
            if known.is_some_and(|known| known.kind == RoleKind::Directory) {
                powers.directory.insert(role);
            }
        }
        powers.roles.extend(sql::app_roles(tx, tenant, id).await?);
    }
    powers.delegated = sql::delegated(tx, tenant, principal).await?;
    Ok(powers)
}

/// Adds the delegated permissions for which the installation's resources pre-authorise a client.
pub(super) async fn add_delegated(
    tx: &mut ReadTx,
    tenant: TenantId,
    client: &ServicePrincipal,
    powers: &mut Powers,
) -> Result<(), IdentityError> {
    for app_id in [seed::GRAPH_APP_ID, seed::DICOM_APP_ID] {
        let Some(resource) = applications::by_app_id(tx, tenant, app_id).await? else { continue };
        let api = &resource.properties.api;
        let pre = api.pre_authorized_applications.iter().filter(|entry| entry.app_id == client.app_id);
        let ids: Vec<_> = pre.flat_map(|entry| &entry.delegated_permission_ids).collect();
        let values = api.oauth2_permission_scopes.iter().filter(|scope| ids.contains(&&scope.id));
        let scope: Vec<&str> = values.filter_map(|scope| scope.value.as_deref()).collect();
        if let Some(principal) = service_principals::by_app_id(tx, tenant, app_id).await?
            && !scope.is_empty()
        {
            let scope = scope.join(" ");
            powers.delegated.push(HeldScopes { resource: principal.id, resource_app: app_id, scope });
        }
    }
    Ok(())
}

/// Adds what the applications and service principals have that somebody owns.
pub(super) async fn add_owned(
    tx: &mut ReadTx,
    tenant: TenantId,
    owner: ObjectId,
    powers: &mut Powers,
) -> Result<(), IdentityError> {
    let mut seen = BTreeSet::new();
    for owned in owners::owned_by(tx, owner).await? {
        let principal = match owned.kind {
            OwnedKind::ServicePrincipal => service_principals::by_id(tx, tenant, owned.id).await?,
            OwnedKind::Application => match applications::by_object_id(tx, tenant, owned.id).await? {
                Some(application) => service_principals::by_app_id(tx, tenant, application.app_id).await?,
                None => None,
            },
        };
        let Some(principal) = principal.filter(|principal| seen.insert(principal.id)) else { continue };
        let mut held = of(tx, tenant, principal.id, Certainty::Possible).await?;
        add_delegated(tx, tenant, &principal, &mut held).await?;
        powers.directory.append(&mut held.directory);
        powers.roles.append(&mut held.roles);
        powers.delegated.append(&mut held.delegated);
    }
    Ok(())
}

impl Powers {
    pub(super) fn covers_role(&self, asked: &HeldRole) -> bool {
        self.roles.iter().any(|held| {
            held.resource == asked.resource
                && (held.role == asked.role
                    || matches!((&held.value, &asked.value), (Some(held), Some(value)) if includes(held, value))
                    || owns_data(held))
        })
    }

    pub(super) fn covers_scope(&self, resource: ObjectId, app_id: AppId, scope: &str) -> bool {
        let by_role = self.roles.iter().filter(|held| held.resource_app == app_id).any(|held| {
            let value = held.value.as_deref().unwrap_or_default();
            includes(value, scope) || owns_data(held) || (reads_data(held) && scope == "Dicom.Read")
        });
        let granted = self.delegated.iter().filter(|granted| granted.resource == resource);
        by_role
            || granted.flat_map(|granted| granted.scope.split_whitespace()).any(|held| includes(held, scope))
    }

    /// Something that `target` has and `self` has not.
    pub(super) fn missing(&self, target: &Self) -> Option<String> {
        if let Some(role) = target.directory.iter().find(|role| !self.directory.contains(role)) {
            let name =
                role_assignments::built_in(&role.to_string()).map_or("a directory role", |role| role.name);
            return Some(format!("the directory role {name}"));
        }
        if let Some(role) =
            target.roles.iter().find(|role| !role.role.uuid().is_nil() && !self.covers_role(role))
        {
            return Some(format!("the role {}", super::named(role)));
        }
        for granted in &target.delegated {
            for scope in granted.scope.split_whitespace() {
                if !harmless(granted.resource_app, scope)
                    && !self.covers_scope(granted.resource, granted.resource_app, scope)
                {
                    return Some(format!("the delegated permission {scope}"));
                }
            }
        }
        None
    }
}

fn owns_data(held: &HeldRole) -> bool {
    held.resource_app == seed::DICOM_APP_ID && held.role.uuid() == seed::DICOM_DATA_OWNER
}

fn reads_data(held: &HeldRole) -> bool {
    held.resource_app == seed::DICOM_APP_ID && held.role.uuid() == seed::DICOM_DATA_READER
}

/// Whether a permission of Microsoft Graph includes another: itself, `X.Read.All` in `X.ReadWrite.All`, and what
/// Microsoft's permissions reference says of the directory-wide ones.
pub(super) fn includes(held: &str, asked: &str) -> bool {
    if held.is_empty() {
        return false;
    }
    if held == asked {
        return true;
    }
    if let (Some((area, rest)), Some((asked_area, asked_rest))) =
        (held.split_once('.'), asked.split_once('.'))
        && area == asked_area
        && rest
            .strip_prefix("ReadWrite.")
            .is_some_and(|reach| asked_rest.strip_prefix("Read.") == Some(reach))
    {
        return true;
    }
    let further: &[&str] = match held {
        "Application.ReadWrite.All" => &["Application.ReadWrite.OwnedBy"],
        "Group.Read.All" => &["GroupMember.Read.All"],
        "Group.ReadWrite.All" => &["GroupMember.Read.All", "GroupMember.ReadWrite.All"],
        "User.Read.All" | "User.ReadWrite.All" => &["User.ReadBasic.All"],
        "Directory.Read.All" | "Directory.ReadWrite.All" => &[
            "Application.Read.All",
            "Group.Read.All",
            "GroupMember.Read.All",
            "Organization.Read.All",
            "RoleManagement.Read.Directory",
            "User.Read.All",
            "User.ReadBasic.All",
        ],
        _ => &[],
    };
    further.contains(&asked)
}

/// Delegated permissions that reach no further than the user's own profile.
pub(super) fn harmless(resource: AppId, scope: &str) -> bool {
    resource == seed::GRAPH_APP_ID
        && ["openid", "profile", "email", "offline_access", "User.Read"].contains(&scope)
}

/// Permissions of Microsoft Graph that give nothing beyond what someone who administers applications has already:
/// reading the directory, and applications.
pub(super) fn manages_only(value: &str) -> bool {
    let reads =
        value.ends_with(".Read.All") || value.ends_with(".Read.Directory") || value == "User.ReadBasic.All";
    reads
        || harmless(seed::GRAPH_APP_ID, value)
        || ["Application.ReadWrite.All", "Application.ReadWrite.OwnedBy"].contains(&value)
}
