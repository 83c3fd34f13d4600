//! `hilum-bench`: the benchmark's command line.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool speaks to its user")]

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};
use hilum_bench::{
    DirectoryOptions, GrowthOptions, RunOptions, ServerKind, SignInOptions,
    corpus::{self, Corpus},
};

#[derive(Parser)]
#[command(
    name = "hilum-bench",
    about = "Measures Hilum side by side with Orthanc's DICOMweb plugin",
    version
)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the scenarios on the servers in turn, and prints and keeps the table.
    Run {
        #[command(flatten)]
        common: Common,
        /// The servers to measure.
        #[arg(long, value_enum, value_delimiter = ',', default_value = "hilum,hilum-tls,orthanc")]
        servers: Vec<ServerKind>,
        /// Instances in the archives while searching and retrieving [default: 22000; 4000 with --quick].
        #[arg(long)]
        instances: Option<u64>,
    },
    /// Compares Hilum's latencies at several sizes of the archive.
    Growth {
        #[command(flatten)]
        common: Common,
        /// Sizes in instances, ascending.
        #[arg(long, value_delimiter = ',', default_value = "20000,1000000")]
        sizes: Vec<u64>,
        /// A folder with data directories already filled, PREFILLED/SIZE/data.
        #[arg(long)]
        prefilled: Option<PathBuf>,
    },
    /// Fills a directory and measures the Graph-compatible API on it.
    Directory {
        /// Registrations.
        #[arg(long, default_value_t = 10_000)]
        applications: u64,
        /// Users.
        #[arg(long, default_value_t = 100_000)]
        users: u64,
        /// Groups.
        #[arg(long, default_value_t = 1_000)]
        groups: u64,
        /// Requests of each measure.
        #[arg(long, default_value_t = 1_000)]
        requests: u64,
        /// Only measures whose name contains this.
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// A folder whose filled data directory is used again; it is filled when there is none.
        #[arg(long)]
        keep: Option<PathBuf>,
        /// The command under test.
        #[arg(long, default_value = "target/release/hilum")]
        hilum: PathBuf,
        /// Where the data are kept during the run.
        #[arg(long, default_value = "target/bench-data")]
        data: PathBuf,
        /// Where reports are kept.
        #[arg(long, default_value = "bench-results")]
        results: PathBuf,
    },
    /// Measures the grants on one core beside npm's oidc-provider, a storm of guesses, and many live refresh tokens.
    SignIn {
        /// Rounds of each row.
        #[arg(long, default_value_t = 3)]
        rounds: u64,
        /// Seconds of each round.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
        /// Live refresh tokens; 0 leaves them out.
        #[arg(long, default_value_t = 100_000)]
        live_tokens: u64,
        /// Only rows whose title contains this.
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// The folder of the Node clients, which have oidc-provider.
        #[arg(long, default_value = "clients/node")]
        peer: PathBuf,
        /// Hilum alone.
        #[arg(long)]
        alone: bool,
        /// The command under test.
        #[arg(long, default_value = "target/release/hilum")]
        hilum: PathBuf,
        /// Where the data are kept during the run.
        #[arg(long, default_value = "target/bench-data")]
        data: PathBuf,
        /// Where reports are kept.
        #[arg(long, default_value = "bench-results")]
        results: PathBuf,
    },
    /// Writes the beginning of the corpus into a folder.
    Corpus {
        /// The folder.
        #[arg(long)]
        out: PathBuf,
        /// What to write.
        #[arg(long, value_enum, default_value = "ct")]
        kind: Kind,
        /// How many instances.
        #[arg(long, default_value_t = 200)]
        instances: u64,
        /// What the corpus follows from.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

#[derive(Args)]
struct Common {
    /// A smoke test: one short round of each scenario.
    #[arg(long)]
    quick: bool,
    /// Only scenarios whose ID contains this, such as search/ or store/ct/c4.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Rounds of each scenario [default: 3; 1 with --quick].
    #[arg(long)]
    rounds: Option<u64>,
    /// Seconds of each round of searching and retrieving [default: 3; 1 with --quick].
    #[arg(long)]
    seconds: Option<u64>,
    /// What the corpus follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads of the load generator.
    #[arg(long, default_value_t = 1)]
    client_threads: usize,
    /// The command under test.
    #[arg(long, default_value = "target/release/hilum")]
    hilum: PathBuf,
    /// Where the servers keep their data during the run: a disk, not a file system in memory.
    #[arg(long, default_value = "target/bench-data")]
    data: PathBuf,
    /// Where reports are kept.
    #[arg(long, default_value = "bench-results")]
    results: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// 527 KB CT slices.
    Ct,
    /// 10 KB instances.
    Small,
    /// Objects of 100 frames, 52 MB.
    MultiFrame,
    /// Objects of 100 small frames, 3.3 MB.
    Cine,
    /// Slices compressed with JPEG 2000.
    J2k,
}

impl From<Kind> for corpus::Kind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Ct => Self::Ct,
            Kind::Small => Self::Small,
            Kind::MultiFrame => Self::MultiFrame,
            Kind::Cine => Self::Cine,
            Kind::J2k => Self::Jpeg2000,
        }
    }
}

impl Common {
    fn options(self, servers: Vec<ServerKind>, instances: Option<u64>) -> RunOptions {
        let (rounds, seconds, default_instances) = if self.quick { (1, 1, 4_000) } else { (3, 3, 22_000) };
        RunOptions {
            servers,
            quick: self.quick,
            only: self.only,
            instances: instances.unwrap_or(default_instances),
            seed: self.seed,
            rounds: self.rounds.unwrap_or(rounds).max(1),
            duration: Duration::from_secs(self.seconds.unwrap_or(seconds).max(1)),
            client_threads: self.client_threads.max(1),
            hilum: self.hilum,
            data: self.data,
            results: self.results,
        }
    }
}

fn main() -> ExitCode {
    match act(Line::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hilum-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn act(command: Command) -> Result<()> {
    match command {
        Command::Run { common, servers, instances } => {
            hilum_bench::run(&common.options(servers, instances))?;
        }
        Command::Growth { common, sizes, prefilled } => {
            let run = common.options(vec![ServerKind::Hilum], None);
            hilum_bench::growth(&GrowthOptions { sizes, prefilled, run })?;
        }
        Command::Directory { applications, users, groups, requests, only, keep, hilum, data, results } => {
            let requests = requests.max(1);
            hilum_bench::directory(&DirectoryOptions {
                applications,
                users,
                groups,
                requests,
                only,
                hilum,
                data,
                keep,
                results,
            })?;
        }
        Command::SignIn { rounds, seconds, live_tokens, only, peer, alone, hilum, data, results } => {
            hilum_bench::sign_in(&SignInOptions {
                rounds: rounds.max(1),
                duration: Duration::from_secs(seconds.max(1)),
                live_tokens,
                only,
                peer: (!alone).then_some(peer),
                hilum,
                data,
                results,
            })?;
        }
        Command::Corpus { out, kind, instances, seed } => {
            let bytes = corpus::write(&Corpus::new(seed), kind.into(), instances, &out)?;
            println!("{instances} instances, {bytes} bytes, in {}", out.display());
        }
    }
    Ok(())
}
