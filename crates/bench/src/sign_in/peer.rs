//! npm's `oidc-provider` on one core, with what it keeps in memory: `clients/node/support/measured_provider.mjs`.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use hilum_kernel::Secret;
use serde::Deserialize;

use super::{cores, issuer::Issuer};
use crate::{load::Target, server::Process};

const SCRIPT: &str = "support/measured_provider.mjs";
const PACKAGE: &str = "node_modules/oidc-provider/package.json";
const READY_MAX: Duration = Duration::from_secs(30);

/// `oidc-provider`, running.
pub(super) struct Peer {
    pub(super) issuer: Issuer,
    pub(super) target: Target,
    pub(super) process: Process,
    /// Its version.
    pub(super) version: String,
}

/// What the script prints.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    issuer: String,
    redirect_uri: String,
    #[serde(rename = "client_id")]
    client_id: String,
    #[serde(rename = "client_secret")]
    client_secret: String,
}

#[derive(Deserialize)]
struct Package {
    version: String,
}

impl Peer {
    /// Starts it. `package` is the folder of the Node clients.
    pub(super) fn start(package: &Path, folder: &Path) -> Result<Self> {
        let described = fs::read(package.join(PACKAGE));
        let described =
            described.with_context(|| format!("oidc-provider: run npm ci in {}", package.display()))?;
        let Package { version } = serde_json::from_slice(&described)?;
        let log = folder.join("provider.log");
        let mut command = cores::on_one_core("node");
        command.arg(SCRIPT).current_dir(package).env("NODE_ENV", "production");
        let mut process = Process::start(&mut command, &log)?;
        let deadline = Instant::now() + READY_MAX;
        let started = loop {
            let told = fs::read_to_string(&log).unwrap_or_default();
            let line = told.lines().find(|line| line.starts_with('{'));
            match line.and_then(|line| serde_json::from_str::<Started>(line).ok()) {
                Some(started) => break started,
                None if process.runs() && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                None => bail!("oidc-provider does not start: {told}"),
            }
        };
        let host = started.issuer.strip_prefix("http://").context("its issuer is no http URL")?;
        let target = Target {
            address: host.parse().context("its issuer is no address")?,
            host: host.to_owned(),
            tls: None,
            authorization: None,
            from: None,
        };
        ensure!(target.address.ip().is_loopback(), "it listens elsewhere");
        let issuer = Issuer {
            authorize: "/auth".to_owned(),
            token: "/token".to_owned(),
            client_id: started.client_id,
            secret: Secret::new(started.client_secret),
            redirect_uri: started.redirect_uri,
            application_scope: "read",
            user_scope: "read",
        };
        Ok(Self { issuer, target, process, version })
    }
}
