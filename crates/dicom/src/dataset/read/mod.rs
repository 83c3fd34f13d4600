//! Reads a DICOM Part 10 file (PS3.10 §7, PS3.5 §7 and Annex A) in one pass, without its bulk values.
//!
//! Every length is checked against the bounds of what encloses it before it is used; nesting, elements,
//! fragments and bytes in memory are limited. Values come out in little endian order.

mod walk;

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use thiserror::Error;

use super::{
    character_set::CharacterSet,
    source::{Inflating, Seekable, Source},
    tree::{Dataset, Element, Instance},
};
use walk::Walker;

/// What a file may cost. The defaults fit whole-slide and enhanced multi-frame headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sequences within sequences. Real files stay below 16.
    pub depth_max: u16,
    /// Elements and items of the whole dataset.
    pub elements_max: usize,
    /// Bytes of values held in memory.
    pub value_bytes_max: usize,
    /// Fragments of the pixel data; costs 16 bytes each.
    pub fragments_max: usize,
    /// Bytes that a deflated dataset may inflate to.
    pub inflated_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth_max: 64,
            elements_max: 500_000,
            value_bytes_max: 64 * 1024 * 1024,
            fragments_max: 1_000_000,
            inflated_bytes_max: 4 * 1024 * 1024 * 1024,
        }
    }
}

/// Why a file cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The medium failed, not the file's content.
    #[error("the file could not be read")]
    Source(#[source] io::Error),
    /// No 128 bytes and `DICM` at the start.
    #[error("the file has no preamble and DICM prefix")]
    NoPreamble,
    /// No element of group 0002 after the prefix.
    #[error("the file has no file meta information")]
    NoMeta,
    /// The file meta information lacks (0002,0010).
    #[error("the file meta information has no transfer syntax UID")]
    NoTransferSyntax,
    /// The file ends within an element.
    #[error("the file ends early, at byte {offset}")]
    Truncated {
        /// Where the bytes end.
        offset: u64,
    },
    /// An element claims more bytes than its item or sequence has.
    #[error("element {tag} at byte {offset} is longer than what encloses it")]
    Overrun {
        /// The element's tag.
        tag: Tag,
        /// Where its header starts.
        offset: u64,
    },
    /// A delimiter, or an item, where none belongs.
    #[error("unexpected {tag} at byte {offset}")]
    UnexpectedTag {
        /// The tag found.
        tag: Tag,
        /// Where it starts.
        offset: u64,
    },
    /// Two bytes that cannot be a value representation.
    #[error("element {tag} at byte {offset} has no valid value representation")]
    InvalidVr {
        /// The element's tag.
        tag: Tag,
        /// Where its header starts.
        offset: u64,
    },
    /// Undefined length on a kind of value that must have one.
    #[error("element {tag} at byte {offset} may not have an undefined length")]
    UndefinedLength {
        /// The element's tag.
        tag: Tag,
        /// Where its header starts.
        offset: u64,
    },
    /// Sequences nested beyond the limit.
    #[error("sequences are nested deeper than {limit}")]
    TooDeep {
        /// The limit.
        limit: u16,
    },
    /// More elements, items or fragments than the limit.
    #[error("the dataset has more than {limit} elements or fragments")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// More bytes to hold than the limit.
    #[error("the dataset's values exceed {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The deflated stream is broken.
    #[error("the deflated dataset is corrupt")]
    CorruptDeflate,
}

const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// Reads a Part 10 file from its start.
pub fn read_instance<R: Read + Seek>(file: R, limits: &Limits) -> Result<Instance, ReadError> {
    let mut file = file;
    let input = Seekable::new(&mut file).map_err(ReadError::Source)?;
    let mut walker = Walker::new(Source::new(input), *limits);
    let preamble_is_zero = walker.preamble()?;
    let meta = walker.meta()?;
    let transfer_syntax = transfer_syntax(&walker.values, &meta)?;
    let dataset_offset = walker.source.position();

    if &*transfer_syntax == DEFLATED {
        let (values, count) = (walker.values, walker.count);
        file.seek(SeekFrom::Start(dataset_offset)).map_err(ReadError::Source)?;
        let inflating = Inflating::new(BufReader::new(file), limits.inflated_bytes_max);
        let mut walker = Walker::new(Source::new(inflating), *limits);
        (walker.values, walker.count, walker.deflated) = (values, count, true);
        return walker.finish(transfer_syntax, meta, preamble_is_zero, dataset_offset);
    }
    walker.finish(transfer_syntax, meta, preamble_is_zero, dataset_offset)
}

fn transfer_syntax(values: &[u8], meta: &[Element]) -> Result<Box<str>, ReadError> {
    let view = Dataset { values, elements: meta, character_set: CharacterSet::default() };
    let Some(element) = view.get(tags::TRANSFER_SYNTAX_UID) else {
        return Err(ReadError::NoTransferSyntax);
    };
    let text = String::from_utf8_lossy(view.bytes(element));
    let text = text.trim_matches(['\0', ' ']);
    if text.is_empty() { Err(ReadError::NoTransferSyntax) } else { Ok(text.into()) }
}
