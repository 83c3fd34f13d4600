//! Retrieve frames: one ranged read each, by the frame index made at store time.

use std::ops::Range;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use hilum_access::{Permit, Read};
use hilum_kernel::InstanceKey;
use hilum_storage::blobs::{BlobKey, Blobs};

use super::{NOT_SUPPORTED, instances::to_explicit, missing};
use crate::{
    archive::{Archive, DEFAULT_PARTITION},
    dataset::{
        frames::{Frame, FrameError, FrameIndex},
        read::{Limits, read_instance},
    },
    error::{DicomError, Missing},
    index::lookup::{self, Located, Target},
    media_type::{EXPLICIT_LITTLE_ENDIAN, JPEG_2000, Selected, Wanted},
    transcode,
};

/// How many frames one request may name: the path's length allows no more in practice.
const FRAMES_MAX: usize = 10_000;
/// The word size for [`transcode::frame_bytes`] where no bytes are reversed.
const COPIED: u16 = 8;
/// Frames of more bytes than this together are not read before the answer starts.
const READ_WHOLE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The frames asked for, in that order.
pub(super) struct Frames {
    pub(super) transfer_syntax: String,
    pub(super) content: Content,
}

/// The bytes of frames: there already, or to be read one frame after the other.
pub(super) enum Content {
    Whole(Vec<Bytes>),
    Stream(BoxStream<'static, Result<FrameStream, DicomError>>),
}

/// One frame being read.
pub(super) struct FrameStream {
    pub(super) bytes: u64,
    pub(super) chunks: BoxStream<'static, Result<Bytes, DicomError>>,
}

/// Reads the path's frame list: `1,2,3`, counted from 1.
pub(super) fn parse_list(list: &str) -> Result<Vec<u32>, DicomError> {
    let invalid = || {
        DicomError::Invalid(
            "The specified frames value is not valid. At least one frame must be present, and all requested frames must \
             have value greater than 0."
                .to_owned(),
        )
    };
    let numbers: Vec<u32> = list
        .split(',')
        .take(FRAMES_MAX + 1)
        .map(|number| number.trim().parse().ok().filter(|&n| n > 0).ok_or_else(invalid))
        .collect::<Result<_, _>>()?;
    if numbers.len() > FRAMES_MAX { Err(invalid()) } else { Ok(numbers) }
}

/// Finds and reads the frames.
pub(super) async fn retrieve(
    archive: &Archive,
    _permit: &Permit<Read>,
    target: &Target,
    numbers: &[u32],
    selected: Selected,
) -> Result<Frames, DicomError> {
    let (located, index) = find(archive, target).await?;
    let stored = located.transfer_syntax.as_str();
    let takes_plain = selected.media_type != JPEG_2000;
    let frames = match numbers.iter().map(|&n| index.frame(n)).collect::<Result<Vec<_>, _>>() {
        Ok(frames) => frames,
        Err(FrameError::NoPixelData | FrameError::NoSuchFrame) => {
            return Err(DicomError::NotFound(Missing::Frame));
        }
        // Offsets into a deflated file mean nothing. Other files without an index have no frames to be told apart.
        Err(FrameError::Unindexable(_)) if takes_plain && transcode::is_deflated(stored) => {
            return converted(archive, &located, numbers).await;
        }
        Err(FrameError::Unindexable(_)) => {
            return Err(DicomError::CannotTranscode(NOT_SUPPORTED.to_owned()));
        }
    };
    let transfer_syntax = match selected.transfer_syntax {
        Wanted::AsStored => stored,
        Wanted::Uid(uid) if uid == stored => stored,
        Wanted::Uid(EXPLICIT_LITTLE_ENDIAN) if takes_plain && transcode::is_big_endian(stored) => {
            return converted(archive, &located, numbers).await;
        }
        Wanted::Uid(EXPLICIT_LITTLE_ENDIAN) if takes_plain && transcode::is_uncompressed(stored) => {
            EXPLICIT_LITTLE_ENDIAN
        }
        Wanted::Uid(_) => return Err(DicomError::CannotTranscode(NOT_SUPPORTED.to_owned())),
    };
    let key = BlobKey::parse(&located.blob_key)?;
    Ok(Frames { transfer_syntax: transfer_syntax.to_owned(), content: read(archive, key, frames).await? })
}

async fn find(archive: &Archive, target: &Target) -> Result<(Located, FrameIndex), DicomError> {
    let mut tx = archive.0.db.read().await?;
    let found = lookup::instances(&mut tx, DEFAULT_PARTITION, target, InstanceKey::new(0)).await?;
    let located = found.into_iter().next().ok_or(DicomError::NotFound(missing(target)))?;
    // Deleted between the two statements: as if it had never been there.
    let stored = lookup::frames(&mut tx, located.key).await?.ok_or(DicomError::NotFound(missing(target)))?;
    let index =
        FrameIndex::from_bytes(&stored).map_err(|_| DicomError::Bug("a stored frame index is damaged"))?;
    Ok((located, index))
}

fn length(frame: &Frame) -> u64 {
    frame.ranges.iter().map(|range| range.end.saturating_sub(range.start)).fold(0, u64::saturating_add)
}

async fn read(archive: &Archive, key: BlobKey, frames: Vec<Frame>) -> Result<Content, DicomError> {
    let total = frames.iter().map(length).fold(0, u64::saturating_add);
    if total > READ_WHOLE_BYTES_MAX {
        let blobs = archive.0.blobs.clone();
        let mut frames = frames.into_iter();
        let Some(first) = frames.next() else { return Ok(Content::Whole(Vec::new())) };
        // A file that is missing is told before the answer starts.
        let first = open(blobs.clone(), key.clone(), first).await?;
        let rest = stream::iter(frames).then(move |frame| open(blobs.clone(), key.clone(), frame));
        return Ok(Content::Stream(stream::iter([Ok(first)]).chain(rest).boxed()));
    }
    let ranges: Vec<Range<u64>> = frames.iter().flat_map(|frame| frame.ranges.iter().cloned()).collect();
    let mut pieces = archive.0.blobs.read_ranges(&key, &ranges).await?.into_iter();
    let whole = frames
        .iter()
        .map(|frame| {
            let own: Vec<Bytes> = pieces.by_ref().take(frame.ranges.len()).collect();
            transcode::frame_bytes(frame, own, COPIED)
        })
        .collect();
    Ok(Content::Whole(whole))
}

/// Opens one frame. Only frames that do not start on a byte are read whole: those are small.
async fn open(blobs: Blobs, key: BlobKey, frame: Frame) -> Result<FrameStream, DicomError> {
    if frame.bits.is_some() {
        let pieces = blobs.read_ranges(&key, &frame.ranges).await?;
        let bytes = transcode::frame_bytes(&frame, pieces, COPIED);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        return Ok(FrameStream { bytes: length, chunks: stream::iter([Ok(bytes)]).boxed() });
    }
    let bytes = length(&frame);
    let mut ranges = frame.ranges.into_iter();
    let Some(first) = ranges.next() else {
        return Ok(FrameStream { bytes, chunks: stream::empty().boxed() });
    };
    let first = blobs.stream(&key, Some(first)).await?;
    let rest = stream::iter(ranges).then(move |range| {
        let (blobs, key) = (blobs.clone(), key.clone());
        async move { blobs.stream(&key, Some(range)).await.map(|stream| stream.chunks) }
    });
    let chunks = first.chunks.chain(rest.try_flatten()).map_err(DicomError::from).boxed();
    Ok(FrameStream { bytes, chunks })
}

/// Frames of a file that is turned into Explicit VR Little Endian first, as a whole.
async fn converted(archive: &Archive, located: &Located, numbers: &[u32]) -> Result<Frames, DicomError> {
    let (pieces, _turn) = to_explicit(archive, located).await?;
    let numbers = numbers.to_vec();
    let frames = tokio::task::spawn_blocking(move || frames_of(&Bytes::from(pieces.concat()), &numbers))
        .await
        .map_err(|_| DicomError::Bug("converting frames panicked"))??;
    Ok(Frames { transfer_syntax: EXPLICIT_LITTLE_ENDIAN.to_owned(), content: Content::Whole(frames) })
}

fn frames_of(file: &Bytes, numbers: &[u32]) -> Result<Vec<Bytes>, DicomError> {
    let refused = || DicomError::CannotTranscode(NOT_SUPPORTED.to_owned());
    let instance =
        read_instance(std::io::Cursor::new(file.as_ref()), &Limits::default()).map_err(|_| refused())?;
    let frame_of = |&number: &u32| {
        let frame = instance.frames.frame(number).map_err(|error| match error {
            FrameError::NoPixelData | FrameError::NoSuchFrame => DicomError::NotFound(Missing::Frame),
            FrameError::Unindexable(_) => refused(),
        })?;
        let pieces = frame.ranges.iter().map(|range| slice(file, range)).collect::<Option<Vec<_>>>();
        Ok(transcode::frame_bytes(&frame, pieces.ok_or_else(refused)?, COPIED))
    };
    numbers.iter().map(frame_of).collect()
}

fn slice(file: &Bytes, range: &Range<u64>) -> Option<Bytes> {
    let (start, end) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
    (start <= end && end <= file.len()).then(|| file.slice(start..end))
}
