//! One kept-alive HTTP/1.1 connection, plain or with TLS; opened again where the server closed it.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};

use super::{Payload, Request, Target};

/// The largest answer that is kept for a check: a 200-slice study has 106 MB.
const ANSWER_BYTES_MAX: usize = 512 * 1024 * 1024;

/// An answer that was kept whole.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

/// A connection to the target.
pub(crate) struct Connection {
    target: Target,
    host: HeaderValue,
    sender: SendRequest<Payload>,
    /// Drives the connection; ends with it.
    driver: JoinSet<()>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(target: &Target) -> Result<Self> {
        let host = HeaderValue::from_str(&target.host).context("the host name is no header value")?;
        let stream =
            connect(target).await.with_context(|| format!("cannot connect to {}", target.address))?;
        stream.set_nodelay(true)?;
        let (sender, driver) = match &target.tls {
            None => handshake(stream).await?,
            Some(config) => {
                let name = target.host.rsplit_once(':').map_or(target.host.as_str(), |(name, _)| name);
                let name = ServerName::try_from(name.to_owned()).context("the host is no server name")?;
                let connector = tokio_rustls::TlsConnector::from(config.clone());
                handshake(connector.connect(name, stream).await.context("TLS handshake")?).await?
            }
        };
        Ok(Self { target: target.clone(), host, sender, driver })
    }

    /// Sends a request, drops the answer's body while counting; gives status and bytes of bodies both ways.
    pub(crate) async fn send_and_count(&mut self, request: Request) -> Result<(StatusCode, u64)> {
        let sent = request.payload.len();
        let response = self.send(request).await?;
        let status = response.status();
        let mut body = response.into_body();
        let mut bytes = sent;
        while let Some(frame) = body.frame().await {
            if let Some(data) = frame.context("reading the answer")?.data_ref() {
                bytes += u64::try_from(data.len()).unwrap_or_default();
            }
        }
        Ok((status, bytes))
    }

    /// Sends a request and keeps the answer, up to a limit.
    pub(crate) async fn send_and_keep(&mut self, request: Request) -> Result<Answer> {
        let (parts, body) = self.send(request).await?.into_parts();
        let body = http_body_util::Limited::new(body, ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| anyhow::anyhow!(error))
            .context("reading the answer")?;
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes().to_vec() })
    }

    async fn send(&mut self, request: Request) -> Result<http::Response<Incoming>> {
        if self.sender.ready().await.is_err() {
            self.reopen().await?;
        }
        let retry = request.payload.len() == 0;
        let mut message = http::Request::new(request.payload);
        *message.method_mut() = request.method;
        *message.uri_mut() = request.path.parse().with_context(|| format!("{} is no path", request.path))?;
        *message.headers_mut() = request.headers;
        message.headers_mut().insert(header::HOST, self.host.clone());
        if let Some(authorization) = &self.target.authorization {
            message.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        }
        let again = retry.then(|| message.clone());
        match (self.sender.send_request(message).await, again) {
            (Ok(response), _) => Ok(response),
            // The server may close an idle connection just when the next request is on its way.
            (Err(_), Some(message)) => {
                self.reopen().await?;
                Ok(self.sender.send_request(message).await?)
            }
            (Err(error), None) => Err(error).context("sending the request"),
        }
    }

    async fn reopen(&mut self) -> Result<()> {
        let fresh = Self::open(&self.target).await?;
        self.sender = fresh.sender;
        self.driver = fresh.driver;
        Ok(())
    }
}

async fn connect(target: &Target) -> std::io::Result<TcpStream> {
    let Some(from) = target.from else { return TcpStream::connect(target.address).await };
    let socket = if from.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind(SocketAddr::new(from, 0))?;
    socket.connect(target.address).await
}

async fn handshake<S>(stream: S) -> Result<(SendRequest<Payload>, JoinSet<()>)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut driver = JoinSet::new();
    // Its errors reach the caller through the sender.
    driver.spawn(async move { drop(connection.await) });
    Ok((sender, driver))
}

impl Answer {
    /// A header's value as text; empty where it is missing.
    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The beginning of the body, for messages.
    pub(crate) fn excerpt(&self) -> String {
        let beginning: Bytes = self.body.iter().copied().take(200).collect();
        String::from_utf8_lossy(&beginning).into_owned()
    }
}
