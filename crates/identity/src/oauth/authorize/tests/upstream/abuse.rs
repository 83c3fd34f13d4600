//! What must fail (RFC 9700 §4, OIDC Core §16): each attack once.

use jiff::SignedDuration;

use super::*;

/// Makes a token for a request.
type Forgery<'a> = Box<dyn Fn(&Sent) -> String + 'a>;

async fn linked() -> Vec<Place> {
    let places = places(Linking::Existing).await;
    for place in &places {
        place.fixture.signer("ada", false).await;
        place.link(ADA, SUBJECT).await;
    }
    places
}

#[tokio::test]
async fn an_answer_belongs_to_one_browser_and_counts_once() {
    for place in linked().await {
        let (mut mine, mut victim) = (place.browser(), place.browser());
        let sent = place.leave(&mut mine).await;
        let token = place.id_token(&sent, Value::Null);
        // Login CSRF: the victim is to be signed in as the attacker.
        victim.get(&place.client.asking(WEB, &[])).await;
        for browser in [&mut victim, &mut place.browser()] {
            let answer = place.back(browser, &sent, &token).await;
            assert_eq!(answer.status, 403, "{}", answer.text);
            assert!(browser.session().is_none() && !answer.text.contains("<form"));
        }
        assert!(!place.elsewhere.mock.lock().unwrap().asked.contains_key("token"), "the code went nowhere");
        assert!(is_in(&place.back(&mut mine, &sent, &token).await));
        // Replayed: state and code.
        let answer = place.back(&mut mine, &sent, &token).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        assert_eq!(place.elsewhere.mock.lock().unwrap().asked["token"], 1);
    }
}

#[tokio::test]
async fn states_that_nobody_was_given() {
    let place = linked().await.remove(0);
    let mut browser = place.browser();
    let sent = place.leave(&mut browser).await;
    let state = &sent["state"];
    for query in [
        String::new(),
        "code=x".to_owned(),
        "code=x&state=".to_owned(),
        "code=x&state=made-up".to_owned(),
        format!("code=x&state={state}x"),
        format!("code=x&state={state}&state={state}"),
        format!("code=x&code=y&state={state}"),
        format!("code={}&state={state}", "x".repeat(40_000)),
    ] {
        let answer = browser.get(&format!("{BACK}?{query}")).await;
        assert!(answer.status.is_client_error() && answer.header("location").is_empty(), "{query}");
    }
    for path in ["/common/federation/oauth2/other", "/common/federation/oauth2/%2e%2e"] {
        let answer = browser.get(&format!("{path}?code=x&state={state}")).await;
        assert!(answer.status.is_client_error(), "another provider's address: {}", answer.text);
    }
    let post = Request::post(BACK).header("content-type", "application/x-www-form-urlencoded");
    let answer = browser.visit(post, format!("code=x&state={state}")).await;
    assert_eq!(answer.status, 405);
    assert!(!place.elsewhere.mock.lock().unwrap().asked.contains_key("token"));
    // Too late.
    place.fixture.clock.advance(SignedDuration::from_mins(16));
    let token = place.id_token(&sent, Value::Null);
    let answer = place.back(&mut browser, &sent, &token).await;
    assert!(answer.status == 400 && answer.text.contains("AADSTS50089"), "{}", answer.text);
}

#[tokio::test]
async fn id_tokens_that_prove_nothing() {
    let place = linked().await.remove(0);
    let now_s = place.fixture.clock_s();
    for (why, changes) in [
        ("another nonce", json!({ "nonce": "another" })),
        ("no nonce", json!({ "nonce": null })),
        ("another issuer", json!({ "iss": "https://evil.example" })),
        ("the issuer with a slash", json!({ "iss": format!("{}/", place.elsewhere.url) })),
        ("no issuer", json!({ "iss": null })),
        ("another audience", json!({ "aud": "another client" })),
        ("no audience", json!({ "aud": null })),
        ("several audiences, nobody's", json!({ "aud": [CLIENT, "another client"] })),
        ("another party", json!({ "azp": "another client" })),
        ("a party that is no text", json!({ "azp": [CLIENT] })),
        ("expired", json!({ "exp": now_s - 301, "iat": now_s - 600 })),
        ("no expiry", json!({ "exp": null })),
        ("not yet", json!({ "nbf": now_s + 301 })),
        ("of the future", json!({ "iat": now_s + 301 })),
        ("of no time", json!({ "iat": null })),
        ("of long ago", json!({ "iat": now_s - 3700, "exp": now_s + 86_400 })),
        ("no subject", json!({ "sub": null })),
        ("an empty subject", json!({ "sub": "" })),
        ("a subject that is a number", json!({ "sub": 1 })),
        ("an endless subject", json!({ "sub": "x".repeat(256) })),
        ("a subject of lines", json!({ "sub": "a\nb" })),
    ] {
        let mut browser = place.browser();
        let answer = place.sign_in(&mut browser, changes).await;
        assert!(answer.text.contains("AADSTS50027"), "{why}: {}", answer.text);
        is_out(&browser, &answer, 50_027);
    }
    // These are right.
    for changes in [
        json!({ "aud": [CLIENT] }),
        json!({ "aud": [CLIENT, "another client"], "azp": CLIENT }),
        json!({ "exp": now_s - 200, "iat": now_s - 500 }),
        json!({ "nbf": now_s + 200 }),
    ] {
        assert!(is_in(&place.sign_in(&mut place.browser(), changes).await));
    }
}

#[tokio::test]
async fn algorithms_and_keys_that_are_not_the_provider_s() {
    let place = linked().await.remove(0);
    let segment = |value: &Value| base64url_encode(value.to_string());
    let kid = ISSUER_KEY.kid().to_owned();
    let mut tokens: Vec<(&str, Forgery<'_>)> = Vec::new();
    let (p, k) = (&place, &kid);
    tokens.push((
        "none",
        Box::new(move |sent| {
            format!("{}.{}.", segment(&json!({"alg":"none"})), segment(&p.claims(sent, Value::Null)))
        }),
    ));
    tokens.push((
        "HS256",
        Box::new(move |sent| {
            let head = segment(&json!({"alg":"HS256","kid":k}));
            format!("{head}.{}.{}", segment(&p.claims(sent, Value::Null)), base64url_encode([1; 32]))
        }),
    ));
    tokens.push(("an embedded key", Box::new(move |sent| {
        let head = json!({"alg":"RS256","jwk":serde_json::to_value(ISSUER_KEY.jwk(None).unwrap()).unwrap(),"kid":"unknown"});
        format!("{}.{}.{}", segment(&head), segment(&p.claims(sent, Value::Null)), base64url_encode([1; 256]))
    })));
    tokens.push((
        "changed afterwards",
        Box::new(move |sent| {
            let good = p.id_token(sent, Value::Null);
            let parts: Vec<&str> = good.split('.').collect();
            format!("{}.{}.{}", parts[0], segment(&p.claims(sent, json!({"sub":"admin"}))), parts[2])
        }),
    ));
    tokens.push((
        "PS256 where the provider says RS256",
        Box::new(move |sent| {
            let header = SigningHeader { names: SigningHeader::ENTRA_V2.names, ..SigningHeader::ASSERTION };
            sign_jwt(&ISSUER_KEY, header, &p.claims(sent, Value::Null)).unwrap()
        }),
    ));
    tokens.push(("our own", Box::new(move |_| "a.b.c".to_owned())));
    tokens.push(("nothing", Box::new(move |_| String::new())));
    tokens.push((
        "endless",
        Box::new(move |sent| format!("{}{}", p.id_token(sent, Value::Null), "x".repeat(100_000))),
    ));
    let rs256 = json!({ "id_token_signing_alg_values_supported": ["RS256"] });
    place.elsewhere.change(|mock| mock.metadata = rs256);
    for (why, make) in tokens {
        let mut browser = place.browser();
        let sent = place.leave(&mut browser).await;
        let answer = place.back(&mut browser, &sent, &make(&sent)).await;
        assert!(answer.text.contains("AADSTS50027"), "{why}: {}", answer.text);
        assert!(browser.session().is_none(), "{why}");
    }
    assert!(is_in(&place.sign_in(&mut place.browser(), Value::Null).await));
}

/// RFC 9207 §2.4, RFC 9700 §4.4: the answer says whose it is, and the code goes to nobody else.
#[tokio::test]
async fn an_answer_of_another_provider() {
    let place = linked().await.remove(0);
    let supported = json!({ "authorization_response_iss_parameter_supported": true });
    place.elsewhere.change(|mock| mock.metadata = supported);
    let url = place.elsewhere.url.clone();
    for (issuer, good) in [
        (Some("https://evil.example".to_owned()), false),
        (Some(format!("{url}/")), false),
        (None, false),
        (Some(url), true),
    ] {
        let mut browser = place.browser();
        let sent = place.leave(&mut browser).await;
        place.elsewhere.gives(&place.id_token(&sent, Value::Null));
        let mut query = vec![("code", "the code"), ("state", &*sent["state"])];
        query.extend(issuer.as_deref().map(|issuer| ("iss", issuer)));
        let answer = browser.get(&format!("{BACK}?{}", form(&query))).await;
        if good {
            assert!(is_in(&answer), "{}", answer.text);
        } else {
            is_out(&browser, &answer, 50_027);
        }
    }
    assert_eq!(place.elsewhere.mock.lock().unwrap().asked["token"], 1, "only the good one was redeemed");
}

#[tokio::test]
async fn errors_of_the_provider_are_told_in_our_own_words() {
    let place = linked().await.remove(0);
    for (error, code, words) in [
        ("access_denied", 50_088, "did not let you"),
        ("temporarily_unavailable", 50_166, "cannot be reached"),
        ("invalid_scope", 50_166, "refused the sign-in"),
        ("<script>alert(1)</script>", 50_166, "refused the sign-in"),
    ] {
        let mut browser = place.browser();
        let sent = place.leave(&mut browser).await;
        let evil = "Call 555-0100 and tell your password";
        let query = form(&[("error", error), ("error_description", evil), ("state", &sent["state"])]);
        let answer = browser.get(&format!("{BACK}?{query}")).await;
        is_out(&browser, &answer, code);
        assert!(answer.text.contains(words), "{}", answer.text);
        assert!(!answer.text.contains("555-0100") && !answer.text.contains("<script>alert"));
        assert!(is_in(&browser.sign_in(ADA, PASSWORD).await), "who has a password gets on");
    }
}

/// The callback leads where the client's request says, and to no address of its own parameters.
#[tokio::test]
async fn the_callback_is_no_open_redirect() {
    let place = linked().await.remove(0);
    let mut browser = place.browser();
    let sent = place.leave(&mut browser).await;
    place.elsewhere.gives(&place.id_token(&sent, Value::Null));
    let evil = "https://evil.example";
    let query = form(&[
        ("code", "the code"),
        ("state", &sent["state"]),
        ("redirect_uri", evil),
        ("post_logout_redirect_uri", evil),
        ("RelayState", evil),
        ("next", evil),
    ]);
    let answer = browser.get(&format!("{BACK}?{query}")).await;
    assert!(is_in(&answer) && !answer.text.contains(evil));
    assert!(browser.accept().await.header("location").starts_with(&format!("{WEB}?")));
    // A provider that is not there.
    let mut browser = place.browser();
    for id in ["", "other", "https://evil.example", "../hospital", "hospital/"] {
        browser.get(&place.client.asking(WEB, &[])).await;
        let answer = browser.step("elsewhere", &[("provider", id)]).await;
        is_out(&browser, &answer, 50_107);
    }
}

#[tokio::test]
async fn a_step_that_the_page_does_not_offer() {
    let place = linked().await.remove(0);
    let mut browser = place.browser();
    assert!(is_in(&place.sign_in(&mut browser, Value::Null).await));
    let answer = browser.step("elsewhere", &[("provider", PROVIDER)]).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (400, ""));
    // A form of another browser.
    browser.get(&place.client.asking(WEB, &[("prompt", "login")])).await;
    let flow = browser.flow();
    let mut other = place.browser();
    other.get(&place.client.asking(WEB, &[])).await;
    let fields = [("flow", flow.as_str()), ("step", "elsewhere"), ("provider", PROVIDER)];
    assert_eq!(other.post(&fields).await.status, 403);
}

/// The registration changed while the person was away: what is no longer registered is not led to.
#[tokio::test]
async fn the_client_is_checked_anew() {
    let place = linked().await.remove(0);
    let mut browser = place.browser();
    let sent = place.leave(&mut browser).await;
    let gone = members(r#"{"web":{"redirectUris":["https://reading.example/other"]}}"#);
    place.fixture.identity.update_application(&actor(), &place.client.id, &gone).await.unwrap();
    let token = place.id_token(&sent, Value::Null);
    let answer = place.back(&mut browser, &sent, &token).await;
    assert!(answer.text.contains("AADSTS50011") && answer.header("location").is_empty(), "{}", answer.text);
    assert!(browser.session().is_none());
}
