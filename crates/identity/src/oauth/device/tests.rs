//! The flow from both ends: the device at the token endpoint, the person at the page.

use std::collections::BTreeMap;

use axum::body::Body;
use futures::FutureExt as _;
use hilum_kernel::AppId;
use hilum_storage::db::DbError;
use http::{Request, StatusCode};
use jiff::SignedDuration;

use super::{
    FLOWS_MAX, FLOWS_OF_CLIENT_MAX, FLOWS_OF_SOURCE_MAX, INTERVAL_S, LIFE_S, NewFlow, device_hash, sql,
};
use crate::{
    SecondFactorChange,
    authentication_methods::totp::TotpSecret,
    oauth::{
        authorize::tests::hidden,
        tests::Answer,
        token::tests::{encoded, form},
    },
    sign_in::tests::PASSWORD,
    testing::{Fixture, actor, fixtures, members},
};

const READ: &str = "https://dicom.healthcareapis.azure.com/Dicom.Read";
const SCOPE: &str = "https://dicom.healthcareapis.azure.com/Dicom.Read openid profile offline_access";
const CLI: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";

/// A person's browser.
struct Browser<'a> {
    fixture: &'a Fixture,
    cookies: BTreeMap<String, String>,
    page: String,
    code: String,
}

impl<'a> Browser<'a> {
    async fn open(fixture: &'a Fixture, user_code: &str) -> Self {
        let code = user_code.to_owned();
        let mut browser = Self { fixture, cookies: BTreeMap::new(), page: String::new(), code };
        browser.open_again().await;
        assert!(browser.cookies.contains_key("__Host-hilum-browser"));
        browser
    }

    async fn open_again(&mut self) {
        let path = format!("/devicelogin?otc={}", self.code);
        assert_eq!(self.visit(Request::get(path), String::new()).await.status, 200);
    }

    /// Sends a request and follows where it leads.
    async fn visit(&mut self, request: http::request::Builder, body: String) -> Answer {
        let mut answer = self.visit_once(request, body).await;
        if answer.status == 303 {
            let path = answer.header("location").to_owned();
            assert!(path.starts_with("/devicelogin?flow="), "{path}");
            answer = self.visit_once(Request::get(path), String::new()).await;
        }
        self.page.clone_from(&answer.text);
        answer
    }

    async fn visit_once(&mut self, request: http::request::Builder, body: String) -> Answer {
        let answer =
            self.fixture.send(request.header("cookie", self.cookie()).body(Body::from(body)).unwrap()).await;
        for set in answer.headers.get_all("set-cookie") {
            let set = set.to_str().unwrap();
            assert!(set.starts_with("__Host-hilum-"), "{set}");
            assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{set}");
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    fn cookie(&self) -> String {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    fn flow(&self) -> String {
        hidden(&self.page, "flow")
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let flow = self.flow();
        let mut all = vec![("flow", flow.as_str())];
        all.extend_from_slice(fields);
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        self.visit(request, form(&all)).await
    }

    async fn type_code(&mut self) -> Answer {
        let code = self.code.clone();
        self.post("/devicelogin", &[("step", "code"), ("user_code", &code)]).await
    }

    async fn sign_in(&mut self, name: &str, password: &str) -> Answer {
        self.type_code().await;
        self.post("/common/login", &[("step", "sign-in"), ("username", name), ("password", password)]).await
    }

    async fn decide(&mut self, decision: &str) -> Answer {
        self.post("/devicelogin", &[("step", "decide"), ("decision", decision)]).await
    }
}

async fn send(fixture: &Fixture, cookie: &str, body: String) -> Answer {
    let request = Request::post("/devicelogin")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("cookie", cookie)
        .body(Body::from(body))
        .unwrap();
    fixture.send(request).await
}

impl Fixture {
    async fn start(&self, client: &str, scope: &str) -> Answer {
        let body = form(&[("client_id", client), ("scope", scope)]);
        self.post("/contoso.local/oauth2/v2.0/devicecode", body).await
    }

    async fn poll(&self, client: &str, device_code: &str) -> Answer {
        self.v2(&[("grant_type", "device_code"), ("client_id", client), ("device_code", device_code)]).await
    }
}

fn codes(answer: &Answer) -> (String, String) {
    let json = answer.json();
    let text = |name: &str| json[name].as_str().unwrap_or_else(|| panic!("{}", answer.text)).to_owned();
    (text("device_code"), text("user_code"))
}

#[tokio::test]
async fn a_person_lets_a_device_in() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let client = fixture.desktop("").await.app_id.to_string();
        let started = fixture.start(&client, SCOPE).await;
        let (device, user_code) = codes(&started);
        let told = started.text.replace(&device, "[device]").replace(&user_code, "[CODE]");
        insta::assert_snapshot!("started_v2", told);
        assert_eq!(started.header("cache-control"), "no-store, no-cache");
        let pending = fixture.poll(&client, &device).await;
        assert_eq!(
            (pending.code(), pending.json()["error"].as_str()),
            (70_016, Some("authorization_pending"))
        );

        let mut browser = Browser::open(&fixture, &user_code).await;
        let confirm = browser.sign_in("ada@contoso.local", PASSWORD).await;
        assert_eq!(confirm.status, 200);
        let shown = confirm.text.replace(&browser.flow(), "[flow]");
        let shown = shown.replace(&user_code, "[CODE]").replace(&client, "[client]");
        let (_, shown) = shown.split_once("</head>").unwrap();
        insta::assert_snapshot!("confirm", shown);
        assert_eq!(
            fixture.poll(&client, &device).await.json()["error"],
            "slow_down",
            "nothing is decided yet"
        );
        assert_eq!(browser.decide("accept").await.status, 200);

        fixture.clock.advance(SignedDuration::from_secs(11));
        let answer = fixture.poll(&client, &device).await;
        let claims = fixture.claims(&answer).await;
        assert_eq!(
            (claims["oid"].as_str(), claims["scp"].as_str()),
            (Some(&*ada.id.to_string()), Some("Dicom.Read"))
        );
        assert_eq!(claims["appidacr"], "0");
        assert_eq!(fixture.id_claims(&answer).await["preferred_username"], "ada@contoso.local");
        let refresh = answer.json()["refresh_token"].as_str().unwrap().to_owned();
        assert_eq!(fixture.refresh(&client, &refresh).await.status, 200);
        assert_eq!(fixture.poll(&client, &device).await.code(), 70_018, "once");

        let grants = fixture.identity.list_grants(Some(&client)).await.unwrap();
        let mut words: Vec<&str> = grants.iter().map(|grant| grant.scope.as_str()).collect();
        words.sort_unstable();
        assert_eq!(words, ["Dicom.Read", "openid profile offline_access"]);
        let adas = Some(hilum_kernel::ObjectId::new(ada.id.uuid()));
        assert!(grants.iter().all(|grant| grant.principal_id == adas), "{grants:?}");
        let trail = fixture.final_trail().await;
        for line in [
            "identity.sign-in success",
            "identity.consent.granted success",
            "identity.device.decided success",
            "identity.token.issued success",
        ] {
            assert!(trail.iter().any(|event| event.starts_with(line)), "{line}: {trail:#?}");
        }
        assert!(
            !trail.iter().any(|line| line.contains("identity.token.refused refused  AADSTS70016")),
            "{trail:#?}"
        );
    }
}

#[tokio::test]
async fn the_old_endpoint_and_the_other_names() {
    let fixture = fixtures().await.remove(0);
    fixture.signer("ada", false).await;
    let body = form(&[("client_id", CLI), ("resource", "https://dicom.healthcareapis.azure.com")]);
    let started = fixture.post("/common/oauth2/devicecode", body).await;
    let (device, user_code) = codes(&started);
    let told = started.text.replace(&device, "[device]").replace(&user_code, "[CODE]");
    insta::assert_snapshot!("started_v1", told);
    let mut browser = Browser::open(&fixture, &user_code.to_lowercase()).await;
    browser.sign_in("ada@contoso.local", PASSWORD).await;
    browser.decide("accept").await;
    let poll = form(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", CLI),
        ("code", &device),
    ]);
    let answer = fixture.post("/common/oauth2/token", poll).await;
    assert_eq!(answer.json()["scope"], "Dicom.Read Dicom.ReadWrite user_impersonation");
    assert!(answer.json()["expires_in"].is_string() && answer.json()["refresh_token"].is_string());
    assert!(
        fixture.identity.list_grants(Some(CLI)).await.unwrap().is_empty(),
        "pre-authorised: nothing to record"
    );
}

#[tokio::test]
async fn a_person_turns_a_device_away() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.desktop("").await.app_id.to_string();
        let (device, user_code) = codes(&fixture.start(&client, SCOPE).await);
        let mut browser = Browser::open(&fixture, &user_code).await;
        browser.sign_in("ada@contoso.local", PASSWORD).await;
        assert_eq!(browser.decide("refuse").await.status, 200);
        let answer = fixture.poll(&client, &device).await;
        assert_eq!(
            (answer.code(), answer.json()["error"].as_str()),
            (65_004, Some("authorization_declined"))
        );
        assert!(fixture.identity.list_grants(Some(&client)).await.unwrap().is_empty());
        browser.open_again().await;
        assert_eq!(browser.type_code().await.status, 400, "decided once");
    }
}

#[tokio::test]
async fn polling_too_fast_slows_the_device_down() {
    for fixture in fixtures().await {
        let client = fixture.desktop("").await.app_id.to_string();
        let (device, _) = codes(&fixture.start(&client, SCOPE).await);
        let error =
            async || fixture.poll(&client, &device).await.json()["error"].as_str().unwrap().to_owned();
        assert_eq!(error().await, "authorization_pending");
        fixture.clock.advance(SignedDuration::from_secs(5));
        assert_eq!(error().await, "authorization_pending");
        fixture.clock.advance(SignedDuration::from_secs(2));
        assert_eq!(error().await, "slow_down");
        fixture.clock.advance(SignedDuration::from_secs(5));
        assert_eq!(error().await, "slow_down", "RFC 8628 §3.5: five seconds more");
        fixture.clock.advance(SignedDuration::from_secs(15));
        assert_eq!(error().await, "authorization_pending");
        fixture.clock.advance(SignedDuration::from_secs(900));
        assert_eq!(error().await, "expired_token");
        fixture.start(&client, SCOPE).await;
        assert_eq!(error().await, "bad_verification_code", "expired flows are cleared away");
    }
}

#[tokio::test]
async fn who_may_start_and_redeem_a_flow() {
    for fixture in fixtures().await {
        let client = fixture.desktop("").await.app_id.to_string();
        let other = fixture.desktop("").await.app_id.to_string();
        let closed = fixture.desktop("").await.app_id.to_string();
        let off = members(r#"{"isFallbackPublicClient":null}"#);
        fixture.identity.update_application(&actor(), &closed, &off).await.unwrap();
        let confidential = fixture.client("confidential").await;
        for (id, scope, code) in [
            ("11111111-1111-1111-1111-111111111111", SCOPE, 700_016),
            (closed.as_str(), SCOPE, 7_000_218),
            (client.as_str(), "", 900_144),
            (client.as_str(), "https://unknown/x", 500_011),
            (client.as_str(), "https://dicom.healthcareapis.azure.com/Dicom.Nonsense", 650_053),
            (client.as_str(), "User.Read https://dicom.healthcareapis.azure.com/Dicom.Read", 70_011),
        ] {
            assert_eq!(fixture.start(id, scope).await.code(), code, "{id} {scope}");
        }
        let single = form(&[("client_id", &client), ("scope", SCOPE)]);
        assert_eq!(fixture.post("/organizations/oauth2/v2.0/devicecode", single).await.code(), 50_194);
        let (device, _) = codes(&fixture.start(&client, SCOPE).await);
        assert_eq!(fixture.poll(&other, &device).await.code(), 700_005);
        assert_eq!(fixture.poll(&client, "unknown").await.code(), 70_018);
        let (device, _) = codes(&fixture.start(&confidential.id(), SCOPE).await);
        assert_eq!(fixture.poll(&confidential.id(), &device).await.code(), 7_000_218, "it can prove itself");
        let get = fixture.get("/contoso.local/oauth2/v2.0/devicecode").await;
        assert_eq!((get.status.as_u16(), get.code()), (405, 900_561));
    }
}

#[tokio::test]
async fn an_administrators_permission_needs_an_administrator() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.desktop("").await.app_id.to_string();
        let scope = "https://graph.microsoft.com/Application.ReadWrite.All";
        let (device, user_code) = codes(&fixture.start(&client, scope).await);
        let mut browser = Browser::open(&fixture, &user_code).await;
        let page = browser.sign_in("ada@contoso.local", PASSWORD).await;
        assert!(page.text.contains("approval of an administrator"), "{}", page.text);
        assert!(!page.text.contains("value=\"accept\""), "{}", page.text);
        assert_eq!(browser.decide("accept").await.status, 403, "also when the button is made up");
        assert_eq!(fixture.poll(&client, &device).await.code(), 70_016);
        let mut browser = Browser::open(&fixture, &user_code).await;
        browser.sign_in("admin@contoso.local", "correct horse battery").await;
        assert_eq!(browser.decide("accept").await.status, 200);
        fixture.clock.advance(SignedDuration::from_secs(11));
        let claims = fixture.claims(&fixture.poll(&client, &device).await).await;
        assert_eq!(claims["scp"], "Application.ReadWrite.All");
    }
}

#[tokio::test]
async fn a_person_lets_a_device_do_what_the_page_showed() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let asks_for = |id: &str| {
            format!(
                r#""requiredResourceAccess":[{{"resourceAppId":"{}","resourceAccess":[{{"id":"{id}","type":"Scope"}}]}}]"#,
                crate::DICOM_APP_ID
            )
        };
        let less = asks_for("6b7f3a52-90c4-4be1-8d15-2f60e9a7c3d4");
        let client = fixture.desktop(&format!(",{less}")).await.app_id.to_string();
        let scope = "https://dicom.healthcareapis.azure.com/.default";
        let (device, user_code) = codes(&fixture.start(&client, scope).await);
        let mut browser = Browser::open(&fixture, &user_code).await;
        let page = browser.sign_in("ada@contoso.local", PASSWORD).await;
        assert!(page.text.contains("Read images</strong>"), "{}", page.text);
        let more = members(&format!("{{{}}}", asks_for("e69ab058-b8ae-4c0f-b687-5d97888ddccb")));
        fixture.identity.update_application(&actor(), &client, &more).await.unwrap();
        let again = browser.decide("accept").await;
        assert!(again.text.contains("Read, store and delete images</strong>"), "{}", again.text);
        assert!(fixture.identity.list_grants(Some(&client)).await.unwrap().is_empty());
        assert_eq!(fixture.poll(&client, &device).await.code(), 70_016, "nothing is decided");
        assert_eq!(browser.decide("accept").await.status, 200);
        fixture.clock.advance(SignedDuration::from_secs(11));
        let claims = fixture.claims(&fixture.poll(&client, &device).await).await;
        assert_eq!(claims["scp"], "Dicom.ReadWrite");
    }
}

#[tokio::test]
async fn a_one_time_password_is_replaced_on_the_way() {
    for fixture in fixtures().await {
        fixture.signer("bob", true).await;
        let client = fixture.desktop("").await.app_id.to_string();
        let (device, user_code) = codes(&fixture.start(&client, SCOPE).await);
        let mut browser = Browser::open(&fixture, &user_code).await;
        let page = browser.sign_in("bob@contoso.local", PASSWORD).await;
        assert!(page.text.contains("Choose a password of your own"), "{}", page.text);
        let new = "Another one 22";
        let change = |again: &'static str| {
            [
                ("step", "password"),
                ("username", "bob@contoso.local"),
                ("password", PASSWORD),
                ("new_password", new),
                ("new_password_again", again),
            ]
        };
        assert_eq!(browser.post("/common/login", &change("something else")).await.status, 400);
        assert!(browser.post("/common/login", &change(new)).await.text.contains("Are you trying to sign in"));
        browser.decide("accept").await;
        assert_eq!(fixture.poll(&client, &device).await.status, 200);
    }
}

#[tokio::test]
async fn forms_of_others_and_stale_pages_are_refused() {
    let fixture = fixtures().await.remove(0);
    fixture.signer("ada", false).await;
    let client = fixture.desktop("").await.app_id.to_string();
    let (device, user_code) = codes(&fixture.start(&client, SCOPE).await);
    let mut browser = Browser::open(&fixture, &user_code).await;
    let first = browser.flow();
    browser.sign_in("ada@contoso.local", PASSWORD).await;
    let slip = browser.flow();
    let decide = |slip: &str| form(&[("flow", slip), ("step", "decide"), ("decision", "accept")]);
    let type_code = |slip: &str| form(&[("flow", slip), ("step", "code"), ("user_code", &user_code)]);
    let other = Browser::open(&fixture, &user_code).await;
    let (browsers, others) = (browser.cookie(), other.cookie());
    for (why, cookie, body) in [
        ("no cookie", "", decide(&slip)),
        ("another browser's cookie", others.as_str(), decide(&slip)),
        ("another browser's slip", &browsers, decide(&other.flow())),
        ("another browser's code form", &browsers, type_code(&other.flow())),
        ("no cookie with the code", "", type_code(&first)),
        ("no slip", &browsers, decide("")),
        ("the slip of an earlier step", &browsers, decide(&first)),
        ("the slip of a later step", &browsers, type_code(&slip)),
        ("a slip made up", &browsers, decide(&slip.replace(['A', 'a'], "b"))),
    ] {
        assert_eq!(send(&fixture, cookie, body).await.status, StatusCode::FORBIDDEN, "{why}");
    }
    let script = form(&[("client_id", &client)]);
    assert_eq!(send(&fixture, &browsers, script).await.status, 400);
    fixture.clock.advance(SignedDuration::from_secs(901));
    assert_eq!(send(&fixture, &browsers, decide(&slip)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(fixture.poll(&client, &device).await.code(), 70_019);
}

#[tokio::test]
async fn the_way_to_the_confirmation_is_one_browsers_and_one_sessions() {
    let fixture = fixtures().await.remove(0);
    fixture.signer("ada", false).await;
    fixture.signer("bob", false).await;
    let client = fixture.desktop("").await.app_id.to_string();
    let (_, user_code) = codes(&fixture.start(&client, SCOPE).await);
    let mut browser = Browser::open(&fixture, &user_code).await;
    browser.type_code().await;
    let flow = browser.flow();
    let body = form(&[
        ("flow", &flow),
        ("step", "sign-in"),
        ("username", "ada@contoso.local"),
        ("password", PASSWORD),
    ]);
    let request =
        || Request::post("/common/login").header("content-type", "application/x-www-form-urlencoded");
    let path = browser.visit_once(request(), body.clone()).await.header("location").to_owned();
    let mut other = Browser::open(&fixture, &user_code).await;
    let elsewhere = other.visit_once(Request::get(&path), String::new()).await;
    assert_eq!(elsewhere.status, 403, "a link sent to somebody else shows nothing");
    assert!(!elsewhere.text.contains(&user_code) && !elsewhere.text.contains("accept"), "{}", elsewhere.text);
    let page = browser.visit(Request::get(&path), String::new()).await;
    assert!(page.text.contains("Are you trying to sign in"), "{}", page.text);
    let slip = browser.flow();
    // Somebody else signs in to the same browser: neither link nor form go on in the new session.
    let bobs = body.replace("ada%40", "bob%40");
    assert_eq!(browser.visit_once(request(), bobs).await.status, 303);
    assert_eq!(browser.visit_once(Request::get(&path), String::new()).await.status, 403);
    let decide = form(&[("flow", &slip), ("step", "decide"), ("decision", "accept")]);
    let answer = send(&fixture, &browser.cookie(), decide).await;
    assert!(answer.status == 200 && answer.text.contains("Choose an account"), "{}", answer.text);
    assert!(fixture.identity.list_grants(Some(&client)).await.unwrap().is_empty());
}

#[tokio::test]
async fn who_is_signed_in_says_as_whom_and_confirms() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.desktop("").await.app_id.to_string();
        let (_, first) = codes(&fixture.start(&client, SCOPE).await);
        let (device, second) = codes(&fixture.start(&client, SCOPE).await);
        let mut browser = Browser::open(&fixture, &first).await;
        browser.sign_in("ada@contoso.local", PASSWORD).await;
        browser.decide("refuse").await;
        browser.code = second;
        browser.open_again().await;
        let page = browser.type_code().await;
        assert!(page.text.contains("Choose an account"), "the session alone confirms nothing: {}", page.text);
        let page = browser.post("/common/login", &[("step", "account"), ("account", "this")]).await;
        assert!(page.text.contains("Are you trying to sign in"), "{}", page.text);
        assert_eq!(browser.decide("accept").await.status, 200);
        assert_eq!(fixture.poll(&client, &device).await.status, 200);
    }
}

#[tokio::test]
async fn guessed_codes_and_floods_are_slowed_down() {
    let fixture = fixtures().await.remove(0);
    let client = fixture.desktop("").await.app_id.to_string();
    let mut statuses = Vec::new();
    for _ in 0..22 {
        let mut browser = Browser::open(&fixture, "ABCDEFGHJ").await;
        statuses.push(browser.type_code().await.status.as_u16());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 21);
    assert_eq!(statuses.last(), Some(&429));
    let mut codes = Vec::new();
    for _ in 0..22 {
        codes.push(fixture.start(&client, SCOPE).await.status.as_u16());
    }
    assert_eq!(codes.last(), Some(&429), "{codes:?}");
}

#[tokio::test]
async fn the_page_escapes_and_is_closed_to_others() {
    let fixture = fixtures().await.remove(0);
    fixture.signer("ada", false).await;
    let client = fixture.desktop("").await.app_id.to_string();
    let rename = members(r#"{"displayName":"<script>alert(1)</script>"}"#);
    fixture.identity.update_application(&actor(), &client, &rename).await.unwrap();
    let answer = fixture.get(&format!("/common/oauth2/deviceauth?otc={}", encoded("\"><b>"))).await;
    assert!(!answer.text.contains("\"><b>"), "{}", answer.text);
    let policy = answer.header("content-security-policy");
    for part in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "style-src 'sha256-"] {
        assert!(policy.contains(part), "{policy}");
    }
    for (name, value) in [
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), value);
    }
    let (_, user_code) = codes(&fixture.start(&client, SCOPE).await);
    let mut browser = Browser::open(&fixture, &user_code).await;
    let page = browser.sign_in("ada@contoso.local", PASSWORD).await.text;
    assert!(page.contains("&#60;script&#62;") && !page.contains("<script"), "{page}");
    assert_eq!(browser.post("/devicelogin", &[("step", "nonsense")]).await.status, 400);
}

#[tokio::test]
async fn sessions_that_were_ended_let_no_device_in() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.desktop("").await.app_id.to_string();
        let revoke = async || {
            fixture.clock.advance(SignedDuration::from_secs(1));
            fixture.identity.revoke_sign_in_sessions(&actor(), "ada@contoso.local").await.unwrap();
        };
        let (device, user_code) = codes(&fixture.start(&client, SCOPE).await);
        let mut browser = Browser::open(&fixture, &user_code).await;
        browser.sign_in("ada@contoso.local", PASSWORD).await;
        revoke().await;
        let page = browser.decide("accept").await;
        assert!(page.text.contains("current-password"), "before the person decided: {}", page.text);
        assert_eq!(fixture.poll(&client, &device).await.code(), 70_016);
        let mut browser = Browser::open(&fixture, &user_code).await;
        browser.sign_in("ada@contoso.local", PASSWORD).await;
        assert_eq!(browser.decide("accept").await.status, 200);
        revoke().await;
        let answer = fixture.poll(&client, &device).await;
        assert_eq!(
            (answer.code(), answer.json()["error"].as_str()),
            (50_173, Some("invalid_grant")),
            "before the device came"
        );
    }
}

impl Fixture {
    /// Flows of a client from an address, older than what comes later.
    async fn flood(&self, app_id: AppId, network: Option<&str>, flows: i64) {
        let tenant = self.identity.tenant().await.unwrap().id;
        let input = (tenant, app_id, network.map(str::to_owned));
        let now_ms = self.identity.0.clock.now_ms();
        let flood = self.identity.0.db.write(input, move |tx, (tenant, app_id, network)| {
            async move {
                for n in 0..flows {
                    let hash = |kind: &str| device_hash(&format!("{kind} {app_id} {network:?} {n}"));
                    let flow = NewFlow {
                        device: hash("device"),
                        user_code: hash("user"),
                        app_id: *app_id,
                        scope: READ.to_owned(),
                        source: network.clone(),
                        network: network.clone(),
                        interval_s: INTERVAL_S,
                        at_ms: now_ms,
                        expires_at_ms: now_ms + LIFE_S * 1000,
                    };
                    sql::insert(tx, *tenant, &flow).await?;
                }
                Ok::<_, DbError>(())
            }
            .boxed()
        });
        flood.await.unwrap();
    }

    async fn flows(&self, app_id: AppId) -> i64 {
        let count = "SELECT COUNT(*) FROM device_code WHERE app_id = $1";
        let mut tx = self.test_db.db.read().await.unwrap();
        tx.fetch_optional(count, &[app_id.into()]).await.unwrap().unwrap().int(0).unwrap()
    }

    async fn start_from(&self, client: &str, address: &str) -> Answer {
        let context = hilum_web::RequestContext {
            client_address: Some(address.parse().unwrap()),
            ..hilum_web::RequestContext::default()
        };
        let request = Request::post("/contoso.local/oauth2/v2.0/devicecode")
            .header("content-type", "application/x-www-form-urlencoded")
            .extension(context)
            .body(Body::from(form(&[("client_id", client), ("scope", SCOPE)])))
            .unwrap();
        self.send(request).await
    }
}

#[tokio::test]
async fn a_flood_displaces_what_was_flooded_and_nobody_else() {
    for fixture in fixtures().await {
        let (greedy, also) = (fixture.desktop("").await.app_id, fixture.desktop("").await.app_id);
        let other = fixture.desktop("").await.app_id;
        // A device of the flooded client waits already, from elsewhere.
        let (device, _) = codes(&fixture.start_from(&greedy.to_string(), "192.0.2.1").await);
        fixture.clock.advance(SignedDuration::from_secs(10));
        fixture.flood(greedy, Some("198.51.100.1"), FLOWS_OF_CLIENT_MAX - 1).await;
        fixture.flood(also, Some("198.51.100.2"), FLOWS_OF_CLIENT_MAX).await;
        assert_eq!(fixture.flows(greedy).await + fixture.flows(also).await, FLOWS_MAX);
        // All is full: another client gets in, and so does another device of each of the two.
        for client in [other, greedy, also] {
            let started = fixture.start_from(&client.to_string(), "192.0.2.2").await;
            assert_eq!(started.status, 200, "{}", started.text);
        }
        assert_eq!(fixture.flows(other).await, 1);
        assert_eq!(fixture.flows(greedy).await + fixture.flows(also).await, FLOWS_MAX - 1);
        assert_eq!(fixture.poll(&greedy.to_string(), &device).await.code(), 70_016, "it waits still");
    }
}

#[tokio::test]
async fn an_address_has_its_share_whatever_client_it_names() {
    for fixture in fixtures().await {
        let (one, two) = (fixture.desktop("").await.app_id, fixture.desktop("").await.app_id);
        fixture.flood(one, Some("2001:db8:0:1::"), FLOWS_OF_SOURCE_MAX).await;
        for (address, status) in [
            ("2001:db8:0:1::7", 429),
            ("2001:db8:0:1:ffff::1", 429),
            ("2001:db8:0:2::1", 200),
            ("192.0.2.1", 200),
        ] {
            let started = fixture.start_from(&two.to_string(), address).await;
            assert_eq!(started.status, status, "{address}: {}", started.text);
        }
        fixture.clock.advance(SignedDuration::from_secs(LIFE_S + 1));
        let started = fixture.start_from(&two.to_string(), "2001:db8:0:1::7").await;
        assert_eq!(started.status, 200, "{}", started.text);
    }
}

#[tokio::test]
async fn a_resource_that_requires_a_second_factor_asks_for_it_before_the_device_is_let_in() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.desktop("").await.app_id.to_string();
        let (device, user_code) = codes(&fixture.start(&client, SCOPE).await);
        let required = SecondFactorChange::Application(crate::DICOM_APP_ID, true);
        let identity = &fixture.identity;
        identity.change_second_factor_policy(&actor(), vec![required]).await.unwrap();
        let mut browser = Browser::open(&fixture, &user_code).await;
        let page = browser.sign_in("ada@contoso.local", PASSWORD).await;
        let (_, key) = page.text.split_once("into the app: <code>").unwrap();
        let secret = TotpSecret::from_base32(&key.split('<').next().unwrap().replace(' ', ""));
        let code = secret.shown(identity.0.clock.now_ms());
        browser.post("/common/login", &[("step", "enrol"), ("code", &code)]).await;
        let confirm = browser.post("/common/login", &[("step", "continue")]).await;
        assert!(confirm.text.contains(&client), "{}", confirm.text);
        assert_eq!(browser.decide("accept").await.status, 200);
        let claims = fixture.claims(&fixture.poll(&client, &device).await).await;
        assert_eq!(claims["amr"], serde_json::json!(["pwd", "otp", "mfa"]));
    }
}
