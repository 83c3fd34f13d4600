//! Every page of the server, whoever draws it: the headers that keep it from doing harm (sheet §9, RFC 9700 §4.16).
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare has failed")]

use std::collections::BTreeSet;

use axum::{
    body::Body,
    http::{Method, Request},
};
use hilum_testkit::{Answer, App, app_at};
use serde_json::Value;

/// Not on this machine, so that browsers are to come back by TLS only.
const ORIGIN: &str = "https://pacs.example.org";

/// What stands in no description.
const OWN: [&str; 10] = [
    "/",
    "/portal",
    "/healthz",
    "/readyz",
    "/health/check",
    "/openapi",
    "/openapi/style.css",
    "/openapi/identity",
    "/openapi/graph",
    "/openapi/dicom",
];
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS];

#[test]
fn every_route_of_the_program_itself_is_in_the_table() {
    let sources = [include_str!("../src/routes.rs"), include_str!("../src/health.rs")];
    for source in sources {
        let literals = source.split(".route(").skip(1).filter_map(|text| text.split('"').nth(1));
        for route in literals {
            assert!(OWN.contains(&route), "{route}");
        }
    }
}

/// Every path of the descriptions, with something in the place of each name.
async fn described(app: &App) -> Vec<String> {
    let mut all = Vec::new();
    for (name, prefix) in [("identity", ""), ("graph", ""), ("dicom", "/dicom")] {
        let document = app.get(&format!("/openapi/{name}.json"), None).await.json();
        for path in document.pointer("/paths").and_then(Value::as_object).unwrap().keys() {
            all.push(format!("{prefix}{path}"));
        }
    }
    assert!(all.len() > 100, "{}", all.len());
    all
}

fn filled(path: &str, tenant: &str) -> String {
    let mut filled = path.replace("{tenant}", tenant);
    while let (Some(from), Some(to)) = (filled.find('{'), filled.find('}')) {
        filled.replace_range(from..=to, "1");
    }
    filled
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// What each of them says.
fn ensure_kept_safe(answer: &Answer, what: &str) {
    let policy = header(answer, "content-security-policy");
    for directive in ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(policy.split("; ").any(|said| said == directive), "{what}: {directive} in {policy}");
    }
    for wrong in ["unsafe", "*", "http:", "data:"] {
        assert!(!policy.contains(wrong), "{what}: {wrong} in {policy}");
    }
    assert_eq!(header(answer, "referrer-policy"), "no-referrer", "{what}");
    assert_eq!(header(answer, "x-content-type-options"), "nosniff", "{what}");
    assert_eq!(header(answer, "strict-transport-security"), "max-age=31536000", "{what}");
    // Styles and scripts count only where the policy names them.
    let text = answer.text();
    assert!(
        !text.contains(" style=\"") && !text.contains(" onclick=") && !text.contains("javascript:"),
        "{what}"
    );
    for (tag, directive) in [("<style", "style-src '"), ("<script", "script-src '")] {
        assert!(!text.contains(tag) || policy.contains(directive), "{what}: {tag} under {policy}");
    }
}

#[tokio::test]
async fn every_page_is_kept_safe() {
    let app = app_at(ORIGIN).await;
    let tenant = app.house.tenant_id.to_string();
    let own = OWN.into_iter().chain(["/nothing", "/portal/nothing", "/dicom/nothing"]).map(str::to_owned);
    let mut pages = BTreeSet::new();
    for path in described(&app).await.into_iter().chain(own) {
        for method in METHODS {
            let request = Request::builder()
                .method(&method)
                .uri(filled(&path, &tenant))
                .header("accept", "text/html, */*")
                .header("content-type", "application/x-www-form-urlencoded");
            let answer = app.send(request.body(Body::empty()).unwrap()).await;
            let what = format!("{method} {path}");
            assert_eq!(header(&answer, "strict-transport-security"), "max-age=31536000", "{what}");
            assert_eq!(header(&answer, "x-content-type-options"), "nosniff", "{what}");
            if header(&answer, "content-type").to_lowercase().starts_with("text/html") {
                ensure_kept_safe(&answer, &what);
                pages.insert(what);
            }
        }
    }
    insta::assert_snapshot!(pages.into_iter().collect::<Vec<_>>().join("\n"));
    app.close().await;
}
