//! API descriptions: the JSON document as it is, and a page of it that needs nothing but our style sheet.

use std::fmt::Write as _;

use axum::{
    Router,
    http::{HeaderValue, header},
    response::IntoResponse,
    routing::get,
};
use bytes::Bytes;
use serde_json::Value;

/// `/openapi/{name}.json` with the document and `/openapi/{name}` with a page for people.
///
/// Both are made once, here. `name` is a plain word.
pub fn routes(name: &str, document: &Value) -> Router {
    let json = Bytes::from(document.to_string());
    let html = Bytes::from(page(document));
    Router::new()
        .route(&format!("/openapi/{name}.json"), get(move || async move { answer("application/json", json) }))
        .route(
            &format!("/openapi/{name}"),
            get(move || async move { answer("text/html; charset=utf-8", html) }),
        )
}

fn answer(content_type: &'static str, body: Bytes) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    ];
    (headers, body)
}

/// Nothing in a description may do anything; the style sheet is a file of its own, so that none in the page counts.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const STYLE_PATH: &str = "/openapi/style.css";
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}\
code{font:14px ui-monospace,monospace}summary{cursor:pointer;padding:.35rem 0}details{border-bottom:1px solid #d8dee4}\
.m{display:inline-block;width:4.5rem;font-weight:600}table{border-collapse:collapse;margin:.3rem 0 1rem}\
td{padding:.15rem 1rem .15rem 0;vertical-align:top}\
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}details{border-color:#30363d}a{color:#6cb6ff}}";

fn page(document: &Value) -> String {
    let title = text(document, "/info/title");
    let mut html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{0}</title><link rel=stylesheet href={STYLE_PATH}><h1>{0}</h1><p>{1}",
        escape(title),
        escape(text(document, "/info/description"))
    );
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            if operation.get("responses").is_some() {
                write_operation(&mut html, path, method, operation);
            }
        }
    }
    html
}

fn write_operation(html: &mut String, path: &str, method: &str, operation: &Value) {
    // Writing to a String cannot fail.
    let _ = write!(
        html,
        "<details><summary><span class=m>{}</span><code>{}</code> {}</summary><p>{}<table>",
        escape(&method.to_uppercase()),
        escape(path),
        escape(text(operation, "/summary")),
        escape(text(operation, "/description")),
    );
    for parameter in operation.get("parameters").and_then(Value::as_array).into_iter().flatten() {
        let _ = write!(
            html,
            "<tr><td><code>{}</code><td>{}<td>{}",
            escape(text(parameter, "/name")),
            escape(text(parameter, "/in")),
            escape(text(parameter, "/description")),
        );
    }
    for (status, response) in operation.get("responses").and_then(Value::as_object).into_iter().flatten() {
        let _ = write!(
            html,
            "<tr><td><code>{}</code><td>answer<td>{}",
            escape(status),
            escape(text(response, "/description"))
        );
    }
    html.push_str("</table></details>");
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A router for several descriptions and a page that lists them at `/openapi`.
pub fn index(documents: &[(&str, Value)]) -> Router {
    let style = Bytes::from_static(STYLE.as_bytes());
    let mut router =
        Router::new().route(STYLE_PATH, get(move || async move { answer("text/css; charset=utf-8", style) }));
    let mut html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>API descriptions</title><link rel=stylesheet href={STYLE_PATH}><h1>API descriptions</h1><ul>"
    );
    for (name, document) in documents {
        router = router.merge(routes(name, document));
        let _ = write!(
            html,
            "<li><a href=\"/openapi/{name}\">{}</a> (<a href=\"/openapi/{name}.json\">JSON</a>)",
            escape(text(document, "/info/title"))
        );
    }
    let html = Bytes::from(html);
    router.route("/openapi", get(move || async move { answer("text/html; charset=utf-8", html) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_operations_and_escapes_them() {
        let document = serde_json::json!({
            "info": {"title": "A <b>", "description": "d"},
            "paths": {"/x/{id}": {"get": {"summary": "read & show", "responses": {"200": {"description": "ok"}}},
                                  "parameters": []}}
        });
        let html = page(&document);
        assert!(html.contains("A &lt;b&gt;"), "{html}");
        assert!(html.contains("<code>/x/{id}</code> read &amp; show"), "{html}");
        assert_eq!(html.matches("<details>").count(), 1, "path-level members are no operations: {html}");
    }
}
