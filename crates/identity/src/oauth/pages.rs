//! What all pages for people share: layout, policy, headers, cookies, words for refused sign-ins. Plain HTML that needs no
//! script and is readable by screen readers.

use std::sync::LazyLock;

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use hilum_jose::{base64_encode, base64url_decode, sha256};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::sign_in::SignInError;

/// The only style sheet. The policy names its hash, so that nothing else can style a page.
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}\
h1{font-size:1.5rem}label{display:block;margin:1rem 0 .25rem;font-weight:600}\
input{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;border:1px solid #767676;border-radius:4px}\
input[type=checkbox]{width:auto;margin-right:.5rem}\
.code{font-family:ui-monospace,monospace;letter-spacing:.2em;text-transform:uppercase}\
button{font:inherit;margin:1.25rem .5rem 0 0;padding:.5rem 1.25rem;border-radius:4px;border:1px solid #0b5cad;background:#0b5cad;color:#fff}\
button.second{background:#fff;color:#0b5cad}\
:focus-visible{outline:3px solid #f2a900;outline-offset:2px}\
.alert{border-left:4px solid #b00020;padding:.5rem .75rem;background:#fdecef}\
.note{border-left:4px solid #f2a900;padding:.5rem .75rem;background:#fff8e1}\
dt{font-weight:600}dd{margin:0 0 .5rem}small{color:#555}iframe{display:none}";

/// The only script: sends a form on that a person could send by its button, too.
const SUBMIT: &str = "document.forms[0].submit()";

/// Where a page's form leads, which decides what its policy can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leads {
    /// To this server, which answers with a page.
    Here,
    /// To this server, which may send the browser on to a client. Browsers apply `form-action` to the redirects after a
    /// form, the client's own included, so it cannot be said (sheet §10, 0). No opener policy either: a client's
    /// page may have opened a window for this.
    ToClient,
    /// To a client, at once.
    Submitting,
}

struct Policies {
    here: String,
    to_client: String,
    submitting: String,
}

static POLICIES: LazyLock<Policies> = LazyLock::new(|| {
    let style = format!("style-src 'sha256-{}'", base64_encode(sha256(STYLE.as_bytes())));
    let script = format!("script-src 'sha256-{}'", base64_encode(sha256(SUBMIT.as_bytes())));
    let closed = "base-uri 'none'; frame-ancestors 'none'";
    Policies {
        here: format!("default-src 'none'; {style}; form-action 'self'; {closed}"),
        to_client: format!("default-src 'none'; {style}; {closed}"),
        submitting: format!("default-src 'none'; {style}; {script}; {closed}"),
    }
});

/// What every page needs.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) style: &'static str,
    pub(crate) script: &'static str,
    /// Proves that a form comes from our own page.
    pub(crate) csrf: String,
    /// What was wrong with the last step.
    pub(crate) error: Option<String>,
    /// For the administrator, beside an error.
    pub(crate) correlation: String,
}

impl Frame {
    pub(crate) fn new(csrf: String, correlation: String) -> Self {
        Self { style: STYLE, script: SUBMIT, csrf, error: None, correlation }
    }
}

/// A frame without a form of ours.
pub(crate) fn bare() -> Frame {
    Frame::new(String::new(), String::new())
}

/// The page as an answer. No store, no referrer, in nobody's frame.
pub(crate) fn show(status: StatusCode, page: &impl Template, leads: Leads) -> Response {
    let Ok(text) = page.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let mut response = (status, text).into_response();
    let headers = response.headers_mut();
    let policies: &'static Policies = &POLICIES;
    let policy = match leads {
        Leads::Here => &policies.here,
        Leads::ToClient => &policies.to_client,
        Leads::Submitting => &policies.submitting,
    };
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if leads == Leads::Here {
        headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    }
    response
}

/// Whether browsers reach this server by TLS.
pub(crate) fn is_https(origin: &str) -> bool {
    origin.starts_with("https://")
}

/// With the prefix, a browser takes the cookie from this host alone; over plain HTTP on loopback it would refuse it.
pub(crate) fn cookie_name(origin: &str, name: &str) -> String {
    let prefix = if is_https(origin) { "__Host-" } else { "" };
    format!("{prefix}{name}")
}

/// A cookie that the browser sent, if it is so many bytes as base64url.
pub(crate) fn cookie(headers: &HeaderMap, name: &str, bytes: usize) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value.to_owned())
        .filter(|value| base64url_decode(value).is_ok_and(|decoded| decoded.len() == bytes))
}

/// A refused sign-in in words for people.
pub(crate) fn refused(error: &SignInError) -> (StatusCode, String) {
    let minutes = |seconds: &u64| seconds.div_ceil(60).max(1);
    match error {
        SignInError::Locked { retry_after_s } | SignInError::TooManyAttempts { retry_after_s } => (
            StatusCode::TOO_MANY_REQUESTS,
            format!("Too many failed attempts. Try again in {} minutes.", minutes(retry_after_s)),
        ),
        SignInError::Disabled => (StatusCode::FORBIDDEN, "The account is disabled.".to_owned()),
        SignInError::NewPassword(text) => (StatusCode::BAD_REQUEST, text.clone()),
        SignInError::WrongCredentials | SignInError::MustChangePassword | SignInError::Unavailable(_) => {
            (StatusCode::BAD_REQUEST, "The user name or the password is wrong.".to_owned())
        }
    }
}
