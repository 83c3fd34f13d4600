//! The data directory: what lies where, with which permissions.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// A data directory. Private to its owner: it holds keys and patients' data.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

/// What a running server tells other commands: `run/server.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningServer {
    /// The public origin.
    pub url: String,
    /// The process.
    pub pid: u32,
    /// Where the metrics are, if anywhere.
    pub metrics_url: Option<String>,
}

impl DataDir {
    /// Names a directory without touching it.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Creates what is missing.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn create(&self) -> Result<()> {
        for folder in [self.0.clone(), self.0.join("keys"), self.0.join("tls"), self.0.join("run")] {
            make_private_folder(&folder)
                .with_context(|| format!("cannot create the folder {}", folder.display()))?;
        }
        Ok(())
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The file that holds the master key.
    pub fn master_key(&self) -> PathBuf {
        self.0.join("keys/master.key")
    }

    /// A file of the local CA.
    pub fn tls(&self, name: &str) -> PathBuf {
        self.0.join("tls").join(name)
    }

    /// Where parts of store requests wait until they are whole.
    pub fn staging(&self) -> PathBuf {
        self.0.join("staging")
    }

    fn server_file(&self) -> PathBuf {
        self.0.join("run/server.json")
    }

    /// The server that runs on this directory, as far as the file tells.
    pub fn running_server(&self) -> Option<RunningServer> {
        serde_json::from_slice(&fs::read(self.server_file()).ok()?).ok()
    }

    /// Tells other commands where the server is.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn announce(&self, server: &RunningServer) -> Result<()> {
        let text = serde_json::to_vec_pretty(server)?;
        write_private(&self.server_file(), &text).context("cannot write run/server.json")
    }

    /// Takes the announcement back, unless another server has made its own meanwhile.
    pub fn withdraw(&self, pid: u32) {
        if self.running_server().is_some_and(|server| server.pid == pid) {
            let _ = fs::remove_file(self.server_file());
        }
    }
}

pub(crate) fn make_private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = PrivateFile::beside(path)?;
    file.write_all(content)?;
    file.finish()
}

/// The same for content that comes in parts: it is written beside the place, and takes it when it is whole. Dropped
/// before, it leaves nothing.
pub(crate) struct PrivateFile {
    /// Absent when it took its place.
    beside: Option<PathBuf>,
    path: PathBuf,
    file: fs::File,
}

impl PrivateFile {
    pub(crate) fn beside(path: &Path) -> std::io::Result<Self> {
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&beside)?;
        Ok(Self { beside: Some(beside), path: path.to_owned(), file })
    }

    pub(crate) fn finish(mut self) -> std::io::Result<()> {
        self.file.sync_all()?;
        if let Some(beside) = &self.beside {
            fs::rename(beside, &self.path)?;
        }
        self.beside = None;
        Ok(())
    }
}

impl std::io::Write for PrivateFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        if let Some(beside) = &self.beside {
            let _ = fs::remove_file(beside);
        }
    }
}

/// The permission bits that others than the owner have.
#[cfg(unix)]
pub(crate) fn open_to_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o077;
    (mode != 0).then_some(mode)
}

/// Other systems have no such bits.
#[cfg(not(unix))]
pub(crate) fn open_to_others(_: &Path) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_announcement_is_private_and_withdrawn_only_by_its_maker() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().join("new"));
        data.create().unwrap();
        assert_eq!(open_to_others(data.path()), None);
        let server = RunningServer { url: "https://localhost:1".into(), pid: 7, metrics_url: None };
        data.announce(&server).unwrap();
        assert_eq!(open_to_others(&data.server_file()), None);
        assert_eq!(data.running_server(), Some(server));
        data.withdraw(8);
        assert!(data.running_server().is_some());
        data.withdraw(7);
        assert!(data.running_server().is_none());
    }
}
