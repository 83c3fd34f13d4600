//! `cargo xtask test`: everything CI runs, in the order in which failures are cheapest to learn of.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::counts::{Counts, Runner};
use crate::fuzz;
use crate::process::{cargo, must, output_of, path_with, root, shown, succeeds, target_dir, watched};
use crate::services::{self, Services};
use crate::tools::{self, Clients};

/// The parts that can be asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Unit,
    Clients,
    Fuzz,
}

/// What was asked for on the command line.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    parts: Vec<Which>,
    fast: bool,
    fuzz_seconds: u32,
}

impl Plan {
    fn parse(args: &[String]) -> Result<Self> {
        let mut plan = Self { parts: Vec::new(), fast: false, fuzz_seconds: fuzz::SECONDS };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "unit" => plan.parts.push(Which::Unit),
                "clients" => plan.parts.push(Which::Clients),
                "fuzz" => plan.parts.push(Which::Fuzz),
                "--fast" => plan.fast = true,
                "--fuzz-seconds" => {
                    plan.fuzz_seconds = args.next().context("--fuzz-seconds needs a number")?.parse()?;
                }
                other => bail!(
                    "`test` does not know {other:?}; it knows unit, clients, fuzz, --fast, --fuzz-seconds"
                ),
            }
        }
        if plan.parts.is_empty() {
            plan.parts = vec![Which::Unit, Which::Clients];
            if !plan.fast {
                plan.parts.push(Which::Fuzz);
            }
        }
        Ok(plan)
    }

    fn has(&self, which: Which) -> bool {
        self.parts.contains(&which)
    }
}

/// One line of the closing summary.
#[derive(Debug)]
struct Part {
    name: &'static str,
    counts: Counts,
    took: Duration,
}

/// Runs the parts, all of them also when an early one fails, and sums up.
pub(crate) fn run(args: &[String]) -> Result<bool> {
    let plan = Plan::parse(args)?;
    tools::ensure_system()?;
    let browser = if plan.has(Which::Clients) { Some(tools::ensure_browser()?) } else { None };
    let mut parts = Vec::new();
    if plan.has(Which::Unit) || plan.has(Which::Clients) {
        let clients = tools::ensure_clients()?;
        let services = services::start(&clients)?;
        if plan.has(Which::Unit) {
            unit(&services, &mut parts)?;
        }
        if let Some(browser) = &browser {
            strangers((&clients, browser), &services, plan.fast, &mut parts)?;
        }
    }
    if plan.has(Which::Fuzz) {
        let started = Instant::now();
        let counts = fuzz::fuzz(plan.fuzz_seconds, &[])?;
        parts.push(Part { name: "fuzz targets", counts, took: started.elapsed() });
    }
    Ok(summary(&parts))
}

fn unit(services: &Services, parts: &mut Vec<Part>) -> Result<()> {
    let has_nextest = output_of(cargo().args(["nextest", "--version"])).is_some();
    let (runner, args): (_, &[&str]) = if has_nextest {
        (Runner::Nextest, &["nextest", "run", "--workspace", "--locked", "--no-fail-fast"])
    } else {
        (Runner::CargoTest, &["test", "--workspace", "--all-targets", "--locked", "--no-fail-fast"])
    };
    let mut tests = cargo();
    // Insta writes nothing and fails on a changed snapshot.
    tests
        .args(args)
        .envs(services.variables.iter().map(|(name, value)| (name, value)))
        .env("INSTA_UPDATE", "no");
    parts.push(part("Rust tests", runner, &mut tests)?);
    let mut doc_tests = cargo();
    doc_tests.args(["test", "--workspace", "--doc", "--locked", "--no-fail-fast"]);
    parts.push(part("documentation tests", Runner::CargoTest, &mut doc_tests)?);
    Ok(())
}

/// The clients that nobody here wrote, against the program as it is shipped but for the optimisation.
fn strangers(
    (clients, browser): (&Clients, &Path),
    services: &Services,
    fast: bool,
    parts: &mut Vec<Part>,
) -> Result<()> {
    let binary = build_server()?;
    let node_dir = clients.node.parent().context("node has no directory")?;
    let path = path_with(node_dir)?;
    let mut pytest = Command::new(clients.python_bin.join("python"));
    pytest.current_dir(root().join("clients/python")).args([
        "-m",
        "pytest",
        "-ra",
        "--color=no",
        "--durations=10",
    ]);
    if fast {
        pytest.args(["-m", "not slow"]);
    }
    pytest.env("PYTHONUNBUFFERED", "1");
    let mut node = Command::new(&clients.node);
    node.current_dir(root().join("clients/node")).args([
        "--test",
        "--test-reporter=tap",
        "--test-timeout=600000",
        "tests/",
    ]);
    for (name, runner, command) in
        [("Python clients", Runner::Pytest, &mut pytest), ("Node clients", Runner::Node, &mut node)]
    {
        command.envs(services.variables.iter().map(|(name, value)| (name, value)));
        command.env("HILUM_BIN", &binary).env("PATH", &path).env("HILUM_TEST_CHROMIUM", browser);
        parts.push(part(name, runner, command)?);
    }
    Ok(())
}

/// The server in the profile of the Rust tests, so that nothing is compiled twice.
fn build_server() -> Result<PathBuf> {
    must(cargo().args(["build", "--locked", "--package", "hilum", "--bin", "hilum"]))?;
    Ok(target_dir().join("debug").join("hilum"))
}

/// Runs the commands of the documentation's pages, on SQLite alone.
pub(crate) fn pages() -> Result<bool> {
    tools::ensure_system()?;
    let clients = tools::ensure_clients()?;
    let mut pytest = Command::new(clients.python_bin.join("python"));
    pytest.current_dir(root().join("clients/python")).args(["-m", "pytest", "-q", "test_docs.py"]);
    succeeds(pytest.env("HILUM_BIN", build_server()?).env_remove("HILUM_TEST_POSTGRES_URL"))
}

/// Runs one test runner and reads its counts; a failure it did not count (a compile error, say) counts as one.
fn part(name: &'static str, runner: Runner, command: &mut Command) -> Result<Part> {
    let started = Instant::now();
    let mut counts = Counts::default();
    let succeeded = watched(command, &mut |line| counts.read(runner, line))?;
    if !succeeded && counts.failed == 0 {
        println!("failed without a count: {}", shown(command));
        counts.failed = 1;
    }
    Ok(Part { name, counts, took: started.elapsed() })
}

fn summary(parts: &[Part]) -> bool {
    let mut sum = Counts::default();
    println!("\n{:<22} {:>7} {:>7} {:>8} {:>8}", "", "passed", "failed", "left out", "seconds");
    for Part { name, counts, took } in parts {
        sum += *counts;
        println!(
            "{name:<22} {:>7} {:>7} {:>8} {:>8.1}",
            counts.passed,
            counts.failed,
            counts.skipped,
            took.as_secs_f64()
        );
    }
    println!("\n{sum}");
    sum.failed == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(args: &[&str]) -> Result<Plan> {
        Plan::parse(&args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn without_names_everything_runs() {
        let all = plan(&[]).unwrap();
        assert_eq!(all.parts, [Which::Unit, Which::Clients, Which::Fuzz]);
        assert!(!all.fast);
    }

    #[test]
    fn fast_leaves_out_fuzzing_unless_it_is_named() {
        assert!(!plan(&["--fast"]).unwrap().has(Which::Fuzz));
        assert!(plan(&["--fast", "fuzz"]).unwrap().has(Which::Fuzz));
    }

    #[test]
    fn unknown_words_are_refused() {
        assert!(plan(&["units"]).is_err());
        assert!(plan(&["--fuzz-seconds"]).is_err());
    }
}
