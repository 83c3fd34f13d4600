//! Discovery on the wire, through the router.

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::testing::{Fixture, fixtures};

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The AADSTS code.
    pub(crate) fn code(&self) -> u64 {
        self.json()["error_codes"][0].as_u64().unwrap()
    }
}

impl Fixture {
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.identity.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        if parts.headers.get("content-type").is_some_and(|kind| kind == "text/html; charset=utf-8") {
            hilum_pages::contract::check(&parts.headers, &text);
        }
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn tid(&self) -> String {
        self.identity.tenant().await.unwrap().id.to_string()
    }
}

fn snapshot(name: &str, value: &str) {
    insta::with_settings!({filters => vec![
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[guid]"),
        (r#""(kid|x5t)": "[A-Za-z0-9_-]{27}""#, r#""$1": "[thumbprint]""#),
        (r#""n": "[A-Za-z0-9_-]+""#, r#""n": "[modulus]""#),
        (r#""[A-Za-z0-9+/]{64}[A-Za-z0-9+/=]+""#, r#""[certificate]""#),
    ]}, {
        insta::assert_snapshot!(name, value);
    });
}

fn pretty(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
    let mut headers: Vec<String> =
        answer.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    headers.sort();
    format!(
        "{}\n{}\n\n{}",
        answer.status,
        headers.join("\n"),
        serde_json::to_string_pretty(&answer.json()).unwrap()
    )
}

#[tokio::test]
async fn documents_and_keys() {
    for fixture in fixtures().await {
        let tid = fixture.tid().await;
        snapshot(
            "discovery_v2",
            &pretty(&fixture.get(&format!("/{tid}/v2.0/.well-known/openid-configuration")).await),
        );
        snapshot(
            "discovery_v1",
            &pretty(&fixture.get(&format!("/{tid}/.well-known/openid-configuration")).await),
        );
        snapshot(
            "discovery_common",
            &pretty(&fixture.get("/common/v2.0/.well-known/openid-configuration").await),
        );
        snapshot("keys", &pretty(&fixture.get(&format!("/{tid}/discovery/v2.0/keys")).await));
        let instance = "/common/discovery/instance?api-version=1.1&authorization_endpoint=\
                        https%3A%2F%2Flocalhost%3A8443%2Fcontoso.local%2Foauth2%2Fv2.0%2Fauthorize";
        snapshot("instance", &pretty(&fixture.get(instance).await));
    }
}

#[tokio::test]
async fn any_alias_of_the_tenant_answers_in_any_case_with_or_without_slash() {
    let fixture = fixtures().await.remove(0);
    let tid = fixture.tid().await;
    for segment in [tid.clone(), tid.to_uppercase(), "contoso.local".to_owned(), "CONTOSO.Local".to_owned()] {
        let answer = fixture.get(&format!("/{segment}/v2.0/.well-known/openid-configuration/?appid=x")).await;
        assert_eq!(answer.json()["issuer"], format!("https://localhost:8443/{tid}/v2.0"), "{segment}");
        let endpoint = format!("https://localhost:8443/{}/oauth2/v2.0/token", segment.to_lowercase());
        assert_eq!(answer.json()["token_endpoint"], endpoint);
        assert_eq!(fixture.get(&format!("/{segment}/discovery/keys")).await.status, 200);
    }
    let keys = fixture.get("/common/discovery/v2.0/keys").await.json();
    assert_eq!(keys["keys"][0]["issuer"], "https://localhost:8443/{tenantid}/v2.0");
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2);
    for private in ["d", "p", "q", "dp", "dq", "qi"] {
        assert!(keys["keys"][0].get(private).is_none());
    }
}

#[tokio::test]
async fn unknown_tenants_and_instances() {
    let fixture = fixtures().await.remove(0);
    for (path, error, code) in [
        (
            "/11111111-1111-1111-1111-111111111111/v2.0/.well-known/openid-configuration",
            "invalid_tenant",
            90_002,
        ),
        ("/fabrikam.example/.well-known/openid-configuration", "invalid_tenant", 90_002),
        ("/consumers/v2.0/.well-known/openid-configuration", "invalid_tenant", 90_002),
        ("/not%20a%20tenant/v2.0/.well-known/openid-configuration", "invalid_request", 900_023),
        ("/common/discovery/instance", "invalid_request", 900_144),
        (
            "/common/discovery/instance?authorization_endpoint=https://login.microsoftonline.com/common/oauth2/authorize",
            "invalid_instance",
            50_049,
        ),
        (
            "/common/discovery/instance?authorization_endpoint=https://localhost:84431/x/",
            "invalid_instance",
            50_049,
        ),
    ] {
        let answer = fixture.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, code), "{path}");
        assert_eq!(answer.json()["error"], error, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
    }
}

#[tokio::test]
async fn before_the_first_start_everything_is_unavailable() {
    for fixture in crate::testing::empty().await {
        let answer = fixture.get("/common/v2.0/.well-known/openid-configuration").await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("retry-after"), "2");
    }
}
