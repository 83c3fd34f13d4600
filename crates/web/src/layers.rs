//! What surrounds every request: identifiers, span, one log line, metrics, a permit, the panic net, security headers.
//!
//! One middleware does it all, because each further layer costs a boxed future per request.

use std::{
    any::Any,
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use futures::FutureExt as _;
use hilum_kernel::{CorrelationId, Random};
use http_body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use crate::{
    Peer, RequestContext,
    body::{IdleLimited, Observed, Observer},
    trace,
};

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
const CORRELATION_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-correlation-request-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const MS_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Probes are answered also when everything else is shed: an orchestrator that gets 503 from them would kill
/// a server that is only busy.
const NEVER_SHED: [&str; 3] = ["/health/check", "/healthz", "/readyz"];

/// The policy of pages that say none.
const BARE_PAGE: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// An answer of at most so many bytes, known beforehand, gives its permit back before it is sent. Nothing but these
/// bytes waits for the client, so that clients who never read refusals cannot hold every permit.
const SMALL_ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// What the layers need to know.
#[derive(Clone)]
pub struct LayerSettings {
    /// The public origin, `https://host:port`.
    pub origin: Arc<str>,
    /// Whether `X-Forwarded-For` comes from a proxy that we trust.
    pub trust_forwarded: bool,
    /// How many requests may be under way, larger answers still being sent included. Beyond: 503.
    pub requests_max: usize,
    /// How long a request's body may stand still.
    pub body_idle: Duration,
    /// Where identifiers come from.
    pub random: Arc<dyn Random>,
}

/// Puts everything that each request needs around a router that is otherwise complete.
pub fn wrap(router: Router, settings: LayerSettings) -> Router {
    let permits = Arc::new(Semaphore::new(settings.requests_max));
    let hsts = wants_hsts(&settings.origin);
    let layers = Arc::new(Layers { settings, permits, hsts });
    router.layer(from_fn_with_state(layers, around))
}

struct Layers {
    settings: LayerSettings,
    permits: Arc<Semaphore>,
    hsts: bool,
}

async fn around(State(layers): State<Arc<Layers>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let ids = Ids::of(request.headers(), layers.settings.random.as_ref());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = method_name(request.method());
    let span = tracing::info_span!("http.request", "correlation.id" = %ids.correlation);
    let mut line = Line {
        started,
        route,
        method,
        status: StatusCode::OK,
        bytes: 0,
        complete: false,
        span,
        permit: None,
    };
    metrics::gauge!(trace::HTTP_IN_FLIGHT).increment(1.0);

    let mut response = match layers.permit(&line) {
        Ok(permit) => {
            line.permit = permit;
            let client_address = layers.client_address(&request);
            request.extensions_mut().insert(RequestContext {
                correlation: ids.correlation,
                client_address,
                origin: Arc::clone(&layers.settings.origin),
            });
            let idle = layers.settings.body_idle;
            let request = request.map(|body| IdleLimited::wrap(body, idle));
            let handler = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(line.span.clone());
            handler.await.unwrap_or_else(|panic| panicked(&line.span, panic.as_ref()))
        }
        Err(refusal) => refusal,
    };
    ids.write(response.headers_mut());
    layers.secure(response.headers_mut());
    line.status = response.status();
    if response.body().size_hint().exact().is_some_and(|bytes| bytes <= SMALL_ANSWER_BYTES_MAX) {
        line.permit = None;
    }
    response.map(|body| Observed::wrap(body, line))
}

impl Layers {
    #[expect(clippy::result_large_err, reason = "the refusal is the answer; boxing it would serve nobody")]
    fn permit(&self, line: &Line) -> Result<Option<OwnedSemaphorePermit>, Response> {
        if NEVER_SHED.contains(&line.route()) {
            return Ok(None);
        }
        Arc::clone(&self.permits).try_acquire_owned().map(Some).map_err(|_| {
            metrics::counter!(trace::HTTP_SHED).increment(1);
            let retry = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
            (StatusCode::SERVICE_UNAVAILABLE, retry, "The server is busy; try again in a moment.\n")
                .into_response()
        })
    }

    fn client_address(&self, request: &Request) -> Option<IpAddr> {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
        if !self.settings.trust_forwarded {
            return peer;
        }
        // The last entry is what our own proxy saw; those before it are what the client claims.
        let forwarded = request.headers().get_all(FORWARDED_FOR).iter().next_back();
        forwarded
            .and_then(|value| value.to_str().ok()?.rsplit(',').next())
            .and_then(|text| parse_address(text.trim()))
            .or(peer)
    }

    fn secure(&self, headers: &mut HeaderMap) {
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // A page that brings no policy of its own may show its words and nothing else.
        let is_page = headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"text/html"));
        if is_page {
            headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(BARE_PAGE));
        }
        headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
        if self.hsts {
            // Without includeSubDomains: other servers below our name are not ours to decide about.
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        }
    }
}

/// The identifiers of one request, as Entra and the Azure services name them.
struct Ids {
    correlation: CorrelationId,
    request: Uuid,
    /// The client's own ID as it wrote it, to be echoed.
    client: Option<HeaderValue>,
}

impl Ids {
    fn of(headers: &HeaderMap, random: &dyn Random) -> Self {
        let request = random.uuid();
        let client = headers.get(CLIENT_REQUEST_ID).and_then(|value| Some((guid(value)?, value.clone())));
        let correlation = client
            .as_ref()
            .map(|(id, _)| *id)
            .or_else(|| headers.get(CORRELATION_REQUEST_ID).and_then(guid))
            .unwrap_or(request);
        Self { correlation: CorrelationId::new(correlation), request, client: client.map(|(_, value)| value) }
    }

    fn write(self, headers: &mut HeaderMap) {
        // A handler that names its request ID in the body (Entra's `trace_id`) has set the header already.
        let id = if let Some(set) = headers.get(MS_REQUEST_ID) {
            set.clone()
        } else {
            let mut text = Uuid::encode_buffer();
            let Ok(id) = HeaderValue::from_str(self.request.hyphenated().encode_lower(&mut text)) else {
                return;
            };
            headers.insert(MS_REQUEST_ID, id.clone());
            id
        };
        headers.insert(REQUEST_ID, id);
        if let Some(client) = self.client {
            headers.entry(CLIENT_REQUEST_ID).or_insert(client);
        }
    }
}

fn guid(value: &HeaderValue) -> Option<Uuid> {
    value.to_str().ok().and_then(|text| Uuid::try_parse(text.trim()).ok())
}

fn parse_address(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
}

/// Only names from a closed list become labels, so that a client cannot make the metrics grow.
fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

fn status_class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

/// HSTS for `localhost` would cover every port of the developer's machine, so also servers that are not ours.
fn wants_hsts(origin: &str) -> bool {
    let Some(authority) = origin.strip_prefix("https://") else { return false };
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split(':').next().unwrap_or(authority),
    };
    !(host == "localhost" || host.ends_with(".localhost") || host.parse::<IpAddr>().is_ok())
}

fn panicked(span: &Span, panic: &(dyn Any + Send)) -> Response {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(parent: span, panic = text, "a handler panicked");
    let body =
        Body::from("The server met an error of its own; its log tells more under this request's ID.\n");
    (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
}

/// The request's log line and metrics, written when the answer's last byte is on its way or the client is gone.
struct Line {
    started: Instant,
    route: Option<MatchedPath>,
    method: &'static str,
    status: StatusCode,
    bytes: u64,
    complete: bool,
    span: Span,
    permit: Option<OwnedSemaphorePermit>,
}

impl Line {
    fn route(&self) -> &str {
        self.route.as_ref().map_or("none", MatchedPath::as_str)
    }
}

impl Observer for Line {
    fn sent(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    fn finished(&mut self) {
        self.complete = true;
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.permit = None;
        let elapsed = self.started.elapsed();
        let route = self.route().to_owned();
        metrics::gauge!(trace::HTTP_IN_FLIGHT).decrement(1.0);
        metrics::histogram!(trace::HTTP_SECONDS, "route" => route.clone(), "method" => self.method)
            .record(elapsed.as_secs_f64());
        metrics::counter!(
            trace::HTTP_REQUESTS,
            "route" => route, "method" => self.method, "status" => status_class(self.status)
        )
        .increment(1);
        metrics::counter!(trace::HTTP_SENT_BYTES).increment(self.bytes);
        tracing::info!(
            target: "hilum::request",
            parent: &self.span,
            method = self.method,
            route = self.route(),
            status = self.status.as_u16(),
            duration_ms = elapsed.as_secs_f64() * 1000.0,
            size_bytes = self.bytes,
            complete = self.complete,
            "request"
        );
    }
}

#[cfg(test)]
#[path = "layers_tests.rs"]
mod tests;
