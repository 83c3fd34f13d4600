//! A server as a child process: started, watched through `/proc`, and ended with the benchmark.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};

use crate::stats;

/// Linux counts CPU time in hundredths of a second on every architecture that it still supports (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// A running child process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts the command; what it prints goes to the log file.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let out = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self { child })
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// User and system time of all its threads so far, in seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = self.read("stat");
        // proc(5): the second field is the program's name in parentheses and may hold anything; utime and stime are
        // the 14th and 15th.
        let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
        let ticks: u64 =
            fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        stats::float(ticks) / TICKS_PER_SECOND
    }

    /// The most memory it had resident since the last [`Process::forget_peak`], in MB.
    pub(crate) fn peak_mb(&self) -> f64 {
        let status = self.read("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: u64 = line
            .and_then(|line| line.split_whitespace().next())
            .and_then(|number| number.parse().ok())
            .unwrap_or_default();
        stats::float(kib) * 1.024 / 1000.0
    }

    /// Begins a new measure of the peak (proc(5), `clear_refs`). Where that is refused, peaks only grow.
    pub(crate) fn forget_peak(&self) {
        drop(fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5"));
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap_or_default()
    }
}

impl Process {
    /// Ends it at once, without a chance to tidy up.
    pub(crate) fn end(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// A port that is free now. Another program may take it before the server does: then the server does not get ready,
/// and says why in its log.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_watched_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "i=0; while :; do i=$((i+1)); done"]);
        let mut process = Process::start(&mut command, &folder.path().join("log")).unwrap();
        let started = std::time::Instant::now();
        while process.cpu_seconds() < 0.02 {
            assert!(started.elapsed().as_secs() < 60, "the child used no CPU");
            std::thread::yield_now();
        }
        assert!(process.runs());
        assert!(process.peak_mb() > 0.1);
        let proc = format!("/proc/{}", process.child.id());
        drop(process);
        assert!(!Path::new(&proc).exists());
    }
}
