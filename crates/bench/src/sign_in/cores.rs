//! Who runs where: one core for the server that is measured, the others for who measures.

use std::{ffi::OsStr, process::Command, thread};

use anyhow::{Context, Result, ensure};

/// The core of the servers.
const SERVER: &str = "0";

/// A command that runs on the servers' core.
pub(super) fn on_one_core(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", SERVER]).arg(program);
    command
}

/// Keeps this process off that core, where there is another.
pub(super) fn stay_off() -> Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let Some(last) = cores.checked_sub(1).filter(|&last| last > 0) else { return Ok(()) };
    let own = std::process::id().to_string();
    let output = Command::new("taskset")
        .args(["-a", "-p", "-c", &format!("1-{last}"), &own])
        .output()
        .context("taskset is missing (Debian: util-linux)")?;
    ensure!(output.status.success(), "taskset: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
