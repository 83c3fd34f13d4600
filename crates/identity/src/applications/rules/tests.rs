//! Each rule, broken alone: a good registration with one thing wrong.

use serde_json::{Map, Value, json};

use super::{
    Ground, IdentifierUriPolicy, Policy, check, check_removals,
    permissions::value,
    redirect_uris::{Platform, redirect_uri},
};
use crate::{ApplicationProperties, IdentityError, Tenant, testing::members};

const APP: &str = "99999999-2222-3333-4444-555555555555";
const OTHER: &str = "11111111-0000-0000-0000-000000000001";

fn tenant() -> Tenant {
    Tenant {
        id: "11111111-2222-3333-4444-555555555555".parse().unwrap(),
        domain: "contoso.local".to_owned(),
        display_name: String::new(),
        created_at: jiff::Timestamp::UNIX_EPOCH,
    }
}

/// A registration that uses everything and breaks nothing.
fn good() -> ApplicationProperties {
    let change = json!({
        "displayName": "Imaging", "description": "d", "notes": "n", "tags": ["HideApp"],
        "identifierUris": [format!("api://{APP}")],
        "web": {"redirectUris": ["https://app.example/cb"], "logoutUrl": "https://app.example/out",
            "homePageUrl": "https://app.example"},
        "spa": {"redirectUris": ["http://localhost:3000"]},
        "publicClient": {"redirectUris": ["http://localhost", "myapp://auth"]},
        "info": {"marketingUrl": "https://app.example/m"},
        "groupMembershipClaims": "SecurityGroup, DirectoryRole",
        "optionalClaims": {"idToken": [{"name": "email"}]},
        "requiredResourceAccess": [{"resourceAppId": OTHER, "resourceAccess": [{"id": OTHER, "type": "Scope"}]}],
        "api": {"requestedAccessTokenVersion": 2, "knownClientApplications": [OTHER],
            "oauth2PermissionScopes": [scope(1, "Read")],
            "preAuthorizedApplications": [{"appId": OTHER, "permissionIds": [guid(1)]}]},
        "appRoles": [role(2, "Owner")],
    });
    merged(&ApplicationProperties::default(), change)
}

fn guid(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn scope(id: usize, value: &str) -> Value {
    json!({"id": guid(id), "value": value, "type": "User", "adminConsentDisplayName": "a",
        "adminConsentDescription": "b"})
}

fn role(id: usize, value: &str) -> Value {
    json!({"id": guid(id), "value": value, "displayName": "d", "description": "e", "allowedMemberTypes": ["User"]})
}

fn with(mut object: Value, member: &str, value: Value) -> Value {
    object[member] = value;
    object
}

fn merged(properties: &ApplicationProperties, change: Value) -> ApplicationProperties {
    let Value::Object(change) = change else { panic!("an object is needed") };
    properties.merged(&change).unwrap()
}

fn checked(
    properties: &ApplicationProperties,
    identifier_uris: IdentifierUriPolicy,
) -> Result<(), IdentityError> {
    let ground = Ground {
        app_id: APP.parse().unwrap(),
        tenant: &tenant(),
        policy: Policy::Registered,
        identifier_uris,
    };
    check(properties, ground)
}

/// Member and reason of the refusal of the good registration with this change.
#[track_caller]
fn refused(change: Value) -> (String, String) {
    let text = change.to_string();
    match checked(&merged(&good(), change), IdentifierUriPolicy::Tenant) {
        Err(IdentityError::Invalid { property, reason }) => (property, reason),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_registration_that_uses_everything_is_good() {
    checked(&good(), IdentifierUriPolicy::Tenant).unwrap();
}

#[test]
#[expect(clippy::too_many_lines, reason = "a line for each rule")]
fn each_rule_broken_alone() {
    let long = |count| "x".repeat(count);
    let many = |count, item: &dyn Fn(usize) -> Value| (0..count).map(item).collect::<Vec<_>>();
    let asked = |count| many(count, &|n| json!({"id": guid(n), "type": "Role"}));
    let permission = |id: usize| {
        json!([{"resourceAppId": OTHER, "resourceAccess":
        [{"id": guid(id), "type": "Scope"}, {"id": guid(id), "type": "Role"}]}])
    };
    let cases = [
        json!({"displayName": " "}),
        json!({"displayName": long(121)}),
        json!({"displayName": "a\u{7}b"}),
        json!({"displayName": long(91), "signInAudience": "AzureADandPersonalMicrosoftAccount"}),
        json!({"description": long(1025)}),
        json!({"notes": long(1025)}),
        json!({"serviceManagementReference": long(257)}),
        json!({"uniqueName": " "}),
        json!({"tags": [""]}),
        json!({"tags": [long(257)]}),
        json!({"tags": many(101, &|n| json!(n.to_string()))}),
        json!({"web": {"logoutUrl": "http://app.example/out"}}),
        json!({"web": {"logoutUrl": format!("https://app.example/{}", long(240))}}),
        json!({"web": {"homePageUrl": "javascript:alert(1)"}}),
        json!({"info": {"supportUrl": "ftp://x.example"}}),
        json!({"groupMembershipClaims": "Everything"}),
        json!({"parentalControlSettings": {"legalAgeGroupRule": "Never"}}),
        json!({"parentalControlSettings": {"countriesBlockedForMinors": ["DEU"]}}),
        json!({"optionalClaims": {"accessToken": [{"name": ""}]}}),
        json!({"optionalClaims": {"accessToken": [{"name": "email"}, {"name": "email"}]}}),
        json!({"optionalClaims": {"accessToken": [{"name": "email", "source": "moon"}]}}),
        json!({"web": {"redirectUris": many(255, &|n| json!(format!("https://app.example/{n}")))}}),
        json!({"signInAudience": "PersonalMicrosoftAccount",
            "web": {"redirectUris": many(99, &|n| json!(format!("https://app.example/{n}")))}}),
        json!({"spa": {"redirectUris": ["https://app.example/cb"]}}),
        json!({"web": {"redirectUris": ["https://app.example/#x"]}}),
        json!({"identifierUris": many(51, &|n| json!(format!("api://{APP}/{n}")))}),
        json!({"identifierUris": [format!("api://{APP}"), format!("API://{APP}")]}),
        json!({"identifierUris": ["https://evilcontoso.local"]}),
        json!({"identifierUris": ["https://contoso.local/"]}),
        json!({"identifierUris": ["https://*.contoso.local"]}),
        json!({"identifierUris": ["https://contoso.local/a b"]}),
        json!({"identifierUris": [format!("https://contoso.local/{}", long(250))]}),
        json!({"requiredResourceAccess": many(51, &|n| json!({"resourceAppId": guid(n), "resourceAccess": []}))}),
        json!({"requiredResourceAccess": [{"resourceAppId": OTHER, "resourceAccess": asked(401)}]}),
        json!({"requiredResourceAccess": many(2, &|_| json!({"resourceAppId": OTHER, "resourceAccess": []}))}),
        json!({"requiredResourceAccess": permission(7)}),
        json!({"appRoles": [role(1, "Owner")]}),
        json!({"appRoles": [role(2, "read")]}),
        json!({"appRoles": [role(2, "Data Owner")]}),
        json!({"appRoles": [role(2, ".default")]}),
        json!({"appRoles": [role(2, &long(121))]}),
        json!({"appRoles": [with(role(0, "Owner"), "id", json!("00000000-0000-0000-0000-000000000000"))]}),
        json!({"appRoles": [with(role(2, "Owner"), "allowedMemberTypes", json!([]))]}),
        json!({"appRoles": [with(role(2, "Owner"), "displayName", json!(long(101)))]}),
        json!({"api": {"oauth2PermissionScopes": [scope(1, "email")]}}),
        json!({"api": {"oauth2PermissionScopes": [with(scope(1, "Read"), "adminConsentDisplayName", json!(long(101)))]}}),
        json!({"api": {"oauth2PermissionScopes": [with(scope(1, "Read"), "userConsentDescription", json!(long(851)))]}}),
        json!({"api": {"preAuthorizedApplications": [{"appId": OTHER, "delegatedPermissionIds": [guid(9)]}]}}),
        json!({"api": {"preAuthorizedApplications": many(2, &|_| json!({"appId": OTHER}))}}),
        json!({"api": {"knownClientApplications": [OTHER, OTHER]}}),
        json!({"api": {"requestedAccessTokenVersion": 3}}),
        json!({"signInAudience": "PersonalMicrosoftAccount", "api": {"requestedAccessTokenVersion": null}}),
        json!({"addIns": [{"id": guid(5), "type": "x", "properties": many(1200, &|n| json!({"key": n.to_string()}))}]}),
    ];
    let told: Vec<String> = cases
        .into_iter()
        .map(|case| {
            let (member, reason) = refused(case);
            // The same sentence for any length of nonsense.
            format!("{member}: {}", reason.replace(&"x".repeat(20), ""))
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn redirect_uris_of_each_platform() {
    for (uri, platform, good) in [
        ("https://app.example/callback?x=1", Platform::Web, true),
        ("http://localhost", Platform::Web, true),
        ("http://127.0.0.1:3000/cb", Platform::Spa, true),
        ("http://[::1]/cb", Platform::Web, false),
        ("http://app.example/cb", Platform::Web, false),
        ("http://app.example/cb", Platform::PublicClient, false),
        ("http://localhost.evil.example/cb", Platform::Web, false),
        ("https://*.example/cb", Platform::Web, false),
        ("https://app.example/#x", Platform::Web, false),
        ("https://user:pw@app.example/cb", Platform::Web, false),
        ("/callback", Platform::Web, false),
        ("myapp://auth", Platform::Web, false),
        ("myapp://auth", Platform::Spa, false),
        ("myapp://auth", Platform::PublicClient, true),
        ("ms-appx-web://Microsoft.AAD.BrokerPlugin/x", Platform::PublicClient, true),
        ("urn:ietf:wg:oauth:2.0:oob", Platform::PublicClient, true),
        ("urn:ietf:wg:oauth:2.0:oob", Platform::Web, false),
        ("javascript:alert", Platform::PublicClient, false),
        ("data:text/html", Platform::PublicClient, false),
        ("https://app.example/a;b", Platform::Web, false),
        ("https://app.example/a!b", Platform::Web, false),
        ("https://app.example/a b", Platform::Web, false),
    ] {
        assert_eq!(redirect_uri(uri, platform, false).is_ok(), good, "{uri}");
    }
    assert!(redirect_uri("https://a.example/?x=1", Platform::Web, true).is_err());
    assert!(redirect_uri(&format!("https://a.example/{}", "x".repeat(240)), Platform::Web, false).is_err());
}

#[test]
fn identifier_uris_follow_the_policy() {
    for (uri, tenants, any) in [
        ("api://99999999-2222-3333-4444-555555555555", true, true),
        ("api://11111111-2222-3333-4444-555555555555/imaging", true, true),
        ("api://imaging/99999999-2222-3333-4444-555555555555", true, true),
        ("https://contoso.local/imaging", true, true),
        ("https://pacs.contoso.local", true, true),
        ("https://evilcontoso.local", false, true),
        ("https://graph.example", false, true),
        ("api://imaging", false, true),
        ("api://x99999999-2222-3333-4444-555555555555", false, true),
        ("https://contoso.local@evil.example/x", false, false),
        ("http://contoso.local", false, false),
        ("urn:imaging", false, false),
        ("api://", false, false),
        ("imaging", false, false),
    ] {
        let change: Map<String, Value> = members(&json!({"identifierUris": [uri]}).to_string());
        let properties = good().merged(&change).unwrap();
        for (policy, good) in [(IdentifierUriPolicy::Tenant, tenants), (IdentifierUriPolicy::Any, any)] {
            assert_eq!(checked(&properties, policy).is_ok(), good, "{uri} {policy:?}");
        }
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
        ("größe", false),
        ("", false),
    ] {
        assert_eq!(value(text).is_ok(), good, "{text}");
    }
}

#[test]
fn permissions_are_disabled_before_they_go() {
    let off = json!({"appRoles": [with(role(2, "Owner"), "isEnabled", json!(false))]});
    let none = merged(&good(), json!({"appRoles": []}));
    assert!(check_removals(&good(), &none).is_err());
    assert!(check_removals(&merged(&good(), off), &none).is_ok());
    let none = merged(&good(), json!({"api": {"oauth2PermissionScopes": []}}));
    assert!(check_removals(&good(), &none).is_err());
}
