//! Requests to the router and their answers.

use axum::{
    Router,
    body::Body as HttpBody,
    http::{HeaderMap, HeaderName, HeaderValue, Request as HttpRequest, header},
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::{Body, Part, parts_of};

/// A request on its way.
pub(crate) struct Request {
    router: Router,
    request: HttpRequest<HttpBody>,
}

impl Request {
    pub(crate) fn new(router: Router, method: &str, path: &str) -> Self {
        let request = HttpRequest::builder().method(method).uri(path).body(HttpBody::empty()).unwrap();
        Self { router, request }
    }

    /// Adds a header; a second one of the same name stands beside the first.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).unwrap();
        self.request.headers_mut().append(name, HeaderValue::try_from(value).unwrap());
        self
    }

    pub(crate) fn without(mut self, name: HeaderName) -> Self {
        self.request.headers_mut().remove(name);
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.without(header::AUTHORIZATION).header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn anonymous(self) -> Self {
        self.without(header::AUTHORIZATION)
    }

    pub(crate) fn accept(self, value: &str) -> Self {
        self.header("accept", value)
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl Into<HttpBody>) -> Self {
        *self.request.body_mut() = body.into();
        self.header("content-type", content_type)
    }

    pub(crate) fn single(self, file: impl Into<Vec<u8>>) -> Self {
        self.body("application/dicom", file.into())
    }

    pub(crate) fn multipart(self, body: &Body) -> Self {
        self.body(&body.content_type(), body.bytes())
    }

    pub(crate) async fn send(self) -> Answer {
        let response = self.router.oneshot(self.request).await.unwrap();
        let (head, body) = response.into_parts();
        let size_hint = http_body::Body::size_hint(&body).exact();
        let collected = body.collect().await;
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            size_hint,
            is_cut_off: collected.is_err(),
            body: collected.map(http_body_util::Collected::to_bytes).unwrap_or_default(),
        }
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The length that was known before the first byte.
    pub(crate) size_hint: Option<u64>,
    pub(crate) is_cut_off: bool,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The parts of a multipart answer.
    pub(crate) async fn parts(&self) -> Vec<Part> {
        parts_of(self.header("content-type").unwrap(), self.body.clone()).await
    }
}
