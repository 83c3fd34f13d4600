//! Hilum with its default settings on one core: SQLite, durable; a confidential client, consent given, users.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::StatusCode;
use serde_json::json;

use super::{browser::Person, cores, issuer::Issuer};
use crate::{
    load::{self, Request, Shape, Target},
    server::{GRAPH_SCOPE, Process, bearer, free_port, output, register, register_manager},
};

/// The DICOM service, as every installation knows it.
const DICOM_APP_ID: &str = "75e725bf-66ce-4cea-9b9a-5c4caae57f33";
const REDIRECT_URI: &str = "http://localhost:9/callback";
const DOMAIN: &str = "bench.example";
const READY_MAX: Duration = Duration::from_secs(30);
const CREATING_MAX: Duration = Duration::from_mins(10);
/// How often a server that starts is asked whether it is there.
const POLL: Duration = Duration::from_millis(5);

/// Hilum, running.
pub(super) struct Hilum {
    binary: PathBuf,
    folder: PathBuf,
    pub(super) issuer: Issuer,
    pub(super) target: Target,
    pub(super) process: Process,
}

impl Hilum {
    /// Sets a new data directory up in the folder, and starts.
    pub(super) fn start(binary: &Path, folder: &Path) -> Result<Self> {
        ensure!(binary.exists(), "{} is missing: cargo build --release -p hilum", binary.display());
        let data = data_of(folder)?;
        output(binary, &["init", "--domain", DOMAIN], &data)?;
        let client = register(binary, &data)?;
        let id = client.id.as_str();
        output(binary, &["app", "update", "--id", id, "--web-redirect-uris", REDIRECT_URI], &data)?;
        let consent = ["app", "permission", "grant", "--id", id, "--api", DICOM_APP_ID];
        output(binary, &[&consent[..], &["--scope", "Dicom.ReadWrite"]].concat(), &data)?;
        let port = free_port()?;
        let issuer = Issuer {
            authorize: format!("/{}/oauth2/v2.0/authorize", client.tenant),
            token: format!("/{}/oauth2/v2.0/token", client.tenant),
            client_id: client.id,
            secret: client.secret,
            redirect_uri: REDIRECT_URI.to_owned(),
            application_scope: "https://dicom.healthcareapis.azure.com/.default",
            user_scope: "https://dicom.healthcareapis.azure.com/Dicom.ReadWrite",
        };
        let target = Target {
            address: ([127, 0, 0, 1], port).into(),
            host: format!("localhost:{port}"),
            tls: None,
            authorization: None,
            from: None,
        };
        let process = serve(binary, folder, &target)?;
        Ok(Self { binary: binary.to_owned(), folder: folder.to_owned(), issuer, target, process })
    }

    /// Ends the process at once, as a crash would, and starts another on the same data. It is ready when this returns.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.process.end();
        self.process = serve(&self.binary, &self.folder, &self.target)?;
        Ok(())
    }

    /// Makes users with passwords; gives them in order.
    pub(super) fn people(&self, group: &str, count: u64) -> Result<Vec<Person>> {
        let client = register_manager(&self.binary, &data_of(&self.folder)?, group)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let authorization = bearer(&runtime.block_on(self.target.fetch(client.token_request(GRAPH_SCOPE)))?)?;
        let target = Target { authorization: Some(authorization), ..self.target.clone() };
        let person = |n: u64| Person {
            name: format!("{group}-{n:05}@{DOMAIN}"),
            password: format!("Hyacinth {n} under a stone"),
        };
        let feed = |n: u64| (n < count).then(|| creation(&person(n), &format!("{group}-{n:05}")));
        let shape = Shape { concurrency: 2, threads: 1, duration: CREATING_MAX };
        let outcome = load::run(&target, shape, &feed)?;
        ensure!(outcome.failures.is_empty(), "users cannot be made: {:?}", outcome.failures);
        Ok((0..count).map(person).collect())
    }
}

fn creation(person: &Person, nickname: &str) -> Request {
    let body = json!({
        "accountEnabled": true,
        "displayName": nickname,
        "mailNickname": nickname,
        "userPrincipalName": person.name,
        "passwordProfile": { "forceChangePasswordNextSignIn": false, "password": person.password },
    });
    let kind = "application/json";
    let request = Request::post("/v1.0/users".to_owned(), kind, kind, vec![Bytes::from(body.to_string())]);
    request.expecting(StatusCode::CREATED)
}

/// Starts the server; it is ready when this returns.
fn serve(binary: &Path, folder: &Path, target: &Target) -> Result<Process> {
    let data = data_of(folder)?;
    let mut command = cores::on_one_core(binary);
    command.args(["serve", "--http", "--data", &data, "--listen", &target.address.to_string()]);
    let mut process = Process::start(&mut command, &folder.join("server.log"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let deadline = Instant::now() + READY_MAX;
    loop {
        let request = Request::get("/readyz".to_owned(), "*/*");
        match runtime.block_on(target.fetch(request)) {
            Ok(answer) if answer.status.is_success() => return Ok(process),
            _ if process.runs() && Instant::now() < deadline => std::thread::sleep(POLL),
            _ => bail!("hilum does not get ready: see {}", folder.join("server.log").display()),
        }
    }
}

fn data_of(folder: &Path) -> Result<String> {
    Ok(folder.join("data").to_str().context("the data directory's path is not UTF-8")?.to_owned())
}
