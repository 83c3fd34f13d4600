//! Small reads that need not wait: from the page cache, or not at all.
//!
//! Handing a read to the blocking pool costs two thread switches, which for a small blob is more than the read itself.
//! Linux can be asked to open and read only what is in memory (openat2 with `RESOLVE_CACHED`, preadv2 with
//! `RWF_NOWAIT`); whatever it cannot do at once goes the ordinary way, which also finds the words for errors.

use std::{
    fs::File,
    io::{self, IoSliceMut},
    ops::Range,
    path::Path,
};

use bytes::Bytes;
use rustix::{
    fs::{Mode, OFlags, ResolveFlags, fstat, openat2},
    io::{ReadWriteFlags, preadv2},
};

use super::BlobKey;

/// Copying this much takes a few microseconds, well below what an async thread may be kept busy for.
const BYTES_MAX: u64 = 64 * 1024;

/// The blob folder, kept open so that a lookup starts there.
pub(super) struct CachedReader {
    root: File,
}

impl CachedReader {
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        Ok(Self { root: File::open(root)? })
    }

    /// The blob or its range, if it is small and all of it is in memory.
    pub(super) fn read(&self, key: &BlobKey, range: Option<&Range<u64>>) -> Option<Bytes> {
        if range.is_some_and(|range| range.end.saturating_sub(range.start) > BYTES_MAX) {
            return None;
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::CACHED | ResolveFlags::BENEATH;
        let file = openat2(&self.root, key.as_str(), flags, Mode::empty(), resolve).ok()?;
        let (start, bytes) = match range {
            Some(range) => (range.start, range.end.checked_sub(range.start)?),
            None => (0, u64::try_from(fstat(&file).ok()?.st_size).ok()?),
        };
        if bytes > BYTES_MAX {
            return None;
        }
        let mut buffer = vec![0; usize::try_from(bytes).ok()?];
        let read = preadv2(&file, &mut [IoSliceMut::new(&mut buffer)], start, ReadWriteFlags::NOWAIT).ok()?;
        (read == buffer.len()).then(|| buffer.into())
    }
}
