//! `hilum serve`: the server, from the first start to the orderly end.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use clap::Args;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Answer, Context, Failure};
use crate::{
    assemble::{Ground, House},
    certificates::ServerCertificate,
    data_dir::{DataDir, RunningServer, open_to_others},
    metrics, server, telemetry, ui,
};

/// How often the certificate is looked at.
const CERTIFICATE_EVERY: Duration = Duration::from_hours(12);

#[derive(Debug, Args, Default)]
pub(crate) struct ServeArgs {
    /// Validate the configuration, print it with secrets masked, and end.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    listen: ListenArgs,
}

/// Where and how to listen; `demo` takes the same.
#[derive(Debug, Args, Default, Clone)]
pub(crate) struct ListenArgs {
    /// ADDR:PORT; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<String>,
    /// Plain HTTP, on loopback only.
    #[arg(long)]
    http: bool,
    /// A TLS proxy stands in front; its X-Forwarded-For is trusted.
    #[arg(long)]
    behind_proxy: bool,
    /// The origin by which clients reach the server.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// The server's certificate chain, PEM.
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// The store for DICOM files: s3://…, az://…, gs://…, file:///…
    #[arg(long, value_name = "URL")]
    blobs: Option<String>,
    /// ADDR:PORT of the metrics, or off.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) metrics_listen: Option<String>,
    /// text or json.
    #[arg(long)]
    log_format: Option<String>,
    /// error, warn, info, debug, or directives.
    #[arg(long)]
    pub(crate) log_level: Option<String>,
}

impl ServeArgs {
    pub(crate) fn configuration(&self) -> Value {
        self.listen.configuration()
    }
}

impl ListenArgs {
    pub(crate) fn configuration(&self) -> Value {
        // A switch that is off says nothing, so that the file may switch it on.
        json!({
            "http": {
                "listen": self.listen,
                "plain": self.http.then_some(true),
                "behind_proxy": self.behind_proxy.then_some(true),
                "public_url": self.public_url,
            },
            "tls": {"cert": self.tls_cert, "key": self.tls_key},
            "blobs": {"url": self.blobs},
            "telemetry": {
                "metrics_listen": self.metrics_listen,
                "log_format": self.log_format,
                "log_level": self.log_level,
            },
        })
    }
}

pub(crate) async fn run(context: Context, arguments: ServeArgs) -> Answer {
    if arguments.check {
        return Ok(Some(context.ground.config.printable()));
    }
    let _logs = telemetry::start_logs(&context.ground.config.telemetry)?;
    if let Some(warning) = exposure(&context.ground.data) {
        tracing::warn!("{warning}");
        context.warn(warning);
    }
    let running = Running::start(context.ground).await?;
    running.tell();
    let stop = running.stop();
    let signals = tokio::select! {
        outcome = wait_for_signal() => outcome,
        () = stop.cancelled() => Ok(()),
    };
    tracing::info!("stopping");
    running.end().await;
    signals.map(|()| None).map_err(Failure::from)
}

/// What to say about a data directory that was there before, made by somebody less careful.
fn exposure(data: &DataDir) -> Option<String> {
    let mode = open_to_others(data.path())?;
    let path = data.path().display();
    Some(format!("other accounts can reach into {path} (mode {mode:03o}): run chmod go= {path}"))
}

/// A server that accepts requests.
pub(crate) struct Running {
    house: House,
    ground: Ground,
    announced: RunningServer,
    serving: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Does the first start's work where needed, listens, and announces itself in `run/server.json`.
    pub(crate) async fn start(ground: Ground) -> Result<Self> {
        ground.data.create()?;
        let recorder = telemetry::start_metrics();
        let http = &ground.config.http;
        let listeners = server::bind(&http.parsed_listen()?).await?;
        let port = match listeners.first() {
            Some(listener) => listener.local_addr()?.port(),
            None => anyhow::bail!("nothing to listen on"),
        };
        let house = Box::pin(House::build(ground.clone(), http.origin(port)?)).await?;
        let tls = if http.plain {
            None
        } else {
            let certificate =
                Arc::new(ServerCertificate::load(&ground.data, &ground.config.tls, &*ground.clock)?);
            keep_certificate_fresh(&house, &ground, Arc::clone(&certificate));
            Some(server::tls(certificate)?)
        };
        let metrics_url = start_metrics(&house, &ground, recorder).await?;
        house.start_background_work();
        let server = server::Server::new(house.router(), tls, ground.config.limits.clone());
        let serving = serve(&house, server, listeners);
        let announced = RunningServer { url: house.origin.to_string(), pid: std::process::id(), metrics_url };
        ground.data.announce(&announced)?;
        tracing::info!(url = announced.url, metrics = announced.metrics_url, "listening");
        Ok(Self { house, ground, announced, serving })
    }

    pub(crate) fn house(&self) -> &House {
        &self.house
    }

    pub(crate) fn url(&self) -> &str {
        &self.announced.url
    }

    pub(crate) fn stop(&self) -> CancellationToken {
        self.house.stop.clone()
    }

    /// Prints what a person needs now.
    pub(crate) fn tell(&self) {
        let init = &self.house.init;
        ui::line(format!("Portal          {}/portal", self.announced.url));
        ui::line(format!("Tenant ID       {}", self.house.tenant_id));
        if let Some(name) = &init.admin_user_principal_name {
            ui::line(format!("Administrator   {name}"));
        }
        if let Some(password) = &init.one_time_password {
            ui::line(format!("One-time password (shown this once)  {}", password.expose()));
        }
        if !self.ground.config.http.plain && self.ground.config.tls.cert.is_none() {
            ui::line(format!("CA certificate  {}", self.ground.data.tls("ca.pem").display()));
        }
        if let Some(url) = &self.announced.metrics_url {
            ui::line(format!("Metrics         {url}"));
        }
    }

    /// Lets requests under way end, writes what waits to be written, and takes the announcement back.
    pub(crate) async fn end(self) {
        self.house.stop.cancel();
        let _ = self.serving.await;
        self.ground.data.withdraw(self.announced.pid);
        self.house.close().await;
    }
}

fn serve(house: &House, server: server::Server, listeners: Vec<TcpListener>) -> tokio::task::JoinHandle<()> {
    let stop = house.stop.clone();
    house.tasks().spawn(async move { server.run(listeners, stop).await })
}

fn keep_certificate_fresh(house: &House, ground: &Ground, certificate: Arc<ServerCertificate>) {
    let (stop, ground) = (house.stop.clone(), ground.clone());
    house.tasks().spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(CERTIFICATE_EVERY) => {}
            }
            let (ground, certificate) = (ground.clone(), Arc::clone(&certificate));
            let renewed = tokio::task::spawn_blocking(move || {
                certificate.reload(&ground.data, &ground.config.tls, &*ground.clock)
            });
            if let Ok(Err(error)) = renewed.await {
                tracing::error!(error = format!("{error:#}"), "the certificate cannot be renewed");
            }
        }
    });
}

async fn start_metrics(
    house: &House,
    ground: &Ground,
    recorder: Option<PrometheusHandle>,
) -> Result<Option<String>> {
    let (Some(address), Some(recorder)) = (ground.config.telemetry.metrics_address()?, recorder) else {
        return Ok(None);
    };
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} for metrics"))?;
    let url = format!("http://{}/metrics", listener.local_addr()?);
    metrics::start(house, listener, recorder, Arc::clone(&ground.clock));
    Ok(Some(url))
}

/// Waits until somebody wants the process to end.
pub(crate) async fn wait_for_signal() -> Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn an_open_data_directory_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path());
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o750)).unwrap();
        let warning = exposure(&data).unwrap();
        assert!(warning.contains("mode 050") && warning.contains("chmod go="), "{warning}");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(exposure(&data), None);
        assert_eq!(exposure(&DataDir::new(folder.path().join("none"))), None, "a new one is made private");
    }
}
