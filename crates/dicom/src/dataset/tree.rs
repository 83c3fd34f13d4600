//! The tree of a dataset: elements in tag order, their values as spans of one buffer.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::{character_set::CharacterSet, frames::FrameIndex};

/// Where a value lies in the instance's buffer of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Span {
    /// Whether the value has no bytes.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// A value that was left in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bulk {
    /// The first byte of the value field; in the inflated stream for deflated files.
    pub offset: u64,
    /// The bytes of the value field; for fragments with all item headers and the delimiter.
    pub length: u64,
    /// Whether the value is a list of fragments (PS3.5 §A.4).
    pub encapsulated: bool,
}

/// What an element holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Raw bytes in little endian order, with padding.
    Bytes(Span),
    /// The items of a sequence.
    Sequence(Vec<Item>),
    /// Bytes that stayed in the file.
    Bulk(Bulk),
}

/// A data element (PS3.5 §7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// The attribute's tag.
    pub tag: Tag,
    /// Its value representation, from the file or the dictionary.
    pub vr: VR,
    /// Its value.
    pub value: Value,
}

/// An item of a sequence (PS3.5 §7.5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item {
    /// The item's elements in tag order, each tag once.
    pub elements: Vec<Element>,
}

/// What was learnt from a Part 10 file.
#[derive(Debug, Clone)]
pub struct Instance {
    /// TransferSyntaxUID (0002,0010).
    pub transfer_syntax: Box<str>,
    /// Whether the 128 bytes before `DICM` are all zero.
    pub preamble_is_zero: bool,
    /// The first byte after the file meta information.
    pub dataset_offset: u64,
    /// Where the frames lie.
    pub frames: FrameIndex,
    pub(super) values: Vec<u8>,
    pub(super) meta: Vec<Element>,
    pub(super) elements: Vec<Element>,
    pub(super) character_set: CharacterSet,
}

impl Instance {
    /// The dataset, without the file meta information.
    pub fn dataset(&self) -> Dataset<'_> {
        Dataset { values: &self.values, elements: &self.elements, character_set: self.character_set }
    }

    /// The file meta information (PS3.10 §7.1): group 0002.
    pub fn meta(&self) -> Dataset<'_> {
        Dataset { values: &self.values, elements: &self.meta, character_set: CharacterSet::default() }
    }
}

/// One level of a dataset, with the buffer of its values and the character set that rules it.
#[derive(Debug, Clone, Copy)]
pub struct Dataset<'a> {
    pub(super) values: &'a [u8],
    pub(super) elements: &'a [Element],
    pub(super) character_set: CharacterSet,
}

impl<'a> Dataset<'a> {
    /// The elements in tag order.
    pub fn elements(&self) -> &'a [Element] {
        self.elements
    }

    /// The character set of this level's text.
    pub fn character_set(&self) -> CharacterSet {
        self.character_set
    }

    /// Finds an element.
    pub fn get(&self, tag: Tag) -> Option<&'a Element> {
        let at = self.elements.binary_search_by_key(&tag, |element| element.tag).ok()?;
        self.elements.get(at)
    }

    /// The raw bytes of a value; nothing for sequences and bulk values.
    pub fn bytes(&self, element: &Element) -> &'a [u8] {
        match element.value {
            Value::Bytes(span) => self.span(span),
            Value::Sequence(_) | Value::Bulk(_) => &[],
        }
    }

    pub(super) fn span(&self, span: Span) -> &'a [u8] {
        let start = usize::try_from(span.start).unwrap_or(usize::MAX);
        let len = usize::try_from(span.len).unwrap_or(usize::MAX);
        self.values.get(start..start.saturating_add(len)).unwrap_or_default()
    }

    /// The items of a sequence, each with the character set it has or inherits (PS3.3 §C.12.1.1.2).
    pub fn items(&self, element: &'a Element) -> impl Iterator<Item = Dataset<'a>> + use<'a> {
        let items: &'a [Item] = match &element.value {
            Value::Sequence(items) => items,
            Value::Bytes(_) | Value::Bulk(_) => &[],
        };
        let outer = *self;
        items.iter().map(move |item| {
            let mut inner = Dataset { elements: &item.elements, ..outer };
            if let Some(own) = inner.get(tags::SPECIFIC_CHARACTER_SET) {
                inner.character_set = CharacterSet::from_value(inner.bytes(own));
            }
            inner
        })
    }
}
