//! A browser that keeps cookies, and the person before it.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{StatusCode, header};

use super::issuer::form;
use crate::load::{Answer, Request};

/// The hidden field that a form of Hilum's pages goes on by.
const FLOW: &str = "name=\"flow\" value=\"";

/// Who signs in, and with what.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) password: String,
}

/// A browser's cookies: of one site, with whatever path.
#[derive(Debug, Clone, Default)]
pub(super) struct Browser {
    cookies: Vec<(String, String)>,
}

impl Browser {
    /// The request with the cookies.
    pub(super) fn carrying(&self, request: Request) -> Request {
        if self.cookies.is_empty() {
            return request;
        }
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request.header(header::COOKIE, &pairs.join("; "))
    }

    /// Takes the cookies that come with an answer; an empty one is gone.
    pub(super) fn remember(&mut self, answer: &Answer) {
        for set in answer.headers.get_all(header::SET_COOKIE) {
            let Some((name, rest)) = set.to_str().ok().and_then(|set| set.split_once('=')) else { continue };
            let value = rest.split(';').next().unwrap_or_default();
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    /// What a person does next: goes where the answer sends, or fills the page's form in.
    pub(super) fn next(&self, answer: &Answer, person: &Person) -> Result<Request> {
        if answer.status.is_redirection() {
            let location = answer.header(header::LOCATION);
            return Ok(self.carrying(Request::get(path(location).to_owned(), "*/*")));
        }
        ensure!(answer.status == StatusCode::OK, "this is no page");
        let flow = flow(answer).context("the page has no form to sign in with")?;
        Ok(self.signing_in(&flow, person))
    }

    /// Sends the form of Hilum's sign-in page.
    pub(super) fn signing_in(&self, flow: &str, person: &Person) -> Request {
        let body = form(&[
            ("step", "sign-in"),
            ("flow", flow),
            ("username", &person.name),
            ("password", &person.password),
        ]);
        let kind = "application/x-www-form-urlencoded";
        self.carrying(Request::post("/common/login".to_owned(), kind, "*/*", vec![Bytes::from(body)]))
    }
}

/// What the form of a page goes on by.
pub(super) fn flow(answer: &Answer) -> Option<String> {
    let page = String::from_utf8_lossy(&answer.body);
    let (_, rest) = page.split_once(FLOW)?;
    rest.split_once('"').map(|(flow, _)| flow.to_owned())
}

/// The path of a URL on the same site.
fn path(location: &str) -> &str {
    let Some((_, rest)) = location.split_once("://") else { return location };
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn answer(status: StatusCode, headers: &[(header::HeaderName, &str)], body: &str) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.clone(), value.parse().unwrap());
        }
        Answer { status, headers: map, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn cookies_are_kept_replaced_and_forgotten() {
        let mut browser = Browser::default();
        let set = |value| (header::SET_COOKIE, value);
        browser.remember(&answer(StatusCode::OK, &[set("a=1; Path=/"), set("b=2=; HttpOnly")], ""));
        browser.remember(&answer(StatusCode::OK, &[set("a=3"), set("c=; Max-Age=0")], ""));
        let request = browser.carrying(Request::get("/".into(), "*/*"));
        assert_eq!(request.headers[header::COOKIE], "b=2=; a=3");
    }

    #[test]
    fn a_person_follows_and_fills_in() {
        let person = Person { name: "reader@x".into(), password: "p w".into() };
        let next = |answer| Browser::default().next(&answer, &person);
        let away = answer(StatusCode::SEE_OTHER, &[(header::LOCATION, "http://h:1/a?b=c")], "");
        assert_eq!(next(away).unwrap().path, "/a?b=c");
        let page = r#"<form><input type="hidden" name="flow" value="sealed-1">"#;
        assert_eq!(next(answer(StatusCode::OK, &[], page)).unwrap().path, "/common/login");
        assert!(next(answer(StatusCode::OK, &[], "no form")).is_err());
        assert!(next(answer(StatusCode::BAD_REQUEST, &[], page)).is_err());
    }
}
