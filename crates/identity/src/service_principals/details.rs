//! What a service principal says about itself, beside what it has from its application, in Graph's shape.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;
use uuid::Uuid;

use super::ServicePrincipal;
use crate::IdentityError;

const TEXT_CHARS_MAX: usize = 1024;
const TAG_CHARS_MAX: usize = 256;
const NAME_CHARS_MAX: usize = 255;
const URL_CHARS_MAX: usize = 2048;
/// Items of one collection; a page of 999 principals still fits into memory.
const ITEMS_MAX: usize = 100;
const SIGN_ON_MODES: &[&str] = &["password", "saml", "notSupported", "oidc"];

/// Members that only the server writes, or that are the application's.
const READ_ONLY: &[&str] = &[
    "id",
    "objectId",
    "addIns",
    "appId",
    "appDisplayName",
    "appDescription",
    "appOwnerOrganizationId",
    "appRoles",
    "applicationTemplateId",
    "createdDateTime",
    "deletedDateTime",
    "disabledByMicrosoftStatus",
    "info",
    "keyCredentials",
    "oauth2PermissionScopes",
    "passwordCredentials",
    "replyUrls",
    "resourceSpecificApplicationPermissions",
    "servicePrincipalNames",
    "servicePrincipalType",
    "signInAudience",
    "verifiedPublisher",
];

/// What is kept of a service principal besides its columns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ServicePrincipalDetails {
    /// Shown to users.
    pub description: Option<String>,
    /// Where the application lives; the application's own if absent.
    pub homepage: Option<String>,
    /// Where the provider signs users in.
    pub login_url: Option<String>,
    /// Front-channel sign-out; the application's own if absent.
    pub logout_url: Option<String>,
    /// How users sign in: `password`, `saml`, `notSupported`, `oidc`.
    pub preferred_single_sign_on_mode: Option<String>,
    /// Kept for its owner.
    pub preferred_token_signing_key_thumbprint: Option<String>,
    /// Whom to tell about certificates that expire.
    pub notification_email_addresses: Vec<String>,
    /// Kept for its owner.
    pub alternative_names: Vec<String>,
    /// Free words, besides the application's.
    pub tags: Vec<String>,
    /// Kept for its owner.
    pub token_encryption_key_id: Option<Uuid>,
    /// Kept for its owner.
    pub saml_single_sign_on_settings: Option<SamlSettings>,
}

/// Settings of SAML sign-on; kept for their owner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SamlSettings {
    /// Where to go after sign-in.
    pub relay_state: Option<String>,
}

/// Applies a change as `PATCH /servicePrincipals/{id}` does: what is named is replaced, null sets back to the default,
/// annotations are ignored.
///
/// # Errors
/// [`IdentityError::Invalid`] for members that do not exist, cannot be written, have the wrong type or break a rule.
pub(crate) fn changed(
    before: &ServicePrincipal,
    members: &Map<String, Value>,
) -> Result<ServicePrincipal, IdentityError> {
    let mut after = before.clone();
    let mut document = match serde_json::to_value(&before.details) {
        Ok(Value::Object(document)) => document,
        _ => Map::new(),
    };
    for (name, value) in members.iter().filter(|(name, _)| !name.contains('@')) {
        match name.as_str() {
            "accountEnabled" => after.account_enabled = truth(name, value, true)?,
            "appRoleAssignmentRequired" => {
                after.app_role_assignment_required = truth(name, value, false)?;
            }
            "notes" => after.notes = text(name, value)?,
            "displayName" if value.as_str() == Some(before.display_name.as_str()) => {}
            "displayName" => {
                return Err(IdentityError::invalid("displayName", "is the application's: change it there"));
            }
            name if READ_ONLY.contains(&name) => return Err(IdentityError::invalid(name, "is read-only")),
            _ => {
                if value.is_null() {
                    document.remove(name);
                } else {
                    document.insert(name.clone(), plain(value));
                }
            }
        }
    }
    after.details = serde_json::from_value(Value::Object(document)).map_err(|error| {
        let text = error.to_string();
        let named = mistyped(members).or_else(|| text.split('`').nth(1).map(str::to_owned));
        IdentityError::invalid(named.unwrap_or_else(|| "servicePrincipal".to_owned()), text)
    })?;
    check(&after)?;
    Ok(after)
}

/// The first member that is of the wrong type by itself: serde does not name it.
fn mistyped(members: &Map<String, Value>) -> Option<String> {
    let wrong = |(name, value): &(&String, &Value)| {
        let alone: Map<String, Value> = std::iter::once(((*name).clone(), plain(value))).collect();
        !value.is_null()
            && !["accountEnabled", "appRoleAssignmentRequired", "notes"].contains(&name.as_str())
            && !name.contains('@')
            && serde_json::from_value::<ServicePrincipalDetails>(Value::Object(alone)).is_err()
    };
    members.iter().find(wrong).map(|(name, _)| name.clone())
}

/// The SDKs write annotations at any depth.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !name.contains('@'))
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect(),
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

fn truth(name: &str, value: &Value, default: bool) -> Result<bool, IdentityError> {
    match value {
        Value::Null => Ok(default),
        Value::Bool(truth) => Ok(*truth),
        _ => Err(IdentityError::invalid(name, "must be true or false")),
    }
}

fn text(name: &str, value: &Value) -> Result<Option<String>, IdentityError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(IdentityError::invalid(name, "must be a text")),
    }
}

fn check(principal: &ServicePrincipal) -> Result<(), IdentityError> {
    let details = &principal.details;
    for (name, text) in [("notes", &principal.notes), ("description", &details.description)] {
        longest(name, text.as_deref(), TEXT_CHARS_MAX)?;
    }
    longest(
        "preferredTokenSigningKeyThumbprint",
        details.preferred_token_signing_key_thumbprint.as_deref(),
        NAME_CHARS_MAX,
    )?;
    let relay = details.saml_single_sign_on_settings.as_ref().and_then(|saml| saml.relay_state.as_deref());
    longest("samlSingleSignOnSettings", relay, URL_CHARS_MAX)?;
    for (name, url) in [("homepage", &details.homepage), ("loginUrl", &details.login_url)] {
        web_address(name, url.as_deref(), &["https", "http"])?;
    }
    web_address("logoutUrl", details.logout_url.as_deref(), &["https"])?;
    if let Some(mode) = details.preferred_single_sign_on_mode.as_deref()
        && !mode.is_empty()
        && !SIGN_ON_MODES.contains(&mode)
    {
        let reason = format!("must be one of {}", SIGN_ON_MODES.join(", "));
        return Err(IdentityError::invalid("preferredSingleSignOnMode", reason));
    }
    items("tags", &details.tags, TAG_CHARS_MAX)?;
    items("alternativeNames", &details.alternative_names, NAME_CHARS_MAX)?;
    items("notificationEmailAddresses", &details.notification_email_addresses, NAME_CHARS_MAX)?;
    let mail =
        |address: &String| address.split_once('@').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
    if !details.notification_email_addresses.iter().all(mail) {
        let reason = "must hold e-mail addresses such as radiology@contoso.local";
        return Err(IdentityError::invalid("notificationEmailAddresses", reason));
    }
    Ok(())
}

fn longest(name: &str, text: Option<&str>, most: usize) -> Result<(), IdentityError> {
    match text {
        Some(text) if text.chars().count() > most => {
            Err(IdentityError::invalid(name, format!("must not exceed {most} characters")))
        }
        _ => Ok(()),
    }
}

fn web_address(name: &str, text: Option<&str>, schemes: &[&str]) -> Result<(), IdentityError> {
    longest(name, text, URL_CHARS_MAX)?;
    match text {
        None | Some("") => Ok(()),
        Some(text) if Url::parse(text).is_ok_and(|url| schemes.contains(&url.scheme()) && url.has_host()) => {
            Ok(())
        }
        Some(_) => {
            Err(IdentityError::invalid(name, format!("must be an absolute {} address", schemes.join(" or "))))
        }
    }
}

fn items(name: &str, all: &[String], most: usize) -> Result<(), IdentityError> {
    if all.len() > ITEMS_MAX {
        return Err(IdentityError::invalid(name, format!("must not hold more than {ITEMS_MAX} items")));
    }
    match all.iter().find(|item| item.is_empty() || item.chars().count() > most) {
        Some(_) => Err(IdentityError::invalid(name, format!("must hold texts of 1 to {most} characters"))),
        None => Ok(()),
    }
}
