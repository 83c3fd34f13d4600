//! Applications: registrations of clients and resources (Graph's `application`).
//!
//! Owns `application`, `application_name` (what a resource is called) and `app_role`.

mod filter;
mod list;
mod properties;
mod rules;
mod sql;

#[cfg(test)]
mod tests;

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_kernel::{AppId, ObjectId, TenantId};
use hilum_storage::db::{ReadTx, WriteTx};
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    CertificateInfo, Identity, IdentityError, SecretInfo, Stamp, Tenant, credentials, privileges,
    service_principals,
};

pub(crate) use filter::Comparison;
pub(crate) use list::COLLECTION;
pub(crate) use rules::{Policy, check as check_rules};
#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{
    SCHEMA, by_app_id, by_display_name, by_name, by_object_id, by_unique_name, insert, list as select,
    past_prefix, update,
};

pub use filter::ApplicationFilter;
pub use properties::{
    Api, AppRole, ApplicationProperties, ImplicitGrantSettings, MemberType, PermissionKind, PermissionScope,
    PermissionScopeKind, PreAuthorizedApplication, Redirects, RequiredResourceAccess, ResourceAccess,
    SignInAudience, Web,
};

/// A registration.
#[derive(Debug, Clone, PartialEq)]
pub struct Application {
    /// The object's ID, which Graph calls `id`.
    pub object_id: ObjectId,
    /// The client ID.
    pub app_id: AppId,
    /// Since when it exists.
    pub created_at: Timestamp,
    /// Whether it belongs to the installation and cannot be deleted.
    pub seeded: bool,
    /// What its owner may change.
    pub properties: ApplicationProperties,
    /// Its client secrets, without their text.
    pub secrets: Vec<SecretInfo>,
    /// Its certificates.
    pub certificates: Vec<CertificateInfo>,
}

/// A permission to ask for, e.g. `e69ab058-…=Scope`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// The scope's or role's GUID.
    pub id: Uuid,
    /// Which of both.
    pub kind: PermissionKind,
}

/// What is done to a registration inside its transaction.
type Change<C> = fn(&mut ApplicationProperties, &C) -> Result<(), IdentityError>;

impl Identity {
    /// Registers an application. `members` is shaped like the body of Graph's `POST /applications`.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] or [`IdentityError::Conflict`] for what the rules refuse.
    pub async fn create_application(
        &self,
        actor: &Actor,
        members: &Map<String, Value>,
    ) -> Result<Application, IdentityError> {
        let tenant = self.tenant().await?.clone();
        let stamp = self.stamp(actor);
        let application = Application {
            object_id: ObjectId::new(self.0.random.uuid()),
            app_id: AppId::new(self.0.random.uuid()),
            created_at: crate::timestamp(stamp.at_ms),
            seeded: false,
            properties: ApplicationProperties::default().merged(members)?,
            secrets: Vec::new(),
            certificates: Vec::new(),
        };
        rules::check(&application.properties, application.app_id, &tenant, Policy::Registered)?;
        let input = (tenant.id, application.clone(), stamp);
        self.0
            .db
            .write(input, |tx, (tenant, application, stamp)| {
                async move {
                    let change = (&ApplicationProperties::default(), &application.properties);
                    privileges::ensure_may_let_in_passwords(tx, *tenant, stamp, change).await?;
                    insert(tx, *tenant, application).await?;
                    let detail = Some("created".to_owned());
                    stamp.record(tx, Action::ApplicationChanged, application.app_id, detail).await?;
                    Ok::<_, IdentityError>(())
                }
                .boxed()
            })
            .await?;
        Ok(application)
    }

    /// Changes a registration as Graph's `PATCH /applications/{id}` does; `id` is an appId, object ID or identifier URI.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], and what the rules refuse.
    pub async fn update_application(
        &self,
        actor: &Actor,
        id: &str,
        members: &Map<String, Value>,
    ) -> Result<Application, IdentityError> {
        self.change_application(actor, id, members.clone(), |properties, members| {
            *properties = properties.merged(members)?;
            Ok(())
        })
        .await
    }

    /// Asks for permissions of a resource (`az ad app permission add`). They still need consent.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for an unknown client; permissions are not compared with the resource, as in Entra.
    pub async fn add_permissions(
        &self,
        actor: &Actor,
        id: &str,
        resource: AppId,
        permissions: &[Permission],
    ) -> Result<Application, IdentityError> {
        self.change_application(actor, id, (resource, permissions.to_vec()), |properties, (resource, new)| {
            let all = &mut properties.required_resource_access;
            if !all.iter().any(|entry| entry.resource_app_id == *resource) {
                all.push(RequiredResourceAccess { resource_app_id: *resource, resource_access: Vec::new() });
            }
            for entry in all.iter_mut().filter(|entry| entry.resource_app_id == *resource) {
                for permission in new {
                    let wanted = ResourceAccess { id: permission.id, kind: permission.kind };
                    if !entry.resource_access.contains(&wanted) {
                        entry.resource_access.push(wanted);
                    }
                }
            }
            Ok(())
        })
        .await
    }

    /// No longer asks for permissions of a resource; an empty list means all of them (`az ad app permission delete`).
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for an unknown client.
    pub async fn remove_permissions(
        &self,
        actor: &Actor,
        id: &str,
        resource: AppId,
        permissions: &[Uuid],
    ) -> Result<Application, IdentityError> {
        self.change_application(
            actor,
            id,
            (resource, permissions.to_vec()),
            |properties, (resource, gone)| {
                let all = &mut properties.required_resource_access;
                for entry in all.iter_mut().filter(|entry| entry.resource_app_id == *resource) {
                    entry.resource_access.retain(|access| !gone.is_empty() && !gone.contains(&access.id));
                }
                all.retain(|entry| !entry.resource_access.is_empty());
                Ok(())
            },
        )
        .await
    }

    /// Finds an application by appId, object ID or identifier URI, with its credentials.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn find_application(&self, id: &str) -> Result<Application, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        let mut application = required(&mut tx, tenant, id).await?;
        credentials::attach(&mut tx, &mut application).await?;
        Ok(application)
    }

    /// Lists applications by name, with their credentials.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn list_applications(
        &self,
        filter: &ApplicationFilter,
        limit: Option<usize>,
    ) -> Result<Vec<Application>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        let mut all = sql::list(&mut tx, tenant, filter, limit).await?;
        for application in &mut all {
            credentials::attach(&mut tx, application).await?;
        }
        Ok(all)
    }

    /// Deletes a registration with its credentials, its service principal and what was granted to that.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`]; [`IdentityError::Invalid`] for one that belongs to the installation.
    pub async fn delete_application(&self, actor: &Actor, id: &str) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        self.0
            .db
            .write((tenant, id.to_owned(), self.stamp(actor)), |tx, (tenant, id, stamp)| {
                delete(tx, *tenant, id, stamp).boxed()
            })
            .await
    }

    async fn change_application<C: Clone + Send + Sync + 'static>(
        &self,
        actor: &Actor,
        id: &str,
        input: C,
        change: Change<C>,
    ) -> Result<Application, IdentityError> {
        let tenant = self.tenant().await?.clone();
        let input = (tenant, id.to_owned(), self.stamp(actor), input, change);
        self.0
            .db
            .write(input, |tx, (tenant, id, stamp, input, change)| {
                async move {
                    let mut application = required(tx, tenant.id, id).await?;
                    let before = application.clone();
                    change(&mut application.properties, input)?;
                    privileges::ensure_may_change_application(tx, tenant.id, stamp, &before, &application)
                        .await?;
                    save(tx, tenant, &before.properties, &application).await?;
                    let detail = Some("updated".to_owned());
                    stamp.record(tx, Action::ApplicationChanged, application.app_id, detail).await?;
                    credentials::attach(tx, &mut application).await?;
                    Ok(application)
                }
                .boxed()
            })
            .await
    }
}

/// Checks and writes a changed registration.
pub(crate) async fn save(
    tx: &mut WriteTx,
    tenant: &Tenant,
    before: &ApplicationProperties,
    application: &Application,
) -> Result<(), IdentityError> {
    let policy = if application.seeded { Policy::Seeded } else { Policy::Registered };
    rules::check(&application.properties, application.app_id, tenant, policy)?;
    rules::check_removals(before, &application.properties)?;
    update(tx, tenant.id, application).await?;
    service_principals::rename(tx, tenant.id, application.app_id, &application.properties.display_name)
        .await?;
    Ok(())
}

/// Deletes a registration and what depends on it.
pub(crate) async fn delete(
    tx: &mut WriteTx,
    tenant: TenantId,
    id: &str,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    let application = required(tx, tenant, id).await?;
    if application.seeded {
        return Err(IdentityError::invalid("id", "this application belongs to the installation"));
    }
    service_principals::delete_of_application(tx, tenant, application.app_id).await?;
    credentials::delete_all(tx, application.object_id).await?;
    sql::delete(tx, application.object_id).await?;
    stamp.record(tx, Action::ApplicationChanged, application.app_id, Some("deleted".to_owned())).await?;
    Ok(())
}

/// The application with this appId, object ID or identifier URI.
pub(crate) async fn lookup(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: &str,
) -> Result<Option<Application>, IdentityError> {
    let Ok(guid) = id.parse::<Uuid>() else {
        return by_name(tx, tenant, id).await;
    };
    match by_app_id(tx, tenant, AppId::new(guid)).await? {
        Some(application) => Ok(Some(application)),
        None => by_object_id(tx, tenant, ObjectId::new(guid)).await,
    }
}

/// As [`lookup`], for callers that cannot go on without it.
pub(crate) async fn required(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: &str,
) -> Result<Application, IdentityError> {
    lookup(tx, tenant, id).await?.ok_or_else(|| IdentityError::not_found("application", id))
}
