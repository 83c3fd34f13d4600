//! Retrieve metadata: an array of DICOM JSON objects (PS3.18 §10.4.1.1.2), with an ETag.

use bytes::Bytes;
use futures::{StreamExt as _, stream, stream::BoxStream};
use hilum_access::{Permit, Read};
use hilum_kernel::{InstanceKey, SeriesKey};

use super::{metadata_cache::PACKED_BYTES_MAX, missing};
use crate::{
    archive::{Archive, DEFAULT_PARTITION},
    error::DicomError,
    index::{
        lookup::{self, Target, Version},
        metadata::decompress_into,
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

/// The array, in chunks.
pub(super) async fn read(
    archive: &Archive,
    found: Found,
) -> Result<BoxStream<'static, Result<Bytes, DicomError>>, DicomError> {
    if let Some(instance) = found.instance {
        let mut tx = archive.0.db.read().await?;
        let stored = lookup::metadata(&mut tx, instance)
            .await?
            .ok_or(DicomError::NotFound(crate::error::Missing::Instance))?;
        let mut json = vec![b'['];
        decompress_into(&stored, &mut json)?;
        json.push(b']');
        return Ok(stream::iter([Ok(Bytes::from(json))]).boxed());
    }
    let mut series = found.series.into_iter();
    let Some(first) = series.next() else { return Ok(stream::iter([Ok(Bytes::from_static(b"[]"))]).boxed()) };
    // The first series is read before the answer starts, so that most failures are clean errors.
    let archive = archive.clone();
    let head = Step { first: true, after: InstanceKey::new(0), version: first };
    let chunk = step(&archive, head).await?;
    let state = Reading { archive, series, next: chunk.1, chunk: Some(chunk.0), closed: false };
    Ok(stream::try_unfold(state, advance).boxed())
}

struct Reading {
    archive: Archive,
    series: std::vec::IntoIter<Version<SeriesKey>>,
    /// Where to go on within the present series.
    next: Option<Step>,
    chunk: Option<Vec<u8>>,
    closed: bool,
}

#[derive(Clone, Copy)]
struct Step {
    /// Whether this opens the array.
    first: bool,
    after: InstanceKey,
    version: Version<SeriesKey>,
}

async fn advance(mut state: Reading) -> Result<Option<(Bytes, Reading)>, DicomError> {
    if state.closed {
        return Ok(None);
    }
    if let Some(mut chunk) = state.chunk.take() {
        if state.next.is_none() {
            let following = state.series.next();
            state.next = following.map(|version| Step { first: false, after: InstanceKey::new(0), version });
        }
        if state.next.is_none() {
            chunk.push(b']');
            state.closed = true;
        }
        return Ok(Some((Bytes::from(chunk), state)));
    }
    let Some(at) = state.next.take() else { return Ok(None) };
    let (chunk, next) = step(&state.archive, at).await?;
    state.chunk = Some(chunk);
    state.next = next;
    Box::pin(advance(state)).await
}

/// Reads a series, or a page of a large one; tells where to go on within it.
async fn step(archive: &Archive, at: Step) -> Result<(Vec<u8>, Option<Step>), DicomError> {
    let whole = at.version.instances <= WHOLE_INSTANCES_MAX;
    if whole {
        let cached = archive.clone();
        let version = at.version;
        let first = at.first;
        let hit = tokio::task::spawn_blocking(move || {
            cached.0.metadata_cache.get(version).map(|joined| joined.map(|json| opened(first, &json)))
        });
        if let Some(joined) = hit.await.map_err(|_| DicomError::Bug("reading metadata panicked"))? {
            return Ok((joined?, None));
        }
    }
    let mut joined = Vec::new();
    let mut after = at.after;
    loop {
        let page = {
            let mut tx = archive.0.db.read().await?;
            lookup::series_metadata(&mut tx, at.version.key, after).await?
        };
        let Some((last, _)) = page.last() else { break };
        after = *last;
        joined = tokio::task::spawn_blocking(move || append(joined, &page))
            .await
            .map_err(|_| DicomError::Bug("reading metadata panicked"))??;
        if !whole || joined.len() > PACKED_BYTES_MAX {
            return Ok((opened(at.first, &joined), Some(Step { first: false, after, ..at })));
        }
    }
    let json = opened(at.first, &joined);
    if whole {
        let archive = archive.clone();
        let keep = move || archive.0.metadata_cache.put(at.version, &joined);
        tokio::task::spawn_blocking(keep).await.map_err(|_| DicomError::Bug("packing metadata panicked"))?;
    }
    Ok((json, None))
}

fn append(mut joined: Vec<u8>, page: &[(InstanceKey, Vec<u8>)]) -> Result<Vec<u8>, DicomError> {
    for (_, stored) in page {
        if !joined.is_empty() {
            joined.push(b',');
        }
        decompress_into(stored, &mut joined)?;
    }
    Ok(joined)
}

/// Puts the array's opening bracket, or the comma to the series before, in front.
fn opened(first: bool, joined: &[u8]) -> Vec<u8> {
    let mut json = Vec::with_capacity(joined.len() + 2);
    if first {
        json.push(b'[');
    } else if !joined.is_empty() {
        json.push(b',');
    }
    json.extend_from_slice(joined);
    json
}
