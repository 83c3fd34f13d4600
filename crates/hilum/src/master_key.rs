//! The master key: what seals private keys and keys the hashes of secrets. A file, or `HILUM_MASTER_KEY`.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use hilum_jose::MasterKey;
use hilum_kernel::{Random, Secret};

use crate::{config::Environment, data_dir::DataDir};

/// Reads the master key, or makes one in a data directory that has no database yet.
pub(crate) fn load(data: &DataDir, environment: &Environment, random: &dyn Random) -> Result<MasterKey> {
    if let Some(text) = environment.get("MASTER_KEY") {
        let text = Secret::new(text.trim().to_owned());
        return MasterKey::from_base64(&text).context("HILUM_MASTER_KEY is not 32 bytes as base64");
    }
    let file = data.master_key();
    if let Some(key) = read(&file)? {
        return Ok(key);
    }
    if data.path().join("hilum.db").exists() {
        // Another first start makes the key before the database, so by now it would be there.
        if let Some(key) = read(&file)? {
            return Ok(key);
        }
        bail!(
            "{} is missing, but the database is there: without its key, signing keys and secrets cannot be \
             read. Put the file back from your backup, or set HILUM_MASTER_KEY",
            file.display()
        );
    }
    let key = MasterKey::generate(random);
    let mut text = key.to_base64().expose().clone();
    text.push('\n');
    let text = Secret::new(text);
    let made = create(&file, text.expose().as_bytes(), random);
    if made.with_context(|| format!("cannot write {}", file.display()))? {
        return Ok(key);
    }
    // Another process started for the first time, too, and was faster: its key counts.
    read(&file)?.with_context(|| format!("{} has vanished", file.display()))
}

/// The key in the file; `None` where there is no file.
fn read(file: &Path) -> Result<Option<MasterKey>> {
    match fs::read_to_string(file) {
        Ok(text) => {
            let text = Secret::new(text.trim().to_owned());
            let key = MasterKey::from_base64(&text);
            key.map(Some).with_context(|| format!("{} is damaged", file.display()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// Writes a file that only its owner may read, whole or not at all, and only if there is none: `false` otherwise.
fn create(file: &Path, content: &[u8], random: &dyn Random) -> std::io::Result<bool> {
    let beside = file.with_extension(format!("{}.new", random.uuid()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = |path: &Path| {
        let mut opened = options.open(path)?;
        opened.write_all(content)?;
        opened.sync_all()
    };
    // A link, unlike a new name, never replaces what is there.
    let linked = write(&beside).and_then(|()| fs::hard_link(&beside, file));
    let _ = fs::remove_file(&beside);
    let made = match linked {
        // Some file systems know no links.
        Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => {
            write(file)
        }
        linked => linked,
    };
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
        Ok(()) => {
            // The database must not survive a crash that its key does not.
            #[cfg(unix)]
            if let Some(folder) = file.parent() {
                fs::File::open(folder)?.sync_all()?;
            }
            Ok(true)
        }
    }
}

#[cfg(test)]
mod tests {
    use hilum_kernel::SeededRandom;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_never_beside_a_database_without_one() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path());
        data.create().unwrap();
        let random = SeededRandom::new(1);
        let first = load(&data, &Environment::default(), &random).unwrap();
        let again = load(&data, &Environment::default(), &random).unwrap();
        assert_eq!(first.to_base64().expose(), again.to_base64().expose());
        assert_eq!(crate::data_dir::open_to_others(&data.master_key()), None);

        fs::remove_file(data.master_key()).unwrap();
        fs::write(folder.path().join("hilum.db"), "").unwrap();
        let error = load(&data, &Environment::default(), &random).unwrap_err();
        assert!(error.to_string().contains("backup"), "{error}");
    }

    #[test]
    fn first_starts_at_once_agree_on_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path());
        data.create().unwrap();
        let random = SeededRandom::new(1);
        let keys: Vec<String> = std::thread::scope(|scope| {
            let start =
                || load(&data, &Environment::default(), &random).unwrap().to_base64().expose().clone();
            let starts: Vec<_> = (0..16).map(|_| scope.spawn(start)).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        let kept = fs::read_to_string(data.master_key()).unwrap();
        assert!(keys.iter().all(|key| key == kept.trim()));
        assert_eq!(crate::data_dir::open_to_others(&data.master_key()), None);
        assert_eq!(fs::read_dir(folder.path().join("keys")).unwrap().count(), 1, "nothing is left behind");
        assert!(!create(&data.master_key(), b"other", &random).unwrap());
        assert_eq!(fs::read_to_string(data.master_key()).unwrap(), kept);
    }
}
