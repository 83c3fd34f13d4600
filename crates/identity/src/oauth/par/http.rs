//! The wire of pushed authorization requests (RFC 9126 §2).

use axum::{
    body::Body,
    extract::{OriginalUri, Path, State},
    response::Response,
};
use hilum_web::RequestContext;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::{
    Identity,
    oauth::{
        json_body,
        token::wire::{self, Received},
    },
};

pub(crate) async fn post(
    State(identity): State<Identity>,
    Path(segment): Path<String>,
    context: RequestContext,
    (OriginalUri(uri), headers): (OriginalUri, HeaderMap),
    body: Body,
) -> Response {
    let decide = async |received: Received| {
        let reference = identity.push(&segment, &received).await?;
        let answer = json!({ "request_uri": reference.request_uri, "expires_in": reference.expires_in });
        let mut response = json_body(&answer);
        *response.status_mut() = StatusCode::CREATED;
        Ok(response)
    };
    wire::answer(&identity, &context, (uri, headers, body), decide).await
}
