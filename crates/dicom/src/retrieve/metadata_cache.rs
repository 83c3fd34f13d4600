//! Compressed metadata of whole series, in memory.
//!
//! The instances of a series are nearly alike, so their JSON compresses together to a few hundred bytes each, and
//! decompressing it is several times faster than decompressing them one by one. A pack is made when a series is first
//! asked for, and is good only for the version it was made of; so nothing stale is ever served, whichever node changed it.

use bytes::Bytes;
use hilum_kernel::SeriesKey;
use moka::sync::Cache;

use crate::index::{lookup::Version, metadata::MetadataError};

/// Packs of larger series are not kept: one of them would push out all others.
pub(super) const PACKED_BYTES_MAX: usize = 32 * 1024 * 1024;

const LEVEL: i32 = 1;

#[derive(Clone)]
struct Pack {
    version: Version<SeriesKey>,
    compressed: Bytes,
    json_bytes: usize,
}

/// A bounded map from series to packs.
pub(crate) struct MetadataCache(Cache<SeriesKey, Pack>);

impl MetadataCache {
    pub(crate) fn new(bytes_max: u64) -> Self {
        let weigh =
            |_: &SeriesKey, pack: &Pack| u32::try_from(pack.compressed.len() + 256).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(bytes_max).weigher(weigh).build())
    }

    /// The series' JSON objects joined by commas, if this version is there.
    pub(super) fn get(&self, version: Version<SeriesKey>) -> Option<Result<Vec<u8>, MetadataError>> {
        let pack = self.0.get(&version.key).filter(|pack| pack.version == version)?;
        Some(zstd::bulk::decompress(&pack.compressed, pack.json_bytes).map_err(MetadataError::Damaged))
    }

    /// Keeps the series' JSON objects joined by commas.
    pub(super) fn put(&self, version: Version<SeriesKey>, joined: &[u8]) {
        if joined.len() > PACKED_BYTES_MAX {
            return;
        }
        if let Ok(compressed) = zstd::bulk::compress(joined, LEVEL) {
            let compressed = Bytes::from(compressed);
            self.0.insert(version.key, Pack { version, compressed, json_bytes: joined.len() });
        }
    }
}
