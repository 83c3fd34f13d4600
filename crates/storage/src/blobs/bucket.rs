//! Blobs as objects of a bucket: S3, Azure Blob Storage, Google Cloud Storage, or memory in tests.

use std::{fs::File, io::Read as _, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use object_store::{
    BackoffConfig, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, ObjectStoreScheme, PutPayload,
    RetryConfig, WriteMultipart, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder, memory::InMemory, path::Path, prefix::PrefixStore,
};
use url::Url;

use super::{BlobError, BlobKey, READ_BYTES_MAX, Staged, blocking};

/// Parts of a large upload. S3 allows 10,000 of them, which makes 80 GiB.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// Parts under way at once, which bounds an upload's memory to 40 MiB.
const PARTS_MAX: usize = 4;
/// What a stream asks for at once. A body is never left open while a slow client drains it.
const CHUNK_BYTES: u64 = 4 * 1024 * 1024;
/// Chunks of one stream that are asked for ahead.
const CHUNKS_AHEAD: usize = 2;
/// How long a bucket may take to answer a health check.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Half a minute of trying: a client waits no longer.
fn retry() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 5, retry_timeout: Duration::from_secs(30) }
}

#[derive(Clone)]
pub(super) struct Bucket {
    store: Arc<PrefixStore<Box<dyn ObjectStore>>>,
}

/// Sets each option on a builder, refusing those it does not know.
macro_rules! configure {
    ($builder:expr, $url:expr, $options:expr) => {{
        let mut builder = $builder.with_url($url.as_str()).with_retry(retry());
        for (name, value) in $options {
            let option = name
                .to_ascii_lowercase()
                .parse()
                .map_err(|_| BlobError::Configuration(format!("there is no option {name}")))?;
            builder = builder.with_config(option, value);
        }
        Box::new(builder.build().map_err(|error| BlobError::Configuration(error.to_string()))?)
    }};
}

impl Bucket {
    /// Reads the URL and the options; credentials may also come from the environment variables that the cloud's
    /// own tools read. Does not talk to the bucket yet.
    pub(super) fn open(url: &str, options: &[(String, String)]) -> Result<Self, BlobError> {
        // The parser's words do not repeat the URL, which may hold a secret.
        let url = Url::parse(url).map_err(|error| BlobError::Configuration(error.to_string()))?;
        let refused = || {
            BlobError::Configuration(format!("no store is known for URLs that begin with {}:", url.scheme()))
        };
        let (scheme, prefix) = ObjectStoreScheme::parse(&url).map_err(|_| refused())?;
        let store: Box<dyn ObjectStore> = match scheme {
            ObjectStoreScheme::AmazonS3 => configure!(AmazonS3Builder::from_env(), url, options),
            ObjectStoreScheme::MicrosoftAzure => configure!(MicrosoftAzureBuilder::from_env(), url, options),
            ObjectStoreScheme::GoogleCloudStorage => {
                configure!(GoogleCloudStorageBuilder::from_env(), url, options)
            }
            ObjectStoreScheme::Memory => Box::new(InMemory::new()),
            _ => return Err(refused()),
        };
        Ok(Self { store: Arc::new(PrefixStore::new(store, prefix)) })
    }

    /// Overwrites, unlike local files: only so may a request whose answer was lost be sent again.
    pub(super) async fn put(&self, key: &BlobKey, parts: Vec<Bytes>) -> Result<(), BlobError> {
        self.store.put(&path(key), PutPayload::from_iter(parts)).await.map(drop).map_err(unavailable)
    }

    /// Uploads a staged file in parts. Parts of an upload that never ends stay in the bucket until its own
    /// life-cycle rule removes them.
    pub(super) async fn upload(&self, mut staged: Staged, key: &BlobKey) -> Result<(), BlobError> {
        let mut file = staged.reader().await?;
        if staged.len() <= PART_BYTES as u64 {
            let (_, part) = next_part(file).await?;
            return self.put(key, vec![part]).await;
        }
        let upload = self.store.put_multipart(&path(key)).await.map_err(unavailable)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        loop {
            let part = match next_part(file).await {
                Ok((_, part)) if part.is_empty() => break,
                Ok((rest, part)) => {
                    file = rest;
                    part
                }
                Err(error) => {
                    let _ = upload.abort().await;
                    return Err(error);
                }
            };
            if let Err(error) = upload.wait_for_capacity(PARTS_MAX).await {
                let _ = upload.abort().await;
                return Err(unavailable(error));
            }
            upload.put(part);
        }
        // Aborts by itself when it fails.
        upload.finish().await.map(drop).map_err(unavailable)
    }

    pub(super) async fn read(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<Bytes, BlobError> {
        let Some(range) = range else {
            let answer =
                self.store.get(&path(key)).await.map_err(|error| BlobError::of_object(key, error))?;
            if answer.meta.size > READ_BYTES_MAX {
                return Err(BlobError::TooLarge { bytes: answer.meta.size });
            }
            return answer.bytes().await.map_err(|error| BlobError::of_object(key, error));
        };
        self.chunk(key, range).await.map(|(bytes, _)| bytes)
    }

    pub(super) async fn read_ranges(
        &self,
        key: &BlobKey,
        ranges: &[Range<u64>],
    ) -> Result<Vec<Bytes>, BlobError> {
        // Asked for one by one: neighbours that lie close together are joined by the caller's frame index.
        futures::stream::iter(ranges.iter().cloned())
            .map(|range| async move { self.chunk(key, range).await.map(|(bytes, _)| bytes) })
            .buffered(PARTS_MAX)
            .try_collect()
            .await
    }

    /// The stream and how many bytes it will give.
    pub(super) async fn stream(
        &self,
        key: &BlobKey,
        range: Option<Range<u64>>,
    ) -> Result<(u64, impl Stream<Item = Result<Bytes, BlobError>> + Send + 'static), BlobError> {
        let (first, range) = match range {
            Some(range) => {
                let end = range.end.min(range.start.saturating_add(CHUNK_BYTES));
                (self.chunk(key, range.start..end).await?.0, range)
            }
            None => self.first_chunk(key).await?,
        };
        let bytes = range.end.saturating_sub(range.start);
        let (bucket, key) = (self.clone(), key.clone());
        let rest = range.start.saturating_add(first.len() as u64);
        let starts = futures::stream::unfold(rest, move |start| async move {
            let end = range.end.min(start.saturating_add(CHUNK_BYTES));
            (start < end).then_some((start..end, end))
        });
        let more = starts
            .map(move |range| {
                let (bucket, key) = (bucket.clone(), key.clone());
                async move { bucket.chunk(&key, range).await.map(|(bytes, _)| bytes) }
            })
            .buffered(CHUNKS_AHEAD);
        Ok((bytes, futures::stream::once(std::future::ready(Ok(first))).chain(more)))
    }

    /// The beginning of a blob whose size is not known, and the range of the whole.
    async fn first_chunk(&self, key: &BlobKey) -> Result<(Bytes, Range<u64>), BlobError> {
        match self.chunk_up_to(key, 0..CHUNK_BYTES).await {
            Ok((bytes, size)) if bytes.len() as u64 == size.min(CHUNK_BYTES) => Ok((bytes, 0..size)),
            Ok(_) => Err(BlobError::Truncated { key: key.clone() }),
            // A blob without bytes has no range that could be asked for.
            Err(_) if self.size(key).await? == 0 => Ok((Bytes::new(), 0..0)),
            Err(error) => Err(error),
        }
    }

    /// Exactly the range, and the size of the whole blob.
    async fn chunk(&self, key: &BlobKey, range: Range<u64>) -> Result<(Bytes, u64), BlobError> {
        let wanted = range.end.saturating_sub(range.start);
        if wanted == 0 {
            return Ok((Bytes::new(), 0));
        }
        match self.chunk_up_to(key, range.clone()).await {
            Ok((bytes, size)) if bytes.len() as u64 == wanted => Ok((bytes, size)),
            Ok(_) => Err(BlobError::Truncated { key: key.clone() }),
            Err(BlobError::Unavailable(_)) if self.size(key).await? < range.end => {
                Err(BlobError::Truncated { key: key.clone() })
            }
            Err(error) => Err(error),
        }
    }

    async fn chunk_up_to(&self, key: &BlobKey, range: Range<u64>) -> Result<(Bytes, u64), BlobError> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let answer = self
            .store
            .get_opts(&path(key), options)
            .await
            .map_err(|error| BlobError::of_object(key, error))?;
        let size = answer.meta.size;
        Ok((answer.bytes().await.map_err(|error| BlobError::of_object(key, error))?, size))
    }

    pub(super) async fn size(&self, key: &BlobKey) -> Result<u64, BlobError> {
        Ok(self.store.head(&path(key)).await.map_err(|error| BlobError::of_object(key, error))?.size)
    }

    pub(super) async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        match self.store.delete(&path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Lists one object: fails where the bucket is missing or does not let us in.
    pub(super) async fn ping(&self) -> Result<(), BlobError> {
        let mut listing = self.store.list(Some(&Path::from("dicom")));
        match tokio::time::timeout(PING_TIMEOUT, listing.next()).await {
            Ok(Some(Err(error))) => Err(unavailable(error)),
            Ok(_) => Ok(()),
            Err(elapsed) => Err(BlobError::Unavailable(elapsed.into())),
        }
    }

    pub(super) fn listing(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store) as Arc<dyn ObjectStore>
    }
}

/// Where a key is not asked for by name, "not found" means the bucket itself.
fn unavailable(error: object_store::Error) -> BlobError {
    BlobError::Unavailable(error.into())
}

fn path(key: &BlobKey) -> Path {
    Path::from(key.as_str())
}

/// The next part of a staged file, and the file for the part after it. Empty at the end.
async fn next_part(file: File) -> Result<(File, Bytes), BlobError> {
    blocking(move || {
        let mut part = Vec::with_capacity(PART_BYTES);
        (&file).take(PART_BYTES as u64).read_to_end(&mut part)?;
        Ok((file, part.into()))
    })
    .await
}
