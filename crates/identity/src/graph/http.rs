//! The API on the wire (sheet §3.3, §5.3): HTTP in, JSON out, open to pages of any origin as Graph is.

use std::time::Duration;

use axum::{
    Router,
    body::Body as HttpBody,
    extract::{Request as HttpRequest, State},
    response::{IntoResponse as _, Response},
    routing::any,
};
use hilum_access::{AccessError, Challenge, NONCE_HEADER, Scheme, TokenError};
use hilum_web::RequestContext;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};

use super::{
    Surface,
    body::{self, Body, Holds},
    dispatch::{self, Reply, ReplyContent, Request},
    error::{Envelope, GraphError},
};
use crate::Identity;

/// How long a body may take to arrive, however steadily it trickles.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);
const JSON: &str =
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
const CORRELATION_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-correlation-request-id");

/// Routes everything below `/v1.0` and `/beta`.
pub(super) fn router(identity: Identity) -> Router {
    let mut router = Router::new();
    for (prefix, surface) in [
        ("/v1.0", Surface::Graph),
        ("/beta", Surface::Graph),
        ("/subscriptions", Surface::Arm),
        ("/providers", Surface::Arm),
    ] {
        if surface.operations().next().is_none() {
            continue;
        }
        let handler =
            any(move |State(identity): State<Identity>, context: RequestContext, request: HttpRequest| {
                answer(identity, context, surface, request)
            });
        router = router
            .route(prefix, handler.clone())
            .route(&format!("{prefix}/"), handler.clone())
            .route(&format!("{prefix}/{{*path}}"), handler);
    }
    router.with_state(identity)
}

async fn answer(
    identity: Identity,
    context: RequestContext,
    surface: Surface,
    request: HttpRequest,
) -> Response {
    let headers = request.headers().clone();
    // Without an ID of the client's own the answer's is what the audit trail knows the request by.
    let client_names_it =
        [CLIENT_REQUEST_ID, CORRELATION_REQUEST_ID].iter().any(|name| headers.contains_key(name));
    let correlation = context.correlation.uuid();
    let request_id =
        if client_names_it || correlation.is_nil() { identity.0.random.uuid() } else { correlation }
            .to_string();
    if request.method() == Method::OPTIONS {
        return finished(preflight(&headers), &request_id);
    }
    let envelope = envelope(&identity, &headers, &request_id);
    let reply = match handle(&identity, surface, (&context, &envelope), request).await {
        Ok(reply) => reply,
        Err(error) => {
            log(&error, &context, &request_id);
            let mut response = respond(&identity, Reply::of_error(&error, &envelope));
            if let Some(token) = error.token {
                challenge(&identity, &mut response, (token, Scheme::tried(&headers)));
            }
            return finished(response, &request_id);
        }
    };
    let mut response = respond(&identity, reply);
    if let Some(nonce) = identity.0.proofs.next_nonce(&headers) {
        response.headers_mut().insert(NONCE_HEADER, nonce);
    }
    finished(response, &request_id)
}

async fn handle(
    identity: &Identity,
    surface: Surface,
    (context, envelope): (&RequestContext, &Envelope),
    request: HttpRequest,
) -> Result<Reply, GraphError> {
    let caller = identity.graph_caller(request.headers(), (request.method(), request.uri().path())).await?;
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let (prefix, path) = match surface {
        Surface::Graph => {
            let behind = path.get(1..).unwrap_or_default();
            let (version, _) = behind.split_once('/').unwrap_or((behind, ""));
            path.split_at_checked(version.len() + 1).unwrap_or((path, ""))
        }
        Surface::Arm => ("", path),
    };
    let text =
        |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let prefer: Vec<&str> =
        parts.headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok()).collect();
    let request = Request {
        surface,
        base: format!("{}{prefix}", identity.0.origin),
        path: path.to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body: read((surface, &parts), path, body).await?,
        if_match: text(header::IF_MATCH),
        prefer: (!prefer.is_empty()).then(|| prefer.join(",")),
        method: parts.method,
        envelope: envelope.clone(),
        context: context.clone(),
    };
    dispatch::dispatch(identity, caller, request).await
}

/// The body, within limits of size and time.
async fn read((surface, parts): (Surface, &Parts), path: &str, body: HttpBody) -> Result<Body, GraphError> {
    const UNREADABLE: &str = "The request's body could not be read.";
    let headers = &parts.headers;
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > body::BYTES_MAX) {
        return Err(body::too_large());
    }
    let whole = tokio::time::timeout(BODY_TIME_MAX, axum::body::to_bytes(body, body::BYTES_MAX)).await;
    let bytes = whole.map_err(|_| GraphError::bad_request(UNREADABLE))?.map_err(|error| {
        let limit = std::error::Error::source(&error)
            .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
        if limit { body::too_large() } else { GraphError::bad_request(UNREADABLE) }
    })?;
    if !bytes.trim_ascii().is_empty() && !is_json(headers) {
        // A picture for `…/logo`: that there is no such place says more than that it is no JSON.
        dispatch::ensure_operation(surface, &parts.method, path)?;
        return Err(GraphError::bad_request(
            "The Content-Type header must be application/json for a request with a body.",
        ));
    }
    let is_batch = path.trim_matches('/').eq_ignore_ascii_case("$batch");
    Body::parse(&bytes, if is_batch { Holds::Parts } else { Holds::Members })
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("application/json");
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn respond(identity: &Identity, reply: Reply) -> Response {
    let mut response = match reply.content {
        ReplyContent::Empty => reply.status.into_response(),
        ReplyContent::Text(text) => {
            (reply.status, [(header::CONTENT_TYPE, "text/plain")], text).into_response()
        }
        ReplyContent::Json(value) => {
            (reply.status, [(header::CONTENT_TYPE, JSON)], value.to_string()).into_response()
        }
    };
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: Option<String>| {
        if let Some(value) = value.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(name, value);
        }
    };
    set(header::ETAG, reply.etag);
    set(header::RETRY_AFTER, reply.retry_after_s.map(|seconds| seconds.to_string()));
    set(header::ALLOW, reply.allow);
    set(header::LOCATION, reply.location);
    set(HeaderName::from_static("preference-applied"), reply.preference_applied.map(str::to_owned));
    if reply.status == StatusCode::UNAUTHORIZED {
        let challenge = format!(
            "Bearer realm=\"\", authorization_uri=\"{}/common/oauth2/authorize\", \
             client_id=\"00000003-0000-0000-c000-000000000000\"",
            identity.0.origin
        );
        set(header::WWW_AUTHENTICATE, Some(challenge));
    }
    response
}

/// What a request with a proof of possession hears that was refused (RFC 9449 §7.1), instead of Graph's own challenge.
fn challenge(identity: &Identity, response: &mut Response, (error, tried): (TokenError, Scheme)) {
    let refusal = Challenge::default().refuse(&AccessError::Token(error), tried);
    let headers = response.headers_mut();
    if tried == Scheme::Dpop {
        headers.remove(header::WWW_AUTHENTICATE);
        for challenge in refusal.www_authenticate {
            headers.append(header::WWW_AUTHENTICATE, challenge);
        }
    }
    if refusal.brings_nonce {
        headers.insert(NONCE_HEADER, identity.0.proofs.nonce());
    }
}

/// What every answer carries.
fn finished(mut response: Response, request_id: &str) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(HeaderName::from_static("odata-version"), HeaderValue::from_static("4.0"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let exposed = "ETag, Location, Preference-Applied, Content-Range, request-id, client-request-id, ReadWriteConsistencyToken, \
                   SdkVersion, WWW-Authenticate, DPoP-Nonce, x-ms-client-gcc-tenant, Retry-After";
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        // The layers around every router copy it to `request-id`.
        headers.insert(HeaderName::from_static("x-ms-request-id"), id);
    }
    response
}

/// The preflight of a page: it sends `Authorization`, which no cookie could replace, so any origin may.
fn preflight(request: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, PATCH, PUT, DELETE, OPTIONS"),
    );
    // `*` does not cover Authorization, so what was asked for is repeated.
    let wanted = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let default = HeaderValue::from_static("authorization, content-type");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.unwrap_or(default));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    headers.insert(header::VARY, HeaderValue::from_static("access-control-request-headers"));
    response
}

fn envelope(identity: &Identity, headers: &HeaderMap, request_id: &str) -> Envelope {
    let client = headers.get(CLIENT_REQUEST_ID).and_then(|value| value.to_str().ok());
    let client = client.and_then(|text| uuid::Uuid::try_parse(text.trim()).ok());
    Envelope {
        date: identity.0.clock.now().strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        request_id: request_id.to_owned(),
        client_request_id: client.map_or_else(|| request_id.to_owned(), |id| id.to_string()),
    }
}

fn log(error: &GraphError, context: &RequestContext, request_id: &str) {
    let (code, status, correlation) = (error.code, error.status.as_u16(), context.correlation);
    if let Some(source) = &error.source {
        let source = source.as_ref() as &dyn std::error::Error;
        tracing::error!(%correlation, request_id, code, error = source, "Graph request failed");
    } else {
        tracing::info!(%correlation, request_id, code, status, "Graph request refused");
    }
}
