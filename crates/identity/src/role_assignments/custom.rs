//! Data roles of one's own: made through the API and the command line (`az role definition create`), or written in the
//! configuration. Each is also an application role of the DICOM service's resource, so that it can be assigned and rides
//! in tokens; what it gives, the data service learns from [`Identity::data_roles`].

use std::sync::Arc;

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_kernel::{AppRoleId, TenantId};
use hilum_storage::db::{ReadTx, WriteTx};
use uuid::Uuid;

use super::{BuiltIn, DEFINITIONS, RoleDefinition, RoleKind, RoleOrigin, definitions, sql};
use crate::{AppRole, Identity, IdentityError, MemberType, Stamp, applications, privileges, seed};

const NAME_CHARS_MAX: usize = 120;
const DESCRIPTION_CHARS_MAX: usize = 1024;
/// Of one list in a definition; there are half a dozen actions.
const ITEMS_MAX: usize = 100;
const ITEM_CHARS_MAX: usize = 1000;
/// As many as a tenant of Azure may have are far more than anybody reads.
const ROLES_MAX: usize = 500;
/// Azure's spelling of data actions begins so.
const PREFIX: &str = "Microsoft.HealthcareApis/workspaces/dicomservices/resources/";
const ACTIONS: &[&str] = &["*", "read", "write", "delete", "export", "manage", "manageExtendedQueryTags"];

/// A role to be made, or what it is to be from now on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewRoleDefinition {
    /// Its name, which is also its value in `roles`.
    pub name: String,
    /// For people.
    pub description: String,
    /// Rights on data: `read`, `write`, `delete`, `export`, `manage` or `*`, with or without Azure's long beginning.
    pub data_actions: Vec<String>,
    /// Of these, what it does not give.
    pub not_data_actions: Vec<String>,
    /// Where it may be assigned; the local service whatever they say.
    pub assignable_scopes: Vec<String>,
}

/// A role of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredRole {
    /// Its name, which is also its value in `roles`.
    pub name: String,
    /// Rights on data.
    pub data_actions: Vec<String>,
    /// Of these, what it does not give.
    pub not_data_actions: Vec<String>,
}

impl Identity {
    /// All roles, built-in ones first; or the one with this name or GUID.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn list_role_definitions(
        &self,
        name: Option<&str>,
    ) -> Result<Vec<RoleDefinition>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.read().await?;
        if let Some(name) = name {
            return Ok(find(&mut tx, tenant, name).await?.into_iter().collect());
        }
        let mut all: Vec<RoleDefinition> = DEFINITIONS.iter().map(BuiltIn::definition).collect();
        all.extend(sql::definitions(&mut tx, tenant).await?);
        Ok(all)
    }

    /// The data roles that are not built in: what the data service asks to know what they give.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn data_roles(&self) -> Result<Vec<RoleDefinition>, IdentityError> {
        let tenant = self.tenant().await?.id;
        Ok(sql::definitions(&mut self.0.db.read().await?, tenant).await?)
    }

    /// Makes a data role, or changes the one with this GUID (Azure's `PUT`).
    ///
    /// # Errors
    /// [`IdentityError::Conflict`] for a name that is taken; [`IdentityError::Invalid`] for actions that do not exist;
    /// [`IdentityError::Denied`] for who does not own the data.
    pub async fn put_role_definition(
        &self,
        actor: &Actor,
        id: Uuid,
        new: NewRoleDefinition,
    ) -> Result<RoleDefinition, IdentityError> {
        let tenant = self.tenant().await?.id;
        let input = (tenant, id, new, self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, id, new, stamp)| put_custom(tx, *tenant, *id, new, stamp).boxed())
            .await
    }

    /// Removes a data role that nobody has.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`]; [`IdentityError::Invalid`] for built-in and configured roles and for those that are
    /// assigned.
    pub async fn delete_role_definition(
        &self,
        actor: &Actor,
        name: &str,
    ) -> Result<RoleDefinition, IdentityError> {
        let tenant = self.tenant().await?.id;
        let input = (tenant, name.to_owned(), self.stamp(actor));
        self.0.db.write(input, |tx, (tenant, name, stamp)| delete(tx, *tenant, name, stamp).boxed()).await
    }

    /// Makes the configuration's roles be there, and only those: one that is no longer configured goes, with its
    /// assignments.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for a role that cannot be; [`IdentityError::Conflict`] where an administrator made one of
    /// the same name.
    pub async fn configure_roles(&self, roles: &[ConfiguredRole]) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        let ids: Vec<Uuid> = roles.iter().map(|_| self.0.random.uuid()).collect();
        let known = self.data_roles().await?;
        let same = |role: &ConfiguredRole| {
            known.iter().any(|known| {
                known.origin == RoleOrigin::Configured
                    && known.name == role.name
                    && known.data_actions == role.data_actions
                    && known.not_data_actions == role.not_data_actions
            })
        };
        let configured = known.iter().filter(|known| known.origin == RoleOrigin::Configured).count();
        if configured == roles.len() && roles.iter().all(same) {
            return Ok(());
        }
        let input = (tenant, roles.to_vec(), ids, self.stamp(&Actor::operator()));
        self.0
            .db
            .write(input, |tx, (tenant, roles, ids, stamp)| {
                configure(tx, *tenant, (roles, ids), stamp).boxed()
            })
            .await
    }
}

async fn configure(
    tx: &mut WriteTx,
    tenant: TenantId,
    (roles, ids): (&[ConfiguredRole], &[Uuid]),
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    for known in sql::definitions(tx, tenant).await? {
        let stays = roles.iter().any(|role| role.name == known.name);
        if known.origin == RoleOrigin::Configured && !stays {
            super::remove_of_role(tx, tenant, known.id, stamp).await?;
            remove(tx, tenant, &known, stamp).await?;
        }
    }
    for (role, id) in roles.iter().zip(ids) {
        // The data service knows what it gives; there is nothing to make.
        if definitions::find(&role.name).is_some() {
            continue;
        }
        let known = sql::definition(tx, tenant, &role.name).await?;
        if known.as_ref().is_some_and(|known| known.origin != RoleOrigin::Configured) {
            return Err(IdentityError::Conflict { property: "roleName" });
        }
        let new = NewRoleDefinition {
            name: role.name.clone(),
            description: "Of the configuration.".to_owned(),
            data_actions: role.data_actions.clone(),
            not_data_actions: role.not_data_actions.clone(),
            assignable_scopes: vec!["/".to_owned()],
        };
        put(tx, tenant, known.map_or(*id, |known| known.id), &new, (RoleOrigin::Configured, stamp)).await?;
    }
    Ok(())
}

/// The roles that are not built in.
pub(crate) async fn all(tx: &mut ReadTx, tenant: TenantId) -> Result<Vec<RoleDefinition>, IdentityError> {
    Ok(sql::definitions(tx, tenant).await?)
}

/// Makes or changes a role of somebody who may.
pub(crate) async fn put_custom(
    tx: &mut WriteTx,
    tenant: TenantId,
    id: Uuid,
    new: &NewRoleDefinition,
    stamp: &Stamp,
) -> Result<RoleDefinition, IdentityError> {
    privileges::ensure_may_define_roles(tx, tenant, stamp).await?;
    put(tx, tenant, id, new, (RoleOrigin::Custom, stamp)).await
}

/// Removes a role that nobody has.
pub(crate) async fn delete(
    tx: &mut WriteTx,
    tenant: TenantId,
    name: &str,
    stamp: &Stamp,
) -> Result<RoleDefinition, IdentityError> {
    let role = required(tx, tenant, name).await?;
    privileges::ensure_may_define_roles(tx, tenant, stamp).await?;
    let reason = match role.origin {
        RoleOrigin::BuiltIn => Some("is built in"),
        RoleOrigin::Configured => Some("belongs to the configuration: remove it there"),
        RoleOrigin::Custom if is_assigned(tx, tenant, role.id).await? => {
            Some("is assigned: remove its assignments first")
        }
        RoleOrigin::Custom => None,
    };
    if let Some(reason) = reason {
        return Err(IdentityError::invalid("roleDefinition", reason));
    }
    remove(tx, tenant, &role, stamp).await?;
    Ok(RoleDefinition::clone(&role))
}

async fn put(
    tx: &mut WriteTx,
    tenant: TenantId,
    id: Uuid,
    new: &NewRoleDefinition,
    (origin, stamp): (RoleOrigin, &Stamp),
) -> Result<RoleDefinition, IdentityError> {
    check(new)?;
    let taken = |other: &RoleDefinition| other.id != id;
    if definitions::find(&new.name).is_some() || definitions::find(&id.to_string()).is_some() {
        return Err(IdentityError::invalid("roleName", "names a built-in role, which nobody changes"));
    }
    if sql::definition(tx, tenant, &new.name).await?.as_ref().is_some_and(taken) {
        return Err(IdentityError::Conflict { property: "roleName" });
    }
    let before = sql::definition(tx, tenant, &id.to_string()).await?;
    if before.as_ref().is_some_and(|before| before.origin != origin) {
        return Err(IdentityError::invalid("roleName", "belongs to the configuration: change it there"));
    }
    if before.is_none() && sql::definitions(tx, tenant).await?.len() >= ROLES_MAX {
        return Err(IdentityError::invalid("roleName", "there are 500 roles already: delete some"));
    }
    let role = RoleDefinition {
        id,
        name: new.name.clone(),
        description: new.description.clone(),
        kind: RoleKind::DicomData,
        origin,
        data_actions: new.data_actions.clone(),
        not_data_actions: new.not_data_actions.clone(),
        assignable_scopes: match new.assignable_scopes.as_slice() {
            [] => vec!["/".to_owned()],
            scopes => scopes.to_vec(),
        },
    };
    sql::store_definition(tx, tenant, &role, stamp.at_ms).await?;
    change_resource(tx, tenant, |roles| {
        roles.retain(|known| known.id.uuid() != id);
        roles.push(app_role(&role));
    })
    .await?;
    let detail = Some(format!("role {} gives {}", role.name, role.data_actions.join(" ")));
    stamp.record(tx, Action::ApplicationChanged, seed::DICOM_APP_ID, detail).await?;
    Ok(role)
}

async fn remove(
    tx: &mut WriteTx,
    tenant: TenantId,
    role: &RoleDefinition,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    sql::delete_definition(tx, tenant, role.id).await?;
    change_resource(tx, tenant, |roles| roles.retain(|known| known.id.uuid() != role.id)).await?;
    let detail = Some(format!("role {} removed", role.name));
    stamp.record(tx, Action::ApplicationChanged, seed::DICOM_APP_ID, detail).await?;
    Ok(())
}

/// Changes the application roles of the DICOM service's resource.
async fn change_resource(
    tx: &mut WriteTx,
    tenant: TenantId,
    change: impl FnOnce(&mut Vec<AppRole>) + Send,
) -> Result<(), IdentityError> {
    let mut resource = applications::locked(tx, tenant, &seed::DICOM_APP_ID.into()).await?;
    change(&mut resource.properties.app_roles);
    applications::update(tx, tenant, &resource).await
}

fn app_role(role: &RoleDefinition) -> AppRole {
    AppRole {
        id: AppRoleId::new(role.id),
        value: Some(role.name.clone()),
        display_name: role.name.clone(),
        description: Some(role.description.clone()),
        allowed_member_types: vec![MemberType::User, MemberType::Application],
        is_enabled: true,
        origin: None,
    }
}

async fn is_assigned(tx: &mut ReadTx, tenant: TenantId, id: Uuid) -> Result<bool, IdentityError> {
    let selection = sql::Selection { role: Some(id), ..sql::Selection::default() };
    Ok(!sql::select(tx, tenant, &selection).await?.is_empty())
}

fn check(new: &NewRoleDefinition) -> Result<(), IdentityError> {
    let name = new.name.chars();
    if new.name.trim() != new.name || new.name.is_empty() || name.clone().count() > NAME_CHARS_MAX {
        return Err(IdentityError::invalid(
            "roleName",
            "must have 1 to 120 characters, no spaces at its ends",
        ));
    }
    if new.name.chars().any(char::is_control) || Uuid::try_parse(&new.name).is_ok() {
        return Err(IdentityError::invalid("roleName", "must be a name for people, not a GUID"));
    }
    if new.description.chars().count() > DESCRIPTION_CHARS_MAX {
        return Err(IdentityError::invalid("description", "must not exceed 1024 characters"));
    }
    for (property, items) in [
        ("dataActions", &new.data_actions),
        ("notDataActions", &new.not_data_actions),
        ("assignableScopes", &new.assignable_scopes),
    ] {
        let long =
            |item: &String| item.chars().count() > ITEM_CHARS_MAX || item.chars().any(char::is_control);
        if items.len() > ITEMS_MAX || items.iter().any(long) {
            return Err(IdentityError::invalid(property, "must hold at most 100 texts of 1000 characters"));
        }
    }
    for (property, actions) in [("dataActions", &new.data_actions), ("notDataActions", &new.not_data_actions)]
    {
        if let Some(unknown) = actions.iter().find(|action| !is_action(action)) {
            let reason = format!("there is no data action '{unknown}'; use {}", ACTIONS.join(", "));
            return Err(IdentityError::invalid(property, reason));
        }
    }
    if new.data_actions.is_empty() {
        return Err(IdentityError::invalid("dataActions", "must name what the role gives"));
    }
    Ok(())
}

fn is_action(action: &str) -> bool {
    let short = action.strip_prefix(PREFIX).unwrap_or(action);
    let short = short.strip_suffix("/action").unwrap_or(short);
    ACTIONS.iter().any(|known| known.eq_ignore_ascii_case(short))
}

/// The role with this name or GUID, built in or not.
pub(crate) async fn find(
    tx: &mut ReadTx,
    tenant: TenantId,
    name: &str,
) -> Result<Option<RoleDefinition>, IdentityError> {
    match definitions::find(name) {
        Some(role) => Ok(Some(role.definition())),
        None => Ok(sql::definition(tx, tenant, name).await?),
    }
}

/// As [`find`], for callers that cannot go on without it.
pub(crate) async fn required(
    tx: &mut ReadTx,
    tenant: TenantId,
    name: &str,
) -> Result<Arc<RoleDefinition>, IdentityError> {
    let found = find(tx, tenant, name).await?;
    found.map(Arc::new).ok_or_else(|| IdentityError::not_found("role", name))
}
