//! `cargo xtask lint`: what a change must satisfy before anybody reads it.

use std::process::Command;

use anyhow::Result;

use crate::process::{cargo, root, succeeds};
use crate::tools;

/// Runs every check, also after one failed, and says which did.
pub(crate) fn run(_args: &[String]) -> Result<bool> {
    let checks = [
        ("formatting", succeeds(cargo().args(["fmt", "--all", "--check"]))?),
        (
            "clippy",
            succeeds(cargo().args([
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "-D",
                "warnings",
            ]))?,
        ),
        ("dependencies", dependencies()?),
    ];
    println!();
    for (name, passed) in &checks {
        println!("{name:<14} {}", if *passed { "ok" } else { "FAILED" });
    }
    let passed = checks.iter().filter(|(_, passed)| *passed).count();
    println!("{passed} passed, {} failed", checks.len() - passed);
    Ok(passed == checks.len())
}

/// `cargo deny`: licences, bans and sources always; advisories when their database can be had.
fn dependencies() -> Result<bool> {
    let Some(deny) = tools::cargo_tool("cargo-deny", "cargo-deny")? else {
        println!("cargo-deny is missing and could not be installed; type: cargo install cargo-deny --locked");
        return Ok(false);
    };
    let check = |what: &[&str]| {
        let mut command = Command::new(&deny);
        command.current_dir(root()).args(["--locked", "check", "--hide-inclusion-graph"]).args(what);
        succeeds(&mut command)
    };
    let fixed = check(&["licenses", "bans", "sources"])?;
    // A fetch of its own tells "no network" from "an advisory applies to us".
    let mut fetch = Command::new(&deny);
    if succeeds(fetch.current_dir(root()).args(["fetch", "db"]))? {
        return Ok(check(&["advisories"])? && fixed);
    }
    println!("The advisory database cannot be fetched from here: advisories were not checked.");
    Ok(fixed)
}
