//! The report: what was measured, as a table for people and as JSON for programs.

mod table;

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use hilum_kernel::Clock;
use serde::{Serialize, Serializer};

use crate::{
    limits::Limits,
    scenario::{Goal, Scenario},
    server::ServerKind,
    stats,
};

pub(crate) use table::Table;

/// The share of the plain figures that Hilum must keep with TLS.
const TLS_SHARE: f64 = 0.6;

/// The share of the durable write limit that stores aim at.
const WRITE_SHARE: f64 = 0.7;

/// The most memory that Hilum may take over all of a run.
const PEAK_MB: f64 = 150.0;

/// One round of one scenario on one server.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Figures {
    /// Requests answered as they must be.
    pub(crate) requests: u64,
    /// Requests in a second; instances for stores.
    pub(crate) units_per_second: f64,
    /// Bytes of bodies, both ways.
    pub(crate) mb_per_second: f64,
    /// Half of the requests took no longer.
    pub(crate) p50_ms: f64,
    /// 99 of 100 requests took no longer.
    pub(crate) p99_ms: f64,
    /// CPU time of the server.
    pub(crate) cpu_seconds: f64,
    /// CPU time of the server for each request; for each instance of stores.
    pub(crate) cpu_ms_per_unit: f64,
    /// The most memory that the server had resident.
    pub(crate) peak_mb: f64,
    /// What went wrong.
    pub(crate) failures: Vec<String>,
}

impl Figures {
    /// Medians over rounds; failures of all.
    pub(crate) fn median<'a>(rounds: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let of = |field: fn(&Self) -> f64| stats::median(rounds.clone().map(field));
        Self {
            requests: rounds.clone().map(|round| round.requests).sum(),
            units_per_second: of(|round| round.units_per_second),
            mb_per_second: of(|round| round.mb_per_second),
            p50_ms: of(|round| round.p50_ms),
            p99_ms: of(|round| round.p99_ms),
            cpu_seconds: of(|round| round.cpu_seconds),
            cpu_ms_per_unit: of(|round| round.cpu_ms_per_unit),
            peak_mb: rounds.clone().map(|round| round.peak_mb).fold(0.0, f64::max),
            failures: rounds.flat_map(|round| round.failures.iter().cloned()).collect(),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}/s, {:.1} MB/s, ", self.units_per_second, self.mb_per_second)?;
        write!(f, "p50 {:.2} ms, p99 {:.2} ms", self.p50_ms, self.p99_ms)?;
        if let Some(first) = self.failures.first() {
            write!(f, ", {} failures: {first}", self.failures.len())?;
        }
        Ok(())
    }
}

/// One scenario on all servers.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    id: &'static str,
    title: &'static str,
    concurrency: usize,
    stores: bool,
    #[serde(skip)]
    goal: Goal,
    /// Each round on each server, in the order of measuring.
    #[serde(serialize_with = "named")]
    pub(crate) rounds: Vec<(ServerKind, Figures)>,
    /// What was wrong with a server's answers.
    pub(crate) wrong: BTreeMap<String, String>,
}

fn named<S: Serializer>(rounds: &[(ServerKind, Figures)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rounds.iter().map(|(kind, figures)| (kind.to_string(), figures)))
}

/// How a server did in a row, against what it is held against.
#[derive(Debug, Clone, PartialEq)]
struct Verdict {
    ratio: Option<f64>,
    target: String,
    met: Option<bool>,
}

impl Row {
    /// A row without figures.
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            id: scenario.id,
            title: scenario.title,
            concurrency: scenario.concurrency,
            stores: scenario.stores(),
            goal: scenario.goal,
            rounds: Vec::new(),
            wrong: BTreeMap::new(),
        }
    }

    /// A server's rounds.
    pub(crate) fn rounds_of(&self, kind: ServerKind) -> impl Iterator<Item = &Figures> + Clone {
        self.rounds.iter().filter(move |(of, _)| *of == kind).map(|(_, figures)| figures)
    }

    fn servers(&self) -> Vec<ServerKind> {
        let mut kinds: Vec<ServerKind> = Vec::new();
        for (kind, _) in &self.rounds {
            if !kinds.contains(kind) {
                kinds.push(*kind);
            }
        }
        kinds
    }

    fn rate(&self, kind: ServerKind) -> Option<f64> {
        let rate = Figures::median(self.rounds_of(kind)).units_per_second;
        (rate > 0.0).then_some(rate)
    }

    fn verdict(&self, kind: ServerKind) -> Verdict {
        let rate = self.rate(kind);
        let ratio_to = |other| Some(rate? / self.rate(other)?);
        let right = !self.wrong.contains_key(&kind.to_string());
        let against = |ratio: Option<f64>, least: f64, target: String| Verdict {
            ratio,
            target,
            met: ratio.map(|ratio| right && ratio >= least),
        };
        match (kind, self.goal) {
            (ServerKind::Orthanc, _) => Verdict { ratio: None, target: String::new(), met: None },
            (ServerKind::HilumTls, _) => {
                against(ratio_to(ServerKind::Hilum), TLS_SHARE, format!("{TLS_SHARE} × plain"))
            }
            (ServerKind::Hilum, Goal::Ratio(least)) => {
                against(ratio_to(ServerKind::Orthanc), least, format!("{least} ×"))
            }
            (ServerKind::Hilum, Goal::PerSecond(least)) => {
                let met = rate.map(|rate| right && rate >= least);
                Verdict { ratio: None, target: format!("{least}/s"), met }
            }
            (ServerKind::Hilum, Goal::Correct) => Verdict {
                ratio: ratio_to(ServerKind::Orthanc),
                target: "finds it".to_owned(),
                met: Some(right),
            },
            (ServerKind::Hilum, Goal::None) => {
                Verdict { ratio: ratio_to(ServerKind::Orthanc), target: String::new(), met: None }
            }
        }
    }
}

/// All that came of a run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    /// When it ended, in UTC.
    time: String,
    seed: u64,
    instances: u64,
    /// What the machine can do.
    pub(crate) limits: Limits,
    /// How long filling took, in seconds.
    pub(crate) fills: Vec<(String, f64)>,
    /// The most memory of each server over all scenarios, in MB.
    pub(crate) peaks: Vec<(String, f64)>,
    /// CPU seconds of each server in a second in which nothing was asked, after the last scenario.
    pub(crate) idle: Vec<(String, f64)>,
    /// The scenarios.
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// A report without figures.
    pub(crate) fn new(seed: u64, instances: u64) -> Self {
        Self {
            time: String::new(),
            seed,
            instances,
            limits: Limits::default(),
            fills: Vec::new(),
            peaks: Vec::new(),
            idle: Vec::new(),
            rows: Vec::new(),
        }
    }

    fn figures(&self) -> Table {
        let mut table = Table::new(&[
            "scenario",
            "server",
            "ops/s",
            "MB/s",
            "p50 ms",
            "p99 ms",
            "CPU s",
            "CPU ms/op",
            "peak MB",
            "ratio",
            "at least",
            "met",
            "answers",
            "of write limit",
        ]);
        for row in &self.rows {
            for kind in row.servers() {
                table.push(self.line(row, kind));
            }
        }
        table
    }

    fn line(&self, row: &Row, kind: ServerKind) -> Vec<String> {
        let median = Figures::median(row.rounds_of(kind));
        let verdict = row.verdict(kind);
        let met = verdict.met.map_or("", |met| if met { "yes" } else { "NO" });
        let wrong = row.wrong.contains_key(&kind.to_string());
        let answers = match (wrong, median.failures.len()) {
            (false, 0) => "right".to_owned(),
            (true, 0) => "WRONG".to_owned(),
            (_, failures) => format!("{failures} FAILED"),
        };
        let limit = self.limits.durable_writes(row.id.starts_with("store/small"), row.concurrency);
        let share = median.units_per_second / limit;
        let share = if row.id.starts_with("store/") && share.is_finite() {
            format!("{:.0} % (aim {:.0} %)", share * 100.0, WRITE_SHARE * 100.0)
        } else {
            String::new()
        };
        vec![
            row.title.to_owned(),
            kind.to_string(),
            number(median.units_per_second),
            number(median.mb_per_second),
            format!("{:.2}", median.p50_ms),
            format!("{:.2}", median.p99_ms),
            format!("{:.2}", median.cpu_seconds),
            format!("{:.3}", median.cpu_ms_per_unit),
            format!("{:.0}", median.peak_mb),
            verdict.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            verdict.target,
            met.to_owned(),
            answers,
            share,
        ]
    }

    fn limits_table(&self) -> Table {
        let mut table = Table::new(&["limit", "per second"]);
        let optional = |value: Option<f64>| value.map_or_else(|| "not measured".to_owned(), number);
        let limits = &self.limits;
        table.push(vec![
            "527 KB files written and synced, one thread".into(),
            number(limits.durable_writes_one_thread),
        ]);
        table.push(vec!["the same, four threads".into(), number(limits.durable_writes_four_threads)]);
        table.push(vec!["10 KB files, four threads".into(), number(limits.durable_small_writes)]);
        table.push(vec!["nginx serving a 527 KB file, concurrency 4".into(), optional(limits.nginx_files)]);
        table.push(vec!["the same over TLS".into(), optional(limits.nginx_files_tls)]);
        table.push(vec!["RSA-2048 signatures, one core".into(), optional(limits.rsa_signatures)]);
        table.push(vec!["RSA-2048 verifications, one core".into(), optional(limits.rsa_verifications)]);
        table
    }
}

impl fmt::Display for Report {
    /// As Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Benchmark of {}\n", self.time)?;
        writeln!(
            f,
            "{} instances in the store before measuring (seed {}), {} processors. Medians of the rounds; peak memory \
             is the highest.\n",
            self.instances, self.seed, self.limits.processors
        )?;
        writeln!(f, "{}", self.figures())?;
        writeln!(f, "## Memory over all of it\n")?;
        for (server, peak) in &self.peaks {
            let goal = if server == "orthanc" { String::new() } else { format!(" (at most {PEAK_MB} MB)") };
            writeln!(f, "* {server}: {peak:.0} MB{goal}")?;
        }
        writeln!(f, "\n## CPU used while nothing is asked, after the last store (100 % is one core)\n")?;
        for (server, share) in &self.idle {
            writeln!(f, "* {server}: {:.1} %", share * 100.0)?;
        }
        writeln!(f, "\n## Limits of the machine, in this run\n\n{}", self.limits_table())?;
        if self.rows.iter().any(|row| !row.wrong.is_empty()) {
            writeln!(f, "## Wrong answers\n")?;
        }
        for row in &self.rows {
            for (server, what) in &row.wrong {
                writeln!(f, "* {} · {server}: {what}", row.title)?;
            }
        }
        Ok(())
    }
}

/// Prints the report and keeps it as Markdown and JSON. Gives the path of the Markdown.
pub(crate) fn publish(report: &Report, folder: &Path) -> Result<PathBuf> {
    let mut report = report.clone();
    report.time = hilum_kernel::SystemClock.now().to_string();
    let text = report.to_string();
    say(&format!("\n{text}"));
    keep(folder, &report.time, &text, &serde_json::to_vec_pretty(&report)?)
}

/// Writes a report's two forms.
pub(crate) fn keep(folder: &Path, time: &str, markdown: &str, json: &[u8]) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // "2026-01-02T03:04:05.678Z" without what file systems dislike, to the second.
    let name: String = time.chars().take(19).filter(char::is_ascii_alphanumeric).collect();
    let path = folder.join(format!("{name}.md"));
    fs::write(&path, markdown)?;
    fs::write(folder.join(format!("{name}.json")), json)?;
    say(&format!("kept in {}", path.display()));
    Ok(path)
}

/// A rate with as many digits as mean something.
pub(crate) fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// Tells the user.
#[expect(clippy::print_stdout, reason = "a command line tool speaks to its user")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests;
