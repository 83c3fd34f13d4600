//! Codes at the token endpoint: what they are bound to, and that they are good once.

use jiff::SignedDuration;

use super::*;

async fn a_code(browser: &mut Browser<'_>, asking: &str) -> String {
    let page = browser.get(asking).await;
    let answer = if page.status == 200 { browser.sign_in(ADA, PASSWORD).await } else { page };
    fields(&answer)["code"].clone()
}

async fn prepared(fixture: &Fixture) -> Registered {
    fixture.signer("ada", false).await;
    let client = fixture.registered().await;
    fixture.consent(&client.id, "Dicom.Read", None).await;
    client
}

#[tokio::test]
async fn a_code_is_good_once_and_reuse_ends_what_it_gave() {
    for fixture in fixtures().await {
        let client = prepared(&fixture).await;
        let mut browser = Browser::new(&fixture);
        let code = a_code(&mut browser, &client.asking(WEB, &[])).await;
        let tokens = fixture.redeem_web(&client, &code).await;
        let refresh = tokens.json()["refresh_token"].as_str().unwrap().to_owned();
        let is_active = async |tokens: &Answer| {
            let token = tokens.json()["access_token"].as_str().unwrap().to_owned();
            let fields = [("client_id", &*client.id), ("client_secret", &client.secret), ("token", &token)];
            let told = fixture.post("/contoso.local/oauth2/v2.0/introspect", form(&fields)).await;
            told.json()["active"] == true
        };
        assert!(is_active(&tokens).await);
        let again = fixture.redeem_web(&client, &code).await;
        assert_eq!((again.code(), again.json()["error"].as_str()), (54_005, Some("invalid_grant")));
        let renew = [
            ("grant_type", "refresh_token"),
            ("client_id", &client.id),
            ("client_secret", &client.secret),
            ("refresh_token", &refresh),
        ];
        assert_eq!(fixture.v2(&renew).await.code(), 70_000, "its refresh token went with it");
        assert!(!is_active(&tokens).await, "whoever asks hears of it");
        // A code without a session is good once, too.
        let code = a_code(&mut browser, &client.asking(WEB, &[("scope", READ)])).await;
        let tokens = fixture.redeem_web(&client, &code).await;
        assert!(tokens.json().get("refresh_token").is_none() && tokens.json().get("id_token").is_none());
        assert!(is_active(&tokens).await);
        for _ in 0..2 {
            assert_eq!(fixture.redeem_web(&client, &code).await.code(), 54_005);
            assert!(!is_active(&tokens).await, "also of one without a session");
        }
        let trail = fixture.final_trail().await;
        let line = "an authorization code came twice";
        assert!(trail.iter().any(|event| event.contains(line)), "{trail:#?}");
    }
}

#[tokio::test]
async fn of_many_who_redeem_at_once_one_gets_tokens() {
    for fixture in fixtures().await {
        let client = prepared(&fixture).await;
        let mut browser = Browser::new(&fixture);
        let code = a_code(&mut browser, &client.asking(WEB, &[])).await;
        let all = futures::future::join_all((0..8).map(|_| fixture.redeem_web(&client, &code))).await;
        let good = all.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(good, 1, "{:?}", all.iter().map(|answer| answer.status).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_code_is_bound_to_its_request() {
    for fixture in fixtures().await {
        let client = prepared(&fixture).await;
        let other = fixture.registered().await;
        let mut browser = Browser::new(&fixture);
        let code = a_code(&mut browser, &client.asking(WEB, &[])).await;
        let good = [
            ("client_id", client.id.as_str()),
            ("client_secret", &client.secret),
            ("redirect_uri", WEB),
            ("code", &code),
        ];
        let wrong_verifier = VERIFIER.replace('d', "e");
        let tampered = format!("{}A", &code[..code.len() - 1]);
        for (why, changes, expected) in [
            (
                "another client",
                vec![("client_id", other.id.as_str()), ("client_secret", &other.secret)],
                700_005,
            ),
            ("another redirect URI", vec![("redirect_uri", "https://reading.example/callback/")], 500_112),
            ("no redirect URI", vec![("redirect_uri", "")], 900_144),
            ("no verifier", vec![("code_verifier", "")], 501_481),
            ("another verifier", vec![("code_verifier", wrong_verifier.as_str())], 501_481),
            ("the challenge as verifier", vec![("code_verifier", CHALLENGE)], 501_481),
            ("a short verifier", vec![("code_verifier", "short")], 501_491),
            ("no secret", vec![("client_secret", "")], 7_000_218),
            ("a wrong secret", vec![("client_secret", "wrong")], 7_000_215),
            ("no code", vec![("code", "")], 900_144),
            ("a code made up", vec![("code", "0.AXYZ")], 70_000),
            ("a code changed", vec![("code", tampered.as_str())], 70_000),
        ] {
            let mut fields = good.to_vec();
            for (name, value) in changes {
                fields.retain(|(known, _)| *known != name);
                fields.push((name, value));
            }
            let answer = fixture.redeem(&fields, &[]).await;
            assert_eq!(answer.code(), expected, "{why}: {}", answer.text);
        }
        let answer = fixture.redeem(&good, &[("origin", "https://reading.example")]).await;
        assert_eq!(answer.code(), 9_002_326);
        assert_eq!(answer.header("access-control-allow-origin"), "https://reading.example");
        assert_eq!(fixture.redeem(&good, &[]).await.status, 200, "nothing of that used it up");
        // A verifier without a challenge: somebody took the challenge away.
        let plain = [("code_challenge", ""), ("code_challenge_method", "")];
        let code = a_code(&mut browser, &client.asking(WEB, &plain)).await;
        assert_eq!(fixture.redeem_web(&client, &code).await.code(), 501_481);
        let late = a_code(&mut browser, &client.asking(WEB, &[])).await;
        fixture.clock.advance(SignedDuration::from_secs(300));
        assert_eq!(fixture.redeem_web(&client, &late).await.code(), 70_008);
    }
}

#[tokio::test]
async fn who_is_public_sends_no_secret_and_pages_ask_across_origins() {
    for fixture in fixtures().await {
        let client = prepared(&fixture).await;
        let mut browser = Browser::new(&fixture);
        let code = a_code(&mut browser, &client.asking(SPA, &[])).await;
        let page = [("client_id", client.id.as_str()), ("redirect_uri", SPA), ("code", &code)];
        assert_eq!(fixture.redeem(&page, &[]).await.code(), 9_002_327);
        for origin in ["https://evil.example", "null", "https://localhost:3000", "http://localhost:3000/x"] {
            assert_eq!(fixture.redeem(&page, &[("origin", origin)]).await.code(), 9_002_327, "{origin}");
        }
        let mut with_secret = page.to_vec();
        with_secret.push(("client_secret", &client.secret));
        let origin = [("origin", "http://localhost:3000")];
        assert_eq!(fixture.redeem(&with_secret, &origin).await.code(), 700_025);
        let tokens = fixture.redeem(&page, &origin).await;
        let mut refresh = tokens.json()["refresh_token"].as_str().unwrap().to_owned();
        let renew = async |token: &str, headers: &[(&str, &str)]| {
            let body =
                form(&[("grant_type", "refresh_token"), ("client_id", &client.id), ("refresh_token", token)]);
            fixture.post_with("/contoso.local/oauth2/v2.0/token", body, headers).await
        };
        assert_eq!(renew(&refresh, &[]).await.code(), 9_002_327, "a page's refresh token, too");
        for hours_left in [16, 8] {
            fixture.clock.advance(SignedDuration::from_hours(8));
            let renewed = renew(&refresh, &origin).await;
            assert_eq!(renewed.json()["refresh_token_expires_in"], hours_left * 3600, "{}", renewed.text);
            refresh = renewed.json()["refresh_token"].as_str().unwrap().to_owned();
        }
        fixture.clock.advance(SignedDuration::from_hours(8));
        let over = renew(&refresh, &origin).await;
        assert_eq!(over.code(), 700_084, "a day, however often it is used");
        assert!(over.json().get("suberror").is_none());

        let code = a_code(&mut browser, &client.asking("http://localhost:8400", &[])).await;
        let desktop =
            [("client_id", client.id.as_str()), ("redirect_uri", "http://localhost:8400"), ("code", &code)];
        let mut with_secret = desktop.to_vec();
        with_secret.push(("client_secret", &client.secret));
        assert_eq!(fixture.redeem(&with_secret, &[]).await.code(), 700_025);
        assert_eq!(fixture.redeem(&desktop, &origin).await.code(), 9_002_326);
        assert_eq!(fixture.redeem(&desktop, &[]).await.status, 200);
    }
}

#[tokio::test]
async fn a_code_gives_no_more_than_was_asked() {
    for fixture in fixtures().await {
        let client = prepared(&fixture).await;
        let mut browser = Browser::new(&fixture);
        let code = a_code(&mut browser, &client.asking(WEB, &[("scope", READ)])).await;
        let fields = |code: &str, scope: &str| {
            let fields = [
                ("client_id", client.id.as_str()),
                ("client_secret", &client.secret),
                ("redirect_uri", WEB),
                ("code", code),
                ("scope", scope),
            ];
            fields.map(|(name, value)| (name, value.to_owned()))
        };
        let redeem = async |code: &str, scope: &str| {
            let owned = fields(code, scope);
            let borrowed: Vec<(&str, &str)> =
                owned.iter().map(|(name, value)| (*name, value.as_str())).collect();
            fixture.redeem(&borrowed, &[]).await
        };
        let write = "https://dicom.healthcareapis.azure.com/Dicom.ReadWrite";
        assert_eq!(redeem(&code, write).await.code(), 65_001, "nobody consented to it");
        let tokens = redeem(&code, WORDS).await;
        assert!(tokens.json().get("refresh_token").is_none() && tokens.json().get("id_token").is_none());
        assert_eq!(tokens.json()["scope"], READ);
        // Words of OpenID Connect name no other resource, and the session keeps all that were authorised.
        let code = a_code(&mut browser, &client.asking(WEB, &[])).await;
        let tokens = redeem(&code, "offline_access").await;
        let claims = fixture.claims(&tokens).await;
        assert_eq!(
            (claims["aud"].as_str(), claims["scp"].as_str()),
            (Some("https://dicom.healthcareapis.azure.com"), Some("Dicom.Read"))
        );
        assert!(tokens.json().get("id_token").is_none(), "{}", tokens.text);
        let renewed = fixture
            .v2(&[
                ("grant_type", "refresh_token"),
                ("client_id", &client.id),
                ("client_secret", &client.secret),
                ("refresh_token", tokens.json()["refresh_token"].as_str().unwrap()),
            ])
            .await;
        assert_eq!(fixture.claims(&renewed).await["aud"], claims["aud"]);
        assert!(fixture.id_claims(&renewed).await["name"].is_string());
        // After a new password the code of before is worth nothing.
        let code = a_code(&mut browser, &client.asking(WEB, &[])).await;
        fixture.clock.advance(SignedDuration::from_secs(1));
        fixture.identity.revoke_sign_in_sessions(&actor(), ADA).await.unwrap();
        assert_eq!(fixture.redeem_web(&client, &code).await.code(), 50_173);
    }
}
