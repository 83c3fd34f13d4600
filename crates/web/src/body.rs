//! Bodies that are watched: answers are counted until their last byte, requests may not stand still.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Error, body::Body};
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Sleep;

/// Told about an answer's bytes; its drop marks the end.
pub(crate) trait Observer: Send + Unpin + 'static {
    fn sent(&mut self, bytes: usize);
    fn finished(&mut self);
}

/// An answer's body that tells an observer what it sends. The observer is dropped with the body.
pub(crate) struct Observed<O> {
    inner: Body,
    observer: O,
}

impl<O: Observer> Observed<O> {
    pub(crate) fn wrap(inner: Body, mut observer: O) -> Body {
        if inner.is_end_stream() {
            observer.finished();
        }
        Body::new(Self { inner, observer })
    }
}

impl<O: Observer> http_body::Body for Observed<O> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.observer.sent(bytes);
                if self.inner.is_end_stream() {
                    self.observer.finished();
                }
            }
            Poll::Ready(None) => self.observer.finished(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The most that is read, and thrown away, of a body that nobody wanted to read to its end.
const DRAINED_BYTES_MAX: usize = 256 * 1024 * 1024;
/// How long that may take.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(30);

/// A request's body that fails when no byte comes for some time, and that is drained when it is dropped before its end.
///
/// An answer to a request whose body is still on its way (401 to a store, say) would otherwise be lost: the server would
/// close a connection with unread bytes, and the client would see it broken instead of reading why.
pub(crate) struct IdleLimited {
    inner: Body,
    idle: Duration,
    /// Whether nothing more is to be had: the body's end or an error was seen.
    ended: bool,
    /// Armed only while we wait, so that a body that is already here costs no timer.
    timer: Option<Pin<Box<Sleep>>>,
}

impl IdleLimited {
    pub(crate) fn wrap(inner: Body, idle: Duration) -> Body {
        if inner.is_end_stream() { inner } else { Body::new(Self { inner, idle, ended: false, timer: None }) }
    }
}

/// The client stopped sending in the middle of a body.
#[derive(Debug)]
struct Stalled;

impl std::fmt::Display for Stalled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the client stopped sending")
    }
}

impl std::error::Error for Stalled {}

impl http_body::Body for IdleLimited {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(frame) = &polled {
            self.ended = !matches!(frame, Some(Ok(_)));
            self.timer = None;
            return polled;
        }
        let idle = self.idle;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.ended = true;
                Poll::Ready(Some(Err(Error::new(Stalled))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for IdleLimited {
    fn drop(&mut self) {
        if self.ended || self.inner.is_end_stream() {
            return;
        }
        let rest = std::mem::take(&mut self.inner);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Bounded in bytes and time, and ends with its connection; nobody has to wait for it.
            runtime.spawn(tokio::time::timeout(DRAIN_TIME_MAX, drain(rest)));
        }
    }
}

async fn drain(mut body: Body) {
    let mut bytes = 0;
    while bytes < DRAINED_BYTES_MAX {
        match std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) | None => return,
        }
    }
}
