//! What clients may want of a person: `prompt`, `max_age`, hints; and what the session does.

use jiff::SignedDuration;

use super::*;
use crate::{UserChange, browser_sessions::SessionHash};

#[tokio::test]
async fn nobody_is_asked_anything_silently() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        let mut browser = Browser::new(&fixture);
        let silent = client.asking(WEB, &[("prompt", "none")]);
        let found = fields(&browser.get(&silent).await);
        assert_eq!((found["error"].as_str(), found["state"].as_str()), ("login_required", "the state"));
        assert!(found["error_description"].starts_with("AADSTS50058"), "{found:?}");
        assert!(found.contains_key("iss") && found.contains_key("correlation_id"));
        browser.get(&client.asking(WEB, &[])).await;
        browser.sign_in(ADA, PASSWORD).await;
        let found = fields(&browser.get(&silent).await);
        assert_eq!(found["error"], "consent_required");
        fixture.consented_to_all(&client.id, &ada).await;
        let found = fields(&browser.get(&silent).await);
        assert_eq!(fixture.redeem_web(&client, &found["code"]).await.status, 200);
        let sid = found["session_state"].clone();
        for (name, value, good) in [
            ("login_hint", ADA, true),
            ("login_hint", "bob@contoso.local", false),
            ("login_hint", "opaque", true),
            ("sid", sid.as_str(), true),
            ("sid", "11111111-2222-3333-4444-555555555555", false),
        ] {
            let asking = client.asking(WEB, &[("prompt", "none"), (name, value)]);
            let found = fields(&browser.get(&asking).await);
            assert_eq!(found.contains_key("code"), good, "{name}={value}: {found:?}");
        }
    }
}

#[tokio::test]
async fn a_sign_in_again_and_no_older_than_wanted() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        fixture.consented_to_all(&client.id, &ada).await;
        let mut browser = Browser::new(&fixture);
        browser.get(&client.asking(WEB, &[])).await;
        assert_eq!(browser.sign_in(ADA, PASSWORD).await.status, 303);
        fixture.clock.advance(SignedDuration::from_secs(100));
        assert_eq!(browser.get(&client.asking(WEB, &[("max_age", "100")])).await.status, 303);
        for changes in [[("prompt", "login")], [("max_age", "99")], [("max_age", "0")]] {
            fixture.clock.advance(SignedDuration::from_secs(100));
            let before = browser.session().unwrap().to_owned();
            let page = browser.get(&client.asking(WEB, &changes)).await;
            assert!(page.text.contains("<h1>Sign in</h1>"), "{changes:?}");
            let found = fields(&browser.sign_in(ADA, PASSWORD).await);
            assert_ne!(browser.session().unwrap(), before, "a new session");
            let id = fixture.id_claims(&fixture.redeem_web(&client, &found["code"]).await).await;
            assert_eq!(id.get("auth_time").is_some(), changes[0].0 == "max_age", "{id}");
        }
        let claims = "{\"id_token\":{\"auth_time\":{\"essential\":true}}}";
        let found = fields(&browser.get(&client.asking(WEB, &[("claims", claims)])).await);
        let id = fixture.id_claims(&fixture.redeem_web(&client, &found["code"]).await).await;
        assert_eq!(id["auth_time"].as_i64(), Some(fixture.identity.0.clock.now().as_second()));
        // Silently, a sign-in that is too old is none.
        fixture.clock.advance(SignedDuration::from_secs(10));
        let silent = client.asking(WEB, &[("prompt", "none"), ("max_age", "9")]);
        assert_eq!(fields(&browser.get(&silent).await)["error"], "login_required");
    }
}

#[tokio::test]
async fn a_policy_says_how_old_a_sign_in_may_be() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let (client, other) = (fixture.registered().await, fixture.registered().await);
        for client in [&client, &other] {
            fixture.consented_to_all(&client.id, &ada).await;
        }
        let definition = r#"{"TokenLifetimePolicy":{"MaxAgeSingleFactor":"1:00:00"}}"#;
        let policy = serde_json::json!({"displayName": "an hour", "definition": [definition]});
        let policy = policy.as_object().unwrap();
        let policy = fixture.identity.create_token_lifetime_policy(&actor(), policy).await.unwrap();
        let assigned =
            fixture.identity.assign_token_lifetime_policy(&actor(), client.id.as_str(), policy.id).await;
        assigned.unwrap();

        let mut browser = Browser::new(&fixture);
        browser.get(&client.asking(WEB, &[])).await;
        let found = fields(&browser.sign_in(ADA, PASSWORD).await);
        let tokens = fixture.redeem_web(&client, &found["code"]).await.json();
        let silent = client.asking(WEB, &[("prompt", "none")]);
        fixture.clock.advance(SignedDuration::from_secs(3599));
        let found = fields(&browser.get(&silent).await);
        let late = fixture.redeem_web(&client, &found["code"]).await.json();
        assert!(late["refresh_token"].is_string(), "for a second: {late}");
        let found = fields(&browser.get(&silent).await);
        fixture.clock.advance(SignedDuration::from_secs(1));
        let none = fixture.redeem_web(&client, &found["code"]).await.json();
        assert!(none["access_token"].is_string() && none.get("refresh_token").is_none(), "{none}");
        let fields_of_refresh = [
            ("grant_type", "refresh_token"),
            ("client_id", client.id.as_str()),
            ("client_secret", client.secret.as_str()),
            ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ];
        assert_eq!(fixture.v2(&fields_of_refresh).await.code(), 70_043);
        assert_eq!(fields(&browser.get(&silent).await)["error"], "login_required");
        let page = browser.get(&client.asking(WEB, &[])).await;
        assert!(page.text.contains("<h1>Sign in</h1>"), "{}", page.text);
        // Others go by the session as before.
        let page = browser.get(&other.asking(WEB, &[])).await;
        assert_eq!(page.status, 303, "{}", page.text);
        browser.get(&client.asking(WEB, &[])).await;
        let found = fields(&browser.sign_in(ADA, PASSWORD).await);
        let again = fixture.redeem_web(&client, &found["code"]).await.json();
        assert!(again["refresh_token"].is_string(), "{again}");
        assert!(fields(&browser.get(&silent).await).contains_key("code"));
    }
}

#[tokio::test]
async fn a_client_that_means_one_user_is_answered_for_no_other() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        fixture.signer("bob", false).await;
        let (client, stranger) = (fixture.registered().await, fixture.registered().await);
        for client in [&client, &stranger] {
            fixture.consent(&client.id, "Dicom.Read", None).await;
        }
        let mut ada = Browser::new(&fixture);
        let mut id_tokens = Vec::new();
        for client in [&client, &stranger] {
            let page = ada.get(&client.asking(WEB, &[])).await;
            let page = if page.status == 200 { ada.sign_in(ADA, PASSWORD).await } else { page };
            let tokens = fixture.redeem_web(client, &fields(&page)["code"]).await;
            let token = |name: &str| tokens.json()[name].as_str().unwrap().to_owned();
            id_tokens.push((token("id_token"), token("access_token"), fixture.id_claims(&tokens).await));
        }
        let (hint, access, claims) = &id_tokens[0];
        let sub = format!("{{\"id_token\":{{\"sub\":{{\"value\":{}}}}}}}", claims["sub"]);
        // It may have expired.
        fixture.clock.advance(SignedDuration::from_hours(3));
        let mut bob = Browser::new(&fixture);
        bob.get(&client.asking(WEB, &[])).await;
        bob.sign_in("bob@contoso.local", PASSWORD).await;
        for wanted in [("id_token_hint", hint.as_str()), ("claims", sub.as_str())] {
            let silent = client.asking(WEB, &[("prompt", "none"), wanted]);
            let found = fields(&ada.get(&silent).await);
            assert_eq!(fixture.redeem_web(&client, &found["code"]).await.status, 200, "{wanted:?}");
            assert_eq!(fields(&bob.get(&silent).await)["error"], "login_required", "{wanted:?}");
            // Another user is asked to sign in, and is still another one then.
            let asking = client.asking(WEB, &[wanted]);
            let page = bob.get(&asking).await;
            assert!(page.text.contains("<h1>Sign in</h1>"), "{}", page.text);
            let found = fields(&bob.sign_in("bob@contoso.local", PASSWORD).await);
            assert_eq!((found["error"].as_str(), found.contains_key("code")), ("login_required", false));
            let mut shared = Browser::new(&fixture);
            shared.get(&asking).await;
            assert!(fields(&shared.sign_in(ADA, PASSWORD).await).contains_key("code"), "{wanted:?}");
        }
        for (why, hint) in [
            ("of another client", &*id_tokens[1].0),
            ("an access token", access),
            ("forged", &format!("{hint}x")),
            ("nonsense", "x.y.z"),
        ] {
            let found = fields(&ada.get(&client.asking(WEB, &[("id_token_hint", hint)])).await);
            assert_eq!(found["error"], "invalid_request", "{why}");
        }
        // By form: the token does not get into an address of ours.
        let asking = client.asking(WEB, &[("prompt", "none"), ("id_token_hint", hint)]);
        let (path, body) = asking.split_once('?').unwrap();
        let answer = fixture.post(path, body.to_owned()).await;
        let location = answer.header("location").strip_prefix("https://localhost:8443").unwrap().to_owned();
        assert!(!location.contains(hint.as_str()), "{location}");
        assert!(fields(&ada.get(&location).await).contains_key("code"));
        assert_eq!(fields(&bob.get(&location).await)["error"], "login_required");
    }
}

#[tokio::test]
async fn a_person_chooses_the_account() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let bob = fixture.signer("bob", false).await;
        let client = fixture.registered().await;
        fixture.consent(&client.id, "Dicom.Read", None).await;
        let mut browser = Browser::new(&fixture);
        let select = client.asking(WEB, &[("prompt", "select_account")]);
        assert!(browser.get(&select).await.text.contains("<h1>Sign in</h1>"), "there is nothing to choose");
        browser.sign_in(ADA, PASSWORD).await;
        let oid = async |code: &str| {
            let tokens = fixture.redeem_web(&client, code).await;
            fixture.claims(&tokens).await["oid"].as_str().unwrap().to_owned()
        };
        let page = browser.get(&select).await;
        assert!(page.text.contains("Continue as ada Example (ada@contoso.local)"), "{}", page.text);
        let found = fields(&browser.step("account", &[("account", "this")]).await);
        assert_eq!(oid(&found["code"]).await, ada.id.to_string());
        browser.get(&select).await;
        let page = browser.step("account", &[("account", "other")]).await;
        assert!(page.text.contains("<h1>Sign in</h1>"), "{}", page.text);
        let found = fields(&browser.sign_in("bob@contoso.local", PASSWORD).await);
        assert_eq!(oid(&found["code"]).await, bob.id.to_string());
        // A hint at somebody else asks, and fills the name in.
        let page = browser.get(&client.asking(WEB, &[("login_hint", ADA)])).await;
        assert!(page.text.contains("value=\"ada@contoso.local\""), "{}", page.text);
        let found = fields(&browser.step("cancel", &[]).await);
        assert_eq!(found["error"], "access_denied");
    }
}

#[tokio::test]
async fn a_session_ends_by_rest_by_age_and_with_its_user() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        fixture.consented_to_all(&client.id, &ada).await;
        let hour = |n| SignedDuration::from_hours(n);
        let silent = client.asking(WEB, &[("prompt", "none")]);
        let mut browser = Browser::new(&fixture);
        let fresh = client.asking(WEB, &[("prompt", "login")]);
        browser.get(&fresh).await;
        browser.sign_in(ADA, PASSWORD).await;
        fixture.clock.advance(hour(25));
        assert_eq!(fields(&browser.get(&silent).await)["error"], "login_required", "it rested for a day");
        browser.get(&fresh).await;
        browser.sign_in(ADA, PASSWORD).await;
        for day in 0..7 {
            assert!(fields(&browser.get(&silent).await).contains_key("code"), "day {day}");
            fixture.clock.advance(hour(24) - SignedDuration::from_secs(1));
        }
        fixture.clock.advance(SignedDuration::from_secs(10));
        assert_eq!(fields(&browser.get(&silent).await)["error"], "login_required", "it lived for a week");

        browser.get(&fresh).await;
        browser.sign_in(ADA, PASSWORD).await;
        fixture.clock.advance(SignedDuration::from_secs(1));
        fixture.identity.revoke_sign_in_sessions(&actor(), ADA).await.unwrap();
        assert_eq!(fields(&browser.get(&silent).await)["error"], "login_required", "revoked");
        browser.get(&fresh).await;
        browser.sign_in(ADA, PASSWORD).await;
        let off = UserChange { account_enabled: Some(false), ..UserChange::default() };
        fixture.identity.update_user(&actor(), ADA, off).await.unwrap();
        assert_eq!(fields(&browser.get(&silent).await)["error"], "login_required", "disabled");
    }
}

#[tokio::test]
async fn the_database_holds_no_token_and_one_session_for_each_browser() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        let mut browser = Browser::new(&fixture);
        let mut tokens = Vec::new();
        for _ in 0..3 {
            browser.get(&client.asking(WEB, &[("prompt", "login")])).await;
            browser.sign_in(ADA, PASSWORD).await;
            tokens.push(browser.session().unwrap().to_owned());
        }
        let mut tx = fixture.test_db.db.read().await.unwrap();
        let rows = tx.fetch_all("SELECT token_hash FROM browser_session LIMIT 10", &[]).await.unwrap();
        let stored: Vec<String> = rows.iter().map(|row| row.text(0).unwrap()).collect();
        assert_eq!(stored, [SessionHash::of(tokens.last().unwrap()).as_str()]);
        assert!(!stored.contains(tokens.last().unwrap()));
        drop(tx);
        // The sessions of before are worth nothing.
        browser.cookies.insert("__Host-hilum-session".to_owned(), tokens[0].clone());
        let found = fields(&browser.get(&client.asking(WEB, &[("prompt", "none")])).await);
        assert_eq!(found["error"], "login_required");
    }
}
