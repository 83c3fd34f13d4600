//! `cargo xtask bench`: build with optimisation and run the load generator.

use std::process::Command;

use anyhow::Result;

use crate::process::{cargo, must, root, succeeds, target_dir};

/// Builds `hilum` and `hilum-bench` and runs the latter; `run` when no subcommand is named.
pub(crate) fn run(args: &[String]) -> Result<bool> {
    must(cargo().args([
        "build",
        "--release",
        "--locked",
        "--package",
        "hilum",
        "--package",
        "hilum-bench",
        "--bins",
    ]))?;
    let release = target_dir().join("release");
    let mut command = Command::new(release.join("hilum-bench"));
    command.current_dir(root());
    let is_named =
        args.first().is_some_and(|first| !first.starts_with('-') || first == "--help" || first == "-h");
    if !is_named {
        command.arg("run");
    }
    command.args(args);
    let takes_server =
        !args.iter().any(|arg| arg == "corpus" || arg.contains("help") || arg.starts_with("--hilum"));
    if takes_server {
        command.arg("--hilum").arg(release.join("hilum"));
    }
    succeeds(&mut command)
}
