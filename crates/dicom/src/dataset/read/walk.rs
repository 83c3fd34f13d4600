//! The walk over elements, items and fragments (PS3.5 §7 and Annex A).

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::{Limits, ReadError};
use crate::dataset::{
    character_set::CharacterSet,
    frames::FrameIndex,
    pixel_data::PixelData,
    source::{Input, Source, widen},
    tree::{Bulk, Dataset, Element, Instance, Item, Span, Value},
    vr,
};

const IMPLICIT_LE: &str = "1.2.840.10008.1.2";
const EXPLICIT_BE: &str = "1.2.840.10008.1.2.2";

const UNDEFINED: u32 = u32::MAX;
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_DELIMITER: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_DELIMITER: Tag = Tag(0xFFFE, 0xE0DD);
/// Elements that say UN although the dictionary knows better are read as such up to this length.
const KNOWN_UN_BYTES_MAX: u32 = 64 * 1024;

/// How elements are written.
#[derive(Clone, Copy)]
struct Encoding {
    explicit: bool,
    big_endian: bool,
}

/// One level: what the elements in it may reach and how they end.
#[derive(Clone, Copy)]
struct Level {
    encoding: Encoding,
    /// No element may end beyond; `u64::MAX` in a stream of unknown length.
    bound: u64,
    /// Ends at an item delimiter rather than at the bound.
    delimited: bool,
    depth: u16,
    /// PixelRepresentation of this level or the one around it.
    signed: bool,
}

struct Header {
    tag: Tag,
    vr: VR,
    len: u32,
    offset: u64,
}

/// Reads one file.
pub(super) struct Walker<I> {
    pub(super) source: Source<I>,
    limits: Limits,
    pub(super) values: Vec<u8>,
    pub(super) count: usize,
    pixel_data: PixelData,
    pub(super) deflated: bool,
}

impl<I: Input> Walker<I> {
    pub(super) fn new(source: Source<I>, limits: Limits) -> Self {
        let values = Vec::with_capacity(8 * 1024);
        Self { source, limits, values, count: 0, pixel_data: PixelData::default(), deflated: false }
    }

    /// PS3.10 §7.1: 128 bytes of any content, then `DICM`.
    pub(super) fn preamble(&mut self) -> Result<bool, ReadError> {
        let no_preamble = |error| match error {
            ReadError::Truncated { .. } => ReadError::NoPreamble,
            other => other,
        };
        let start = self.source.array::<132>().map_err(no_preamble)?;
        let (preamble, prefix) = start.split_at(128);
        if prefix != b"DICM" {
            return Err(ReadError::NoPreamble);
        }
        Ok(preamble.iter().all(|&byte| byte == 0))
    }

    /// Group 0002, always explicit VR little endian. Its group length is not believed.
    pub(super) fn meta(&mut self) -> Result<Vec<Element>, ReadError> {
        let encoding = Encoding { explicit: true, big_endian: false };
        let level = Level { encoding, bound: self.end(), delimited: false, depth: 0, signed: false };
        let mut elements = Vec::with_capacity(16);
        while !self.source.at_end()? && self.source.peek::<2>()? == [2, 0] {
            let header = self.header(&level)?;
            if header.len == UNDEFINED || header.vr == VR::SQ {
                return Err(ReadError::UndefinedLength { tag: header.tag, offset: header.offset });
            }
            elements.push(self.element(&header, &level)?);
        }
        if elements.is_empty() {
            return Err(ReadError::NoMeta);
        }
        Ok(in_order(elements))
    }

    pub(super) fn finish(
        mut self,
        transfer_syntax: Box<str>,
        meta: Vec<Element>,
        preamble_is_zero: bool,
        dataset_offset: u64,
    ) -> Result<Instance, ReadError> {
        // PS3.5 Annex A: all but these two are explicit VR little endian, private ones included.
        let encoding = Encoding {
            explicit: &*transfer_syntax != IMPLICIT_LE,
            big_endian: &*transfer_syntax == EXPLICIT_BE,
        };
        let level = Level { encoding, bound: self.end(), delimited: false, depth: 0, signed: false };
        let elements = self.elements(level)?;
        let mut instance = Instance {
            transfer_syntax,
            preamble_is_zero,
            dataset_offset,
            frames: FrameIndex::none(),
            values: self.values,
            meta,
            elements,
            character_set: CharacterSet::default(),
        };
        let root = instance.dataset();
        let character_set = root
            .get(tags::SPECIFIC_CHARACTER_SET)
            .map(|element| CharacterSet::from_value(root.bytes(element)))
            .unwrap_or_default();
        let frames = FrameIndex::build(&root, self.pixel_data, self.deflated);
        instance.character_set = character_set;
        instance.frames = frames;
        Ok(instance)
    }

    fn end(&self) -> u64 {
        self.source.end().unwrap_or(u64::MAX)
    }

    fn elements(&mut self, mut level: Level) -> Result<Vec<Element>, ReadError> {
        let mut elements = Vec::with_capacity(if level.depth == 0 { 128 } else { 0 });
        loop {
            if !level.delimited && self.level_ends(&level)? {
                break;
            }
            let header = self.header(&level)?;
            if header.tag == ITEM_DELIMITER && level.delimited {
                break;
            }
            if header.tag.group() == 0xFFFE {
                return Err(ReadError::UnexpectedTag { tag: header.tag, offset: header.offset });
            }
            let element = self.element(&header, &level)?;
            if element.tag == tags::PIXEL_REPRESENTATION
                && let Value::Bytes(span) = element.value
            {
                level.signed = self.held(span).first() == Some(&1);
            }
            elements.push(element);
        }
        Ok(in_order(elements))
    }

    fn level_ends(&mut self, level: &Level) -> Result<bool, ReadError> {
        if level.bound == u64::MAX || level.depth == 0 {
            return self.source.at_end();
        }
        Ok(self.source.position() >= level.bound)
    }

    fn header(&mut self, level: &Level) -> Result<Header, ReadError> {
        let offset = self.source.position();
        let big = level.encoding.big_endian;
        let [g0, g1, e0, e1, l0, l1, l2, l3] = self.source.array::<8>()?;
        let tag = Tag(u16_of([g0, g1], big), u16_of([e0, e1], big));
        let long = u32_of([l0, l1, l2, l3], big);
        let header = if tag.group() == 0xFFFE {
            // PS3.5 §7.5: items and delimiters never have a VR.
            Header { tag, vr: VR::UN, len: long, offset }
        } else if level.encoding.explicit {
            let (vr, known) = match vr::from_code([l0, l1]) {
                Some(vr) => (vr, true),
                None if l0.is_ascii_uppercase() && l1.is_ascii_uppercase() => (VR::UN, false),
                None => return Err(ReadError::InvalidVr { tag, offset }),
            };
            // PS3.5 §6.2: a VR that a reader does not know has a 32-bit length, like UN.
            let len = if vr::has_long_length(vr) {
                u32_of(self.source.array::<4>()?, big)
            } else {
                u32::from(u16_of([l2, l3], big))
            };
            let vr = if known && vr == VR::UN { known_un(tag, len) } else { vr };
            Header { tag, vr, len, offset }
        } else {
            Header { tag, vr: vr::in_dictionary(tag, level.signed), len: long, offset }
        };
        if self.source.position() > level.bound {
            return Err(ReadError::Overrun { tag, offset });
        }
        Ok(header)
    }

    fn element(&mut self, header: &Header, level: &Level) -> Result<Element, ReadError> {
        self.count_one()?;
        let &Header { tag, vr, len, offset } = header;
        if len == UNDEFINED {
            return self.undefined_length(header, level);
        }
        let end = self.source.position().saturating_add(u64::from(len));
        if end > level.bound {
            return Err(if level.bound == self.end() {
                ReadError::Truncated { offset: level.bound }
            } else {
                ReadError::Overrun { tag, offset }
            });
        }
        let value = if vr == VR::SQ {
            let inner = Level { bound: end, delimited: false, ..*level };
            Value::Sequence(self.items(inner)?)
        } else if vr::is_bulk(vr) {
            Value::Bulk(self.bulk(tag, len, level)?)
        } else {
            Value::Bytes(self.value(header, level)?)
        };
        Ok(Element { tag, vr, value })
    }

    fn undefined_length(&mut self, header: &Header, level: &Level) -> Result<Element, ReadError> {
        let &Header { tag, vr, offset, .. } = header;
        let is_pixel_data = tag == tags::PIXEL_DATA && level.encoding.explicit;
        if vr::is_bulk(vr) && (vr != VR::UN || is_pixel_data) {
            let value = Value::Bulk(self.fragments(tag, level)?);
            return Ok(Element { tag, vr, value });
        }
        let inner = match vr {
            VR::SQ => Level { delimited: true, ..*level },
            // PS3.5 §6.2.2: UN of undefined length is a sequence in implicit VR little endian.
            VR::UN => {
                Level { encoding: Encoding { explicit: false, big_endian: false }, delimited: true, ..*level }
            }
            _ => return Err(ReadError::UndefinedLength { tag, offset }),
        };
        Ok(Element { tag, vr: VR::SQ, value: Value::Sequence(self.items(inner)?) })
    }

    /// The items of a sequence: up to the bound, or up to the delimiter.
    fn items(&mut self, level: Level) -> Result<Vec<Item>, ReadError> {
        let depth = level.depth.saturating_add(1);
        if depth > self.limits.depth_max {
            return Err(ReadError::TooDeep { limit: self.limits.depth_max });
        }
        let mut items = Vec::new();
        while level.delimited || self.source.position() < level.bound {
            let header = self.header(&level)?;
            let offset = header.offset;
            match header.tag {
                ITEM => {}
                // A delimiter that ends a sequence of defined length is superfluous, not wrong in effect.
                SEQUENCE_DELIMITER => break,
                tag => return Err(ReadError::UnexpectedTag { tag, offset }),
            }
            self.count_one()?;
            let delimited = header.len == UNDEFINED;
            let end = self.source.position().saturating_add(u64::from(header.len));
            if !delimited && end > level.bound {
                return Err(if level.bound == self.end() {
                    ReadError::Truncated { offset: level.bound }
                } else {
                    ReadError::Overrun { tag: ITEM, offset }
                });
            }
            let bound = if delimited { level.bound } else { end };
            items.push(Item { elements: self.elements(Level { bound, delimited, depth, ..level })? });
        }
        Ok(items)
    }

    /// Takes a value into memory.
    fn value(&mut self, header: &Header, level: &Level) -> Result<Span, ReadError> {
        let limit = self.limits.value_bytes_max;
        let too_large = ReadError::TooLarge { limit: widen(limit) };
        let Ok(len) = usize::try_from(header.len) else { return Err(too_large) };
        let start = self.values.len();
        if start.saturating_add(len) > limit {
            return Err(too_large);
        }
        self.source.read_into(&mut self.values, len)?;
        if level.encoding.big_endian
            && let Some(width) = vr::word_bytes(header.vr)
        {
            let words = self.values.get_mut(start..).unwrap_or_default();
            words.chunks_exact_mut(width).for_each(<[u8]>::reverse);
        }
        let start = u32::try_from(start).map_err(|_| ReadError::TooLarge { limit: widen(limit) })?;
        Ok(Span { start, len: header.len })
    }

    /// Leaves a value where it is. The extended offset tables are needed later and small.
    fn bulk(&mut self, tag: Tag, len: u32, level: &Level) -> Result<Bulk, ReadError> {
        let bulk = Bulk { offset: self.source.position(), length: u64::from(len), encapsulated: false };
        if level.depth == 0
            && let Some(table) = self.pixel_data.table(tag)
            && let Ok(len) = usize::try_from(len)
            && len <= self.limits.value_bytes_max
        {
            table.clear();
            self.source.read_into(table, len)?;
            return Ok(bulk);
        }
        self.source.skip(u64::from(len))?;
        if level.depth == 0 {
            self.pixel_data.found(tag, bulk);
        }
        Ok(bulk)
    }

    /// PS3.5 §A.4: a basic offset table, then fragments, then a delimiter.
    fn fragments(&mut self, tag: Tag, level: &Level) -> Result<Bulk, ReadError> {
        let offset = self.source.position();
        let mut pixel_data = PixelData::default();
        let mut first = true;
        loop {
            let header = self.header(level)?;
            match header.tag {
                ITEM if header.len != UNDEFINED => {}
                SEQUENCE_DELIMITER => break,
                tag => return Err(ReadError::UnexpectedTag { tag, offset: header.offset }),
            }
            let position = self.source.position();
            if position.saturating_add(u64::from(header.len)) > level.bound {
                return Err(ReadError::Truncated { offset: level.bound });
            }
            if first {
                self.offset_table(&mut pixel_data, header.len)?;
                first = false;
                continue;
            }
            if pixel_data.fragments.len() >= self.limits.fragments_max {
                return Err(ReadError::TooMany { limit: self.limits.fragments_max });
            }
            let starts_image = header.len >= 4 && begins_code_stream(self.source.peek::<4>()?);
            pixel_data.add_fragment(position, header.len, starts_image);
            self.source.skip(u64::from(header.len))?;
        }
        let length = self.source.position().saturating_sub(offset);
        let bulk = Bulk { offset, length, encapsulated: true };
        if level.depth == 0 && tag == tags::PIXEL_DATA {
            self.pixel_data.encapsulated(pixel_data, bulk);
        }
        Ok(bulk)
    }

    fn offset_table(&mut self, pixel_data: &mut PixelData, len: u32) -> Result<(), ReadError> {
        match usize::try_from(len) {
            Ok(len) if len <= self.limits.value_bytes_max => {
                self.source.read_into(&mut pixel_data.basic_offsets, len)
            }
            _ => self.source.skip(u64::from(len)),
        }
    }

    fn count_one(&mut self) -> Result<(), ReadError> {
        self.count += 1;
        if self.count > self.limits.elements_max {
            return Err(ReadError::TooMany { limit: self.limits.elements_max });
        }
        Ok(())
    }

    fn held(&self, span: Span) -> &[u8] {
        let view = Dataset { values: &self.values, elements: &[], character_set: CharacterSet::default() };
        view.span(span)
    }
}

/// PS3.5 §7.1: tags ascend and are unique. Where they are not, they are sorted and the last one counts.
fn in_order(mut elements: Vec<Element>) -> Vec<Element> {
    if elements.is_sorted_by(|a, b| a.tag < b.tag) {
        return elements;
    }
    elements.reverse();
    elements.sort_by_key(|element| element.tag);
    elements.dedup_by_key(|element| element.tag);
    elements
}

/// PS3.5 §6.2.2: UN in place of a VR that the dictionary knows, as left by converters.
fn known_un(tag: Tag, len: u32) -> VR {
    if vr::is_private_creator(tag) && len <= KNOWN_UN_BYTES_MAX {
        return VR::LO;
    }
    match vr::standard(tag) {
        Some(known) if len <= KNOWN_UN_BYTES_MAX && known != VR::SQ && !vr::is_bulk(known) => known,
        _ => VR::UN,
    }
}

/// The first bytes of a JPEG (also JPEG-LS) or JPEG 2000 code stream.
fn begins_code_stream(bytes: [u8; 4]) -> bool {
    matches!(bytes, [0xFF, 0xD8, 0xFF, _] | [0xFF, 0x4F, 0xFF, 0x51])
}

fn u16_of(bytes: [u8; 2], big_endian: bool) -> u16 {
    if big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
}

fn u32_of(bytes: [u8; 4], big_endian: bool) -> u32 {
    if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
}
