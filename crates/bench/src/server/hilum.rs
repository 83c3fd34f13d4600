//! Hilum with its default settings; the benchmark's client is registered with the management commands.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Client, Endpoint, Process, free_port};

/// Microsoft Graph, as every directory knows it.
const GRAPH_APP_ID: &str = "00000003-0000-0000-c000-000000000000";

/// Application.ReadWrite.All, Directory.Read.All, User.ReadWrite.All, Group.ReadWrite.All.
const GRAPH_ROLES: [&str; 4] = [
    "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9",
    "7ab1d382-f21e-4acd-a863-ba3e13f7da61",
    "741f803b-c850-494e-b5df-cde7c675a1ca",
    "62a82d76-70ea-41e2-9197-370581804d09",
];

/// Plain HTTP on loopback, or HTTPS with the certificate that Hilum made itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// `--http`
    Plain,
    /// The default.
    Tls,
}

/// Starts Hilum on a data directory: a new one, or one that holds instances already.
pub(super) fn start(binary: &Path, folder: &Path, transport: Transport) -> Result<(Process, Endpoint)> {
    ensure!(binary.exists(), "{} is missing: cargo build --release -p hilum", binary.display());
    let data = folder.join("data");
    let data = data.to_str().context("the data directory's path is not UTF-8")?;
    let client = register(binary, data)?;
    let port = free_port()?;
    let mut command = Command::new(binary);
    command.args(["serve", "--data", data, "--listen", &format!("127.0.0.1:{port}")]);
    if transport == Transport::Plain {
        command.arg("--http");
    }
    let process = Process::start(&mut command, &folder.join("server.log"))?;
    let endpoint = Endpoint {
        port,
        host: format!("localhost:{port}"),
        base: "/dicom/v2".to_owned(),
        ready: "/readyz",
        ca: (transport == Transport::Tls).then(|| Path::new(data).join("tls/ca.pem")),
        client: Some(client),
    };
    Ok((process, endpoint))
}

/// A service client that may read and write, as in the article on registering one.
pub(crate) fn register(binary: &Path, data: &str) -> Result<Client> {
    let client = new_client(binary, data, "bench")?;
    output(
        binary,
        &["role", "assignment", "create", "--assignee", &client.id, "--role", "DICOM Data Owner"],
        data,
    )?;
    Ok(client)
}

/// A service client that may manage the directory: permissions of Microsoft Graph, with administrator's consent.
pub(crate) fn register_manager(binary: &Path, data: &str, name: &str) -> Result<Client> {
    let client = new_client(binary, data, name)?;
    let mut add =
        vec!["app", "permission", "add", "--id", &client.id, "--api", GRAPH_APP_ID, "--api-permissions"];
    let roles = GRAPH_ROLES.map(|id| format!("{id}=Role"));
    add.extend(roles.iter().map(String::as_str));
    output(binary, &add, data)?;
    output(binary, &["app", "permission", "admin-consent", "--id", &client.id], data)?;
    Ok(client)
}

/// A registration with a service principal and a secret.
fn new_client(binary: &Path, data: &str, name: &str) -> Result<Client> {
    let command = |line: &[&str]| output(binary, line, data);
    let init: Value =
        serde_json::from_str(&command(&["init"])?).context("the output of `init` is not JSON")?;
    let tenant = init.get("tenantId").and_then(Value::as_str).context("`init` gives no tenantId")?.to_owned();
    // Creating one of the same name again would update the one of an earlier run.
    let name = format!("{name} {}", std::process::id());
    let create = ["app", "create", "--display-name", &name, "--query", "appId", "-o", "tsv"];
    let id = command(&create)?;
    command(&["sp", "create", "--id", &id])?;
    let secret = command(&["app", "credential", "reset", "--id", &id, "--query", "password", "-o", "tsv"])?;
    Ok(Client { tenant, id, secret: hilum_kernel::Secret::new(secret) })
}

/// Runs a management command on a data directory; gives what it printed.
pub(crate) fn output(binary: &Path, line: &[&str], data: &str) -> Result<String> {
    let told = || format!("hilum {}", line.join(" "));
    let output = Command::new(binary).args(line).args(["--data", data]).output().with_context(told)?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}: {}", told(), output.status, errors.trim());
    Ok(String::from_utf8(output.stdout).with_context(told)?.trim().to_owned())
}
