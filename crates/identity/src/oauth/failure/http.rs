//! The pages' wire: what a failed request is answered with, and `GET /error`.

use axum::{extract::RawQuery, response::Response};
use hilum_pages::{Frame, Leads, Texts, show};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{CodePage, FailedPage, Meaning, UnknownPage};
use crate::oauth::{
    browser::Visit,
    error::{Envelope, OAuthError},
    form::Form,
};

/// The longest number has seven digits.
const DIGITS_MAX: usize = 8;
/// Longer queries hold more than a number and languages.
const QUERY_BYTES_MAX: usize = 1024;

/// An end that no step of the page mends.
pub(crate) fn failed(visit: &Visit<'_>, error: &OAuthError) -> Response {
    let (row, identity) = (error.row(), visit.identity);
    let envelope = Envelope {
        origin: &identity.0.origin,
        correlation: visit.context.correlation,
        trace: identity.0.random.uuid(),
        now: identity.0.clock.now(),
    };
    let (correlation, trace) = (envelope.correlation, envelope.trace);
    match error {
        OAuthError::Unavailable(source) | OAuthError::Internal(source) => {
            tracing::error!(%correlation, %trace, error = source as &dyn std::error::Error, "a page failed");
        }
        _ => tracing::info!(%correlation, %trace, code = row.code, "a page's request was refused"),
    }
    let details = envelope.description(error);
    let page = FailedPage {
        frame: visit.frame(String::new()),
        // Every number has a text; should one lack it, the details tell.
        meaning: Meaning::of(row.code, visit.texts).unwrap_or_else(|| Meaning {
            what: error.to_string(),
            user: visit.texts.text("failed-user").to_string(),
            administrator: String::new(),
        }),
        details,
    };
    let status = if row.status == StatusCode::UNAUTHORIZED { StatusCode::BAD_REQUEST } else { row.status };
    let mut response = visit.show(status, &page, Leads::Here);
    let headers = response.headers_mut();
    if let Ok(trace) = HeaderValue::try_from(trace.to_string()) {
        headers.insert("x-ms-request-id", trace);
    }
    if let Some(seconds) = error.retry_after_s() {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// `GET /error?code=50011`: for everybody, about nobody. Of the request only digits come back.
pub(crate) async fn explain(RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let query = query.filter(|query| query.len() <= QUERY_BYTES_MAX).unwrap_or_default();
    let form = Form::parse(query.as_bytes()).unwrap_or_else(|_| Form::of(Vec::new()));
    let named =
        form.get("ui_locales").and_then(Texts::named).or_else(|| form.get("mkt").and_then(Texts::named));
    let texts = named.unwrap_or_else(|| Texts::accepted(&headers));
    let frame = Frame::new(texts, String::new(), String::new());
    let code = form.get("code").and_then(number);
    match code.and_then(|code| Some((code, Meaning::of(code, texts)?))) {
        Some((code, meaning)) => {
            let page = CodePage { frame, code: format!("AADSTS{code}"), meaning };
            show(texts, StatusCode::OK, &page, Leads::Here)
        }
        None => show(texts, StatusCode::NOT_FOUND, &UnknownPage { frame }, Leads::Here),
    }
}

/// Digits, and not too many: `+50011` is a number for Rust, too.
fn number(text: &str) -> Option<u32> {
    let fits = text.len() <= DIGITS_MAX && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| fits)
}
