//! What was measured, for people and for programs.

use std::{
    fmt::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use hilum_kernel::Clock;
use serde::Serialize;

use super::{sessions::Sessions, storm, storm::Storm};
use crate::report::{Figures, Table, keep, number, say};

/// How many times as fast as `oidc-provider` Hilum has to be.
const RATIO: f64 = 5.0;
/// How many times its quiet 99th percentile a token may take in the storm.
const STORM_RATIO: f64 = 3.0;
/// What many live refresh tokens may cost.
const MEMORY_MB: f64 = 150.0;
const RESTART_SECONDS: f64 = 2.0;

/// All of a run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    time: String,
    /// The version of `oidc-provider`, if it was there.
    peer: Option<String>,
    pub(super) rows: Vec<Row>,
    pub(super) storm: Option<Storm>,
    pub(super) sessions: Option<Sessions>,
}

/// One grant on all servers.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    title: &'static str,
    goal: f64,
    pub(super) rounds: Vec<(&'static str, Figures)>,
}

impl Row {
    pub(super) const fn new(title: &'static str, goal: f64) -> Self {
        Self { title, goal, rounds: Vec::new() }
    }

    fn of(&self, server: &str) -> Figures {
        let rounds = self.rounds.iter().filter(|(name, _)| *name == server);
        Figures::median(rounds.map(|(_, figures)| figures))
    }

    /// How many times as fast as `oidc-provider` Hilum was; the median of the rounds' ratios, for each round's two
    /// figures were taken one after the other.
    fn ratio(&self) -> Option<f64> {
        let of = |server| self.rounds.iter().filter(move |(name, _)| *name == server);
        let ratios: Vec<f64> = of("hilum")
            .zip(of("oidc-provider"))
            .map(|((_, ours), (_, theirs))| ours.units_per_second / theirs.units_per_second.max(f64::EPSILON))
            .collect();
        (!ratios.is_empty()).then(|| crate::stats::median(ratios))
    }

    fn push_to(&self, table: &mut Table, has_peer: bool) {
        let hilum = self.of("hilum");
        let ratio = self.ratio();
        let met = hilum.failures.is_empty()
            && hilum.units_per_second >= self.goal
            && ratio.is_none_or(|ratio| ratio >= RATIO);
        let line = |server: &str, figures: &Figures, rest: [String; 3]| {
            let mut cells = vec![self.title.to_owned(), server.to_owned(), number(figures.units_per_second)];
            cells.push(format!("{:.2}", figures.p50_ms));
            cells.push(format!("{:.2}", figures.p99_ms));
            cells.push(format!("{:.3}", figures.cpu_ms_per_unit));
            cells.extend(rest);
            cells
        };
        let target = format!("{}/s, {RATIO} ×", number(self.goal));
        let verdict =
            hilum.failures.first().map_or_else(|| word(met).to_owned(), |first| format!("NO: {first}"));
        let shown = ratio.map_or_else(String::new, number);
        table.push(line("hilum", &hilum, [shown, target, verdict]));
        if has_peer {
            let peer = self.of("oidc-provider");
            let failure = peer.failures.first().cloned().unwrap_or_default();
            table.push(line("oidc-provider", &peer, [String::new(), String::new(), failure]));
        }
    }
}

impl Report {
    pub(super) fn new(peer: Option<String>) -> Self {
        let time = hilum_kernel::SystemClock.now().to_string();
        Self { time, peer, rows: Vec::new(), storm: None, sessions: None }
    }

    /// Prints and keeps it. Gives the path of the Markdown.
    pub(super) fn publish(&self, folder: &Path) -> Result<PathBuf> {
        let text = self.to_string();
        say(&format!("\n{text}"));
        let path = keep(folder, &self.time, &text, &serde_json::to_vec_pretty(self)?)?;
        let failed = self.rows.iter().find(|row| !row.of("hilum").failures.is_empty());
        ensure!(failed.is_none(), "requests failed: {}", failed.map_or("", |row| row.title));
        Ok(path)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Signing in, measured on {}\n", self.time)?;
        writeln!(f, "One core for the server, kept-alive, RS256, medians of the rounds.")?;
        if let Some(version) = &self.peer {
            writeln!(f, "oidc-provider {version} keeps everything in memory; Hilum's answers are durable.")?;
        }
        if !self.rows.is_empty() {
            let head =
                ["grant", "server", "per second", "p50 ms", "p99 ms", "CPU ms", "ratio", "at least", "met"];
            let mut table = Table::new(&head);
            self.rows.iter().for_each(|row| row.push_to(&mut table, self.peer.is_some()));
            writeln!(f, "\n{table}")?;
        }
        if let Some(storm) = &self.storm {
            f.write_str(&described_storm(storm)?)?;
        }
        if let Some(sessions) = &self.sessions {
            f.write_str(&described_sessions(sessions)?)?;
        }
        Ok(())
    }
}

fn described_storm(storm: &Storm) -> Result<String, fmt::Error> {
    let (quiet, stormy) = (Figures::median(storm.quiet.iter()), Figures::median(storm.stormy.iter()));
    let mut text = String::new();
    let (guessers, clients) = (storm::GUESSERS, storm::CONCURRENCY);
    writeln!(text, "\n## Tokens while {guessers} guess passwords, {clients} clients\n")?;
    for (name, figures) in [("quiet", &quiet), ("storm", &stormy)] {
        writeln!(text, "* {name}: {figures}")?;
    }
    let ratio = storm.ratio();
    writeln!(
        text,
        "* p99 in the storm: {ratio:.1} times the quiet one (at most {STORM_RATIO}: {})",
        met(ratio <= STORM_RATIO)
    )?;
    writeln!(
        text,
        "* {} passwords hashed in {:.0} s; {} guesses answered otherwise",
        storm.hashes, storm.seconds, storm.others
    )?;
    Ok(text)
}

fn described_sessions(sessions: &Sessions) -> Result<String, fmt::Error> {
    let mut text = String::new();
    let Sessions {
        live,
        filled_per_second,
        filling_mb,
        restart_seconds,
        using_mb,
        used_per_second,
        failures,
    } = sessions;
    writeln!(text, "\n## {live} live refresh tokens\n")?;
    writeln!(
        text,
        "* made by {filled_per_second:.0} code flows a second; the server's memory at its peak: {filling_mb:.0} MB"
    )?;
    writeln!(
        text,
        "* killed and started again: {restart_seconds:.2} s to the first refreshed token (at most {RESTART_SECONDS}: {})",
        met(*restart_seconds <= RESTART_SECONDS)
    )?;
    let peak = filling_mb.max(*using_mb);
    writeln!(
        text,
        "* used from all over, {used_per_second:.0} a second; memory at its peak: {using_mb:.0} MB (over all at most \
         {MEMORY_MB}: {})",
        met(peak <= MEMORY_MB)
    )?;
    if let Some(first) = failures.first() {
        writeln!(text, "* {} failures: {first}", failures.len())?;
    }
    Ok(text)
}

fn met(met: bool) -> &'static str {
    if met { "met" } else { "NOT met" }
}

fn word(met: bool) -> &'static str {
    if met { "yes" } else { "NO" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(units_per_second: f64, p99_ms: f64) -> Figures {
        Figures { requests: 10, units_per_second, p99_ms, ..Figures::default() }
    }

    fn row(ours: [f64; 3], theirs: [f64; 3]) -> Row {
        let mut row = Row::new("refresh", 1000.0);
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            row.rounds.push(("hilum", figures(ours, 1.0)));
            row.rounds.push(("oidc-provider", figures(theirs, 1.0)));
        }
        row
    }

    #[test]
    fn the_ratio_is_of_rounds_that_belong_together() {
        let ratio = row([1000.0, 2000.0, 600.0], [200.0, 200.0, 100.0]).ratio().unwrap();
        assert!((ratio - 6.0).abs() < 1e-9, "{ratio}");
        assert_eq!(Row::new("refresh", 1.0).ratio(), None);
    }

    #[test]
    fn a_row_is_met_by_both_figures() {
        let verdict = |row: &Row| {
            let mut table = Table::new(&["grant", "server", "", "", "", "", "ratio", "at least", "met"]);
            row.push_to(&mut table, true);
            table.to_string().contains("| yes ")
        };
        assert!(verdict(&row([1000.0; 3], [200.0; 3])));
        assert!(!verdict(&row([1000.0; 3], [201.0; 3])));
        assert!(!verdict(&row([999.0; 3], [10.0; 3])));
    }

    #[test]
    fn the_storm_is_held_against_the_quiet() {
        let storm = Storm {
            quiet: vec![figures(1.0, 2.0), figures(1.0, 4.0)],
            stormy: vec![figures(1.0, 9.0)],
            ..Storm::default()
        };
        assert!((storm.ratio() - 3.0).abs() < 1e-9);
        assert!(described_storm(&storm).unwrap().contains("3.0 times the quiet one (at most 3: met)"));
    }
}
