//! Permissions: those an application asks for, and those it defines as a resource.

use std::collections::HashSet;

use hilum_kernel::AppId;
use uuid::Uuid;

use super::{
    super::properties::{ApplicationProperties, PermissionScope},
    Policy, shortened,
};
use crate::{IdentityError, folded};

const RESOURCES_MAX: usize = 50;
const ASKED_MAX: usize = 400;
const VALUE_CHARS_MAX: usize = 120;
const NAME_CHARS_MAX: usize = 100;
const DESCRIPTION_CHARS_MAX: usize = 850;
/// What besides letters and digits may stand in a scope's or role's value.
const VALUE_MARKS: &str = ":!#$%&'()*+,-./;=?@[]^_`{|}~";
/// Words of OpenID Connect, which no scope may be called.
const RESERVED_VALUES: &[&str] = &["openid", "profile", "email", "offline_access", ".default"];

/// A scope or role must be disabled before it may be removed: whoever holds it is warned by its absence from tokens.
pub(crate) fn check_removals(
    old: &ApplicationProperties,
    new: &ApplicationProperties,
) -> Result<(), IdentityError> {
    let role_gone = old
        .app_roles
        .iter()
        .any(|role| role.is_enabled && !new.app_roles.iter().any(|other| other.id == role.id));
    let kept = &new.api.oauth2_permission_scopes;
    let scope_gone = old
        .api
        .oauth2_permission_scopes
        .iter()
        .any(|scope| scope.is_enabled && !kept.iter().any(|other| other.id == scope.id));
    let reason = "an enabled permission cannot be removed: save it with isEnabled false first";
    match (role_gone, scope_gone) {
        (true, _) => Err(IdentityError::invalid("appRoles", reason)),
        (_, true) => Err(IdentityError::invalid("api.oauth2PermissionScopes", reason)),
        _ => Ok(()),
    }
}

pub(super) fn check_asked(properties: &ApplicationProperties) -> Result<(), IdentityError> {
    let refuse = |reason: String| Err(IdentityError::invalid("requiredResourceAccess", reason));
    let all = &properties.required_resource_access;
    if all.len() > RESOURCES_MAX {
        return refuse("there may be at most 50 resources: remove some".to_owned());
    }
    let count: usize = all.iter().map(|resource| resource.resource_access.len()).sum();
    if count > ASKED_MAX {
        return refuse("there may be at most 400 permissions in all: remove some".to_owned());
    }
    let mut resources = HashSet::new();
    for resource in all {
        if !resources.insert(resource.resource_app_id) {
            return refuse(format!(
                "the resource {} is named twice: join the entries",
                resource.resource_app_id
            ));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = resource.resource_access.iter().find(|access| !seen.insert(access.id)) {
            return refuse(format!("the permission {} is named twice", twice.id));
        }
    }
    Ok(())
}

pub(super) fn check_defined(properties: &ApplicationProperties, policy: Policy) -> Result<(), IdentityError> {
    let (mut ids, mut values) = (HashSet::new(), HashSet::new());
    for (member, id, text) in defined(properties) {
        if !ids.insert(id) {
            return Err(IdentityError::invalid(
                member,
                format!("the id {id} is used twice: give each permission a new GUID"),
            ));
        }
        let Some(text) = text else { continue };
        // The built-in data roles bear the names of Azure's, with spaces.
        if policy == Policy::Registered {
            value(text).map_err(|reason| {
                IdentityError::invalid(member, format!("the value '{}' {reason}", shortened(text)))
            })?;
        }
        if !values.insert(folded(text)) {
            return Err(IdentityError::invalid(
                member,
                format!(
                    "the value '{}' is used twice: values are unique over roles and scopes",
                    shortened(text)
                ),
            ));
        }
    }
    for scope in &properties.api.oauth2_permission_scopes {
        consent_texts(scope)?;
    }
    roles(properties)?;
    clients(properties)
}

fn defined(p: &ApplicationProperties) -> impl Iterator<Item = (&'static str, Uuid, &Option<String>)> {
    let scopes = p.api.oauth2_permission_scopes.iter();
    let roles = p.app_roles.iter().map(|role| ("appRoles", role.id.uuid(), &role.value));
    scopes.map(|scope| ("api.oauth2PermissionScopes", scope.id.uuid(), &scope.value)).chain(roles)
}

fn roles(properties: &ApplicationProperties) -> Result<(), IdentityError> {
    let refuse = |reason: &str| Err(IdentityError::invalid("appRoles", reason));
    for role in &properties.app_roles {
        if role.allowed_member_types.is_empty() {
            return refuse("allowedMemberTypes must name User, Application or both");
        }
        if role.id.uuid().is_nil() {
            return refuse("the id of only zeros stands for default access: give the role a new GUID");
        }
        if role.display_name.chars().count() > NAME_CHARS_MAX {
            return refuse("displayName must not exceed 100 characters");
        }
        if role.description.as_ref().is_some_and(|text| text.chars().count() > DESCRIPTION_CHARS_MAX) {
            return refuse("description must not exceed 850 characters");
        }
    }
    Ok(())
}

fn consent_texts(scope: &PermissionScope) -> Result<(), IdentityError> {
    for (name, text, most) in [
        ("adminConsentDisplayName", &scope.admin_consent_display_name, NAME_CHARS_MAX),
        ("userConsentDisplayName", &scope.user_consent_display_name, NAME_CHARS_MAX),
        ("adminConsentDescription", &scope.admin_consent_description, DESCRIPTION_CHARS_MAX),
        ("userConsentDescription", &scope.user_consent_description, DESCRIPTION_CHARS_MAX),
    ] {
        if text.as_ref().is_some_and(|text| text.chars().count() > most) {
            return Err(IdentityError::invalid(
                "api.oauth2PermissionScopes",
                format!("{name} must not exceed {most} characters"),
            ));
        }
    }
    Ok(())
}

/// Clients that are known or pre-authorised, each once, for scopes that there are.
fn clients(properties: &ApplicationProperties) -> Result<(), IdentityError> {
    let api = &properties.api;
    let refuse = |reason: String| Err(IdentityError::invalid("api.preAuthorizedApplications", reason));
    let mut seen: HashSet<AppId> = HashSet::new();
    for client in &api.pre_authorized_applications {
        if !seen.insert(client.app_id) {
            return refuse(format!("the client {} is named twice: join the entries", client.app_id));
        }
        let unknown = client
            .delegated_permission_ids
            .iter()
            .find(|id| !api.oauth2_permission_scopes.iter().any(|scope| scope.id == **id));
        if let Some(id) = unknown {
            return refuse(format!("{id} is no scope of this application: add it to oauth2PermissionScopes"));
        }
    }
    let mut known = HashSet::new();
    match api.known_client_applications.iter().find(|id| !known.insert(**id)) {
        Some(id) => Err(IdentityError::invalid(
            "api.knownClientApplications",
            format!("the client {id} is named twice"),
        )),
        None => Ok(()),
    }
}

pub(super) fn value(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.chars().count() > VALUE_CHARS_MAX {
        return Err("must have 1 to 120 characters");
    }
    if text.starts_with('.') {
        return Err("must not start with a dot");
    }
    if RESERVED_VALUES.contains(&text.to_ascii_lowercase().as_str()) {
        return Err("is a word of OpenID Connect: choose another");
    }
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || VALUE_MARKS.contains(c)) {
        return Err("holds characters that are not allowed: use letters, digits and marks, no spaces");
    }
    Ok(())
}
