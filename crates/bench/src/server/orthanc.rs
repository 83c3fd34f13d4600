//! Orthanc with its DICOMweb plugin, as Debian packages them, with durable settings.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{Endpoint, Process, free_port};

const PLUGIN: &str = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so";

/// Starts Orthanc on an empty folder.
pub(super) fn start(folder: &Path) -> Result<(Process, Endpoint)> {
    ensure!(Path::new(PLUGIN).exists(), "{PLUGIN} is missing: apt-get install orthanc orthanc-dicomweb");
    let port = free_port()?;
    let configuration = folder.join("orthanc.json");
    fs::write(&configuration, serde_json::to_vec_pretty(&settings(folder, port))?)?;
    let mut command = Command::new(program());
    command.arg(&configuration);
    let process =
        Process::start(&mut command, &folder.join("server.log")).context("is Orthanc installed?")?;
    let endpoint = Endpoint {
        port,
        host: format!("127.0.0.1:{port}"),
        base: "/dicom-web".to_owned(),
        ready: "/dicom-web/studies?limit=1",
        ca: None,
        client: None,
    };
    Ok((process, endpoint))
}

/// Durable, open, and otherwise as fast as the documentation says: no compression, kept-alive connections, threads
/// for every connection of the scenarios, no DIMSE listener.
fn settings(folder: &Path, port: u16) -> serde_json::Value {
    json!({
        "Name": "hilum-bench",
        "StorageDirectory": folder.join("storage"),
        "IndexDirectory": folder.join("index"),
        "StorageCompression": false,
        "SyncStorageArea": true,
        "HttpPort": port,
        "HttpThreadsCount": 32,
        "HttpCompressionEnabled": false,
        "KeepAlive": true,
        "TcpNoDelay": true,
        "RemoteAccessAllowed": false,
        "AuthenticationEnabled": false,
        "DicomServerEnabled": false,
        "DefaultEncoding": "Utf8",
        "Plugins": [PLUGIN],
        "DicomWeb": { "Enable": true, "Root": "/dicom-web/", "EnableWado": false },
    })
}

/// Debian keeps it in `/usr/sbin`, which is not on everybody's path.
fn program() -> PathBuf {
    let debian = PathBuf::from("/usr/sbin/Orthanc");
    if debian.exists() { debian } else { PathBuf::from("Orthanc") }
}
