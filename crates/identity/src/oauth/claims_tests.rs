//! Claims by kind of token, version and what the registrations ask for: one table, read against the sheet (§4.2 – §4.4).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::token::{tests::form, user_tests::ALL_WORDS};
use crate::{
    NewPermissionGrant, User,
    graph::tests::Session,
    sign_in::tests::PASSWORD,
    testing::{Client, Fixture, GUID, actor, fixtures, members},
};

const ADA: &str = "ada@contoso.local";
const EVERY_OPTIONAL: [&str; 18] = [
    "acct",
    "amr",
    "auth_time",
    "ctry",
    "email",
    "family_name",
    "fwd",
    "given_name",
    "idtyp",
    "ipaddr",
    "login_hint",
    "preferred_username",
    "sid",
    "upn",
    "verified_primary_email",
    "xms_cc",
    "xms_pl",
    "unknown",
];
const CAPABLE: &str = r#"{"access_token":{"xms_cc":{"values":["CP1"]}}}"#;

/// A directory with a resource, a client of each kind, and a user who has what claims tell of.
struct World<'f> {
    fixture: &'f Fixture,
    resource: String,
    desktop: String,
    service: Client,
    ada: User,
    /// `api://…`
    name: String,
}

impl<'f> World<'f> {
    async fn new(fixture: &'f Fixture) -> Self {
        let identity = &fixture.identity;
        let ada = fixture.signer("ada", false).await;
        let details = json!({"country": "DE", "preferredLanguage": "de-DE", "mail": ADA, "givenName": "Ada",
            "surname": "Example"});
        let session = fixture.as_admin_with_all_scopes().await;
        let changed = session.patch(&format!("/users/{}", ada.id), details).await;
        assert!(changed.status.is_success(), "{}", changed.text);
        let name = format!("api://{}/claims", fixture.tid().await);
        let role = json!({"id": "11111111-2222-3333-4444-666666666666", "value": "Read.All", "displayName": "Read",
            "description": "Reads.", "isEnabled": true, "allowedMemberTypes": ["User", "Application"]});
        let scope = json!({"id": "11111111-2222-3333-4444-555555555555", "value": "Use", "type": "User", "isEnabled": true,
            "adminConsentDisplayName": "Use", "adminConsentDescription": "Use it."});
        let resource = json!({"displayName": "resource", "identifierUris": [name], "appRoles": [role],
            "api": {"oauth2PermissionScopes": [scope]}});
        let resource = identity.create_application(&actor(), &members(&resource.to_string())).await.unwrap();
        let resource = resource.app_id.to_string();
        let principal = identity.create_service_principal(&actor(), &resource).await.unwrap();
        let desktop = fixture.desktop("").await.app_id.to_string();
        let scopes = vec!["Use".to_owned()];
        let grant = NewPermissionGrant {
            client: desktop.clone(),
            resource: resource.clone(),
            scopes,
            principal: None,
        };
        identity.grant_permissions(&actor(), grant).await.unwrap();
        let service = fixture.client("service").await;
        for (path, id) in
            [("users", ada.id.to_string()), ("servicePrincipals", service.principal.id.to_string())]
        {
            let body = json!({"principalId": id, "resourceId": principal.id.to_string(),
                "appRoleId": "11111111-2222-3333-4444-666666666666"});
            let given = session.post(&format!("/{path}/{id}/appRoleAssignments"), body).await;
            assert!(given.status.is_success(), "{}", given.text);
        }
        fixture.give(&ada, "Application Administrator").await;
        Self { fixture, resource, desktop, service, ada, name }
    }

    /// A group that the user is in; `assigned`: and that the resource knows.
    async fn group(&self, session: &Session<'_>, number: usize, assigned: bool) {
        let group = json!({"displayName": format!("Group {number}"), "mailNickname": format!("group{number}"),
            "mailEnabled": false, "securityEnabled": true,
            "members@odata.bind": [format!("https://localhost:8443/v1.0/users/{}", self.ada.id)]});
        let made = session.post("/groups", group).await;
        assert!(made.status.is_success(), "{}", made.text);
        if assigned {
            let id = made.json()["id"].as_str().unwrap().to_owned();
            let resource =
                self.fixture.identity.find_service_principal(self.resource.as_str()).await.unwrap().id;
            let body = json!({"principalId": id, "resourceId": resource.to_string(),
                "appRoleId": "00000000-0000-0000-0000-000000000000"});
            let given = session.post(&format!("/groups/{id}/appRoleAssignments"), body).await;
            assert!(given.status.is_success(), "{}", given.text);
        }
    }

    /// What resource and client ask for, and the version of the resource's tokens.
    async fn asks(&self, version: i64, groups: Value, optional: Value) {
        let api = json!({"requestedAccessTokenVersion": version});
        let claims = json!({"accessToken": optional, "idToken": optional});
        for (id, more) in [(&self.resource, json!({"api": api})), (&self.desktop, json!({}))] {
            let mut change = json!({"groupMembershipClaims": groups, "optionalClaims": claims});
            for (name, value) in more.as_object().unwrap() {
                change[name] = value.clone();
            }
            self.fixture
                .identity
                .update_application(&actor(), id, &members(&change.to_string()))
                .await
                .unwrap();
        }
    }

    /// The claims of the tokens of each kind.
    async fn tokens(&self) -> BTreeMap<&'static str, Value> {
        let fixture = self.fixture;
        let user = |more: &[(&'static str, &'static str)]| {
            let mut fields = vec![
                ("grant_type", "password".to_owned()),
                ("client_id", self.desktop.clone()),
                ("username", ADA.to_owned()),
                ("password", PASSWORD.to_owned()),
                ("claims", CAPABLE.to_owned()),
            ];
            fields.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
            fields
        };
        let post = async |path: &str, fields: Vec<(&'static str, String)>| {
            let fields: Vec<(&str, &str)> =
                fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            fixture.post(&format!("/contoso.local/{path}"), form(&fields)).await
        };
        let mut v2 = user(&[]);
        v2.push(("scope", format!("{}/Use openid profile email", self.name)));
        let v2 = post("oauth2/v2.0/token", v2).await;
        let mut v1 = user(&[]);
        v1.push(("resource", self.name.clone()));
        let v1 = post("oauth2/token", v1).await;
        let app = post(
            "oauth2/v2.0/token",
            vec![
                ("grant_type", "client_credentials".to_owned()),
                ("client_id", self.service.id()),
                ("client_secret", self.service.secret().to_owned()),
                ("scope", format!("{}/.default", self.name)),
                ("claims", CAPABLE.to_owned()),
            ],
        )
        .await;
        BTreeMap::from([
            ("1 app-only", fixture.claims(&app).await),
            ("2 delegated", fixture.claims(&v2).await),
            ("3 ID token, v2.0 endpoint", fixture.id_claims(&v2).await),
            ("4 ID token, v1.0 endpoint", fixture.id_claims(&v1).await),
        ])
    }
}

/// Texts that differ from run to run get their kind; everything else stays.
fn shown(claims: &Value) -> Value {
    let mut shown = claims.clone();
    for (name, value) in shown.as_object_mut().unwrap() {
        let kind = match name.as_str() {
            "aio" => "[sealed]",
            "uti" | "jti" => "[token ID]",
            "sub" if value.as_str().unwrap().len() == 43 => "[pairwise]",
            "exp" => "[time]",
            _ => continue,
        };
        *value = kind.into();
    }
    shown
}

fn snapshot(name: &str, tokens: &BTreeMap<&'static str, Value>) {
    let all: BTreeMap<_, _> = tokens.iter().map(|(kind, claims)| (*kind, shown(claims))).collect();
    insta::with_settings!({filters => vec![(GUID, "[guid]")]}, {
        insta::assert_json_snapshot!(name, all);
    });
}

#[tokio::test]
async fn the_table() {
    for fixture in fixtures().await {
        let world = World::new(&fixture).await;
        let entries = |more: Value| {
            let plain = EVERY_OPTIONAL.iter().map(|name| json!({"name": name}));
            let mut all: Vec<Value> = plain.collect();
            all.extend(more.as_array().unwrap().clone());
            Value::from(all)
        };
        for version in [1, 2] {
            world.asks(version, Value::Null, json!([])).await;
            snapshot(&format!("v{version}_plain"), &world.tokens().await);
            world.asks(version, json!("None"), entries(json!([]))).await;
            snapshot(&format!("v{version}_optional"), &world.tokens().await);
            let more = json!([
                {"name": "aud", "additionalProperties": ["use_guid"]},
                {"name": "idtyp", "additionalProperties": ["include_user_token"]},
            ]);
            world.asks(version, json!("DirectoryRole"), more).await;
            snapshot(&format!("v{version}_additions_and_directory_roles"), &world.tokens().await);
        }
    }
}

#[tokio::test]
async fn groups_in_tokens() {
    for fixture in fixtures().await {
        let world = World::new(&fixture).await;
        let session = fixture.as_admin_with_all_scopes().await;
        world.group(&session, 0, true).await;
        world.group(&session, 1, false).await;
        let kinds = ["2 delegated", "3 ID token, v2.0 endpoint", "4 ID token, v1.0 endpoint"];
        let groups = async |claims: &str, optional: Value, member: &str| {
            world.asks(2, json!(claims), optional).await;
            let tokens = world.tokens().await;
            assert!(tokens["1 app-only"].get("groups").is_none(), "{tokens:?}");
            kinds.map(|kind| tokens[kind][member].as_array().map(Vec::len))
        };
        for word in ["All", "SecurityGroup", "SecurityGroup, DirectoryRole"] {
            assert_eq!(groups(word, json!([]), "groups").await, [Some(2); 3], "{word}");
        }
        // The client knows of no group, the resource of one.
        assert_eq!(groups("ApplicationGroup", json!([]), "groups").await, [Some(1), None, None]);
        for word in ["None", "DirectoryRole"] {
            assert_eq!(groups(word, json!([]), "groups").await, [None; 3], "{word}");
        }
        let as_roles = json!([{"name": "groups", "additionalProperties": ["emit_as_roles"]}]);
        assert_eq!(groups("All", as_roles.clone(), "roles").await, [Some(2); 3]);
        assert_eq!(groups("All", as_roles, "groups").await, [None; 3]);
        assert_eq!(groups("None", json!([]), "roles").await, [Some(1), None, None], "the app role");
    }
}

#[tokio::test]
async fn more_groups_than_a_token_holds() {
    let fixture = fixtures().await.remove(0);
    let world = World::new(&fixture).await;
    world.asks(2, json!("SecurityGroup"), json!([])).await;
    let session = fixture.as_admin_with_all_scopes().await;
    for number in 0..200 {
        world.group(&session, number, false).await;
    }
    let tokens = world.tokens().await;
    assert_eq!(tokens["2 delegated"]["groups"].as_array().map(Vec::len), Some(200));
    world.group(&session, 200, false).await;
    let tokens = world.tokens().await;
    let endpoint = format!("https://localhost:8443/v1.0/users/{}/getMemberObjects", world.ada.id);
    for kind in ["2 delegated", "3 ID token, v2.0 endpoint", "4 ID token, v1.0 endpoint"] {
        let claims = &tokens[kind];
        assert!(claims.get("groups").is_none(), "{claims}");
        assert_eq!(claims["_claim_names"], json!({"groups": "src1"}));
        assert_eq!(claims["_claim_sources"], json!({"src1": {"endpoint": endpoint}}));
    }
}

#[tokio::test]
async fn claims_that_depend_on_the_user() {
    let fixture = fixtures().await.remove(0);
    let world = World::new(&fixture).await;
    let optional = ["acct", "ctry", "verified_primary_email", "xms_pl"].map(|name| json!({"name": name}));
    world.asks(2, Value::Null, json!(optional)).await;
    let of = async || {
        let claims = world.tokens().await.remove("2 delegated").unwrap();
        ["acct", "ctry", "verified_primary_email", "xms_pl"].map(|name| claims[name].clone())
    };
    assert_eq!(of().await, [json!(0), json!("DE"), json!([ADA]), json!("de-DE")]);
    let session = fixture.as_admin_with_all_scopes().await;
    let change = json!({"country": "Germany", "mail": "ada@elsewhere.example", "preferredLanguage": null,
        "userType": "Guest"});
    assert!(session.patch(&format!("/users/{}", world.ada.id), change).await.status.is_success());
    assert_eq!(of().await, [json!(1), Value::Null, Value::Null, Value::Null]);
}

#[tokio::test]
async fn graph_is_told_who_calls_and_others_are_not() {
    for fixture in fixtures().await {
        let world = World::new(&fixture).await;
        let service = &world.service;
        let id = service.id();
        for (scope, name) in [
            ("https://graph.microsoft.com/.default", json!("service")),
            ("https://dicom.healthcareapis.azure.com/.default", Value::Null),
        ] {
            let fields = [
                ("grant_type", "client_credentials"),
                ("client_id", &id),
                ("client_secret", service.secret()),
                ("scope", scope),
            ];
            let claims = fixture.claims(&fixture.v2(&fields).await).await;
            assert_eq!(claims["app_displayname"], name, "{claims}");
        }
        fixture.consent(&world.desktop, "Dicom.Read", None).await;
        let user = fixture.claims(&fixture.password(&world.desktop, "openid profile").await).await;
        assert_eq!((&user["app_displayname"], &user["ver"]), (&json!("desktop"), &json!("1.0")));
        let dicom = fixture.claims(&fixture.password(&world.desktop, ALL_WORDS).await).await;
        assert_eq!(dicom.get("app_displayname"), None);
    }
}

#[test]
fn what_a_client_says_about_challenges() {
    use super::token::takes_challenges;
    assert!(takes_challenges(Some(CAPABLE)));
    for none in [
        None,
        Some(""),
        Some("{"),
        Some("[]"),
        Some(r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#),
        Some(r#"{"access_token":{"xms_cc":{"values":"CP1"}}}"#),
        Some(r#"{"id_token":{"xms_cc":{"values":["CP1"]}}}"#),
    ] {
        assert!(!takes_challenges(none), "{none:?}");
    }
}
