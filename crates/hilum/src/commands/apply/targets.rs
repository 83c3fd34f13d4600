//! Where new secrets go: a file that only its owner can read, or a program's standard input.

use std::{path::Path, process::Stdio, time::Duration};

use hilum_identity::{Desired, MadeSecret, Problem, SecretTarget};
use tokio::io::AsyncWriteExt as _;

use super::files::beside;
use crate::data_dir::write_private;

/// A program that stores a secret somewhere has an answer by then.
const COMMAND_TIMEOUT: Duration = Duration::from_mins(1);

/// Looks before anything is done whether the folders are there.
pub(super) fn check(desired: &Desired) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    for (problem, file, target) in desired.secret_targets() {
        let SecretTarget::File(path) = target else { continue };
        let path = beside(file, path);
        let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            let text = format!("the folder {} for the secret is not there", folder.display());
            problems.push(Problem { text, ..problem });
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Whether a secret that was written lies where it was written to. What a program did with one is not known here.
pub(super) fn is_there(file: &str, target: &SecretTarget) -> bool {
    match target {
        SecretTarget::File(path) => beside(file, path).is_file(),
        SecretTarget::Command(_) => true,
    }
}

/// Hands a secret over.
pub(super) async fn write(secret: &MadeSecret) -> Result<(), String> {
    match &secret.target {
        SecretTarget::File(path) => {
            let path = beside(&secret.file, path);
            write_private(&path, secret.value.expose().as_bytes())
                .map_err(|error| format!("cannot write {}: {error}", path.display()))
        }
        SecretTarget::Command(words) => {
            let told = Box::pin(tokio::time::timeout(COMMAND_TIMEOUT, command(words, secret))).await;
            told.unwrap_or_else(|_| Err("the command did not end within a minute".to_owned()))
        }
    }
}

async fn command(words: &[String], secret: &MadeSecret) -> Result<(), String> {
    let (program, arguments) = words.split_first().ok_or("there is no program")?;
    let failed = |error: std::io::Error| format!("cannot run {program}: {error}");
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        // What it is for; the secret itself comes on standard input only.
        .env("HILUM_APP_ID", secret.app_id.to_string())
        .env("HILUM_SECRET_ID", secret.key_id.to_string())
        .env("HILUM_SECRET_NAME", &secret.display_name)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(secret.value.expose().as_bytes()).await.map_err(failed)?;
        input.shutdown().await.map_err(failed)?;
    }
    let status = child.wait().await.map_err(failed)?;
    if status.success() { Ok(()) } else { Err(format!("{program} ended with {status}")) }
}
