//! The rules for registrations (sheet §5.4), checked before one is saved.

use std::collections::HashSet;

use hilum_kernel::AppId;
use url::{Host, Url};

use super::properties::{ApplicationProperties, SignInAudience};
use crate::{IdentityError, Tenant, folded, tenants};

/// Redirect URIs of all platforms together: 256 for organisations, 100 with personal accounts.
const REDIRECT_URIS_MAX: usize = 256;
const REDIRECT_URIS_PERSONAL_MAX: usize = 100;
const REDIRECT_URI_CHARS_MAX: usize = 256;
const IDENTIFIER_URIS_MAX: usize = 50;
const IDENTIFIER_URI_CHARS_MAX: usize = 255;
const RESOURCES_MAX: usize = 50;
const PERMISSIONS_MAX: usize = 400;
const VALUE_CHARS_MAX: usize = 120;
/// Entra counts all collection items of an object: about 1,200 may be stored.
const PERMISSIONS_DEFINED_MAX: usize = 1200;
const TAGS_MAX: usize = 100;
/// What besides letters and digits may stand in a scope's or role's value.
const VALUE_MARKS: &str = ":!#$%&'()*+,-./;=?@[]^_`{|}~";
/// Words of OpenID Connect, which no scope may be called.
const RESERVED_VALUES: &[&str] = &["openid", "profile", "email", "offline_access", ".default"];

/// Whether the object is one of the seeded ones, which own names that nobody else may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Registered,
    Seeded,
}

/// Checks all rules; the first that is broken is told.
pub(crate) fn check(
    properties: &ApplicationProperties,
    app_id: AppId,
    tenant: &Tenant,
    policy: Policy,
) -> Result<(), IdentityError> {
    texts(properties)?;
    redirect_uris(properties)?;
    identifier_uris(&properties.identifier_uris, app_id, tenant, policy)?;
    permissions_asked(properties)?;
    permissions_defined(properties, policy)?;
    match (properties.api.requested_access_token_version, properties.sign_in_audience) {
        (None | Some(1), SignInAudience::AzureADMyOrg | SignInAudience::AzureADMultipleOrgs)
        | (Some(2), _) => Ok(()),
        (None | Some(1), _) => Err(IdentityError::invalid(
            "api.requestedAccessTokenVersion",
            "must be 2 where personal accounts may sign in",
        )),
        (Some(_), _) => Err(IdentityError::invalid("api.requestedAccessTokenVersion", "must be 1 or 2")),
    }
}

/// A scope or role must be disabled before it may be removed.
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
    let reason = "a permission must be disabled before it can be removed or changed to another";
    match (role_gone, scope_gone) {
        (true, _) => Err(IdentityError::invalid("appRoles", reason)),
        (_, true) => Err(IdentityError::invalid("api.oauth2PermissionScopes", reason)),
        _ => Ok(()),
    }
}

fn texts(properties: &ApplicationProperties) -> Result<(), IdentityError> {
    let name = properties.display_name.trim();
    if name.is_empty() || properties.display_name.chars().count() > 120 {
        return Err(IdentityError::invalid("displayName", "must have 1 to 120 characters"));
    }
    if properties.display_name.chars().any(char::is_control) {
        return Err(IdentityError::invalid("displayName", "must not hold control characters"));
    }
    for (member, text) in [("description", &properties.description), ("notes", &properties.notes)] {
        if text.as_ref().is_some_and(|text| text.chars().count() > 1024) {
            return Err(IdentityError::invalid(member, "must not exceed 1024 characters"));
        }
    }
    if properties.tags.len() > TAGS_MAX
        || properties.tags.iter().any(|tag| tag.is_empty() || tag.chars().count() > 256)
    {
        return Err(IdentityError::invalid("tags", "each must have 1 to 256 characters"));
    }
    if let Some(url) = &properties.web.logout_url
        && (url.len() > 255 || !url.starts_with("https://") || Url::parse(url).is_err())
    {
        return Err(IdentityError::invalid(
            "web.logoutUrl",
            "must be an https URL of at most 255 characters",
        ));
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Platform {
    Web,
    Spa,
    PublicClient,
}

fn redirect_uris(properties: &ApplicationProperties) -> Result<(), IdentityError> {
    let personal = matches!(
        properties.sign_in_audience,
        SignInAudience::AzureADandPersonalMicrosoftAccount | SignInAudience::PersonalMicrosoftAccount
    );
    let mut seen = HashSet::new();
    for (member, platform, uris) in [
        ("web.redirectUris", Platform::Web, &properties.web.redirect_uris),
        ("spa.redirectUris", Platform::Spa, &properties.spa.redirect_uris),
        ("publicClient.redirectUris", Platform::PublicClient, &properties.public_client.redirect_uris),
    ] {
        for uri in uris {
            redirect_uri(uri, platform, personal)
                .map_err(|reason| IdentityError::invalid(member, format!("'{}' {reason}", shortened(uri))))?;
            if !seen.insert(uri) {
                return Err(IdentityError::invalid(
                    member,
                    format!("'{}' is registered more than once", shortened(uri)),
                ));
            }
        }
    }
    let most = if personal { REDIRECT_URIS_PERSONAL_MAX } else { REDIRECT_URIS_MAX };
    if seen.len() > most {
        return Err(IdentityError::invalid("web.redirectUris", format!("there may be at most {most}")));
    }
    Ok(())
}

fn redirect_uri(uri: &str, platform: Platform, personal: bool) -> Result<(), &'static str> {
    if uri.chars().count() > REDIRECT_URI_CHARS_MAX {
        return Err("has more than 256 characters");
    }
    if uri.contains('*') {
        return Err("holds a wildcard");
    }
    if uri.chars().any(|c| "!$'(),;".contains(c) || c.is_control() || c.is_whitespace()) {
        return Err("holds characters that are not allowed");
    }
    let url = Url::parse(uri).map_err(|_| "is not an absolute URI")?;
    if uri.contains('#') {
        return Err("has a fragment");
    }
    if personal && url.query().is_some() {
        return Err("has a query, which is not allowed where personal accounts may sign in");
    }
    match (url.scheme(), url.host()) {
        // http for loopback: RFC 8252 §7.3; [::1] is not taken by Entra.
        ("https", Some(_)) | ("http", Some(Host::Domain("localhost"))) => Ok(()),
        ("http", Some(Host::Ipv4(address))) if address.is_loopback() => Ok(()),
        ("http", _) => Err("uses http, which is allowed for localhost only"),
        ("javascript" | "data" | "file" | "vbscript" | "blob" | "about", _) => {
            Err("uses a scheme that is not allowed")
        }
        // RFC 8252 §7.1: private-use schemes belong to applications on a device.
        (_, _) if platform == Platform::PublicClient => Ok(()),
        _ => Err("must start with https or http://localhost"),
    }
}

fn identifier_uris(
    uris: &[String],
    app_id: AppId,
    tenant: &Tenant,
    policy: Policy,
) -> Result<(), IdentityError> {
    let refuse = |uri: &str, reason: &str| {
        Err(IdentityError::invalid("identifierUris", format!("'{}' {reason}", shortened(uri))))
    };
    if uris.len() > IDENTIFIER_URIS_MAX {
        return Err(IdentityError::invalid("identifierUris", "there may be at most 50"));
    }
    let mut seen = HashSet::new();
    for uri in uris {
        if uri.chars().count() > IDENTIFIER_URI_CHARS_MAX || uri.chars().any(char::is_whitespace) {
            return refuse(uri, "has more than 255 characters or holds spaces");
        }
        if !seen.insert(folded(uri)) {
            return refuse(uri, "is named twice");
        }
        if policy == Policy::Seeded {
            continue;
        }
        if uri.ends_with('/') || uri.contains('*') || uri.contains('#') {
            return refuse(uri, "ends with a slash or holds a wildcard or fragment");
        }
        if !follows_policy(uri, app_id, tenant) {
            return refuse(
                uri,
                "must have the form api://{appId}, api://{tenantId}/…, api://…/{appId} or https://{tenant domain}/…",
            );
        }
    }
    Ok(())
}

fn follows_policy(uri: &str, app_id: AppId, tenant: &Tenant) -> bool {
    let uri = uri.to_ascii_lowercase();
    let (app_id, tenant_id) = (app_id.to_string(), tenant.id.to_string());
    if let Some(rest) = uri.strip_prefix("api://") {
        let tenant_first =
            rest.split_once('/').is_some_and(|(first, rest)| first == tenant_id && !rest.is_empty());
        return rest == app_id
            || tenant_first
            || rest.strip_suffix(&app_id).is_some_and(|p| p.len() > 1 && p.ends_with('/'));
    }
    let Some(host) = Url::parse(&uri)
        .ok()
        .filter(|url| url.scheme() == "https")
        .and_then(|url| url.host_str().map(str::to_owned))
    else {
        return false;
    };
    tenants::is_plausible_domain(&host)
        && (host == tenant.domain || host.strip_suffix(&tenant.domain).is_some_and(|sub| sub.ends_with('.')))
}

fn permissions_asked(properties: &ApplicationProperties) -> Result<(), IdentityError> {
    let all = &properties.required_resource_access;
    let count: usize = all.iter().map(|resource| resource.resource_access.len()).sum();
    if all.len() > RESOURCES_MAX || count > PERMISSIONS_MAX {
        return Err(IdentityError::invalid(
            "requiredResourceAccess",
            "there may be at most 50 resources and 400 permissions",
        ));
    }
    let mut seen = HashSet::new();
    if !all.iter().all(|resource| seen.insert(resource.resource_app_id)) {
        return Err(IdentityError::invalid("requiredResourceAccess", "a resource is named twice"));
    }
    Ok(())
}

fn permissions_defined(properties: &ApplicationProperties, policy: Policy) -> Result<(), IdentityError> {
    let scopes = &properties.api.oauth2_permission_scopes;
    let roles = &properties.app_roles;
    if scopes.len() + roles.len() > PERMISSIONS_DEFINED_MAX {
        return Err(IdentityError::invalid("appRoles", "there are too many"));
    }
    let mut ids = HashSet::new();
    let mut values = HashSet::new();
    let named = scopes
        .iter()
        .map(|scope| ("api.oauth2PermissionScopes", scope.id.uuid(), &scope.value))
        .chain(roles.iter().map(|role| ("appRoles", role.id.uuid(), &role.value)));
    for (member, id, text) in named {
        if !ids.insert(id) {
            return Err(IdentityError::invalid(member, format!("the id {id} is used twice")));
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
                format!("the value '{}' is used twice", shortened(text)),
            ));
        }
    }
    for role in roles {
        if role.allowed_member_types.is_empty() {
            return Err(IdentityError::invalid(
                "appRoles",
                "allowedMemberTypes must name User or Application",
            ));
        }
        if role.display_name.chars().count() > 100 {
            return Err(IdentityError::invalid("appRoles", "displayName must not exceed 100 characters"));
        }
    }
    Ok(())
}

fn value(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.chars().count() > VALUE_CHARS_MAX {
        return Err("must have 1 to 120 characters");
    }
    if text.starts_with('.') || RESERVED_VALUES.contains(&text.to_ascii_lowercase().as_str()) {
        return Err("starts with a dot or is reserved");
    }
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || VALUE_MARKS.contains(c)) {
        return Err("holds characters that are not allowed");
    }
    Ok(())
}

/// What is repeated to the caller stays short.
fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_uris_of_each_platform() {
        for (uri, platform, good) in [
            ("https://app.example/callback?x=1", Platform::Web, true),
            ("http://localhost", Platform::Web, true),
            ("http://127.0.0.1:3000/cb", Platform::Spa, true),
            ("http://[::1]/cb", Platform::Web, false),
            ("http://app.example/cb", Platform::Web, false),
            ("https://*.example/cb", Platform::Web, false),
            ("https://app.example/#x", Platform::Web, false),
            ("/callback", Platform::Web, false),
            ("myapp://auth", Platform::Web, false),
            ("myapp://auth", Platform::PublicClient, true),
            ("urn:ietf:wg:oauth:2.0:oob", Platform::PublicClient, true),
            ("javascript:alert", Platform::PublicClient, false),
            ("https://app.example/a;b", Platform::Web, false),
        ] {
            assert_eq!(redirect_uri(uri, platform, false).is_ok(), good, "{uri}");
        }
        assert!(redirect_uri("https://a.example/?x=1", Platform::Web, true).is_err());
        assert!(
            redirect_uri(&format!("https://a.example/{}", "x".repeat(240)), Platform::Web, false).is_err()
        );
    }

    #[test]
    fn identifier_uris_follow_the_policy() {
        let tenant = Tenant {
            id: "11111111-2222-3333-4444-555555555555".parse().unwrap(),
            domain: "contoso.local".to_owned(),
            display_name: String::new(),
            created_at: jiff::Timestamp::UNIX_EPOCH,
        };
        let app: AppId = "99999999-2222-3333-4444-555555555555".parse().unwrap();
        for (uri, good) in [
            ("api://99999999-2222-3333-4444-555555555555", true),
            ("api://11111111-2222-3333-4444-555555555555/imaging", true),
            ("api://imaging/99999999-2222-3333-4444-555555555555", true),
            ("https://contoso.local/imaging", true),
            ("https://pacs.contoso.local", true),
            ("https://evilcontoso.local", false),
            ("https://contoso.local/", false),
            ("https://graph.microsoft.com", false),
            ("api://imaging", false),
            ("api://x99999999-2222-3333-4444-555555555555", false),
        ] {
            let result = identifier_uris(&[uri.to_owned()], app, &tenant, Policy::Registered);
            assert_eq!(result.is_ok(), good, "{uri}");
        }
    }

    #[test]
    fn values_of_scopes_and_roles() {
        for (text, good) in [
            ("Dicom.ReadWrite", true),
            ("user:read", true),
            ("DICOM Data Owner", false),
            (".default", false),
            ("OpenID", false),
            ("", false),
        ] {
            assert_eq!(value(text).is_ok(), good, "{text}");
        }
    }
}
