//! How long tokens and sessions live: Entra's `tokenLifetimePolicy` (sheet §4.5), for the organisation or for an application.
//!
//! Owns `token_lifetime_policy` and `token_lifetime_assignment`. Every token and every refresh looks for the policies that
//! hold, so that a change counts from the next one, on every node; what was issued before lives to its end.

mod definition;
mod effective;
mod sql;

#[cfg(test)]
mod tests;

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_kernel::{AppId, PolicyId, TenantId};
use hilum_storage::db::{ReadTx, WriteTx};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use definition::Definition;

use crate::{
    Application, Identity, IdentityError, Stamp, Target, applications,
    error::OnDuplicate as _,
    privileges,
    query::{self, Collection, Column, Field, ListQuery, Page},
};

pub use definition::token_lifetime_definition;
pub(crate) use effective::{Lifetimes, SignInAge, lifetimes};
#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{SCHEMA, all, applications_of, by_name, forget, of_application};

/// As many as an administrator can look through.
const POLICIES_MAX: i64 = 500;
const NAME_CHARS_MAX: usize = 256;
const DESCRIPTION_CHARS_MAX: usize = 1024;
const KIND: &str = "token lifetime policy";
/// The property of an application.
const ASSIGNED: &str = "tokenLifetimePolicies";

/// What policies may be listed by.
pub(crate) const COLLECTION: Collection = Collection {
    table: "token_lifetime_policy",
    id: "id",
    tenant: "tenant_id",
    only: None,
    default_order: "displayName",
    orders: &["displayName"],
    fields: &[
        Field::new("id", Column::Guid("id")).indexed(),
        Field::new("displayName", Column::Folded("name_folded")).indexed(),
        Field::new("isOrganizationDefault", Column::Bool("organization_default")),
    ],
    search: &["displayName"],
};

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenLifetimePolicy {
    /// Its ID.
    pub id: PolicyId,
    /// What it says.
    pub properties: TokenLifetimeProperties,
}

/// What a policy says, in Graph's shape.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TokenLifetimeProperties {
    /// For people.
    pub display_name: String,
    /// For people.
    pub description: Option<String>,
    /// One JSON text: `{"TokenLifetimePolicy":{"Version":1,"AccessTokenLifetime":"8:00:00"}}`.
    pub definition: Vec<String>,
    /// Whether it holds where no other does. One policy's at most.
    pub is_organization_default: bool,
}

impl TokenLifetimeProperties {
    /// As `PATCH` merges: what is named is replaced, null clears.
    pub(crate) fn merged(&self, change: &Map<String, Value>) -> Result<Self, IdentityError> {
        if let Some(name) = ["id", "deletedDateTime"].into_iter().find(|name| change.contains_key(*name)) {
            return Err(IdentityError::invalid(name, "is read-only: leave it out"));
        }
        let merged = applications::patched(KIND, self, change)?;
        merged.check()?;
        Ok(merged)
    }

    fn check(&self) -> Result<(), IdentityError> {
        if self.display_name.trim().is_empty() || self.display_name.chars().count() > NAME_CHARS_MAX {
            return Err(IdentityError::invalid("displayName", "must have 1 to 256 characters"));
        }
        if self.description.as_ref().is_some_and(|text| text.chars().count() > DESCRIPTION_CHARS_MAX) {
            return Err(IdentityError::invalid("description", "must not exceed 1,024 characters"));
        }
        match self.definition.as_slice() {
            [text] => Definition::parse(text).map(drop),
            _ => Err(IdentityError::invalid("definition", "must hold exactly one text")),
        }
    }

    /// The definition.
    pub(crate) fn text(&self) -> &str {
        self.definition.first().map_or("", String::as_str)
    }
}

impl Identity {
    /// Makes a policy.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for what the rules refuse, [`IdentityError::Conflict`] where another policy is the
    /// organisation's.
    pub async fn create_token_lifetime_policy(
        &self,
        actor: &Actor,
        members: &Map<String, Value>,
    ) -> Result<TokenLifetimePolicy, IdentityError> {
        let tenant = self.tenant().await?.id;
        let properties = TokenLifetimeProperties::default().merged(members)?;
        let policy = TokenLifetimePolicy { id: PolicyId::new(self.0.random.uuid()), properties };
        let input = (tenant, policy.clone(), self.stamp(actor));
        let written = self.0.db.write(input, |tx, (tenant, policy, stamp)| {
            async move { create(tx, *tenant, policy, stamp).await }.boxed()
        });
        written.await?;
        Ok(policy)
    }

    /// Changes a policy. What it says holds from the next token on.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], and what making one refuses.
    pub async fn update_token_lifetime_policy(
        &self,
        actor: &Actor,
        id: PolicyId,
        members: &Map<String, Value>,
    ) -> Result<TokenLifetimePolicy, IdentityError> {
        let input = (self.tenant().await?.id, id, members.clone(), self.stamp(actor));
        let written = self.0.db.write(input, |tx, (tenant, id, members, stamp)| {
            async move {
                let before = required(tx, *tenant, *id).await?;
                let properties = before.properties.merged(members)?;
                let policy = TokenLifetimePolicy { id: *id, properties };
                if policy != before {
                    change(tx, *tenant, &policy, stamp).await?;
                }
                Ok(policy)
            }
            .boxed()
        });
        written.await
    }

    /// Deletes a policy; applications that had it fall back.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn delete_token_lifetime_policy(
        &self,
        actor: &Actor,
        id: PolicyId,
    ) -> Result<(), IdentityError> {
        let input = (self.tenant().await?.id, id, self.stamp(actor));
        let written = self.0.db.write(input, |tx, (tenant, id, stamp)| {
            async move { delete(tx, *tenant, *id, stamp).await }.boxed()
        });
        written.await.map(drop)
    }

    /// Finds a policy.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn find_token_lifetime_policy(
        &self,
        id: PolicyId,
    ) -> Result<TokenLifetimePolicy, IdentityError> {
        let tenant = self.tenant().await?.id;
        required(&mut self.0.db.read().await?, tenant, id).await
    }

    /// A page of policies.
    ///
    /// # Errors
    /// [`IdentityError::UnsupportedQuery`].
    pub(crate) async fn page_token_lifetime_policies(
        &self,
        query: &ListQuery,
    ) -> Result<Page<TokenLifetimePolicy>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        let page = query::page(&mut tx, &COLLECTION, tenant, query, sql::ROW).await?;
        page.try_map(|row| Ok(sql::read(&row)?))
    }

    /// The applications that a policy is assigned to.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub(crate) async fn applications_of_token_lifetime_policy(
        &self,
        id: PolicyId,
    ) -> Result<Vec<Application>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        required(&mut tx, tenant, id).await?;
        let ids: Vec<AppId> = applications_of(&mut tx, id).await?;
        applications::by_app_ids(&mut tx, tenant, &ids).await
    }

    /// The policy that is assigned to an application.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for the application.
    pub async fn token_lifetime_policy_of(
        &self,
        application: impl Into<Target>,
    ) -> Result<Option<TokenLifetimePolicy>, IdentityError> {
        let application = self.find_application(application).await?.object_id;
        Ok(of_application(&mut self.0.db.read().await?, application).await?)
    }

    /// Assigns a policy to an application.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], [`IdentityError::Referenced`] where it is assigned already,
    /// [`IdentityError::Conflict`] where another one is: an application has one at most.
    pub async fn assign_token_lifetime_policy(
        &self,
        actor: &Actor,
        application: impl Into<Target>,
        id: PolicyId,
    ) -> Result<(), IdentityError> {
        let input = (self.tenant().await?.id, application.into(), id, self.stamp(actor));
        let written = self.0.db.write(input, |tx, (tenant, target, id, stamp)| {
            async move {
                let application = controlled(tx, *tenant, target, stamp).await?;
                required(tx, *tenant, *id).await?;
                match of_application(tx, application.object_id).await? {
                    Some(present) if present.id == *id => {
                        Err(IdentityError::Referenced { property: ASSIGNED })
                    }
                    Some(_) => Err(IdentityError::Conflict { property: ASSIGNED }),
                    None => assign(tx, &application, *id, stamp).await,
                }
            }
            .boxed()
        });
        written.await
    }

    /// Takes a policy from an application.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] where the application does not have it.
    pub async fn remove_token_lifetime_policy(
        &self,
        actor: &Actor,
        application: impl Into<Target>,
        id: PolicyId,
    ) -> Result<(), IdentityError> {
        let input = (self.tenant().await?.id, application.into(), id, self.stamp(actor));
        let written = self.0.db.write(input, |tx, (tenant, target, id, stamp)| {
            async move {
                let application = controlled(tx, *tenant, target, stamp).await?;
                if unassign(tx, &application, *id, stamp).await? {
                    Ok(())
                } else {
                    Err(IdentityError::not_found(KIND, id))
                }
            }
            .boxed()
        });
        written.await
    }
}

/// Writes a new policy.
pub(crate) async fn create(
    tx: &mut WriteTx,
    tenant: TenantId,
    policy: &TokenLifetimePolicy,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    if sql::count(tx, tenant).await? >= POLICIES_MAX {
        let reason = format!("there may be at most {POLICIES_MAX} token lifetime policies");
        return Err(IdentityError::SizeExceeded(reason));
    }
    sql::insert(tx, tenant, policy, stamp.at_ms).await.on_duplicate("isOrganizationDefault")?;
    record(tx, policy, "made", stamp).await
}

/// Writes what a policy says now.
pub(crate) async fn change(
    tx: &mut WriteTx,
    tenant: TenantId,
    policy: &TokenLifetimePolicy,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    required(tx, tenant, policy.id).await?;
    sql::update(tx, policy).await.on_duplicate("isOrganizationDefault")?;
    record(tx, policy, "changed", stamp).await
}

/// Deletes a policy with its assignments; tells what it was.
pub(crate) async fn delete(
    tx: &mut WriteTx,
    tenant: TenantId,
    id: PolicyId,
    stamp: &Stamp,
) -> Result<TokenLifetimePolicy, IdentityError> {
    let policy = required(tx, tenant, id).await?;
    sql::delete(tx, id).await?;
    record(tx, &policy, "deleted", stamp).await?;
    Ok(policy)
}

/// Gives an application that has none a policy.
pub(crate) async fn assign(
    tx: &mut WriteTx,
    application: &Application,
    id: PolicyId,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    sql::assign(tx, application, id).await.on_duplicate(ASSIGNED)?;
    let detail = format!("token lifetime policy {id} assigned to application {}", application.app_id);
    Ok(stamp.record(tx, Action::PolicyChanged, id, Some(detail)).await?)
}

/// Takes a policy from an application; whether it had it.
pub(crate) async fn unassign(
    tx: &mut WriteTx,
    application: &Application,
    id: PolicyId,
    stamp: &Stamp,
) -> Result<bool, IdentityError> {
    if !sql::unassign(tx, application.object_id, id).await? {
        return Ok(false);
    }
    let detail = format!("token lifetime policy {id} taken from application {}", application.app_id);
    stamp.record(tx, Action::PolicyChanged, id, Some(detail)).await?;
    Ok(true)
}

/// Finds a policy.
pub(crate) async fn required(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: PolicyId,
) -> Result<TokenLifetimePolicy, IdentityError> {
    sql::find(tx, tenant, id).await?.ok_or_else(|| IdentityError::not_found(KIND, id))
}

/// The application, for who may decide about its tokens.
async fn controlled(
    tx: &mut WriteTx,
    tenant: TenantId,
    target: &Target,
    stamp: &Stamp,
) -> Result<Application, IdentityError> {
    let application = applications::locked(tx, tenant, target).await?;
    privileges::ensure_may_control(tx, tenant, stamp, application.app_id).await?;
    Ok(application)
}

async fn record(
    tx: &mut WriteTx,
    policy: &TokenLifetimePolicy,
    what: &str,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    let properties = &policy.properties;
    let whose = if properties.is_organization_default { " for the organisation" } else { "" };
    let detail = format!("token lifetime policy {what}{whose}: {}", properties.text());
    Ok(stamp.record(tx, Action::PolicyChanged, policy.id, Some(detail)).await?)
}
