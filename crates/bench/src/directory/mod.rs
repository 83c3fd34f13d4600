//! The directory at the size of a large organisation: how long `hilum apply` takes to fill it, and how fast the
//! Graph-compatible API lists, gets and creates then.
//!
//! Latencies are seen by a client on the same machine, so they are a little more than the server's own.

mod fill;
mod probes;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use hilum_kernel::Clock;

use crate::{
    load::{self, Shape},
    report::{self, Figures, Table, number, say},
    run,
    server::{Server, ServerKind},
};
use probes::Probe;

/// Connections at work at the same time.
const CONCURRENCY: [usize; 2] = [1, 4];
/// The longest that one measure may take.
const PROBE_MAX: Duration = Duration::from_mins(2);
/// The most memory that the server may take over all of the run.
const PEAK_MB: f64 = 150.0;
/// What applying the first thousand registrations may take.
const APPLY_SECONDS: f64 = 10.0;

/// How large, and how long.
#[derive(Debug, Clone)]
pub struct DirectoryOptions {
    /// Registrations, each with its service principal.
    pub applications: u64,
    /// Users.
    pub users: u64,
    /// Groups, of a hundred users each.
    pub groups: u64,
    /// Requests of each measure.
    pub requests: u64,
    /// Only measures whose name contains one of these.
    pub only: Vec<String>,
    /// The command under test.
    pub hilum: PathBuf,
    /// Where the data are kept during the run.
    pub data: PathBuf,
    /// A folder that holds, or gets, a filled data directory to be used again.
    pub keep: Option<PathBuf>,
    /// Where reports are kept.
    pub results: PathBuf,
}

/// One line of the table.
struct Line {
    title: &'static str,
    goal_ms: Option<f64>,
    concurrency: usize,
    figures: Figures,
}

impl Line {
    fn is_met(&self) -> bool {
        self.figures.failures.is_empty() && self.goal_ms.is_none_or(|goal| self.figures.p99_ms <= goal)
    }
}

/// Fills a directory, measures, prints the table and keeps it.
pub fn directory(options: &DirectoryOptions) -> Result<PathBuf> {
    run::prepare(&options.data)?;
    let own = tempfile::Builder::new().prefix("directory-").tempdir_in(&options.data)?;
    let folder = options.keep.as_deref().unwrap_or(own.path());
    let applied = fill::fill(options, folder)?;
    let server = Server::start_in(ServerKind::Hilum, &options.hilum, folder)?;
    let data = data_of(folder)?;
    let guide = server.as_manager(&options.hilum, &data, "bench guide")?;
    let mut lines = Vec::new();
    let mut peak_mb: f64 = server.process().peak_mb();
    for probe in probes::all(&server, &guide)? {
        if !options.only.is_empty() && !options.only.iter().any(|part| probe.title.contains(part.as_str())) {
            continue;
        }
        // Each with a caller of its own: one may not ask as much as all of them together (429).
        let target = server.as_manager(&options.hilum, &data, probe.title)?;
        for concurrency in CONCURRENCY {
            let figures = measure(&server, &target, &probe, concurrency, options.requests)?;
            say(&format!("{} · {concurrency}: {figures}", probe.title));
            peak_mb = peak_mb.max(figures.peak_mb);
            lines.push(Line { title: probe.title, goal_ms: probe.goal_ms, concurrency, figures });
        }
    }
    publish(options, &lines, applied, peak_mb)
}

fn measure(
    server: &Server,
    target: &load::Target,
    probe: &Probe,
    concurrency: usize,
    requests: u64,
) -> Result<Figures> {
    // No request is ever sent twice: creations would meet themselves.
    let base = u64::try_from(concurrency).unwrap_or(1) * 10_000_000;
    let feed = |n: u64| (n < requests).then(|| (probe.request)(base + n));
    let warm = |n: u64| (n < requests / 20 + 1).then(|| (probe.request)(base + 5_000_000 + n));
    let shape = Shape { concurrency, threads: 1, duration: PROBE_MAX };
    load::run(target, shape, &warm)?;
    server.process().forget_peak();
    let before = server.process().cpu_seconds();
    let outcome = load::run(target, shape, &feed)?;
    let cpu_seconds = server.process().cpu_seconds() - before;
    Ok(run::figures(outcome, 1, cpu_seconds, server.process().peak_mb()))
}

fn publish(
    options: &DirectoryOptions,
    lines: &[Line],
    applied: Option<Duration>,
    peak_mb: f64,
) -> Result<PathBuf> {
    let head =
        ["request", "clients", "p50 ms", "p99 ms", "at most", "per second", "CPU ms", "peak MB", "met"];
    let mut table = Table::new(&head);
    for line in lines {
        let Figures { p50_ms, p99_ms, units_per_second, cpu_ms_per_unit, peak_mb, failures, .. } =
            &line.figures;
        let met = match failures.first() {
            None if line.is_met() => "yes".to_owned(),
            None => "NO".to_owned(),
            Some(first) => format!("NO: {first}"),
        };
        table.push(vec![
            line.title.to_owned(),
            line.concurrency.to_string(),
            format!("{p50_ms:.2}"),
            format!("{p99_ms:.2}"),
            line.goal_ms.map(number).unwrap_or_default(),
            number(*units_per_second),
            format!("{cpu_ms_per_unit:.2}"),
            number(*peak_mb),
            met,
        ]);
    }
    let time = hilum_kernel::SystemClock.now().to_string();
    let DirectoryOptions { applications, users, groups, requests, .. } = options;
    let mut text = format!(
        "# Directory, measured on {time}\n\n{applications} applications, {users} users, {groups} groups; \
         {requests} requests of each kind.\n\n{table}\nPeak of the server's memory: {peak_mb:.0} MB (at most {PEAK_MB:.0}: {}).\n",
        word(peak_mb <= PEAK_MB),
    );
    if let Some(applied) = applied {
        let seconds = applied.as_secs_f64();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "`hilum apply` of the first 1,000 applications: {seconds:.1} s (at most {APPLY_SECONDS:.0}: {}).",
            word(seconds <= APPLY_SECONDS),
        );
    }
    say(&format!("\n{text}"));
    let rows: Vec<_> = lines.iter().map(|line| (line.title, line.concurrency, &line.figures)).collect();
    let json = serde_json::json!({ "time": time, "peak_mb": peak_mb, "rows": rows });
    let path = report::keep(&options.results, &time, &text, &serde_json::to_vec_pretty(&json)?)?;
    let failed = lines.iter().find(|line| !line.figures.failures.is_empty());
    ensure!(failed.is_none(), "requests failed: {}", failed.map_or("", |line| line.title));
    Ok(path)
}

fn word(met: bool) -> &'static str {
    if met { "met" } else { "NOT met" }
}

/// The data directory below a folder, as an argument.
fn data_of(folder: &Path) -> Result<String> {
    Ok(folder.join("data").to_str().context("the data directory's path is not UTF-8")?.to_owned())
}
