//! Retrieve instances as Part 10 files: one, or all of a series or study.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use hilum_access::{Permit, Read};
use hilum_kernel::InstanceKey;
use hilum_storage::blobs::BlobKey;

use super::{NOT_SUPPORTED, TOO_LARGE_TO_TRANSCODE, TRANSCODE_BYTES_MAX, missing};
use crate::{
    archive::{Archive, DEFAULT_PARTITION},
    dataset::read::{Limits, read_instance},
    error::DicomError,
    index::lookup::{self, Located, PAGE, Target},
    media_type::{EXPLICIT_LITTLE_ENDIAN, Selected, Wanted},
    transcode::{self, Segment},
};

/// Files up to this size are read whole before the answer starts, so that a missing file is a clean error.
const READ_WHOLE_BYTES_MAX: u64 = 1024 * 1024;

/// The bytes of one instance.
pub(super) struct InstanceBytes {
    pub(super) transfer_syntax: String,
    pub(super) content: Content,
}

/// Where bytes come from.
pub(super) enum Content {
    Whole(Bytes),
    Stream { bytes: u64, chunks: BoxStream<'static, Result<Bytes, DicomError>> },
}

/// What a retrieval gives: one instance, or several that are opened one after the other.
pub(super) enum Retrieved {
    One(Box<InstanceBytes>),
    Many(BoxStream<'static, Result<InstanceBytes, DicomError>>),
}

/// Finds the target's instances and opens the first.
pub(super) async fn retrieve(
    archive: &Archive,
    _permit: &Permit<Read>,
    target: &Target,
    selected: Selected,
) -> Result<Retrieved, DicomError> {
    let first = {
        let mut tx = archive.0.db.read().await?;
        lookup::instances(&mut tx, DEFAULT_PARTITION, target, InstanceKey::new(0)).await?
    };
    let mut page = VecDeque::from(first);
    match (page.pop_front(), page.is_empty()) {
        (None, _) => Err(DicomError::NotFound(missing(target))),
        (Some(only), true) => Ok(Retrieved::One(Box::new(open(archive, only, selected.transfer_syntax).await?))),
        (Some(first), false) => {
            if let Wanted::Uid(uid) = selected.transfer_syntax {
                return Err(DicomError::CannotTranscode(several_matched(uid)));
            }
            page.push_front(first);
            Ok(Retrieved::Many(many(archive.clone(), target.clone(), page)))
        }
    }
}

fn several_matched(uid: &str) -> String {
    format!(
        "Accept transfer syntax '{uid}' is not supported when multiple instances are matched. Matching instances can be \
         retrieved with their original transfer syntax by specifying 'transfer-syntax=*' in the Accept header."
    )
}

/// Opens instances one after the other and fetches further pages of rows as they are needed.
fn many(
    archive: Archive,
    target: Target,
    page: VecDeque<Located>,
) -> BoxStream<'static, Result<InstanceBytes, DicomError>> {
    struct State {
        archive: Archive,
        target: Target,
        page: VecDeque<Located>,
        last_page: bool,
    }
    let last_page = page.len() < PAGE;
    stream::try_unfold(State { archive, target, page, last_page }, |mut state| async move {
        let Some(located) = state.page.pop_front() else { return Ok(None) };
        if state.page.is_empty() && !state.last_page {
            let mut tx = state.archive.0.db.read().await?;
            let next = lookup::instances(&mut tx, DEFAULT_PARTITION, &state.target, located.key).await?;
            state.last_page = next.len() < PAGE;
            state.page = next.into();
        }
        let opened = open(&state.archive, located, Wanted::AsStored).await?;
        Ok(Some((opened, state)))
    })
    .boxed()
}

/// Opens one instance in the wanted transfer syntax.
async fn open(archive: &Archive, located: Located, wanted: Wanted) -> Result<InstanceBytes, DicomError> {
    match wanted {
        Wanted::Uid(uid) if uid != located.transfer_syntax => transcoded(archive, located, uid).await,
        Wanted::AsStored | Wanted::Uid(_) => {
            let key = BlobKey::parse(&located.blob_key)?;
            let content = if located.blob_bytes <= READ_WHOLE_BYTES_MAX {
                Content::Whole(archive.0.blobs.read(&key).await?)
            } else {
                let stream = archive.0.blobs.stream(&key, None).await?;
                Content::Stream {
                    bytes: stream.bytes,
                    chunks: stream.chunks.map_err(DicomError::from).boxed(),
                }
            };
            Ok(InstanceBytes { transfer_syntax: located.transfer_syntax, content })
        }
    }
}

/// Uncompressed to Explicit VR Little Endian: the header is made anew, bulk values are copied as they stream by.
async fn transcoded(
    archive: &Archive,
    located: Located,
    wanted: &'static str,
) -> Result<InstanceBytes, DicomError> {
    if located.blob_bytes > TRANSCODE_BYTES_MAX {
        return Err(DicomError::CannotTranscode(TOO_LARGE_TO_TRANSCODE.to_owned()));
    }
    if wanted != EXPLICIT_LITTLE_ENDIAN || !transcode::is_uncompressed(&located.transfer_syntax) {
        return Err(DicomError::CannotTranscode(NOT_SUPPORTED.to_owned()));
    }
    let key = BlobKey::parse(&located.blob_key)?;
    let stored: Vec<Bytes> = archive.0.blobs.stream(&key, None).await?.chunks.try_collect().await?;
    let segments = tokio::task::spawn_blocking(move || to_explicit(&stored.concat()))
        .await
        .map_err(|_| DicomError::Bug("transcoding panicked"))??;
    let bytes = segments.iter().map(|segment| u64::try_from(segment.len()).unwrap_or(u64::MAX)).sum();
    let chunks = stream::iter(segments.into_iter().map(Ok)).boxed();
    Ok(InstanceBytes {
        transfer_syntax: EXPLICIT_LITTLE_ENDIAN.to_owned(),
        content: Content::Stream { bytes, chunks },
    })
}

/// The whole file in Explicit VR Little Endian. Bounded by [`TRANSCODE_BYTES_MAX`].
fn to_explicit(stored: &[u8]) -> Result<Vec<Bytes>, DicomError> {
    let unreadable = |_| DicomError::CannotTranscode(NOT_SUPPORTED.to_owned());
    let plain = transcode::inflated(stored).map_err(|_| DicomError::CannotTranscode(NOT_SUPPORTED.to_owned()))?;
    let file = Bytes::from(plain.into_owned());
    let instance =
        read_instance(std::io::Cursor::new(file.as_ref()), &Limits::default()).map_err(unreadable)?;
    let length = u64::try_from(file.len()).unwrap_or(u64::MAX);
    let segments = transcode::plan(&instance, length)
        .map_err(|_| DicomError::CannotTranscode(NOT_SUPPORTED.to_owned()))?;
    segments
        .into_iter()
        .map(|segment| match segment {
            Segment::Bytes(bytes) => Ok(bytes),
            Segment::Copy { range, swap } => {
                let start = usize::try_from(range.start).unwrap_or(usize::MAX);
                let end = usize::try_from(range.end).unwrap_or(usize::MAX);
                if start > end || end > file.len() {
                    return Err(DicomError::Bug("a transcoding plan reaches beyond its file"));
                }
                Ok(transcode::swapped(file.slice(start..end), swap))
            }
        })
        .collect()
}
