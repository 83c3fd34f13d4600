//! What the reader notes about the pixel data on its way past it.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::tree::Bulk;

/// A fragment of encapsulated pixel data, without its item header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) offset: u64,
    pub(super) length: u32,
    /// Starts with the first marker of a JPEG or JPEG 2000 code stream.
    pub(super) starts_image: bool,
}

#[derive(Debug, Default)]
pub(super) struct PixelData {
    /// The tag and place of the native or encapsulated pixel data.
    pub(super) place: Option<(Tag, Bulk)>,
    pub(super) fragments: Vec<Fragment>,
    pub(super) basic_offsets: Vec<u8>,
    pub(super) extended_offsets: Vec<u8>,
    pub(super) extended_lengths: Vec<u8>,
}

impl PixelData {
    /// The buffer for the value of an extended offset table (PS3.3 §C.7.6.3.1.8).
    pub(super) fn table(&mut self, tag: Tag) -> Option<&mut Vec<u8>> {
        match tag {
            tags::EXTENDED_OFFSET_TABLE => Some(&mut self.extended_offsets),
            tags::EXTENDED_OFFSET_TABLE_LENGTHS => Some(&mut self.extended_lengths),
            _ => None,
        }
    }

    pub(super) fn found(&mut self, tag: Tag, bulk: Bulk) {
        if matches!(tag, tags::PIXEL_DATA | tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA) {
            self.place = Some((tag, bulk));
        }
    }

    pub(super) fn encapsulated(&mut self, read: Self, bulk: Bulk) {
        self.fragments = read.fragments;
        self.basic_offsets = read.basic_offsets;
        self.place = Some((tags::PIXEL_DATA, bulk));
    }

    pub(super) fn add_fragment(&mut self, offset: u64, length: u32, starts_image: bool) {
        self.fragments.push(Fragment { offset, length, starts_image });
    }
}
