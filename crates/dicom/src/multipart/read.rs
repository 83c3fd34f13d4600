//! Takes a multipart body apart while it arrives (RFC 2046 §5.1.1).
//!
//! Parts come out as slices of the chunks that came in; nothing is copied but part headers. Line ends are
//! CRLF, and a delimiter is what follows a CRLF, as the RFC says.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use futures::{Stream, future::poll_fn};
use memchr::{memchr, memmem};
use thiserror::Error;

/// What a body may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// All bytes of the body.
    pub body_bytes_max: u64,
    /// Bytes before the first delimiter, where clients send nothing or a remark.
    pub preamble_bytes_max: u64,
    /// Bytes of one part's headers.
    pub header_bytes_max: usize,
    /// Headers of one part.
    pub headers_max: usize,
    /// Parts of the body.
    pub parts_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: hilum_kernel::limits::STORE_BODY_BYTES_MAX,
            preamble_bytes_max: 64 * 1024,
            header_bytes_max: 16 * 1024,
            headers_max: 64,
            parts_max: 100_000,
        }
    }
}

/// Why a body cannot be taken apart.
#[derive(Debug, Error)]
pub enum MultipartError<E> {
    /// The stream of the body failed.
    #[error("the body could not be received")]
    Body(#[source] E),
    /// The body ends before its closing delimiter.
    #[error("the body ends before its closing delimiter")]
    Truncated,
    /// The body ends, or goes on for long, without any delimiter.
    #[error("the boundary does not occur in the body")]
    NoDelimiter,
    /// Something other than a line end or `--` follows a delimiter.
    #[error("a delimiter line is malformed")]
    MalformedDelimiter,
    /// A part's header is not `name: value`.
    #[error("a part header is malformed")]
    MalformedHeader,
    /// A part's headers exceed their limits.
    #[error("the headers of a part are too large")]
    HeadersTooLarge,
    /// There are more parts than the limit.
    #[error("the body has more than {limit} parts")]
    TooManyParts {
        /// The limit.
        limit: usize,
    },
    /// The body has more bytes than the limit.
    #[error("the body exceeds {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
}

/// The boundary parameter breaks RFC 2046 §5.1.1: 1 to 70 of certain characters, no space at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("invalid multipart boundary")]
pub struct InvalidBoundary;

/// Where the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Preamble,
    Head,
    Body,
    Done,
}

/// What follows a delimiter.
enum Head {
    /// More bytes are needed to tell.
    Incomplete,
    /// It was the closing delimiter.
    Closing,
    /// A part, whose body follows.
    Part(Headers),
}

/// A multipart body being read.
#[derive(Debug)]
pub struct Multipart<S> {
    stream: S,
    limits: Limits,
    /// CRLF, two hyphens, the boundary.
    delimiter: Bytes,
    finder: memmem::Finder<'static>,
    buffer: Bytes,
    /// How much of the delimiter the end of what was received equals.
    matched: usize,
    head: Vec<u8>,
    state: State,
    received: u64,
    skipped: u64,
    parts: usize,
}

impl<S, E> Multipart<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    /// Starts on a body whose Content-Type gives the boundary.
    pub fn new(stream: S, boundary: &str, limits: Limits) -> Result<Self, InvalidBoundary> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
        if boundary.is_empty()
            || boundary.len() > 70
            || boundary.ends_with(' ')
            || !boundary.bytes().all(is_allowed)
        {
            return Err(InvalidBoundary);
        }
        let delimiter = Bytes::from(format!("\r\n--{boundary}"));
        let finder = memmem::Finder::new(&delimiter).into_owned();
        Ok(Self {
            stream,
            limits,
            delimiter,
            finder,
            buffer: Bytes::new(),
            // The first delimiter may stand at the very start, as if a CRLF had gone before.
            matched: 2,
            head: Vec::new(),
            state: State::Preamble,
            received: 0,
            skipped: 0,
            parts: 0,
        })
    }

    /// Moves to the next part, past what is left of the present one. `None` after the closing delimiter;
    /// what follows that is not read.
    pub async fn next_part(&mut self) -> Result<Option<Part<'_, S>>, MultipartError<E>> {
        let headers = poll_fn(|cx| self.poll_head(cx)).await;
        if headers.is_err() {
            self.state = State::Done;
        }
        Ok(headers?.map(|headers| Part { headers, body: self }))
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Headers>, MultipartError<E>>> {
        loop {
            match self.state {
                State::Done => return Poll::Ready(Ok(None)),
                State::Preamble => {
                    if let Some(chunk) = ready!(self.poll_data(cx))? {
                        self.skipped = self.skipped.saturating_add(widen(chunk.len()));
                        if self.skipped > self.limits.preamble_bytes_max {
                            return Poll::Ready(Err(MultipartError::NoDelimiter));
                        }
                    }
                }
                State::Body => {
                    let _rest_of_part = ready!(self.poll_data(cx))?;
                }
                State::Head => {
                    if self.buffer.is_empty() && !ready!(self.poll_fill(cx))? {
                        return Poll::Ready(Err(MultipartError::Truncated));
                    }
                    match self.take_head()? {
                        Head::Incomplete => {}
                        Head::Closing => return Poll::Ready(Ok(None)),
                        Head::Part(headers) => return Poll::Ready(Ok(Some(headers))),
                    }
                }
            }
        }
    }

    /// Takes what follows a delimiter: `--`, or padding, CRLF, headers, and an empty line.
    fn take_head(&mut self) -> Result<Head, MultipartError<E>> {
        const END: &[u8] = b"\r\n\r\n";
        let before = self.head.len();
        let room = (self.limits.header_bytes_max + END.len()).saturating_sub(before);
        let taken = self.buffer.get(..room).unwrap_or(&self.buffer);
        self.head.extend_from_slice(taken);
        let taken = taken.len();
        match *self.head.as_slice() {
            [b'-', b'-', ..] => {
                self.state = State::Done;
                return Ok(Head::Closing);
            }
            [b'-'] | [b' ' | b'\t' | b'\r', ..] => {}
            _ => return Err(MultipartError::MalformedDelimiter),
        }
        let searched = before.saturating_sub(END.len() - 1);
        let Some(at) = memmem::find(self.head.get(searched..).unwrap_or_default(), END) else {
            self.buffer.advance(taken);
            return if taken == room { Err(MultipartError::HeadersTooLarge) } else { Ok(Head::Incomplete) };
        };
        let end = searched + at;
        self.buffer.advance((end + END.len()).saturating_sub(before));
        self.parts += 1;
        if self.parts > self.limits.parts_max {
            return Err(MultipartError::TooManyParts { limit: self.limits.parts_max });
        }
        let headers = Headers::parse(self.head.get(..end).unwrap_or_default(), self.limits.headers_max)?;
        self.head.clear();
        self.state = State::Body;
        Ok(Head::Part(headers))
    }

    /// Bytes up to the next delimiter; `None` once past it.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, MultipartError<E>>> {
        loop {
            if self.buffer.is_empty() && !ready!(self.poll_fill(cx))? {
                return Poll::Ready(Err(if self.state == State::Preamble {
                    MultipartError::NoDelimiter
                } else {
                    MultipartError::Truncated
                }));
            }
            if self.matched > 0 {
                let rest = self.delimiter.get(self.matched..).unwrap_or_default();
                let n = rest.len().min(self.buffer.len());
                if self.buffer.get(..n) != rest.get(..n) {
                    // A CR occurs only at the delimiter's start: nothing else can begin within it.
                    let data = self.delimiter.slice(..self.matched);
                    self.matched = 0;
                    return Poll::Ready(Ok(Some(data)));
                }
                self.buffer.advance(n);
                self.matched += n;
                if self.matched == self.delimiter.len() {
                    return Poll::Ready(Ok(self.delimited()));
                }
                continue;
            }
            match self.finder.find(&self.buffer) {
                Some(0) => {
                    self.buffer.advance(self.delimiter.len());
                    return Poll::Ready(Ok(self.delimited()));
                }
                Some(at) => return Poll::Ready(Ok(Some(self.buffer.split_to(at)))),
                None => {
                    self.matched = self.started_delimiter();
                    let data = self.buffer.split_to(self.buffer.len() - self.matched);
                    self.buffer.clear();
                    if !data.is_empty() {
                        return Poll::Ready(Ok(Some(data)));
                    }
                }
            }
        }
    }

    fn delimited(&mut self) -> Option<Bytes> {
        self.matched = 0;
        self.state = State::Head;
        None
    }

    /// How many bytes at the buffer's end are the start of a delimiter.
    fn started_delimiter(&self) -> usize {
        let from = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
        let mut tail = self.buffer.get(from..).unwrap_or_default();
        while let Some(at) = memchr(b'\r', tail) {
            tail = tail.get(at..).unwrap_or_default();
            if self.delimiter.starts_with(tail) {
                return tail.len();
            }
            tail = tail.get(1..).unwrap_or_default();
        }
        0
    }

    /// Gets a chunk; false at the end of the body.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, MultipartError<E>>> {
        loop {
            match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                None => return Poll::Ready(Ok(false)),
                Some(Err(error)) => return Poll::Ready(Err(MultipartError::Body(error))),
                Some(Ok(chunk)) if chunk.is_empty() => {}
                Some(Ok(chunk)) => {
                    self.received = self.received.saturating_add(widen(chunk.len()));
                    if self.received > self.limits.body_bytes_max {
                        let limit = self.limits.body_bytes_max;
                        return Poll::Ready(Err(MultipartError::TooLarge { limit }));
                    }
                    self.buffer = chunk;
                    return Poll::Ready(Ok(true));
                }
            }
        }
    }
}

/// One part: its headers, and a stream of its bytes. What is not read of it is skipped.
#[derive(Debug)]
pub struct Part<'a, S> {
    headers: Headers,
    body: &'a mut Multipart<S>,
}

impl<S, E> Part<'_, S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    /// The part's headers.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The next bytes of the part; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, MultipartError<E>> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, MultipartError<E>>> {
        if self.body.state != State::Body {
            return Poll::Ready(Ok(None));
        }
        let result = ready!(self.body.poll_data(cx));
        if result.is_err() {
            self.body.state = State::Done;
        }
        Poll::Ready(result)
    }
}

impl<S, E> Stream for Part<'_, S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    type Item = Result<Bytes, MultipartError<E>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_chunk(cx).map(Result::transpose)
    }
}

/// The headers of a part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The first value of the header; `name` in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// All names (in lower case) and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Starts with the end of the delimiter's line.
    fn parse<E>(head: &[u8], headers_max: usize) -> Result<Self, MultipartError<E>> {
        let text = str::from_utf8(head).map_err(|_| MultipartError::MalformedHeader)?;
        let mut lines = text.split("\r\n");
        if lines.next().is_some_and(|padding| !padding.trim_matches([' ', '\t']).is_empty()) {
            return Err(MultipartError::MalformedDelimiter);
        }
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.starts_with([' ', '\t']) {
                // RFC 5322 §2.2.3: a folded line continues the one before.
                let (_, value) = headers.last_mut().ok_or(MultipartError::MalformedHeader)?;
                value.push(' ');
                value.push_str(line.trim());
                continue;
            }
            let (name, value) = line.split_once(':').ok_or(MultipartError::MalformedHeader)?;
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
            let is_value = value.bytes().all(|byte| byte >= 0x20 && byte != 0x7F || byte == b'\t');
            if !is_name || !is_value {
                return Err(MultipartError::MalformedHeader);
            }
            if headers.len() >= headers_max {
                return Err(MultipartError::HeadersTooLarge);
            }
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(Self(headers))
    }
}

fn widen(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
