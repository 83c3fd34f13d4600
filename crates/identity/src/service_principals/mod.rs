//! Service principals: an application's presence in the tenant, to which roles and grants are given.
//!
//! Owns `service_principal`. Names, roles and scopes are the application's and are read from it.

mod deletion;
mod sql;

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_kernel::{AppId, ObjectId, TenantId};
use hilum_storage::db::{ReadTx, WriteTx};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    Application, CertificateInfo, Identity, IdentityError, SecretInfo, Stamp,
    applications::{self, Comparison},
    credentials, privileges,
    target::Name,
};

pub(crate) use deletion::{delete_with_application, forget, restore, view_deleted};
#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{SCHEMA, by_app_id, by_id, insert, list as select, lock, rename, update as save};

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
        let tenant = self.tenant().await?.id;
        let id = ObjectId::new(self.0.random.uuid());
        let input = (tenant, id, application.to_owned(), self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, id, application, stamp)| {
                async move {
                    let application = applications::required(tx, *tenant, application).await?;
                    let mut principal = of(&application, *id, crate::timestamp(stamp.at_ms));
                    insert(tx, *tenant, &principal).await?;
                    let detail = Some("created".to_owned());
                    stamp.record(tx, Action::ServicePrincipalChanged, principal.id, detail).await?;
                    attach(tx, *tenant, &mut principal).await?;
                    Ok::<_, IdentityError>(principal)
                }
                .boxed()
            })
            .await
    }

    /// Finds a service principal by object ID, appId or any of its names.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn find_service_principal(&self, id: &str) -> Result<ServicePrincipal, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        let mut principal = required(&mut tx, tenant, id).await?;
        attach(&mut tx, tenant, &mut principal).await?;
        Ok(principal)
    }

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
        let mut all = match filter {
            ServicePrincipalFilter::Name(name) => {
                lookup_by_name(&mut tx, tenant, name).await?.into_iter().collect()
            }
            other => sql::list(&mut tx, tenant, other, limit).await?,
        };
        for principal in &mut all {
            attach(&mut tx, tenant, principal).await?;
        }
        Ok(all)
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
        let tenant = self.tenant().await?.id;
        let input = (tenant, id.to_owned(), change.clone(), self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, id, change, stamp)| {
                async move {
                    let mut principal = required(tx, *tenant, id).await?;
                    privileges::ensure_may_control(tx, *tenant, stamp, principal.app_id).await?;
                    principal.account_enabled = change.account_enabled.unwrap_or(principal.account_enabled);
                    principal.app_role_assignment_required =
                        change.app_role_assignment_required.unwrap_or(principal.app_role_assignment_required);
                    if change.notes.is_some() {
                        principal.notes.clone_from(&change.notes);
                    }
                    sql::update(tx, &principal).await?;
                    let detail = Some("updated".to_owned());
                    stamp.record(tx, Action::ServicePrincipalChanged, principal.id, detail).await?;
                    attach(tx, *tenant, &mut principal).await?;
                    Ok::<_, IdentityError>(principal)
                }
                .boxed()
            })
            .await
    }

    /// Deletes a service principal and what was granted to it; for 30 days it can be restored without that.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`]; [`IdentityError::Invalid`] for one that belongs to the installation.
    pub async fn delete_service_principal(&self, actor: &Actor, id: &str) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        self.0
            .db
            .write((tenant, id.to_owned(), self.stamp(actor)), |tx, (tenant, id, stamp)| {
                delete(tx, *tenant, id, stamp).boxed()
            })
            .await
    }
}

/// Deletes a principal and what was granted to it.
pub(crate) async fn delete(
    tx: &mut WriteTx,
    tenant: TenantId,
    id: &str,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    let principal = required(tx, tenant, id).await?;
    let application = applications::by_app_id(tx, tenant, principal.app_id).await?;
    if application.is_some_and(|application| application.seeded) {
        return Err(IdentityError::invalid("id", "this principal belongs to the installation"));
    }
    privileges::ensure_may_control(tx, tenant, stamp, principal.app_id).await?;
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
        application: None,
        secrets: Vec::new(),
        certificates: Vec::new(),
    }
}

/// Fills in the application.
async fn attach(
    tx: &mut ReadTx,
    tenant: TenantId,
    principal: &mut ServicePrincipal,
) -> Result<(), IdentityError> {
    if let Some(mut application) = applications::by_app_id(tx, tenant, principal.app_id).await? {
        credentials::attach(tx, &mut application).await?;
        principal.application = Some(Box::new(application));
    }
    (principal.secrets, principal.certificates) = credentials::of_principal(tx, principal.id).await?;
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
