//! Signing in by redirect, from the client's request to its tokens: the ways that lead there.

mod abuse;
mod consent;
mod leaving;
mod prompts;
mod pushed;
mod redeeming;
pub(in crate::oauth) mod second_factor;
mod shown;
mod upstream;

use std::collections::BTreeMap;

use axum::body::Body;
use hilum_kernel::{AppId, ObjectId};
use http::Request;
use serde_json::Value;

use crate::{
    Application, NewSecret, User,
    grants::NewPermissionGrant,
    oauth::{
        tests::Answer,
        token::tests::{encoded, form},
    },
    sign_in::tests::PASSWORD,
    testing::{Fixture, actor, fixtures, members},
};

const READ: &str = "https://dicom.healthcareapis.azure.com/Dicom.Read";
const WORDS: &str = "https://dicom.healthcareapis.azure.com/Dicom.Read openid profile offline_access";
pub(in crate::oauth) const ADA: &str = "ada@contoso.local";
const ADMIN: &str = "admin@contoso.local";
const ADMIN_PASSWORD: &str = "correct horse battery";
pub(in crate::oauth) const WEB: &str = "https://reading.example/callback";
pub(in crate::oauth) const SPA: &str = "http://localhost:3000/redirect.html";
pub(in crate::oauth) const DESKTOP: &str = "http://localhost";
/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A client on all three platforms.
pub(in crate::oauth) struct Registered {
    application: Application,
    pub(in crate::oauth) id: String,
    pub(in crate::oauth) secret: String,
}

/// A person's browser: keeps cookies, runs no script.
pub(in crate::oauth) struct Browser<'a> {
    fixture: &'a Fixture,
    pub(in crate::oauth) cookies: BTreeMap<String, String>,
    pub(in crate::oauth) page: String,
}

impl Fixture {
    pub(in crate::oauth) async fn registered(&self) -> Registered {
        self.registered_with(Value::Null).await
    }

    async fn registered_with(&self, more: Value) -> Registered {
        let mut text = serde_json::json!({
            "displayName": "Reading room",
            "web": { "redirectUris": [WEB] },
            "spa": { "redirectUris": [SPA] },
            "publicClient": { "redirectUris": [DESKTOP] },
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            text[name] = value.clone();
        }
        let application =
            self.identity.create_application(&actor(), &members(&text.to_string())).await.unwrap();
        let id = application.app_id.to_string();
        self.identity.create_service_principal(&actor(), &id).await.unwrap();
        let secret = self.identity.add_secret(&actor(), &id, NewSecret::default()).await.unwrap();
        Registered { application, id, secret: secret.value.expose().clone() }
    }
}

impl Registered {
    /// A request to the v2.0 endpoint, with some parameters changed or, when empty, left out.
    pub(in crate::oauth) fn asking(&self, redirect_uri: &str, changes: &[(&str, &str)]) -> String {
        let mut fields = vec![
            ("client_id", self.id.as_str()),
            ("response_type", "code"),
            ("redirect_uri", redirect_uri),
            ("scope", WORDS),
            ("state", "the state"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in changes {
            fields.retain(|(known, _)| known != name);
            if !value.is_empty() {
                fields.push((name, value));
            }
        }
        format!("/contoso.local/oauth2/v2.0/authorize?{}", form(&fields))
    }
}

impl<'a> Browser<'a> {
    pub(in crate::oauth) fn new(fixture: &'a Fixture) -> Self {
        Self { fixture, cookies: BTreeMap::new(), page: String::new() }
    }

    pub(in crate::oauth) async fn visit(&mut self, request: http::request::Builder, body: String) -> Answer {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request.header("cookie", cookies.join("; "));
        let answer = self.fixture.send(request.body(Body::from(body)).unwrap()).await;
        for set in answer.headers.get_all("set-cookie") {
            let set = set.to_str().unwrap();
            assert!(set.starts_with("__Host-hilum-"), "{set}");
            assert!(set.contains("; Path=/; HttpOnly; SameSite=Lax") && set.ends_with("; Secure"), "{set}");
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        self.page.clone_from(&answer.text);
        answer
    }

    pub(in crate::oauth) async fn get(&mut self, path: &str) -> Answer {
        self.visit(Request::get(path), String::new()).await
    }

    async fn post(&mut self, fields: &[(&str, &str)]) -> Answer {
        let request = Request::post("/common/login");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        self.visit(request, form(fields)).await
    }

    fn flow(&self) -> String {
        hidden(&self.page, "flow")
    }

    pub(in crate::oauth) async fn step(&mut self, step: &str, fields: &[(&str, &str)]) -> Answer {
        let flow = self.flow();
        let mut all = vec![("flow", flow.as_str()), ("step", step)];
        all.extend_from_slice(fields);
        self.post(&all).await
    }

    pub(in crate::oauth) async fn sign_in(&mut self, name: &str, password: &str) -> Answer {
        self.step("sign-in", &[("username", name), ("password", password)]).await
    }

    async fn accept(&mut self) -> Answer {
        self.step("consent", &[("decision", "accept")]).await
    }

    /// Signs in and consents: the way of a person who was never here.
    pub(in crate::oauth) async fn through(&mut self, asking: &str) -> BTreeMap<String, String> {
        assert_eq!(self.get(asking).await.status, 200, "{}", self.page);
        let page = self.sign_in(ADA, PASSWORD).await;
        assert!(page.text.contains("asks for permissions"), "{}", page.text);
        fields(&self.accept().await)
    }

    fn session(&self) -> Option<&str> {
        self.cookies.get("__Host-hilum-session").map(String::as_str)
    }
}

pub(in crate::oauth) fn hidden(page: &str, name: &str) -> String {
    let begin = format!("name=\"{name}\" value=\"");
    let at = page.find(&begin).unwrap_or_else(|| panic!("no {name} in {page}")) + begin.len();
    page[at..].split('"').next().unwrap().to_owned()
}

/// The fields of an answer that goes to the client by redirect.
pub(in crate::oauth) fn fields(answer: &Answer) -> BTreeMap<String, String> {
    assert_eq!(answer.status, 303, "{}", answer.text);
    let location = url::Url::parse(answer.header("location")).unwrap();
    let text = location.fragment().or(location.query()).unwrap().to_owned();
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

impl Fixture {
    /// The user has said yes to all that [`WORDS`] ask for.
    async fn consented_to_all(&self, client: &str, user: &User) {
        self.consent(client, "Dicom.Read", Some(user)).await;
        let words = NewPermissionGrant {
            client: client.to_owned(),
            resource: crate::seed::GRAPH_APP_ID.to_string(),
            scopes: ["openid", "profile", "offline_access"].map(str::to_owned).to_vec(),
            principal: Some(ObjectId::new(user.id.uuid())),
        };
        self.identity.grant_permissions(&actor(), words).await.unwrap();
    }

    /// The one grant of a client on a resource: its words, and for whom it is.
    async fn grant_on(&self, client: &str, resource: AppId) -> Option<(String, Option<ObjectId>)> {
        let resource = self.identity.find_service_principal(&resource.to_string()).await.unwrap().id;
        let mut grants = self.identity.list_grants(Some(client)).await.unwrap();
        grants.retain(|grant| grant.resource_id == resource);
        assert!(grants.len() < 2, "{grants:?}");
        grants.pop().map(|grant| (grant.scope, grant.principal_id))
    }

    pub(in crate::oauth) async fn redeem(
        &self,
        changes: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut fields = vec![("grant_type", "authorization_code"), ("code_verifier", VERIFIER)];
        for (name, value) in changes {
            fields.retain(|(known, _)| known != name);
            if !value.is_empty() {
                fields.push((name, value));
            }
        }
        self.post_with("/contoso.local/oauth2/v2.0/token", form(&fields), headers).await
    }

    pub(in crate::oauth) async fn redeem_web(&self, client: &Registered, code: &str) -> Answer {
        let fields = [
            ("client_id", client.id.as_str()),
            ("client_secret", &client.secret),
            ("redirect_uri", WEB),
            ("code", code),
        ];
        self.redeem(&fields, &[]).await
    }
}

#[tokio::test]
async fn a_web_application_signs_a_user_in() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        let mut browser = Browser::new(&fixture);
        let asking =
            client.asking(WEB, &[("nonce", "n-0S6"), ("client_info", "1"), ("x-client-SKU", "MSAL")]);
        let page = browser.get(&asking).await;
        assert!(page.text.contains("to continue to <strong>Reading room</strong>"), "{}", page.text);
        let consent = browser.sign_in(ADA, PASSWORD).await;
        assert_eq!(consent.status, 200);
        let answer = browser.accept().await;
        assert!(answer.header("location").starts_with(&format!("{WEB}?")));
        assert_eq!(answer.header("cache-control"), "no-store");
        let found = fields(&answer);
        assert_eq!(found["state"], "the state");
        let tid = fixture.tid().await;
        assert_eq!(found["iss"], format!("https://localhost:8443/{tid}/v2.0"));
        assert!(found.contains_key("session_state") && found.contains_key("client_info"));

        let tokens = fixture.redeem_web(&client, &found["code"]).await;
        let claims = fixture.claims(&tokens).await;
        assert_eq!(
            (claims["oid"].as_str(), claims["scp"].as_str(), claims["appidacr"].as_str()),
            (Some(&*ada.id.to_string()), Some("Dicom.Read"), Some("1"))
        );
        let id = fixture.id_claims(&tokens).await;
        assert_eq!((id["nonce"].as_str(), id["aud"].as_str()), (Some("n-0S6"), Some(&*client.id)));
        assert!(id.get("auth_time").is_none() && id.get("sid").is_none() && id.get("c_hash").is_none());
        let refresh = tokens.json()["refresh_token"].as_str().unwrap().to_owned();
        let again = [
            ("grant_type", "refresh_token"),
            ("client_id", &client.id),
            ("client_secret", &client.secret),
            ("refresh_token", &refresh),
        ];
        let renewed = fixture.v2(&again).await;
        assert_eq!(fixture.claims(&renewed).await["sub"], claims["sub"]);
        let id_renewed = fixture.id_claims(&renewed).await;
        assert!(id_renewed.get("nonce").is_none() && id_renewed["sub"] == id["sub"]);

        // The next time nobody is asked anything.
        let found = fields(&browser.get(&client.asking(WEB, &[])).await);
        assert_eq!(fixture.redeem_web(&client, &found["code"]).await.status, 200);
        let trail = fixture.final_trail().await;
        for line in [
            "identity.sign-in success",
            "identity.consent.granted success",
            "identity.authorization.answered success",
            "identity.token.issued success",
        ] {
            assert!(trail.iter().any(|event| event.starts_with(line)), "{line}: {trail:#?}");
        }
    }
}

#[tokio::test]
async fn pages_and_desktops_need_no_secret() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        let mut browser = Browser::new(&fixture);
        let code = browser.through(&client.asking("http://localhost:49152", &[])).await["code"].clone();
        let desktop =
            [("client_id", client.id.as_str()), ("redirect_uri", "http://localhost:49152"), ("code", &code)];
        let tokens = fixture.redeem(&desktop, &[]).await;
        assert_eq!(fixture.claims(&tokens).await["appidacr"], "0");
        assert!(tokens.json().get("refresh_token_expires_in").is_none());
        let refresh = tokens.json()["refresh_token"].as_str().unwrap().to_owned();
        assert_eq!(fixture.refresh(&client.id, &refresh).await.status, 200, "without public client flows");

        let code = fields(&browser.get(&client.asking(SPA, &[("response_mode", "fragment")])).await);
        let page = [("client_id", client.id.as_str()), ("redirect_uri", SPA), ("code", &code["code"])];
        let tokens = fixture.redeem(&page, &[("origin", "http://localhost:3000")]).await;
        assert_eq!(tokens.status, 200, "{}", tokens.text);
        assert_eq!(tokens.header("access-control-allow-origin"), "http://localhost:3000");
        assert_eq!(tokens.json()["refresh_token_expires_in"], 86_400);
    }
}

#[tokio::test]
async fn tokens_through_the_browser_where_the_registration_allows() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let implicit = serde_json::json!({
            "redirectUris": [WEB], "logoutUrl": "https://reading.example/signed-out",
            "implicitGrantSettings": { "enableIdTokenIssuance": true, "enableAccessTokenIssuance": true } });
        let client = fixture.registered_with(serde_json::json!({ "web": implicit })).await;
        let mut browser = Browser::new(&fixture);
        let hybrid = [("response_type", "code id_token"), ("nonce", "n")];
        let found = browser.through(&client.asking(WEB, &hybrid)).await;
        let id = verified(&fixture, &found["id_token"]).await;
        assert_eq!(id["c_hash"], crate::oauth::tokens::half_hash(&found["code"]));
        assert_eq!((id["nonce"].as_str(), id["sid"].as_str()), (Some("n"), Some(&*found["session_state"])));
        assert!(!found.contains_key("access_token") && id.get("at_hash").is_none());
        assert_eq!(fixture.redeem_web(&client, &found["code"]).await.status, 200);

        let both = [("response_type", "id_token token"), ("nonce", "n"), ("code_challenge", "")];
        let answer = browser.get(&client.asking(WEB, &both)).await;
        assert!(answer.header("location").starts_with(&format!("{WEB}#")), "{}", answer.header("location"));
        let found = fields(&answer);
        let id = verified(&fixture, &found["id_token"]).await;
        assert_eq!(id["at_hash"], crate::oauth::tokens::half_hash(&found["access_token"]));
        assert_eq!(verified(&fixture, &found["access_token"]).await["scp"], "Dicom.Read");
        assert_eq!((found["token_type"].as_str(), found.contains_key("refresh_token")), ("Bearer", false));
        assert!(found["scope"].contains(READ) && found["expires_in"].parse::<u32>().is_ok());

        let token = [("response_type", "token"), ("scope", READ), ("code_challenge", "")];
        let found = fields(&browser.get(&client.asking(WEB, &token)).await);
        assert!(found.contains_key("access_token") && !found.contains_key("id_token"));
    }
}

#[tokio::test]
async fn an_address_holds_six_groups() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let implicit = serde_json::json!({
            "redirectUris": [WEB],
            "implicitGrantSettings": { "enableIdTokenIssuance": true, "enableAccessTokenIssuance": true } });
        let more = serde_json::json!({ "web": implicit, "groupMembershipClaims": "SecurityGroup" });
        let client = fixture.registered_with(more).await;
        fixture.consented_to_all(&client.id, &ada).await;
        let mut browser = Browser::new(&fixture);
        browser.get(&client.asking(WEB, &[])).await;
        browser.sign_in(ADA, PASSWORD).await;
        let session = fixture.as_admin_with_all_scopes().await;
        for count in 1..=7 {
            let group = serde_json::json!({"displayName": format!("Group {count}"), "mailEnabled": false,
                "mailNickname": format!("group{count}"), "securityEnabled": true,
                "members@odata.bind": [format!("https://localhost:8443/v1.0/users/{}", ada.id)]});
            let made = session.post("/groups", group).await;
            assert!(made.status.is_success(), "{}", made.text);
            let asking = [("response_type", "id_token"), ("nonce", "n"), ("code_challenge", "")];
            let found = fields(&browser.get(&client.asking(WEB, &asking)).await);
            let id = verified(&fixture, &found["id_token"]).await;
            let groups = id["groups"].as_array().map(Vec::len);
            if count <= 6 {
                assert_eq!((groups, id.get("hasgroups")), (Some(count), None), "{id}");
            } else {
                assert_eq!((groups, &id["hasgroups"]), (None, &true.into()), "{id}");
                assert!(id.get("_claim_names").is_none(), "{id}");
            }
        }
        // At the token endpoint there is room.
        let found = fields(&browser.get(&client.asking(WEB, &[])).await);
        let id = fixture.id_claims(&fixture.redeem_web(&client, &found["code"]).await).await;
        assert_eq!(id["groups"].as_array().map(Vec::len), Some(7));
    }
}

async fn verified(fixture: &Fixture, token: &str) -> Value {
    let jwt = hilum_jose::Jwt::parse(token).unwrap();
    let key = fixture.identity.find_key(jwt.header().kid.as_deref().unwrap()).await.unwrap().unwrap();
    Value::Object(jwt.verify(&key).unwrap().members().clone())
}

#[tokio::test]
async fn an_answer_by_form() {
    let fixture = fixtures().await.remove(0);
    fixture.signer("ada", false).await;
    let client = fixture.registered().await;
    let mut browser = Browser::new(&fixture);
    browser.get(&client.asking("http://localhost:8400", &[("response_mode", "form_post")])).await;
    browser.sign_in(ADA, PASSWORD).await;
    let page = browser.accept().await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("<form method=\"post\" action=\"http://localhost:8400\">"), "{}", page.text);
    assert!(
        page.text.contains("<noscript>") && !page.header("content-security-policy").contains("form-action")
    );
    assert!(page.header("content-security-policy").contains("script-src 'sha256-"));
    assert_eq!(hidden(&page.text, "state"), "the state");
    let code = hidden(&page.text, "code");
    let redeemed =
        [("client_id", client.id.as_str()), ("redirect_uri", "http://localhost:8400"), ("code", &code)];
    assert_eq!(fixture.redeem(&redeemed, &[]).await.status, 200);
}

#[tokio::test]
async fn the_old_endpoint_asks_by_resource() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        fixture.consent(&client.id, "Dicom.Read", None).await;
        let resource = "https://dicom.healthcareapis.azure.com";
        let mut browser = Browser::new(&fixture);
        for (at_authorize, at_token) in [(resource, ""), ("", resource), (resource, resource)] {
            let mut asking = vec![
                ("client_id", client.id.as_str()),
                ("response_type", "code"),
                ("redirect_uri", WEB),
                ("resource", at_authorize),
            ];
            asking.retain(|(_, value)| !value.is_empty());
            let page = browser.get(&format!("/contoso.local/oauth2/authorize?{}", form(&asking))).await;
            let answer = if page.status == 200 { browser.sign_in(ADA, PASSWORD).await } else { page };
            let found = fields(&answer);
            assert_eq!(found["iss"], format!("https://localhost:8443/{}/", fixture.tid().await));
            let mut body = vec![
                ("grant_type", "authorization_code"),
                ("client_id", &client.id),
                ("client_secret", &client.secret),
                ("redirect_uri", WEB),
                ("code", &found["code"]),
                ("resource", at_token),
            ];
            body.retain(|(_, value)| !value.is_empty());
            let tokens = fixture.post("/contoso.local/oauth2/token", form(&body)).await;
            let claims = fixture.claims(&tokens).await;
            assert_eq!(
                (claims["aud"].as_str(), claims["scp"].as_str()),
                (Some(resource), Some("Dicom.Read"))
            );
            assert!(tokens.json()["expires_in"].is_string() && tokens.json()["refresh_token"].is_string());
            assert_eq!(fixture.id_claims(&tokens).await["ver"], "1.0");
        }
    }
}

#[tokio::test]
async fn a_client_may_ask_by_post() {
    let fixture = fixtures().await.remove(0);
    fixture.signer("ada", false).await;
    let client = fixture.registered().await;
    let asking = client.asking(WEB, &[]);
    let (path, query) = asking.split_once('?').unwrap();
    let answer = fixture.post(path, query.to_owned()).await;
    assert_eq!((answer.status.as_u16(), answer.header("set-cookie")), (303, ""));
    let location = answer.header("location").strip_prefix("https://localhost:8443").unwrap().to_owned();
    let mut browser = Browser::new(&fixture);
    browser.through(&location).await;
    for (path, body) in [(path, "state=1&state=2"), ("/a%20b/oauth2/v2.0/authorize", query)] {
        assert_eq!(fixture.post(path, body.to_owned()).await.status, 400, "{path} {body}");
    }
    assert_eq!(encoded("a b"), "a%20b");
}

#[tokio::test]
async fn a_one_time_password_is_replaced_on_the_way() {
    for fixture in fixtures().await {
        fixture.signer("ada", true).await;
        let client = fixture.registered().await;
        let mut browser = Browser::new(&fixture);
        browser.get(&client.asking(WEB, &[])).await;
        let page = browser.sign_in(ADA, PASSWORD).await;
        assert!(page.text.contains("Choose a password of your own") && browser.session().is_none());
        let change = |again: &'static str| {
            [
                ("username", ADA),
                ("password", PASSWORD),
                ("new_password", "Another one 22"),
                ("new_password_again", again),
            ]
        };
        assert_eq!(browser.step("password", &change("something else")).await.status, 400);
        let page = browser.step("password", &change("Another one 22")).await;
        assert!(page.text.contains("asks for permissions"), "{}", page.text);
        assert!(fields(&browser.accept().await).contains_key("code"));
    }
}
