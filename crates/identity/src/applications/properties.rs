//! What a registration says about itself, in the shape of Microsoft Graph's `application` resource.
//!
//! The stored document and the wire have this one shape: a registration is exchanged as JSON with people's scripts,
//! so a second spelling of its forty members would only invite mistakes.

use hilum_kernel::{AppId, AppRoleId, ScopeId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::IdentityError;

/// Who may sign in (`signInAudience`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignInAudience {
    /// Accounts of this tenant.
    #[default]
    AzureADMyOrg,
    /// Accounts of any organisation.
    AzureADMultipleOrgs,
    /// Any organisation and personal accounts.
    AzureADandPersonalMicrosoftAccount,
    /// Personal accounts only.
    PersonalMicrosoftAccount,
}

/// Everything about a registration that its owner may change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ApplicationProperties {
    /// Name for people, 1 to 120 characters.
    pub display_name: String,
    /// Shown to users.
    pub description: Option<String>,
    /// For administrators.
    pub notes: Option<String>,
    /// Who may sign in.
    pub sign_in_audience: SignInAudience,
    /// The names under which it is a resource.
    pub identifier_uris: Vec<String>,
    /// Free words.
    pub tags: Vec<String>,
    /// Whether public client flows are allowed.
    pub is_fallback_public_client: Option<bool>,
    /// Device flow without user.
    pub is_device_only_auth_supported: Option<bool>,
    /// Whether the registration is switched off: no tokens.
    pub is_disabled: Option<bool>,
    /// Ours: whether the password grant may be used. Off until an administrator switches it on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_password_grant: Option<bool>,
    /// Which groups go into tokens.
    pub group_membership_claims: Option<String>,
    /// Additional claims.
    pub optional_claims: Option<Value>,
    /// The permissions it asks for.
    pub required_resource_access: Vec<RequiredResourceAccess>,
    /// The roles it defines as a resource.
    pub app_roles: Vec<AppRole>,
    /// Links for people.
    pub info: Map<String, Value>,
    /// What it is as a resource.
    pub api: Api,
    /// The web platform.
    pub web: Web,
    /// The single-page platform.
    pub spa: Redirects,
    /// The mobile and desktop platform.
    pub public_client: Redirects,
    /// Kept for its owner.
    pub add_ins: Vec<Value>,
    /// Kept for its owner.
    pub parental_control_settings: Option<Value>,
    /// Kept for its owner.
    pub service_management_reference: Option<String>,
    /// Kept for its owner.
    pub saml_metadata_url: Option<String>,
    /// Kept for its owner.
    pub token_encryption_key_id: Option<Uuid>,
    /// Kept for its owner.
    pub oauth2_require_post_response: Option<bool>,
    /// Kept for its owner.
    pub native_authentication_apis_enabled: Option<Value>,
    /// Kept for its owner.
    pub service_principal_lock_configuration: Option<Value>,
    /// A name that never changes.
    pub unique_name: Option<String>,
}

/// What the application is as a resource (`api`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Api {
    /// Not supported; kept.
    pub accept_mapped_claims: Option<bool>,
    /// Clients whose users consent to both at once.
    pub known_client_applications: Vec<AppId>,
    /// The delegated permissions it defines.
    pub oauth2_permission_scopes: Vec<PermissionScope>,
    /// Clients whose users are not asked.
    pub pre_authorized_applications: Vec<PreAuthorizedApplication>,
    /// 1 or 2; null means 1, as in Entra.
    pub requested_access_token_version: Option<i64>,
}

/// A delegated permission (`oauth2PermissionScopes[]`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PermissionScope {
    /// Its GUID.
    pub id: ScopeId,
    /// The word in `scp`.
    pub value: Option<String>,
    /// Who may consent.
    #[serde(rename = "type", default)]
    pub kind: PermissionScopeKind,
    /// Whether it may be asked for.
    #[serde(default = "yes")]
    pub is_enabled: bool,
    /// For administrators.
    #[serde(default)]
    pub admin_consent_display_name: Option<String>,
    /// For administrators.
    #[serde(default)]
    pub admin_consent_description: Option<String>,
    /// For users.
    #[serde(default)]
    pub user_consent_display_name: Option<String>,
    /// For users.
    #[serde(default)]
    pub user_consent_description: Option<String>,
    /// Read-only in Graph; ignored.
    #[serde(default, skip_serializing)]
    pub origin: Option<String>,
}

/// Who may consent to a delegated permission.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PermissionScopeKind {
    /// Users for themselves.
    #[default]
    User,
    /// Administrators only.
    Admin,
}

/// A client that needs no consent (`preAuthorizedApplications[]`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreAuthorizedApplication {
    /// The client.
    pub app_id: AppId,
    /// For which permissions. Older documents say `permissionIds`.
    #[serde(alias = "permissionIds", default)]
    pub delegated_permission_ids: Vec<ScopeId>,
}

/// A role the application defines (`appRoles[]`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppRole {
    /// Its GUID.
    pub id: AppRoleId,
    /// The word in `roles`.
    pub value: Option<String>,
    /// Name for people.
    #[serde(default)]
    pub display_name: String,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// To whom it may be assigned.
    pub allowed_member_types: Vec<MemberType>,
    /// Whether it may be assigned and goes into tokens.
    #[serde(default = "yes")]
    pub is_enabled: bool,
    /// Read-only in Graph; ignored.
    #[serde(default, skip_serializing)]
    pub origin: Option<String>,
}

/// To whom a role may be assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberType {
    /// Users and groups.
    User,
    /// Service principals.
    Application,
}

/// The permissions asked of one resource (`requiredResourceAccess[]`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequiredResourceAccess {
    /// The resource.
    pub resource_app_id: AppId,
    /// The permissions.
    pub resource_access: Vec<ResourceAccess>,
}

/// One permission asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceAccess {
    /// The scope's or role's GUID.
    pub id: Uuid,
    /// Which of both.
    #[serde(rename = "type")]
    pub kind: PermissionKind,
}

/// The two kinds of permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PermissionKind {
    /// Delegated.
    Scope,
    /// Application.
    Role,
}

/// The web platform (`web`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Web {
    /// Where the application lives.
    pub home_page_url: Option<String>,
    /// Front-channel sign-out.
    pub logout_url: Option<String>,
    /// Where answers may go.
    pub redirect_uris: Vec<String>,
    /// Read-only in Graph; ignored.
    #[serde(skip_serializing)]
    pub redirect_uri_settings: Vec<Value>,
    /// The implicit flow's switches.
    pub implicit_grant_settings: ImplicitGrantSettings,
}

/// The implicit flow's switches, both off by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ImplicitGrantSettings {
    /// Access tokens from the authorization endpoint.
    pub enable_access_token_issuance: bool,
    /// ID tokens from the authorization endpoint.
    pub enable_id_token_issuance: bool,
}

/// A platform that is only its redirect URIs (`spa`, `publicClient`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Redirects {
    /// Where answers may go.
    pub redirect_uris: Vec<String>,
}

const fn yes() -> bool {
    true
}

/// Members of the resource that only the server writes.
const READ_ONLY: &[&str] = &[
    "id",
    "objectId",
    "appId",
    "createdDateTime",
    "deletedDateTime",
    "publisherDomain",
    "passwordCredentials",
    "keyCredentials",
    "verifiedPublisher",
    "certification",
    "disabledByMicrosoftStatus",
    "applicationTemplateId",
];

impl ApplicationProperties {
    /// Applies a change as `PATCH /applications/{id}` does: collections are replaced, complex members are merged
    /// member by member, null sets back to the default, annotations (`@odata.type`) are ignored.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for members that do not exist, cannot be written or have the wrong type.
    pub fn merged(&self, change: &Map<String, Value>) -> Result<Self, IdentityError> {
        if let Some(name) = change.keys().find(|name| READ_ONLY.contains(&name.as_str())) {
            return Err(IdentityError::invalid(name, "is read-only"));
        }
        let mut document = serde_json::to_value(self).map_err(|error| refused(&error))?;
        merge(&mut document, change);
        serde_json::from_value(document).map_err(|error| refused(&error))
    }
}

fn merge(into: &mut Value, change: &Map<String, Value>) {
    let Value::Object(members) = into else { return };
    for (name, value) in change {
        if name.starts_with('@') || name.contains("@odata") {
            continue;
        }
        match (members.get_mut(name), value) {
            (_, Value::Null) => {
                members.remove(name);
            }
            (Some(old @ Value::Object(_)), Value::Object(inner)) => merge(old, inner),
            _ => {
                members.insert(name.clone(), without_annotations(value));
            }
        }
    }
}

/// The SDKs write `@odata.type` at any depth.
fn without_annotations(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !name.contains("@odata"))
            .map(|(name, value)| (name.clone(), without_annotations(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_annotations).collect(),
        other => other.clone(),
    }
}

/// serde names the unknown or mistyped member between backticks.
fn refused(error: &serde_json::Error) -> IdentityError {
    let text = error.to_string();
    let member = text.split('`').nth(1).unwrap_or("application").to_owned();
    IdentityError::invalid(member, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_change_replaces_collections_merges_complex_members_and_clears_with_null() {
        let first = ApplicationProperties::default()
            .merged(&map(
                r##"{"displayName":"a","web":{"redirectUris":["https://a/x"],"homePageUrl":"https://a"},
                    "isFallbackPublicClient":true,"@odata.type":"#microsoft.graph.application",
                    "api":{"@odata.type":"x","preAuthorizedApplications":[{"@odata.type":"y",
                        "appId":"04b07795-8ddb-461a-bbee-02f9e1bf7b46","permissionIds":[]}]}}"##,
            ))
            .unwrap();
        assert_eq!(first.api.pre_authorized_applications.len(), 1);
        let second = first
            .merged(&map(
                r#"{"web":{"redirectUris":["https://b/y"],"implicitGrantSettings":{"enableIdTokenIssuance":true}},
                    "isFallbackPublicClient":null}"#,
            ))
            .unwrap();
        assert_eq!(second.web.redirect_uris, ["https://b/y"]);
        assert_eq!(second.web.home_page_url.as_deref(), Some("https://a"));
        assert!(second.web.implicit_grant_settings.enable_id_token_issuance);
        assert_eq!(second.is_fallback_public_client, None);
    }

    #[test]
    fn unknown_and_read_only_members_are_named() {
        for (change, named) in [
            (r#"{"appId":"x"}"#, "appId"),
            (r#"{"nonsense":1}"#, "nonsense"),
            (r#"{"web":{"redirectUri":[]}}"#, "redirectUri"),
        ] {
            match ApplicationProperties::default().merged(&map(change)) {
                Err(IdentityError::Invalid { property, .. }) => assert_eq!(property, named),
                other => panic!("{change}: {other:?}"),
            }
        }
    }
}
