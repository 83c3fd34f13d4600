//! The wire of pushed authorization requests (RFC 9126 §2).

use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    response::Response,
};
use hilum_web::RequestContext;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::{
    Identity,
    oauth::{json_body, token::wire},
};

pub(crate) async fn post(
    State(identity): State<Identity>,
    Path(segment): Path<String>,
    context: RequestContext,
    (RawQuery(query), headers): (RawQuery, HeaderMap),
    body: Body,
) -> Response {
    let received = match wire::receive(&context, query.as_deref(), &headers, body).await {
        Ok(received) => received,
        Err(error) => return wire::refusal(&identity, &error, context.correlation, &headers),
    };
    match identity.push(&segment, &received).await {
        Ok(reference) => {
            let answer = json!({ "request_uri": reference.request_uri, "expires_in": reference.expires_in });
            let mut response = json_body(&answer);
            *response.status_mut() = StatusCode::CREATED;
            wire::finished(response, &headers, identity.0.random.uuid())
        }
        Err(error) => wire::refusal(&identity, &error, received.caller.correlation, &headers),
    }
}
