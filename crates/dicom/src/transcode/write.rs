//! Writes elements in Explicit VR Little Endian (PS3.5 §7.1.2), leaving bulk values to be copied.

use bytes::Bytes;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::{EXPLICIT_LITTLE_ENDIAN, Segment, TranscodeError, widen};
use crate::dataset::{Bulk, Dataset, Element, Instance, Value, vr};

/// PS3.10 §7.1: who wrote the file. Made of a UUID (PS3.5 §B.2), once and for all versions.
const IMPLEMENTATION_CLASS_UID: &str = "2.25.298389184089593728702187351444806716556";
/// At most 16 characters (SH).
const IMPLEMENTATION_VERSION_NAME: &str = concat!("HILUM_", env!("CARGO_PKG_VERSION"));

const PREAMBLE_BYTES: usize = 128;
const UNDEFINED: u32 = u32::MAX;
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_DELIMITER: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_DELIMITER: Tag = Tag(0xFFFE, 0xE0DD);

/// The byte order of the stored file's bulk values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

/// The whole file.
pub(super) fn file(instance: &Instance, file_len: u64, order: Order) -> Result<Vec<Segment>, TranscodeError> {
    let mut segments = meta(instance, file_len)?;
    let mut writer = Writer { file_len, order, ..Writer::default() };
    // PS3.10 §7.1: group 0002 has no place in a dataset; there it would be read as more meta information.
    let dataset = instance.dataset();
    for element in dataset.elements().iter().filter(|element| element.tag.group() != 2) {
        writer.element(&dataset, element)?;
    }
    segments.extend(writer.finish());
    Ok(segments)
}

/// Preamble, prefix and file meta information (PS3.10 §7.1).
pub(super) fn meta(instance: &Instance, file_len: u64) -> Result<Vec<Segment>, TranscodeError> {
    let mut writer = Writer { file_len, ..Writer::default() };
    let ours: [(Tag, VR, &[u8]); 4] = [
        (tags::FILE_META_INFORMATION_VERSION, VR::OB, &[0, 1]),
        (tags::TRANSFER_SYNTAX_UID, VR::UI, EXPLICIT_LITTLE_ENDIAN.as_bytes()),
        (tags::IMPLEMENTATION_CLASS_UID, VR::UI, IMPLEMENTATION_CLASS_UID.as_bytes()),
        (tags::IMPLEMENTATION_VERSION_NAME, VR::SH, IMPLEMENTATION_VERSION_NAME.as_bytes()),
    ];
    let stored = instance.meta();
    let mut ours = ours.into_iter().peekable();
    for element in stored.elements() {
        while let Some((tag, vr, value)) = ours.next_if(|(tag, ..)| *tag <= element.tag) {
            writer.value(tag, vr, value)?;
        }
        if !is_ours(element.tag) {
            writer.element(&stored, element)?;
        }
    }
    for (tag, vr, value) in ours {
        writer.value(tag, vr, value)?;
    }
    let group = writer.finish();
    let group_bytes: u64 = group.iter().map(Segment::length).sum();

    let mut start = Writer::default();
    start.bytes.resize(PREAMBLE_BYTES, 0);
    start.bytes.extend_from_slice(b"DICM");
    let tag = tags::FILE_META_INFORMATION_GROUP_LENGTH;
    let group_bytes = u32::try_from(group_bytes).map_err(|_| TranscodeError::Length { tag })?;
    start.value(tag, VR::UL, &group_bytes.to_le_bytes())?;
    let mut segments = start.finish();
    segments.extend(group);
    Ok(segments)
}

fn is_ours(tag: Tag) -> bool {
    matches!(
        tag,
        tags::FILE_META_INFORMATION_VERSION
            | tags::TRANSFER_SYNTAX_UID
            | tags::IMPLEMENTATION_CLASS_UID
            | tags::IMPLEMENTATION_VERSION_NAME
    )
}

/// Collects new bytes and ranges.
struct Writer {
    file_len: u64,
    order: Order,
    segments: Vec<Segment>,
    bytes: Vec<u8>,
}

impl Default for Writer {
    fn default() -> Self {
        Self { file_len: 0, order: Order::Little, segments: Vec::new(), bytes: Vec::new() }
    }
}

impl Writer {
    fn finish(mut self) -> Vec<Segment> {
        self.flush();
        self.segments
    }

    fn flush(&mut self) {
        if !self.bytes.is_empty() {
            self.segments.push(Segment::Bytes(Bytes::from(std::mem::take(&mut self.bytes))));
        }
    }

    /// One level. The reader has limited how deep levels nest.
    fn elements(&mut self, dataset: &Dataset<'_>) -> Result<(), TranscodeError> {
        dataset.elements().iter().try_for_each(|element| self.element(dataset, element))
    }

    fn element(&mut self, dataset: &Dataset<'_>, element: &Element) -> Result<(), TranscodeError> {
        let &Element { tag, vr, ref value } = element;
        if tag.element() == 0 {
            return Ok(());
        }
        match value {
            Value::Bytes(_) => self.value(tag, vr, dataset.bytes(element)),
            Value::Bulk(bulk) => {
                let swap = match self.order {
                    Order::Little => 1,
                    Order::Big => word_bytes(dataset, element),
                };
                self.copy(tag, vr, *bulk, swap)
            }
            Value::Sequence(items) if items.is_empty() => self.head(tag, VR::SQ, 0),
            Value::Sequence(_) => {
                self.head(tag, VR::SQ, u64::from(UNDEFINED))?;
                for item in dataset.items(element) {
                    self.delimiter(ITEM, UNDEFINED);
                    self.elements(&item)?;
                    self.delimiter(ITEM_DELIMITER, 0);
                }
                self.delimiter(SEQUENCE_DELIMITER, 0);
                Ok(())
            }
        }
    }

    fn value(&mut self, tag: Tag, vr: VR, value: &[u8]) -> Result<(), TranscodeError> {
        let padding = value.len() % 2;
        self.head(tag, vr, widen(value.len().saturating_add(padding)))?;
        self.bytes.extend_from_slice(value);
        if padding == 1 {
            // PS3.5 §6.2: text is padded with a space, UIDs and everything else with NUL.
            self.bytes.push(if vr::is_text(vr) && vr != VR::UI { b' ' } else { 0 });
        }
        Ok(())
    }

    fn copy(&mut self, tag: Tag, vr: VR, bulk: Bulk, swap: u8) -> Result<(), TranscodeError> {
        if bulk.encapsulated {
            return Err(TranscodeError::Encapsulated { tag });
        }
        let end = bulk.offset.checked_add(bulk.length).filter(|&end| end <= self.file_len);
        let end = end.ok_or(TranscodeError::Length { tag })?;
        let padding = bulk.length % 2;
        self.head(tag, vr, bulk.length.saturating_add(padding))?;
        if bulk.length > 0 {
            self.flush();
            self.segments.push(Segment::Copy { range: bulk.offset..end, swap });
        }
        if padding == 1 {
            self.bytes.push(0);
        }
        Ok(())
    }

    /// Tag, VR and length.
    fn head(&mut self, tag: Tag, vr: VR, length: u64) -> Result<(), TranscodeError> {
        let length = u32::try_from(length).map_err(|_| TranscodeError::Length { tag })?;
        self.tag(tag);
        // PS3.5 §6.2.2: what is too long for a 16-bit length field is written as UN.
        let is_long = vr::has_long_length(vr);
        if let (false, Ok(short)) = (is_long, u16::try_from(length)) {
            self.bytes.extend_from_slice(vr.to_bytes().as_slice());
            self.bytes.extend_from_slice(&short.to_le_bytes());
        } else {
            let vr = if is_long { vr } else { VR::UN };
            self.bytes.extend_from_slice(vr.to_bytes().as_slice());
            self.bytes.extend_from_slice(&[0, 0]);
            self.bytes.extend_from_slice(&length.to_le_bytes());
        }
        Ok(())
    }

    fn delimiter(&mut self, tag: Tag, length: u32) {
        self.tag(tag);
        self.bytes.extend_from_slice(&length.to_le_bytes());
    }

    fn tag(&mut self, tag: Tag) {
        self.bytes.extend_from_slice(&tag.group().to_le_bytes());
        self.bytes.extend_from_slice(&tag.element().to_le_bytes());
    }
}

/// The bits of the words of the pixel data, as they are swapped in a big endian file.
pub(super) fn pixel_word_bits(instance: &Instance) -> u16 {
    let root = instance.dataset();
    let places = [tags::PIXEL_DATA, tags::FLOAT_PIXEL_DATA, tags::DOUBLE_FLOAT_PIXEL_DATA];
    let found = places.into_iter().find_map(|tag| root.get(tag));
    found.map_or(8, |element| u16::from(word_bytes(&root, element)) * 8)
}

/// What a change of byte order swaps in a bulk value (PS3.5 §6.2, §7.3).
fn word_bytes(dataset: &Dataset<'_>, element: &Element) -> u8 {
    match element.vr {
        // Samples of more than 16 bits are found as whole numbers in files, not as pairs of 16-bit words.
        VR::OW if element.tag == tags::PIXEL_DATA => match dataset.integer(tags::BITS_ALLOCATED) {
            Some(32) => 4,
            Some(64) => 8,
            _ => 2,
        },
        VR::OW => 2,
        VR::OF | VR::OL => 4,
        VR::OD | VR::OV => 8,
        _ => 1,
    }
}
