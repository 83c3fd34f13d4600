//! What comes after signing in: who the user is, and signing out.

use super::*;

const SIGN_OUT: &str = "/contoso.local/oauth2/v2.0/logout";

/// A client that wants to hear of the end, and a browser that signed in to it.
async fn signed_in(fixture: &Fixture) -> (Registered, Browser<'_>, Answer) {
    fixture.signer("ada", false).await;
    let web =
        serde_json::json!({ "redirectUris": [WEB], "logoutUrl": "https://reading.example/signed-out?x=1" });
    let client = fixture.registered_with(serde_json::json!({ "web": web })).await;
    let mut browser = Browser::new(fixture);
    let found = browser.through(&client.asking(WEB, &[])).await;
    let tokens = fixture.redeem_web(&client, &found["code"]).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text);
    (client, browser, tokens)
}

fn token(answer: &Answer, name: &str) -> String {
    answer.json()[name].as_str().unwrap().to_owned()
}

async fn is_signed_in(browser: &mut Browser<'_>, client: &Registered) -> bool {
    fields(&browser.get(&client.asking(WEB, &[("prompt", "none")])).await).contains_key("code")
}

#[tokio::test]
async fn who_signed_in_is_told_to_who_holds_a_token() {
    for fixture in fixtures().await {
        let (client, mut browser, tokens) = signed_in(&fixture).await;
        let ask = async |path: &str, authorization: &str| {
            let mut request = Request::get(path);
            if !authorization.is_empty() {
                request = request.header("authorization", authorization);
            }
            fixture.send(request.body(Body::empty()).unwrap()).await
        };
        let bearer = |token: &str| format!("Bearer {token}");
        let access = bearer(&token(&tokens, "access_token"));
        for path in ["/oidc/userinfo", "/contoso.local/openid/userinfo"] {
            let answer = ask(path, &access).await;
            let id = fixture.id_claims(&tokens).await;
            assert_eq!(answer.json()["sub"], id["sub"], "the subject of the client, not of the resource");
            assert_eq!(answer.json()["name"], "ada Example");
            assert!(answer.json().get("email").is_none());
            assert_eq!(answer.header("access-control-allow-origin"), "*");
        }
        let asking = client.asking(WEB, &[("scope", "openid email")]);
        browser.get(&asking).await;
        let code = fields(&browser.accept().await)["code"].clone();
        let graph = token(&fixture.redeem_web(&client, &code).await, "access_token");
        assert_eq!(ask("/oidc/userinfo", &bearer(&graph)).await.status, 200);
        let own = fixture
            .v2(&[
                ("grant_type", "client_credentials"),
                ("client_id", &client.id),
                ("client_secret", &client.secret),
                ("scope", "https://dicom.healthcareapis.azure.com/.default"),
            ])
            .await;
        let id_token = token(&tokens, "id_token");
        let forged = format!("{access}x");
        for (why, authorization, status, challenge) in [
            ("no token", String::new(), 401, "Bearer"),
            ("an application's own", bearer(&token(&own, "access_token")), 403, "insufficient_scope"),
            ("an ID token", bearer(&id_token), 401, "invalid_token"),
            ("a refresh token", bearer(&token(&tokens, "refresh_token")), 401, "invalid_token"),
            ("a forged one", forged, 401, "invalid_token"),
        ] {
            let answer = ask("/oidc/userinfo", &authorization).await;
            assert_eq!(answer.status.as_u16(), status, "{why}");
            assert!(answer.header("www-authenticate").contains(challenge), "{why}");
        }
        let off = crate::UserChange { account_enabled: Some(false), ..crate::UserChange::default() };
        fixture.identity.update_user(&actor(), ADA, off).await.unwrap();
        assert_eq!(ask("/oidc/userinfo", &access).await.status, 401, "disabled");
        let preflight = Request::options("/oidc/userinfo").body(Body::empty()).unwrap();
        let preflight = fixture.send(preflight).await;
        assert!(preflight.header("access-control-allow-headers").contains("authorization"));
        let late = jiff::SignedDuration::from_hours(3);
        fixture.clock.advance(late);
        assert_eq!(ask("/oidc/userinfo", &bearer(&graph)).await.status, 401, "expired");
    }
}

#[tokio::test]
async fn a_hint_signs_out_and_the_clients_hear_of_it() {
    for fixture in fixtures().await {
        let (client, mut browser, tokens) = signed_in(&fixture).await;
        let id_token = token(&tokens, "id_token");
        let sid = fixture.id_claims(&tokens).await["sid"].as_str().unwrap().to_owned();
        let query =
            [("id_token_hint", id_token.as_str()), ("post_logout_redirect_uri", WEB), ("state", "s 1")];
        let page = browser.get(&format!("{SIGN_OUT}?{}", form(&query))).await;
        assert_eq!(page.status, 200);
        let frame = format!(
            "<iframe src=\"https://reading.example/signed-out?x=1&#38;iss=https%3A%2F%2Flocalhost%3A8443%2F{}%2Fv2.0&#38;sid={sid}\"",
            fixture.tid().await
        );
        assert!(page.text.contains(&frame), "{frame}\n{}", page.text);
        assert!(page.text.contains("href=\"https://reading.example/callback?state=s%201\""), "{}", page.text);
        let policy = page.header("content-security-policy");
        assert!(
            policy.contains("frame-src https://reading.example") && policy.contains("frame-ancestors 'none'")
        );
        assert_eq!(browser.session(), Some(""), "the cookie is gone");
        assert!(!is_signed_in(&mut browser, &client).await);
        let trail = fixture.final_trail().await;
        assert!(trail.iter().any(|line| line.starts_with("identity.sign-out success")), "{trail:#?}");
    }
}

#[tokio::test]
async fn without_a_hint_the_person_is_asked() {
    for fixture in fixtures().await {
        let (client, mut browser, _) = signed_in(&fixture).await;
        let other = fixture.registered().await;
        let query = form(&[("post_logout_redirect_uri", WEB), ("client_id", &other.id)]);
        let page = browser.get(&format!("{SIGN_OUT}?{query}")).await;
        assert!(page.text.contains("Do you want to sign out?") && page.text.contains(ADA), "{}", page.text);
        assert!(is_signed_in(&mut browser, &client).await, "another site signs nobody out");
        // A name is no proof.
        for query in [form(&[("logout_hint", ADA)]), form(&[("id_token_hint", "x.y.z")])] {
            let page = browser.get(&format!("{SIGN_OUT}?{query}")).await;
            assert!(page.text.contains("Do you want to sign out?"), "{query}");
        }
        let flow = hidden(&browser.page, "flow");
        let post = async |browser: &mut Browser<'_>, flow: &str| {
            let request =
                Request::post("/common/signout").header("content-type", "application/x-www-form-urlencoded");
            browser.visit(request, form(&[("flow", flow)])).await
        };
        let mut stranger = Browser::new(&fixture);
        stranger.get(&client.asking(WEB, &[])).await;
        assert_eq!(post(&mut stranger, &flow).await.status, 403);
        assert_eq!(post(&mut browser, "made up").await.status, 403);
        assert!(is_signed_in(&mut browser, &client).await);
        let done = post(&mut browser, &flow).await;
        assert!(done.status == 200 && done.text.contains("You are signed out"), "{}", done.text);
        assert!(!is_signed_in(&mut browser, &client).await);
    }
}

#[tokio::test]
async fn forms_of_before_are_worth_nothing_after_signing_out() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        let mut browser = Browser::new(&fixture);
        browser.get(&client.asking(WEB, &[])).await;
        // What the browser keeps of the page that followed, and sends again when somebody goes back to it.
        let flow = browser.flow();
        let sent = [("flow", flow.as_str()), ("step", "sign-in"), ("username", ADA), ("password", PASSWORD)];
        browser.post(&sent).await;
        let tokens = fields(&browser.accept().await)["code"].clone();
        let tokens = fixture.redeem_web(&client, &tokens).await;
        let hint = token(&tokens, "id_token");
        assert_eq!(browser.post(&sent).await.status, 303, "until then it does");
        browser.get(&format!("{SIGN_OUT}?{}", form(&[("id_token_hint", &hint)]))).await;
        let again = browser.post(&sent).await;
        assert_eq!((again.status.as_u16(), browser.session()), (403, Some("")), "{}", again.text);
        assert!(!is_signed_in(&mut browser, &client).await);
        // And the browser goes on to be good for somebody.
        browser.get(&client.asking(WEB, &[])).await;
        assert!(fields(&browser.sign_in(ADA, PASSWORD).await).contains_key("code"));
    }
}

#[tokio::test]
async fn signing_out_leads_nowhere_else() {
    let fixture = fixtures().await.remove(0);
    let (client, mut browser, tokens) = signed_in(&fixture).await;
    let id_token = token(&tokens, "id_token");
    let other = fixture.registered().await.id;
    for uri in [
        "https://evil.example/",
        "https://reading.example/callback/",
        "https://reading.example/callback#x",
        "https://reading.example@evil.example/callback",
        "//evil.example",
        "javascript:alert(1)",
    ] {
        for more in [("client_id", client.id.as_str()), ("x", "y")] {
            let query = form(&[("post_logout_redirect_uri", uri), more]);
            let answer = Browser::new(&fixture).get(&format!("{SIGN_OUT}?{query}")).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (200, ""), "{uri}");
            assert!(!answer.text.contains("href=") && !answer.text.contains("http-equiv"), "{}", answer.text);
        }
    }
    // Without a session, too, a client may name its own; nobody else may.
    let own = form(&[("post_logout_redirect_uri", WEB), ("client_id", &client.id), ("state", "s")]);
    let answer = Browser::new(&fixture).get(&format!("{SIGN_OUT}?{own}")).await;
    assert_eq!(answer.header("location"), "https://reading.example/callback?state=s");
    let nobody = form(&[("post_logout_redirect_uri", WEB)]);
    assert_eq!(Browser::new(&fixture).get(&format!("{SIGN_OUT}?{nobody}")).await.status, 200);
    for (why, query, status) in [
        ("two clients", form(&[("id_token_hint", &id_token), ("client_id", &other)]), 400),
        ("twice", "state=1&state=2".to_owned(), 400),
        ("too long", form(&[("state", &"x".repeat(9000))]), 400),
    ] {
        assert_eq!(browser.get(&format!("{SIGN_OUT}?{query}")).await.status.as_u16(), status, "{why}");
    }
    assert_eq!(browser.get("/fabrikam.example/oauth2/v2.0/logout").await.status, 400);
}

#[tokio::test]
async fn signing_out_by_form_keeps_the_id_token_out_of_addresses() {
    for fixture in fixtures().await {
        let (client, mut browser, tokens) = signed_in(&fixture).await;
        let id_token = token(&tokens, "id_token");
        // Another site's form comes without cookies, and comes again by GET.
        let body = form(&[("id_token_hint", &id_token), ("post_logout_redirect_uri", WEB), ("state", "s")]);
        let answer = fixture.post(SIGN_OUT, body).await;
        let location = answer.header("location").strip_prefix("https://localhost:8443").unwrap().to_owned();
        assert!(!location.contains(id_token.split('.').nth(1).unwrap()), "{location}");
        assert!(location.len() < 1000, "{location}");
        let page = browser.get(&location).await;
        assert!(page.text.contains("You are signed out"), "{}", page.text);
        assert!(page.text.contains("href=\"https://reading.example/callback?state=s\""), "{}", page.text);
        assert!(!is_signed_in(&mut browser, &client).await);
        // What is too long is refused before anybody is sent anywhere.
        for (name, length) in [("state", 9000), ("post_logout_redirect_uri", 513), ("id_token_hint", 17_000)]
        {
            let answer = fixture.post(SIGN_OUT, form(&[(name, &"x".repeat(length))])).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (400, ""), "{name}");
        }
    }
}

#[tokio::test]
async fn addresses_outside_ascii_are_encoded() {
    for fixture in fixtures().await {
        let uri = "https://reading.example/zurück";
        let web = serde_json::json!({ "redirectUris": [uri] });
        let client = fixture.registered_with(serde_json::json!({ "web": web })).await;
        let own = [("post_logout_redirect_uri", uri), ("client_id", client.id.as_str()), ("state", "é")];
        for (fields, expected) in [
            (&own[..2], "https://reading.example/zur%C3%BCck"),
            (&own[..], "https://reading.example/zur%C3%BCck?state=%C3%A9"),
        ] {
            let answer = Browser::new(&fixture).get(&format!("{SIGN_OUT}?{}", form(fields))).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (303, expected));
        }
    }
}

#[tokio::test]
async fn clients_that_are_switched_off_get_nobody_back() {
    for fixture in fixtures().await {
        let (client, mut browser, tokens) = signed_in(&fixture).await;
        let off = crate::ServicePrincipalChange { account_enabled: Some(false), ..Default::default() };
        fixture.identity.update_service_principal(&actor(), &client.id, &off).await.unwrap();
        let own = form(&[("post_logout_redirect_uri", WEB), ("client_id", &client.id)]);
        let answer = Browser::new(&fixture).get(&format!("{SIGN_OUT}?{own}")).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (200, ""));
        let hinted =
            form(&[("id_token_hint", &token(&tokens, "id_token")), ("post_logout_redirect_uri", WEB)]);
        let page = browser.get(&format!("{SIGN_OUT}?{hinted}")).await;
        assert!(page.text.contains("You are signed out"), "{}", page.text);
        assert!(!page.text.contains("reading.example"), "{}", page.text);
    }
}
