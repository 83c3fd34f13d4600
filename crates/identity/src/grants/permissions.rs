//! Delegated permissions as Graph manages them: one grant for each client, resource and user, its scopes in one text.

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_kernel::{ObjectId, TenantId};
use hilum_storage::db::{ReadTx, WriteTx};

use super::{ConsentKind, PermissionGrant, check_scopes, resource, sql};
use crate::{
    Identity, IdentityError, Stamp, privileges,
    query::{Collection, Column, Field, ListQuery, Page},
    service_principals, users,
};

/// As long as Microsoft's may be.
const SCOPE_CHARS_MAX: usize = 3850;

/// What `GET /oauth2PermissionGrants` can be asked for.
pub(crate) const COLLECTION: Collection = Collection {
    table: "permission_grant",
    id: "id",
    tenant: "tenant_id",
    only: None,
    default_order: "id",
    orders: &["id"],
    fields: &[
        Field::new("id", Column::Text("id")).indexed(),
        Field::new("clientId", Column::Guid("client_id")).indexed(),
        Field::new("consentType", Column::Text("consent")),
        Field::new("principalId", Column::Guid("principal_id")).indexed(),
        Field::new("resourceId", Column::Guid("resource_id")).indexed(),
        Field::new("scope", Column::Text("scope")),
    ],
    search: &[],
};

/// A grant to be made (`POST /oauth2PermissionGrants`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionGrantRequest {
    /// The client's service principal.
    pub client_id: ObjectId,
    /// For whom.
    pub consent: ConsentKind,
    /// The user; only and always where it is for one.
    pub principal_id: Option<ObjectId>,
    /// The resource's service principal.
    pub resource_id: ObjectId,
    /// The values, separated by spaces.
    pub scope: String,
}

impl Identity {
    /// Grants delegated permissions that were not granted before.
    ///
    /// # Errors
    /// [`IdentityError::Conflict`] where client, resource and user have a grant already: it is to be changed;
    /// [`IdentityError::Invalid`], [`IdentityError::NotFound`] and [`IdentityError::Denied`] as for any grant.
    pub async fn create_permission_grant(
        &self,
        actor: &Actor,
        new: PermissionGrantRequest,
    ) -> Result<PermissionGrant, IdentityError> {
        let tenant = self.tenant().await?.id;
        let input = (tenant, new, self.random_text::<32>(), self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, new, id, stamp)| create(tx, *tenant, new, (id, stamp)).boxed())
            .await
    }

    /// Replaces a grant's scopes; without any left, the grant is gone.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], and what is refused of a new grant.
    pub async fn update_permission_grant(
        &self,
        actor: &Actor,
        id: &str,
        scope: &str,
    ) -> Result<Option<PermissionGrant>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let input = (tenant, id.to_owned(), scope.to_owned(), self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, id, scope, stamp)| update(tx, *tenant, (id, scope), stamp).boxed())
            .await
    }

    /// One grant.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn find_permission_grant(&self, id: &str) -> Result<PermissionGrant, IdentityError> {
        let tenant = self.tenant().await?.id;
        let found = sql::grant_by_id(&mut self.0.db.read().await?, tenant, id).await?;
        found.ok_or_else(|| IdentityError::not_found("permission grant", id))
    }

    /// A page of grants.
    pub(crate) async fn page_of_permission_grants(
        &self,
        query: &ListQuery,
    ) -> Result<Page<PermissionGrant>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        page(&mut tx, tenant, query).await
    }
}

/// A page of grants.
pub(crate) async fn page(
    tx: &mut ReadTx,
    tenant: TenantId,
    query: &ListQuery,
) -> Result<Page<PermissionGrant>, IdentityError> {
    let page = crate::query::page(tx, &COLLECTION, tenant, query, sql::GRANT_COLUMNS).await?;
    Ok(page.try_map(|row| sql::read_grant(&row))?)
}

async fn create(
    tx: &mut WriteTx,
    tenant: TenantId,
    new: &PermissionGrantRequest,
    (id, stamp): (&String, &Stamp),
) -> Result<PermissionGrant, IdentityError> {
    let client = service_principals::by_id(tx, tenant, new.client_id).await?;
    let client = client.ok_or_else(|| unknown("clientId", new.client_id, "a service principal"))?;
    let resource = resource(tx, tenant, new.resource_id).await?;
    match (new.consent, new.principal_id) {
        (ConsentKind::AllPrincipals, None) => {}
        (ConsentKind::AllPrincipals, Some(_)) => {
            let reason = "must be null where consentType is AllPrincipals";
            return Err(IdentityError::invalid("principalId", reason));
        }
        (ConsentKind::Principal, None) => {
            let reason = "must name the user where consentType is Principal";
            return Err(IdentityError::invalid("principalId", reason));
        }
        (ConsentKind::Principal, Some(user)) => {
            let known = users::lookup(tx, tenant, &user.to_string()).await?;
            known.ok_or_else(|| unknown("principalId", user, "a user"))?;
        }
    }
    let scopes = words(&new.scope)?;
    check_scopes(&resource.1, &scopes)?;
    let asked: Vec<&str> = scopes.iter().map(String::as_str).collect();
    privileges::ensure_may_grant(tx, tenant, stamp, &resource.0, &asked).await?;
    if sql::grant(tx, client.id, resource.0.id, new.principal_id).await?.is_some() {
        return Err(IdentityError::Conflict { property: "oauth2PermissionGrant" });
    }
    let grant = PermissionGrant {
        id: id.clone(),
        client_id: client.id,
        consent: new.consent,
        principal_id: new.principal_id,
        resource_id: resource.0.id,
        scope: scopes.join(" "),
    };
    sql::upsert_grant(tx, tenant, &grant).await?;
    let detail = Some(format!("{} of {}", grant.scope, grant.resource_id));
    stamp.record(tx, Action::ConsentGranted, grant.client_id, detail).await?;
    Ok(grant)
}

async fn update(
    tx: &mut WriteTx,
    tenant: TenantId,
    (id, scope): (&str, &str),
    stamp: &Stamp,
) -> Result<Option<PermissionGrant>, IdentityError> {
    sql::lock_grant(tx, tenant, id).await?;
    let before = sql::grant_by_id(tx, tenant, id).await?;
    let before = before.ok_or_else(|| IdentityError::not_found("permission grant", id))?;
    if scope.trim().is_empty() {
        sql::delete_grant(tx, tenant, id).await?;
        stamp.record(tx, Action::ConsentRevoked, before.client_id, Some(before.scope)).await?;
        return Ok(None);
    }
    let scopes = words(scope)?;
    let old: Vec<&str> = before.scope.split_whitespace().collect();
    // What was granted before may stay, though the resource no longer defines it and the caller could not grant it.
    let new: Vec<String> = scopes.iter().filter(|scope| !old.contains(&scope.as_str())).cloned().collect();
    if !new.is_empty() {
        let resource = resource(tx, tenant, before.resource_id).await?;
        check_scopes(&resource.1, &new)?;
        let asked: Vec<&str> = new.iter().map(String::as_str).collect();
        privileges::ensure_may_grant(tx, tenant, stamp, &resource.0, &asked).await?;
    }
    let grant = PermissionGrant { scope: scopes.join(" "), ..before };
    sql::upsert_grant(tx, tenant, &grant).await?;
    let detail = Some(format!("{} of {}", grant.scope, grant.resource_id));
    stamp.record(tx, Action::ConsentGranted, grant.client_id, detail).await?;
    Ok(Some(grant))
}

/// The words of a scope text, each once.
fn words(scope: &str) -> Result<Vec<String>, IdentityError> {
    if scope.chars().count() > SCOPE_CHARS_MAX {
        return Err(IdentityError::invalid("scope", "must not exceed 3850 characters"));
    }
    let mut words: Vec<String> = Vec::new();
    for word in scope.split_whitespace() {
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    Ok(words)
}

pub(super) fn unknown(property: &str, id: ObjectId, what: &str) -> IdentityError {
    IdentityError::invalid(property, format!("'{id}' is not the object ID of {what} of this tenant"))
}
