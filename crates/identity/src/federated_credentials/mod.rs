//! Federated identity credentials: assertions of another issuer that stand for an application's own credential, so that a
//! pipeline or a cluster needs no secret (Graph: `federatedIdentityCredentials`).
//!
//! Owns `federated_credential`.

mod declared;
mod sql;

#[cfg(test)]
mod tests;

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_kernel::{CredentialId, ObjectId, TenantId};
use hilum_storage::db::WriteTx;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use crate::{
    Identity, IdentityError, Stamp, Target, Upserted, applications,
    error::OnDuplicate as _,
    privileges,
    query::{self, Collection, Column, Field, ListQuery, Page},
};

pub(crate) use declared::declared_of;
#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{SCHEMA, forget, list as of_application};

/// Entra's limit for one application.
const CREDENTIALS_MAX: usize = 20;
const NAME_CHARS_MIN: usize = 3;
const NAME_CHARS_MAX: usize = 120;
const TEXT_CHARS_MAX: usize = 600;

/// What an application's federated credentials may be listed by.
pub(crate) const COLLECTION: Collection = Collection {
    table: "federated_credential",
    id: "id",
    tenant: "tenant_id",
    only: None,
    default_order: "id",
    orders: &["id"],
    fields: &[
        Field::new("id", Column::Guid("id")).indexed(),
        Field::new("name", Column::Folded("name_folded")),
        Field::new("issuer", Column::Text("issuer")),
        Field::new("subject", Column::Text("subject")),
    ],
    search: &[],
};

/// A federated identity credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FederatedCredential {
    /// Its ID.
    pub id: CredentialId,
    /// What its owner says about it.
    pub properties: FederatedProperties,
}

/// What the owner says, in Graph's shape.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FederatedProperties {
    /// A name that never changes; unique in the application.
    pub name: String,
    /// The foreign issuer (`iss`).
    pub issuer: String,
    /// Who is meant there (`sub`).
    pub subject: String,
    /// The one audience (`aud`), `api://AzureADTokenExchange` as a rule.
    pub audiences: Vec<String>,
    /// For people.
    pub description: Option<String>,
}

impl FederatedProperties {
    /// As `PATCH` merges: what is named is replaced, null clears.
    fn merged(&self, change: &Map<String, Value>) -> Result<Self, IdentityError> {
        if change.contains_key("id") {
            return Err(IdentityError::invalid("id", "is read-only: leave it out"));
        }
        let merged = applications::patched("federatedIdentityCredential", self, change)?;
        if !self.name.is_empty() && merged.name != self.name {
            return Err(IdentityError::invalid("name", "cannot be changed: make a new credential"));
        }
        merged.check()?;
        Ok(merged)
    }

    fn check(&self) -> Result<(), IdentityError> {
        let chars = self.name.chars().count();
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !(NAME_CHARS_MIN..=NAME_CHARS_MAX).contains(&chars)
            || !self.name.chars().all(word)
            || !self.name.starts_with(|c: char| c.is_ascii_alphanumeric())
        {
            return Err(IdentityError::invalid(
                "name",
                "must have 3 to 120 letters, digits, hyphens and underscores, and begin with a letter or digit",
            ));
        }
        let long = |text: &str| text.chars().count() > TEXT_CHARS_MAX;
        if long(&self.issuer) || !Url::parse(&self.issuer).is_ok_and(|url| is_issuer(&url)) {
            return Err(IdentityError::invalid("issuer", "must be an https URL of at most 600 characters"));
        }
        if self.subject.trim().is_empty() || long(&self.subject) {
            return Err(IdentityError::invalid("subject", "must have 1 to 600 characters"));
        }
        match self.audiences.as_slice() {
            [audience] if !audience.trim().is_empty() && !long(audience) => {}
            _ => {
                return Err(IdentityError::invalid(
                    "audiences",
                    "must hold exactly one audience of 1 to 600 characters, such as api://AzureADTokenExchange",
                ));
            }
        }
        match &self.description {
            Some(text) if long(text) => {
                Err(IdentityError::invalid("description", "must not exceed 600 characters"))
            }
            _ => Ok(()),
        }
    }
}

impl Identity {
    /// Adds a federated credential to an application.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for what the rules refuse, [`IdentityError::Conflict`] for a name or a pair of issuer
    /// and subject that the application has already.
    pub async fn add_federated_credential(
        &self,
        actor: &Actor,
        application: impl Into<Target>,
        members: &Map<String, Value>,
    ) -> Result<FederatedCredential, IdentityError> {
        let tenant = self.tenant().await?.id;
        let properties = FederatedProperties::default().merged(members)?;
        let new = FederatedCredential { id: CredentialId::new(self.0.random.uuid()), properties };
        let input = (tenant, application.into(), new.clone(), self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, target, new, stamp)| {
                async move {
                    let owner = controlled(tx, *tenant, target, stamp).await?;
                    if sql::list(tx, owner).await?.len() >= CREDENTIALS_MAX {
                        return Err(IdentityError::invalid(
                            "federatedIdentityCredentials",
                            "there may be at most 20: remove old ones",
                        ));
                    }
                    sql::insert(tx, *tenant, owner, new).await.on_duplicate(TAKEN)?;
                    record(tx, Action::CredentialAdded, owner, new, stamp).await
                }
                .boxed()
            })
            .await?;
        Ok(new)
    }

    /// Changes a federated credential, named by its ID or name.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], and what adding refuses.
    pub async fn update_federated_credential(
        &self,
        actor: &Actor,
        application: impl Into<Target>,
        name: &str,
        members: &Map<String, Value>,
    ) -> Result<FederatedCredential, IdentityError> {
        let tenant = self.tenant().await?.id;
        let input = (tenant, application.into(), name.to_owned(), members.clone(), self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, target, name, members, stamp)| {
                async move {
                    let owner = controlled(tx, *tenant, target, stamp).await?;
                    let mut credential = required(tx, owner, name).await?;
                    credential.properties = credential.properties.merged(members)?;
                    sql::update(tx, &credential).await.on_duplicate(TAKEN)?;
                    record(tx, Action::CredentialAdded, owner, &credential, stamp).await?;
                    Ok(credential)
                }
                .boxed()
            })
            .await
    }

    /// Changes the federated credential of this name, or adds it (`Prefer: create-if-missing`).
    ///
    /// # Errors
    /// As for adding and changing.
    pub async fn upsert_federated_credential(
        &self,
        actor: &Actor,
        application: impl Into<Target>,
        name: &str,
        members: &Map<String, Value>,
    ) -> Result<(FederatedCredential, Upserted), IdentityError> {
        let target = application.into();
        match self.update_federated_credential(actor, target.clone(), name, members).await {
            Ok(changed) => Ok((changed, Upserted::Updated)),
            Err(IdentityError::NotFound { kind: KIND, .. }) => {
                let mut members = members.clone();
                members.insert("name".to_owned(), name.into());
                let made = self.add_federated_credential(actor, target, &members).await?;
                Ok((made, Upserted::Created))
            }
            Err(error) => Err(error),
        }
    }

    /// Removes a federated credential, named by its ID or name.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn remove_federated_credential(
        &self,
        actor: &Actor,
        application: impl Into<Target>,
        name: &str,
    ) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        let input = (tenant, application.into(), name.to_owned(), self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, target, name, stamp)| {
                async move {
                    let owner = controlled(tx, *tenant, target, stamp).await?;
                    let credential = required(tx, owner, name).await?;
                    sql::delete(tx, credential.id).await?;
                    record(tx, Action::CredentialRemoved, owner, &credential, stamp).await
                }
                .boxed()
            })
            .await
    }

    /// Finds a federated credential by its ID or name.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn find_federated_credential(
        &self,
        application: impl Into<Target>,
        name: &str,
    ) -> Result<FederatedCredential, IdentityError> {
        let owner = self.find_application(application).await?.object_id;
        required(&mut self.0.db.read().await?, owner, name).await
    }

    /// A page of an application's federated credentials.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for the application, [`IdentityError::UnsupportedQuery`] for the query.
    pub(crate) async fn page_federated_credentials(
        &self,
        application: impl Into<Target>,
        query: ListQuery,
    ) -> Result<Page<FederatedCredential>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let owner = self.find_application(application).await?.object_id;
        let query = query.within("SELECT id FROM federated_credential WHERE application_id = ", owner);
        let mut tx = self.0.db.snapshot().await?;
        let page = query::page(&mut tx, &COLLECTION, tenant, &query, sql::ROW).await?;
        page.try_map(|row| Ok(sql::read(&row)?))
    }
}

/// OIDC Discovery §3: an https URL; on the machine itself plain HTTP will do, as for `dicom.authorities`. Whether it is
/// ever asked for keys is the configuration's affair.
fn is_issuer(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")),
        _ => false,
    }
}

const KIND: &str = "federated identity credential";
/// What is unique in an application: the name, and issuer with subject.
const TAKEN: &str = "name, or issuer and subject";

async fn controlled(
    tx: &mut WriteTx,
    tenant: TenantId,
    target: &Target,
    stamp: &Stamp,
) -> Result<ObjectId, IdentityError> {
    let application = applications::locked(tx, tenant, target).await?;
    privileges::ensure_may_control(tx, tenant, stamp, application.app_id).await?;
    Ok(application.object_id)
}

async fn required(
    tx: &mut hilum_storage::db::ReadTx,
    owner: ObjectId,
    name: &str,
) -> Result<FederatedCredential, IdentityError> {
    let all = sql::list(tx, owner).await?;
    let id = name.parse::<CredentialId>().ok();
    all.into_iter()
        .find(|one| Some(one.id) == id || one.properties.name.eq_ignore_ascii_case(name))
        .ok_or_else(|| IdentityError::not_found(KIND, name))
}

async fn record(
    tx: &mut WriteTx,
    action: Action,
    owner: ObjectId,
    credential: &FederatedCredential,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    let properties = &credential.properties;
    let detail = format!("federated {} of {} for {}", credential.id, properties.issuer, properties.subject);
    stamp.record(tx, action, owner, Some(detail)).await?;
    Ok(())
}
