//! What must fail (RFC 9700, RFC 6819; sheet §9): each attack once.

use jiff::SignedDuration;

use super::*;

/// A request that is refused before the client is known stays on a page.
#[tokio::test]
async fn nothing_leads_to_an_address_that_is_not_registered() {
    let fixture = fixtures().await.remove(0);
    let client = fixture.registered().await;
    let mut browser = Browser::new(&fixture);
    for uri in [
        "https://evil.example/callback",
        "https://reading.example/callback/",
        "https://reading.example/CALLBACK",
        "https://reading.example/callback/../x",
        "https://reading.example/%63allback",
        "https://reading.example/callback?next=https://evil.example",
        "https://reading.example/callback#x",
        "https://reading.example:8443/callback",
        "https://reading.example.evil.example/callback",
        "https://reading.example@evil.example/callback",
        "http://reading.example/callback",
        "http://localhost.evil.example",
        "http://localhost:80@evil.example",
        "http://localhost:3000/other.html",
        "https://localhost:3000/redirect.html",
        "//reading.example/callback",
        "javascript:alert(1)",
        "https://reading.example/callback\r\nSet-Cookie:x=1",
    ] {
        for more in [("prompt", "none"), ("response_type", "nonsense"), ("response_mode", "form_post")] {
            let answer = browser.get(&client.asking(uri, &[more])).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (400, ""), "{uri}");
            assert!(answer.text.contains("AADSTS50011"), "{uri}: {}", answer.text);
            assert!(!answer.text.contains("href=") && !answer.text.contains("<form"), "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn what_is_wrong_before_the_way_back_is_known_is_told_the_person() {
    let fixture = fixtures().await.remove(0);
    let client = fixture.registered().await;
    let none = fixture.client("no redirect URI").await.id();
    let unknown = "11111111-2222-3333-4444-555555555555";
    let mut browser = Browser::new(&fixture);
    for (why, asking, code) in [
        ("no client", client.asking(WEB, &[("client_id", "")]), 900_144),
        ("an unknown client", client.asking(WEB, &[("client_id", unknown)]), 700_016),
        ("no GUID", client.asking(WEB, &[("client_id", "<b>x</b>")]), 700_016),
        ("no URI is registered", client.asking(WEB, &[("client_id", &none)]), 500_113),
        ("several are registered", client.asking("", &[]).replace("redirect_uri=&", ""), 900_144),
        ("twice", format!("{}&client_id={}", client.asking(WEB, &[]), client.id), 9_002_313),
        ("twice, not known", format!("{}&x=1&x=2", client.asking(WEB, &[])), 9_002_313),
        ("too long a state", client.asking(WEB, &[("state", &"x".repeat(8193))]), 90_100),
        ("too long", format!("{}&x={}", client.asking(WEB, &[]), "x".repeat(40_000)), 90_015),
        ("another tenant", client.asking(WEB, &[]).replace("contoso.local", "fabrikam.example"), 90_002),
        ("no tenant", client.asking(WEB, &[]).replace("contoso.local", "a%20b"), 900_023),
        ("of one tenant", client.asking(WEB, &[]).replace("contoso.local", "common"), 50_194),
    ] {
        let answer = browser.get(&asking).await;
        assert!(answer.status.is_client_error() && answer.header("location").is_empty(), "{why}");
        assert!(answer.text.contains(&format!("AADSTS{code}")), "{why}: {}", answer.text);
        assert!(answer.text.contains("Correlation ID") && !answer.text.contains("<b>x"), "{why}");
    }
    fixture
        .identity
        .update_application(&actor(), &client.id, &members(r#"{"isDisabled":true}"#))
        .await
        .unwrap();
    assert!(browser.get(&client.asking(WEB, &[])).await.text.contains("AADSTS70001"));
}

#[tokio::test]
async fn what_is_wrong_afterwards_is_told_the_client() {
    let fixture = fixtures().await.remove(0);
    let client = fixture.registered().await;
    let mut browser = Browser::new(&fixture);
    for (uri, changes, error, code) in [
        (WEB, vec![("response_type", "")], "invalid_request", 900_144),
        (WEB, vec![("response_type", "code token")], "unsupported_response_type", 70_005),
        (WEB, vec![("response_type", "id_token"), ("nonce", "n")], "unsupported_response_type", 700_054),
        (WEB, vec![("response_type", "token")], "unsupported_response_type", 700_051),
        (WEB, vec![("response_type", "id_token"), ("response_mode", "query")], "invalid_request", 70_007),
        (WEB, vec![("response_mode", "web_message")], "invalid_request", 90_100),
        (WEB, vec![("scope", "")], "invalid_request", 900_144),
        (WEB, vec![("scope", "https://dicom.healthcareapis.azure.com/Nothing")], "invalid_scope", 650_053),
        (WEB, vec![("scope", "https://nowhere.example/Read")], "invalid_resource", 500_011),
        (WEB, vec![("scope", "User.Read https://nowhere.example/Read")], "invalid_scope", 70_011),
        (WEB, vec![("prompt", "none login")], "invalid_request", 90_100),
        (WEB, vec![("claims", "{")], "invalid_request", 90_100),
        (WEB, vec![("max_age", "-1")], "invalid_request", 90_100),
        (WEB, vec![("request", "e30.e30.")], "request_not_supported", 90_023),
        (WEB, vec![("request_uri", "https://evil.example")], "request_uri_not_supported", 90_023),
        (WEB, vec![("code_challenge", "short")], "invalid_request", 501_491),
        (WEB, vec![("code_challenge_method", "none")], "invalid_request", 501_491),
        (SPA, vec![("code_challenge", ""), ("code_challenge_method", "")], "invalid_request", 9_002_325),
        (SPA, vec![("code_challenge_method", "plain")], "invalid_request", 501_491),
        (WEB, vec![("code_challenge_method", "plain")], "invalid_request", 501_491),
        (WEB, vec![("code_challenge_method", "")], "invalid_request", 501_491),
        (DESKTOP, vec![("code_challenge", "")], "invalid_request", 9_002_325),
        (DESKTOP, vec![("code_challenge_method", "")], "invalid_request", 501_491),
    ] {
        let answer = browser.get(&client.asking(uri, &changes)).await;
        let found = fields(&answer);
        assert_eq!(found["error"], error, "{changes:?}");
        assert!(found["error_description"].starts_with(&format!("AADSTS{code}")), "{changes:?} {found:?}");
        assert_eq!((found["state"].as_str(), found.contains_key("code")), ("the state", false));
    }
    let nonce = serde_json::json!({ "redirectUris": [WEB],
        "implicitGrantSettings": { "enableIdTokenIssuance": true } });
    let client = fixture.registered_with(serde_json::json!({ "web": nonce })).await;
    let found = fields(&browser.get(&client.asking(WEB, &[("response_type", "code id_token")])).await);
    assert!(found["error_description"].starts_with("AADSTS90014"), "{found:?}");
    let no_openid = [("response_type", "code id_token"), ("nonce", "n"), ("scope", READ)];
    assert_eq!(fields(&browser.get(&client.asking(WEB, &no_openid)).await)["error"], "invalid_request");
}

#[tokio::test]
async fn forms_of_others_are_refused() {
    let fixture = fixtures().await.remove(0);
    fixture.signer("ada", false).await;
    fixture.signer("bob", false).await;
    let client = fixture.registered().await;
    let mut ada = Browser::new(&fixture);
    ada.get(&client.asking(WEB, &[])).await;
    let sign_in_flow = ada.flow();
    ada.sign_in(ADA, PASSWORD).await;
    let consent_flow = ada.flow();
    // Login CSRF: the attacker's page in the victim's browser, and the victim's cookie-less browser.
    let mut victim = Browser::new(&fixture);
    let sign_in = |flow: &str| {
        [
            ("flow", flow.to_owned()),
            ("step", "sign-in".to_owned()),
            ("username", ADA.to_owned()),
            ("password", PASSWORD.to_owned()),
        ]
    };
    let refused = async |browser: &mut Browser<'_>, fields: &[(&str, String)]| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = browser.post(&fields).await;
        assert_eq!(answer.status, 403, "{}", answer.text);
        assert!(browser.session().is_none());
    };
    refused(&mut victim, &sign_in(&sign_in_flow)).await;
    victim.get(&client.asking(WEB, &[])).await;
    refused(&mut victim, &sign_in(&sign_in_flow)).await;
    refused(&mut victim, &sign_in("made up")).await;
    refused(&mut victim, &sign_in("")).await;
    let consent =
        [("flow", consent_flow.clone()), ("step", "consent".to_owned()), ("decision", "accept".to_owned())];
    refused(&mut victim, &consent).await;
    // Consent that was made for one person does not serve another in the same browser.
    ada.get(&client.asking(WEB, &[("prompt", "login")])).await;
    ada.sign_in("bob@contoso.local", PASSWORD).await;
    let answer = ada.post(&[("flow", &consent_flow), ("step", "consent"), ("decision", "accept")]).await;
    assert!(answer.text.contains("asks for permissions") && answer.text.contains("bob@contoso.local"));
    assert!(fixture.identity.list_grants(Some(&client.id)).await.unwrap().is_empty());
    // A page that was left open.
    fixture.clock.advance(SignedDuration::from_secs(3601));
    let answer = ada.accept().await;
    assert!(answer.text.contains("AADSTS50089"), "{}", answer.text);
    // A code is no flow, and a flow no code.
    let code = fixture.redeem_web(&client, &sign_in_flow).await;
    assert_eq!(code.code(), 70_000);
}

#[tokio::test]
async fn a_session_given_beforehand_is_worth_nothing() {
    let fixture = fixtures().await.remove(0);
    fixture.signer("ada", false).await;
    let client = fixture.registered().await;
    let planted = fixture.identity.random_text::<32>();
    let mut browser = Browser::new(&fixture);
    browser.cookies.insert("__Host-hilum-session".to_owned(), planted.clone());
    browser.through(&client.asking(WEB, &[])).await;
    assert_ne!(browser.session().unwrap(), planted);
    let mut attacker = Browser::new(&fixture);
    attacker.cookies.insert("__Host-hilum-session".to_owned(), planted);
    let found = fields(&attacker.get(&client.asking(WEB, &[("prompt", "none")])).await);
    assert_eq!(found["error"], "login_required");
}

#[tokio::test]
async fn a_registration_that_changes_meanwhile_counts() {
    let fixture = fixtures().await.remove(0);
    fixture.signer("ada", false).await;
    let client = fixture.registered().await;
    let mut browser = Browser::new(&fixture);
    browser.get(&client.asking(WEB, &[])).await;
    browser.sign_in(ADA, PASSWORD).await;
    let change = members(r#"{"web":{"redirectUris":["https://elsewhere.example/"]}}"#);
    fixture.identity.update_application(&actor(), &client.id, &change).await.unwrap();
    let answer = browser.accept().await;
    assert!(answer.status == 400 && answer.text.contains("AADSTS50011"), "{}", answer.text);
}

#[tokio::test]
async fn names_that_nobody_has_get_the_same_page() {
    let fixture = fixtures().await.remove(0);
    fixture.signer("ada", false).await;
    let client = fixture.registered().await;
    let mut pages = Vec::new();
    for name in [ADA, "eve@contoso.local"] {
        let mut browser = Browser::new(&fixture);
        browser.get(&client.asking(WEB, &[])).await;
        let answer = browser.sign_in(name, "wrong").await;
        assert_eq!((answer.status.as_u16(), browser.session()), (400, None));
        pages.push(answer.text.replace(&browser.flow(), "").replace(name, ""));
    }
    assert!(pages[0].contains("The user name or the password is wrong."), "{}", pages[0]);
    assert_eq!(pages[0], pages[1]);
    let mut browser = Browser::new(&fixture);
    let mut last = browser.get(&client.asking(WEB, &[])).await;
    for _ in 0..12 {
        last = browser.sign_in(ADA, "wrong").await;
    }
    assert_eq!(last.status, 429, "{}", last.text);
    assert_eq!(browser.sign_in(ADA, PASSWORD).await.status, 429, "the right one, too");
}

#[tokio::test]
async fn pages_are_closed_to_others_and_escape() {
    let fixture = fixtures().await.remove(0);
    fixture.signer("ada", false).await;
    let client =
        fixture.registered_with(serde_json::json!({ "displayName": "<script>alert(1)</script>" })).await;
    let mut browser = Browser::new(&fixture);
    let first = browser.get(&client.asking(WEB, &[("login_hint", "\"><b>x@y")])).await;
    assert!(!first.text.contains("\"><b>"), "{}", first.text);
    let consent = browser.sign_in(ADA, PASSWORD).await;
    let failed = browser.get(&client.asking("https://evil.example/<b>", &[])).await;
    for page in [first, consent, failed] {
        assert!(!page.text.contains("<script>alert") && !page.text.contains("<b>"), "{}", page.text);
        let policy = page.header("content-security-policy").to_owned();
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "style-src 'sha256-"]
        {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(page.header(name), value);
        }
    }
    let mut browser = Browser::new(&fixture);
    let evil =
        [("response_mode", "form_post"), ("state", "\"><script>alert(1)</script>"), ("prompt", "none")];
    let page = browser.get(&client.asking(WEB, &evil)).await;
    assert!(page.status == 200 && !page.text.contains("<script>alert"), "{}", page.text);
}

/// Where we are is configured (RFC 9700 §4.12 and the like): no header changes what we say of ourselves or where we send anybody.
#[tokio::test]
async fn a_host_that_lies_changes_nothing() {
    let fixture = fixtures().await.remove(0);
    fixture.signer("ada", false).await;
    let client = fixture.registered().await;
    let lies = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "host=evil.example;proto=http"),
        ("x-original-url", "https://evil.example/"),
    ];
    let lying = |request: http::request::Builder| {
        lies.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    };
    let mut browser = Browser::new(&fixture);
    for path in [
        "/contoso.local/v2.0/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/contoso.local",
        &client.asking("https://evil.example/", &[]),
    ] {
        let honest = browser.get(path).await;
        let deceived = browser.visit(lying(Request::get(path)), String::new()).await;
        assert_eq!(honest.status, deceived.status);
        assert!(!deceived.text.contains("//evil.example") || path.contains("evil"), "{}", deceived.text);
        if honest.status == 200 {
            assert_eq!(honest.text, deceived.text, "{path}");
        }
    }
    let posted = lying(Request::post("/contoso.local/oauth2/v2.0/authorize"))
        .header("content-type", "application/x-www-form-urlencoded");
    let again =
        browser.visit(posted, form(&[("client_id", &client.id), ("state", "a\r\nlocation: x")])).await;
    assert_eq!(again.status, 303);
    let location = again.header("location");
    assert!(
        location.starts_with("https://localhost:8443/contoso.local/oauth2/v2.0/authorize?"),
        "{location}"
    );
    browser.visit(lying(Request::get(client.asking(WEB, &[]))), String::new()).await;
    browser.sign_in(ADA, PASSWORD).await;
    let found = fields(&browser.accept().await);
    assert_eq!(found["iss"], format!("https://localhost:8443/{}/v2.0", fixture.tid().await));
    let signed_out =
        browser.visit(lying(Request::get("/contoso.local/oauth2/v2.0/logout")), String::new()).await;
    assert!(!signed_out.text.contains("evil.example"), "{}", signed_out.text);
}

/// Sheet §2.1, §2.5, §2.6: one request is about one resource, wherever it is made.
#[tokio::test]
async fn a_scope_that_names_several_resources_is_refused_everywhere() {
    let fixture = fixtures().await.remove(0);
    fixture.signer("ada", false).await;
    let client = fixture.registered().await;
    let desktop = fixture.desktop("").await.app_id.to_string();
    let several = format!("{READ} https://graph.microsoft.com/User.Read openid");
    let both_defaults =
        "https://dicom.healthcareapis.azure.com/.default https://graph.microsoft.com/.default";
    let refused = |answer: &Answer, why: &str| {
        let found = answer.json();
        assert_eq!(
            (&found["error"], &found["error_codes"][0]),
            (&"invalid_scope".into(), &70_011.into()),
            "{why}"
        );
    };
    let mut browser = Browser::new(&fixture);
    let found = fields(&browser.get(&client.asking(WEB, &[("scope", &several)])).await);
    assert_eq!(found["error"], "invalid_scope");
    assert!(found["error_description"].starts_with("AADSTS70011: "), "{found:?}");

    let found = browser.through(&client.asking(WEB, &[])).await;
    let secret =
        [("client_id", client.id.as_str()), ("client_secret", &client.secret), ("redirect_uri", WEB)];
    let code = [("code", found["code"].as_str()), ("scope", &several)];
    refused(&fixture.redeem(&[&secret[..], &code].concat(), &[]).await, "a code");
    let tokens = fixture.redeem_web(&client, &found["code"]).await;
    let refresh = tokens.json()["refresh_token"].as_str().unwrap().to_owned();
    let access = tokens.json()["access_token"].as_str().unwrap().to_owned();
    for (why, grant, more) in [
        ("a refresh token", "refresh_token", vec![("refresh_token", refresh.as_str()), ("scope", &several)]),
        ("an application itself", "client_credentials", vec![("scope", both_defaults)]),
        (
            "on behalf of",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
            vec![("requested_token_use", "on_behalf_of"), ("assertion", &access), ("scope", &several)],
        ),
    ] {
        let fields = [&secret[..2], &[("grant_type", grant)], &more].concat();
        refused(&fixture.v2(&fields).await, why);
    }
    let password = [("username", ADA), ("password", PASSWORD), ("scope", &several)];
    let fields = [&[("grant_type", "password"), ("client_id", &*desktop)][..], &password].concat();
    refused(&fixture.v2(&fields).await, "a password");
    for (path, more) in
        [("devicecode", vec![]), ("par", vec![("response_type", "code"), ("redirect_uri", WEB)])]
    {
        let fields = [&secret[..2], &[("scope", several.as_str())], &more].concat();
        let fields: Vec<(&str, &str)> =
            fields.into_iter().filter(|(name, _)| path == "par" || *name != "client_secret").collect();
        refused(&fixture.post(&format!("/contoso.local/oauth2/v2.0/{path}"), form(&fields)).await, path);
    }
}
