//! Applications: registrations of clients and resources (Graph's `application`).
//!
//! Owns `application`, `application_name` (what a resource is called) and `app_role`.

mod deletion;
mod filter;
mod list;
mod merge;
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
    CertificateInfo, Identity, IdentityError, OwnedKind, SecretInfo, Stamp, Target, Tenant, credentials,
    owners::{self, Owned},
    privileges, service_principals,
    target::Name,
};

pub(crate) use deletion::{delete, forget, restore, view_deleted};
pub(crate) use filter::Comparison;
pub(crate) use list::{COLLECTION, page};
pub(crate) use merge::{parse, patched, without_annotations};
pub(crate) use rules::{Ground, Policy, check as check_rules};
#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{
    SCHEMA, SCHEMA_WHOLE, by_app_id, by_app_ids, by_display_name, by_name, by_object_id, by_unique_name,
    insert, lock, past_prefix, update,
};

pub use filter::ApplicationFilter;
pub use properties::{
    AddIn, Api, AppRole, ApplicationProperties, ImplicitGrantSettings, KeyValue, Links, MemberType,
    NativeAuthentication, OptionalClaim, OptionalClaims, ParentalControl, PermissionKind, PermissionScope,
    PermissionScopeKind, PreAuthorizedApplication, PrincipalLock, RedirectUriSetting, Redirects,
    RequiredResourceAccess, ResourceAccess, SignInAudience, Web,
};
pub use rules::IdentifierUriPolicy;

/// As many as Entra lets somebody without a directory role make.
const OWNED_MAX: usize = 250;

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
    /// Counts its changes, those of its credentials too.
    pub version: i64,
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

/// Who owns a new application or service principal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owners {
    /// Who makes it, if that one may only look after what it owns.
    pub creator: Option<ObjectId>,
    /// Others.
    pub others: Vec<ObjectId>,
}

impl Owners {
    /// Each of them once, the creator first.
    pub(crate) fn all(&self) -> Vec<ObjectId> {
        let mut all: Vec<ObjectId> = Vec::with_capacity(self.others.len() + 1);
        for id in self.creator.iter().chain(&self.others) {
            if !all.contains(id) {
                all.push(*id);
            }
        }
        all
    }
}

/// Whether an object was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upserted {
    /// It was made.
    Created,
    /// It was changed.
    Updated,
}

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
        self.create_application_for(actor, members, Owners::default()).await
    }

    /// The same, with owners.
    ///
    /// # Errors
    /// As [`Identity::create_application`], and [`IdentityError::Invalid`] when the owner has too many already.
    pub async fn create_application_for(
        &self,
        actor: &Actor,
        members: &Map<String, Value>,
        owners: Owners,
    ) -> Result<Application, IdentityError> {
        let tenant = self.tenant().await?.clone();
        let new = self.new_application(actor, members, &tenant, owners)?;
        self.0.db.write((tenant, new), |tx, (tenant, new)| create(tx, tenant, new).boxed()).await
    }

    /// Changes the application with this `uniqueName`, or registers one
    /// (`PATCH /applications(uniqueName='…')` with `Prefer: create-if-missing`).
    ///
    /// # Errors
    /// As for creating and changing.
    pub async fn upsert_application(
        &self,
        actor: &Actor,
        unique_name: &str,
        members: &Map<String, Value>,
        owner: Option<ObjectId>,
    ) -> Result<(Application, Upserted), IdentityError> {
        let tenant = self.tenant().await?.clone();
        let name = Target::new(Name::Unique(unique_name.to_owned()));
        let mut tx = self.0.db.read().await?;
        let known = find(&mut tx, tenant.id, &name.name).await?.is_some();
        drop(tx);
        if known {
            let target = name.owned_by(owner);
            return Ok((self.update_application(actor, target, members).await?, Upserted::Updated));
        }
        let mut members = members.clone();
        members.insert("uniqueName".to_owned(), unique_name.into());
        // Two at once: the second finds the name taken, which tells it to try again.
        let owners = Owners { creator: owner, others: Vec::new() };
        let made = self.create_application_for(actor, &members, owners).await?;
        Ok((made, Upserted::Created))
    }

    /// Changes a registration as Graph's `PATCH /applications/{id}` does; `id` is an appId, object ID or identifier URI.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], what the rules refuse, and what the target's conditions refuse.
    pub async fn update_application(
        &self,
        actor: &Actor,
        id: impl Into<Target>,
        members: &Map<String, Value>,
    ) -> Result<Application, IdentityError> {
        let tenant = self.tenant().await?.clone();
        let stamp = self.stamp(actor);
        let mut members = members.clone();
        let keys = credentials::KeyChange::take(self, &mut members, crate::timestamp(stamp.at_ms))?;
        let input = (tenant, id.into(), stamp, members, keys, self.0.identifier_uris);
        self.0
            .db
            .write(input, |tx, (tenant, target, stamp, members, keys, uris)| {
                async move {
                    let mut application = locked(tx, tenant.id, target).await?;
                    let before = application.clone();
                    let members = without_own_ids(&application, members);
                    application.properties = application.properties.merged(&members)?;
                    privileges::ensure_may_change_application(tx, tenant.id, stamp, &before, &application)
                        .await?;
                    save(tx, (tenant, *uris), &before, &application).await?;
                    keys.apply(tx, tenant.id, credentials::Client::of(&application), stamp).await?;
                    let detail = Some(changed(&members));
                    stamp.record(tx, Action::ApplicationChanged, application.app_id, detail).await?;
                    credentials::attach(tx, &mut application).await?;
                    Ok(application)
                }
                .boxed()
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
        id: impl Into<Target>,
        resource: AppId,
        permissions: &[Permission],
    ) -> Result<Application, IdentityError> {
        self.change_application(
            actor,
            id.into(),
            (resource, permissions.to_vec()),
            |properties, (resource, new)| {
                let all = &mut properties.required_resource_access;
                if !all.iter().any(|entry| entry.resource_app_id == *resource) {
                    all.push(RequiredResourceAccess {
                        resource_app_id: *resource,
                        resource_access: Vec::new(),
                    });
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
            },
        )
        .await
    }

    /// No longer asks for permissions of a resource; an empty list means all of them (`az ad app permission delete`).
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for an unknown client.
    pub async fn remove_permissions(
        &self,
        actor: &Actor,
        id: impl Into<Target>,
        resource: AppId,
        permissions: &[Uuid],
    ) -> Result<Application, IdentityError> {
        self.change_application(
            actor,
            id.into(),
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
    pub async fn find_application(&self, id: impl Into<Target>) -> Result<Application, IdentityError> {
        let tenant = self.tenant().await?.id;
        let target = id.into();
        let mut tx = self.0.db.snapshot().await?;
        let mut application = named(&mut tx, tenant, &target.name).await?;
        target.check(&mut tx, application.object_id, application.version).await?;
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
        credentials::attach_all(&mut tx, &mut all).await?;
        Ok(all)
    }

    /// Deletes a registration and its service principal: for 30 days they can be restored, without what was granted.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`]; [`IdentityError::Invalid`] for one that belongs to the installation.
    pub async fn delete_application(
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

    async fn change_application<C: Clone + Send + Sync + 'static>(
        &self,
        actor: &Actor,
        target: Target,
        input: C,
        change: Change<C>,
    ) -> Result<Application, IdentityError> {
        let tenant = self.tenant().await?.clone();
        let input = (tenant, target, self.stamp(actor), (input, change), self.0.identifier_uris);
        self.0
            .db
            .write(input, |tx, (tenant, target, stamp, (input, change), uris)| {
                async move {
                    let mut application = locked(tx, tenant.id, target).await?;
                    let before = application.clone();
                    change(&mut application.properties, input)?;
                    privileges::ensure_may_change_application(tx, tenant.id, stamp, &before, &application)
                        .await?;
                    save(tx, (tenant, *uris), &before, &application).await?;
                    let detail = Some("updated".to_owned());
                    stamp.record(tx, Action::ApplicationChanged, application.app_id, detail).await?;
                    credentials::attach(tx, &mut application).await?;
                    Ok(application)
                }
                .boxed()
            })
            .await
    }

    /// Prepares a registration: what costs chance or can be refused without the database.
    fn new_application(
        &self,
        actor: &Actor,
        members: &Map<String, Value>,
        tenant: &Tenant,
        owners: Owners,
    ) -> Result<NewApplication, IdentityError> {
        let stamp = self.stamp(actor);
        let now = crate::timestamp(stamp.at_ms);
        let mut members = members.clone();
        let keys = credentials::KeyChange::take(self, &mut members, now)?;
        let application = Application {
            object_id: ObjectId::new(self.0.random.uuid()),
            app_id: AppId::new(self.0.random.uuid()),
            created_at: now,
            seeded: false,
            version: 1,
            properties: ApplicationProperties::default().merged(&members)?,
            secrets: Vec::new(),
            certificates: Vec::new(),
        };
        let ground = Ground {
            app_id: application.app_id,
            tenant,
            policy: Policy::Registered,
            identifier_uris: self.0.identifier_uris,
        };
        rules::check(&application.properties, ground)?;
        Ok(NewApplication { application, keys, owners, stamp })
    }

    /// Writes rows anew that were written before there were columns for all that is searched by.
    pub(crate) async fn index_old_rows(&self) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        if sql::old(&mut self.0.db.read().await?, tenant).await?.is_empty() {
            return Ok(());
        }
        self.0
            .db
            .write(tenant, |tx, tenant| {
                async move {
                    for mut application in sql::old(tx, *tenant).await? {
                        application.version = 1;
                        update(tx, *tenant, &application).await?;
                    }
                    Ok(())
                }
                .boxed()
            })
            .await
    }
}

struct NewApplication {
    application: Application,
    keys: credentials::KeyChange,
    owners: Owners,
    stamp: Stamp,
}

async fn create(
    tx: &mut WriteTx,
    tenant: &Tenant,
    new: &NewApplication,
) -> Result<Application, IdentityError> {
    let mut application = new.application.clone();
    let change = (&ApplicationProperties::default(), &application.properties);
    privileges::ensure_may_let_in_passwords(tx, tenant.id, &new.stamp, change).await?;
    privileges::ensure_may_name(tx, tenant.id, &new.stamp, &application).await?;
    insert(tx, tenant.id, &application).await?;
    if let Some(creator) = new.owners.creator
        && owners::owned_by(tx, creator).await?.len() >= OWNED_MAX
    {
        return Err(IdentityError::invalid(
            "owners",
            "the caller owns 250 objects already: delete some, or ask an administrator",
        ));
    }
    for owner in new.owners.all() {
        let object = Owned { id: application.object_id, kind: OwnedKind::Application };
        let owner = owners::resolve(tx, tenant.id, owner).await?;
        owners::add(tx, tenant.id, object, owner, new.stamp.at_ms).await?;
    }
    new.keys.apply(tx, tenant.id, credentials::Client::of(&application), &new.stamp).await?;
    let detail = Some("created".to_owned());
    new.stamp.record(tx, Action::ApplicationChanged, application.app_id, detail).await?;
    credentials::attach(tx, &mut application).await?;
    Ok(application)
}

/// What a change was about, for the audit trail.
fn changed(members: &Map<String, Value>) -> String {
    let names: Vec<&str> = members.keys().map(String::as_str).take(40).collect();
    format!("updated {}", names.join(" "))
}

/// Checks and writes a changed registration.
pub(crate) async fn save(
    tx: &mut WriteTx,
    (tenant, identifier_uris): (&Tenant, IdentifierUriPolicy),
    before: &Application,
    application: &Application,
) -> Result<(), IdentityError> {
    let policy = if application.seeded { Policy::Seeded } else { Policy::Registered };
    let ground = Ground { app_id: application.app_id, tenant, policy, identifier_uris };
    rules::check(&application.properties, ground)?;
    rules::check_removals(&before.properties, &application.properties)?;
    if before.properties != application.properties {
        update(tx, tenant.id, application).await?;
    }
    if before.properties.display_name != application.properties.display_name {
        let name = &application.properties.display_name;
        service_principals::rename(tx, tenant.id, application.app_id, name).await?;
    }
    Ok(())
}

/// The target, kept for this transaction, with its version counted on: whoever changes it at the same time waits, then
/// sees what was changed here.
pub(crate) async fn locked(
    tx: &mut WriteTx,
    tenant: TenantId,
    target: &Target,
) -> Result<Application, IdentityError> {
    let id = named(tx, tenant, &target.name).await?.object_id;
    lock(tx, id).await?;
    let missing = || IdentityError::not_found("application", &target.name);
    let application = by_object_id(tx, tenant, id).await?.ok_or_else(missing)?;
    target.check(tx, id, application.version - 1).await?;
    Ok(application)
}

async fn find(tx: &mut ReadTx, tenant: TenantId, name: &Name) -> Result<Option<Application>, IdentityError> {
    match name {
        Name::Any(name) => lookup(tx, tenant, name).await,
        Name::ObjectId(id) => by_object_id(tx, tenant, *id).await,
        Name::AppId(id) => by_app_id(tx, tenant, *id).await,
        Name::Unique(name) => by_unique_name(tx, tenant, name).await,
    }
}

/// The application that is named, for callers that cannot go on without it.
pub(crate) async fn named(
    tx: &mut ReadTx,
    tenant: TenantId,
    name: &Name,
) -> Result<Application, IdentityError> {
    find(tx, tenant, name).await?.ok_or_else(|| IdentityError::not_found("application", name))
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

/// Leaves out IDs that say what is so already: clients that send back what they read do no harm.
fn without_own_ids(application: &Application, members: &Map<String, Value>) -> Map<String, Value> {
    let own = [("id", application.object_id.to_string()), ("appId", application.app_id.to_string())];
    let is_own = |name: &str, value: &Value| {
        own.iter()
            .any(|(own, id)| *own == name && value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(id)))
    };
    members
        .iter()
        .filter(|(name, value)| !is_own(name, value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
