//! The token endpoint's wire: forms in, JSON out (RFC 6749 §5; sheet §1.8, §2.5, §2.8).

use std::time::Duration;

use axum::{
    body::Body,
    extract::{OriginalUri, Path, State},
    response::{IntoResponse as _, Response},
};
use hilum_access::{NONCE_HEADER, Scheme};
use hilum_kernel::{CorrelationId, limits::FORM_BYTES_MAX};
use hilum_web::RequestContext;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use serde::Serialize;

use super::{Caller, Issued, IssuedToUser, takes_challenges};
use crate::{
    Identity,
    oauth::{
        dpop::ShownKey,
        error::{Envelope, OAuthError},
        form::Form,
        json_body,
        scopes::Endpoint,
    },
};

/// How long a form may take to arrive, however steadily it trickles.
const FORM_TIME_MAX: Duration = Duration::from_secs(15);

/// What only a user's answer has.
#[derive(Serialize, Default)]
struct UserMembers<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token_expires_in: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_info: Option<&'a str>,
}

impl<'a> From<&'a IssuedToUser> for UserMembers<'a> {
    fn from(issued: &'a IssuedToUser) -> Self {
        Self {
            scope: Some(&issued.scope),
            refresh_token: issued.refresh_token.as_ref().map(|token| token.expose().as_str()),
            refresh_token_expires_in: issued.refresh_token_expires_in,
            id_token: issued.id_token.as_deref(),
            client_info: issued.client_info.as_deref(),
        }
    }
}

/// RFC 6749 §5.1: numbers are numbers.
#[derive(Serialize)]
struct AnswerV2<'a> {
    token_type: &'a str,
    expires_in: i64,
    ext_expires_in: i64,
    /// After how long the client does well to ask again.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_in: Option<i64>,
    access_token: &'a str,
    #[serde(flatten)]
    user: UserMembers<'a>,
}

/// Entra's v1 endpoint writes numbers as texts and says more.
#[derive(Serialize)]
struct AnswerV1<'a> {
    token_type: &'a str,
    expires_in: String,
    ext_expires_in: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_in: Option<String>,
    expires_on: String,
    not_before: String,
    resource: &'a str,
    access_token: &'a str,
    #[serde(flatten)]
    user: UserMembers<'a>,
}

pub(crate) async fn post_v1(
    State(identity): State<Identity>,
    Path(tenant): Path<String>,
    context: RequestContext,
    (OriginalUri(uri), headers): (OriginalUri, HeaderMap),
    body: Body,
) -> Response {
    redeem(&identity, Endpoint::V1, &tenant, &context, (uri, headers, body)).await
}

pub(crate) async fn post_v2(
    State(identity): State<Identity>,
    Path(tenant): Path<String>,
    context: RequestContext,
    (OriginalUri(uri), headers): (OriginalUri, HeaderMap),
    body: Body,
) -> Response {
    redeem(&identity, Endpoint::V2, &tenant, &context, (uri, headers, body)).await
}

/// Anything but POST.
pub(crate) async fn other_method(
    State(identity): State<Identity>,
    context: RequestContext,
    method: Method,
    headers: HeaderMap,
) -> Response {
    wrong_method(&identity, &context, &method, &headers)
}

/// The preflight of a page that sends more than MSAL does.
pub(crate) async fn options(headers: HeaderMap) -> Response {
    let mut response = http::StatusCode::NO_CONTENT.into_response();
    let answer = response.headers_mut();
    answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, OPTIONS"));
    let allowed = "content-type, authorization, client-request-id, dpop, x-client-sku, x-client-ver, x-client-os, \
                   x-client-cpu, x-ms-lib-capability, x-anchormailbox, x-client-current-telemetry, \
                   x-client-last-telemetry";
    answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(allowed));
    answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    allow_origin(answer, &headers);
    response
}

async fn redeem(
    identity: &Identity,
    endpoint: Endpoint,
    tenant: &str,
    context: &RequestContext,
    call: Call,
) -> Response {
    let decide =
        async |received: Received| Ok(success(endpoint, &identity.redeem(endpoint, tenant, received).await?));
    answer(identity, context, call, decide).await
}

fn success(endpoint: Endpoint, issued: &Issued) -> Response {
    let (token, times) = (issued.access_token.as_str(), issued.times);
    // RFC 9449 §5.
    let token_type = if issued.bound { Scheme::Dpop } else { Scheme::Bearer }.as_str();
    let user = issued.for_user.as_ref().map(UserMembers::from).unwrap_or_default();
    match endpoint {
        Endpoint::V2 => json_body(&AnswerV2 {
            token_type,
            expires_in: times.expires_in,
            ext_expires_in: times.expires_in,
            refresh_in: times.refresh_in(),
            access_token: token,
            user,
        }),
        Endpoint::V1 => json_body(&AnswerV1 {
            token_type,
            expires_in: times.expires_in.to_string(),
            ext_expires_in: times.expires_in.to_string(),
            refresh_in: times.refresh_in().map(|seconds| seconds.to_string()),
            expires_on: times.expires_at.to_string(),
            not_before: times.not_before.to_string(),
            resource: &issued.resource,
            access_token: token,
            user,
        }),
    }
}

fn refusal(
    identity: &Identity,
    error: &OAuthError,
    correlation: CorrelationId,
    headers: &HeaderMap,
) -> Response {
    let trace = identity.0.random.uuid();
    log(error, correlation, trace);
    let envelope = Envelope { origin: &identity.0.origin, correlation, trace, now: identity.0.clock.now() };
    let mut response = envelope.respond(error, None);
    let tried_basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic ")));
    if tried_basic && response.status() == http::StatusCode::UNAUTHORIZED {
        // RFC 6749 §5.2: the scheme the client used.
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token\""));
    }
    if let OAuthError::Proof(error) = error
        && error.wants_nonce()
    {
        response.headers_mut().insert(NONCE_HEADER, identity.0.proofs.nonce());
    }
    finished(identity, response, headers, trace)
}

fn log(error: &OAuthError, correlation: CorrelationId, trace: uuid::Uuid) {
    let code = error.row().code;
    match error {
        OAuthError::Unavailable(source) | OAuthError::Internal(source) => {
            tracing::error!(%correlation, %trace, code, error = source as &dyn std::error::Error, "token request failed");
        }
        _ => tracing::info!(%correlation, %trace, code, "token request refused"),
    }
}

fn wrong_method(
    identity: &Identity,
    context: &RequestContext,
    method: &Method,
    headers: &HeaderMap,
) -> Response {
    let error = OAuthError::Method(method.to_string());
    let mut response = refusal(identity, &error, context.correlation, headers);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, OPTIONS"));
    response
}

/// The form that a request brings.
pub(crate) async fn form(headers: &HeaderMap, body: Body) -> Result<Form<'static>, OAuthError> {
    Ok(Form::parse(&read(headers, body).await?)?.into_owned())
}

/// The body, if it is a form of bearable size.
async fn read(headers: &HeaderMap, body: Body) -> Result<bytes::Bytes, OAuthError> {
    const UNREADABLE: OAuthError = OAuthError::Malformed("the body could not be read");
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(OAuthError::Malformed("the content type must be application/x-www-form-urlencoded"));
    }
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > FORM_BYTES_MAX) {
        return Err(OAuthError::TooLarge);
    }
    let whole = tokio::time::timeout(FORM_TIME_MAX, axum::body::to_bytes(body, FORM_BYTES_MAX));
    whole.await.map_err(|_| UNREADABLE)?.map_err(|error| {
        let limit = std::error::Error::source(&error)
            .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
        if limit { OAuthError::TooLarge } else { UNREADABLE }
    })
}

/// MSAL JS sends the correlation ID as field or in the query instead of as header.
fn correlation_of(form: &Form<'_>, query: Option<&str>) -> Option<CorrelationId> {
    let in_query = || {
        let query = Form::parse(query?.as_bytes()).ok()?;
        query.get("client-request-id")?.parse().ok()
    };
    form.get("client-request-id").and_then(|id| id.parse().ok()).or_else(in_query)
}

/// A request of a client, read.
pub(crate) struct Received {
    pub(crate) form: Form<'static>,
    /// `Authorization`.
    pub(crate) authorization: Option<String>,
    /// Who asks; which key they prove to have is still to be found out.
    pub(crate) caller: Caller,
    /// The key that tokens may be bound to.
    pub(crate) shown: ShownKey,
}

/// Address, headers and body of a request.
pub(crate) type Call = (Uri, HeaderMap, Body);

/// Reads the request of an endpoint that clients call, and answers what is decided on it or why not.
pub(crate) async fn answer(
    identity: &Identity,
    context: &RequestContext,
    (uri, headers, body): Call,
    decide: impl AsyncFnOnce(Received) -> Result<Response, OAuthError>,
) -> Response {
    let received = match receive(context, &uri, &headers, body).await {
        Ok(received) => received,
        Err(error) => return refusal(identity, &error, context.correlation, &headers),
    };
    let correlation = received.caller.correlation;
    match decide(received).await {
        Ok(response) => finished(identity, response, &headers, identity.0.random.uuid()),
        Err(error) => refusal(identity, &error, correlation, &headers),
    }
}

async fn receive(
    context: &RequestContext,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
) -> Result<Received, OAuthError> {
    let form = form(headers, body).await?;
    let caller = Caller {
        address: context.client_address,
        correlation: correlation_of(&form, uri.query()).unwrap_or(context.correlation),
        origin: origin(headers),
        key: None,
        takes_challenges: takes_challenges(form.get("claims")),
    };
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = ShownKey::of(headers, uri);
    Ok(Received { form, authorization: authorization.map(str::to_owned), caller, shown })
}

/// What every answer carries (RFC 6749 §5.1: no-store; sheet §1.8).
fn finished(identity: &Identity, mut response: Response, request: &HeaderMap, trace: uuid::Uuid) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-cache"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(trace) = HeaderValue::from_str(&trace.to_string()) {
        headers.insert("x-ms-request-id", trace);
    }
    // RFC 9449 §8.2.
    if let Some(nonce) = identity.0.proofs.next_nonce(request) {
        headers.insert(NONCE_HEADER, nonce);
    }
    allow_origin(headers, request);
    response
}

/// Which page sent the request. What cannot be read is no page of ours.
fn origin(headers: &HeaderMap) -> Option<String> {
    headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or("null").to_owned())
}

/// The page's code must be able to read the answer, also a refusal. Never with credentials.
fn allow_origin(answer: &mut HeaderMap, request: &HeaderMap) {
    if let Some(origin) = request.get(header::ORIGIN) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.append(header::VARY, HeaderValue::from_static("origin"));
        // RFC 9449 §8: or the page could not use it.
        answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("dpop-nonce"));
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_form_that_trickles_is_given_up() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let seconds = |count| {
            Body::from_stream(stream::unfold(0, move |sent| async move {
                sleep(Duration::from_secs(1)).await;
                (sent < count).then_some((Ok::<_, std::io::Error>("a"), sent + 1))
            }))
        };
        assert_eq!(read(&headers, seconds(10)).await.unwrap(), "a".repeat(10));
        let begun = Instant::now();
        let error = read(&headers, seconds(1000)).await.unwrap_err();
        assert!(matches!(error, OAuthError::Malformed("the body could not be read")), "{error}");
        assert_eq!(begun.elapsed().as_secs(), FORM_TIME_MAX.as_secs());
    }
}
