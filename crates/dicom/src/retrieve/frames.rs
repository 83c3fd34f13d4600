//! Retrieve frames: one ranged read each, by the frame index made at store time.

use std::collections::BTreeMap;

use bytes::Bytes;
use hilum_access::{Permit, Read};
use hilum_kernel::InstanceKey;
use hilum_storage::blobs::BlobKey;

use super::{NOT_SUPPORTED, TOO_LARGE_TO_TRANSCODE, TRANSCODE_BYTES_MAX, missing};
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
/// How many bytes of frames are answered at once; more must be asked for in several requests.
const FRAMES_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// The frames asked for, in that order.
pub(super) struct Frames {
    pub(super) transfer_syntax: String,
    pub(super) frames: Vec<Bytes>,
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
    let ranges = numbers.iter().map(|&n| index.frame(n)).collect::<Result<Vec<_>, _>>();
    let frames = match ranges {
        Ok(frames) => frames,
        Err(FrameError::NoPixelData | FrameError::NoSuchFrame) => {
            return Err(DicomError::NotFound(Missing::Frame));
        }
        Err(FrameError::Unindexable(_)) => return from_inflated(archive, located, numbers, selected).await,
    };
    let stored = located.transfer_syntax.as_str();
    let (transfer_syntax, swap) = match selected.transfer_syntax {
        Wanted::AsStored => (stored, false),
        Wanted::Uid(uid) if uid == stored => (stored, false),
        Wanted::Uid(EXPLICIT_LITTLE_ENDIAN)
            if selected.media_type != JPEG_2000 && transcode::is_uncompressed(stored) =>
        {
            (EXPLICIT_LITTLE_ENDIAN, transcode::is_big_endian(stored))
        }
        Wanted::Uid(_) => return Err(DicomError::CannotTranscode(NOT_SUPPORTED.to_owned())),
    };
    let bytes = read(archive, &located, &frames).await?;
    let bits_allocated = if swap { bits_allocated(archive, located.key).await? } else { 8 };
    let frames = frames
        .iter()
        .zip(bytes)
        .map(|(frame, bytes)| transcode::frame_bytes(frame, bytes, bits_allocated))
        .collect();
    Ok(Frames { transfer_syntax: transfer_syntax.to_owned(), frames })
}

async fn find(archive: &Archive, target: &Target) -> Result<(Located, FrameIndex), DicomError> {
    let mut tx = archive.0.db.read().await?;
    let found = lookup::instances(&mut tx, DEFAULT_PARTITION, target, InstanceKey::new(0)).await?;
    let located = found.into_iter().next().ok_or(DicomError::NotFound(missing(target)))?;
    // Deleted between the two statements: as if it had never been there.
    let stored =
        lookup::frames(&mut tx, located.key).await?.ok_or(DicomError::NotFound(missing(target)))?;
    let index =
        FrameIndex::from_bytes(&stored).map_err(|_| DicomError::Bug("a stored frame index is damaged"))?;
    Ok((located, index))
}

/// Reads each frame's ranges. A frame named twice is read once.
async fn read(archive: &Archive, located: &Located, frames: &[Frame]) -> Result<Vec<Vec<Bytes>>, DicomError> {
    let key = BlobKey::parse(&located.blob_key)?;
    let total: u64 = frames.iter().flat_map(|frame| &frame.ranges).map(|range| range.end - range.start).sum();
    if total > FRAMES_BYTES_MAX {
        return Err(DicomError::Invalid(format!(
            "The requested frames have {total} bytes together; at most {FRAMES_BYTES_MAX} are answered at once."
        )));
    }
    let mut known: BTreeMap<(u64, u64), Bytes> = BTreeMap::new();
    let mut all = Vec::with_capacity(frames.len());
    for frame in frames {
        let mut pieces = Vec::with_capacity(frame.ranges.len());
        for range in &frame.ranges {
            let at = (range.start, range.end);
            let bytes = match known.get(&at) {
                Some(bytes) => bytes.clone(),
                None => archive.0.blobs.read_range(&key, range.clone()).await?,
            };
            known.insert(at, bytes.clone());
            pieces.push(bytes);
        }
        all.push(pieces);
    }
    Ok(all)
}

async fn bits_allocated(archive: &Archive, key: InstanceKey) -> Result<u16, DicomError> {
    let mut tx = archive.0.db.read().await?;
    let stored =
        lookup::metadata(&mut tx, key).await?.ok_or(DicomError::NotFound(Missing::Instance))?;
    let json = crate::index::metadata::decompress(&stored)?;
    let bits = crate::dataset::json::members(&json)
        .find(|member| member.tag == dicom_dictionary_std::tags::BITS_ALLOCATED)
        .and_then(|member| {
            let digits: String = String::from_utf8_lossy(member.value())
                .rsplit('[')
                .next()?
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            digits.parse().ok()
        });
    Ok(bits.unwrap_or(16))
}

/// A deflated file has no frame index: it is inflated first. Other files without an index cannot be served by frame.
async fn from_inflated(
    archive: &Archive,
    located: Located,
    numbers: &[u32],
    selected: Selected,
) -> Result<Frames, DicomError> {
    let wants_plain = matches!(selected.transfer_syntax, Wanted::AsStored | Wanted::Uid(EXPLICIT_LITTLE_ENDIAN))
        && selected.media_type != JPEG_2000;
    if !wants_plain || !transcode::is_deflated(&located.transfer_syntax) {
        return Err(DicomError::CannotTranscode(NOT_SUPPORTED.to_owned()));
    }
    if located.blob_bytes > TRANSCODE_BYTES_MAX {
        return Err(DicomError::CannotTranscode(TOO_LARGE_TO_TRANSCODE.to_owned()));
    }
    let stored = archive.0.blobs.read(&BlobKey::parse(&located.blob_key)?).await?;
    let numbers = numbers.to_vec();
    let frames = tokio::task::spawn_blocking(move || inflated_frames(&stored, &numbers))
        .await
        .map_err(|_| DicomError::Bug("inflating panicked"))??;
    Ok(Frames { transfer_syntax: EXPLICIT_LITTLE_ENDIAN.to_owned(), frames })
}

fn inflated_frames(stored: &[u8], numbers: &[u32]) -> Result<Vec<Bytes>, DicomError> {
    let refused = || DicomError::CannotTranscode(NOT_SUPPORTED.to_owned());
    let plain = Bytes::from(transcode::inflated(stored).map_err(|_| refused())?.into_owned());
    let instance = read_instance(std::io::Cursor::new(plain.as_ref()), &Limits::default()).map_err(|_| refused())?;
    numbers
        .iter()
        .map(|&number| {
            let frame = instance.frames.frame(number).map_err(|error| match error {
                FrameError::NoPixelData | FrameError::NoSuchFrame => DicomError::NotFound(Missing::Frame),
                FrameError::Unindexable(_) => refused(),
            })?;
            let pieces = frame
                .ranges
                .iter()
                .map(|range| {
                    let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
                    (range.start <= range.end && range.end <= plain.len()).then(|| plain.slice(range))
                })
                .collect::<Option<Vec<_>>>()
                .ok_or_else(refused)?;
            Ok(transcode::frame_bytes(&frame, pieces, 8))
        })
        .collect()
}
