//! A page as an answer, with the headers that keep it safe: one place for all of them (sheet §10, 0 and 11; RFC 9700 §4.16).
//!
//! What every answer of the server has besides, pages or not (`Strict-Transport-Security`, `nosniff`), comes from `hilum-web`.

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use hilum_jose::{base64_encode, sha256};
use http::{HeaderValue, StatusCode, header};

use crate::{catalogue::Texts, style};

/// What no page of ours uses, nor anything in it.
const PERMISSIONS: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
    magnetometer=(), microphone=(), midi=(), payment=(), usb=()";

/// Where a page's form leads, which decides what its policy can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leads {
    /// To this server, which answers with a page.
    Here,
    /// To a client, at once or by way of this server. Browsers apply `form-action` to the redirects after a form, the
    /// client's own included, so it cannot be said (sheet §10, 0). No opener policy either: a client's page may have
    /// opened a window for this.
    ToClient,
}

/// What a page may do besides showing itself in our style: nothing, unless it is said.
#[derive(Debug, Clone)]
pub struct Policy {
    leads: Leads,
    script: Option<&'static str>,
    frames: Vec<String>,
}

impl From<Leads> for Policy {
    fn from(leads: Leads) -> Self {
        Self { leads, script: None, frames: Vec::new() }
    }
}

impl Policy {
    /// The page holds this script, word for word between its tags, and no other.
    #[must_use]
    pub fn script(mut self, text: &'static str) -> Self {
        self.script = Some(text);
        self
    }

    /// The page holds frames of these origins.
    #[must_use]
    pub fn frames(mut self, origins: Vec<String>) -> Self {
        self.frames = origins;
        self
    }

    /// The `Content-Security-Policy`.
    fn text(&self) -> String {
        let mut directives = vec!["default-src 'none'".to_owned(), format!("style-src {}", style::source())];
        if let Some(script) = self.script {
            directives.push(format!("script-src {}", hash_source(script)));
        }
        if !self.frames.is_empty() {
            directives.push(format!("frame-src {}", self.frames.join(" ")));
        }
        if self.leads == Leads::Here {
            directives.push("form-action 'self'".to_owned());
        }
        directives.extend(["base-uri 'none'".to_owned(), "frame-ancestors 'none'".to_owned()]);
        directives.join("; ")
    }
}

/// How a policy names what stands in a page (CSP 3 §2.3.1).
pub(crate) fn hash_source(text: &str) -> String {
    format!("'sha256-{}'", base64_encode(sha256(text.as_bytes())))
}

/// The page as an answer: in the language it is drawn in, never stored, without referrer, in nobody's frame.
pub fn show(texts: Texts, status: StatusCode, page: &impl Template, policy: impl Into<Policy>) -> Response {
    let page = match page.render() {
        Ok(page) => page,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a page cannot be drawn");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let policy: Policy = policy.into();
    let mut response = (status, page).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_LANGUAGE, texts.tag()),
        (header::VARY, "accept-language"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("permissions-policy", HeaderValue::from_static(PERMISSIONS));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    if policy.leads == Leads::Here {
        headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    }
    match HeaderValue::try_from(policy.text()) {
        Ok(value) => {
            headers.insert(header::CONTENT_SECURITY_POLICY, value);
            response
        }
        // Never a page without its policy.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Template)]
    #[template(source = "x", ext = "html")]
    struct Page;

    fn headers(policy: impl Into<Policy>) -> Vec<String> {
        let response = show(Texts::english(), StatusCode::OK, &Page, policy);
        let line = |(name, value): (&http::HeaderName, &HeaderValue)| {
            let value = value.to_str().unwrap().replace(&style::source(), "'sha256-STYLE'");
            format!("{name}: {value}")
        };
        response.headers().iter().map(line).collect()
    }

    #[test]
    fn pages_have_headers_that_keep_them_safe() {
        insta::assert_snapshot!(headers(Leads::Here).join("\n"));
    }

    #[test]
    fn a_page_that_leads_to_a_client_names_no_form_action() {
        let lines = headers(Policy::from(Leads::ToClient).script("go()"));
        let text = lines.join("\n");
        assert!(!text.contains("form-action") && !text.contains("opener"), "{text}");
        assert!(text.contains("script-src 'sha256-") && text.contains("frame-ancestors 'none'"), "{text}");
        assert!(!text.contains("unsafe"), "{text}");
    }

    #[test]
    fn no_page_goes_out_without_its_policy() {
        let policy = Policy::from(Leads::Here).frames(vec!["https://a.example\n".to_owned()]);
        assert_eq!(show(Texts::english(), StatusCode::OK, &Page, policy).status(), 500);
    }
}
