//! Small Part 10 files for tests.

use std::io::Cursor;

use super::{
    Instance,
    read::{Limits, ReadError, read_instance},
};

pub(super) const IMPLICIT: &str = "1.2.840.10008.1.2";
pub(super) const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub(super) const BIG: &str = "1.2.840.10008.1.2.2";
pub(super) const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
pub(super) const JPEG: &str = "1.2.840.10008.1.2.4.50";

pub(super) const UNDEFINED: u32 = u32::MAX;

/// Preamble, prefix and file meta information, then the dataset as it is.
pub(super) fn file(transfer_syntax: &str, dataset: &[u8]) -> Vec<u8> {
    let mut meta = element(0x0002_0001, *b"OB", &[0, 1]);
    meta.extend(element(0x0002_0002, *b"UI", b"1.2.840.10008.5.1.4.1.1.2\0"));
    meta.extend(element(0x0002_0003, *b"UI", b"1.2.3\0"));
    meta.extend(element(0x0002_0010, *b"UI", &even(transfer_syntax.as_bytes(), 0)));
    let mut file = vec![0; 128];
    file.extend(b"DICM");
    file.extend(element(0x0002_0000, *b"UL", &u32::try_from(meta.len()).unwrap().to_le_bytes()));
    file.extend(meta);
    file.extend(dataset);
    file
}

pub(super) fn read(transfer_syntax: &str, dataset: &[u8]) -> Result<Instance, ReadError> {
    read_instance(Cursor::new(file(transfer_syntax, dataset)), &Limits::default())
}

/// An explicit VR little endian dataset that must be readable.
pub(super) fn explicit(elements: &[Vec<u8>]) -> Instance {
    read(EXPLICIT, &elements.concat()).unwrap()
}

pub(super) fn even(bytes: &[u8], padding: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.len() % 2 == 1 {
        bytes.push(padding);
    }
    bytes
}

pub(super) fn tag(tag: u32) -> [u8; 4] {
    let [e0, e1, g0, g1] = tag.to_le_bytes();
    [g0, g1, e0, e1]
}

/// Explicit VR little endian.
pub(super) fn element(at: u32, vr: [u8; 2], value: &[u8]) -> Vec<u8> {
    let mut out = header(at, vr, u32::try_from(value.len()).unwrap());
    out.extend(value);
    out
}

pub(super) fn header(at: u32, vr: [u8; 2], len: u32) -> Vec<u8> {
    let mut out = tag(at).to_vec();
    out.extend(vr);
    if matches!(
        &vr,
        b"OB" | b"OW" | b"OV" | b"OF" | b"SQ" | b"UN" | b"UT" | b"UC" | b"UR" | b"SV" | b"UV" | b"ZZ"
    ) {
        out.extend([0, 0]);
        out.extend(len.to_le_bytes());
    } else {
        out.extend(u16::try_from(len).unwrap().to_le_bytes());
    }
    out
}

/// Text, padded with a space.
pub(super) fn text(at: u32, vr: [u8; 2], value: &str) -> Vec<u8> {
    element(at, vr, &even(value.as_bytes(), b' '))
}

pub(super) fn implicit(at: u32, value: &[u8]) -> Vec<u8> {
    let mut out = tag(at).to_vec();
    out.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
    out.extend(value);
    out
}

/// An item or a delimiter.
pub(super) fn item(at: u32, len: u32, content: &[u8]) -> Vec<u8> {
    let mut out = tag(at).to_vec();
    out.extend(len.to_le_bytes());
    out.extend(content);
    out
}

pub(super) const ITEM: u32 = 0xFFFE_E000;
pub(super) const ITEM_END: u32 = 0xFFFE_E00D;
pub(super) const SEQUENCE_END: u32 = 0xFFFE_E0DD;

/// Encapsulated pixel data: a basic offset table and fragments.
pub(super) fn fragments(offsets: &[u32], fragments: &[&[u8]]) -> Vec<u8> {
    let table: Vec<u8> = offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect();
    let mut out = header(0x7FE0_0010, *b"OB", UNDEFINED);
    out.extend(item(ITEM, u32::try_from(table.len()).unwrap(), &table));
    for fragment in fragments {
        out.extend(item(ITEM, u32::try_from(fragment.len()).unwrap(), fragment));
    }
    out.extend(item(SEQUENCE_END, 0, &[]));
    out
}

pub(super) fn us(at: u32, value: u16) -> Vec<u8> {
    element(at, *b"US", &value.to_le_bytes())
}
