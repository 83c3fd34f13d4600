//! What a handler may know about a request besides its content: who asks from where, and under which ID.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{extract::FromRequestParts, http::request::Parts};
use hilum_kernel::CorrelationId;
use uuid::Uuid;

/// The other end of the connection; the server puts it into each request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(
    /// Address and port as the socket tells them.
    pub SocketAddr,
);

/// What belongs to a request apart from its content. The outermost layer makes it; any handler may extract it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestContext {
    /// Ties logs, audit events and the answer together: the client's own ID when it sent a GUID.
    pub correlation: CorrelationId,
    /// Where the request comes from; behind a trusted proxy what `X-Forwarded-For` says.
    pub client_address: Option<IpAddr>,
    /// The server's public origin, `https://host:port`, without trailing slash.
    pub origin: Arc<str>,
}

impl Default for RequestContext {
    /// For routers that run without the layers, as in unit tests.
    fn default() -> Self {
        Self {
            correlation: CorrelationId::new(Uuid::nil()),
            client_address: None,
            origin: Arc::from("https://localhost:8443"),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
