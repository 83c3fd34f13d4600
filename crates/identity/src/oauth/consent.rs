//! What a person is asked before a client may act in his or her name (sheet §2.12): the permissions in words, and whether
//! the person may grant them.

use hilum_audit::Actor;
use hilum_jose::{base64url_encode, sha256};
use hilum_kernel::{ObjectId, TenantId};
use hilum_storage::db::{ReadTx, WriteTx};
use serde::{Deserialize, Serialize};

use super::{delegation::Delegation, error::OAuthError};
use crate::{
    Holder, IdentityError, PermissionScope, PermissionScopeKind, Stamp, Tenant, User,
    directory_roles::{self, DirectoryRole},
    grants, privileges, seed, service_principals,
};

/// Who may consent to permissions that need an administrator: Global, Application and Cloud Application Administrator.
const CONSENTING: [DirectoryRole; 3] = [
    DirectoryRole::GlobalAdministrator,
    DirectoryRole::ApplicationAdministrator,
    DirectoryRole::CloudApplicationAdministrator,
];

/// What a page showed, as a hash that travels with its form under a seal. Registrations may change while somebody
/// reads: what is granted is what was shown, or the page is drawn again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shown(String);

impl Shown {
    pub(crate) fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        // With lengths, so that no word can end where another begins.
        let words: Vec<String> = words.into_iter().map(|word| format!("{}:{word}", word.len())).collect();
        Self(base64url_encode(sha256(words.concat().as_bytes())))
    }

    /// What would be granted of the resource, and in which words.
    pub(crate) fn of_delegation(found: &Delegation) -> Self {
        let resource = &found.resource;
        let mut words = vec![
            resource.principal.to_string(),
            resource.properties.display_name.clone(),
            found.missing.len().to_string(),
        ];
        for scope in &found.missing {
            let Permission { name, description, .. } = permission(scope, true);
            words.extend([scope.id.to_string(), scope.value.clone().unwrap_or_default(), name, description]);
        }
        words.extend(found.wanted.iter().cloned());
        words.push("words".to_owned());
        words.extend(found.missing_words.names().map(str::to_owned));
        Self::of(words.iter().map(String::as_str))
    }
}

/// What a person is asked.
#[expect(clippy::struct_excessive_bools, reason = "each is a line of the page")]
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) shown: Shown,
    pub(crate) resource: String,
    /// The permissions that will be granted, or that are there already.
    pub(crate) permissions: Vec<Permission>,
    pub(crate) knows_name: bool,
    pub(crate) knows_email: bool,
    pub(crate) stays_signed_in: bool,
    /// A permission needs an administrator, and the person is none.
    pub(crate) admin_needed: bool,
}

/// A permission in words for people.
#[derive(Debug)]
pub(crate) struct Permission {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) is_new: bool,
}

/// The question, in words.
pub(crate) async fn question(
    tx: &mut ReadTx,
    tenant: &Tenant,
    user: &User,
    found: &Delegation,
) -> Result<Question, OAuthError> {
    let defined = &found.resource.properties.api.oauth2_permission_scopes;
    let known = defined
        .iter()
        .filter(|scope| scope.value.as_ref().is_some_and(|value| found.granted.contains(value)));
    let missing = found.missing.iter().map(|scope| permission(scope, true));
    Ok(Question {
        shown: Shown::of_delegation(found),
        resource: found.resource.properties.display_name.clone(),
        permissions: missing.chain(known.map(|scope| permission(scope, false))).collect(),
        knows_name: found.words.profile || found.words.openid,
        knows_email: found.words.email,
        stays_signed_in: found.words.offline_access,
        admin_needed: admin_needed(tx, tenant, user, found).await?,
    })
}

/// Writes down what a person consented to, for himself or, without a user, for everybody: permissions on their resource,
/// words of OpenID Connect on Microsoft Graph, as Entra does. Each grant is told in words for the trail.
pub(crate) async fn keep(
    tx: &mut WriteTx,
    tenant: TenantId,
    (client, user): (ObjectId, Option<ObjectId>),
    found: &Delegation,
    ([first, second], at_ms): (&[String; 2], i64),
) -> Result<Vec<String>, OAuthError> {
    let (mut values, words) = match user {
        Some(_) => {
            let missing = found.missing.iter().filter_map(|scope| scope.value.clone());
            (missing.collect(), found.missing_words)
        }
        None => (found.wanted.clone(), found.words),
    };
    let mut words: Vec<String> = words.names().map(str::to_owned).collect();
    let resource = found.resource.principal;
    let mut graph = resource;
    if !words.is_empty() && found.resource.app_id != seed::GRAPH_APP_ID {
        graph = service_principals::required(tx, tenant, &seed::GRAPH_APP_ID.to_string()).await?.id;
    } else {
        values.append(&mut words);
    }
    let mut kept = Vec::new();
    for (resource, values, id) in [(resource, values, first), (graph, words, second)] {
        if values.is_empty() {
            continue;
        }
        grants::add_consent(tx, tenant, (client, resource, user), &values, (id, at_ms)).await?;
        let whom = if user.is_some() { "" } else { " for everybody" };
        kept.push(format!("{} of {resource}{whom}", values.join(" ")));
    }
    Ok(kept)
}

/// Whether what is missing needs an administrator, and this user is none who may grant it.
pub(crate) async fn admin_needed(
    tx: &mut ReadTx,
    tenant: &Tenant,
    user: &User,
    found: &Delegation,
) -> Result<bool, OAuthError> {
    if found.missing.iter().all(|scope| scope.kind == PermissionScopeKind::User) {
        return Ok(false);
    }
    let missing: Vec<&str> = found.missing.iter().filter_map(|scope| scope.value.as_deref()).collect();
    Ok(!may_grant(tx, tenant, user, (found, &missing)).await?)
}

/// Whether this user may grant all that is asked for, for everybody.
pub(crate) async fn may_grant_for_all(
    tx: &mut ReadTx,
    tenant: &Tenant,
    user: &User,
    found: &Delegation,
) -> Result<bool, OAuthError> {
    let wanted: Vec<&str> = found.wanted.iter().map(String::as_str).collect();
    may_grant(tx, tenant, user, (found, &wanted)).await
}

/// Whether this user is somebody who consents for everybody at all.
pub(crate) async fn may_consent_for_all(
    tx: &mut ReadTx,
    tenant: &Tenant,
    user: &User,
) -> Result<bool, OAuthError> {
    let roles = directory_roles::of_user(tx, tenant.id, user.id).await?;
    Ok(roles.iter().any(|role| CONSENTING.contains(role)))
}

async fn may_grant(
    tx: &mut ReadTx,
    tenant: &Tenant,
    user: &User,
    (found, scopes): (&Delegation, &[&str]),
) -> Result<bool, OAuthError> {
    if !may_consent_for_all(tx, tenant, user).await? {
        return Ok(false);
    }
    // Nobody gives more than they may give otherwise.
    let resource = service_principals::by_app_id(tx, tenant.id, found.resource.app_id).await?;
    let resource = resource.ok_or_else(|| OAuthError::ResourceNotFound(found.resource.name.clone()))?;
    let guarded = privileges::GuardedNames::default();
    let holder = Holder::User(user.id);
    let stamp = Stamp { at_ms: 0, actor: Actor::default(), holder, guarded, requested: None };
    match privileges::ensure_may_grant(tx, tenant.id, &stamp, &resource, scopes).await {
        Ok(()) => Ok(true),
        Err(IdentityError::Denied(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// One permission.
pub(crate) fn permission(scope: &PermissionScope, is_new: bool) -> Permission {
    let first = |texts: [&Option<String>; 3]| texts.into_iter().flatten().next().cloned().unwrap_or_default();
    Permission {
        name: first([&scope.user_consent_display_name, &scope.admin_consent_display_name, &scope.value]),
        description: first([&scope.user_consent_description, &scope.admin_consent_description, &None]),
        is_new,
    }
}
