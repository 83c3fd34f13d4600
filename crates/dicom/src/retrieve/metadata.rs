//! Retrieve metadata: an array of DICOM JSON objects (PS3.18 §10.4.1.1.2), with an ETag.

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use hilum_access::{Permit, Read};
use hilum_kernel::{InstanceKey, SeriesKey};

use super::{metadata_cache::PACKED_BYTES_MAX, missing};
use crate::{
    archive::{Archive, DEFAULT_PARTITION},
    error::DicomError,
    index::{
        lookup::{self, Target, Version},
        metadata::{decompress, decompress_into},
    },
};

/// Series with more instances than this are streamed page by page instead of being put together in memory.
const WHOLE_INSTANCES_MAX: i64 = 1500;

/// What the target's metadata is at present.
pub(super) struct Found {
    /// `{watermark}` of an instance, `{max watermark}-{instances}` above.
    pub(super) etag: String,
    series: Vec<Version<SeriesKey>>,
    instance: Option<InstanceKey>,
}

/// Finds the target and its ETag, without reading any metadata yet.
pub(super) async fn find(
    archive: &Archive,
    _permit: &Permit<Read>,
    target: &Target,
) -> Result<Found, DicomError> {
    let mut tx = archive.0.db.read().await?;
    let not_found = || DicomError::NotFound(missing(target));
    match target {
        Target::Study(study) => {
            let version =
                lookup::study_version(&mut tx, DEFAULT_PARTITION, study).await?.ok_or_else(not_found)?;
            let series = lookup::series_versions(&mut tx, version.key).await?;
            let etag = format!("{}-{}", version.watermark_max, version.instances);
            Ok(Found { etag, series, instance: None })
        }
        Target::Series(study, series) => {
            let version = lookup::series_version(&mut tx, DEFAULT_PARTITION, study, series)
                .await?
                .ok_or_else(not_found)?;
            let etag = format!("{}-{}", version.watermark_max, version.instances);
            Ok(Found { etag, series: vec![version], instance: None })
        }
        Target::Instance(..) => {
            let found = lookup::instances(&mut tx, DEFAULT_PARTITION, target, InstanceKey::new(0)).await?;
            let located = found.into_iter().next().ok_or_else(not_found)?;
            Ok(Found { etag: located.watermark.to_string(), series: Vec::new(), instance: Some(located.key) })
        }
    }
}

/// An array of JSON objects: there already, or still being read.
pub(super) enum Array {
    Whole(Vec<Bytes>),
    Stream(BoxStream<'static, Result<Bytes, DicomError>>),
}

const OPEN: Bytes = Bytes::from_static(b"[");
const COMMA: Bytes = Bytes::from_static(b",");
const CLOSE: Bytes = Bytes::from_static(b"]");

/// Reads the array, or its beginning, so that most failures are clean errors.
pub(super) async fn read(archive: &Archive, found: Found) -> Result<Array, DicomError> {
    if let Some(instance) = found.instance {
        let mut tx = archive.0.db.read().await?;
        let stored = lookup::metadata(&mut tx, instance)
            .await?
            .ok_or(DicomError::NotFound(crate::error::Missing::Instance))?;
        return Ok(Array::Whole(vec![OPEN, Bytes::from(decompress(&stored)?), CLOSE]));
    }
    let mut series = found.series.into_iter();
    let next = series.next().map(Step::start);
    let mut reading = Reading { archive: archive.clone(), series, next, begun: false, any: false };
    let first = reading.advance().await?;
    if reading.next.is_none() {
        return Ok(Array::Whole(first));
    }
    let rest = stream::try_unfold(reading, async |mut reading| {
        if reading.next.is_none() {
            return Ok(None);
        }
        let chunks = reading.advance().await?;
        Ok::<_, DicomError>(Some((stream::iter(chunks.into_iter().map(Ok)), reading)))
    });
    Ok(Array::Stream(stream::iter(first.into_iter().map(Ok)).chain(rest.try_flatten()).boxed()))
}

/// An array being read, series by series.
struct Reading {
    archive: Archive,
    series: std::vec::IntoIter<Version<SeriesKey>>,
    next: Option<Step>,
    /// Whether the opening bracket is written.
    begun: bool,
    /// Whether an object is written, so that a comma goes before the next one.
    any: bool,
}

/// Where to go on.
#[derive(Clone, Copy)]
struct Step {
    version: Version<SeriesKey>,
    after: InstanceKey,
}

impl Step {
    const fn start(version: Version<SeriesKey>) -> Self {
        Self { version, after: InstanceKey::new(0) }
    }
}

impl Reading {
    /// The next chunks of the array; with `next` gone, its last.
    async fn advance(&mut self) -> Result<Vec<Bytes>, DicomError> {
        let mut chunks = Vec::with_capacity(3);
        if !self.begun {
            self.begun = true;
            chunks.push(OPEN);
        }
        if let Some(at) = self.next.take() {
            let (objects, rest) = step(&self.archive, at).await?;
            self.next = rest.or_else(|| self.series.next().map(Step::start));
            // A series may have vanished since its version was looked up.
            if !objects.is_empty() {
                if self.any {
                    chunks.push(COMMA);
                }
                self.any = true;
                chunks.push(objects);
            }
        }
        if self.next.is_none() {
            chunks.push(CLOSE);
        }
        Ok(chunks)
    }
}

/// Reads the objects of a series, joined by commas, or of a page of a large one; tells where to go on within it.
async fn step(archive: &Archive, at: Step) -> Result<(Bytes, Option<Step>), DicomError> {
    let whole = at.after == InstanceKey::new(0) && at.version.instances <= WHOLE_INSTANCES_MAX;
    if whole {
        let cached = archive.clone();
        let hit = blocking(move || cached.0.metadata_cache.get(at.version).transpose()).await?;
        if let Some(joined) = hit? {
            return Ok((Bytes::from(joined), None));
        }
    }
    let mut joined = Vec::new();
    let mut after = at.after;
    let mut objects = 0_i64;
    loop {
        let page = {
            let mut tx = archive.0.db.read().await?;
            lookup::series_metadata(&mut tx, at.version.key, after).await?
        };
        if page.is_empty() {
            break;
        }
        objects += i64::try_from(page.len()).unwrap_or(i64::MAX);
        (joined, after) = blocking(move || append(joined, after, &page)).await??;
        if !whole || joined.len() > PACKED_BYTES_MAX {
            return Ok((Bytes::from(joined), Some(Step { after, ..at })));
        }
    }
    let joined = Bytes::from(joined);
    // Between looking up the version and reading the pages, others may have stored or deleted: then what was read is
    // right to be told now, but is not that version. An instance's key is its watermark.
    let is_version = objects == at.version.instances && after.get() == at.version.watermark_max;
    if whole && is_version {
        let (archive, joined) = (archive.clone(), joined.clone());
        blocking(move || archive.0.metadata_cache.put(at.version, &joined)).await?;
    }
    Ok((joined, None))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, DicomError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| DicomError::Bug("reading metadata panicked"))
}

/// Appends the page's objects until there are more than enough; tells the last one.
fn append(
    mut joined: Vec<u8>,
    mut last: InstanceKey,
    page: &[(InstanceKey, Vec<u8>)],
) -> Result<(Vec<u8>, InstanceKey), DicomError> {
    for (key, stored) in page {
        if !joined.is_empty() {
            joined.push(b',');
        }
        decompress_into(stored, &mut joined)?;
        last = *key;
        if joined.len() > PACKED_BYTES_MAX {
            break;
        }
    }
    Ok((joined, last))
}
