//! Listeners, TLS, connections, and the orderly end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use axum::{Router, extract::Request};
use hilum_web::Peer;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{CipherSuite, crypto::CryptoProvider};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service as _;

use crate::{
    certificates::{ServerCertificate, provider},
    config::{Limits, Listen},
};

/// The largest head of a request, and the most that is read ahead of a body: a third of a CT slice at once.
const BUFFER_BYTES_MAX: usize = 256 * 1024;
/// Headers of one request. Browsers send about 20.
const HEADERS_MAX: usize = 100;
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests at a time on one HTTP/2 connection.
const STREAMS_MAX: u32 = 128;
/// HTTP/2 windows: one CT slice may be on its way without waiting for the other end.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;

/// Binds every address that the name stands for, all on one port.
pub(crate) async fn bind(listen: &Listen) -> Result<Vec<TcpListener>> {
    let mut addresses: Vec<SocketAddr> = tokio::net::lookup_host((listen.host.as_str(), listen.port))
        .await
        .with_context(|| format!("{} is no name that this machine knows", listen.host))?
        .collect();
    // IPv4 first, because where IPv6 is switched off it is the one that must work.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.dedup();
    let mut listeners: Vec<TcpListener> = Vec::new();
    for mut address in addresses {
        if let Some(first) = listeners.first() {
            address.set_port(first.local_addr()?.port());
        }
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            Err(error) if !listeners.is_empty() && error.kind() != io::ErrorKind::AddrInUse => {
                tracing::debug!(%address, %error, "this address is not available");
            }
            Err(error) => return Err(error).with_context(|| format!("cannot listen on {address}")),
        }
    }
    anyhow::ensure!(!listeners.is_empty(), "{} stands for no address", listen.host);
    Ok(listeners)
}

/// How the server speaks TLS.
pub(crate) fn tls(certificate: Arc<ServerCertificate>) -> Result<TlsAcceptor> {
    let mut config = rustls::ServerConfig::builder_with_provider(preferring_aes_128())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ignore_client_order = true;
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// AES-128 goes before AES-256: nothing known breaks it, and images are encrypted a quarter faster.
fn preferring_aes_128() -> Arc<CryptoProvider> {
    let mut provider = CryptoProvider::clone(&provider());
    // The sort is stable: what else the provider prefers stays.
    provider.cipher_suites.sort_by_key(|suite| {
        !matches!(
            suite.suite(),
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        )
    });
    Arc::new(provider)
}

/// What serves connections.
pub(crate) struct Server {
    router: Router,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    connections: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Server {
    pub(crate) fn new(router: Router, tls: Option<TlsAcceptor>, limits: Limits) -> Self {
        let connections = Arc::new(Semaphore::new(limits.connections_max));
        Self { router, tls, limits, connections, tasks: TaskTracker::new() }
    }

    /// Serves until `stop`, then lets requests under way end, within the limit.
    pub(crate) async fn run(self, listeners: Vec<TcpListener>, stop: CancellationToken) {
        let drain = Duration::from_secs(self.limits.drain_seconds);
        let server = Arc::new(self);
        let accepting = TaskTracker::new();
        for listener in listeners {
            let (server, stop) = (Arc::clone(&server), stop.clone());
            accepting.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = server.accept(listener, &stop) => {}
                }
            });
        }
        accepting.close();
        accepting.wait().await;
        server.tasks.close();
        if tokio::time::timeout(drain, server.tasks.wait()).await.is_err() {
            let connections = server.tasks.len();
            tracing::warn!(connections, "requests did not end in time and are cut off");
        }
    }

    async fn accept(self: &Arc<Self>, listener: TcpListener, stop: &CancellationToken) {
        loop {
            let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let (server, stop) = (Arc::clone(self), stop.clone());
                    self.tasks.spawn(async move {
                        server.connection(stream, peer, stop).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    // Mostly "too many open files": trying again at once would only burn the processor.
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn connection(&self, stream: TcpStream, peer: SocketAddr, stop: CancellationToken) {
        // Answers are written whole; waiting for more would only delay them.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else { return self.http1(stream, peer, stop).await };
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                self.http2(stream, peer, stop).await;
            }
            Ok(Ok(stream)) => self.http1(stream, peer, stop).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn http1<S>(&self, stream: S, peer: SocketAddr, stop: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(self.limits.header_seconds))
            .max_headers(HEADERS_MAX)
            .max_buf_size(BUFFER_BYTES_MAX);
        let router = self.router.clone();
        let service = service_fn(move |request| answer(router.clone(), request, peer));
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        ended(outcome);
    }

    async fn http2<S>(&self, stream: S, peer: SocketAddr, stop: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(4 * STREAM_WINDOW_BYTES)
            .max_header_list_size(64 * 1024)
            .keep_alive_interval(Duration::from_secs(self.limits.header_seconds))
            .keep_alive_timeout(HANDSHAKE_TIMEOUT);
        let router = self.router.clone();
        let service = service_fn(move |request| answer(router.clone(), request, peer));
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        ended(outcome);
    }
}

async fn answer(
    mut router: Router,
    mut request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<axum::response::Response, std::convert::Infallible> {
    request.extensions_mut().insert(Peer(peer));
    router.call(request).await
}

fn ended(outcome: Result<(), hyper::Error>) {
    if let Err(error) = outcome {
        // Clients that hang up are everyday life.
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
    }
}
