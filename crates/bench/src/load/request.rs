//! Requests as the load generator sends them: headers ready, bodies in shared pieces.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body::{Body, Frame, SizeHint};

/// A request, still without host and authorization.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The method.
    pub(crate) method: Method,
    /// Path and query, percent-encoded.
    pub(crate) path: String,
    /// Headers of its own.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) payload: Payload,
    /// The status it must be answered with.
    pub(crate) status: StatusCode,
}

impl Request {
    /// A GET that asks for a media type and must be answered with 200.
    pub(crate) fn get(path: String, accept: &'static str) -> Self {
        Self {
            method: Method::GET,
            path,
            headers: HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]),
            payload: Payload::default(),
            status: StatusCode::OK,
        }
    }

    /// A POST that must be answered with 200.
    pub(crate) fn post(path: String, content_type: &str, accept: &'static str, chunks: Vec<Bytes>) -> Self {
        let mut request = Self::get(path, accept);
        request.method = Method::POST;
        request.payload = Payload::new(chunks);
        request.header(header::CONTENT_TYPE, content_type)
    }

    /// The same with a status other than 200.
    pub(crate) fn expecting(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same with a header; one whose value cannot be sent is left out.
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

/// A body in pieces of known length, so that it goes with `Content-Length` and without copying.
#[derive(Debug, Clone, Default)]
pub(crate) struct Payload {
    chunks: VecDeque<Bytes>,
    left: u64,
}

impl Payload {
    pub(crate) fn new(chunks: Vec<Bytes>) -> Self {
        let left = chunks.iter().map(|chunk| u64::try_from(chunk.len()).unwrap_or_default()).sum();
        Self { chunks: chunks.into(), left }
    }

    /// How many bytes are still to be sent.
    pub(crate) fn len(&self) -> u64 {
        self.left
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.chunks.pop_front().map(|chunk| {
            self.left = self.left.saturating_sub(u64::try_from(chunk.len()).unwrap_or_default());
            Ok(Frame::data(chunk))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
