//! Every chore of the repository, as `cargo xtask <chore>`; no shell scripts.
//!
//! The chores install what they need into `target/` and `clients/node/node_modules`, use `apt-get` only where they
//! may, and say what to type where they may not.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program speaks on its terminal"
)]

mod bench;
mod counts;
mod demo;
mod docs;
mod fuzz;
mod lint;
mod postgres;
mod process;
mod services;
mod test;
mod tools;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
Usage: cargo xtask <chore> [options]

  demo [--exit] [options of `hilum demo`]   build the server and run the demonstration
  test [--fast] [unit] [clients] [fuzz]     everything CI runs; without a name, all three parts
                                            --fast leaves out the slow client tests and the fuzzing
       [--fuzz-seconds N]                   seconds for each fuzz target (20)
  lint                                      formatting, clippy with warnings denied, cargo-deny
  fuzz [--seconds N] [target…]              run the fuzz targets for a bounded time each
  bench [growth|directory|sign-in|corpus]   build with optimisation and measure, beside Orthanc or npm's oidc-provider
        [options]                           if they are installed
  docs                                      API documentation and the book (target/doc, target/book)
  services                                  start PostgreSQL, Azurite and moto, print their URLs, wait for Ctrl-C
";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    if fuzz::is_rustc_wrapper() {
        return fuzz::wrap_rustc();
    }
    let mut args = std::env::args().skip(1);
    let chore = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let passed = match chore.as_str() {
        "demo" => demo::run(&rest)?,
        "test" => test::run(&rest)?,
        "lint" => lint::run(&rest)?,
        "fuzz" => fuzz::run(&rest)?,
        "bench" => bench::run(&rest)?,
        "docs" => docs::run(&rest)?,
        "services" => services::run(&rest)?,
        services::SUPERVISE => services::supervise(&rest)?,
        "" | "help" | "--help" | "-h" => {
            print!("{USAGE}");
            true
        }
        other => bail!("there is no chore {other:?}\n\n{USAGE}"),
    };
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
