//! The frame index: which bytes of the file are frame *n* (PS3.5 §8 and §A.4, PS3.3 §C.7.6.3.1.8).
//!
//! Made once when a file is stored and kept with its row, so that a frame is one ranged read. The binary
//! form is `version kind …` with all numbers as LEB128.

use std::ops::Range;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use thiserror::Error;

use super::{
    pixel_data::{Fragment, PixelData},
    source::widen,
    tree::Dataset,
};

/// Where an instance's frames lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameIndex {
    number_of_frames: u32,
    layout: Layout,
}

/// How the frames are laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// The instance has no pixel data.
    None,
    /// Frames of equal length, one after the other.
    Native {
        /// The first byte of the first frame.
        offset: u64,
        /// The bytes of each frame.
        frame_bytes: u64,
    },
    /// One bit per sample, and frames that do not start on a byte (PS3.5 §8.1.1).
    Bits {
        /// The first byte of the first frame.
        offset: u64,
        /// The bits of each frame.
        frame_bits: u64,
    },
    /// Fragments, grouped into frames.
    Encapsulated(Fragments),
    /// There is pixel data, but its frames cannot be told apart.
    Unindexable(Unindexable),
}

/// Fragments follow each other with an 8-byte item header between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragments {
    /// The first byte of each fragment.
    offsets: Vec<u64>,
    /// The bytes of each fragment.
    lengths: Vec<u32>,
    /// The first fragment of each frame; ascending, the first is 0.
    frame_starts: Vec<u32>,
}

/// Why frames cannot be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unindexable {
    /// Offsets into a deflated file mean nothing.
    #[error("the dataset is deflated")]
    Deflated,
    /// Rows, Columns, SamplesPerPixel or BitsAllocated are missing or do not fit the length.
    #[error("the image's dimensions do not fit its pixel data")]
    Geometry,
    /// Neither an offset table nor the number of fragments tells where frames start (as in video).
    #[error("the fragments cannot be assigned to frames")]
    Fragments,
}

/// Why there are no bytes for a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The instance has no pixel data.
    #[error("the instance has no pixel data")]
    NoPixelData,
    /// The number is 0 or greater than NumberOfFrames.
    #[error("the frame does not exist")]
    NoSuchFrame,
    /// There is pixel data, but see the reason.
    #[error("the frames have no index")]
    Unindexable(#[source] Unindexable),
}

/// The bytes of one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The ranges of the file that, joined, hold the frame.
    pub ranges: Vec<Range<u64>>,
    /// The bits to drop from the low end of the first byte; 0 but for odd-sized one-bit images.
    pub first_bit: u8,
    /// The frame's bits, where they do not fill the bytes.
    pub bits: Option<u64>,
}

/// A stored index that does not read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the stored frame index is damaged")]
pub struct Damaged;

const ITEM_HEADER_BYTES: u64 = 8;
const VERSION: u64 = 1;

impl FrameIndex {
    pub(super) const fn none() -> Self {
        Self { number_of_frames: 0, layout: Layout::None }
    }

    /// NumberOfFrames (0028,0008), 1 where it is absent, 0 without pixel data.
    pub fn number_of_frames(&self) -> u32 {
        self.number_of_frames
    }

    /// How the frames are laid out.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The bytes of frame `number`, counted from 1 as in URLs.
    pub fn frame(&self, number: u32) -> Result<Frame, FrameError> {
        if let Layout::None = self.layout {
            return Err(FrameError::NoPixelData);
        }
        let Some(n) = number.checked_sub(1).filter(|&n| n < self.number_of_frames) else {
            return Err(FrameError::NoSuchFrame);
        };
        let whole = |ranges| Frame { ranges, first_bit: 0, bits: None };
        match &self.layout {
            Layout::None => Err(FrameError::NoPixelData),
            Layout::Unindexable(reason) => Err(FrameError::Unindexable(*reason)),
            &Layout::Native { offset, frame_bytes } => {
                let start = u64::from(n).saturating_mul(frame_bytes).saturating_add(offset);
                let range = start..start.saturating_add(frame_bytes);
                Ok(whole(vec![range]))
            }
            &Layout::Bits { offset, frame_bits } => {
                let first = u64::from(n).saturating_mul(frame_bits);
                let start = offset.saturating_add(first / 8);
                let end = offset.saturating_add(first.saturating_add(frame_bits).div_ceil(8));
                let first_bit = u8::try_from(first % 8).unwrap_or(0);
                let range = start..end;
                Ok(Frame { ranges: vec![range], first_bit, bits: Some(frame_bits) })
            }
            Layout::Encapsulated(fragments) => fragments.frame(n).map(whole).ok_or(FrameError::NoSuchFrame),
        }
    }

    pub(super) fn build(root: &Dataset<'_>, pixel_data: PixelData, deflated: bool) -> Self {
        let Some((tag, bulk)) = pixel_data.place else { return Self::none() };
        let stated = root.integer(tags::NUMBER_OF_FRAMES).and_then(|n| u32::try_from(n).ok());
        let number_of_frames = stated.unwrap_or(1).max(1);
        let layout = if deflated {
            Layout::Unindexable(Unindexable::Deflated)
        } else if bulk.encapsulated {
            Fragments::group(&pixel_data, number_of_frames)
                .map_or(Layout::Unindexable(Unindexable::Fragments), Layout::Encapsulated)
        } else {
            native(root, tag, number_of_frames, bulk.offset, bulk.length)
                .unwrap_or(Layout::Unindexable(Unindexable::Geometry))
        };
        Self { number_of_frames, layout }
    }

    /// The form in which the database keeps it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        put(&mut out, VERSION);
        let kind = match &self.layout {
            Layout::None => 0,
            Layout::Native { .. } => 1,
            Layout::Bits { .. } => 2,
            Layout::Encapsulated(_) => 3,
            Layout::Unindexable(Unindexable::Deflated) => 4,
            Layout::Unindexable(Unindexable::Geometry) => 5,
            Layout::Unindexable(Unindexable::Fragments) => 6,
        };
        put(&mut out, kind);
        put(&mut out, u64::from(self.number_of_frames));
        match &self.layout {
            Layout::None | Layout::Unindexable(_) => {}
            &Layout::Native { offset, frame_bytes: length }
            | &Layout::Bits { offset, frame_bits: length } => {
                put(&mut out, offset);
                put(&mut out, length);
            }
            Layout::Encapsulated(fragments) => fragments.put(&mut out),
        }
        out
    }

    /// Reads [`Self::to_bytes`] back.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut rest = bytes;
        if take(&mut rest)? != VERSION {
            return Err(Damaged);
        }
        let kind = take(&mut rest)?;
        let number_of_frames = u32::try_from(take(&mut rest)?).map_err(|_| Damaged)?;
        let layout = match kind {
            0 => Layout::None,
            1 => Layout::Native { offset: take(&mut rest)?, frame_bytes: take(&mut rest)? },
            2 => Layout::Bits { offset: take(&mut rest)?, frame_bits: take(&mut rest)? },
            3 => Layout::Encapsulated(Fragments::take(&mut rest, number_of_frames)?),
            4 => Layout::Unindexable(Unindexable::Deflated),
            5 => Layout::Unindexable(Unindexable::Geometry),
            6 => Layout::Unindexable(Unindexable::Fragments),
            _ => return Err(Damaged),
        };
        let consistent = match layout {
            Layout::None => number_of_frames == 0,
            Layout::Native { offset, frame_bytes: length } | Layout::Bits { offset, frame_bits: length } => {
                let end =
                    u64::from(number_of_frames).checked_mul(length).and_then(|all| all.checked_add(offset));
                number_of_frames > 0 && end.is_some()
            }
            Layout::Encapsulated(_) | Layout::Unindexable(_) => number_of_frames > 0,
        };
        if rest.is_empty() && consistent { Ok(Self { number_of_frames, layout }) } else { Err(Damaged) }
    }
}

/// PS3.5 §8.2: native frames have the length that the image's dimensions give.
fn native(root: &Dataset<'_>, tag: Tag, frames: u32, offset: u64, length: u64) -> Option<Layout> {
    let number = |tag| root.integer(tag).and_then(|n| u64::try_from(n).ok());
    let pixels = number(tags::ROWS)?.checked_mul(number(tags::COLUMNS)?)?;
    let bits_allocated = match tag {
        tags::FLOAT_PIXEL_DATA => 32,
        tags::DOUBLE_FLOAT_PIXEL_DATA => 64,
        _ => number(tags::BITS_ALLOCATED)?,
    };
    let samples = number(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
    let mut frame_bits = pixels.checked_mul(samples)?.checked_mul(bits_allocated)?;
    // PS3.3 §C.7.6.3.1.2: half of the chrominance samples are not there.
    let photometric = root.first_text(tags::PHOTOMETRIC_INTERPRETATION).unwrap_or_default();
    if samples == 3 && matches!(&*photometric, "YBR_FULL_422" | "YBR_PARTIAL_422") {
        frame_bits = frame_bits / 3 * 2;
    }
    let all_bits = frame_bits.checked_mul(u64::from(frames))?;
    if frame_bits == 0 || all_bits.div_ceil(8) > length {
        return None;
    }
    if frame_bits % 8 == 0 || frames == 1 {
        return Some(Layout::Native { offset, frame_bytes: frame_bits.div_ceil(8) });
    }
    Some(Layout::Bits { offset, frame_bits })
}

impl Fragments {
    /// Assigns fragments to frames by the first rule that fits.
    fn group(read: &PixelData, frames: u32) -> Option<Self> {
        let count = usize::try_from(frames).ok()?;
        let fragments = &read.fragments;
        if fragments.is_empty() || count > fragments.len() {
            return None;
        }
        let frame_starts = if count == 1 {
            vec![0]
        } else {
            by_offsets(fragments, &offsets::<8>(&read.extended_offsets), count)
                .or_else(|| by_offsets(fragments, &offsets::<4>(&read.basic_offsets), count))
                .or_else(|| (fragments.len() == count).then(|| (0..frames).collect()))
                .or_else(|| by_code_streams(fragments, count))?
        };
        Some(Self {
            offsets: fragments.iter().map(|fragment| fragment.offset).collect(),
            lengths: fragments.iter().map(|fragment| fragment.length).collect(),
            frame_starts,
        })
    }

    fn frame(&self, n: u32) -> Option<Vec<Range<u64>>> {
        let n = usize::try_from(n).ok()?;
        let first = usize::try_from(*self.frame_starts.get(n)?).ok()?;
        let end = match self.frame_starts.get(n + 1) {
            Some(&next) => usize::try_from(next).ok()?,
            None => self.offsets.len(),
        };
        let offsets = self.offsets.get(first..end)?;
        let lengths = self.lengths.get(first..end)?;
        let range = |(&offset, &length): (&u64, &u32)| offset..offset.saturating_add(u64::from(length));
        Some(offsets.iter().zip(lengths).map(range).filter(|range| !range.is_empty()).collect())
    }

    fn put(&self, out: &mut Vec<u8>) {
        put(out, self.offsets.first().copied().unwrap_or(0));
        put(out, widen(self.lengths.len()));
        for &length in &self.lengths {
            put(out, u64::from(length));
        }
        if self.frame_starts.len() == self.lengths.len() {
            return;
        }
        let mut previous = 0;
        for &start in self.frame_starts.iter().skip(1) {
            put(out, u64::from(start - previous));
            previous = start;
        }
    }

    fn take(rest: &mut &[u8], frames: u32) -> Result<Self, Damaged> {
        let mut offset = take(rest)?;
        let count = usize::try_from(take(rest)?).map_err(|_| Damaged)?;
        let frames = usize::try_from(frames).map_err(|_| Damaged)?;
        // Each fragment takes at least one byte: a lying count allocates nothing.
        if frames == 0 || count < frames || count > rest.len() {
            return Err(Damaged);
        }
        let (mut offsets, mut lengths) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for _ in 0..count {
            let length = u32::try_from(take(rest)?).map_err(|_| Damaged)?;
            offsets.push(offset);
            lengths.push(length);
            offset = offset.checked_add(u64::from(length) + ITEM_HEADER_BYTES).ok_or(Damaged)?;
        }
        let last = u32::try_from(count).map_err(|_| Damaged)?;
        if frames == count {
            return Ok(Self { offsets, lengths, frame_starts: (0..last).collect() });
        }
        let mut frame_starts = vec![0];
        let mut start = 0_u32;
        for _ in 1..frames {
            let step = u32::try_from(take(rest)?).ok().filter(|&step| step > 0).ok_or(Damaged)?;
            start = start.checked_add(step).filter(|&start| start < last).ok_or(Damaged)?;
            frame_starts.push(start);
        }
        Ok(Self { offsets, lengths, frame_starts })
    }
}

/// An offset table's entries, 32-bit in the basic one, 64-bit in the extended one.
fn offsets<const N: usize>(table: &[u8]) -> Vec<u64> {
    let (entries, _) = table.as_chunks::<N>();
    let wide = |entry: &[u8; N]| entry.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte));
    entries.iter().map(wide).collect()
}

/// Offsets count from the first fragment's item header and must name one each.
fn by_offsets(fragments: &[Fragment], offsets: &[u64], count: usize) -> Option<Vec<u32>> {
    if offsets.len() != count || offsets.first() != Some(&0) || !offsets.is_sorted_by(|a, b| a < b) {
        return None;
    }
    let base = fragments.first()?.offset;
    let fragment_at = |&offset: &u64| {
        let wanted = base.checked_add(offset)?;
        let at = fragments.binary_search_by_key(&wanted, |fragment| fragment.offset).ok()?;
        u32::try_from(at).ok()
    };
    offsets.iter().map(fragment_at).collect()
}

/// Without a table: each JPEG or JPEG 2000 code stream begins a frame, if there are as many as frames.
fn by_code_streams(fragments: &[Fragment], count: usize) -> Option<Vec<u32>> {
    let first = fragments.first()?;
    let starts: Vec<u32> =
        (0..).zip(fragments).filter(|(_, fragment)| fragment.starts_image).map(|(n, _)| n).collect();
    (first.starts_image && starts.len() == count).then_some(starts)
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = (number & 0x7F).to_le_bytes();
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn take(rest: &mut &[u8]) -> Result<u64, Damaged> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first().ok_or(Damaged)?;
        *rest = tail;
        let bits = u64::from(byte & 0x7F);
        let shifted = bits << shift;
        if shifted >> shift != bits {
            return Err(Damaged);
        }
        number |= shifted;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Damaged)
}
