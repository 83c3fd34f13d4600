//! Every URL of the one origin in one table.

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{Html, IntoResponse as _, Redirect},
    routing::get,
};
use hilum_jose::{base64_encode, sha256};
use hilum_web::openapi;

use crate::{assemble::House, health::Health};

/// The whole surface, without the layers that surround it.
pub(crate) fn all(house: &House) -> Router {
    let health = Health::new(house.db.clone(), house.blobs.clone(), house.stop.clone());
    Router::new()
        .route("/", get(|| async { Redirect::to("/portal") }))
        .merge(status_page(house))
        .merge(house.identity.router())
        .merge(house.identity.graph_router())
        .nest("/dicom", house.dicom_router())
        .merge(openapi::index(&descriptions(&house.origin)))
        .merge(health.router())
}

fn descriptions(origin: &str) -> Vec<(&'static str, serde_json::Value)> {
    vec![
        ("identity", hilum_identity::openapi(origin)),
        ("graph", hilum_identity::graph_openapi(origin)),
        ("dicom", hilum_dicom::openapi(&format!("{origin}/dicom"))),
    ]
}

const STATUS_STYLE: &str =
    "body{font:16px/1.6 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}";

/// `/portal`, until the portal is there: what this is and where its parts are. Tells nothing that discovery does not.
fn status_page(house: &House) -> Router {
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>Hilum</title>\
         <style>{STATUS_STYLE}</style>\
         <h1>Hilum</h1><p>The server is running. Registrations are managed with <code>hilum app</code> until the portal comes.\
         <dl><dt>Authority<dd><code>{origin}/{tenant}</code>\
         <dt>Discovery<dd><a href=\"/{tenant}/v2.0/.well-known/openid-configuration\">openid-configuration</a>\
         <dt>DICOM service<dd><code>{origin}/dicom/v2</code>\
         <dt>API descriptions<dd><a href=/openapi>openapi</a>\
         <dt>Health<dd><a href=/health/check>check</a></dl>",
        origin = house.origin,
        tenant = house.tenant_id,
    );
    // CSP 3 §2.3.1: this style and no other, whoever gets some into the page.
    let style = base64_encode(sha256(STATUS_STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    Router::new().route(
        "/portal",
        get(move || async move { ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response() }),
    )
}
