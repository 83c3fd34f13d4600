//! Retrieve instances as Part 10 files: one, or all of a series or study.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use hilum_access::{Permit, Read};
use hilum_kernel::InstanceKey;
use hilum_storage::blobs::BlobKey;
use tokio::sync::OwnedSemaphorePermit;

use super::{NOT_SUPPORTED, TOO_LARGE_TO_TRANSCODE, TRANSCODE_BYTES_MAX, missing};
use crate::{
    archive::{Archive, DEFAULT_PARTITION},
    error::DicomError,
    index::lookup::{self, Located, PAGE, Target},
    media_type::{EXPLICIT_LITTLE_ENDIAN, Selected, Wanted},
    transcode,
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
        (Some(only), true) => {
            Ok(Retrieved::One(Box::new(open(archive, only, selected.transfer_syntax).await?)))
        }
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

/// How long a request waits for its turn to convert a file.
const TURN_TIME_MAX: Duration = Duration::from_secs(10);

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

/// Uncompressed to Explicit VR Little Endian, in memory: bounded by [`TRANSCODE_BYTES_MAX`] and by how many files are
/// converted at the same time.
async fn transcoded(
    archive: &Archive,
    located: Located,
    wanted: &'static str,
) -> Result<InstanceBytes, DicomError> {
    if wanted != EXPLICIT_LITTLE_ENDIAN || !transcode::is_uncompressed(&located.transfer_syntax) {
        return Err(DicomError::CannotTranscode(NOT_SUPPORTED.to_owned()));
    }
    let (pieces, turn) = to_explicit(archive, &located).await?;
    let bytes = pieces.iter().map(|piece| u64::try_from(piece.len()).unwrap_or(u64::MAX)).sum();
    // The turn ends with the answer: until then the converted file is in memory.
    let chunks = stream::unfold((pieces.into_iter(), turn), async |(mut pieces, turn)| {
        pieces.next().map(|piece| (Ok(piece), (pieces, turn)))
    })
    .boxed();
    Ok(InstanceBytes {
        transfer_syntax: EXPLICIT_LITTLE_ENDIAN.to_owned(),
        content: Content::Stream { bytes, chunks },
    })
}

/// An uncompressed file in Explicit VR Little Endian, with the turn to be kept as long as it is in memory.
pub(super) async fn to_explicit(
    archive: &Archive,
    located: &Located,
) -> Result<(Vec<Bytes>, OwnedSemaphorePermit), DicomError> {
    if located.blob_bytes > TRANSCODE_BYTES_MAX {
        return Err(DicomError::CannotTranscode(TOO_LARGE_TO_TRANSCODE.to_owned()));
    }
    let turn = Arc::clone(&archive.0.conversions).acquire_owned();
    let Ok(Ok(turn)) = tokio::time::timeout(TURN_TIME_MAX, turn).await else { return Err(DicomError::Busy) };
    let key = BlobKey::parse(&located.blob_key)?;
    let stream = archive.0.blobs.stream(&key, None).await?;
    let mut file = BytesMut::with_capacity(usize::try_from(stream.bytes).unwrap_or(0));
    let mut chunks = stream.chunks;
    while let Some(chunk) = chunks.try_next().await? {
        file.extend_from_slice(&chunk);
    }
    let file = file.freeze();
    let pieces = tokio::task::spawn_blocking(move || transcode::to_explicit(file))
        .await
        .map_err(|_| DicomError::Bug("transcoding panicked"))?
        .map_err(|error| {
            tracing::info!(error = &error as &dyn std::error::Error, "a file cannot be converted");
            DicomError::CannotTranscode(NOT_SUPPORTED.to_owned())
        })?;
    Ok((pieces, turn))
}
