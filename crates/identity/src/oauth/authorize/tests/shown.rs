//! What a person accepts is what the page showed, and a form answers for its own page only.

use http::{HeaderMap, HeaderValue};
use jiff::SignedDuration;

use super::{
    consent::{ask_admin, asks_for_both},
    *,
};
use crate::{
    NewRoleAssignment, PrincipalRef,
    oauth::{
        authorize::{
            admin_consent::shown,
            checks::{Asking, Kind},
            parameters::Parameters,
        },
        browser::Visit,
        error::OAuthError,
        form::Form,
        scopes::Endpoint,
        token::Caller,
    },
};

const DEFAULT: &str = "https://dicom.healthcareapis.azure.com/.default";
const READ_WRITE: &str = "https://dicom.healthcareapis.azure.com/Dicom.ReadWrite";

/// Reads only.
fn asks_for_less() -> Value {
    serde_json::json!({ "requiredResourceAccess": [{
        "resourceAppId": crate::DICOM_APP_ID.to_string(),
        "resourceAccess": [{ "id": "6b7f3a52-90c4-4be1-8d15-2f60e9a7c3d4", "type": "Scope" }]
    }] })
}

impl Fixture {
    async fn changed(&self, client: &Registered, change: &Value) {
        let change = members(&change.to_string());
        self.identity.update_application(&actor(), &client.id, &change).await.unwrap();
    }

    async fn granted_to(&self, client: &Registered) -> Vec<String> {
        let grants = self.identity.list_grants(Some(&client.id)).await.unwrap();
        grants.into_iter().map(|grant| grant.scope).collect()
    }
}

#[tokio::test]
async fn an_administrator_grants_what_the_page_showed() {
    for fixture in fixtures().await {
        for path in ["adminconsent", "v2.0/adminconsent"] {
            let client = fixture.registered_with(asks_for_less()).await;
            let mut browser = Browser::new(&fixture);
            browser.get(&ask_admin(&client, path, &[])).await;
            let page = browser.sign_in(ADMIN, ADMIN_PASSWORD).await;
            assert!(page.text.contains("Read images</strong>"), "{}", page.text);
            fixture.changed(&client, &asks_for_both()).await;
            let again = browser.accept().await;
            assert_eq!(again.status, 200);
            assert!(again.text.contains("by itself, without any user"), "{}", again.text);
            assert!(fixture.granted_to(&client).await.is_empty());
            let own = [
                ("grant_type", "client_credentials"),
                ("client_id", client.id.as_str()),
                ("client_secret", &client.secret),
                ("scope", DEFAULT),
            ];
            assert!(fixture.claims(&fixture.v2(&own).await).await.get("roles").is_none());
            // Who saw it grants it.
            assert_eq!(fields(&browser.accept().await)["admin_consent"], "True");
            assert_eq!(fixture.granted_to(&client).await, ["Dicom.ReadWrite"]);
        }
    }
}

#[tokio::test]
async fn a_user_grants_what_the_page_showed() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.registered_with(asks_for_less()).await;
        let mut browser = Browser::new(&fixture);
        browser.get(&client.asking(WEB, &[("scope", DEFAULT)])).await;
        let page = browser.sign_in(ADA, PASSWORD).await;
        assert!(page.text.contains("Read images</strong>"), "{}", page.text);
        fixture.changed(&client, &asks_for_both()).await;
        let again = browser.accept().await;
        assert!(
            again.status == 200 && again.text.contains("Read, store and delete images</strong>"),
            "{}",
            again.text
        );
        assert!(fixture.granted_to(&client).await.is_empty());
        assert!(fields(&browser.accept().await).contains_key("code"));
        assert_eq!(fixture.granted_to(&client).await, ["Dicom.ReadWrite"]);
    }
}

#[tokio::test]
async fn a_form_takes_no_step_of_another_page() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        let mut browser = Browser::new(&fixture);
        let other = fixture.registered().await;
        browser.through(&other.asking(WEB, &[])).await;
        let own = [("scope", READ), ("prompt", "login")];
        let hinted = [("scope", READ), ("login_hint", "bob@contoso.local")];
        for asking in [client.asking(WEB, &own), client.asking(WEB, &hinted)] {
            let page = browser.get(&asking).await;
            assert!(page.text.contains("<h1>Sign in</h1>"), "{}", page.text);
            let flow = browser.flow();
            for (step, field) in [
                ("account", ("account", "this")),
                ("consent", ("decision", "accept")),
                ("password", ("x", "")),
            ] {
                let answer = browser.post(&[("flow", &flow), ("step", step), field]).await;
                assert_eq!(answer.status, 400, "{step}: {}", answer.text);
                assert!(fixture.granted_to(&client).await.is_empty());
            }
        }
        // Choosing an account is no consent, and consent no sign-in.
        for (asking, step, field) in [
            (client.asking(WEB, &[("prompt", "select_account")]), "consent", ("decision", "accept")),
            (client.asking(WEB, &[]), "account", ("account", "this")),
        ] {
            browser.get(&asking).await;
            assert_eq!(browser.step(step, &[field]).await.status, 400);
            assert!(fixture.granted_to(&client).await.is_empty());
        }
    }
}

#[tokio::test]
async fn a_session_that_becomes_too_old_on_a_page_grants_nothing() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let (other, client) = (fixture.registered().await, fixture.registered().await);
        let mut browser = Browser::new(&fixture);
        let fresh = [("max_age", "60")];
        let chosen = [("max_age", "60"), ("prompt", "select_account")];
        for (changes, heading, step, field) in [
            (&fresh[..], "asks for permissions", "consent", ("decision", "accept")),
            (&chosen[..], "Choose an account", "account", ("account", "this")),
        ] {
            // Who was signed in before is not asked for the password again.
            browser.get(&other.asking(WEB, &[("prompt", "login")])).await;
            browser.sign_in(ADA, PASSWORD).await;
            let page = browser.get(&client.asking(WEB, changes)).await;
            assert!(page.text.contains(heading), "{}", page.text);
            fixture.clock.advance(SignedDuration::from_secs(61));
            let answer = browser.step(step, &[field]).await;
            assert!(answer.text.contains("<h1>Sign in</h1>"), "{}", answer.text);
            assert!(fixture.granted_to(&client).await.is_empty());
        }
    }
}

#[tokio::test]
async fn an_administrators_right_is_checked_where_it_is_used() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.registered_with(asks_for_both()).await;
        let mut browser = Browser::new(&fixture);
        browser.get(&ask_admin(&client, "adminconsent", &[])).await;
        browser.sign_in(ADMIN, ADMIN_PASSWORD).await;
        let mut headers = HeaderMap::new();
        for (name, value) in &browser.cookies {
            headers.append("cookie", HeaderValue::from_str(&format!("{name}={value}")).unwrap());
        }
        let context = hilum_web::RequestContext::default();
        let live = Visit::of(identity, &context, &headers).live().await.unwrap().unwrap();
        let query = form(&[("client_id", client.id.as_str()), ("redirect_uri", WEB)]);
        let parameters = Parameters::of(&Form::parse(query.as_bytes()).unwrap()).unwrap();
        let (kind, segment) = (Kind::AdminConsent, "contoso.local".to_owned());
        let asking = Asking { kind, endpoint: Endpoint::V2, segment, parameters, pushed: false };
        let request = identity.check_authorization(&asking).await.unwrap();
        let page = shown(&identity.admin_question(&request, &live).await.unwrap());
        let caller = Caller {
            address: None,
            correlation: context.correlation,
            origin: None,
            key: None,
            takes_challenges: false,
        };
        // The request has read who it is; now the sessions end.
        fixture.clock.advance(SignedDuration::from_secs(1));
        identity.revoke_sign_in_sessions(&actor(), ADMIN).await.unwrap();
        let refused = identity.grant_for_all(&request, &live, &page, &caller).await;
        assert!(matches!(refused, Err(OAuthError::GrantRevoked)), "{refused:?}");
        assert!(fixture.granted_to(&client).await.is_empty());
    }
}

#[tokio::test]
async fn an_administrator_grants_exactly_what_scope_names() {
    for fixture in fixtures().await {
        let client = fixture.registered_with(asks_for_both()).await;
        let mut browser = Browser::new(&fixture);
        browser.get(&ask_admin(&client, "v2.0/adminconsent", &[("scope", READ)])).await;
        let page = browser.sign_in(ADMIN, ADMIN_PASSWORD).await;
        assert!(page.text.contains("Read images</strong>"), "{}", page.text);
        assert!(
            !page.text.contains("Read, store and delete images") && !page.text.contains("by itself"),
            "{}",
            page.text
        );
        assert_eq!(fields(&browser.accept().await)["scope"], READ);
        assert_eq!(fixture.granted_to(&client).await, ["Dicom.Read"]);
        let own = [
            ("grant_type", "client_credentials"),
            ("client_id", client.id.as_str()),
            ("client_secret", &client.secret),
            ("scope", DEFAULT),
        ];
        assert!(fixture.claims(&fixture.v2(&own).await).await.get("roles").is_none());
        // All that is listed, when nothing is named.
        browser.get(&ask_admin(&client, "v2.0/adminconsent", &[("scope", DEFAULT)])).await;
        assert_eq!(fields(&browser.accept().await)["scope"], format!("{READ_WRITE} {DEFAULT}"));
        let graph = [("scope", "User.Read openid")];
        browser.get(&ask_admin(&client, "v2.0/adminconsent", &graph)).await;
        let found = fields(&browser.accept().await);
        assert_eq!(found["scope"], "https://graph.microsoft.com/User.Read openid");
    }
}

#[tokio::test]
async fn nobody_grants_by_name_what_they_may_not_give() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let new = NewRoleAssignment {
            role: "Application Administrator".to_owned(),
            principal: PrincipalRef::Assignee(ada.user_principal_name),
            scope: "/".to_owned(),
        };
        fixture.identity.create_role_assignment(&actor(), new).await.unwrap();
        let client = fixture.registered().await;
        for (scope, status) in [("User.Read Directory.ReadWrite.All", 403), ("Directory.Read.All", 303)] {
            let mut browser = Browser::new(&fixture);
            browser.get(&ask_admin(&client, "v2.0/adminconsent", &[("scope", scope)])).await;
            browser.sign_in(ADA, PASSWORD).await;
            let answer = browser.accept().await;
            assert_eq!(answer.status, status, "{scope}: {}", answer.text);
            let granted = fixture.granted_to(&client).await;
            assert_eq!(granted.concat(), if status == 303 { scope } else { "" });
        }
    }
}
