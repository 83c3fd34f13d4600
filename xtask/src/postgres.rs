//! A private PostgreSQL for one test run: own port, own data folder, thrown away afterwards.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::process::{find_on_path, is_root, output_of, quietly};
use crate::services::{Service, await_ready, free_port};

/// The directory with `initdb` and `postgres`: Debian keeps them off the search path.
pub(crate) fn bin_dir() -> Option<PathBuf> {
    let versioned = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versioned
        .map(|entry| entry.path())
        .filter(|path| path.join("bin/postgres").is_file() && path.join("bin/initdb").is_file())
        .max_by_key(|path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()));
    newest.map(|path| path.join("bin")).or_else(|| {
        find_on_path("initdb").and_then(|file| file.canonicalize().ok()?.parent().map(Path::to_path_buf))
    })
}

/// The account PostgreSQL runs under: it refuses to run as root.
#[derive(Clone, Copy, Debug)]
struct Account {
    uid: u32,
    gid: u32,
}

fn account() -> Result<Option<Account>> {
    if !is_root() {
        return Ok(None);
    }
    let id =
        |flag: &str| output_of(Command::new("id").args([flag, "postgres"])).and_then(|id| id.parse().ok());
    match (id("-u"), id("-g")) {
        (Some(uid), Some(gid)) => Ok(Some(Account { uid, gid })),
        _ => bail!(
            "PostgreSQL does not run as root and there is no user \"postgres\"; type: apt-get install postgresql"
        ),
    }
}

fn as_account(program: PathBuf, account: Option<Account>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    if let Some(Account { uid, gid }) = account {
        command.uid(uid).gid(gid);
    }
    command
}

/// A new folder that the account owns and can reach; below `/tmp` when the clone lies in a closed home directory.
fn data_folder(wanted: &Path, account: Option<Account>) -> Result<PathBuf> {
    let elsewhere = std::env::temp_dir().join(format!("hilum-test-postgres-{}", std::process::id()));
    for folder in [wanted.to_path_buf(), elsewhere] {
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        if let Some(Account { uid, gid }) = account {
            std::os::unix::fs::chown(&folder, Some(uid), Some(gid))
                .context("cannot give the data folder away")?;
        }
        let mut probe = as_account(PathBuf::from("/usr/bin/test"), account, Path::new("/"));
        if quietly(probe.arg("-w").arg(&folder)) {
            return Ok(folder);
        }
        std::fs::remove_dir_all(&folder).context("cannot remove an unusable folder")?;
    }
    bail!("no folder that PostgreSQL's account can write to")
}

/// Starts one and returns it with its URL.
pub(crate) fn start(folder: &Path) -> Result<(Service, String)> {
    let bin = bin_dir().context("PostgreSQL is not installed; type: sudo apt-get install postgresql")?;
    let account = account()?;
    let folder = data_folder(&folder.join("postgres"), account)?;
    let data = folder.join("data");
    let mut initdb = as_account(bin.join("initdb"), account, &folder);
    initdb
        .args(["--username=postgres", "--auth=trust", "--locale=C", "--encoding=UTF8", "--no-sync", "-D"])
        .arg(&data);
    if output_of(&mut initdb).is_none() {
        bail!("initdb failed in {}", folder.display());
    }
    let port = free_port()?;
    let mut args: Vec<String> =
        vec!["-D".into(), data.display().to_string(), "-h".into(), "127.0.0.1".into()];
    args.extend(["-p".into(), port.to_string()]);
    // Nothing of it outlives the run, so nothing of it needs to reach the disk.
    for setting in [
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "max_connections=400",
        "unix_socket_directories=",
        "logging_collector=off",
    ] {
        args.extend(["-c".into(), setting.into()]);
    }
    let owner =
        std::fs::metadata(&folder).map(|entry| (entry.uid(), entry.gid())).ok().filter(|_| account.is_some());
    let service = Service::start("postgres", &bin.join("postgres"), &args, &folder, owner)?;
    let port_text = port.to_string();
    await_ready("PostgreSQL", Duration::from_mins(1), || {
        quietly(Command::new(bin.join("pg_isready")).args(["-h", "127.0.0.1", "-p", &port_text]))
    })
    .with_context(|| format!("see {}", service.log().display()))?;
    Ok((service.owning(folder), format!("postgres://postgres@127.0.0.1:{port}/postgres")))
}
