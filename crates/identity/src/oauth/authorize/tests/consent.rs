//! Consent: who is asked what, who may say yes, and what is remembered.

use super::*;
use crate::{ServicePrincipalChange, seed::GRAPH_APP_ID};

const ADMINS: &str = "https://graph.microsoft.com/Application.ReadWrite.All openid";

#[tokio::test]
async fn the_page_says_who_asks_for_what() {
    let fixture = fixtures().await.remove(0);
    fixture.signer("ada", false).await;
    let client = fixture.registered().await;
    let mut browser = Browser::new(&fixture);
    browser.get(&client.asking(WEB, &[])).await;
    let page = browser.sign_in(ADA, PASSWORD).await;
    let shown = page.text.replace(&browser.flow(), "[flow]").replace(&client.id, "[client]");
    let (_, shown) = shown.split_once("</head>").unwrap();
    insta::assert_snapshot!("consent", shown);
}

#[tokio::test]
async fn a_person_may_refuse_and_is_asked_again() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        let mut browser = Browser::new(&fixture);
        browser.get(&client.asking(WEB, &[])).await;
        browser.sign_in(ADA, PASSWORD).await;
        let found = fields(&browser.step("consent", &[("decision", "refuse")]).await);
        assert_eq!((found["error"].as_str(), found["state"].as_str()), ("access_denied", "the state"));
        assert!(found["error_description"].starts_with("AADSTS65004"), "{found:?}");
        assert!(fixture.identity.list_grants(Some(&client.id)).await.unwrap().is_empty());
        let page = browser.get(&client.asking(WEB, &[])).await;
        assert!(page.text.contains("asks for permissions"), "{}", page.text);
        browser.accept().await;
        let adas = Some(ObjectId::new(ada.id.uuid()));
        let on_dicom = fixture.grant_on(&client.id, crate::DICOM_APP_ID).await;
        assert_eq!(on_dicom, Some(("Dicom.Read".to_owned(), adas)));
        let on_graph = fixture.grant_on(&client.id, GRAPH_APP_ID).await;
        assert_eq!(on_graph, Some(("openid profile offline_access".to_owned(), adas)));
        // What is new is asked for; what was granted stays.
        let more = client.asking(WEB, &[("scope", "https://dicom.healthcareapis.azure.com/Dicom.ReadWrite")]);
        let page = browser.get(&more).await;
        assert!(page.text.contains("(new)"), "{}", page.text);
        let code = fields(&browser.accept().await)["code"].clone();
        let claims = fixture.claims(&fixture.redeem_web(&client, &code).await).await;
        assert_eq!(claims["scp"], "Dicom.Read Dicom.ReadWrite");
        // Asked on purpose, though nothing is new.
        let page = browser.get(&client.asking(WEB, &[("prompt", "consent")])).await;
        assert!(page.text.contains("asks for permissions"), "{}", page.text);
        assert!(fields(&browser.accept().await).contains_key("code"));
        // Taken back, it is asked for again.
        for grant in fixture.identity.list_grants(Some(&client.id)).await.unwrap() {
            fixture.identity.delete_grant(&actor(), &grant.id).await.unwrap();
        }
        assert!(browser.get(&client.asking(WEB, &[])).await.text.contains("asks for permissions"));
        let trail = fixture.final_trail().await;
        let line = "identity.authorization.answered refused";
        assert!(trail.iter().any(|event| event.starts_with(line)), "{trail:#?}");
    }
}

#[tokio::test]
async fn an_administrators_permission_needs_an_administrator() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        let asking = client.asking(WEB, &[("scope", ADMINS)]);
        let mut browser = Browser::new(&fixture);
        browser.get(&asking).await;
        let page = browser.sign_in(ADA, PASSWORD).await;
        assert!(
            page.text.contains("AADSTS90094") && !page.text.contains("value=\"accept\""),
            "{}",
            page.text
        );
        assert!(!page.text.contains("everybody"), "{}", page.text);
        let flow = browser.flow();
        for made_up in [vec![], vec![("everybody", "1")]] {
            let mut fields = vec![("flow", flow.as_str()), ("step", "consent"), ("decision", "accept")];
            fields.extend(made_up);
            let answer = browser.post(&fields).await;
            assert_eq!(answer.status, 403);
            assert!(answer.text.contains("AADSTS90094"), "{}", answer.text);
        }
        assert!(fixture.identity.list_grants(Some(&client.id)).await.unwrap().is_empty());
        let mut browser = Browser::new(&fixture);
        browser.get(&asking).await;
        let page = browser.sign_in(ADMIN, ADMIN_PASSWORD).await;
        assert!(page.text.contains("Consent on behalf of your organisation"), "{}", page.text);
        browser.step("consent", &[("decision", "accept"), ("everybody", "1")]).await;
        let granted = fixture.grant_on(&client.id, GRAPH_APP_ID).await;
        assert_eq!(granted, Some(("Application.ReadWrite.All openid".to_owned(), None)));
        // Nobody else is asked.
        let mut browser = Browser::new(&fixture);
        browser.get(&asking).await;
        let code = fields(&browser.sign_in(ADA, PASSWORD).await)["code"].clone();
        assert_eq!(fixture.redeem_web(&client, &code).await.status, 200);
    }
}

#[tokio::test]
async fn an_ordinary_person_consents_for_nobody_else() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        let mut browser = Browser::new(&fixture);
        browser.get(&client.asking(WEB, &[])).await;
        let page = browser.sign_in(ADA, PASSWORD).await;
        assert!(!page.text.contains("everybody"), "{}", page.text);
        let answer = browser.step("consent", &[("decision", "accept"), ("everybody", "1")]).await;
        assert_eq!(answer.status, 403, "also when the box is made up");
        assert!(fixture.identity.list_grants(Some(&client.id)).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn who_is_not_assigned_is_told_on_a_page() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        let required = ServicePrincipalChange {
            app_role_assignment_required: Some(true),
            ..ServicePrincipalChange::default()
        };
        fixture.identity.update_service_principal(&actor(), &client.id, &required).await.unwrap();
        let mut browser = Browser::new(&fixture);
        browser.get(&client.asking(WEB, &[])).await;
        let page = browser.sign_in(ADA, PASSWORD).await;
        assert!(page.status.is_client_error() && page.text.contains("AADSTS50105"), "{}", page.text);
        let found = fields(&browser.get(&client.asking(WEB, &[("prompt", "none")])).await);
        assert_eq!(found["error"], "access_denied");
        assert!(found["error_description"].starts_with("AADSTS50105"), "{found:?}");
        assert_eq!(ada.user_principal_name, ADA);
    }
}

#[tokio::test]
async fn pre_authorised_clients_ask_nothing() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        let text = format!(
            r#"{{"displayName":"resource","identifierUris":["api://{tid}/imaging"],
                "api":{{"requestedAccessTokenVersion":2,"oauth2PermissionScopes":[
                    {{"id":"11111111-2222-3333-4444-555555555555","value":"Use","type":"User","isEnabled":true,
                      "adminConsentDisplayName":"Use","adminConsentDescription":"Use it"}}],
                  "preAuthorizedApplications":[
                    {{"appId":"{id}","delegatedPermissionIds":["11111111-2222-3333-4444-555555555555"]}}]}}}}"#,
            tid = fixture.tid().await,
            id = client.id,
        );
        let resource = fixture.identity.create_application(&actor(), &members(&text)).await.unwrap();
        fixture.identity.create_service_principal(&actor(), &resource.app_id.to_string()).await.unwrap();
        let scope = format!("api://{}/imaging/Use", fixture.tid().await);
        let mut browser = Browser::new(&fixture);
        browser.get(&client.asking(WEB, &[("scope", &scope)])).await;
        let code = fields(&browser.sign_in(ADA, PASSWORD).await)["code"].clone();
        assert_eq!(fixture.claims(&fixture.redeem_web(&client, &code).await).await["scp"], "Use");
        assert!(fixture.identity.list_grants(Some(&client.id)).await.unwrap().is_empty());
        assert_eq!(client.application.properties.display_name, "Reading room");
    }
}

#[tokio::test]
async fn who_somebody_is_is_told_to_nobody_unasked() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        let adas = Some(ObjectId::new(ada.id.uuid()));
        let plain = client.asking(WEB, &[("scope", "openid profile")]);
        let silent = client.asking(WEB, &[("scope", "openid profile"), ("prompt", "none")]);
        let mut browser = Browser::new(&fixture);
        browser.get(&plain).await;
        let page = browser.sign_in(ADA, PASSWORD).await;
        assert!(page.text.contains("Sign you in and read your name"), "{}", page.text);
        assert!(!page.text.contains("Microsoft Graph"), "no permissions there: {}", page.text);
        assert_eq!(fields(&browser.get(&silent).await)["error"], "consent_required");
        browser.get(&plain).await;
        let found = fields(&browser.step("consent", &[("decision", "refuse")]).await);
        assert_eq!(found["error"], "access_denied");
        assert_eq!(fixture.grant_on(&client.id, GRAPH_APP_ID).await, None);
        browser.get(&plain).await;
        let tokens = fixture.redeem_web(&client, &fields(&browser.accept().await)["code"]).await;
        assert_eq!(fixture.id_claims(&tokens).await["preferred_username"], ADA);
        assert_eq!(fixture.claims(&tokens).await["scp"], "openid profile", "what was asked, once");
        assert_eq!(tokens.json()["scope"], "openid profile");
        // Once; what is new is asked for, and nothing else is remembered.
        assert!(fields(&browser.get(&silent).await).contains_key("code"));
        let page = browser.get(&client.asking(WEB, &[("scope", "openid profile email")])).await;
        assert!(page.text.contains("Read your e-mail address"), "{}", page.text);
        browser.accept().await;
        let granted = fixture.grant_on(&client.id, GRAPH_APP_ID).await;
        assert_eq!(granted, Some(("openid profile email".to_owned(), adas)));
        let page = browser.get(&client.asking(WEB, &[("scope", "openid offline_access")])).await;
        assert!(page.text.contains("Keep access until"), "{}", page.text);
    }
}

#[tokio::test]
async fn a_client_that_is_its_own_resource_asks_who_is_there_too() {
    let fixture = fixtures().await.remove(0);
    fixture.signer("ada", false).await;
    let client = fixture.registered().await;
    let own = format!("{}/.default", client.id);
    let mut browser = Browser::new(&fixture);
    browser.get(&client.asking(WEB, &[("scope", &own)])).await;
    let page = browser.sign_in(ADA, PASSWORD).await;
    assert!(page.text.contains("Sign you in and read your name"), "{}", page.text);
    let code = fields(&browser.accept().await)["code"].clone();
    assert_eq!(fixture.redeem_web(&client, &code).await.status, 200);
    assert_eq!(browser.get(&client.asking(WEB, &[("scope", &own)])).await.status, 303);
}

#[tokio::test]
async fn what_an_administrator_has_granted_users_may_sign_in_to() {
    let fixture = fixtures().await.remove(0);
    fixture.signer("ada", false).await;
    let client = fixture.registered().await;
    fixture.consent(&client.id, "Dicom.Read", None).await;
    let mut browser = Browser::new(&fixture);
    browser.get(&client.asking(WEB, &[("scope", "openid profile email")])).await;
    assert!(fields(&browser.sign_in(ADA, PASSWORD).await).contains_key("code"));
    assert!(fields(&browser.get(&client.asking(WEB, &[])).await).contains_key("code"));
    // Of one client nothing follows for another.
    let other = fixture.registered().await;
    let page = browser.get(&other.asking(WEB, &[("scope", "openid")])).await;
    assert!(page.text.contains("asks for permissions"), "{}", page.text);
}

/// Reads studies in every user's name, and stores by itself.
pub(super) fn asks_for_both() -> Value {
    serde_json::json!({ "requiredResourceAccess": [{
        "resourceAppId": crate::DICOM_APP_ID.to_string(),
        "resourceAccess": [
            { "id": "e69ab058-b8ae-4c0f-b687-5d97888ddccb", "type": "Scope" },
            { "id": "58a3b984-7adf-4c20-983a-32417c86fbc8", "type": "Role" }
        ]
    }] })
}

pub(super) fn ask_admin(client: &Registered, path: &str, more: &[(&str, &str)]) -> String {
    let mut fields = vec![("client_id", client.id.as_str()), ("redirect_uri", WEB), ("state", "s")];
    fields.extend_from_slice(more);
    format!("/contoso.local/{path}?{}", form(&fields))
}

#[tokio::test]
async fn an_administrator_consents_for_everybody_at_the_clients_request() {
    let default = "https://dicom.healthcareapis.azure.com/.default";
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        for (path, more) in [("adminconsent", vec![]), ("v2.0/adminconsent", vec![("scope", default)])] {
            let client = fixture.registered_with(asks_for_both()).await;
            let asking = ask_admin(&client, path, &more);
            let mut browser = Browser::new(&fixture);
            browser.get(&asking).await;
            let page = browser.sign_in(ADA, PASSWORD).await;
            assert!(page.status == 403 && page.text.contains("AADSTS90094"), "{}", page.text);
            let mut browser = Browser::new(&fixture);
            browser.get(&asking).await;
            let page = browser.sign_in(ADMIN, ADMIN_PASSWORD).await;
            assert!(page.text.contains("by itself, without any user"), "{}", page.text);
            assert!(
                page.text.contains("Read, store and delete images</strong> (in the name of every user)"),
                "{}",
                page.text
            );
            let refused = fields(&browser.step("consent", &[("decision", "refuse")]).await);
            assert_eq!((refused["error"].as_str(), refused["state"].as_str()), ("access_denied", "s"));
            assert_eq!(refused["admin_consent"], "True");
            assert!(fixture.identity.list_grants(Some(&client.id)).await.unwrap().is_empty());
            browser.get(&asking).await;
            let found = fields(&browser.accept().await);
            let tid = fixture.tid().await;
            assert_eq!(
                (found["admin_consent"].as_str(), found["tenant"].as_str(), found["state"].as_str()),
                ("True", tid.as_str(), "s")
            );
            let granted = format!("https://dicom.healthcareapis.azure.com/Dicom.ReadWrite {default}");
            assert_eq!(found.get("scope"), more.first().map(|_| &granted));
            assert!(!found.contains_key("code") && !found.contains_key("iss"));
            let grants = fixture.identity.list_grants(Some(&client.id)).await.unwrap();
            assert_eq!((grants[0].scope.as_str(), grants[0].principal_id), ("Dicom.ReadWrite", None));
            let own = fixture
                .v2(&[
                    ("grant_type", "client_credentials"),
                    ("client_id", &client.id),
                    ("client_secret", &client.secret),
                    ("scope", default),
                ])
                .await;
            assert_eq!(fixture.claims(&own).await["roles"], serde_json::json!(["DICOM Data Owner"]));
        }
    }
}

#[tokio::test]
async fn administrators_are_asked_only_for_registered_clients_and_addresses() {
    let fixture = fixtures().await.remove(0);
    let client = fixture.registered_with(asks_for_both()).await;
    let nothing = fixture.registered().await;
    let mut browser = Browser::new(&fixture);
    let wrong = ask_admin(&client, "adminconsent", &[]).replace("reading", "evil");
    assert!(browser.get(&wrong).await.text.contains("AADSTS50011"));
    let graph = ask_admin(&client, "v2.0/adminconsent", &[("scope", "https://nowhere.example/.default")]);
    assert_eq!(fields(&browser.get(&graph).await)["error"], "invalid_resource");
    browser.get(&ask_admin(&nothing, "adminconsent", &[])).await;
    let page = browser.sign_in(ADMIN, ADMIN_PASSWORD).await;
    assert!(page.status == 400 && page.text.contains("AADSTS65001"), "{}", page.text);
    // A sign-in's page does not answer an administrator's question, nor the other way round.
    browser.get(&client.asking(WEB, &[("scope", WORDS)])).await;
    let flow = browser.flow();
    browser.get(&ask_admin(&client, "adminconsent", &[])).await;
    let answer = browser.post(&[("flow", &flow), ("step", "consent"), ("decision", "accept")]).await;
    assert!(fields(&answer).contains_key("code"));
    let grants = fixture.identity.list_grants(Some(&client.id)).await.unwrap();
    assert!(grants.iter().all(|grant| grant.principal_id.is_some()), "{grants:?}");
}
