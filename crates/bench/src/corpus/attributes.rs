//! The attributes of the corpus' headers: what a scanner of today writes, so that metadata has a real weight.
//!
//! A CT slice has some 130 attributes, as slices from practice have: 11.5 KB of indented DICOM JSON, 7 KB without
//! the white space.

use super::part10::Element;

/// Attributes of every instance whose value is the same in all.
const IMAGE: &[(u32, &str, &str)] = &[
    (0x0008_0005, "CS", "ISO_IR 192"),
    (0x0008_0070, "LO", "Example Imaging"),
    (0x0008_0080, "LO", "Example Hospital"),
    (0x0008_0081, "ST", "1 Example Street"),
    (0x0008_1010, "SH", "ROOM2"),
    (0x0008_1040, "LO", "Radiology"),
    (0x0008_1090, "LO", "Model 64"),
    (0x0010_1020, "DS", "1.75"),
    (0x0010_1030, "DS", "72"),
    (0x0018_1000, "LO", "10044"),
    (0x0018_1020, "LO", "VB10B"),
    (0x0018_5100, "CS", "HFS"),
    (0x0020_0012, "IS", "2"),
    (0x0020_1040, "LO", "SN"),
    (0x0028_0002, "US", "1"),
    (0x0028_0004, "CS", "MONOCHROME2"),
    (0x0028_0100, "US", "16"),
    (0x0028_0101, "US", "12"),
    (0x0028_0102, "US", "11"),
    (0x0028_0103, "US", "0"),
    (0x0028_1050, "DS", "40\\400"),
    (0x0028_1051, "DS", "350\\1500"),
];

/// What a CT slice has besides.
const CT: &[(u32, &str, &str)] = &[
    (0x0008_0201, "SH", "+0100"),
    (0x0008_1080, "LO", "R10.4"),
    (0x0009_0010, "LO", "HILUM BENCH 1.0"),
    (0x0009_1001, "LO", "A"),
    (0x0009_1002, "DS", "1.5"),
    (0x0009_1004, "SH", "FULL"),
    (0x0009_1027, "SL", "1706"),
    (0x0010_21A0, "CS", "UNKNOWN"),
    (0x0010_21B0, "LT", "none"),
    (0x0010_21C0, "US", "4"),
    (0x0012_0062, "CS", "YES"),
    (0x0012_0063, "LO", "synthetic"),
    (0x0018_0010, "LO", "IV"),
    (0x0018_0022, "CS", "HELICAL"),
    (0x0018_0050, "DS", "1.25"),
    (0x0018_0060, "DS", "120"),
    (0x0018_0088, "DS", "1.25"),
    (0x0018_0090, "DS", "500"),
    (0x0018_1100, "DS", "360"),
    (0x0018_1110, "DS", "949"),
    (0x0018_1111, "DS", "541"),
    (0x0018_1120, "DS", "0"),
    (0x0018_1130, "DS", "157.5"),
    (0x0018_1140, "CS", "CW"),
    (0x0018_1150, "IS", "500"),
    (0x0018_1151, "IS", "310"),
    (0x0018_1152, "IS", "155"),
    (0x0018_1160, "SH", "BODY"),
    (0x0018_1190, "DS", "0.7"),
    (0x0018_1210, "SH", "STANDARD"),
    (0x0018_9302, "CS", "SPIRAL"),
    (0x0018_9305, "FD", "0.5"),
    (0x0018_9306, "FD", "0.625"),
    (0x0018_9307, "FD", "40"),
    (0x0018_9309, "FD", "78.75"),
    (0x0018_9310, "FD", "39.375"),
    (0x0018_9311, "FD", "0.984375"),
    (0x0018_9313, "FD", "0\\0\\-157.5"),
    (0x0018_9345, "FD", "9.75"),
    (0x0020_0100, "IS", "1"),
    (0x0020_1002, "IS", "100"),
    (0x0028_0301, "CS", "NO"),
    (0x0028_1052, "DS", "-1024"),
    (0x0028_1053, "DS", "1"),
    (0x0028_1054, "LO", "HU"),
    (0x0028_1055, "LO", "SOFT\\BONE"),
    (0x0028_2110, "CS", "00"),
    (0x0032_1033, "LO", "Surgery"),
    (0x0032_1070, "LO", "Iodine"),
    (0x0038_0300, "LO", "Ward 3"),
    (0x0040_1001, "SH", "RP1"),
];

/// What each header of the kind has.
pub(super) fn fixed(kind: super::Kind) -> Vec<Element> {
    let tables = match kind {
        super::Kind::Ct | super::Kind::Jpeg2000 => [IMAGE, CT],
        super::Kind::Small | super::Kind::MultiFrame | super::Kind::Cine => [IMAGE, &[]],
    };
    tables.into_iter().flatten().map(|&(tag, vr, value)| Element::text(tag, vr, value)).collect()
}

/// A coded entry (PS3.3 §8.8), the content of most sequences.
pub(super) fn code(tag: u32, value: &'static str, scheme: &'static str, meaning: &'static str) -> Element {
    let item = vec![
        Element::text(0x0008_0100, "SH", value),
        Element::text(0x0008_0102, "SH", scheme),
        Element::text(0x0008_0104, "LO", meaning),
    ];
    Element::items(tag, vec![item])
}

/// References to other SOP instances (PS3.3 §10.8).
pub(super) fn references(tag: u32, sop_class: &'static str, instances: Vec<String>) -> Element {
    let item = |uid| vec![Element::text(0x0008_1150, "UI", sop_class), Element::text(0x0008_1155, "UI", uid)];
    Element::items(tag, instances.into_iter().map(item).collect())
}
