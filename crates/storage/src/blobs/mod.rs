//! Files behind [`BlobKey`]: local by default, or a bucket of S3, Azure Blob Storage or Google Cloud Storage.
//!
//! A blob is written once, under a key that is never used again, and is durable when [`Blobs::put`] or
//! [`Blobs::promote`] returns. It belongs to the archive from the moment a committed row names it; what a crash
//! leaves before that moment is an orphan, which [`sweep()`] removes. What is too large for memory goes through
//! [`Blobs::stage`].

mod bucket;
#[cfg(target_os = "linux")]
mod cached;
mod error;
mod key;
mod local;
mod staging;
mod sweep;

#[cfg(test)]
mod tests;

use std::{fmt, ops::Range, path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use object_store::{ObjectStore, local::LocalFileSystem};

pub use error::BlobError;
pub use key::BlobKey;
pub use staging::Staged;
pub use sweep::{SWEEP_BATCH, SWEEP_GRACE, SweepOptions, Swept, sweep};

use bucket::Bucket;
use local::{LocalBlobs, LocalReader};

/// The most that [`Blobs::read`] and its kin return at once: frames and small instances. Beyond: [`Blobs::stream`].
pub const READ_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What a stream of a local blob reads at once. An instance of common size comes in one piece.
const CHUNK_BYTES: u64 = 1024 * 1024;

/// Where blobs are kept.
#[derive(Clone, PartialEq, Eq)]
pub enum BlobConfig {
    /// Files below a folder, which is created where it is missing.
    Local {
        /// The folder.
        folder: PathBuf,
    },
    /// A bucket or container, which must be there.
    Url {
        /// `s3://bucket/prefix`, `az://container/prefix`, `gs://bucket/prefix`, or `memory:///` for tests.
        url: String,
        /// Names and values as `object_store` has them: `endpoint`, `allow_http`, `access_key_id`,
        /// `secret_access_key`, `account_name`, `account_key`. Values may be secrets.
        options: Vec<(String, String)>,
    },
}

// Values of options are secrets, and so may be what stands before `@` or after `?` in the URL.
impl fmt::Debug for BlobConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { folder } => f.debug_struct("Local").field("folder", folder).finish(),
            Self::Url { url, options } => {
                let names: Vec<_> = options.iter().map(|(name, _)| name).collect();
                let plain = url.split('?').next().unwrap_or_default();
                let plain = match (plain.split_once("://"), plain.rsplit_once('@')) {
                    (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://[secret]@{rest}"),
                    _ => plain.to_owned(),
                };
                f.debug_struct("Url").field("url", &plain).field("options", &names).finish()
            }
        }
    }
}

/// A stream of a blob's bytes.
pub struct BlobStream {
    /// How many bytes the stream gives in all.
    pub bytes: u64,
    /// The bytes. An error ends it.
    pub chunks: BoxStream<'static, Result<Bytes, BlobError>>,
}

/// A handle to the blob store; cheap to clone.
#[derive(Clone)]
pub struct Blobs(Arc<Inner>);

struct Inner {
    backend: Backend,
    listing: Arc<dyn ObjectStore>,
    staging: PathBuf,
}

enum Backend {
    Local(Arc<LocalBlobs>),
    Bucket(Bucket),
}

impl Blobs {
    /// Opens the store. Blocks shortly on the local disk; does not talk to a bucket yet: see [`Blobs::ping`].
    ///
    /// The staging folder should be on the same file system as local blobs, so that promoting is renaming.
    ///
    /// # Errors
    /// [`BlobError::Configuration`] for a URL or an option that means nothing.
    pub fn open(config: &BlobConfig, staging_folder: PathBuf) -> Result<Self, BlobError> {
        local::make_folders(&staging_folder)?;
        let (backend, listing) = match config {
            BlobConfig::Local { folder } => {
                let blobs = LocalBlobs::open(folder.clone())?;
                let listing = LocalFileSystem::new_with_prefix(blobs.root())
                    .map_err(|error| BlobError::Unavailable(error.into()))?;
                (Backend::Local(Arc::new(blobs)), Arc::new(listing) as Arc<dyn ObjectStore>)
            }
            BlobConfig::Url { url, options } => {
                let bucket = Bucket::open(url, options)?;
                let listing = bucket.listing();
                (Backend::Bucket(bucket), listing)
            }
        };
        Ok(Self(Arc::new(Inner { backend, listing, staging: staging_folder })))
    }

    /// Stores a small blob, given in pieces. Durable on return. Runs to its end even when the caller hangs up,
    /// on local files; then the blob is an orphan.
    pub async fn put(&self, key: &BlobKey, parts: Vec<Bytes>) -> Result<(), BlobError> {
        match &self.0.backend {
            Backend::Local(local) => {
                let (local, key) = (Arc::clone(local), key.clone());
                blocking(move || local.put(&key, &parts)).await
            }
            Backend::Bucket(bucket) => bucket.put(key, parts).await,
        }
    }

    /// Stores what `work` gives on a thread that may block, if it gives something. On local files both happen in one
    /// visit to that thread. Durable on return. A panic of `work` goes on in the caller.
    pub async fn put_made<T: Send + 'static>(
        &self,
        key: &BlobKey,
        work: impl FnOnce() -> (T, Option<Vec<Bytes>>) + Send + 'static,
    ) -> Result<T, BlobError> {
        match &self.0.backend {
            Backend::Local(local) => {
                let (local, key) = (Arc::clone(local), key.clone());
                let visit = move || {
                    let (outcome, parts) = work();
                    parts.map_or(Ok(()), |parts| local.put(&key, &parts))?;
                    Ok(outcome)
                };
                unwound(tokio::task::spawn_blocking(visit).await)?
            }
            Backend::Bucket(bucket) => {
                let (outcome, parts) = unwound(tokio::task::spawn_blocking(work).await)?;
                if let Some(parts) = parts {
                    bucket.put(key, parts).await?;
                }
                Ok(outcome)
            }
        }
    }

    /// Opens a file for a body that is too large for memory.
    pub async fn stage(&self) -> Result<Staged, BlobError> {
        Staged::create(self.0.staging.clone()).await
    }

    /// Makes a staged file a blob. Durable on return.
    pub async fn promote(&self, mut staged: Staged, key: &BlobKey) -> Result<(), BlobError> {
        staged.flush().await?;
        match &self.0.backend {
            Backend::Local(local) => {
                let (local, key) = (Arc::clone(local), key.clone());
                blocking(move || {
                    local.adopt(staged.path(), &key)?;
                    staged.give_up_name();
                    Ok(())
                })
                .await
            }
            Backend::Bucket(bucket) => bucket.upload(staged, key).await,
        }
    }

    /// A whole blob, up to [`READ_BYTES_MAX`].
    pub async fn read(&self, key: &BlobKey) -> Result<Bytes, BlobError> {
        self.read_part(key, None).await
    }

    /// A range of a blob, all of which must be there, up to [`READ_BYTES_MAX`].
    pub async fn read_range(&self, key: &BlobKey, range: Range<u64>) -> Result<Bytes, BlobError> {
        check_total(std::slice::from_ref(&range))?;
        self.read_part(key, Some(range)).await
    }

    async fn read_part(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<Bytes, BlobError> {
        match &self.0.backend {
            Backend::Local(local) => {
                if let Some(bytes) = local.read_cached(key, range.as_ref()) {
                    return Ok(bytes);
                }
                let (local, key) = (Arc::clone(local), key.clone());
                blocking(move || local.read(&key, range)).await
            }
            Backend::Bucket(bucket) => bucket.read(key, range).await,
        }
    }

    /// Several ranges of a blob, in the order asked for, up to [`READ_BYTES_MAX`] in all.
    pub async fn read_ranges(&self, key: &BlobKey, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BlobError> {
        check_total(ranges)?;
        match &self.0.backend {
            Backend::Local(local) => {
                if let [range] = ranges
                    && let Some(bytes) = local.read_cached(key, Some(range))
                {
                    return Ok(vec![bytes]);
                }
                let (local, key, ranges) = (Arc::clone(local), key.clone(), ranges.to_vec());
                blocking(move || local.read_ranges(&key, &ranges)).await
            }
            Backend::Bucket(bucket) => bucket.read_ranges(key, ranges).await,
        }
    }

    /// A blob, or a range of it, as a stream with bounded memory. What is missing is known before the first byte.
    pub async fn stream(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<BlobStream, BlobError> {
        match &self.0.backend {
            Backend::Local(local) => {
                let (local, key) = (Arc::clone(local), key.clone());
                let (bytes, first, reader, key) = blocking(move || {
                    let mut reader = local.reader(&key, range)?;
                    let bytes = reader.left();
                    let first = reader.next(&key, CHUNK_BYTES)?;
                    Ok((bytes, first, reader, key))
                })
                .await?;
                let first = futures::stream::once(std::future::ready(Ok(first)));
                if reader.left() == 0 {
                    return Ok(BlobStream { bytes, chunks: first.boxed() });
                }
                let rest = futures::stream::try_unfold((reader, key), next_chunk);
                Ok(BlobStream { bytes, chunks: first.chain(rest).boxed() })
            }
            Backend::Bucket(bucket) => {
                let (bytes, chunks) = bucket.stream(key, range).await?;
                Ok(BlobStream { bytes, chunks: chunks.boxed() })
            }
        }
    }

    /// How many bytes a blob has.
    pub async fn size(&self, key: &BlobKey) -> Result<u64, BlobError> {
        match &self.0.backend {
            Backend::Local(local) => {
                let (local, key) = (Arc::clone(local), key.clone());
                blocking(move || local.size(&key)).await
            }
            Backend::Bucket(bucket) => bucket.size(key).await,
        }
    }

    /// Removes a blob. One that is not there is removed already.
    pub async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        match &self.0.backend {
            Backend::Local(local) => {
                let (local, key) = (Arc::clone(local), key.clone());
                blocking(move || local.delete(&key)).await
            }
            Backend::Bucket(bucket) => bucket.delete(key).await,
        }
    }

    /// Whether the store works: writes a few bytes to the local disk, or asks the bucket for a listing.
    pub async fn ping(&self) -> Result<(), BlobError> {
        match &self.0.backend {
            Backend::Local(local) => {
                let local = Arc::clone(local);
                blocking(move || local.ping()).await
            }
            Backend::Bucket(bucket) => bucket.ping().await,
        }
    }
}

type ChunkState = (LocalReader, BlobKey);

async fn next_chunk((mut reader, key): ChunkState) -> Result<Option<(Bytes, ChunkState)>, BlobError> {
    if reader.left() == 0 {
        return Ok(None);
    }
    blocking(move || {
        let chunk = reader.next(&key, CHUNK_BYTES)?;
        Ok(Some((chunk, (reader, key))))
    })
    .await
}

fn check_total(ranges: &[Range<u64>]) -> Result<(), BlobError> {
    let bytes = ranges.iter().map(|range| range.end.saturating_sub(range.start)).fold(0, u64::saturating_add);
    if bytes > READ_BYTES_MAX { Err(BlobError::TooLarge { bytes }) } else { Ok(()) }
}

/// A panic of the caller's own work stays one.
fn unwound<T>(joined: Result<T, tokio::task::JoinError>) -> Result<T, BlobError> {
    joined.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(cut_off) => BlobError::Unavailable(cut_off.into()),
    })
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        // A panic, or the runtime is shutting down.
        Err(error) => Err(BlobError::Unavailable(error.into())),
    }
}
