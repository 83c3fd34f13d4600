//! The fuzz targets of `fuzz/`, with the stable toolchain.
//!
//! cargo-fuzz needs a nightly compiler for `-Zsanitizer`; libFuzzer itself only needs the coverage counters that LLVM's
//! own pass writes, and a stable compiler can be told to run that pass. This program therefore acts as cargo's
//! "workspace wrapper": it adds the flags to the compilation of our own crates only, and the builds of all
//! dependencies are shared with the ordinary ones.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::counts::Counts;
use crate::process::{cargo, root, shown, succeeds, target_dir};

/// Seconds for each target when nothing else is said.
pub(crate) const SECONDS: u32 = 20;

/// Set for the wrapper, so that it knows what it is.
const WRAPPER: &str = "HILUM_XTASK_RUSTC_WRAPPER";

/// What makes a crate tell libFuzzer where it has been.
const INSTRUMENTATION: [&str; 8] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    // Parsers are fuzzed for seconds, not hours: speed counts. Overflow checks stay on.
    "-Copt-level=2",
    "--cfg=fuzzing",
    "--check-cfg=cfg(fuzzing)",
];

/// Whether cargo calls us in the place of rustc.
pub(crate) fn is_rustc_wrapper() -> bool {
    std::env::var_os(WRAPPER).is_some()
}

/// `xtask <rustc> <rustc's arguments…>`
pub(crate) fn wrap_rustc() -> Result<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    let rustc = args.next().context("cargo gave no compiler")?;
    let args: Vec<OsString> = args.collect();
    let mut command = Command::new(rustc);
    command.args(&args);
    if is_instrumented(&args) {
        command.args(INSTRUMENTATION);
    }
    let status = command.status().context("cannot start the compiler")?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// Build scripts and procedural macros run in the compiler's world, without libFuzzer to link to;
/// a call without a crate's name only asks for the compiler's version.
fn is_instrumented(args: &[OsString]) -> bool {
    let value_of = |flag: &str| {
        let place = args.iter().position(|arg| arg == flag)?;
        args.get(place + 1)?.to_str()
    };
    let Some(name) = value_of("--crate-name") else { return false };
    !name.starts_with("build_script_") && value_of("--crate-type") != Some("proc-macro")
}

/// `cargo xtask fuzz [--seconds N] [target…]`
pub(crate) fn run(args: &[String]) -> Result<bool> {
    let mut seconds = SECONDS;
    let mut names = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seconds" => seconds = args.next().context("--seconds needs a number")?.parse()?,
            option if option.starts_with('-') => {
                bail!("`fuzz` does not know {option:?}; it knows --seconds and names")
            }
            name => names.push(name.to_owned()),
        }
    }
    let counts = fuzz(seconds, &names)?;
    println!("\n{counts}");
    Ok(counts.failed == 0)
}

/// Builds the targets and runs each for a bounded time.
pub(crate) fn fuzz(seconds: u32, only: &[String]) -> Result<Counts> {
    let targets = targets(only)?;
    let mut build = cargo();
    build.args(["build", "--locked", "--package", "hilum-fuzz", "--features", "fuzzing", "--bins"]);
    build
        .env("RUSTC_WORKSPACE_WRAPPER", std::env::current_exe().context("cannot find this program")?)
        .env(WRAPPER, "1");
    // Instrumented and incremental do not go together well, and nothing here is built often.
    build.env("CARGO_INCREMENTAL", "0");
    let mut counts = Counts::default();
    if !succeeds(&mut build)? {
        println!("the fuzz targets do not build");
        counts.failed = 1;
        return Ok(counts);
    }
    for target in targets {
        if run_target(&target, seconds)? {
            counts.passed += 1;
        } else {
            counts.failed += 1;
            println!(
                "fuzz target {target} failed; the input that did it is kept in fuzz/artifacts/{target}/"
            );
        }
    }
    Ok(counts)
}

fn targets(only: &[String]) -> Result<Vec<String>> {
    let folder = root().join("fuzz").join("targets");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
        {
            found.push(name.to_owned());
        }
    }
    found.sort();
    if let Some(unknown) = only.iter().find(|name| !found.contains(name)) {
        bail!("there is no fuzz target {unknown:?}; there are: {}", found.join(", "));
    }
    found.retain(|name| only.is_empty() || only.contains(name));
    Ok(found)
}

fn run_target(target: &str, seconds: u32) -> Result<bool> {
    let fuzz = root().join("fuzz");
    let artifacts = fuzz.join("artifacts").join(target);
    // What was found grows in `target/`; what is worth keeping is committed in `fuzz/corpus/`.
    let found = target_dir().join("fuzz-corpus").join(target);
    for folder in [&artifacts, &found] {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut command = Command::new(target_dir().join("debug").join(target));
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        // A parser that needs longer than this for one input, or more memory, is broken as well.
        .args(["-timeout=10", "-rss_limit_mb=2048", "-max_len=65536", "-verbosity=0", "-print_final_stats=1"])
        .arg(&found);
    let kept = fuzz.join("corpus").join(target);
    if Path::new(&kept).is_dir() {
        command.arg(&kept);
    }
    println!("$ {}", shown(&command));
    // libFuzzer is talkative: the closing figures are enough, unless something was found.
    let output =
        command.current_dir(&fuzz).stdin(Stdio::null()).output().context("cannot start the target")?;
    let text = String::from_utf8_lossy(&output.stderr);
    let passed = output.status.success();
    for line in text.lines().filter(|line| !passed || line.starts_with("stat::")) {
        println!("{line}");
    }
    Ok(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instrumented(line: &str) -> bool {
        is_instrumented(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn libraries_and_targets_are_instrumented() {
        assert!(instrumented("--crate-name hilum_dicom --edition=2024 src/lib.rs --crate-type lib"));
        assert!(instrumented("--crate-name multipart targets/multipart.rs --crate-type bin"));
    }

    #[test]
    fn what_runs_inside_the_build_is_not() {
        assert!(!instrumented("--crate-name build_script_build build.rs --crate-type bin"));
        assert!(!instrumented("--crate-name derive src/lib.rs --crate-type proc-macro"));
        assert!(!instrumented("-vV"));
    }
}
