//! What a registration says about itself, in the shape of Microsoft Graph's `application` resource.
//!
//! The stored document and the wire have this one shape: a registration is exchanged as JSON with people's scripts,
//! so a second spelling of its forty members would only invite mistakes.

use hilum_kernel::{AppId, AppRoleId, ScopeId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

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

impl SignInAudience {
    /// Graph's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AzureADMyOrg => "AzureADMyOrg",
            Self::AzureADMultipleOrgs => "AzureADMultipleOrgs",
            Self::AzureADandPersonalMicrosoftAccount => "AzureADandPersonalMicrosoftAccount",
            Self::PersonalMicrosoftAccount => "PersonalMicrosoftAccount",
        }
    }

    /// Whether personal accounts may sign in.
    pub const fn is_personal(self) -> bool {
        matches!(self, Self::AzureADandPersonalMicrosoftAccount | Self::PersonalMicrosoftAccount)
    }
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
    /// Ours, in the words of RFC 9126 §6: authorization requests must be pushed. Off unless true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_pushed_authorization_requests: Option<bool>,
    /// Which groups go into tokens.
    pub group_membership_claims: Option<String>,
    /// Additional claims.
    pub optional_claims: Option<OptionalClaims>,
    /// The permissions it asks for.
    pub required_resource_access: Vec<RequiredResourceAccess>,
    /// The roles it defines as a resource.
    pub app_roles: Vec<AppRole>,
    /// Links for people.
    pub info: Links,
    /// What it is as a resource.
    pub api: Api,
    /// The web platform.
    pub web: Web,
    /// The single-page platform.
    pub spa: Redirects,
    /// The mobile and desktop platform.
    pub public_client: Redirects,
    /// Kept for its owner.
    pub add_ins: Vec<AddIn>,
    /// Kept for its owner.
    pub parental_control_settings: ParentalControl,
    /// Kept for its owner.
    pub service_management_reference: Option<String>,
    /// Kept for its owner.
    pub saml_metadata_url: Option<String>,
    /// Kept for its owner.
    pub token_encryption_key_id: Option<Uuid>,
    /// Kept for its owner.
    #[serde(alias = "oauth2RequiredPostResponse")]
    pub oauth2_require_post_response: Option<bool>,
    /// Kept for its owner.
    pub native_authentication_apis_enabled: Option<NativeAuthentication>,
    /// Kept for its owner.
    pub service_principal_lock_configuration: Option<PrincipalLock>,
    /// A name that its owner gave it, and that never changes.
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
    /// The same with their places in lists that people order; there is one for each of `redirect_uris`.
    pub redirect_uri_settings: Vec<RedirectUriSetting>,
    /// The implicit flow's switches.
    pub implicit_grant_settings: ImplicitGrantSettings,
}

/// A redirect URI and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedirectUriSetting {
    /// The URI.
    pub uri: String,
    /// Its place.
    #[serde(default)]
    pub index: Option<i32>,
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

/// Links for people (`info`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Links {
    /// Read-only in Graph; there are no logos here.
    pub logo_url: Option<String>,
    /// What it is for.
    pub marketing_url: Option<String>,
    /// What happens to data.
    pub privacy_statement_url: Option<String>,
    /// Where to ask.
    pub support_url: Option<String>,
    /// What is agreed to.
    pub terms_of_service_url: Option<String>,
}

/// Additional claims for each kind of token (`optionalClaims`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct OptionalClaims {
    /// In access tokens for this resource.
    pub access_token: Vec<OptionalClaim>,
    /// In ID tokens for this client.
    pub id_token: Vec<OptionalClaim>,
    /// Kept for its owner.
    pub saml2_token: Vec<OptionalClaim>,
}

/// One additional claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OptionalClaim {
    /// Its name, e.g. `email`.
    pub name: String,
    /// Null for a predefined claim, `user` for one of the user's properties.
    #[serde(default)]
    pub source: Option<String>,
    /// Whether the client depends on it.
    #[serde(default)]
    pub essential: bool,
    /// How it is written, e.g. `emit_as_roles`.
    #[serde(default)]
    pub additional_properties: Vec<String>,
}

/// Data for other services (`addIns[]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddIn {
    /// Its GUID.
    pub id: Uuid,
    /// What it is for.
    #[serde(rename = "type")]
    pub kind: String,
    /// The data.
    #[serde(default)]
    pub properties: Vec<KeyValue>,
}

/// A name and a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyValue {
    /// The name.
    pub key: String,
    /// The value.
    #[serde(default)]
    pub value: Option<String>,
}

/// `parentalControlSettings`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ParentalControl {
    /// ISO 3166 codes of countries.
    pub countries_blocked_for_minors: Vec<String>,
    /// `Allow`, `RequireConsentForPrivacyServices`, `RequireConsentForMinors`, `RequireConsentForKids`, `BlockMinors`.
    pub legal_age_group_rule: String,
}

impl Default for ParentalControl {
    fn default() -> Self {
        Self { countries_blocked_for_minors: Vec::new(), legal_age_group_rule: "Allow".to_owned() }
    }
}

/// `nativeAuthenticationApisEnabled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NativeAuthentication {
    /// None of them.
    None,
    /// All of them.
    All,
}

/// `servicePrincipalLockConfiguration`: which properties of its principals in other tenants cannot be changed there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PrincipalLock {
    /// Whether anything is.
    pub is_enabled: bool,
    /// Whether all of them are.
    pub all_properties: Option<bool>,
    /// Certificates for verifying.
    pub credentials_with_usage_verify: Option<bool>,
    /// Certificates for signing.
    pub credentials_with_usage_sign: Option<bool>,
    /// Names.
    pub identifier_uris: Option<bool>,
    /// The key for encrypting.
    pub token_encryption_key_id: Option<bool>,
}

const fn yes() -> bool {
    true
}
