//! Service principals: an application's presence in the tenant, to which roles and grants are given.
//!
//! Owns `service_principal` and `service_principal_tag`. Names, roles and scopes are the application's and are read from
//! it; tags are both's together.

mod deletion;
mod details;
mod list;
mod sql;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_kernel::{AppId, ObjectId, TenantId};
use hilum_storage::db::{ReadTx, WriteTx};
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    Application, CertificateInfo, Identity, IdentityError, OwnedKind, Owners, SecretInfo, Stamp, Target,
    applications::{self, Comparison},
    credentials,
    owners::{self, Owned},
    privileges,
    target::Name,
};

pub(crate) use deletion::{delete_with_application, forget, restore, view_deleted};
pub(crate) use list::{COLLECTION, page};
#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{
    SCHEMA, SCHEMA_WHOLE, by_app_id, by_app_ids, by_id, insert, lock, rename, update as save,
};

pub(crate) use details::changed;
pub use details::{SamlSettings, ServicePrincipalDetails};

/// An application's presence in the tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct ServicePrincipal {
    /// The object's ID: `oid` and `sub` of app-only tokens.
    pub id: ObjectId,
    /// The application's client ID.
    pub app_id: AppId,
    /// The application's name.
    pub display_name: String,
    /// Whether it may get tokens.
    pub account_enabled: bool,
    /// Whether, as a resource, it refuses clients without an assigned role.
    pub app_role_assignment_required: bool,
    /// For administrators.
    pub notes: Option<String>,
    /// Since when it exists.
    pub created_at: Timestamp,
    /// The rest of what it says about itself.
    pub details: ServicePrincipalDetails,
    /// Counts its changes, those of its credentials too.
    pub version: i64,
    /// The application it stands for.
    pub application: Option<Box<Application>>,
    /// Its own client secrets, without their text.
    pub secrets: Vec<SecretInfo>,
    /// Its own certificates.
    pub certificates: Vec<CertificateInfo>,
}

/// Which service principals to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ServicePrincipalFilter {
    /// All of them.
    #[default]
    All,
    /// The one with this object ID.
    Id(ObjectId),
    /// The one of this application.
    AppId(AppId),
    /// Those with this name, in any case.
    DisplayName(String),
    /// Those whose name starts so, in any case.
    DisplayNamePrefix(String),
    /// The one with this service principal name: appId or identifier URI.
    Name(String),
}

impl ServicePrincipalFilter {
    /// Reads `appId eq`, `id eq`, `displayName eq`, `startswith(displayName,…)` or `servicePrincipalNames/any(…)`.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for anything else.
    pub fn parse_odata(text: &str) -> Result<Self, IdentityError> {
        let unsupported = || IdentityError::invalid("$filter", "is not a supported filter");
        let id_error = |_| IdentityError::invalid("$filter", "holds something that is not a GUID");
        Ok(match Comparison::parse(text).ok_or_else(unsupported)? {
            Comparison::Equal { property, value } => match property.to_ascii_lowercase().as_str() {
                "appid" => Self::AppId(value.parse().map_err(id_error)?),
                "id" => Self::Id(value.parse().map_err(id_error)?),
                "displayname" => Self::DisplayName(value),
                _ => return Err(unsupported()),
            },
            Comparison::StartsWith { property, value } if property.eq_ignore_ascii_case("displayName") => {
                Self::DisplayNamePrefix(value)
            }
            Comparison::AnyEqual { collection, value }
                if collection.eq_ignore_ascii_case("servicePrincipalNames") =>
            {
                Self::Name(value)
            }
            _ => return Err(unsupported()),
        })
    }
}

/// Changes to a service principal; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServicePrincipalChange {
    /// Whether it may get tokens.
    pub account_enabled: Option<bool>,
    /// Whether it refuses clients without an assigned role.
    pub app_role_assignment_required: Option<bool>,
    /// For administrators.
    pub notes: Option<String>,
}

impl ServicePrincipalChange {
    fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        if let Some(enabled) = self.account_enabled {
            members.insert("accountEnabled".to_owned(), enabled.into());
        }
        if let Some(required) = self.app_role_assignment_required {
            members.insert("appRoleAssignmentRequired".to_owned(), required.into());
        }
        if let Some(notes) = &self.notes {
            members.insert("notes".to_owned(), notes.as_str().into());
        }
        members
    }
}

impl Identity {
    /// Makes the service principal of an application named by appId, object ID or identifier URI.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`]; [`IdentityError::Conflict`] when there is one already.
    pub async fn create_service_principal(
        &self,
        actor: &Actor,
        application: &str,
    ) -> Result<ServicePrincipal, IdentityError> {
        self.create_service_principal_with(actor, application.into(), &Map::new(), Owners::default()).await
    }

    /// The same, with members as in the body of Graph's `POST /servicePrincipals`, and with owners. The conditions of
    /// `application` hold for the application.
    ///
    /// # Errors
    /// As [`Identity::create_service_principal`]; [`IdentityError::Invalid`] for members that are refused.
    pub async fn create_service_principal_with(
        &self,
        actor: &Actor,
        application: Target,
        members: &Map<String, Value>,
        owners: Owners,
    ) -> Result<ServicePrincipal, IdentityError> {
        let tenant = self.tenant().await?.id;
        let id = ObjectId::new(self.0.random.uuid());
        let input = (tenant, id, application, (members.clone(), owners), self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, id, application, (members, owners), stamp)| {
                create(tx, *tenant, (*id, application), (members, owners), stamp).boxed()
            })
            .await
    }

    /// Finds a service principal by object ID, appId or any of its names.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn find_service_principal(
        &self,
        id: impl Into<Target>,
    ) -> Result<ServicePrincipal, IdentityError> {
        let target = id.into();
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        let mut principal = named(&mut tx, tenant, &target.name).await?;
        target.check(&mut tx, principal.id, principal.version).await?;
        attach(&mut tx, tenant, std::slice::from_mut(&mut principal)).await?;
        Ok(principal)
    }

    /// Changes a service principal.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn update_service_principal(
        &self,
        actor: &Actor,
        id: &str,
        change: &ServicePrincipalChange,
    ) -> Result<ServicePrincipal, IdentityError> {
        self.change_service_principal(actor, id.into(), &change.members()).await
    }

    /// Changes a service principal as Graph's `PATCH /servicePrincipals/{id}` does.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], [`IdentityError::Invalid`] for members that are refused, and what the target's
    /// conditions refuse.
    pub async fn change_service_principal(
        &self,
        actor: &Actor,
        target: Target,
        members: &Map<String, Value>,
    ) -> Result<ServicePrincipal, IdentityError> {
        let (tenant, stamp) = (self.tenant().await?.id, self.stamp(actor));
        let mut members = members.clone();
        let keys = credentials::KeyChange::take(self, &mut members, crate::timestamp(stamp.at_ms))?;
        let input = (tenant, target, (members, keys), stamp);
        self.0
            .db
            .write(input, |tx, (tenant, target, change_and_keys, stamp)| {
                change(tx, *tenant, target, change_and_keys, stamp).boxed()
            })
            .await
    }

    /// Deletes a service principal and what was granted to it. For 30 days it can be restored, without the grants.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`]; [`IdentityError::Invalid`] for one that belongs to the installation.
    pub async fn delete_service_principal(
        &self,
        actor: &Actor,
        id: impl Into<Target>,
    ) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        self.0
            .db
            .write((tenant, id.into(), self.stamp(actor)), |tx, (tenant, target, stamp)| {
                delete(tx, *tenant, target, stamp).boxed()
            })
            .await
    }
}

async fn create(
    tx: &mut WriteTx,
    tenant: TenantId,
    (id, target): (ObjectId, &Target),
    (members, owners): (&Map<String, Value>, &Owners),
    stamp: &Stamp,
) -> Result<ServicePrincipal, IdentityError> {
    let application = applications::named(tx, tenant, &target.name).await?;
    target.check(tx, application.object_id, application.version).await?;
    let plain = of(&application, id, crate::timestamp(stamp.at_ms));
    let mut principal = changed(&plain, members)?;
    insert(tx, tenant, &principal).await?;
    if !owners.others.is_empty() {
        // As when an owner is added later: who owns it can act as it.
        privileges::ensure_may_control(tx, tenant, stamp, principal.app_id).await?;
    }
    for owner in owners.all() {
        let object = Owned { id, kind: OwnedKind::ServicePrincipal };
        let owner = owners::resolve(tx, tenant, owner).await?;
        owners::add(tx, tenant, object, owner, stamp.at_ms).await?;
    }
    stamp.record(tx, Action::ServicePrincipalChanged, id, Some("created".to_owned())).await?;
    attach(tx, tenant, std::slice::from_mut(&mut principal)).await?;
    Ok(principal)
}

async fn change(
    tx: &mut WriteTx,
    tenant: TenantId,
    target: &Target,
    (members, keys): &(Map<String, Value>, credentials::KeyChange),
    stamp: &Stamp,
) -> Result<ServicePrincipal, IdentityError> {
    let before = locked(tx, tenant, target).await?;
    privileges::ensure_may_control(tx, tenant, stamp, before.app_id).await?;
    let mut after = changed(&before, members)?;
    save(tx, &after).await?;
    keys.apply(tx, tenant, credentials::Client { id: after.id, app_id: after.app_id }, stamp).await?;
    let names: Vec<&str> = members.keys().map(String::as_str).take(40).collect();
    let detail = Some(format!("updated {}", names.join(" ")));
    stamp.record(tx, Action::ServicePrincipalChanged, after.id, detail).await?;
    attach(tx, tenant, std::slice::from_mut(&mut after)).await?;
    Ok(after)
}

/// The target, kept for this transaction, with its version counted on: whoever changes it at the same time waits, then
/// sees what was changed here.
pub(crate) async fn locked(
    tx: &mut WriteTx,
    tenant: TenantId,
    target: &Target,
) -> Result<ServicePrincipal, IdentityError> {
    let id = named(tx, tenant, &target.name).await?.id;
    lock(tx, id).await?;
    let missing = || IdentityError::not_found("service principal", &target.name);
    let principal = by_id(tx, tenant, id).await?.ok_or_else(missing)?;
    target.check(tx, id, principal.version - 1).await?;
    Ok(principal)
}

/// Deletes a principal and what was granted to it.
pub(crate) async fn delete(
    tx: &mut WriteTx,
    tenant: TenantId,
    target: &Target,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    let principal = locked(tx, tenant, target).await?;
    let application = applications::by_app_id(tx, tenant, principal.app_id).await?;
    if application.as_ref().is_some_and(|application| application.seeded) {
        return Err(IdentityError::invalid("id", "this principal belongs to the installation"));
    }
    privileges::ensure_may_control(tx, tenant, stamp, principal.app_id).await?;
    if let Some(application) = &application {
        privileges::ensure_not_audience(application, stamp)?;
    }
    deletion::put_away(tx, tenant, &principal, None, stamp).await?;
    Ok(())
}

/// The principal that stands for an application.
pub(crate) fn of(application: &Application, id: ObjectId, created_at: Timestamp) -> ServicePrincipal {
    ServicePrincipal {
        id,
        app_id: application.app_id,
        display_name: application.properties.display_name.clone(),
        account_enabled: true,
        app_role_assignment_required: false,
        notes: None,
        created_at,
        details: ServicePrincipalDetails::default(),
        version: 1,
        application: None,
        secrets: Vec::new(),
        certificates: Vec::new(),
    }
}

/// Fills in applications and credentials, with a few statements for all principals.
async fn attach(
    tx: &mut ReadTx,
    tenant: TenantId,
    principals: &mut [ServicePrincipal],
) -> Result<(), IdentityError> {
    let ids: Vec<AppId> = principals.iter().map(|principal| principal.app_id).collect();
    let mut all = applications::by_app_ids(tx, tenant, &ids).await?;
    credentials::attach_all(tx, &mut all).await?;
    let mut all: HashMap<AppId, Application> = all.into_iter().map(|one| (one.app_id, one)).collect();
    let ids: Vec<ObjectId> = principals.iter().map(|principal| principal.id).collect();
    let (mut secrets, mut certificates) = credentials::of_all(tx, &ids).await?;
    for principal in principals {
        principal.application = all.remove(&principal.app_id).map(Box::new);
        principal.secrets = secrets.remove(&principal.id).unwrap_or_default();
        principal.certificates = certificates.remove(&principal.id).unwrap_or_default();
    }
    Ok(())
}

/// The principal that is named, without its application.
pub(crate) async fn named(
    tx: &mut ReadTx,
    tenant: TenantId,
    name: &Name,
) -> Result<ServicePrincipal, IdentityError> {
    let found = match name {
        Name::ObjectId(id) => by_id(tx, tenant, *id).await?,
        Name::AppId(id) => by_app_id(tx, tenant, *id).await?,
        Name::Any(name) => lookup(tx, tenant, name).await?,
        // Service principals have none.
        Name::Unique(_) => None,
    };
    found.ok_or_else(|| IdentityError::not_found("service principal", name))
}

/// The principal with this object ID, appId or name.
pub(crate) async fn lookup(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: &str,
) -> Result<Option<ServicePrincipal>, IdentityError> {
    if let Ok(guid) = id.parse::<Uuid>()
        && let Some(principal) = by_id(tx, tenant, ObjectId::new(guid)).await?
    {
        return Ok(Some(principal));
    }
    lookup_by_name(tx, tenant, id).await
}

async fn lookup_by_name(
    tx: &mut ReadTx,
    tenant: TenantId,
    name: &str,
) -> Result<Option<ServicePrincipal>, IdentityError> {
    match applications::by_name(tx, tenant, name).await? {
        Some(application) => by_app_id(tx, tenant, application.app_id).await,
        None => Ok(None),
    }
}

/// As [`lookup`], for callers that cannot go on without it.
pub(crate) async fn required(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: &str,
) -> Result<ServicePrincipal, IdentityError> {
    lookup(tx, tenant, id).await?.ok_or_else(|| IdentityError::not_found("service principal", id))
}
