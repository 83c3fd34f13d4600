//! Blobs as plain files. Every function here blocks: callers come through `spawn_blocking`.
//!
//! A blob is written under its final name at once. Nobody looks for it before the row that names it is committed,
//! so a half-written file is never seen, and renaming would only cost another wait for the disk.

use std::{
    collections::HashSet,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, IoSlice, Read as _, Seek as _, SeekFrom, Write as _},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;

use super::{BlobError, BlobKey, READ_BYTES_MAX};

/// How many folders are remembered as durable. Each is a minute of storing; forgetting one costs three fsyncs.
const DURABLE_FOLDERS_MAX: usize = 256;

/// How often a write starts again because its folder was swept away meanwhile.
const FOLDER_TRIES: u32 = 3;

pub(super) struct LocalBlobs {
    root: PathBuf,
    /// Folders whose own names were synced by this process, up to the root.
    durable: Mutex<HashSet<PathBuf>>,
    #[cfg(target_os = "linux")]
    cached: super::cached::CachedReader,
}

/// An open blob and what is left of it to be read.
pub(super) struct LocalReader {
    file: File,
    left: u64,
}

impl LocalBlobs {
    pub(super) fn open(root: PathBuf) -> io::Result<Self> {
        make_folders(&root)?;
        let root = root.canonicalize()?;
        if let Some(parent) = root.parent() {
            // Not every account may read the folder above; then its owner made the root long ago.
            if let Err(error) = sync_folder(parent) {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "the parent of the blob folder was not synced"
                );
            }
        }
        Ok(Self {
            #[cfg(target_os = "linux")]
            cached: super::cached::CachedReader::open(&root)?,
            root,
            durable: Mutex::default(),
        })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn put(&self, key: &BlobKey, parts: &[Bytes]) -> Result<(), BlobError> {
        self.create(key, |mut file| {
            let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
            write_all_vectored(&mut file, &mut slices)
        })
    }

    /// Syncs a staged file and gives it its final name. On success the staged name is gone.
    pub(super) fn adopt(&self, staged: &Path, key: &BlobKey) -> Result<(), BlobError> {
        let source = File::open(staged)?;
        source.sync_data()?;
        let (path, folder) = self.place(key);
        for _ in 0..FOLDER_TRIES {
            self.ensure(&folder)?;
            if path.try_exists()? {
                return Err(BlobError::AlreadyExists { key: key.clone() });
            }
            match fs::rename(staged, &path) {
                Ok(()) => return sync_folder(&folder).map_err(BlobError::from),
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.forget(&folder),
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                    self.create(key, |mut file| io::copy(&mut &source, &mut file).map(drop))?;
                    return Ok(fs::remove_file(staged)?);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::from(io::ErrorKind::NotFound).into())
    }

    fn create(&self, key: &BlobKey, write: impl FnOnce(&File) -> io::Result<()>) -> Result<(), BlobError> {
        let (path, folder) = self.place(key);
        let file = self.create_new(&path, &folder).map_err(|error| BlobError::of_file(key, error))?;
        // fdatasync writes the data and all metadata needed to read it again, the size among them; what it leaves
        // out are times, which nobody relies on.
        let outcome = write(&file).and_then(|()| file.sync_data()).and_then(|()| sync_folder(&folder));
        if outcome.is_err() {
            // A disk that is full must not stay full because of what did not fit.
            let _ = fs::remove_file(&path);
        }
        outcome.map_err(BlobError::from)
    }

    fn create_new(&self, path: &Path, folder: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        for _ in 0..FOLDER_TRIES {
            self.ensure(folder)?;
            match options.open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.forget(folder),
                outcome => return outcome,
            }
        }
        Err(io::Error::other("the folder of a new blob vanishes again and again"))
    }

    /// Makes the folder and sees to it that it is there after a crash.
    fn ensure(&self, folder: &Path) -> io::Result<()> {
        if self.durable().contains(folder) {
            return Ok(());
        }
        make_folders(folder)?;
        // Also where the folder is there: another thread may have made it a moment ago and not synced it yet.
        for above in folder.ancestors().skip(1) {
            sync_folder(above)?;
            if above == self.root {
                break;
            }
        }
        let mut durable = self.durable();
        if durable.len() >= DURABLE_FOLDERS_MAX {
            durable.clear();
        }
        durable.insert(folder.to_owned());
        Ok(())
    }

    fn forget(&self, folder: &Path) {
        self.durable().remove(folder);
    }

    /// No code that holds the lock can leave half a change behind, so a panic elsewhere does not matter.
    fn durable(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file of a blob and the folder it is in.
    fn place(&self, key: &BlobKey) -> (PathBuf, PathBuf) {
        let path = self.root.join(key.as_str());
        let folder = path.parent().unwrap_or(&self.root).to_owned();
        (path, folder)
    }

    /// The whole blob or a range of it, if that needs no waiting. The one function here that does not block.
    pub(super) fn read_cached(&self, key: &BlobKey, range: Option<&Range<u64>>) -> Option<Bytes> {
        #[cfg(target_os = "linux")]
        return self.cached.read(key, range);
        #[cfg(not(target_os = "linux"))]
        return None;
    }

    /// The whole blob or a range of it, in one buffer of exactly that size.
    pub(super) fn read(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<Bytes, BlobError> {
        let mut reader = self.reader(key, range)?;
        if reader.left > READ_BYTES_MAX {
            return Err(BlobError::TooLarge { bytes: reader.left });
        }
        reader.next(key, READ_BYTES_MAX)
    }

    pub(super) fn read_ranges(&self, key: &BlobKey, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BlobError> {
        let mut reader = self.reader(key, Some(0..0))?;
        ranges
            .iter()
            .map(|range| {
                reader.file.seek(SeekFrom::Start(range.start))?;
                reader.left = range.end.saturating_sub(range.start);
                reader.next(key, READ_BYTES_MAX)
            })
            .collect()
    }

    pub(super) fn reader(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<LocalReader, BlobError> {
        let path = self.root.join(key.as_str());
        let mut file = File::open(path).map_err(|error| BlobError::of_file(key, error))?;
        let left = match range {
            None => file.metadata()?.len(),
            Some(range) => {
                if range.start > 0 {
                    file.seek(SeekFrom::Start(range.start))?;
                }
                range.end.saturating_sub(range.start)
            }
        };
        Ok(LocalReader { file, left })
    }

    pub(super) fn size(&self, key: &BlobKey) -> Result<u64, BlobError> {
        let metadata = fs::metadata(self.root.join(key.as_str()));
        Ok(metadata.map_err(|error| BlobError::of_file(key, error))?.len())
    }

    pub(super) fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        // Not synced: if a crash brings the file back, it is an orphan, and the sweep removes it.
        match fs::remove_file(self.root.join(key.as_str())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Writes a few bytes and removes them: fails on a full disk and on one that went read-only.
    pub(super) fn ping(&self) -> Result<(), BlobError> {
        let path = self.root.join(format!(".probe-{}", std::process::id()));
        let outcome = fs::write(&path, [0; 4096]);
        let _ = fs::remove_file(&path);
        outcome.map_err(BlobError::from)
    }

    /// Removes folders below `name` that are empty and were not changed since.
    pub(super) fn remove_empty_folders(&self, name: &str, unchanged_since: SystemTime) -> io::Result<()> {
        // `dicom/{day}/{minute}`: two levels below the first.
        remove_empty_folders(&self.root.join(name), unchanged_since, 2)
    }
}

impl LocalReader {
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// The next bytes, `bytes_max` at most; fewer only at the end.
    pub(super) fn next(&mut self, key: &BlobKey, bytes_max: u64) -> Result<Bytes, BlobError> {
        let wanted = self.left.min(bytes_max);
        let capacity = usize::try_from(wanted).map_err(|_| BlobError::TooLarge { bytes: wanted })?;
        let mut buffer = Vec::with_capacity(capacity);
        (&self.file).take(wanted).read_to_end(&mut buffer)?;
        if buffer.len() != capacity {
            return Err(BlobError::Truncated { key: key.clone() });
        }
        self.left -= wanted;
        Ok(buffer.into())
    }
}

/// Makes the names in a folder durable: a file's data being on disk does not mean that its name is.
///
/// Sharing one fsync among those who wait for the same folder was measured and gained nothing: ext4's journal
/// commits them together already.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn write_all_vectored(file: &mut &File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    // Empty parts in front would look like a disk that takes nothing.
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes a folder and those above it; other accounts of the machine have no business there.
pub(super) fn make_folders(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn remove_empty_folders(folder: &Path, unchanged_since: SystemTime, levels: u32) -> io::Result<()> {
    if levels == 0 {
        return Ok(());
    }
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        // Looked at before folders inside it are removed, which changes the time.
        let old = entry.metadata()?.modified()? < unchanged_since;
        remove_empty_folders(&entry.path(), unchanged_since, levels - 1)?;
        if old {
            // Fails for a folder that is not empty, which is what we want of it.
            let _ = fs::remove_dir(entry.path());
        }
    }
    Ok(())
}
