//! One run: start the servers, fill them with the same corpus, measure each scenario on one after the other in
//! alternating rounds, and report medians.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Result, ensure};

use crate::{
    limits::Limits,
    load::{self, Outcome, Shape},
    report::{self, Figures, Report, Row, say},
    scenario::{self, Amount, Library, Scenario, Volume},
    server::Server,
    stats::{self, float},
};

pub use crate::server::ServerKind;

/// The longest that a run of a fixed number of requests may take.
const RUN_MAX: Duration = Duration::from_mins(2);

/// Servers get this long to finish what they do after the last answer, and are then watched as long.
const REST: Duration = Duration::from_secs(5);

/// What to run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The servers, measured in this order.
    pub servers: Vec<ServerKind>,
    /// A smoke test of a few minutes: one short round of each scenario.
    pub quick: bool,
    /// Only scenarios whose ID contains one of these.
    pub only: Vec<String>,
    /// How many instances the archives hold while searching and retrieving.
    pub instances: u64,
    /// What the corpus follows from.
    pub seed: u64,
    /// Rounds of each scenario.
    pub rounds: u64,
    /// How long each round of searching and retrieving is.
    pub duration: Duration,
    /// Threads of the load generator.
    pub client_threads: usize,
    /// The command under test.
    pub hilum: PathBuf,
    /// Where the servers keep their data for the time of the run: a disk, not a file system in memory.
    pub data: PathBuf,
    /// Where reports are kept.
    pub results: PathBuf,
}

/// Runs the benchmark, prints the table and keeps it. Gives the path of the Markdown report.
pub fn run(options: &RunOptions) -> Result<PathBuf> {
    ensure!(!options.servers.is_empty(), "no server is chosen");
    std::fs::create_dir_all(&options.data)?;
    let library = Arc::new(Library::mixed(options.seed, options.instances));
    let volume = if options.quick { Volume::Quick } else { Volume::Full };
    let scenarios = chosen(&library, volume, &options.only)?;
    let mut report = Report::new(options.seed, library.instances());

    say("measuring the machine's limits");
    report.limits = Limits::measure(&options.data, options.client_threads)?;
    let mut servers = Vec::new();
    for &kind in &options.servers {
        servers.push(start(kind, options, &library, &mut report)?);
    }
    for scenario in &scenarios {
        report.rows.push(measure_row(scenario, &mut servers, &Run { options, library: &library }));
    }
    for server in &servers {
        let peaks = report.rows.iter().flat_map(|row| row.rounds_of(server.kind)).map(|round| round.peak_mb);
        let peak = peaks.fold(0.0, f64::max);
        if let Some(so_far) = report.peaks.iter_mut().find(|(name, _)| *name == server.kind.to_string()) {
            so_far.1 = so_far.1.max(peak);
        }
    }
    report.idle = idle(&servers);
    drop(servers);
    report::publish(&report, &options.results)
}

fn chosen(library: &Arc<Library>, volume: Volume, only: &[String]) -> Result<Vec<Scenario>> {
    let mut scenarios = scenario::all(library, volume);
    scenarios
        .retain(|scenario| only.is_empty() || only.iter().any(|part| scenario.id.contains(part.as_str())));
    ensure!(!scenarios.is_empty(), "no scenario's ID contains {only:?}");
    Ok(scenarios)
}

fn start(kind: ServerKind, options: &RunOptions, library: &Library, report: &mut Report) -> Result<Server> {
    let server = Server::start(kind, &options.hilum, &options.data)?;
    let before = std::time::Instant::now();
    let outcomes = library.fill(&server, options.client_threads)?;
    let seconds = before.elapsed().as_secs_f64();
    let megabytes = float(outcomes.iter().map(|outcome| outcome.body_bytes).sum()) / 1e6;
    say(&format!("{kind}: {} instances ({megabytes:.0} MB) stored in {seconds:.1} s", library.instances()));
    report.fills.push((kind.to_string(), seconds));
    report.peaks.push((kind.to_string(), server.process().peak_mb()));
    Ok(server)
}

/// What all rows of a run need.
struct Run<'a> {
    options: &'a RunOptions,
    library: &'a Library,
}

fn measure_row(scenario: &Scenario, servers: &mut [Server], run: &Run<'_>) -> Row {
    let mut row = Row::new(scenario);
    for round in 0..run.options.rounds {
        // Every other round goes the other way round, so that neither always runs on the warmer machine.
        let order: Vec<usize> =
            if round % 2 == 0 { (0..servers.len()).collect() } else { (0..servers.len()).rev().collect() };
        for at in order {
            let Some(server) = servers.get_mut(at) else { continue };
            if let Err(error) = measure_round(scenario, server, round, run, &mut row) {
                // The other rows are worth having all the same.
                say(&format!("{} · {}: {error:#}", scenario.id, server.kind));
                row.wrong.insert(server.kind.to_string(), format!("{error:#}"));
            }
        }
    }
    row
}

fn measure_round(
    scenario: &Scenario,
    server: &mut Server,
    round: u64,
    run: &Run<'_>,
    row: &mut Row,
) -> Result<()> {
    server.renew_token()?;
    if let Some(figures) = measure(scenario, server, round, run.options)? {
        say(&format!("{} · {} · round {}: {figures}", scenario.id, server.kind, round + 1));
        row.rounds.push((server.kind, figures));
    }
    if scenario.stores() || round == 0 {
        scenario.check(server, round, run.library)?;
    }
    Ok(())
}

/// How much each server does while nobody asks anything.
fn idle(servers: &[Server]) -> Vec<(String, f64)> {
    std::thread::sleep(REST);
    let before: Vec<f64> = servers.iter().map(|server| server.process().cpu_seconds()).collect();
    std::thread::sleep(REST);
    let share = |(server, before): (&Server, f64)| {
        (server.kind.to_string(), (server.process().cpu_seconds() - before) / REST.as_secs_f64())
    };
    servers.iter().zip(before).map(share).collect()
}

/// One scenario, one server, one round; `None` where the server has nothing of the kind.
pub(crate) fn measure(
    scenario: &Scenario,
    server: &Server,
    round: u64,
    options: &RunOptions,
) -> Result<Option<Figures>> {
    if scenario.work.request(server, round, 0).is_none() {
        return Ok(None);
    }
    let feed = |n| scenario.work.request(server, round, n);
    let shape =
        |duration| Shape { concurrency: scenario.concurrency, threads: options.client_threads, duration };
    let duration = match scenario.amount {
        Amount::Time => options.duration,
        Amount::Requests(_) => RUN_MAX,
    };
    if round == 0 && scenario.amount == Amount::Time {
        load::run(server.target(), shape(options.duration / 4), &feed)?;
    }
    server.process().forget_peak();
    let before = server.process().cpu_seconds();
    let outcome = load::run(server.target(), shape(duration), &feed)?;
    let cpu_seconds = server.process().cpu_seconds() - before;
    Ok(Some(figures(outcome, scenario.units_per_request, cpu_seconds, server.process().peak_mb())))
}

/// What one run comes to.
pub(crate) fn figures(outcome: Outcome, units_per_request: u64, cpu_seconds: f64, peak_mb: f64) -> Figures {
    let requests = u64::try_from(outcome.latencies_us.len()).unwrap_or_default();
    let units = float(requests * units_per_request);
    let seconds = outcome.elapsed.as_secs_f64().max(f64::EPSILON);
    let milliseconds =
        |thousandths| f64::from(stats::percentile(&outcome.latencies_us, thousandths)) / 1000.0;
    Figures {
        requests,
        units_per_second: units / seconds,
        mb_per_second: float(outcome.body_bytes) / 1e6 / seconds,
        p50_ms: milliseconds(500),
        p99_ms: milliseconds(990),
        cpu_seconds,
        cpu_ms_per_unit: cpu_seconds * 1000.0 / units.max(1.0),
        peak_mb,
        failures: outcome.failures,
    }
}

/// Whether a folder can hold the benchmark's data; used before a long run.
pub(crate) fn prepare(folder: &Path) -> Result<()> {
    Ok(std::fs::create_dir_all(folder)?)
}
