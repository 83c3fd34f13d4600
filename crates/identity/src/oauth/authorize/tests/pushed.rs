//! Pushed authorization requests (RFC 9126): what clients send ahead, and what browsers make of it.

use jiff::SignedDuration;
use serde_json::json;

use super::*;

const PAR: &str = "/contoso.local/oauth2/v2.0/par";

/// A request to be pushed, with some fields changed or, when empty, left out.
fn request(client: &Registered, changes: &[(&str, &str)]) -> String {
    let asking = client.asking(WEB, &[]);
    let asking = asking.split_once('?').unwrap().1;
    let mut fields: Vec<(String, String)> =
        url::form_urlencoded::parse(asking.as_bytes()).into_owned().collect();
    fields.push(("client_secret".to_owned(), client.secret.clone()));
    for (name, value) in changes {
        fields.retain(|(known, _)| known != name);
        if !value.is_empty() {
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
    }
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    form(&fields)
}

fn reference(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.json()["expires_in"], 60);
    answer.json()["request_uri"].as_str().unwrap().to_owned()
}

fn authorize(id: &str, reference: &str) -> String {
    format!("/contoso.local/oauth2/v2.0/authorize?client_id={id}&request_uri={}", encoded(reference))
}

#[tokio::test]
async fn a_request_goes_ahead_of_its_user() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        let answer = fixture.post(PAR, request(&client, &[])).await;
        assert_eq!(answer.header("cache-control"), "no-store, no-cache");
        let uri = reference(&answer);
        assert!(!uri.contains("Dicom") && uri.starts_with("urn:ietf:params:oauth:request_uri:"));
        // What stands beside the reference does not count.
        let beside = "&redirect_uri=https%3A%2F%2Fevil.example&scope=openid&state=other&code_challenge=x";
        let mut browser = Browser::new(&fixture);
        let found = browser.through(&format!("{}{beside}", authorize(&client.id, &uri))).await;
        assert_eq!(found["state"], "the state");
        let tokens = fixture
            .v2(&[
                ("grant_type", "authorization_code"),
                ("client_id", &client.id),
                ("client_secret", &client.secret),
                ("redirect_uri", WEB),
                ("code", &found["code"]),
                ("code_verifier", VERIFIER),
            ])
            .await;
        assert_eq!(tokens.status, 200, "{}", tokens.text);
        // Once.
        let again = browser.get(&authorize(&client.id, &uri)).await;
        assert_eq!(again.status, 400);
        assert!(again.text.contains("90100"), "{}", again.text);
        let trail = fixture.final_trail().await;
        assert!(trail.iter().any(|line| line.starts_with("identity.authorization.pushed success")));
    }
}

#[tokio::test]
async fn clients_without_a_secret_push_by_their_name() {
    for fixture in fixtures().await {
        let client = fixture.registered().await;
        for (redirect_uri, origin) in [(SPA, Some("http://localhost:3000")), (DESKTOP, None)] {
            let body = request(&client, &[("redirect_uri", redirect_uri), ("client_secret", "")]);
            let headers: Vec<_> = origin.iter().map(|origin| ("origin", *origin)).collect();
            let answer = fixture.post_with(PAR, body, &headers).await;
            assert_eq!(answer.header("access-control-allow-origin"), origin.unwrap_or_default());
            let page = fixture.get(&authorize(&client.id, &reference(&answer))).await;
            assert_eq!(page.status, 200);
            let with = request(&client, &[("redirect_uri", redirect_uri)]);
            assert_eq!(fixture.post_with(PAR, with, &headers).await.code(), 700_025);
        }
    }
}

#[tokio::test]
async fn what_cannot_be_pushed() {
    for fixture in fixtures().await {
        let client = fixture.registered().await;
        for (changes, code) in [
            (&[("client_secret", "")][..], 7_000_218),
            (&[("client_secret", "wrong")], 7_000_215),
            (&[("client_id", "")], 900_144),
            (&[("client_id", "11111111-1111-1111-1111-111111111111")], 700_016),
            (&[("redirect_uri", "https://evil.example")], 50_011),
            (&[("response_type", "")], 900_144),
            (&[("scope", "https://unknown/Read")], 500_011),
            (&[("request_uri", "urn:ietf:params:oauth:request_uri:x")], 90_100),
            (&[("request", "x.y.z")], 90_023),
            (&[("code_challenge_method", "plain")], 501_491),
            (&[("state", &*"x".repeat(9_000))], 90_100),
        ] {
            let refused = fixture.post(PAR, request(&client, changes)).await;
            assert_eq!(refused.code(), code, "{changes:?} {}", refused.text);
        }
        let page = fixture.post_with(PAR, request(&client, &[]), &[("origin", "https://evil.example")]).await;
        assert_eq!(page.code(), 9_002_326);
        let huge = [
            ("state", &*"x".repeat(8_000)),
            ("claims", &*format!("{{\"x\":\"{}\"}}", "x".repeat(8_000))),
            ("login_hint", &*"x".repeat(500)),
            ("nonce", &*"x".repeat(1000)),
        ];
        let huge = fixture.post(PAR, request(&client, &huge)).await;
        assert_eq!((huge.status.as_u16(), huge.code()), (413, 90_015));
        assert_eq!(fixture.get(PAR).await.code(), 900_561);
        assert_eq!(
            fixture.post("/fabrikam.example/oauth2/v2.0/par", request(&client, &[])).await.code(),
            90_002
        );
        let trail = fixture.final_trail().await;
        assert!(trail.iter().any(
            |line| line.contains("identity.authorization.pushed refused") && line.contains("AADSTS50011")
        ));
    }
}

#[tokio::test]
async fn a_reference_is_its_clients_own_and_short_lived() {
    for fixture in fixtures().await {
        let client = fixture.registered().await;
        let other = fixture.registered_with(json!({ "displayName": "Other" })).await;
        let uri = reference(&fixture.post(PAR, request(&client, &[])).await);
        let good = authorize(&client.id, &uri);
        let altered = format!("{uri}x");
        for path in [
            authorize(&other.id, &uri),
            good.replace(&format!("client_id={}&", client.id), ""),
            good.replace("/contoso.local/", "/common/"),
            good.replace("/oauth2/v2.0/", "/oauth2/"),
            good.replace("/oauth2/v2.0/authorize", "/v2.0/adminconsent"),
            authorize(&client.id, &altered),
            authorize(&client.id, "urn:ietf:params:oauth:request_uri:"),
        ] {
            let page = fixture.get(&path).await;
            assert_eq!(page.status, 400, "{path}");
            assert!(page.header("location").is_empty());
        }
        // None of them has used it up.
        assert_eq!(fixture.get(&good).await.status, 200);
        let uri = reference(&fixture.post(PAR, request(&client, &[])).await);
        fixture.clock.advance(SignedDuration::from_secs(60));
        assert_eq!(fixture.get(&authorize(&client.id, &uri)).await.status, 400);
        // Others' references are not fetched.
        let foreign = fixture.get(&client.asking(WEB, &[("request_uri", "https://evil.example/r")])).await;
        assert!(
            foreign.header("location").contains("request_uri_not_supported"),
            "{}",
            foreign.header("location")
        );
    }
}

#[tokio::test]
async fn an_application_may_insist() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.registered_with(json!({ "requirePushedAuthorizationRequests": true })).await;
        let refused = fixture.get(&client.asking(WEB, &[])).await;
        assert_eq!(refused.status, 303);
        assert!(refused.header("location").starts_with(&format!("{WEB}?error=invalid_request")));
        assert!(refused.header("location").contains("AADSTS90023"));
        let uri = reference(&fixture.post(PAR, request(&client, &[])).await);
        // Through all steps of the person.
        let found = Browser::new(&fixture).through(&authorize(&client.id, &uri)).await;
        assert!(found.contains_key("code"), "{found:?}");
    }
}
