//! Logs and metrics of the process.
//!
//! Log lines are gathered in memory and written by one thread, so that no request waits for the terminal or the pipe
//! behind it; when nobody reads, lines are dropped and counted, and memory stays bounded.

use std::{
    io::{self, Write as _},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::config::{LogFormat, Telemetry};

/// How much waits for the writing thread at most. Beyond, lines are dropped.
const BUFFER_BYTES_MAX: usize = 1024 * 1024;
/// How late a line may be.
const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// Bounds of the latency histogram's buckets in seconds: a frame takes about a millisecond, a study a second.
const SECONDS: [f64; 14] =
    [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 10.0, 60.0];

/// Keeps the logs flowing; what was logged before its drop is written.
pub(crate) struct Logs(Arc<LogBuffer>);

impl Drop for Logs {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// Starts logging to standard error. Only the first call of a process has an effect.
pub(crate) fn start_logs(settings: &Telemetry) -> Result<Logs> {
    let filter = EnvFilter::try_new(&settings.log_level).context("telemetry.log_level")?;
    let buffer = Arc::new(LogBuffer::default());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Writer(Arc::clone(&buffer)));
    let first = match settings.log_format {
        LogFormat::Text => builder.with_ansi(false).try_init().is_ok(),
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).try_init().is_ok(),
    };
    if first {
        let buffer = Arc::clone(&buffer);
        std::thread::Builder::new()
            .name("logs".to_owned())
            .spawn(move || buffer.write_for_ever())
            .context("cannot start the logging thread")?;
    }
    Ok(Logs(buffer))
}

#[derive(Default)]
struct LogBuffer {
    waiting: Mutex<Waiting>,
    more: Condvar,
    /// Held while writing, so that lines keep their order.
    out: Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    text: Vec<u8>,
    dropped: u64,
}

impl LogBuffer {
    fn add(&self, line: &[u8]) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.text.len() + line.len() > BUFFER_BYTES_MAX {
            waiting.dropped += 1;
            return;
        }
        let first = waiting.text.is_empty();
        waiting.text.extend_from_slice(line);
        drop(waiting);
        if first {
            self.more.notify_one();
        }
    }

    fn write_for_ever(&self) {
        loop {
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            drop(self.more.wait_while(waiting, |waiting| waiting.text.is_empty()));
            // Company comes while we wait, and one system call serves all.
            std::thread::sleep(FLUSH_EVERY);
            self.flush();
        }
    }

    fn flush(&self) {
        let order = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut err = io::stderr().lock();
        let _ = err.write_all(&waiting.text);
        if waiting.dropped > 0 {
            let _ = writeln!(err, "{} log lines were dropped because nobody read them", waiting.dropped);
        }
        drop(order);
    }
}

#[derive(Clone)]
struct Writer(Arc<LogBuffer>);

impl io::Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.add(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Writer {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// Starts collecting metrics. `None` when the process collects them already.
pub(crate) fn start_metrics() -> Option<PrometheusHandle> {
    let latency = Matcher::Full(hilum_web::trace::HTTP_SECONDS.to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(latency, &SECONDS).ok()?;
    builder.install_recorder().ok()
}
