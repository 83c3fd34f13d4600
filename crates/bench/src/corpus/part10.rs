//! The Part 10 writer: explicit VR little endian (PS3.5 §7.1.2, PS3.10 §7), just enough for the corpus.

use std::borrow::Cow;

/// A data element before it is written.
#[derive(Debug, Clone)]
pub(super) struct Element {
    /// Group and element number, `ggggeeee`.
    pub(super) tag: u32,
    /// The value representation's two letters.
    pub(super) vr: &'static str,
    /// What it holds.
    pub(super) value: Value,
}

/// A data element's value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Text, several values parted by `\`. Numbers of binary VRs are written as text too, and encoded by VR.
    Text(Cow<'static, str>),
    /// The items of a sequence.
    Items(Vec<Vec<Element>>),
}

impl Element {
    pub(super) fn text(tag: u32, vr: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        Self { tag, vr, value: Value::Text(value.into()) }
    }

    pub(super) fn items(tag: u32, items: Vec<Vec<Self>>) -> Self {
        Self { tag, vr: "SQ", value: Value::Items(items) }
    }
}

/// The preamble, the meta group and the prefix (PS3.10 §7.1). The preamble is zero, as archives leave it.
pub(super) fn write_meta(
    out: &mut Vec<u8>,
    sop_class: &'static str,
    instance: String,
    transfer_syntax: &'static str,
) {
    let mut group = vec![0x02, 0x00, 0x01, 0x00, b'O', b'B', 0, 0, 2, 0, 0, 0, 0, 1];
    write_elements(
        &mut group,
        vec![
            Element::text(0x0002_0002, "UI", sop_class),
            Element::text(0x0002_0003, "UI", instance),
            Element::text(0x0002_0010, "UI", transfer_syntax),
            // The example root of PS3.5 Annex B would name nobody; 2.25 plus a UUID is free for all.
            Element::text(0x0002_0012, "UI", "2.25.80302813137786398554742050926734630921"),
            Element::text(0x0002_0013, "SH", "HILUM-BENCH"),
        ],
    );
    out.resize(128, 0);
    out.extend_from_slice(b"DICM");
    out.extend_from_slice(&[0x02, 0x00, 0x00, 0x00, b'U', b'L', 4, 0]);
    out.extend_from_slice(&length32(group.len()).to_le_bytes());
    out.append(&mut group);
}

/// Writes the elements in the order of their tags (PS3.5 §7.1).
pub(super) fn write_elements(out: &mut Vec<u8>, mut elements: Vec<Element>) {
    elements.sort_by_key(|element| element.tag);
    for Element { tag, vr, value } in elements {
        let bytes = match value {
            Value::Text(text) => encode(vr, &text),
            Value::Items(items) => encode_items(items),
        };
        write_header(out, tag, vr, length32(bytes.len()));
        out.extend_from_slice(&bytes);
    }
}

/// Writes tag, VR and length; `u32::MAX` is the undefined length.
pub(super) fn write_header(out: &mut Vec<u8>, tag: u32, vr: &str, length: u32) {
    write_tag(out, tag);
    out.extend_from_slice(vr.as_bytes());
    match (vr, u16::try_from(length)) {
        ("OB" | "OD" | "OF" | "OL" | "OV" | "OW" | "SQ" | "SV" | "UC" | "UN" | "UR" | "UT" | "UV", _)
        | (_, Err(_)) => {
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(&length.to_le_bytes());
        }
        (_, Ok(length)) => out.extend_from_slice(&length.to_le_bytes()),
    }
}

/// Writes a tag of the item family (PS3.5 §7.5): no VR.
pub(super) fn write_item_header(out: &mut Vec<u8>, tag: u32, length: u32) {
    write_tag(out, tag);
    out.extend_from_slice(&length.to_le_bytes());
}

/// A length as the file has it. The corpus' largest element, 52 MB, is far from the limit.
pub(super) fn length32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn write_tag(out: &mut Vec<u8>, tag: u32) {
    let [group_high, group_low, high, low] = tag.to_be_bytes();
    out.extend_from_slice(&[group_low, group_high, low, high]);
}

fn encode_items(items: Vec<Vec<Element>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for item in items {
        let mut content = Vec::new();
        write_elements(&mut content, item);
        write_item_header(&mut bytes, 0xFFFE_E000, length32(content.len()));
        bytes.append(&mut content);
    }
    bytes
}

fn encode(vr: &str, text: &str) -> Vec<u8> {
    let numbers = || text.split('\\');
    match vr {
        "US" => numbers().flat_map(|n| n.parse::<u16>().unwrap_or_default().to_le_bytes()).collect(),
        "SS" => numbers().flat_map(|n| n.parse::<i16>().unwrap_or_default().to_le_bytes()).collect(),
        "UL" => numbers().flat_map(|n| n.parse::<u32>().unwrap_or_default().to_le_bytes()).collect(),
        "SL" => numbers().flat_map(|n| n.parse::<i32>().unwrap_or_default().to_le_bytes()).collect(),
        "FL" => numbers().flat_map(|n| n.parse::<f32>().unwrap_or_default().to_le_bytes()).collect(),
        "FD" => numbers().flat_map(|n| n.parse::<f64>().unwrap_or_default().to_le_bytes()).collect(),
        _ => {
            let mut bytes = text.as_bytes().to_vec();
            if bytes.len() % 2 == 1 {
                // PS3.5 §6.2: UIDs are padded with NUL, other text with a space.
                bytes.push(if vr == "UI" { 0 } else { b' ' });
            }
            bytes
        }
    }
}
