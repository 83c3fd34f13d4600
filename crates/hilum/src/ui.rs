//! What people see: the only place that writes to standard output and standard error.

use std::{
    io::{IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// A line on standard output. A reader that has gone away (`| head`) is no error.
pub(crate) fn line(text: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    let _ = out
        .write_all(text.as_ref().as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
}

/// Standard output for results that come in parts. A reader that has gone away is no error here either.
pub(crate) struct Output;

impl std::io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match std::io::stdout().lock().write_all(bytes) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match std::io::stdout().lock().flush() {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}

/// Counts things under way on a terminal's standard error; elsewhere, and when it is dropped, nothing is left of it.
pub(crate) struct Counter {
    bar: ProgressBar,
    name: &'static str,
}

impl Counter {
    pub(crate) fn start(name: &'static str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = if terminal { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, name }
    }

    pub(crate) fn set(&self, count: usize) {
        self.bar.set_message(format!("{count} {}", self.name));
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A line on standard error: what is not the command's result.
pub(crate) fn note(text: impl AsRef<str>) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_ref().as_bytes()).and_then(|()| err.write_all(b"\n"));
}

/// Long work, step by step: a spinner or bar on a terminal, one line per finished step elsewhere.
pub(crate) struct Steps {
    terminal: bool,
    started: Instant,
}

/// One step under way. Dropped without [`Step::done`], it leaves nothing.
pub(crate) struct Step {
    bar: ProgressBar,
    name: String,
    started: Instant,
    steps_terminal: bool,
}

impl Steps {
    pub(crate) fn start() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), started: Instant::now() }
    }

    /// Begins a step; `total` makes it a bar.
    pub(crate) fn step(&self, name: &str, total: Option<u64>) -> Step {
        let bar = if self.terminal { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Some(total) = total {
            bar.set_length(total);
            let template = "{spinner} {msg:46} [{bar:24}] {pos}/{len}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
        }
        bar.set_message(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Step { bar, name: name.to_owned(), started: Instant::now(), steps_terminal: self.terminal }
    }

    /// Time since the first step began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Step {
    /// One more of the bar's units.
    pub(crate) fn advance(&self) {
        self.bar.inc(1);
    }

    /// Finished: prints name, time taken and what came out.
    pub(crate) fn done(self, outcome: &str) {
        self.bar.finish_and_clear();
        let mark = if self.steps_terminal { "✓" } else { "ok" };
        line(format!("{mark} {:<54} {:>9}  {outcome}", self.name, human(self.started.elapsed())));
    }

    /// Failed: prints name, time taken and why.
    pub(crate) fn failed(self, why: &str) {
        self.bar.finish_and_clear();
        line(format!("FAILED {:<50} {:>9}  {why}", self.name, human(self.started.elapsed())));
    }
}

/// A duration as people read it.
pub(crate) fn human(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.2} s", duration.as_secs_f64())
    }
}
