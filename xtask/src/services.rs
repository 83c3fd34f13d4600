//! The services a test run needs, and the certainty that none of them outlives it.
//!
//! Each service runs below a small supervisor: this program again, with the service's command and a pipe as its
//! standard input. When the pipe closes, however we ended, the supervisor ends the service.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::postgres;
use crate::process::{path_with, root, target_dir};
use crate::tools::{self, Clients};

/// The hidden chore that supervises one service.
pub(crate) const SUPERVISE: &str = "supervise-service";

/// How long a service may take to end by itself.
const GRACE: Duration = Duration::from_secs(10);

/// A running service; ends when dropped.
#[derive(Debug)]
pub(crate) struct Service {
    supervisor: Child,
    lifeline: Option<ChildStdin>,
    log: PathBuf,
    folder: Option<PathBuf>,
}

impl Service {
    /// Starts a program under a supervisor, in `folder`, as the owner given; output goes to `<name>.log`.
    pub(crate) fn start(
        name: &str,
        program: &Path,
        args: &[String],
        folder: &Path,
        owner: Option<(u32, u32)>,
    ) -> Result<Self> {
        let log = services_folder()?.join(format!("{name}.log"));
        let out = std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let (uid, gid) =
            owner.map_or_else(|| ("-".into(), "-".into()), |(uid, gid)| (uid.to_string(), gid.to_string()));
        let mut supervisor = Command::new(std::env::current_exe().context("cannot find this program")?)
            .arg(SUPERVISE)
            .args([uid, gid])
            .arg(program)
            .args(args)
            .current_dir(folder)
            // Own process group: Ctrl-C ends us, and through the pipe, in order, the service.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let lifeline = supervisor.stdin.take();
        Ok(Self { supervisor, lifeline, log, folder: None })
    }

    /// Where its output goes.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Removes this folder when the service has ended.
    pub(crate) fn owning(mut self, folder: PathBuf) -> Self {
        self.folder = Some(folder);
        self
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // The supervisor bounds this wait by itself (GRACE). Nothing can be mended if either fails.
        let _ = self.supervisor.wait();
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// The supervisor's own life: `supervise-service <uid|-> <gid|-> <program> [args…]`.
pub(crate) fn supervise(args: &[String]) -> Result<bool> {
    let [uid, gid, program, rest @ ..] = args else { bail!("{SUPERVISE} is not for people") };
    let mut command = Command::new(program);
    command.args(rest).stdin(Stdio::null());
    if uid != "-" {
        command.uid(uid.parse()?).gid(gid.parse()?);
    }
    let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
    let id = child.id().to_string();
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Ends at end of file: whoever started us is gone, or wants the service gone.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if end.recv_timeout(Duration::from_millis(100)).is_ok() {
            break;
        }
    }
    // SIGINT: PostgreSQL's "fast shutdown", and what Ctrl-C means to Node and Python.
    let _ = Command::new("kill").args(["-INT", &id]).status();
    let deadline = Instant::now() + GRACE;
    while child.try_wait()?.is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = child.kill();
    let _ = child.wait();
    Ok(true)
}

/// What the tests are told about the running services.
#[derive(Debug)]
pub(crate) struct Services {
    // Dropped, and so ended, with this value.
    _running: Vec<Service>,
    /// Environment variables for the tests.
    pub(crate) variables: Vec<(&'static str, String)>,
}

/// Starts PostgreSQL, Azurite (Azure Blob Storage) and moto (S3).
pub(crate) fn start(clients: &Clients) -> Result<Services> {
    let folder = services_folder()?;
    let (postgres, postgres_url) = postgres::start(&folder)?;
    let (azurite, azurite_url) = start_azurite(clients, &folder)?;
    let (moto, moto_url) = start_moto(clients, &folder)?;
    let mut variables = vec![
        ("HILUM_TEST_POSTGRES_URL", postgres_url),
        ("HILUM_TEST_AZURITE_URL", azurite_url),
        ("HILUM_TEST_MOTO_URL", moto_url),
    ];
    if let Some(bin) = postgres::bin_dir() {
        variables.push(("HILUM_TEST_POSTGRES_BIN", bin.display().to_string()));
    }
    for (name, value) in &variables {
        println!("{name}={value}");
    }
    Ok(Services { _running: vec![postgres, azurite, moto], variables })
}

fn start_azurite(clients: &Clients, folder: &Path) -> Result<(Service, String)> {
    let port = free_port()?.to_string();
    let program = root().join("clients/node/node_modules/azurite/dist/src/blob/main.js");
    let mut args = vec![program.display().to_string()];
    args.extend(
        [
            "--blobHost",
            "127.0.0.1",
            "--blobPort",
            &port,
            "--inMemoryPersistence",
            "--skipApiVersionCheck",
            "--silent",
            "--disableTelemetry",
        ]
        .map(str::to_owned),
    );
    let service = Service::start("azurite", &clients.node, &args, folder, None)?;
    await_listening("Azurite", &port, service.log())?;
    Ok((service, format!("http://127.0.0.1:{port}/devstoreaccount1")))
}

fn start_moto(clients: &Clients, folder: &Path) -> Result<(Service, String)> {
    let port = free_port()?.to_string();
    let args = ["-H", "127.0.0.1", "-p", &port].map(str::to_owned);
    let service = Service::start("moto", &clients.python_bin.join("moto_server"), &args, folder, None)?;
    await_listening("moto", &port, service.log())?;
    Ok((service, format!("http://127.0.0.1:{port}")))
}

fn await_listening(name: &str, port: &str, log: &Path) -> Result<()> {
    let address = format!("127.0.0.1:{port}");
    await_ready(name, Duration::from_mins(1), || TcpStream::connect(&address).is_ok())
        .with_context(|| format!("see {}", log.display()))
}

/// Asks until the answer is yes.
pub(crate) fn await_ready(name: &str, at_most: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + at_most;
    while !ready() {
        if Instant::now() > deadline {
            bail!("{name} did not answer within {} s", at_most.as_secs());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// A TCP port nobody listens on just now.
pub(crate) fn free_port() -> Result<u16> {
    let listener =
        TcpListener::bind(("127.0.0.1", 0)).context("cannot open a port on the loopback address")?;
    Ok(listener.local_addr()?.port())
}

fn services_folder() -> Result<PathBuf> {
    let folder = target_dir().join("test-services");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// `cargo xtask services`: for running single tests by hand.
pub(crate) fn run(_args: &[String]) -> Result<bool> {
    tools::ensure_system()?;
    let clients = tools::ensure_clients()?;
    let _services = start(&clients)?;
    println!("PATH={}", path_with(&clients.python_bin)?.display());
    println!("Ctrl-C ends them.");
    loop {
        std::thread::park();
    }
}
