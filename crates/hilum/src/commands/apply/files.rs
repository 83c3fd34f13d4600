//! Reading the files of a declaration, and what they refer to.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use hilum_identity::{ConfigurationFile, Input};
use hilum_kernel::Secret;

use super::super::Failure;

/// All files together. Ten thousand applications with all they have stay below.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
const FILES_MAX: usize = 1000;
/// Certificates and passwords are small.
const INPUT_BYTES_MAX: u64 = 1024 * 1024;
/// What is read of a folder.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// The files, those of a folder in the order of their names.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<ConfigurationFile>, Failure> {
    let mut names = Vec::new();
    for path in paths {
        if path.is_dir() {
            names.extend(of_folder(path)?);
        } else {
            names.push(path.clone());
        }
    }
    if names.len() > FILES_MAX {
        return Err(Failure::Usage(format!("there may be at most {FILES_MAX} files")));
    }
    let mut left = BYTES_MAX;
    names.iter().map(|path| one(path, &mut left)).collect()
}

fn of_folder(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| Failure::Error(format!("cannot read the folder {}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if path.is_file() && ENDINGS.contains(&ending) {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Failure::Usage(format!("no file in {} ends in .yaml, .yml or .json", folder.display())));
    }
    files.sort();
    Ok(files)
}

fn one(path: &Path, left: &mut u64) -> Result<ConfigurationFile, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(*left + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(*left + 1).read_to_string(&mut text))
    };
    let bytes = read.map_err(|error| Failure::Error(format!("cannot read {}: {error}", path.display())))?;
    *left = left.checked_sub(u64::try_from(bytes).unwrap_or(u64::MAX)).ok_or_else(|| {
        Failure::Usage(format!("the files are larger than {} MiB together", BYTES_MAX / 1024 / 1024))
    })?;
    Ok(ConfigurationFile { name: path.display().to_string(), text })
}

/// What a file refers to lies beside it.
pub(super) fn beside(file: &str, path: &str) -> PathBuf {
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    folder.join(path)
}

/// Reads what a file refers to.
pub(super) fn load(input: &Input, file: &str) -> Result<Secret<Vec<u8>>, String> {
    match input {
        Input::File(path) => {
            let path = beside(file, path);
            let mut content = Vec::new();
            let read = std::fs::File::open(&path)
                .and_then(|file| file.take(INPUT_BYTES_MAX + 1).read_to_end(&mut content));
            let content = Secret::new(content);
            match read {
                Err(error) => Err(format!("cannot read {}: {error}", path.display())),
                Ok(bytes) if bytes as u64 > INPUT_BYTES_MAX => {
                    Err(format!("{} is larger than 1 MiB", path.display()))
                }
                Ok(_) => Ok(content),
            }
        }
        Input::Env(name) => match std::env::var_os(name).map(std::ffi::OsString::into_string) {
            Some(Ok(value)) if !value.is_empty() => Ok(Secret::new(value.into_bytes())),
            Some(Ok(_)) | None => Err(format!("the environment has no variable {name}")),
            Some(Err(_)) => Err(format!("the variable {name} is no text")),
        },
    }
}
