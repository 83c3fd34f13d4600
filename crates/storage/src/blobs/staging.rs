//! Bodies too large for memory wait in a file until they are known to be good.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;

use super::{BlobError, blocking};

/// How much is gathered before a write: fewer visits to the blocking pool than one per network packet.
const GATHER_BYTES: usize = 1024 * 1024;
/// How many pieces are gathered at most, however small they are.
const GATHER_PIECES: usize = 1024;
/// What staged files end with.
const SUFFIX: &str = ".part";

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A file in the staging folder. Removed when dropped, unless it was promoted.
#[derive(Debug)]
pub struct Staged {
    file: Arc<File>,
    name: StagedName,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    written: u64,
    spoilt: bool,
}

/// Owns the name in the file system.
#[derive(Debug)]
struct StagedName(PathBuf);

impl Staged {
    pub(super) async fn create(folder: PathBuf) -> Result<Self, BlobError> {
        let (file, path) = blocking(move || create(&folder).map_err(BlobError::from)).await?;
        Ok(Self {
            file: Arc::new(file),
            name: StagedName(path),
            gathered: Vec::new(),
            gathered_bytes: 0,
            written: 0,
            spoilt: false,
        })
    }

    /// Appends bytes.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.gathered_bytes += bytes.len();
        self.gathered.push(bytes);
        if self.gathered_bytes >= GATHER_BYTES || self.gathered.len() >= GATHER_PIECES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Writes out what was gathered.
    pub async fn flush(&mut self) -> Result<(), BlobError> {
        let pieces = std::mem::take(&mut self.gathered);
        let bytes = std::mem::take(&mut self.gathered_bytes) as u64;
        self.change(move |mut file| pieces.iter().try_for_each(|piece| file.write_all(piece))).await?;
        self.written += bytes;
        Ok(())
    }

    /// Overwrites bytes that were written before, such as the preamble.
    pub async fn patch(&mut self, offset: u64, bytes: Bytes) -> Result<(), BlobError> {
        self.flush().await?;
        let patched = bytes.len() as u64;
        self.change(move |mut file| {
            file.seek(SeekFrom::Start(offset))?;
            file.write_all(&bytes)?;
            file.seek(SeekFrom::End(0)).map(drop)
        })
        .await?;
        self.written = self.written.max(offset.saturating_add(patched));
        Ok(())
    }

    /// Runs a change. One that fails, or that the caller does not wait for, spoils the file.
    async fn change(
        &mut self,
        work: impl FnOnce(&File) -> io::Result<()> + Send + 'static,
    ) -> Result<(), BlobError> {
        if self.spoilt {
            return Err(io::Error::other("an earlier write to the staged file was not finished").into());
        }
        self.spoilt = true;
        let file = Arc::clone(&self.file);
        blocking(move || Ok(work(&file)?)).await?;
        self.spoilt = false;
        Ok(())
    }

    /// A file of its own to read what was written so far, from the beginning. Reading it blocks.
    pub async fn reader(&mut self) -> Result<File, BlobError> {
        self.flush().await?;
        let path = self.name.0.clone();
        blocking(move || Ok(File::open(path)?)).await
    }

    /// How many bytes were given to it.
    pub fn len(&self) -> u64 {
        self.written + self.gathered_bytes as u64
    }

    /// Whether nothing was given to it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn path(&self) -> &Path {
        &self.name.0
    }

    /// The name is not ours any more: nothing is to be removed.
    pub(super) fn give_up_name(mut self) {
        self.name.0 = PathBuf::new();
    }
}

impl Drop for StagedName {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.0);
        if path.as_os_str().is_empty() {
            return;
        }
        // Gives gigabytes back to the disk, which takes a while: not on a thread that serves others.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || std::fs::remove_file(path))),
            Err(_) => drop(std::fs::remove_file(path)),
        }
    }
}

fn create(folder: &Path) -> io::Result<(File, PathBuf)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    loop {
        // In containers every process has the number 1: what an earlier one left is stepped over.
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{}-{number}{SUFFIX}", std::process::id()));
        match options.open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes what crashed processes left, and tells how many files that were. Blocks.
pub(super) fn remove_stale(folder: &Path, unchanged_since: SystemTime) -> io::Result<u64> {
    let mut removed = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let ours = entry.file_name().to_str().is_some_and(|name| name.ends_with(SUFFIX));
        // Gone meanwhile means that its owner was done with it.
        let Ok(metadata) = entry.metadata() else { continue };
        if ours && metadata.is_file() && metadata.modified()? < unchanged_since {
            removed += u64::from(std::fs::remove_file(entry.path()).is_ok());
        }
    }
    Ok(removed)
}
