//! What a client may do for a user on a resource: consent (sheet §2.6, §2.12), and the user's own rights there.
//!
//! A delegated permission counts when it was granted for everybody or for this user, when the resource pre-authorised
//! the client, or when the client is the resource. Words of OpenID Connect are permissions of Microsoft Graph, as in Entra:
//! who can be asked is asked once before a client learns who signed in ([`find_to_ask`]). A token carries all that was
//! granted on its resource, as in Entra, not only what was asked.

use hilum_kernel::{AppId, ObjectId, TenantId};
use hilum_storage::db::ReadTx;

use super::{
    error::{OAuthError, quoted},
    scopes::{Asked, OidcWords, Values},
    sql::{self, UserResource},
    tokens::{Groups, Rights},
};
use crate::{
    ApplicationProperties, ConsentKind, OptionalClaim, PermissionKind, PermissionScope, User, applications,
    directory_roles::{self, DirectoryRole},
    grants, seed, service_principals,
};

/// More groups than this do not go into a token (Entra: 200 in a JWT).
const GROUPS_MAX: usize = 200;
/// Further ones are passed over: there are not so many names.
const OPTIONAL_CLAIMS_MAX: usize = 50;

/// The client, as far as consent asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientIds {
    pub(crate) app_id: AppId,
    /// Its service principal.
    pub(crate) principal: ObjectId,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Delegation {
    pub(crate) resource: UserResource,
    /// The values of granted permissions, in the resource's spelling and order.
    pub(crate) granted: Vec<String>,
    /// The values that were asked for.
    pub(crate) wanted: Vec<String>,
    /// Permissions that were asked for and not granted yet.
    pub(crate) missing: Vec<PermissionScope>,
    /// The words of OpenID Connect that were asked for.
    pub(crate) words: OidcWords,
    /// Those that the person is to be asked for; none where nobody can be asked.
    pub(crate) missing_words: OidcWords,
    /// Whether there is nothing that a token could carry.
    pub(crate) is_empty: bool,
}

/// Compares what is asked for with what was granted.
pub(crate) async fn find(
    tx: &mut ReadTx,
    tenant: TenantId,
    client: ClientIds,
    user: &User,
    asked: &Asked,
) -> Result<Delegation, OAuthError> {
    let resource = resource(tx, tenant, &asked.resource).await?;
    let words = sql::granted(tx, client.principal, resource.principal, user.id).await?;
    let pre_authorised = pre_authorised(&resource.properties, client.app_id);
    let own = resource.app_id == client.app_id;
    let is_granted = |scope: &PermissionScope| {
        own || pre_authorised.contains(&scope.id)
            || words.iter().any(|word| scope.value.as_ref().is_some_and(|v| v.eq_ignore_ascii_case(word)))
    };
    let defined = || resource.properties.api.oauth2_permission_scopes.iter().filter(|scope| scope.is_enabled);
    // What of them goes into tokens is for the request to say.
    let is_no_word = |value: &String| resource.app_id != seed::GRAPH_APP_ID || !OidcWords::is_word(value);
    let granted: Vec<String> = defined()
        .filter(|scope| is_granted(scope))
        .filter_map(|scope| scope.value.clone())
        .filter(is_no_word)
        .collect();
    let wanted: Vec<&PermissionScope> = match &asked.values {
        Values::Named(values) => named(values, &resource)?,
        // Interactive `.default`: asked only where nothing was granted before.
        Values::Default if granted.is_empty() => {
            let registered = applications::by_app_id(tx, tenant, client.app_id).await?;
            let registered = registered.map(|application| application.properties).unwrap_or_default();
            let listed = listed(&registered, resource.app_id);
            defined().filter(|scope| listed.contains(&scope.id.uuid())).collect()
        }
        Values::Default => Vec::new(),
    };
    let names: Vec<String> = wanted.iter().filter_map(|scope| scope.value.clone()).collect();
    let missing: Vec<PermissionScope> =
        wanted.into_iter().filter(|scope| !is_granted(scope)).cloned().collect();
    let only_oidc = matches!(&asked.values, Values::Named(values) if values.is_empty());
    let is_empty = granted.is_empty() && names.is_empty() && !own && !only_oidc;
    let (words, missing_words) = (asked.oidc, OidcWords::default());
    Ok(Delegation { granted, wanted: names, missing, words, missing_words, is_empty, resource })
}

/// The same where the person is there to be asked: with the words of OpenID Connect that need consent, too. An
/// administrator's consent to the client says that users may sign in to it.
pub(crate) async fn find_to_ask(
    tx: &mut ReadTx,
    tenant: TenantId,
    client: ClientIds,
    user: &User,
    asked: &Asked,
) -> Result<Delegation, OAuthError> {
    let mut found = find(tx, tenant, client, user, asked).await?;
    let trusted = seed::is_command_line(client.app_id)
        || !pre_authorised(&found.resource.properties, client.app_id).is_empty();
    if trusted {
        return Ok(found);
    }
    let grants = grants::for_user(tx, client.principal, ObjectId::new(user.id.uuid())).await?;
    if grants.iter().any(|grant| grant.consent == ConsentKind::AllPrincipals) {
        return Ok(found);
    }
    // A token for itself tells the client who it is about.
    found.words.openid |= found.resource.app_id == client.app_id;
    let graph = service_principals::by_app_id(tx, tenant, seed::GRAPH_APP_ID).await?.map(|graph| graph.id);
    let of_graph = grants.iter().filter(|grant| Some(grant.resource_id) == graph);
    let consented = OidcWords::among(of_graph.flat_map(|grant| grant.scope.split_whitespace()));
    found.missing_words = found.words.without(consented);
    Ok(found)
}

/// The resource of that name, if it is in the tenant and may have tokens.
pub(crate) async fn resource(
    tx: &mut ReadTx,
    tenant: TenantId,
    name: &str,
) -> Result<UserResource, OAuthError> {
    let found = sql::user_resource(tx, tenant, name).await?;
    found.filter(|found| found.enabled).ok_or_else(|| OAuthError::ResourceNotFound(quoted(name)))
}

/// The permissions with these values; Graph's words of OpenID Connect are no values.
pub(crate) fn named<'a>(
    values: &[String],
    resource: &'a UserResource,
) -> Result<Vec<&'a PermissionScope>, OAuthError> {
    let defined = &resource.properties.api.oauth2_permission_scopes;
    let find = |value: &String| {
        let same =
            |scope: &&PermissionScope| scope.value.as_ref().is_some_and(|v| v.eq_ignore_ascii_case(value));
        let found = defined.iter().filter(|scope| scope.is_enabled).find(same);
        found.ok_or_else(|| OAuthError::UnknownScope(quoted(value), resource.name.clone()))
    };
    values.iter().map(find).collect()
}

fn pre_authorised(resource: &ApplicationProperties, client: AppId) -> Vec<hilum_kernel::ScopeId> {
    let entries = resource.api.pre_authorized_applications.iter().filter(|entry| entry.app_id == client);
    entries.flat_map(|entry| entry.delegated_permission_ids.iter().copied()).collect()
}

/// The permissions of the resource that the client's registration lists.
fn listed(client: &ApplicationProperties, resource: AppId) -> Vec<uuid::Uuid> {
    let entries = client.required_resource_access.iter().filter(|entry| entry.resource_app_id == resource);
    entries
        .flat_map(|entry| &entry.resource_access)
        .filter(|access| access.kind == PermissionKind::Scope)
        .map(|access| access.id)
        .collect()
}

impl Delegation {
    /// Whether there is something to be asked.
    pub(crate) fn is_to_be_asked(&self) -> bool {
        !self.missing.is_empty() || !self.missing_words.is_empty()
    }

    /// `scp`. Never empty: a token without it would pass for an application's own.
    pub(crate) fn scp(&self, asked: &Asked) -> Vec<String> {
        let mut values = self.granted.clone();
        if self.resource.app_id == seed::GRAPH_APP_ID || values.is_empty() {
            for word in asked.oidc.in_scp() {
                if !values.iter().any(|value| value == word) {
                    values.push(word.to_owned());
                }
            }
        }
        if values.is_empty() {
            values.push("openid".to_owned());
        }
        values.sort_unstable_by_key(|value| value.to_ascii_lowercase());
        values
    }

    /// The answer's `scope`: all that was granted under full names, and exactly the words that were asked (sheet §2.3).
    pub(crate) fn echo(&self, asked: &Asked) -> String {
        if asked.by_resource {
            return self.scp(asked).join(" ");
        }
        let full = self.granted.iter().map(|value| format!("{}/{value}", asked.resource));
        let mut words: Vec<String> = full.collect();
        for word in &asked.words {
            if !words.contains(word) {
                words.push(word.clone());
            }
        }
        words.join(" ")
    }
}

/// What the user is on the resource, whose registration says what goes into the token. A user who has to be assigned
/// and is not is refused.
pub(crate) async fn rights(
    tx: &mut ReadTx,
    tenant: TenantId,
    user: &User,
    resource: &UserResource,
) -> Result<Rights, OAuthError> {
    if resource.assignment_required && !sql::user_is_assigned(tx, user.id, resource.principal).await? {
        return Err(OAuthError::UserNotAssigned(resource.properties.display_name.clone()));
    }
    let roles = sql::user_roles(tx, user.id, (resource.object_id, resource.principal)).await?;
    let claims = resource.properties.group_membership_claims.as_deref().unwrap_or_default();
    let wants = |word: &str| claims.split(',').any(|claim| claim.trim().eq_ignore_ascii_case(word));
    let graph = resource.app_id == seed::GRAPH_APP_ID;
    let wids = if graph || wants("DirectoryRole") || wants("All") {
        directory_roles::of_user(tx, tenant, user.id).await?.into_iter().map(DirectoryRole::id).collect()
    } else {
        Vec::new()
    };
    let groups = if wants("SecurityGroup") || wants("All") {
        Some(sql::user_groups(tx, user.id).await?)
    } else if wants("ApplicationGroup") {
        Some(sql::user_groups_assigned(tx, user.id, resource.principal).await?)
    } else {
        None
    };
    let groups = groups.map_or(Groups::Unwanted, |groups| {
        if groups.len() > GROUPS_MAX { Groups::TooMany } else { Groups::These(groups) }
    });
    Ok(Rights { roles, wids, groups })
}

/// `optionalClaims.{list}` of a registration.
pub(crate) fn optional_claims(properties: &ApplicationProperties, list: &str) -> Vec<OptionalClaim> {
    let Some(claims) = &properties.optional_claims else { return Vec::new() };
    let entries = if list == "idToken" { &claims.id_token } else { &claims.access_token };
    entries.iter().take(OPTIONAL_CLAIMS_MAX).cloned().collect()
}
