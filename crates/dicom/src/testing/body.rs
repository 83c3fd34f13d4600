//! Multipart bodies: made for requests, taken apart from answers.

use std::{convert::Infallible, io};

use axum::body::Body as HttpBody;
use bytes::Bytes;
use futures::stream;

use super::File;
use crate::{
    media_type::MediaType,
    multipart::read::{Limits, Multipart},
};

const BOUNDARY: &str = "----=_boundary";

/// A multipart/related body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Body {
    parts: Vec<(String, Vec<u8>)>,
}

impl Body {
    pub(crate) fn of(files: &[File]) -> Self {
        files.iter().fold(Self::default(), |body, file| body.file(file.to_bytes()))
    }

    /// Adds a part of type application/dicom.
    pub(crate) fn file(self, content: Vec<u8>) -> Self {
        self.part("Content-Type: application/dicom\r\n", content)
    }

    /// Adds a part with these header lines.
    pub(crate) fn part(mut self, headers: &str, content: Vec<u8>) -> Self {
        self.parts.push((headers.to_owned(), content));
        self
    }

    #[expect(clippy::unused_self, reason = "reads like the other parts of a request")]
    pub(crate) fn content_type(&self) -> String {
        format!("multipart/related; type=\"application/dicom\"; boundary=\"{BOUNDARY}\"")
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (headers, content) in &self.parts {
            body.extend_from_slice(format!("--{BOUNDARY}\r\n{headers}\r\n").as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        body
    }

    /// As a stream of small chunks, without a declared length.
    pub(crate) fn in_chunks(&self, chunk_bytes: usize) -> HttpBody {
        chunked(&self.bytes(), chunk_bytes)
    }

    /// A stream that breaks off after so many bytes, as when the client's connection is lost.
    pub(crate) fn breaking_off(&self, after: usize) -> HttpBody {
        let sent = Bytes::copy_from_slice(&self.bytes()[..after]);
        HttpBody::from_stream(stream::iter([Ok(sent), Err(io::Error::other("connection lost"))]))
    }

    /// A stream that sends so many bytes and then nothing any more, for good.
    pub(crate) fn standing_still(&self, after: usize) -> HttpBody {
        use futures::StreamExt as _;
        let sent = Bytes::copy_from_slice(&self.bytes()[..after]);
        HttpBody::from_stream(stream::iter([Ok::<_, io::Error>(sent)]).chain(stream::pending()))
    }
}

pub(crate) fn chunked(bytes: &[u8], chunk_bytes: usize) -> HttpBody {
    let chunks: Vec<_> =
        bytes.chunks(chunk_bytes).map(|chunk| Ok::<_, Infallible>(Bytes::copy_from_slice(chunk))).collect();
    HttpBody::from_stream(stream::iter(chunks))
}

/// One part of an answer.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) content_type: String,
    pub(crate) content: Vec<u8>,
}

/// Takes a multipart body apart.
pub(crate) async fn parts_of(content_type: &str, body: Bytes) -> Vec<Part> {
    let media_type = MediaType::parse(content_type).unwrap();
    assert_eq!(media_type.essence(), "multipart/related");
    let stream = stream::iter([Ok::<_, Infallible>(body)]);
    let boundary = media_type.parameter("boundary").unwrap();
    let mut multipart = Multipart::new(stream, boundary, Limits::default()).unwrap();
    let mut parts = Vec::new();
    while let Some(mut part) = multipart.next_part().await.unwrap() {
        let content_type = part.headers().get("content-type").unwrap_or_default().to_owned();
        let mut content = Vec::new();
        while let Some(chunk) = part.chunk().await.unwrap() {
            content.extend_from_slice(&chunk);
        }
        parts.push(Part { content_type, content });
    }
    parts
}
