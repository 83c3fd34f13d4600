//! Signing in through a provider elsewhere, which here is a real server on loopback that answers what a test wants.

mod abuse;
mod linking;
mod outages;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, response::IntoResponse as _, routing::get};
use hilum_access::{IssuerClient, KeysAt, PlainHttp, RemoteKeys, RemoteKeysOptions};
use hilum_jose::{JwkSet, SigningHeader, base64url_encode, sha256, sign_jwt};
use hilum_kernel::Secret;
use http::StatusCode;
use serde_json::json;
use tokio_util::task::TaskTracker;

use super::*;
use crate::{
    IdentityProvider, Linking, ProviderSettings, SecondFactorChange, User,
    testing::{ISSUER_KEY, empty, request},
};

const PROVIDER: &str = "hospital";
const BACK: &str = "/common/federation/oauth2/hospital";
const CLIENT: &str = "hilum at the hospital";
const SECRET: &str = "a secret: with & and %";
const SUBJECT: &str = "subject-1";

/// What the provider answers, and what it was asked.
#[derive(Default)]
pub(super) struct Mock {
    /// Members of the discovery document that differ.
    pub(super) metadata: Value,
    pub(super) metadata_status: u16,
    pub(super) token: (u16, String),
    pub(super) userinfo: Value,
    pub(super) token_form: BTreeMap<String, String>,
    pub(super) token_authorization: String,
    pub(super) asked: BTreeMap<&'static str, usize>,
    pub(super) slow: bool,
}

/// A provider on a free port.
#[derive(Clone)]
pub(super) struct Elsewhere {
    pub(super) url: String,
    pub(super) mock: Arc<Mutex<Mock>>,
}

impl Elsewhere {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let started = Self { url, mock: Arc::default() };
        started.change(|mock| (mock.metadata_status, mock.userinfo) = (200, json!({ "sub": SUBJECT })));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .route("/token", axum::routing::post(token))
            .route("/userinfo", get(userinfo))
            .with_state(started.clone());
        TaskTracker::new().spawn(async move { axum::serve(listener, router).await });
        started
    }

    fn settings(&self, linking: Linking) -> ProviderSettings {
        ProviderSettings {
            id: PROVIDER.to_owned(),
            display_name: "Hospital <sign-in>".to_owned(),
            issuer: self.url.clone(),
            client_id: CLIENT.to_owned(),
            client_secret: Some(Arc::new(Secret::new(SECRET.to_owned()))),
            scopes: ["openid", "profile", "email"].map(str::to_owned).to_vec(),
            linking,
            domains: vec!["hospital.example".to_owned()],
            second_factor_amr: vec!["mfa".to_owned()],
            second_factor_acr: Vec::new(),
        }
    }

    /// The provider as Hilum sees it.
    fn known(&self, fixture: &Fixture, settings: ProviderSettings) -> IdentityProvider {
        let timeout = Duration::from_millis(500);
        let options = RemoteKeysOptions { redirects_max: 0, timeout, ..RemoteKeysOptions::default() };
        let keys = RemoteKeys::new(KeysAt::Issuer(self.url.clone()), fixture.clock.clone(), options).unwrap();
        let client = IssuerClient::new(timeout, (PlainHttp::Loopback, 0), None).unwrap();
        IdentityProvider { settings, client, keys: Arc::new(keys) }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Mock)) {
        change(&mut self.mock.lock().unwrap());
    }

    /// From now on a code gives this ID token.
    fn gives(&self, id_token: &str) {
        let body = json!({ "access_token": "at", "token_type": "Bearer", "id_token": id_token });
        self.change(|mock| mock.token = (200, body.to_string()));
    }
}

async fn metadata(State(here): State<Elsewhere>) -> axum::response::Response {
    let (slow, status, changes) = {
        let mut mock = here.mock.lock().unwrap();
        *mock.asked.entry("metadata").or_default() += 1;
        (mock.slow, mock.metadata_status, mock.metadata.clone())
    };
    if slow {
        std::future::pending::<()>().await;
    }
    let url = &here.url;
    let mut document = json!({
        "issuer": url, "jwks_uri": format!("{url}/keys"),
        "authorization_endpoint": format!("{url}/authorize?tenant=a%20b"),
        "token_endpoint": format!("{url}/token"), "userinfo_endpoint": format!("{url}/userinfo"),
    });
    for (name, value) in changes.as_object().into_iter().flatten() {
        document[name] = value.clone();
    }
    (StatusCode::from_u16(status).unwrap(), [("location", "/keys")], document.to_string()).into_response()
}

async fn keys() -> String {
    let set = JwkSet { keys: vec![ISSUER_KEY.jwk(None).unwrap()] };
    serde_json::to_string(&set).unwrap()
}

async fn token(
    State(here): State<Elsewhere>,
    headers: http::HeaderMap,
    body: String,
) -> axum::response::Response {
    let mut mock = here.mock.lock().unwrap();
    *mock.asked.entry("token").or_default() += 1;
    mock.token_form = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    mock.token_authorization = authorization.unwrap_or_default();
    let (status, body) = mock.token.clone();
    (StatusCode::from_u16(status).unwrap(), [("location", "/userinfo")], body).into_response()
}

async fn userinfo(State(here): State<Elsewhere>, headers: http::HeaderMap) -> String {
    assert_eq!(headers["authorization"], "Bearer at");
    here.mock.lock().unwrap().userinfo.to_string()
}

/// A fixture, with a provider.
pub(super) struct Place {
    pub(super) fixture: Fixture,
    pub(super) elsewhere: Elsewhere,
    pub(super) client: Registered,
}

/// On both databases, with providers that link by this rule.
pub(super) async fn places(linking: Linking) -> Vec<Place> {
    places_with(linking, |_| {}).await
}

pub(super) async fn places_with(linking: Linking, change: fn(&mut ProviderSettings)) -> Vec<Place> {
    let mut all = Vec::new();
    for mut fixture in empty().await {
        let elsewhere = Elsewhere::start().await;
        let mut settings = elsewhere.settings(linking);
        change(&mut settings);
        let provider = elsewhere.known(&fixture, settings);
        fixture.with_providers(vec![provider]);
        fixture.identity.init(request()).await.unwrap();
        let client = fixture.registered().await;
        all.push(Place { fixture, elsewhere, client });
    }
    all
}

/// Where the browser was sent, as parameters.
type Sent = BTreeMap<String, String>;

impl Place {
    fn browser(&self) -> Browser<'_> {
        Browser::new(&self.fixture)
    }

    /// Claims of a good ID token for this request, with some changed, or, when null, left out.
    fn claims(&self, sent: &Sent, changes: Value) -> Value {
        let now_s = self.fixture.clock_s();
        let mut claims = json!({
            "iss": self.elsewhere.url, "sub": SUBJECT, "aud": CLIENT, "nonce": sent["nonce"],
            "iat": now_s, "exp": now_s + 300, "auth_time": now_s - 3600, "name": "Ada of the hospital",
            "email": "Ada@Hospital.example", "email_verified": true, "amr": ["pwd"],
        });
        for (name, value) in changes.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    fn id_token(&self, sent: &Sent, changes: Value) -> String {
        sign_jwt(&ISSUER_KEY, SigningHeader::ENTRA_V2, &self.claims(sent, changes)).unwrap()
    }

    /// Goes to the provider by the button.
    async fn leave(&self, browser: &mut Browser<'_>) -> Sent {
        self.leave_for(browser, &[]).await
    }

    async fn leave_for(&self, browser: &mut Browser<'_>, changes: &[(&str, &str)]) -> Sent {
        assert_eq!(browser.get(&self.client.asking(WEB, changes)).await.status, 200, "{}", browser.page);
        let answer = browser.step("elsewhere", &[("provider", PROVIDER)]).await;
        self.sent(&answer)
    }

    fn sent(&self, answer: &Answer) -> Sent {
        assert_eq!(answer.status, 303, "{}", answer.text);
        let location = answer.header("location");
        assert!(
            location.starts_with(&format!("{}/authorize?tenant=a%20b&", self.elsewhere.url)),
            "{location}"
        );
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        fields(answer)
    }

    /// Comes back with a code that gives this ID token.
    async fn back(&self, browser: &mut Browser<'_>, sent: &Sent, id_token: &str) -> Answer {
        self.elsewhere.gives(id_token);
        browser.get(&format!("{BACK}?{}", form(&[("code", "the code"), ("state", &sent["state"])]))).await
    }

    /// The whole way, with claims changed.
    async fn sign_in(&self, browser: &mut Browser<'_>, changes: Value) -> Answer {
        let sent = self.leave(browser).await;
        let token = self.id_token(&sent, changes);
        self.back(browser, &sent, &token).await
    }

    /// An administrator says whose identity it is.
    async fn link(&self, user: &str, subject: &str) {
        let members = json!({ "identities": [
            { "signInType": "federated", "issuer": self.elsewhere.url, "issuerAssignedId": subject } ] });
        self.fixture.identity.change_user_of(&actor(), user, members.as_object().unwrap()).await.unwrap();
    }
}

impl Fixture {
    fn clock_s(&self) -> i64 {
        use hilum_kernel::Clock as _;
        self.clock.now().as_second()
    }
}

/// Signed in: the next thing asked is consent.
fn is_in(answer: &Answer) -> bool {
    answer.text.contains("asks for permissions")
}

/// Not signed in, and the page says so with this number, offering a password.
fn is_out(browser: &Browser<'_>, answer: &Answer, code: u32) {
    assert!(answer.text.contains(&format!("AADSTS{code}")), "{}", answer.text);
    assert!(answer.text.contains("name=\"password\"") && answer.header("location").is_empty());
    assert!(browser.session().is_none());
}

#[tokio::test]
async fn a_linked_user_signs_in_elsewhere() {
    for place in places(Linking::Existing).await {
        let ada = place.fixture.signer("ada", false).await;
        place.link(ADA, SUBJECT).await;
        let mut browser = place.browser();
        let page = browser.get(&place.client.asking(WEB, &[("login_hint", "ada@hospital.example")])).await;
        assert!(page.text.contains("Sign in with Hospital &#60;sign-in&#62;"), "{}", page.text);
        let sent = place.sent(&browser.step("elsewhere", &[("provider", PROVIDER)]).await);
        for (name, value) in [
            ("response_type", "code"),
            ("client_id", CLIENT),
            ("redirect_uri", "https://localhost:8443/common/federation/oauth2/hospital"),
            ("scope", "openid profile email"),
            ("code_challenge_method", "S256"),
            ("login_hint", "ada@hospital.example"),
        ] {
            assert_eq!(sent[name], value);
        }
        assert!(!sent.contains_key("prompt") && !sent.contains_key("max_age"));
        assert!(sent["nonce"].len() == 43 && sent["state"].len() == 43 && sent["nonce"] != sent["state"]);
        let token = place.id_token(&sent, Value::Null);
        let answer = place.back(&mut browser, &sent, &token).await;
        assert!(is_in(&answer), "{}", answer.text);

        {
            let mock = place.elsewhere.mock.lock().unwrap();
            let form = &mock.token_form;
            assert_eq!(form["grant_type"], "authorization_code");
            assert_eq!((form["code"].as_str(), form["client_id"].as_str()), ("the code", CLIENT));
            assert_eq!(form["redirect_uri"], sent["redirect_uri"]);
            assert_eq!(base64url_encode(sha256(form["code_verifier"].as_bytes())), sent["code_challenge"]);
            assert!(!form.contains_key("client_secret"));
            let expected = hilum_jose::base64_encode(
                "hilum%20at%20the%20hospital:a%20secret%3A%20with%20%26%20and%20%25",
            );
            assert_eq!(mock.token_authorization, format!("Basic {expected}"));
        }
        let found = fields(&browser.accept().await);
        let tokens = place.fixture.redeem_web(&place.client, &found["code"]).await;
        let claims = place.fixture.claims(&tokens).await;
        assert_eq!(claims["oid"], ada.id.to_string());
        assert_eq!(claims["idp"], place.elsewhere.url);
        assert_eq!(place.fixture.id_claims(&tokens).await["idp"], place.elsewhere.url);
        let refresh = tokens.json()["refresh_token"].as_str().unwrap().to_owned();
        let renewed = [
            ("grant_type", "refresh_token"),
            ("client_id", &place.client.id),
            ("client_secret", &place.client.secret),
            ("refresh_token", &refresh),
        ];
        let renewed = place.fixture.v2(&renewed).await;
        assert_eq!(place.fixture.claims(&renewed).await["idp"], place.elsewhere.url);
        // Single sign-on as ever.
        let again = fields(&browser.get(&place.client.asking(WEB, &[])).await);
        assert!(again.contains_key("code"));
        let trail = place.fixture.final_trail().await;
        let line = format!("identity.sign-in success {} through hospital: ", ada.id);
        assert!(trail.iter().any(|event| event.starts_with(&line)), "{trail:#?}");
    }
}

#[tokio::test]
async fn a_client_names_the_provider() {
    let place = places(Linking::Existing).await.remove(0);
    place.fixture.signer("ada", false).await;
    place.link(ADA, SUBJECT).await;
    for hint in [PROVIDER, "hospital.example", "HOSPITAL.example"] {
        let mut browser = place.browser();
        let sent = place.sent(&browser.get(&place.client.asking(WEB, &[("domain_hint", hint)])).await);
        let token = place.id_token(&sent, Value::Null);
        assert!(is_in(&place.back(&mut browser, &sent, &token).await), "{hint}");
        // Who is signed in is not sent anywhere.
        let consent = browser.get(&place.client.asking(WEB, &[("domain_hint", hint)])).await;
        assert!(is_in(&consent), "{}", consent.text);
    }
    let mut browser = place.browser();
    for hint in ["elsewhere.example", "sub.hospital.example", "https://evil.example", "hospital/../x"] {
        let page = browser.get(&place.client.asking(WEB, &[("domain_hint", hint)])).await;
        assert!(page.text.contains("name=\"password\""), "{hint}: {}", page.text);
    }
    let silent = [("domain_hint", PROVIDER), ("prompt", "none")];
    let found = fields(&browser.get(&place.client.asking(WEB, &silent)).await);
    assert_eq!(found["error"], "login_required");
    assert_eq!(
        place.elsewhere.mock.lock().unwrap().asked["metadata"],
        1 + 1,
        "once for us, once for the keys"
    );
}

#[tokio::test]
async fn a_new_sign_in_is_asked_of_the_provider_and_proven_by_it() {
    let place = places(Linking::Existing).await.remove(0);
    place.fixture.signer("ada", false).await;
    place.link(ADA, SUBJECT).await;
    let now_s = place.fixture.clock_s();
    for (changes, asked, auth_time, good) in [
        (vec![("prompt", "login")], ("login", "0"), json!(now_s), true),
        (vec![("prompt", "login")], ("login", "0"), json!(now_s - 61), false),
        (vec![("prompt", "login")], ("login", "0"), Value::Null, false),
        (vec![("max_age", "0")], ("login", "0"), json!(now_s - 3600), false),
        (vec![("max_age", "600")], ("", "600"), json!(now_s - 599), true),
        (vec![("max_age", "600")], ("", "600"), json!(now_s - 3600), false),
        (vec![("max_age", "600")], ("", "600"), json!("soon"), false),
        (vec![("prompt", "select_account")], ("select_account", ""), Value::Null, true),
    ] {
        let mut browser = place.browser();
        let sent = place.leave_for(&mut browser, &changes).await;
        let found = (sent.get("prompt").map_or("", |v| v), sent.get("max_age").map_or("", |v| v));
        assert_eq!(found, asked, "{changes:?}");
        let token = place.id_token(&sent, json!({ "auth_time": auth_time }));
        let answer = place.back(&mut browser, &sent, &token).await;
        if good {
            assert!(is_in(&answer), "{changes:?}: {}", answer.text);
        } else {
            is_out(&browser, &answer, 70_044);
        }
    }
    // A session of a sign-in that was old there is old here, too.
    let mut browser = place.browser();
    assert!(is_in(&place.sign_in(&mut browser, json!({ "auth_time": now_s - 3600 })).await));
    browser.accept().await;
    assert!(
        fields(&browser.get(&place.client.asking(WEB, &[("max_age", "4000")])).await).contains_key("code")
    );
    let page = browser.get(&place.client.asking(WEB, &[("max_age", "600")])).await;
    assert!(page.text.contains("name=\"password\""), "{}", page.text);
}

#[tokio::test]
async fn a_public_client_and_one_that_posts_its_secret() {
    let without = places_with(Linking::Existing, |settings| settings.client_secret = None).await.remove(0);
    without.fixture.signer("ada", false).await;
    without.link(ADA, SUBJECT).await;
    assert!(is_in(&without.sign_in(&mut without.browser(), Value::Null).await));
    let place = places(Linking::Existing).await.remove(0);
    place.fixture.signer("ada", false).await;
    place.link(ADA, SUBJECT).await;
    let methods = json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] });
    place.elsewhere.change(|mock| mock.metadata = methods);
    assert!(is_in(&place.sign_in(&mut place.browser(), Value::Null).await));
    for (place, secret) in [(without, None), (place, Some(SECRET))] {
        let mock = place.elsewhere.mock.lock().unwrap();
        assert_eq!(mock.token_form.get("client_secret").map(String::as_str), secret);
        assert!(mock.token_authorization.is_empty() && mock.token_form.contains_key("code_verifier"));
    }
}

#[tokio::test]
async fn a_second_factor_of_the_provider_counts_where_the_configuration_says_so() {
    for place in places(Linking::Existing).await {
        place.fixture.signer("ada", false).await;
        place.link(ADA, SUBJECT).await;
        let wanted = SecondFactorChange::Application(place.client.application.app_id, true);
        place.fixture.identity.change_second_factor_policy(&actor(), vec![wanted]).await.unwrap();
        for words in [json!(["pwd"]), json!(["otp", "MFA"]), json!("mfas"), Value::Null] {
            let mut browser = place.browser();
            let page = place.sign_in(&mut browser, json!({ "amr": words })).await;
            assert!(page.text.contains("otpauth") && browser.session().is_none(), "{words}: {}", page.text);
        }
        let mut browser = place.browser();
        assert!(is_in(&place.sign_in(&mut browser, json!({ "amr": ["pwd", "mfa"] })).await));
        let found = fields(&browser.accept().await);
        let claims =
            place.fixture.claims(&place.fixture.redeem_web(&place.client, &found["code"]).await).await;
        assert_eq!(claims["amr"], json!(["fed", "mfa"]));
    }
}

/// Not only the code's tokens: also those that come of them, and those of a device.
#[tokio::test]
async fn every_token_says_who_vouched_for_its_user() {
    for place in places(Linking::Existing).await {
        place.fixture.signer("ada", false).await;
        place.link(ADA, SUBJECT).await;
        let mut browser = place.browser();
        place.sign_in(&mut browser, Value::Null).await;
        let found = fields(&browser.accept().await);
        let (fixture, client) = (&place.fixture, &place.client);
        let tokens = fixture.redeem_web(client, &found["code"]).await;
        let ask = async |fields: &[(&str, &str)]| {
            let own = [("client_id", client.id.as_str()), ("client_secret", &client.secret)];
            let answer = fixture.v2(&[&own[..], fields].concat()).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            answer
        };
        let text = |answer: &Answer, name: &str| answer.json()[name].as_str().unwrap().to_owned();

        let own = format!("{}/.default", client.id);
        let refresh = text(&tokens, "refresh_token");
        let called =
            ask(&[("grant_type", "refresh_token"), ("refresh_token", &refresh), ("scope", &own)]).await;
        let traded = ask(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("requested_token_use", "on_behalf_of"),
            ("assertion", &text(&called, "access_token")),
            ("scope", &format!("{READ} offline_access")),
        ])
        .await;
        assert_eq!(fixture.claims(&traded).await["idp"], place.elsewhere.url);
        let refresh = text(&traded, "refresh_token");
        let renewed = ask(&[("grant_type", "refresh_token"), ("refresh_token", &refresh)]).await;
        assert_eq!(fixture.claims(&renewed).await["idp"], place.elsewhere.url);

        let start = form(&[("client_id", client.id.as_str()), ("scope", READ)]);
        let started = fixture.post("/contoso.local/oauth2/v2.0/devicecode", start).await;
        let user_code = text(&started, "user_code");
        browser.get(&format!("/devicelogin?otc={user_code}")).await;
        for (path, fields) in [
            ("/devicelogin", [("step", "code"), ("user_code", &*user_code)]),
            ("/common/login", [("step", "account"), ("account", "this")]),
            ("/devicelogin", [("step", "decide"), ("decision", "accept")]),
        ] {
            let flow = browser.flow();
            let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
            let body = form(&[&[("flow", &*flow)][..], &fields].concat());
            let answer = browser.visit(request, body).await;
            if answer.status == 303 {
                browser.get(answer.header("location")).await;
            }
        }
        let of_device =
            ask(&[("grant_type", "device_code"), ("device_code", &text(&started, "device_code"))]).await;
        assert_eq!(fixture.claims(&of_device).await["idp"], place.elsewhere.url);
    }
}
