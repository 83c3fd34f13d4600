//! Tokens of users on the wire: the password grant, refreshing, consent, claims.

use hilum_jose::Jwt;
use hilum_kernel::{ObjectId, Secret};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::tests::{form, snapshot};
use crate::{
    Application, Holder, IdentityError, NewPermissionGrant, NewRoleAssignment, NewSecret, PrincipalRef,
    ServicePrincipalChange, User, UserChange,
    oauth::tests::Answer,
    sign_in::tests::PASSWORD,
    testing::{Fixture, actor, fixtures, members},
};

const DICOM: &str = "https://dicom.healthcareapis.azure.com";
const READ: &str = "https://dicom.healthcareapis.azure.com/Dicom.Read";
pub(crate) const ALL_WORDS: &str =
    "https://dicom.healthcareapis.azure.com/Dicom.Read openid profile offline_access";
const ADA: &str = "ada@contoso.local";

impl Fixture {
    /// A public client for which everything is switched on, with these members besides.
    pub(crate) async fn desktop(&self, more: &str) -> Application {
        let text = format!(
            r#"{{"displayName":"desktop","isFallbackPublicClient":true,"allowPasswordGrant":true{more}}}"#
        );
        let application = self.identity.create_application(&actor(), &members(&text)).await.unwrap();
        let id = application.app_id.to_string();
        self.identity.create_service_principal(&actor(), &id).await.unwrap();
        application
    }

    pub(crate) async fn consent(&self, client: &str, scope: &str, user: Option<&User>) {
        let new = NewPermissionGrant {
            client: client.to_owned(),
            resource: DICOM.to_owned(),
            scopes: vec![scope.to_owned()],
            principal: user.map(|user| ObjectId::new(user.id.uuid())),
        };
        self.identity.grant_permissions(&actor(), new).await.unwrap();
    }

    pub(crate) async fn give(&self, user: &User, role: &str) {
        let new = NewRoleAssignment {
            role: role.to_owned(),
            principal: PrincipalRef::Assignee(user.user_principal_name.clone()),
            scope: "/".to_owned(),
        };
        self.identity.create_role_assignment(&actor(), new).await.unwrap();
    }

    pub(crate) async fn password(&self, id: &str, scope: &str) -> Answer {
        self.v2(&[
            ("grant_type", "password"),
            ("client_id", id),
            ("username", ADA),
            ("password", PASSWORD),
            ("scope", scope),
            ("client_info", "1"),
        ])
        .await
    }

    pub(crate) async fn refresh(&self, id: &str, token: &str) -> Answer {
        self.v2(&[("grant_type", "refresh_token"), ("client_id", id), ("refresh_token", token)]).await
    }

    async fn refresh_for(&self, id: &str, token: &str, scope: &str) -> Answer {
        let fields =
            [("grant_type", "refresh_token"), ("client_id", id), ("refresh_token", token), ("scope", scope)];
        self.v2(&fields).await
    }

    /// The claims of another token of the answer.
    pub(crate) async fn id_claims(&self, answer: &Answer) -> Value {
        let token = answer.json()["id_token"].as_str().unwrap().to_owned();
        let jwt = Jwt::parse(&token).unwrap();
        let key = self.identity.find_key(jwt.header().kid.as_deref().unwrap()).await.unwrap().unwrap();
        Value::Object(jwt.verify(&key).unwrap().members().clone())
    }
}

pub(crate) fn refresh_token(answer: &Answer) -> String {
    answer.json()["refresh_token"].as_str().unwrap_or_else(|| panic!("{}", answer.text)).to_owned()
}

fn user_snapshot(name: &str, value: &Value) {
    let mut shown = value.clone();
    for member in ["refresh_token", "id_token", "client_info", "sub"] {
        if let Some(value) = shown.get_mut(member) {
            *value = format!("[{member}]").into();
        }
    }
    snapshot(name, &shown);
}

#[tokio::test]
async fn a_password_for_tokens_with_the_claims_of_the_user() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        fixture.give(&ada, "DICOM Data Reader").await;
        let desktop = fixture.desktop("").await;
        let id = desktop.app_id.to_string();
        fixture.consent(&id, "Dicom.Read", None).await;
        let answer = fixture.password(&id, ALL_WORDS).await;
        user_snapshot("user_token_v2", &answer.json());
        let claims = fixture.claims(&answer).await;
        user_snapshot("user_claims_v1", &claims);
        assert_eq!(claims["roles"], json!(["DICOM Data Reader"]));
        let id_claims = fixture.id_claims(&answer).await;
        user_snapshot("id_claims_v2", &id_claims);
        assert_eq!(id_claims["aud"], id);
        assert_ne!(id_claims["sub"], claims["sub"], "another subject to each application");
        let info = hilum_jose::base64url_decode(answer.json()["client_info"].as_str().unwrap()).unwrap();
        let info: Value = serde_json::from_slice(&info).unwrap();
        assert_eq!(info, json!({ "uid": ada.id.to_string(), "utid": fixture.tid().await }));

        let v1 = form(&[
            ("grant_type", "password"),
            ("client_id", &id),
            ("username", ADA),
            ("password", PASSWORD),
            ("resource", DICOM),
        ]);
        let answer = fixture.post("/contoso.local/oauth2/token", v1).await;
        user_snapshot("user_token_v1", &answer.json());
        user_snapshot("id_claims_v1", &fixture.id_claims(&answer).await);
    }
}

#[tokio::test]
async fn a_resource_of_ones_own_wants_version_2_groups_and_optional_claims() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let tid = fixture.tid().await;
        let text = format!(
            r#"{{"displayName":"resource","identifierUris":["api://{tid}/Imaging"],"groupMembershipClaims":"All",
                "optionalClaims":{{"accessToken":[{{"name":"upn"}},{{"name":"auth_time"}},{{"name":"unknown"}}]}},
                "api":{{"requestedAccessTokenVersion":2,"oauth2PermissionScopes":[
                    {{"id":"11111111-2222-3333-4444-555555555555","value":"Use","type":"User","isEnabled":true,
                      "adminConsentDisplayName":"Use","adminConsentDescription":"Use it."}}]}}}}"#
        );
        let resource = fixture.identity.create_application(&actor(), &members(&text)).await.unwrap();
        fixture.identity.create_service_principal(&actor(), &resource.app_id.to_string()).await.unwrap();
        fixture.give(&ada, "Application Administrator").await;
        let desktop = fixture.desktop("").await;
        let id = desktop.app_id.to_string();
        let scope = format!("api://{tid}/imaging/Use");
        assert_eq!(fixture.password(&id, &scope).await.code(), 65_001);
        let new = NewPermissionGrant {
            client: id.clone(),
            resource: resource.app_id.to_string(),
            scopes: vec!["Use".to_owned()],
            principal: None,
        };
        fixture.identity.grant_permissions(&actor(), new).await.unwrap();
        let claims = fixture.claims(&fixture.password(&id, &format!("{scope} profile")).await).await;
        user_snapshot("user_claims_v2", &claims);
        let bare = fixture.claims(&fixture.password(&id, &scope).await).await;
        assert!(bare.get("name").is_none() && bare.get("preferred_username").is_none(), "{bare}");
        assert_eq!(bare["sub"], claims["sub"], "the same at each sign-in");
    }
}

#[tokio::test]
async fn graph_is_meant_by_bare_words_and_gets_directory_roles() {
    let fixture = fixtures().await.remove(0);
    let ada = fixture.signer("ada", false).await;
    fixture.give(&ada, "Global Administrator").await;
    fixture.give(&ada, "DICOM Data Owner").await;
    let id = fixture.desktop("").await.app_id.to_string();
    let answer = fixture.password(&id, "openid profile email").await;
    let claims = fixture.claims(&answer).await;
    assert_eq!(claims["aud"], "https://graph.microsoft.com");
    assert_eq!(claims["scp"], "email openid profile");
    assert_eq!(claims["wids"], json!(["62e90394-69f5-4237-9190-012177145e10"]), "no data role");
    assert!(claims.get("roles").is_none());
    assert_eq!(answer.json()["scope"], "openid profile email");
    assert!(answer.json().get("refresh_token").is_none(), "offline_access was not asked");
    assert_eq!(fixture.password(&id, "User.Read").await.code(), 65_001);
    assert_eq!(fixture.password(&id, "User.Nonsense").await.code(), 650_053);
    let no_openid = fixture.password(&id, "profile").await;
    assert!(no_openid.json().get("id_token").is_none());
}

#[tokio::test]
async fn consent_is_by_everybody_by_the_user_or_by_the_resource() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let bob = fixture.signer("bob", false).await;
        let mine = fixture.desktop("").await.app_id.to_string();
        fixture.consent(&mine, "Dicom.Read", Some(&bob)).await;
        let refused = fixture.password(&mine, READ).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (400, 65_001), "another user's grant");
        assert_eq!(refused.json()["error"], "invalid_grant");
        assert_eq!(refused.json()["suberror"], "consent_required");
        fixture.consent(&mine, "Dicom.Read", Some(&ada)).await;
        assert_eq!(fixture.claims(&fixture.password(&mine, READ).await).await["scp"], "Dicom.Read");
        // The union of both grants, and the words exactly as asked.
        fixture.consent(&mine, "Dicom.ReadWrite", None).await;
        let answer = fixture.password(&mine, &format!("{DICOM}/.default")).await;
        assert_eq!(fixture.claims(&answer).await["scp"], "Dicom.Read Dicom.ReadWrite");
        assert_eq!(
            answer.json()["scope"],
            format!("{DICOM}/Dicom.ReadWrite {DICOM}/Dicom.Read {DICOM}/.default")
        );
        let answer = fixture.password(&mine, "https://DICOM.healthcareapis.azure.com/dicom.read").await;
        assert!(answer.text.contains("https://DICOM.healthcareapis.azure.com/dicom.read"), "{}", answer.text);

        // The seeded command line is pre-authorised; it may not use passwords until somebody says so.
        let cli = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
        assert_eq!(fixture.password(cli, READ).await.code(), 70_001);
        fixture
            .identity
            .update_application(&actor(), cli, &members(r#"{"allowPasswordGrant":true}"#))
            .await
            .unwrap();
        let claims = fixture.claims(&fixture.password(cli, &format!("{DICOM}/.default")).await).await;
        assert_eq!(claims["scp"], "Dicom.Read Dicom.ReadWrite user_impersonation");

        // Its own API needs no consent.
        let own = fixture.password(&mine, &format!("{mine}/.default openid")).await;
        assert_eq!(fixture.claims(&own).await["scp"], "openid");
    }
}

#[tokio::test]
async fn refusals_of_the_password_grant() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        fixture.signer("new", true).await;
        let id = fixture.desktop("").await.app_id.to_string();
        fixture.consent(&id, "Dicom.Read", None).await;
        let with = |name: &'static str, value: &str| {
            let mut fields = vec![
                ("grant_type", "password".to_owned()),
                ("client_id", id.clone()),
                ("username", ADA.to_owned()),
                ("password", PASSWORD.to_owned()),
                ("scope", READ.to_owned()),
            ];
            fields.retain(|(known, _)| *known != name);
            fields.push((name, value.to_owned()));
            let fields: Vec<(&str, &str)> =
                fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            form(&fields)
        };
        let own = "/contoso.local/oauth2/v2.0/token";
        for (path, body, code, error) in [
            ("/common/oauth2/v2.0/token", with("x", ""), 9_001_023, "invalid_request"),
            ("/organizations/oauth2/v2.0/token", with("x", ""), 50_194, "invalid_request"),
            (own, with("username", ""), 900_144, "invalid_request"),
            (own, with("password", ""), 900_144, "invalid_request"),
            (own, with("scope", ""), 900_144, "invalid_request"),
            (own, with("username", "nobody@contoso.local"), 50_126, "invalid_grant"),
            (own, with("password", "wrong"), 50_126, "invalid_grant"),
            (own, with("username", "new@contoso.local"), 50_055, "invalid_grant"),
            (own, with("scope", "https://unknown/Read"), 500_011, "invalid_resource"),
            (own, with("client_secret", "x"), 700_025, "invalid_client"),
        ] {
            let answer = fixture.post(path, body).await;
            assert_eq!(answer.code(), code, "{}", answer.text);
            assert_eq!(answer.json()["error"], error);
            assert!(!answer.text.contains(PASSWORD), "a password was repeated");
        }
        let nobody = fixture.post(own, with("username", "nobody@contoso.local")).await;
        let wrong = fixture.post(own, with("password", "wrong")).await;
        let first = |answer: &Answer| answer.json()["error_description"].as_str().unwrap()[..40].to_owned();
        assert_eq!(first(&nobody), first(&wrong), "one answer for both");
        let page = fixture.post_with(own, with("x", ""), &[("origin", "https://app.example")]).await;
        assert_eq!(page.code(), 9_002_326);

        let change = ServicePrincipalChange {
            app_role_assignment_required: Some(true),
            ..ServicePrincipalChange::default()
        };
        fixture.identity.update_service_principal(&actor(), &id, &change).await.unwrap();
        assert_eq!(fixture.post(own, with("x", "")).await.code(), 50_105);
        let disable = UserChange { account_enabled: Some(false), ..UserChange::default() };
        fixture.identity.update_user(&actor(), &ada.id.to_string(), disable).await.unwrap();
        assert_eq!(fixture.post(own, with("x", "")).await.code(), 50_057);
        for _ in 0..10 {
            fixture.post(own, with("password", "wrong")).await;
        }
        let locked = fixture.post(own, with("x", "")).await;
        assert_eq!(locked.code(), 50_053);
        assert!(!locked.header("retry-after").is_empty());

        let off = r#"{"isFallbackPublicClient":false}"#;
        fixture.identity.update_application(&actor(), &id, &members(off)).await.unwrap();
        let answer = fixture.post(own, with("x", "")).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (401, 7_000_218));
    }
}

#[tokio::test]
async fn refreshing_rotates_and_a_copy_ends_the_session() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let id = fixture.desktop("").await.app_id.to_string();
        fixture.consent(&id, "Dicom.Read", None).await;
        let first = refresh_token(&fixture.password(&id, ALL_WORDS).await);
        let answer = fixture.refresh(&id, &first).await;
        assert_eq!(answer.json()["scope"], format!("{READ} openid profile offline_access"));
        assert!(answer.json()["id_token"].is_string());
        let second = refresh_token(&answer);
        assert_ne!(first, second);
        // A lost answer: the same question within the grace.
        assert_eq!(refresh_token(&fixture.refresh(&id, &first).await), second);
        // Another resource of the same user and client, by name.
        let own = fixture.refresh_for(&id, &second, &format!("{id}/.default")).await;
        assert_eq!(fixture.claims(&own).await["aud"], id);
        let third = refresh_token(&own);
        fixture.clock.advance(SignedDuration::from_secs(31));
        assert_eq!(fixture.refresh(&id, &second).await.code(), 70_000, "a copy");
        assert_eq!(fixture.refresh(&id, &third).await.code(), 70_000, "the session is over");
        let trail = fixture.trail().await;
        assert!(trail.iter().any(|line| line.starts_with("identity.session.revoked success")), "{trail:#?}");
        assert!(trail.iter().any(|line| line.contains("scp Dicom.Read")), "{trail:#?}");
    }
}

#[tokio::test]
async fn a_refresh_tells_no_more_about_the_user_than_was_authorised() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let id = fixture.desktop("").await.app_id.to_string();
        fixture.consent(&id, "Dicom.Read", None).await;
        let wide = format!("{READ} openid profile email offline_access");
        let token = refresh_token(&fixture.password(&id, &format!("{READ} offline_access")).await);
        let answer = fixture.refresh_for(&id, &token, &wide).await;
        assert_eq!(answer.json()["scope"], format!("{READ} offline_access"));
        assert!(answer.json().get("id_token").is_none(), "{}", answer.text);

        let token = refresh_token(&fixture.password(&id, &format!("{READ} openid offline_access")).await);
        let answer = fixture.refresh_for(&id, &token, &wide).await;
        assert_eq!(answer.json()["scope"], format!("{READ} openid offline_access"));
        let claims = fixture.id_claims(&answer).await;
        assert!(claims.get("name").is_none() && claims.get("preferred_username").is_none(), "{claims}");
        // Fewer words once are not fewer words for ever.
        let answer = fixture.refresh_for(&id, &refresh_token(&answer), READ).await;
        assert!(answer.json().get("id_token").is_none(), "{}", answer.text);
        let answer = fixture.refresh(&id, &refresh_token(&answer)).await;
        assert!(answer.json()["id_token"].is_string(), "{}", answer.text);
        // Words without a resource mean the one that was authorised, on either endpoint.
        let answer = fixture.refresh_for(&id, &refresh_token(&answer), "openid").await;
        let claims = fixture.claims(&answer).await;
        assert_eq!((&claims["aud"], &claims["scp"]), (&json!(DICOM), &json!("Dicom.Read")));
        let old = form(&[
            ("grant_type", "refresh_token"),
            ("client_id", &id),
            ("refresh_token", &refresh_token(&answer)),
            ("resource", DICOM),
        ]);
        let answer = fixture.post("/contoso.local/oauth2/token", old).await;
        let claims = fixture.id_claims(&answer).await;
        assert!(claims.get("name").is_none(), "{claims}");
    }
}

#[tokio::test]
async fn whose_refresh_tokens_are_refused() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let id = fixture.desktop("").await.app_id.to_string();
        let other = fixture.desktop("").await.app_id.to_string();
        for client in [&id, &other] {
            fixture.consent(client, "Dicom.Read", None).await;
        }
        let fresh = async || refresh_token(&fixture.password(&id, ALL_WORDS).await);
        let token = fresh().await;
        for wrong in ["x", "1.AAAA", &format!("{token}x")] {
            let answer = fixture.refresh(&id, wrong).await;
            assert_eq!((answer.code(), answer.json()["error"].as_str()), (70_000, Some("invalid_grant")));
        }
        assert_eq!(fixture.refresh(&other, &token).await.code(), 700_005);
        assert_eq!(fixture.refresh(&id, &token).await.status, 200, "the refusals changed nothing");

        let token = fresh().await;
        fixture.clock.advance(SignedDuration::from_secs(91 * 24 * 3600));
        assert_eq!(fixture.refresh(&id, &token).await.code(), 700_082);

        let token = fresh().await;
        fixture.clock.advance(SignedDuration::from_secs(1));
        let password =
            UserChange { password: Some(Secret::new(PASSWORD.to_owned())), ..UserChange::default() };
        fixture.identity.update_user(&actor(), &ada.id.to_string(), password).await.unwrap();
        assert_eq!(fixture.refresh(&id, &token).await.code(), 50_173);

        let token = fresh().await;
        let enable = |on| UserChange { account_enabled: Some(on), ..UserChange::default() };
        fixture.identity.update_user(&actor(), &ada.id.to_string(), enable(false)).await.unwrap();
        assert_eq!(fixture.refresh(&id, &token).await.code(), 50_057);
        fixture.identity.update_user(&actor(), &ada.id.to_string(), enable(true)).await.unwrap();
        assert_eq!(fixture.refresh(&id, &token).await.code(), 50_173, "the block ended the session");

        let token = fresh().await;
        let grants = fixture.identity.list_grants(Some(&id)).await.unwrap();
        fixture.identity.delete_grant(&actor(), &grants[0].id).await.unwrap();
        assert_eq!(fixture.refresh(&id, &token).await.code(), 65_001);
        fixture.identity.delete_user(&actor(), &ada.id.to_string()).await.unwrap();
        assert_eq!(fixture.refresh(&id, &token).await.code(), 70_000);
    }
}

#[tokio::test]
async fn a_client_that_proved_itself_must_do_so_again() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let id = fixture.desktop("").await.app_id.to_string();
        fixture.consent(&id, "Dicom.Read", None).await;
        let added = fixture.identity.add_secret(&actor(), &id, NewSecret::default()).await.unwrap();
        let secret = added.value.expose().clone();
        let answer = fixture
            .v2(&[
                ("grant_type", "password"),
                ("client_id", &id),
                ("client_secret", &secret),
                ("username", ADA),
                ("password", PASSWORD),
                ("scope", ALL_WORDS),
            ])
            .await;
        assert_eq!(fixture.claims(&answer).await["appidacr"], "1");
        let token = refresh_token(&answer);
        let refused = fixture.refresh(&id, &token).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (401, 7_000_218));
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", &id),
            ("client_secret", &secret),
            ("refresh_token", &token),
        ];
        assert_eq!(fixture.v2(&fields).await.status, 200);
    }
}

#[tokio::test]
async fn concurrent_refreshes_within_the_grace_all_succeed() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let id = fixture.desktop("").await.app_id.to_string();
        fixture.consent(&id, "Dicom.Read", None).await;
        let token = refresh_token(&fixture.password(&id, ALL_WORDS).await);
        let answers = futures::future::join_all((0..8).map(|_| fixture.refresh(&id, &token))).await;
        let next: Vec<String> = answers.iter().map(refresh_token).collect();
        assert!(next.iter().all(|other| *other == next[0]));
        assert_eq!(fixture.refresh(&id, &next[0]).await.status, 200);
    }
}

#[tokio::test]
async fn the_realm_tells_nothing_about_users() {
    let fixture = fixtures().await.remove(0);
    let known = fixture.get("/common/userrealm/admin@contoso.local?api-version=1.0").await;
    let unknown = fixture.get("/common/userrealm/nobody@contoso.local?api-version=1.0").await;
    assert_eq!(known.json(), unknown.json());
    assert_eq!(known.json()["account_type"], "Managed");
    assert_eq!(fixture.get("/common/userrealm/x@other.example").await.json()["account_type"], "Unknown");
}

#[tokio::test]
async fn only_an_administrator_switches_the_password_grant_on() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let as_ada = fixture.identity.acting(Holder::User(ada.id));
        let on = members(r#"{"displayName":"mine","allowPasswordGrant":true}"#);
        let off = members(r#"{"displayName":"mine"}"#);
        let switch = members(r#"{"allowPasswordGrant":true}"#);
        let refused = as_ada.create_application(&actor(), &on).await.unwrap_err();
        assert!(matches!(refused, IdentityError::Denied(_)), "{refused}");
        let mine = as_ada.create_application(&actor(), &off).await.unwrap().app_id.to_string();
        let refused = as_ada.update_application(&actor(), &mine, &switch).await.unwrap_err();
        assert!(matches!(refused, IdentityError::Denied(_)), "{refused}");
        fixture.give(&ada, "Application Administrator").await;
        as_ada.update_application(&actor(), &mine, &switch).await.unwrap();
        as_ada.create_application(&actor(), &on).await.unwrap();
        // Once it is on, others may go on editing.
        let notes = members(r#"{"web":{"homePageUrl":"https://a.example"}}"#);
        let other = fixture.signer("bob", false).await;
        fixture
            .identity
            .acting(Holder::User(other.id))
            .update_application(&actor(), &mine, &notes)
            .await
            .unwrap();
    }
}
