//! Part 10 files, element by element, in any uncompressed transfer syntax.

use std::{collections::BTreeMap, io::Write as _};

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use flate2::{Compression, write::DeflateEncoder};

pub(crate) const IMPLICIT: &str = "1.2.840.10008.1.2";
pub(crate) const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub(crate) const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
pub(crate) const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
pub(crate) const JPEG: &str = "1.2.840.10008.1.2.4.50";
pub(crate) const JPEG_2000: &str = "1.2.840.10008.1.2.4.90";

/// A file to be stored.
#[derive(Debug, Clone)]
pub(crate) struct File {
    transfer_syntax: String,
    preamble: u8,
    elements: BTreeMap<u32, (String, Vec<u8>)>,
}

fn number(tag: Tag) -> u32 {
    (u32::from(tag.0) << 16) | u32::from(tag.1)
}

impl File {
    /// A CT slice without pixel data.
    pub(crate) fn new(study: &str, series: &str, instance: &str) -> Self {
        let file = Self { transfer_syntax: EXPLICIT.to_owned(), preamble: 0, elements: BTreeMap::new() };
        file.text(tags::SOP_CLASS_UID, "UI", "1.2.840.10008.5.1.4.1.1.2")
            .text(tags::SOP_INSTANCE_UID, "UI", instance)
            .text(tags::STUDY_DATE, "DA", "20240131")
            .text(tags::MODALITY, "CS", "CT")
            .text(tags::PATIENT_NAME, "PN", "Doe^Jane")
            .text(tags::PATIENT_ID, "LO", "P1")
            .text(tags::STUDY_INSTANCE_UID, "UI", study)
            .text(tags::SERIES_INSTANCE_UID, "UI", series)
            .text(tags::INSTANCE_NUMBER, "IS", "1")
    }

    /// Sets an element's text.
    pub(crate) fn text(self, tag: Tag, vr: &str, value: &str) -> Self {
        self.bytes(tag, vr, value.as_bytes())
    }

    /// Sets an element's value: numbers little endian.
    pub(crate) fn bytes(mut self, tag: Tag, vr: &str, value: &[u8]) -> Self {
        let mut value = value.to_vec();
        if value.len() % 2 == 1 {
            value.push(if matches!(vr, "UI" | "OB" | "UN") { 0 } else { b' ' });
        }
        self.elements.insert(number(tag), (vr.to_owned(), value));
        self
    }

    pub(crate) fn us(self, tag: Tag, value: u16) -> Self {
        self.bytes(tag, "US", &value.to_le_bytes())
    }

    pub(crate) fn without(mut self, tag: Tag) -> Self {
        self.elements.remove(&number(tag));
        self
    }

    pub(crate) fn transfer_syntax(mut self, uid: &str) -> Self {
        uid.clone_into(&mut self.transfer_syntax);
        self
    }

    /// Fills the preamble with a byte.
    pub(crate) fn preamble(mut self, byte: u8) -> Self {
        self.preamble = byte;
        self
    }

    /// Adds an image of 16-bit samples whose bytes count up.
    pub(crate) fn image(self, rows: u16, columns: u16, frames: u16) -> Self {
        let samples = usize::from(rows) * usize::from(columns) * usize::from(frames);
        let pixels: Vec<u8> =
            (0..samples).flat_map(|n| u16::try_from(n % 65_521).unwrap().to_le_bytes()).collect();
        self.dimensions(rows, columns, frames, 16).bytes(tags::PIXEL_DATA, "OW", &pixels)
    }

    /// The attributes of an image.
    pub(crate) fn dimensions(self, rows: u16, columns: u16, frames: u16, bits: u16) -> Self {
        self.us(tags::SAMPLES_PER_PIXEL, 1)
            .text(tags::PHOTOMETRIC_INTERPRETATION, "CS", "MONOCHROME2")
            .text(tags::NUMBER_OF_FRAMES, "IS", &frames.to_string())
            .us(tags::ROWS, rows)
            .us(tags::COLUMNS, columns)
            .us(tags::BITS_ALLOCATED, bits)
            .us(tags::BITS_STORED, bits)
            .us(tags::HIGH_BIT, bits - 1)
            .us(tags::PIXEL_REPRESENTATION, 0)
    }

    /// The value that was set, little endian.
    pub(crate) fn value(&self, tag: Tag) -> &[u8] {
        &self.elements[&number(tag)].1
    }

    /// The whole file.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut file = self.head();
        let dataset: Vec<u8> =
            self.elements.iter().flat_map(|(&tag, (vr, value))| self.element(tag, vr, value)).collect();
        if self.transfer_syntax == DEFLATED {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&dataset).unwrap();
            file.extend(encoder.finish().unwrap());
        } else {
            file.extend(dataset);
        }
        file
    }

    /// Preamble, prefix and file meta information.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut uid = self.transfer_syntax.clone().into_bytes();
        if uid.len() % 2 == 1 {
            uid.push(0);
        }
        let mut meta = explicit(0x0002_0001, "OB", &[0, 1]);
        for (tag, source) in [(0x0002_0002, tags::SOP_CLASS_UID), (0x0002_0003, tags::SOP_INSTANCE_UID)] {
            if let Some((_, value)) = self.elements.get(&number(source)) {
                meta.extend(explicit(tag, "UI", value));
            }
        }
        meta.extend(explicit(0x0002_0010, "UI", &uid));
        let mut file = vec![self.preamble; 128];
        file.extend(b"DICM");
        file.extend(explicit(0x0002_0000, "UL", &u32::try_from(meta.len()).unwrap().to_le_bytes()));
        file.extend(meta);
        file
    }

    fn element(&self, tag: u32, vr: &str, value: &[u8]) -> Vec<u8> {
        match self.transfer_syntax.as_str() {
            IMPLICIT => {
                let mut out = tag_bytes(tag).to_vec();
                out.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
                out.extend(value);
                out
            }
            BIG_ENDIAN => big_endian(tag, vr, value),
            _ if tag == 0x7FE0_0010 && vr == "fragments" => value.to_vec(),
            _ => explicit(tag, vr, value),
        }
    }
}

impl From<File> for Vec<u8> {
    fn from(file: File) -> Self {
        file.to_bytes()
    }
}

impl From<&File> for Vec<u8> {
    fn from(file: &File) -> Self {
        file.to_bytes()
    }
}

fn tag_bytes(tag: u32) -> [u8; 4] {
    let [e0, e1, g0, g1] = tag.to_le_bytes();
    [g0, g1, e0, e1]
}

fn is_long(vr: &str) -> bool {
    matches!(vr, "OB" | "OW" | "OF" | "SQ" | "UN" | "UT" | "UC" | "UR" | "ZZ")
}

fn explicit(tag: u32, vr: &str, value: &[u8]) -> Vec<u8> {
    let mut out = tag_bytes(tag).to_vec();
    out.extend(vr.as_bytes());
    if is_long(vr) {
        out.extend([0, 0]);
        out.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
    } else {
        out.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
    }
    out.extend(value);
    out
}

fn big_endian(tag: u32, vr: &str, value: &[u8]) -> Vec<u8> {
    let mut out = tag.to_be_bytes().to_vec();
    out.extend(vr.as_bytes());
    if is_long(vr) {
        out.extend([0, 0]);
        out.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
    } else {
        out.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
    }
    let word = match vr {
        "US" | "OW" | "SS" => 2,
        "UL" | "SL" | "FL" => 4,
        _ => 1,
    };
    out.extend(value.chunks(word).flat_map(|word| word.iter().rev().copied().collect::<Vec<_>>()));
    out
}

/// Encapsulated pixel data with an empty offset table, one fragment each.
fn fragments(fragments: &[&[u8]]) -> Vec<u8> {
    let mut out = tag_bytes(0x7FE0_0010).to_vec();
    out.extend(b"OB\0\0\xff\xff\xff\xff");
    let mut item = |tag: u32, content: &[u8]| {
        out.extend(tag_bytes(tag));
        out.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
        out.extend(content);
    };
    item(0xFFFE_E000, &[]);
    for fragment in fragments {
        item(0xFFFE_E000, fragment);
    }
    item(0xFFFE_E0DD, &[]);
    out
}

/// The file with encapsulated frames of one fragment each, as bytes that are no real code streams.
pub(crate) fn encapsulated(file: File, transfer_syntax: &str, frames: &[&[u8]]) -> File {
    let count = u16::try_from(frames.len()).unwrap();
    let mut file = file.transfer_syntax(transfer_syntax).dimensions(4, 4, count, 8);
    file.elements.insert(0x7FE0_0010, ("fragments".to_owned(), fragments(frames)));
    file
}
