//! The servers under test, all reached in the same way.

mod hilum;
mod orthanc;
mod process;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use clap::ValueEnum;
use hilum_kernel::Secret;
use http::{HeaderValue, StatusCode};
use tempfile::TempDir;

use crate::load::{self, Answer, Request, Target};
pub(crate) use hilum::{output, register, register_manager};
pub(crate) use process::{Process, free_port};

/// How long a server may take to get ready; the index of a million instances is opened in this time too.
const READY_TIMEOUT: Duration = Duration::from_mins(2);

/// The scope that gives a service client all it may do on the DICOM service.
const SCOPE: &str = "https%3A%2F%2Fdicom.healthcareapis.azure.com%2F.default";

/// The same for the directory.
pub(crate) const GRAPH_SCOPE: &str = "https%3A%2F%2Fgraph.microsoft.com%2F.default";

/// Which server, and over what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum ServerKind {
    /// Hilum over plain HTTP.
    Hilum,
    /// Hilum over TLS.
    HilumTls,
    /// Orthanc with the DICOMweb plugin, over plain HTTP.
    Orthanc,
}

impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hilum => "hilum",
            Self::HilumTls => "hilum-tls",
            Self::Orthanc => "orthanc",
        })
    }
}

/// Credentials of the benchmark's own service client.
#[derive(Debug)]
pub(crate) struct Client {
    /// The tenant's ID.
    pub(crate) tenant: String,
    /// The client's ID.
    pub(crate) id: String,
    /// Its secret.
    pub(crate) secret: Secret<String>,
}

impl Client {
    /// The request for a token by the client credentials grant; the scope is percent-encoded.
    pub(crate) fn token_request(&self, scope: &str) -> Request {
        let Self { tenant, id, secret } = self;
        let secret =
            percent_encoding::utf8_percent_encode(secret.expose(), percent_encoding::NON_ALPHANUMERIC);
        let form =
            format!("grant_type=client_credentials&client_id={id}&client_secret={secret}&scope={scope}");
        let path = format!("/{tenant}/oauth2/v2.0/token");
        let form_type = "application/x-www-form-urlencoded";
        Request::post(path, form_type, "application/json", vec![Bytes::from(form)])
    }
}

/// Where a server listens and what it wants to be asked.
#[derive(Debug)]
struct Endpoint {
    port: u16,
    host: String,
    base: String,
    ready: &'static str,
    ca: Option<PathBuf>,
    client: Option<Client>,
}

/// A server under test. It ends, and its data go, when this is dropped.
pub(crate) struct Server {
    /// Which one it is.
    pub(crate) kind: ServerKind,
    process: Process,
    endpoint: Endpoint,
    target: Target,
    runtime: tokio::runtime::Runtime,
    log: PathBuf,
    // Last, because the process must be gone before its folder is.
    folder: Option<TempDir>,
}

impl Server {
    /// Starts a server with nothing in it, in a new folder below the given one.
    pub(crate) fn start(kind: ServerKind, hilum: &Path, below: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(below)?;
        let mut server = Self::start_in(kind, hilum, folder.path())?;
        server.folder = Some(folder);
        Ok(server)
    }

    /// Starts a server on a folder that stays. Hilum's data directory is `data` in it.
    pub(crate) fn start_in(kind: ServerKind, hilum: &Path, folder: &Path) -> Result<Self> {
        let (process, endpoint) = match kind {
            ServerKind::Hilum => hilum::start(hilum, folder, hilum::Transport::Plain)?,
            ServerKind::HilumTls => hilum::start(hilum, folder, hilum::Transport::Tls)?,
            ServerKind::Orthanc => orthanc::start(folder)?,
        };
        let target = Target {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, endpoint.port)),
            host: endpoint.host.clone(),
            tls: endpoint.ca.as_deref().map(load::trusting).transpose()?,
            authorization: None,
            from: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let log = folder.join("server.log");
        let mut server = Self { kind, process, endpoint, target, runtime, log, folder: None };
        server.wait_until_ready()?;
        server.renew_token()?;
        Ok(server)
    }

    /// Whom the load generator speaks to.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Its process, to be watched.
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// A path of its DICOMweb service.
    pub(crate) fn path(&self, resource: &str) -> String {
        format!("{}{resource}", self.endpoint.base)
    }

    /// Sends one request and keeps the answer.
    pub(crate) fn fetch(&self, request: Request) -> Result<Answer> {
        self.runtime.block_on(self.target.fetch(request))
    }

    /// The request for a token, where the server gives tokens.
    pub(crate) fn token_request(&self) -> Option<Request> {
        self.endpoint.client.as_ref().map(|client| client.token_request(SCOPE))
    }

    /// Gets a new token: to be done before each run, so that none expires while measuring.
    pub(crate) fn renew_token(&mut self) -> Result<()> {
        let Some(request) = self.token_request() else { return Ok(()) };
        self.target.authorization = Some(self.token(request)?);
        Ok(())
    }

    /// The server for a client of its own that may manage the directory; registers it in the data directory.
    pub(crate) fn as_manager(&self, hilum: &Path, data: &str, name: &str) -> Result<Target> {
        let client = register_manager(hilum, data, name)?;
        let authorization = Some(self.token(client.token_request(GRAPH_SCOPE))?);
        Ok(Target { authorization, ..self.target.clone() })
    }

    /// Sends one request as somebody else and keeps the answer.
    pub(crate) fn fetch_as(&self, target: &Target, request: Request) -> Result<Answer> {
        self.runtime.block_on(target.fetch(request))
    }

    fn token(&self, request: Request) -> Result<HeaderValue> {
        bearer(&self.fetch(request)?)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_TIMEOUT;
        loop {
            if !self.process.runs() {
                bail!("{} ended while starting; it said:\n{}", self.kind, self.last_words());
            }
            let request = Request::get(self.endpoint.ready.to_owned(), "*/*");
            match self.fetch(request) {
                Ok(answer) if answer.status.is_success() => return Ok(()),
                _ if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
                Ok(answer) => bail!("{} is not ready: {}: {}", self.kind, answer.status, answer.excerpt()),
                Err(error) => return Err(error.context(format!("{} is not ready", self.kind))),
            }
        }
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(15).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// The `Authorization` header's value for the token in an answer.
pub(crate) fn bearer(answer: &Answer) -> Result<HeaderValue> {
    ensure!(answer.status == StatusCode::OK, "no token: {}: {}", answer.status, answer.excerpt());
    let body: serde_json::Value =
        serde_json::from_slice(&answer.body).context("the token answer is no JSON")?;
    let token = body.get("access_token").and_then(|token| token.as_str()).context("no access_token")?;
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))?;
    value.set_sensitive(true);
    Ok(value)
}
