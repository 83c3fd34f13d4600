//! How an answer goes back to the client: what it holds, and by which way (OAuth 2.0 Multiple Response Types §2, §3, §5,
//! Form Post Response Mode §2, RFC 9207).

use std::fmt::Write as _;

use axum::response::{IntoResponse as _, Response};
use hilum_pages::{Frame, Leads, Policy, Texts, show};
use http::{HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use super::page::FormPostPage;
use crate::oauth::error::OAuthError;

/// RFC 3986 §2.3: what needs no encoding anywhere.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Sends a form on that a person could send by its button, too.
const SUBMIT: &str = "document.forms[0].submit()";

/// What the client asks for. The order of the words is free.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ResponseType {
    pub(super) code: bool,
    pub(super) id_token: bool,
    pub(super) token: bool,
}

impl ResponseType {
    /// Reads `response_type`. Entra's five combinations, and no others.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut read = Self::default();
        for word in text.split(' ') {
            let flag = match word {
                "code" => &mut read.code,
                "id_token" => &mut read.id_token,
                "token" => &mut read.token,
                _ => return None,
            };
            if *flag {
                return None;
            }
            *flag = true;
        }
        let known = !(read.code && read.token);
        known.then_some(read)
    }

    /// Whether the browser itself is handed a token.
    pub(super) const fn is_implicit(self) -> bool {
        self.id_token || self.token
    }
}

/// By which way the answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseMode {
    Query,
    Fragment,
    FormPost,
}

impl ResponseMode {
    /// Where `response_mode` is not said.
    pub(super) const fn default_of(response_type: ResponseType) -> Self {
        if response_type.is_implicit() { Self::Fragment } else { Self::Query }
    }

    /// Reads `response_mode`.
    pub(super) fn parse(text: Option<&str>, response_type: ResponseType) -> Result<Self, OAuthError> {
        match text {
            None => Ok(Self::default_of(response_type)),
            // Multiple Response Types §5: tokens do not go into queries, which land in logs.
            Some("query") if response_type.is_implicit() => Err(OAuthError::ResponseModeRefused),
            Some("query") => Ok(Self::Query),
            Some("fragment") => Ok(Self::Fragment),
            Some("form_post") => Ok(Self::FormPost),
            Some(_) => Err(OAuthError::BadParameter("response_mode")),
        }
    }
}

/// The way back to a client whose redirect URI is proven.
#[derive(Debug, Clone)]
pub(in crate::oauth) struct WayBack {
    pub(super) redirect_uri: String,
    pub(super) mode: ResponseMode,
    pub(super) state: Option<String>,
    /// RFC 9207; nothing where no tenant is named, because the client knows no issuer then.
    pub(super) issuer: Option<String>,
    /// What every answer says, errors too.
    pub(super) always: Vec<(&'static str, String)>,
}

impl WayBack {
    /// Sends the browser back with an answer. Where that takes a page, it is in the person's language.
    pub(super) fn answer(&self, mut fields: Vec<(&'static str, String)>, texts: Texts) -> Response {
        fields.extend(self.always.iter().cloned());
        fields.extend(self.state.clone().map(|state| ("state", state)));
        fields.extend(self.issuer.clone().map(|issuer| ("iss", issuer)));
        match self.mode {
            ResponseMode::FormPost => {
                let frame = Frame::new(texts, String::new(), String::new());
                let page =
                    FormPostPage { frame, script: SUBMIT, action: &self.redirect_uri, fields: &fields };
                show(texts, StatusCode::OK, &page, Policy::from(Leads::ToClient).script(SUBMIT))
            }
            ResponseMode::Query => {
                let sign = if self.redirect_uri.contains('?') { '&' } else { '?' };
                self.redirect(sign, &fields)
            }
            ResponseMode::Fragment => self.redirect('#', &fields),
        }
    }

    /// 303, because what answers a POST must not post the person's password to the client (RFC 9700 §4.12).
    fn redirect(&self, sign: char, fields: &[(&'static str, String)]) -> Response {
        see_other(&location(&self.redirect_uri, sign, fields))
    }
}

/// A registered URI with fields behind it, as a header can hold it: what is registered may be outside ASCII.
pub(in crate::oauth) fn location(uri: &str, sign: char, fields: &[(&'static str, String)]) -> String {
    let mut location = utf8_percent_encode(&with_path(uri), CONTROLS).to_string();
    for (at, (name, value)) in fields.iter().enumerate() {
        let separator = if at == 0 { sign } else { '&' };
        let _ = write!(location, "{separator}{name}={}", utf8_percent_encode(value, VALUE));
    }
    location
}

/// Leads the browser elsewhere, by GET.
pub(in crate::oauth) fn see_other(location: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// A URI without a path gets one in redirects, as in Entra (sheet §2.1).
fn with_path(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://").filter(|(scheme, _)| scheme.starts_with("http")) else {
        return uri.to_owned();
    };
    match rest.find(['/', '?']) {
        Some(at) if rest.as_bytes().get(at) == Some(&b'/') => uri.to_owned(),
        Some(at) => {
            let (host, query) = rest.split_at(at);
            format!("{scheme}://{host}/{query}")
        }
        None => format!("{uri}/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(redirect_uri: &str, mode: ResponseMode) -> String {
        let back = WayBack {
            redirect_uri: redirect_uri.to_owned(),
            mode,
            state: Some("a b&c=\"é|+#".to_owned()),
            issuer: Some("https://h/t/v2.0".to_owned()),
            always: Vec::new(),
        };
        let response = back.answer(vec![("code", "x.y".to_owned())], Texts::english());
        assert_eq!(response.status(), 303);
        response.headers()["location"].to_str().unwrap().to_owned()
    }

    #[test]
    fn answers_are_encoded_whole() {
        let fields = "code=x.y&state=a%20b%26c%3D%22%C3%A9%7C%2B%23&iss=https%3A%2F%2Fh%2Ft%2Fv2.0";
        for (uri, mode, expected) in [
            ("https://a.example/cb", ResponseMode::Query, "https://a.example/cb?"),
            ("https://a.example/cb?x=1", ResponseMode::Query, "https://a.example/cb?x=1&"),
            ("https://a.example/cb?x=1", ResponseMode::Fragment, "https://a.example/cb?x=1#"),
            ("http://localhost:8400", ResponseMode::Query, "http://localhost:8400/?"),
            ("http://localhost:8400?x=1", ResponseMode::Query, "http://localhost:8400/?x=1&"),
            ("myapp://auth", ResponseMode::Query, "myapp://auth?"),
            ("https://a.example/ü", ResponseMode::Query, "https://a.example/%C3%BC?"),
        ] {
            assert_eq!(location(uri, mode), format!("{expected}{fields}"));
        }
    }

    #[test]
    fn words_of_response_type() {
        for good in ["code", "id_token", "token", "code id_token", "id_token code", "token id_token"] {
            assert!(ResponseType::parse(good).is_some(), "{good}");
        }
        for wrong in
            ["", "code code", "code token", "code id_token token", "none", "Code", "ear_token", "code  "]
        {
            assert!(ResponseType::parse(wrong).is_none(), "{wrong}");
        }
        let code = ResponseType::parse("code").unwrap();
        let hybrid = ResponseType::parse("code id_token").unwrap();
        assert_eq!(ResponseMode::parse(None, code).unwrap(), ResponseMode::Query);
        assert_eq!(ResponseMode::parse(None, hybrid).unwrap(), ResponseMode::Fragment);
        assert!(ResponseMode::parse(Some("query"), hybrid).is_err());
        assert!(ResponseMode::parse(Some("web_message"), code).is_err());
    }
}
