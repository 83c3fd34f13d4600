//! How cost grows with the archive: the same small-instance scenarios on Hilum at several sizes.
//!
//! An archive of a million instances takes too long to fill over HTTP. So a folder may hold archives that something
//! else filled with the same corpus (`Library::small`: set 0 of [`crate::corpus::Kind::Small`], from index 0 on, of the
//! same seed): `PREFILLED/20000/data` and so on, each a data directory of Hilum. They are measured in place.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Result, ensure};
use hilum_kernel::Clock;

use crate::{
    report::{self, Figures, Table, number, say},
    run::{self, RunOptions, ServerKind},
    scenario::{self, Library, Volume},
    server::Server,
};

/// Latencies at the largest size stay within this multiple of those at the smallest.
const GROWTH_MAX: f64 = 1.5;

/// What to measure.
#[derive(Debug, Clone)]
pub struct GrowthOptions {
    /// Sizes of the archive, in instances.
    pub sizes: Vec<u64>,
    /// Where archives are that need not be filled.
    pub prefilled: Option<PathBuf>,
    /// Rounds, times and places, as of a side-by-side run.
    pub run: RunOptions,
}

/// Latencies of one scenario at every size.
struct Growth {
    title: &'static str,
    figures: Vec<Figures>,
}

/// Measures each size, prints the comparison and keeps it.
pub fn growth(options: &GrowthOptions) -> Result<PathBuf> {
    run::prepare(&options.run.data)?;
    let mut rows: Vec<Growth> = Vec::new();
    let mut wrong = Vec::new();
    for &size in &options.sizes {
        let mut library = Library::small(options.run.seed, size);
        // An archive may be measured more than once: stores must be new each time.
        // Seconds of the last eleven days: longer numbers would not fit the attributes that carry them.
        library.first_store_set =
            u64::try_from(hilum_kernel::SystemClock.now_ms() / 1000 % 1_000_000).unwrap_or(1);
        let library = Arc::new(library);
        let mut server = start(options, &library, size)?;
        let mut scenarios =
            scenario::all(&library, if options.run.quick { Volume::Quick } else { Volume::Full });
        let only = &options.run.only;
        scenarios.retain(|scenario| {
            scenario.id != "token/client-credentials" && !scenario.id.starts_with("store/ct")
        });
        scenarios.retain(|scenario| {
            only.is_empty() || only.iter().any(|part| scenario.id.contains(part.as_str()))
        });
        for scenario in &scenarios {
            let mut rounds = Vec::new();
            for round in 0..options.run.rounds {
                server.renew_token()?;
                rounds.extend(run::measure(scenario, &server, round, &options.run)?);
            }
            let median = Figures::median(rounds.iter());
            say(&format!("{size} instances · {}: {median}", scenario.id));
            // The other rows are worth having all the same; the run fails at its end.
            if let Err(error) = scenario.check(&server, options.run.rounds - 1, &library) {
                wrong.push(format!("{} at {size}: {error:#}", scenario.id));
            }
            match rows.iter_mut().find(|row| row.title == scenario.title) {
                Some(row) => row.figures.push(median),
                None => rows.push(Growth { title: scenario.title, figures: vec![median] }),
            }
        }
    }
    let report = publish(options, &rows)?;
    ensure!(wrong.is_empty(), "wrong answers: {}", wrong.join("; "));
    Ok(report)
}

fn start(options: &GrowthOptions, library: &Library, size: u64) -> Result<Server> {
    let hilum: &Path = &options.run.hilum;
    if let Some(prefilled) = &options.prefilled {
        return Server::start_in(ServerKind::Hilum, hilum, &prefilled.join(size.to_string()));
    }
    let server = Server::start(ServerKind::Hilum, hilum, &options.run.data)?;
    library.fill(&server, options.run.client_threads)?;
    Ok(server)
}

fn publish(options: &GrowthOptions, rows: &[Growth]) -> Result<PathBuf> {
    let mut head = vec!["scenario".to_owned(), "figure".to_owned()];
    head.extend(options.sizes.iter().map(|size| format!("{size} instances")));
    head.extend(["growth".to_owned(), "at most".to_owned(), "met".to_owned()]);
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let mut table = Table::new(&head);
    for row in rows {
        table.push(line(row, "p50 ms", |figures| figures.p50_ms));
        table.push(line(row, "p99 ms", |figures| figures.p99_ms));
    }
    let time = hilum_kernel::SystemClock.now().to_string();
    let text = format!("# Growth, measured on {time}\n\n{table}");
    say(&format!("\n{text}"));
    let figures: Vec<_> = rows.iter().map(|row| (row.title, &row.figures)).collect();
    let json = serde_json::json!({ "time": time, "sizes": options.sizes, "rows": figures });
    report::keep(&options.run.results, &time, &text, &serde_json::to_vec_pretty(&json)?)
}

/// The target is of the median; the 99th percentile is shown, not judged.
fn line(row: &Growth, name: &str, figure: fn(&Figures) -> f64) -> Vec<String> {
    let values: Vec<f64> = row.figures.iter().map(figure).collect();
    let growth = match (values.first(), values.last()) {
        (Some(first), Some(last)) if *first > 0.0 => last / first,
        _ => 0.0,
    };
    let judged = name.starts_with("p50");
    let mut line = vec![row.title.to_owned(), name.to_owned()];
    line.extend(values.iter().map(|value| format!("{value:.3}")));
    line.push(number(growth));
    line.push(if judged { format!("{GROWTH_MAX} ×") } else { String::new() });
    line.push(if !judged {
        String::new()
    } else if growth <= GROWTH_MAX {
        "yes".into()
    } else {
        "NO".into()
    });
    line
}
