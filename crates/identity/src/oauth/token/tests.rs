//! The token endpoint on the wire: answers, every refusal, every oddity of real clients' assertions.

use axum::body::Body;
use hilum_jose::{
    Algorithm, Certificate, Jwk, Jwt, KeyName, SigningHeader, SigningKey, Validity, VerifyingKey,
    base64_encode, base64url_encode, sign_jwt,
};
use hilum_kernel::SystemRandom;
use http::Request;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    ClientCredential, IdentityError, Keep, NewCertificate, NewRoleAssignment, NewSecret, PrincipalRef,
    ServicePrincipalChange,
    oauth::tests::Answer,
    testing::{Client, Fixture, NOW, actor, fixtures, members},
};

const DICOM: &str = "https://dicom.healthcareapis.azure.com";
pub(in crate::oauth) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub(crate) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

impl Fixture {
    pub(crate) async fn post(&self, path: &str, body: String) -> Answer {
        self.post_with(path, body, &[]).await
    }

    pub(crate) async fn post_with(&self, path: &str, body: String, headers: &[(&str, &str)]) -> Answer {
        let mut request =
            Request::post(path).header("content-type", "application/x-www-form-urlencoded;charset=utf-8");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    pub(crate) async fn v2(&self, fields: &[(&str, &str)]) -> Answer {
        self.post("/contoso.local/oauth2/v2.0/token", form(fields)).await
    }

    /// The claims of an answer's token, verified with the published keys.
    pub(crate) async fn claims(&self, answer: &Answer) -> Value {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        let jwt = Jwt::parse(&token).unwrap();
        let key = self.identity.find_key(jwt.header().kid.as_deref().unwrap()).await.unwrap().unwrap();
        Value::Object(jwt.verify(&key).unwrap().members().clone())
    }

    async fn assign(&self, client: &Client, role: &str) {
        let new = NewRoleAssignment {
            role: role.to_owned(),
            principal: PrincipalRef::Assignee(client.id()),
            scope: "/".to_owned(),
        };
        self.identity.create_role_assignment(&actor(), new).await.unwrap();
    }
}

/// A good request's fields.
fn good<'a>(id: &'a str, secret: &'a str, scope: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![("client_id", id), ("grant_type", "client_credentials"), ("client_secret", secret), ("scope", scope)]
}

pub(crate) fn snapshot(name: &str, value: &Value) {
    insta::with_settings!({filters => vec![
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[guid]"),
        (r#""(uti|jti)": "[\w-]{22}""#, r#""$1": "[token id]""#),
        (r#""aio": "[^"]+""#, r#""aio": "[sealed]""#),
        (r#""access_token": "[^"]+""#, r#""access_token": "[token]""#),
        (r#""exp": \d+"#, r#""exp": [time]"#),
        (r#""(expires_in|ext_expires_in)": ("?)\d{4}"#, r#""$1": $2[seconds]"#),
        (r#""expires_on": "\d{10}""#, r#""expires_on": "[time]""#),
    ]}, {
        insta::assert_snapshot!(name, serde_json::to_string_pretty(value).unwrap());
    });
}

#[tokio::test]
async fn a_service_client_gets_its_token() {
    for fixture in fixtures().await {
        let client = fixture.client("service client").await;
        fixture.assign(&client, "DICOM Data Reader").await;
        fixture.assign(&client, "DICOM Data Owner").await;
        let (id, secret) = (client.id(), client.secret().to_owned());

        let scope = format!("{DICOM}/.default");
        let mut fields = good(&id, &secret, &scope);
        // What MSAL sends besides.
        fields.extend([
            ("client_info", "1"),
            ("x-client-SKU", "MSAL.Python"),
            ("client-request-id", "5c2bd1b5-5a6f-4c5a-8b8b-0d6d1b6d7a11"),
        ]);
        let answer = fixture.v2(&fields).await;
        snapshot("token_v2", &answer.json());
        assert_eq!(answer.header("cache-control"), "no-store, no-cache");
        assert_eq!(answer.header("pragma"), "no-cache");
        assert_eq!(answer.header("access-control-allow-origin"), "");
        let claims = fixture.claims(&answer).await;
        snapshot("claims_v1", &claims);
        let now: jiff::Timestamp = NOW.parse().unwrap();
        let life = claims["exp"].as_i64().unwrap() - now.as_second();
        assert!((3600..=5400).contains(&life), "{life}");
        assert_eq!(answer.json()["expires_in"].as_i64().unwrap(), life - 1);
        assert_eq!(claims["oid"], client.principal.id.to_string());
        assert_eq!(claims["roles"], json!(["DICOM Data Owner", "DICOM Data Reader"]));

        let v1 = form(&[
            ("client_id", &id),
            ("grant_type", "client_credentials"),
            ("client_secret", &secret),
            ("resource", &format!("{DICOM}/")),
        ]);
        let answer = fixture.post("/CONTOSO.local/oauth2/token/", v1).await;
        snapshot("token_v1", &answer.json());
        assert_eq!(fixture.claims(&answer).await["aud"], format!("{DICOM}/"));
    }
}

#[tokio::test]
async fn a_resource_of_ones_own_with_version_2_tokens() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("client").await;
        let tid = fixture.tid().await;
        let text = format!(
            r#"{{"displayName":"resource","identifierUris":["api://{tid}/Imaging"],"api":{{"requestedAccessTokenVersion":2}}}}"#
        );
        let resource = identity.create_application(&actor(), &members(&text)).await.unwrap();
        let scope = format!("api://{tid}/imaging/.default");
        let (id, secret) = (client.id(), client.secret().to_owned());
        let refused = fixture.v2(&good(&id, &secret, &scope)).await;
        assert_eq!(refused.code(), 500_011, "a resource without principal is not in the tenant");
        identity.create_service_principal(&actor(), &resource.app_id.to_string()).await.unwrap();
        let claims = fixture.claims(&fixture.v2(&good(&id, &secret, &scope)).await).await;
        snapshot("claims_v2", &claims);
        assert_eq!(claims["aud"], resource.app_id.to_string());

        let change = ServicePrincipalChange {
            app_role_assignment_required: Some(true),
            ..ServicePrincipalChange::default()
        };
        identity.update_service_principal(&actor(), &resource.app_id.to_string(), &change).await.unwrap();
        let refused = fixture.v2(&good(&id, &secret, &scope)).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (400, 501_051));
        assert_eq!(refused.json()["error"], "invalid_client");
    }
}

#[tokio::test]
async fn the_audience_is_the_name_that_was_asked_for() {
    let fixture = fixtures().await.remove(0);
    let client = fixture.client("client").await;
    let (id, secret) = (client.id(), client.secret().to_owned());
    for (scope, audience) in [
        (format!("{DICOM}/.default"), DICOM.to_owned()),
        (format!("{DICOM}//.default"), format!("{DICOM}/")),
        (format!("{}/.default", DICOM.to_uppercase()), DICOM.to_owned()),
        ("https://localhost:8443/dicom/.default".to_owned(), "https://localhost:8443/dicom".to_owned()),
        ("https://localhost:8443/dicom//.default".to_owned(), "https://localhost:8443/dicom/".to_owned()),
        ("75E725BF-66ce-4cea-9b9a-5c4caae57f33/.default".to_owned(), crate::DICOM_APP_ID.to_string()),
        (".default".to_owned(), "https://graph.microsoft.com".to_owned()),
        (format!("{id}/.default"), id.clone()),
    ] {
        let claims = fixture.claims(&fixture.v2(&good(&id, &secret, &scope)).await).await;
        assert_eq!(claims["aud"], audience, "{scope}");
        assert_eq!(claims["ver"], "1.0");
        assert!(claims.get("roles").is_none());
        assert!(claims.get("scp").is_none());
    }
}

#[tokio::test]
async fn refusals_of_a_request() {
    let fixture = fixtures().await.remove(0);
    let client = fixture.client("client").await;
    let (id, secret) = (client.id(), client.secret().to_owned());
    let scope = format!("{DICOM}/.default");
    let with = |name: &'static str, value: &str| {
        let mut fields: Vec<(&str, String)> =
            good(&id, &secret, &scope).into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        fields.retain(|(known, _)| *known != name);
        fields.push((name, value.to_owned()));
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        form(&fields)
    };
    let own = "/contoso.local/oauth2/v2.0/token";
    for (path, body, code, status, error) in [
        ("/fabrikam.example/oauth2/v2.0/token", with("x", ""), 90_002, 400, "invalid_request"),
        ("/a%20b/oauth2/v2.0/token", with("x", ""), 900_023, 400, "invalid_request"),
        ("/common/oauth2/v2.0/token", with("x", ""), 50_059, 400, "invalid_request"),
        (own, String::new(), 900_144, 400, "invalid_request"),
        (own, with("grant_type", ""), 900_144, 400, "invalid_request"),
        (own, with("grant_type", "nonsense"), 70_003, 400, "unsupported_grant_type"),
        (own, with("client_id", ""), 900_144, 400, "invalid_request"),
        (own, with("client_id", "11111111-1111-1111-1111-111111111111"), 700_016, 400, "unauthorized_client"),
        (own, with("client_id", "x\r\ny"), 700_016, 400, "unauthorized_client"),
        (own, with("client_secret", ""), 7_000_216, 401, "invalid_client"),
        (
            own,
            with("client_secret", &client.secret.info.key_id.to_string()),
            7_000_215,
            401,
            "invalid_client",
        ),
        (own, with("scope", ""), 900_144, 400, "invalid_request"),
        (own, with("scope", "https://h/Read"), 1_002_012, 400, "invalid_scope"),
        (own, with("scope", "https://a/.default https://b/.default"), 70_011, 400, "invalid_scope"),
        (own, with("scope", "https://unknown/.default"), 500_011, 400, "invalid_resource"),
        (own, with("resource", "https://other"), 9_010_010, 400, "invalid_request"),
        (own, format!("{}&scope=x", with("x", "")), 9_002_313, 400, "invalid_request"),
        (own, with("client_assertion", "x"), 9_002_313, 400, "invalid_request"),
        ("/contoso.local/oauth2/token", with("scope", ""), 900_144, 400, "invalid_request"),
    ] {
        let answer = fixture.post(path, body).await;
        let found =
            (answer.code(), answer.status.as_u16(), answer.json()["error"].as_str().unwrap().to_owned());
        assert_eq!(found, (code, status, error.to_owned()), "{}", answer.text);
        assert!(!answer.text.contains(&secret), "a secret was repeated");
    }
}

#[tokio::test]
async fn refusals_of_what_is_no_form() {
    let fixture = fixtures().await.remove(0);
    let path = "/contoso.local/oauth2/v2.0/token";
    let json = Request::post(path).header("content-type", "application/json").body(Body::from("{}")).unwrap();
    assert_eq!(fixture.send(json).await.code(), 9_002_313);
    let long = fixture.post(path, format!("x={}", "a".repeat(70_000))).await;
    assert_eq!((long.status.as_u16(), long.code()), (413, 90_015));
    let chunks = futures::stream::iter((0..100).map(|_| Ok::<_, std::io::Error>(vec![b'a'; 1000])));
    let streamed = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from_stream(chunks))
        .unwrap();
    assert_eq!(fixture.send(streamed).await.status, 413);
    for method in ["GET", "PUT", "DELETE"] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = fixture.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (405, 900_561));
        assert_eq!(answer.header("allow"), "POST, OPTIONS");
    }
}

#[tokio::test]
async fn an_error_has_entras_shape() {
    let fixture = fixtures().await.remove(0);
    let body = form(&[("grant_type", "x"), ("client-request-id", "5c2bd1b5-5a6f-4c5a-8b8b-0d6d1b6d7a11")]);
    let answer =
        fixture.post_with("/common/oauth2/v2.0/token", body, &[("origin", "https://app.example")]).await;
    let json = answer.json();
    assert_eq!(json["correlation_id"], "5c2bd1b5-5a6f-4c5a-8b8b-0d6d1b6d7a11");
    assert_eq!(json["timestamp"], "2026-01-31 12:34:56Z");
    assert_eq!(json["error_uri"], "https://localhost:8443/error?code=70003");
    assert_eq!(json["trace_id"], answer.header("x-ms-request-id"));
    let lines: Vec<&str> = json["error_description"].as_str().unwrap().split("\r\n").collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with("AADSTS70003: "));
    assert_eq!(lines[3], "Timestamp: 2026-01-31 12:34:56Z");
    assert_eq!(answer.header("access-control-allow-origin"), "https://app.example");
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
}

#[tokio::test]
async fn pages_may_not_use_a_secret_but_may_read_why() {
    let fixture = fixtures().await.remove(0);
    let client = fixture.client("client").await;
    let (id, scope) = (client.id(), format!("{DICOM}/.default"));
    let path = "/contoso.local/oauth2/v2.0/token";
    let body = form(&good(&id, client.secret(), &scope));
    for origin in ["https://app.example", "null"] {
        let answer = fixture.post_with(path, body.clone(), &[("origin", origin)]).await;
        assert_eq!(answer.code(), 9_002_326);
        assert_eq!(answer.header("access-control-allow-origin"), origin);
    }
    let preflight =
        Request::options(path).header("origin", "https://app.example").body(Body::empty()).unwrap();
    let answer = fixture.send(preflight).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-methods"), "POST, OPTIONS");
}

#[tokio::test]
async fn secrets_in_the_header() {
    let fixture = fixtures().await.remove(0);
    let client = fixture.client("client").await;
    let (id, scope) = (client.id(), format!("{DICOM}/.default"));
    let path = "/contoso.local/oauth2/v2.0/token";
    let body = form(&[("grant_type", "client_credentials"), ("scope", &scope)]);
    let header =
        |secret: &str| format!("Basic {}", base64_encode(format!("{}:{}", encoded(&id), encoded(secret))));
    let good = header(client.secret());
    assert_eq!(fixture.post_with(path, body.clone(), &[("authorization", &good)]).await.status, 200);
    let wrong = fixture.post_with(path, body.clone(), &[("authorization", &header("wrong"))]).await;
    assert_eq!((wrong.code(), wrong.header("www-authenticate")), (7_000_215, "Basic realm=\"token\""));
    let twice = format!("{body}&client_secret={}", encoded(client.secret()));
    assert_eq!(fixture.post_with(path, twice, &[("authorization", &good)]).await.code(), 9_002_313);
    let other = format!("{body}&client_id=11111111-1111-1111-1111-111111111111");
    assert_eq!(fixture.post_with(path, other, &[("authorization", &good)]).await.code(), 9_002_313);
    assert_eq!(fixture.post_with(path, body, &[("authorization", "Basic !")]).await.code(), 9_002_313);
}

#[tokio::test]
async fn credentials_expire_and_clients_are_switched_off() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("client").await;
        let other = fixture.client("other").await;
        let (id, scope) = (client.id(), format!("{DICOM}/.default"));
        let code = async |secret: &str| {
            let answer = fixture.v2(&good(&id, secret, &scope)).await;
            if answer.status == 200 { 200 } else { answer.code() }
        };
        let first = client.secret().to_owned();
        assert_eq!(code(&first).await, 200);
        assert_eq!(code(other.secret()).await, 7_000_215, "another application's secret");
        let later =
            NewSecret { starts_at: Some("2026-03-01T00:00:00Z".parse().unwrap()), ..NewSecret::default() };
        let later = identity.add_secret(&actor(), &id, later).await.unwrap();
        assert_eq!(code(later.value.expose()).await, 7_000_215, "not yet valid");

        fixture.clock.advance(SignedDuration::from_hours(24 * 40));
        assert_eq!(code(later.value.expose()).await, 200);
        assert_eq!(code(&first).await, 200, "several hold at once");
        identity.remove_secret(&actor(), &id, client.secret.info.key_id).await.unwrap();
        assert_eq!(code(&first).await, 7_000_215, "removed");

        let off =
            ServicePrincipalChange { account_enabled: Some(false), ..ServicePrincipalChange::default() };
        identity.update_service_principal(&actor(), &id, &off).await.unwrap();
        assert_eq!(code(later.value.expose()).await, 7_000_112);
        assert_eq!(code("wrong").await, 7_000_215, "only who proves it is told more");
        identity.update_application(&actor(), &id, &members(r#"{"isDisabled":true}"#)).await.unwrap();
        assert_eq!(code(later.value.expose()).await, 70_001);

        fixture.clock.advance(SignedDuration::from_hours(24 * 800));
        assert_eq!(code(later.value.expose()).await, 7_000_222);
        identity.delete_service_principal(&actor(), &id).await.unwrap();
        assert_eq!(code(later.value.expose()).await, 700_016);
    }
}

#[tokio::test]
async fn a_public_client_without_credentials_presents_none() {
    let fixture = fixtures().await.remove(0);
    let cli = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
    assert_eq!(fixture.v2(&good(cli, "x", ".default")).await.code(), 700_025);
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let fixture = fixtures().await.remove(0);
    let client = fixture.client("client").await;
    let (id, scope) = (client.id(), format!("{DICOM}/.default"));
    for _ in 0..21 {
        assert_eq!(fixture.v2(&good(&id, "wrong", &scope)).await.code(), 7_000_215);
    }
    for _ in 0..5 {
        let answer = fixture.v2(&good(&id, "wrong", &scope)).await;
        assert_eq!(answer.status, 429);
        assert_eq!(answer.header("retry-after"), "6");
    }
    let assertion = [
        ("grant_type", "client_credentials"),
        ("client_id", id.as_str()),
        ("client_assertion", "a.b.c"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("scope", scope.as_str()),
    ];
    assert_eq!(fixture.v2(&assertion).await.status, 429, "its check is dear");
    assert_eq!(fixture.v2(&good(&id, client.secret(), &scope)).await.status, 200, "who knows it gets in");
    fixture.clock.advance(SignedDuration::from_secs(7));
    assert_eq!(fixture.v2(&good(&id, "wrong", &scope)).await.code(), 7_000_215);

    let Fixture { identity, test_db, tasks, clock: _ } = fixture;
    drop(identity);
    tasks.close();
    tasks.wait().await;
    let mut tx = test_db.db.read().await.unwrap();
    let refused = "SELECT id FROM audit_event WHERE action = 'identity.token.refused'";
    assert_eq!(tx.fetch_all(refused, &[]).await.unwrap().len(), 22, "throttled attempts fill no database");
}

#[tokio::test]
async fn every_outcome_is_audited_without_secrets() {
    for fixture in fixtures().await {
        let client = fixture.client("client").await;
        let (id, scope) = (client.id(), format!("{DICOM}/.default"));
        let issued = fixture.claims(&fixture.v2(&good(&id, client.secret(), &scope)).await).await;
        fixture.v2(&good(&id, "a wrong secret", &scope)).await;
        // The log writes what waits when the last handle goes.
        let Fixture { identity, test_db, tasks, clock } = fixture;
        drop(identity);
        tasks.close();
        tasks.wait().await;
        let _ = clock;
        let mut tx = test_db.db.read().await.unwrap();
        let rows = tx
            .fetch_all("SELECT action, detail, app_id FROM audit_event WHERE action >= 'identity.token' AND action < 'identity.tokeo' ORDER BY id", &[])
            .await
            .unwrap();
        assert_eq!(rows.len(), 2);
        let detail = rows[0].text(1).unwrap();
        assert!(detail.contains(issued["uti"].as_str().unwrap()), "{detail}");
        assert_eq!(rows[1].text(0).unwrap(), "identity.token.refused");
        assert_eq!(rows[1].text(1).unwrap(), "AADSTS7000215");
        assert_eq!(rows[1].text(2).unwrap(), id);
    }
}

#[tokio::test]
async fn tokens_without_http() {
    let fixture = fixtures().await.remove(0);
    let client = fixture.client("client").await;
    let id = client.application.app_id;
    let secret = ClientCredential::Secret(client.secret.value.clone());
    for asked in [DICOM.to_owned(), format!("{DICOM}/.default")] {
        let got = fixture.identity.acquire_token_for_client(id, secret.clone(), &asked).await.unwrap();
        assert!(got.token.expose().starts_with("eyJ"));
    }
    let key = std::sync::Arc::new(key());
    register(&fixture, &client, key.certificate()).await;
    let certificate = ClientCredential::Certificate(key);
    fixture.identity.acquire_token_for_client(id, certificate, DICOM).await.unwrap();
    let refused = fixture.identity.acquire_token_for_client(id, secret, "https://unknown").await;
    assert!(
        matches!(&refused, Err(IdentityError::Refused(text)) if text.starts_with("AADSTS500011")),
        "{refused:?}"
    );
}

fn key() -> SigningKey {
    let now: jiff::Timestamp = NOW.parse().unwrap();
    let day = SignedDuration::from_hours(24);
    let validity = Validity { not_before: now - day, not_after: now + day * 10 };
    SigningKey::generate("client", validity, &SystemRandom).unwrap()
}

async fn register(fixture: &Fixture, client: &Client, certificate: &Certificate) {
    let new = NewCertificate { certificate: certificate.clone(), display_name: None, keep: Keep::Others };
    fixture.identity.add_certificate(&actor(), &client.id(), new).await.unwrap();
}

/// The claims of an assertion that is right.
fn claims(id: &str, audience: &str) -> Value {
    let now = NOW.parse::<jiff::Timestamp>().unwrap().as_second();
    json!({"iss": id, "sub": id, "aud": audience, "jti": "x", "iat": now, "nbf": now + 1, "exp": now + 600})
}

/// Signs header and claims as a client would that pads its segments, or not.
pub(in crate::oauth) fn assertion(key: &SigningKey, header: Value, claims: &Value, padding: bool) -> String {
    let part = |bytes: Vec<u8>| {
        let mut text = base64url_encode(bytes);
        while padding && !text.len().is_multiple_of(4) {
            text.push('=');
        }
        text
    };
    let algorithm = Algorithm::parse(header["alg"].as_str().unwrap()).unwrap();
    let signed =
        format!("{}.{}", part(header.to_string().into_bytes()), part(claims.to_string().into_bytes()));
    let signature = key.sign_with(algorithm, signed.as_bytes()).unwrap();
    format!("{signed}.{}", part(signature))
}

#[expect(clippy::too_many_lines, reason = "a table, one row per case")]
#[tokio::test]
async fn assertions_of_real_clients() {
    let key = key();
    let certificate = key.certificate().clone();
    let padded = |text: String| format!("{text}=");
    for fixture in fixtures().await {
        let client = fixture.client("client").await;
        register(&fixture, &client, &certificate).await;
        let (id, tid, scope) = (client.id(), fixture.tid().await, format!("{DICOM}/.default"));
        let endpoint = format!("https://localhost:8443/{tid}/oauth2/v2.0/token");
        let now = NOW.parse::<jiff::Timestamp>().unwrap().as_second();
        let mut floats = claims(&id, &endpoint);
        floats["exp"] = json!(f64::from(i32::try_from(now).unwrap()) + 600.25);
        floats["iat"] = json!(f64::from(i32::try_from(now).unwrap()) + 0.25);
        let listed = {
            let mut claims = claims(&id, &endpoint);
            claims["aud"] = json!(["https://elsewhere", endpoint]);
            claims
        };
        let chain = base64_encode(certificate.der());
        let broken = chain.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n");
        let issuer = format!("https://localhost:8443/{tid}/v2.0");
        for (what, header, claims, padding) in [
            (
                "MSAL Python, thumbprint",
                json!({"alg":"RS256","typ":"JWT","x5t":padded(certificate.x5t())}),
                floats,
                false,
            ),
            (
                "MSAL Python, pfx",
                json!({"alg":"PS256","typ":"JWT","x5t#S256":padded(certificate.x5t_s256()),"x5c":[broken]}),
                claims(&id, &endpoint),
                false,
            ),
            (
                "azure-identity aio",
                json!({"alg":"PS256","typ":"JWT","x5t#S256":padded(certificate.x5t_s256())}),
                claims(&id, &endpoint),
                true,
            ),
            (
                "MSAL Node",
                json!({"alg":"PS256","typ":"JWT","x5t#S256":certificate.x5t_s256()}),
                claims(&id, "https://localhost:8443/contoso.local/oauth2/v2.0/token"),
                false,
            ),
            ("openid-client", json!({"alg":"RS256","kid":"its own"}), claims(&id, &issuer), false),
            (
                "kid is the thumbprint",
                json!({"alg":"RS256","kid":certificate.thumbprint_hex()}),
                claims(&id, &issuer),
                false,
            ),
            ("chain only", json!({"alg":"RS256","x5c":chain}), claims(&id, &endpoint), false),
            ("several audiences", json!({"alg":"RS256"}), listed, false),
            (
                "v1 endpoint",
                json!({"alg":"RS256"}),
                claims(&id, &format!("https://localhost:8443/{tid}/oauth2/token")),
                false,
            ),
        ] {
            let text = assertion(&key, header, &claims, padding);
            let mut fields = vec![
                ("grant_type", "client_credentials"),
                ("client_assertion_type", ASSERTION_TYPE),
                ("client_assertion", &text),
                ("scope", &scope),
            ];
            // RFC 7521 §4.2: without client_id first, then, as MSAL reuses assertions, the same again with it.
            let answer = fixture.v2(&fields).await;
            assert_eq!(answer.status, 200, "{what}: {}", answer.text);
            fields.push(("client_id", &id));
            let answer = fixture.v2(&fields).await;
            assert_eq!(fixture.claims(&answer).await["appidacr"], "2", "{what}");
        }
    }
}

#[expect(clippy::too_many_lines, reason = "a table, one row per case")]
#[tokio::test]
async fn assertions_that_prove_nothing() {
    let (key, other) = (key(), key());
    let fixture = fixtures().await.remove(0);
    let client = fixture.client("client").await;
    register(&fixture, &client, key.certificate()).await;
    let (id, tid, scope) = (client.id(), fixture.tid().await, format!("{DICOM}/.default"));
    let endpoint = format!("https://localhost:8443/{tid}/oauth2/v2.0/token");
    let now = NOW.parse::<jiff::Timestamp>().unwrap().as_second();
    let good = claims(&id, &endpoint);
    let changed = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let rs256 = || json!({"alg":"RS256"});
    let by = |key: &SigningKey, claims: &Value| assertion(key, rs256(), claims, false);
    let none = format!("{}.{}.", base64url_encode(r#"{"alg":"none"}"#), base64url_encode(good.to_string()));
    let hs256 =
        format!("{}.{}.AAAA", base64url_encode(r#"{"alg":"HS256"}"#), base64url_encode(good.to_string()));
    let mut cut = by(&key, &good);
    cut.truncate(cut.len() - 6);
    for (what, text, code) in [
        ("another key", by(&other, &good), 700_027),
        (
            "another key under our thumbprint",
            assertion(&other, json!({"alg":"RS256","x5t":key.certificate().x5t()}), &good, false),
            700_027,
        ),
        (
            "an unknown thumbprint",
            assertion(&key, json!({"alg":"RS256","x5t":other.certificate().x5t()}), &good, false),
            700_027,
        ),
        (
            "a stranger's chain",
            assertion(
                &other,
                json!({"alg":"RS256","x5c":[base64_encode(other.certificate().der())]}),
                &good,
                false,
            ),
            700_027,
        ),
        ("a cut signature", cut, 700_027),
        ("expired", by(&key, &changed("exp", json!(now - 301))), 700_024),
        ("not yet valid", by(&key, &changed("nbf", json!(now + 301))), 700_024),
        ("lives too long", by(&key, &changed("exp", json!(now + 90_000))), 700_024),
        ("no expiry", by(&key, &changed("exp", Value::Null)), 50_027),
        (
            "another audience",
            by(&key, &changed("aud", json!("https://login.microsoftonline.com/common/oauth2/v2.0/token"))),
            700_023,
        ),
        ("another client", by(&key, &changed("iss", json!("11111111-1111-1111-1111-111111111111"))), 700_021),
        ("another issuer", by(&key, &changed("iss", json!("https://localhost:8443"))), 70_021),
        (
            "another subject",
            by(&key, &changed("sub", json!("11111111-1111-1111-1111-111111111111"))),
            700_021,
        ),
        ("none", none, 50_027),
        ("HS256", hs256, 50_027),
        ("no JWT", "x".to_owned(), 50_027),
        ("too long", "x.".repeat(10_000), 50_027),
    ] {
        let answer = fixture
            .v2(&[
                ("client_id", &id),
                ("grant_type", "client_credentials"),
                ("client_assertion_type", ASSERTION_TYPE),
                ("client_assertion", &text),
                ("scope", &scope),
            ])
            .await;
        assert_eq!(answer.code(), code, "{what}: {}", answer.text);
    }
    let answer = fixture
        .v2(&[
            ("client_id", &id),
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "x"),
            ("client_assertion", "y"),
        ])
        .await;
    assert_eq!(answer.code(), 90_100);
}

#[tokio::test]
async fn a_token_is_signed_with_the_published_key_and_names_it_as_entra_does() {
    let fixture = fixtures().await.remove(0);
    let client = fixture.client("client").await;
    let (id, scope) = (client.id(), format!("{DICOM}/.default"));
    let answer = fixture.v2(&good(&id, client.secret(), &scope)).await;
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let jwt = Jwt::parse(&token).unwrap();
    let tid = fixture.tid().await;
    let published = fixture.get(&format!("/{tid}/discovery/keys")).await.json();
    let jwk = published["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kid"] == jwt.header().kid.clone().unwrap());
    let jwk: Jwk = serde_json::from_value(jwk.unwrap().clone()).unwrap();
    assert!(jwt.verify(&VerifyingKey::from_jwk(&jwk).unwrap()).is_ok());
    assert_eq!(jwt.header().x5t, jwt.header().kid, "v1.0 tokens name the key twice");
    assert_eq!(jwt.header().typ.as_deref(), Some("JWT"));
    let header = SigningHeader { algorithm: Algorithm::Rs256, typ: "JWT", names: &[KeyName::Kid] };
    assert_eq!(header, SigningHeader::ENTRA_V2);
    assert!(sign_jwt(&key(), header, &json!({})).is_ok());
}
