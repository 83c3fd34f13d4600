//! Uncompressed files in another uncompressed transfer syntax: Explicit VR Little Endian (PS3.5 §A.2).
//!
//! The story: [`inflated`] undoes PS3.5 §A.5, [`plan`] says what the new file consists of (new bytes, and ranges of
//! the stored file), [`swapped`] turns the copied ranges of a big endian file around, [`frame_bytes`] does the same
//! for one frame. Nothing here reads a file or waits; a plan's lengths add up to the length of the answer.

mod write;

use std::{
    borrow::Cow,
    io::{Cursor, Read as _},
    ops::Range,
};

use bytes::{Bytes, BytesMut};
use dicom_core::Tag;
use flate2::bufread::DeflateDecoder;
use thiserror::Error;

use crate::{
    dataset::{
        Instance,
        frames::Frame,
        read::{Limits, ReadError, read_instance},
    },
    media_type::EXPLICIT_LITTLE_ENDIAN,
};

const IMPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2";
const EXPLICIT_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// The largest file that inflating may make: as large as a file that is transcoded at all (Azure: 100 MB).
const INFLATED_BYTES_MAX: u64 = 100 * 1024 * 1024;

/// A piece of the new file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Bytes made here.
    Bytes(Bytes),
    /// Bytes of the stored file.
    Copy {
        /// Where they lie.
        range: Range<u64>,
        /// The bytes of a word whose order is to be reversed: 1 (as is), 2, 4 or 8. See [`swapped`].
        swap: u8,
    },
}

impl Segment {
    /// How many bytes of the new file it is.
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => widen(bytes.len()),
            Self::Copy { range, .. } => range.end.saturating_sub(range.start),
        }
    }
}

/// Why a file cannot be written in Explicit VR Little Endian.
#[derive(Debug, Error)]
pub enum TranscodeError {
    /// The transfer syntax is compressed or unknown.
    #[error("the transfer syntax is not an uncompressed one")]
    Unsupported,
    /// Offsets into a deflated file mean nothing: it must be inflated first.
    #[error("the dataset is deflated")]
    Deflated,
    /// Fragments where the transfer syntax allows none.
    #[error("element {tag} is encapsulated in spite of its transfer syntax")]
    Encapsulated {
        /// The element's tag.
        tag: Tag,
    },
    /// The file is shorter than when it was read, or a value does not fit the length field.
    #[error("the value of element {tag} does not fit")]
    Length {
        /// The element's tag.
        tag: Tag,
    },
    /// The file itself cannot be read.
    #[error("the file cannot be read")]
    Header(#[source] ReadError),
    /// The deflated stream is broken.
    #[error("the deflated dataset is corrupt")]
    CorruptDeflate,
    /// The deflated stream is larger than the limit.
    #[error("the deflated dataset exceeds {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
}

/// Whether files of this transfer syntax can be written in Explicit VR Little Endian without a codec.
pub fn is_uncompressed(transfer_syntax: &str) -> bool {
    matches!(
        transfer_syntax,
        IMPLICIT_LITTLE_ENDIAN | EXPLICIT_LITTLE_ENDIAN | EXPLICIT_BIG_ENDIAN | DEFLATED
    )
}

/// Whether numbers have their most significant byte first (PS3.5 §A.3).
pub fn is_big_endian(transfer_syntax: &str) -> bool {
    transfer_syntax == EXPLICIT_BIG_ENDIAN
}

/// Whether the dataset is a deflate stream (PS3.5 §A.5).
pub fn is_deflated(transfer_syntax: &str) -> bool {
    transfer_syntax == DEFLATED
}

/// Says what the instance's file consists of in Explicit VR Little Endian.
///
/// `file_len` is the length of the stored file, which the plan never reaches beyond. Sequences and items are
/// written with undefined length, group lengths are left out (PS3.5 §7.2: retired), values of odd length are padded.
/// The file meta information names this implementation as the writer (PS3.10 §7.1).
pub fn plan(instance: &Instance, file_len: u64) -> Result<Vec<Segment>, TranscodeError> {
    match &*instance.transfer_syntax {
        EXPLICIT_LITTLE_ENDIAN => Ok(vec![Segment::Copy { range: 0..file_len, swap: 1 }]),
        IMPLICIT_LITTLE_ENDIAN => write::file(instance, file_len, write::Order::Little),
        EXPLICIT_BIG_ENDIAN => write::file(instance, file_len, write::Order::Big),
        DEFLATED => Err(TranscodeError::Deflated),
        _ => Err(TranscodeError::Unsupported),
    }
}

/// The whole file in Explicit VR Little Endian, in memory: [`inflated`], [`plan`] and [`swapped`] together.
///
/// Ranges that are copied as they are stay slices of `file`. Takes time: not for async threads.
pub fn to_explicit(file: Bytes) -> Result<Vec<Bytes>, TranscodeError> {
    let plain = match inflated(&file)? {
        Cow::Borrowed(_) => None,
        Cow::Owned(plain) => Some(Bytes::from(plain)),
    };
    let file = plain.unwrap_or(file);
    let instance = read_instance(Cursor::new(&*file), &Limits::default()).map_err(TranscodeError::Header)?;
    let segments = plan(&instance, widen(file.len()))?;
    let bytes_of = |segment| match segment {
        Segment::Bytes(bytes) => bytes,
        Segment::Copy { range, swap } => {
            let bytes = within(&file, &range).map_or_else(Bytes::new, |bytes| file.slice_ref(bytes));
            swapped(bytes, swap)
        }
    };
    Ok(segments.into_iter().map(bytes_of).collect())
}

/// A deflated Part 10 file as one in Explicit VR Little Endian; any other file as it is.
///
/// The dataset comes out as it was deflated, under file meta information made anew. Takes time: not for async threads.
pub fn inflated(file: &[u8]) -> Result<Cow<'_, [u8]>, TranscodeError> {
    let limits = Limits { inflated_bytes_max: INFLATED_BYTES_MAX, ..Limits::default() };
    inflated_within(file, &limits)
}

fn inflated_within<'a>(file: &'a [u8], limits: &Limits) -> Result<Cow<'a, [u8]>, TranscodeError> {
    let limit = limits.inflated_bytes_max;
    let instance = read_instance(Cursor::new(file), limits).map_err(|error| match error {
        ReadError::CorruptDeflate => TranscodeError::CorruptDeflate,
        ReadError::TooLarge { limit: reached } if reached == limit => TranscodeError::TooLarge { limit },
        other => TranscodeError::Header(other),
    })?;
    if !is_deflated(&instance.transfer_syntax) {
        return Ok(Cow::Borrowed(file));
    }
    let mut out = Vec::new();
    for segment in write::meta(&instance, widen(file.len()))? {
        match segment {
            Segment::Bytes(bytes) => out.extend_from_slice(&bytes),
            Segment::Copy { range, .. } => out.extend_from_slice(within(file, &range).unwrap_or_default()),
        }
    }
    let deflated = within(file, &(instance.dataset_offset..widen(file.len()))).unwrap_or_default();
    let before = out.len();
    DeflateDecoder::new(deflated)
        .take(limit.saturating_add(1))
        .read_to_end(&mut out)
        .map_err(|_| TranscodeError::CorruptDeflate)?;
    if widen(out.len().saturating_sub(before)) > limit {
        return Err(TranscodeError::TooLarge { limit });
    }
    // PS3.10 §7.1: group 0002 has no place in a dataset; here it would be read as more meta information.
    if out.get(before..).is_some_and(|dataset| dataset.starts_with(&[2, 0])) {
        return Err(TranscodeError::CorruptDeflate);
    }
    Ok(Cow::Owned(out))
}

fn within<'a>(file: &'a [u8], range: &Range<u64>) -> Option<&'a [u8]> {
    file.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
}

/// Reverses the bytes of each word. What does not fill a word at the end stays as it is, so a range that is read
/// in several pieces must be cut at multiples of the word.
pub fn swapped(bytes: Bytes, swap: u8) -> Bytes {
    if swap <= 1 {
        return bytes;
    }
    // Bytes that nobody else holds, as they come from a read, are turned around where they are.
    let mut own = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&*shared));
    own.chunks_exact_mut(usize::from(swap)).for_each(<[u8]>::reverse);
    own.freeze()
}

/// The bits of the words in which the instance's native pixel data is written: what [`frame_bytes`] wants.
///
/// 8 unless the file is big endian and the words have more than one byte: then also for 8-bit samples in OW
/// (PS3.5 §8.2: two samples in one word).
pub fn word_bits(instance: &Instance) -> u16 {
    if is_big_endian(&instance.transfer_syntax) { write::pixel_word_bits(instance) } else { 8 }
}

/// The bytes of one frame, little endian, starting at a byte.
///
/// `pieces` are the bytes of the frame's ranges; `word_bits` is 8 for frames that are copied, else the bits of the
/// words whose bytes are reversed. Words must not reach across frames: a big endian file with frames of odd length
/// can only be turned around as a whole (see [`to_explicit`]).
pub fn frame_bytes(frame: &Frame, pieces: Vec<Bytes>, word_bits: u16) -> Bytes {
    let mut pieces = pieces.into_iter();
    let mut joined = pieces.next().unwrap_or_default();
    if pieces.len() > 0 {
        let mut all = BytesMut::from(&*joined);
        pieces.for_each(|piece| all.extend_from_slice(&piece));
        joined = all.freeze();
    }
    let joined = swapped(joined, u8::try_from(word_bits / 8).unwrap_or(1));
    match frame.bits {
        Some(bits) => Bytes::from(shifted(&joined, frame.first_bit, bits)),
        None => joined,
    }
}

/// PS3.5 §8.1.1: the first sample is the lowest bit of the first byte. What fills the last byte is zero.
fn shifted(bytes: &[u8], first_bit: u8, bits: u64) -> Vec<u8> {
    let shift = u32::from(first_bit % 8);
    let len = usize::try_from(bits.div_ceil(8)).unwrap_or(usize::MAX).min(bytes.len());
    let following = bytes.iter().skip(1).copied().chain([0]);
    let mut out: Vec<u8> = bytes
        .iter()
        .zip(following)
        .take(len)
        .map(|(&byte, next)| {
            let [low, _] = (u16::from_le_bytes([byte, next]) >> shift).to_le_bytes();
            low
        })
        .collect();
    if !bits.is_multiple_of(8)
        && widen(out.len()) == bits.div_ceil(8)
        && let Some(last) = out.last_mut()
    {
        *last &= u8::MAX >> (8 - bits % 8);
    }
    out
}

fn widen(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
