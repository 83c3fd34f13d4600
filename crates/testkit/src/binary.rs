//! The `hilum` command as a stranger uses it: a process with arguments, exit code and output.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use hilum::data_dir::{DataDir, RunningServer};
use tempfile::TempDir;

/// How long a server may take to start in a test.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// The command on a data directory of its own.
pub struct Binary {
    path: PathBuf,
    folder: TempDir,
}

/// What a command left.
#[derive(Debug)]
pub struct Output {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Binary {
    /// The command at this path (`env!("CARGO_BIN_EXE_hilum")`).
    pub fn at(path: &str) -> Self {
        Self { path: path.into(), folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder for files of the test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The command, ready for more arguments; the environment is empty but for the data directory.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("TZ", "UTC")
            .env("HILUM_DATA", self.data())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .args(arguments);
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        Output::of(self.command(arguments).output().expect("a process"))
    }

    /// Runs it with a text on standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let file = self.folder.path().join("input");
        std::fs::write(&file, input).expect("a file");
        let input = std::fs::File::open(&file).expect("a file");
        Output::of(self.command(arguments).stdin(input).output().expect("a process"))
    }

    /// Runs it, expecting success, and gives standard output without the last line end.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.code, 0, "{arguments:?}: {}", output.err);
        output.out.trim_end_matches('\n').to_owned()
    }

    /// Starts `hilum serve` on a free port and waits until it listens.
    pub fn serve(&self, arguments: &[&str]) -> Server {
        let log = self.folder.path().join("serve.log");
        let file = std::fs::File::create(&log).expect("a file");
        let mut child = self
            .command(&["serve", "--listen", "localhost:0"])
            .args(arguments)
            .stdout(file.try_clone().expect("a file"))
            .stderr(file)
            .spawn()
            .expect("a process");
        let data = DataDir::new(self.data());
        let started = Instant::now();
        loop {
            if let Some(running) = data.running_server().filter(|running| running.pid == child.id()) {
                return Server { child, running, log };
            }
            let ended = child.try_wait().expect("a process").is_some();
            assert!(
                !ended && started.elapsed() < START_TIMEOUT,
                "the server did not start: {}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Output {
    fn of(output: std::process::Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A server process; killed when dropped.
pub struct Server {
    child: Child,
    running: RunningServer,
    log: PathBuf,
}

impl Server {
    /// What it announced.
    pub fn announced(&self) -> &RunningServer {
        &self.running
    }

    /// Asks it to end with SIGTERM and waits; gives the exit code and everything it wrote.
    pub fn terminate(mut self) -> (i32, String) {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().expect("kill");
        let status = self.child.wait().expect("a process");
        (status.code().unwrap_or(-1), std::fs::read_to_string(&self.log).unwrap_or_default())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
