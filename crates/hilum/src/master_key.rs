//! The master key: what seals private keys and keys the hashes of secrets. A file, or `HILUM_MASTER_KEY`.

use std::fs;

use anyhow::{Context as _, Result, bail};
use hilum_jose::MasterKey;
use hilum_kernel::{Random, Secret};

use crate::{
    config::Environment,
    data_dir::{DataDir, write_private},
};

/// Reads the master key, or makes one in a data directory that has no database yet.
pub(crate) fn load(data: &DataDir, environment: &Environment, random: &dyn Random) -> Result<MasterKey> {
    if let Some(text) = environment.get("MASTER_KEY") {
        let text = Secret::new(text.trim().to_owned());
        return MasterKey::from_base64(&text).context("HILUM_MASTER_KEY is not 32 bytes as base64");
    }
    let file = data.master_key();
    match fs::read_to_string(&file) {
        Ok(text) => {
            let text = Secret::new(text.trim().to_owned());
            MasterKey::from_base64(&text).with_context(|| format!("{} is damaged", file.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if data.path().join("hilum.db").exists() {
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
            write_private(&file, text.expose().as_bytes())
                .with_context(|| format!("cannot write {}", file.display()))?;
            Ok(key)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
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
}
