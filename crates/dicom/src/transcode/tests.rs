//! The same dataset in every uncompressed transfer syntax must come out as one and the same file.

use std::io::Write as _;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use flate2::{Compression, write::DeflateEncoder};

use super::*;
use crate::dataset::{Value, json::to_json};

#[derive(Clone, Copy)]
struct Encoding {
    explicit: bool,
    big_endian: bool,
}

const IMPLICIT: Encoding = Encoding { explicit: false, big_endian: false };
const EXPLICIT: Encoding = Encoding { explicit: true, big_endian: false };
const BIG: Encoding = Encoding { explicit: true, big_endian: true };

impl Encoding {
    fn u16(self, n: u16) -> [u8; 2] {
        if self.big_endian { n.to_be_bytes() } else { n.to_le_bytes() }
    }

    fn u32(self, n: u32) -> [u8; 4] {
        if self.big_endian { n.to_be_bytes() } else { n.to_le_bytes() }
    }

    fn head(self, tag: Tag, vr: &str, len: u32) -> Vec<u8> {
        let mut out = [self.u16(tag.group()), self.u16(tag.element())].concat();
        if self.explicit && tag.group() != 0xFFFE {
            out.extend(vr.as_bytes());
            if matches!(vr, "OB" | "OW" | "OF" | "OD" | "SQ" | "UN" | "UT") {
                out.extend([0, 0]);
            } else {
                out.extend(self.u16(u16::try_from(len).unwrap()));
                return out;
            }
        }
        out.extend(self.u32(len));
        out
    }

    fn element(self, tag: Tag, vr: &str, value: &[u8]) -> Vec<u8> {
        [self.head(tag, vr, u32::try_from(value.len()).unwrap()), value.to_vec()].concat()
    }

    fn us(self, tag: Tag, n: u16) -> Vec<u8> {
        self.element(tag, "US", &self.u16(n))
    }

    fn words(self, words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|&word| self.u16(word)).collect()
    }

    /// A dataset with a sequence, a private block, numbers of several widths and 16-bit pixels.
    fn dataset(self) -> Vec<u8> {
        let item =
            [self.element(tags::CODE_VALUE, "SH", b"T-D1100 "), self.us(tags::BITS_ALLOCATED, 8)].concat();
        let sequence = [
            self.head(Tag(0xFFFE, 0xE000), "", u32::try_from(item.len()).unwrap()),
            item,
            self.head(Tag(0xFFFE, 0xE000), "", 0),
        ]
        .concat();
        [
            self.element(Tag(0x0008, 0x0000), "UL", &self.u32(1)),
            self.element(tags::SPECIFIC_CHARACTER_SET, "CS", b"ISO_IR 192"),
            self.element(tags::SOP_INSTANCE_UID, "UI", b"1.2.3\0"),
            self.element(Tag(0x0009, 0x0010), "LO", b"OWNER 1 "),
            self.element(Tag(0x0009, 0x1001), "UN", &[1, 2, 3, 4]),
            self.element(tags::PATIENT_NAME, "PN", "Müller^Jö ".as_bytes()),
            self.element(tags::ACQUISITION_CONTEXT_SEQUENCE, "SQ", &[]),
            self.element(tags::ANATOMIC_REGION_SEQUENCE, "SQ", &sequence),
            self.us(tags::ROWS, 2),
            self.us(tags::COLUMNS, 2),
            self.us(tags::BITS_ALLOCATED, 16),
            self.us(tags::PIXEL_REPRESENTATION, 1),
            self.element(tags::SMALLEST_IMAGE_PIXEL_VALUE, "SS", &self.u16(0xFFFE)),
            self.element(tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA, "OW", &self.words(&[0x0102, 0x0304])),
            self.element(tags::PIXEL_DATA, "OW", &self.words(&[1, 2, 0x1234, 0xFFFE])),
        ]
        .concat()
    }
}

fn file(transfer_syntax: &str, dataset: &[u8]) -> Vec<u8> {
    let mut uid = transfer_syntax.as_bytes().to_vec();
    uid.resize(uid.len().next_multiple_of(2), 0);
    let meta = [
        EXPLICIT.element(tags::MEDIA_STORAGE_SOP_CLASS_UID, "UI", b"1.2.840.10008.5.1.4.1.1.2\0"),
        EXPLICIT.element(tags::TRANSFER_SYNTAX_UID, "UI", &uid),
        EXPLICIT.element(tags::IMPLEMENTATION_CLASS_UID, "UI", b"1.2.3.4\0"),
        EXPLICIT.element(tags::SOURCE_APPLICATION_ENTITY_TITLE, "AE", b"SCANNER "),
        EXPLICIT.element(tags::PRIVATE_INFORMATION_CREATOR_UID, "UI", b"1.2.3.4\0"),
        EXPLICIT.element(tags::PRIVATE_INFORMATION, "OB", &[7, 8]),
    ]
    .concat();
    [vec![0xAA; 128], b"DICM".to_vec(), meta, dataset.to_vec()].concat()
}

fn deflated(dataset: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(dataset).unwrap();
    encoder.finish().unwrap()
}

fn read(file: &[u8]) -> Instance {
    read_instance(Cursor::new(file), &Limits::default()).unwrap()
}

fn transcoded(file: &[u8]) -> Vec<u8> {
    let segments = plan(&read(file), widen(file.len())).unwrap();
    let length: u64 = segments.iter().map(Segment::length).sum();
    let mut out = Vec::new();
    for segment in segments {
        match segment {
            Segment::Bytes(bytes) => out.extend_from_slice(&bytes),
            Segment::Copy { range, swap } => {
                let bytes = Bytes::copy_from_slice(within(file, &range).unwrap());
                out.extend_from_slice(&swapped(bytes, swap));
            }
        }
    }
    assert_eq!(widen(out.len()), length);
    assert_eq!(to_explicit(Bytes::copy_from_slice(file)).unwrap().concat(), out);
    out
}

fn json(instance: &Instance) -> String {
    String::from_utf8(to_json(&instance.dataset(), &[])).unwrap()
}

fn bulk_of(file: &[u8], tag: Tag) -> Vec<u8> {
    let instance = read(file);
    let Value::Bulk(bulk) = instance.dataset().get(tag).unwrap().value else { panic!("{tag} is not bulk") };
    within(file, &(bulk.offset..bulk.offset + bulk.length)).unwrap().to_vec()
}

#[test]
fn every_syntax_comes_out_as_explicit_little_endian() {
    let native = file(EXPLICIT_LITTLE_ENDIAN, &EXPLICIT.dataset());
    let mut wanted = json(&read(&native));
    // Group lengths go: (0008,0000) is in the sources only.
    wanted = wanted.replacen(r#""00080000":{"vr":"UL","Value":[1]},"#, "", 1);
    let implicit = transcoded(&file(IMPLICIT_LITTLE_ENDIAN, &IMPLICIT.dataset()));
    let big = transcoded(&file(EXPLICIT_BIG_ENDIAN, &BIG.dataset()));
    for out in [&implicit, &big] {
        let instance = read(out);
        assert_eq!(&*instance.transfer_syntax, EXPLICIT_LITTLE_ENDIAN);
        assert!(instance.preamble_is_zero);
        assert_eq!(json(&instance), wanted);
        assert_eq!(bulk_of(out, tags::PIXEL_DATA), [1, 0, 2, 0, 0x34, 0x12, 0xFE, 0xFF]);
        assert_eq!(bulk_of(out, tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA), [2, 1, 4, 3]);
        assert_eq!(bulk_of(out, Tag(0x0009, 0x1001)), [1, 2, 3, 4]);
    }
    assert_eq!(implicit, big);
    assert_eq!(transcoded(&native), native);
}

#[test]
fn deflated_files_are_inflated_under_new_meta_information() {
    let stored = file(DEFLATED, &deflated(&EXPLICIT.dataset()));
    assert!(matches!(plan(&read(&stored), widen(stored.len())), Err(TranscodeError::Deflated)));
    let plain = inflated(&stored).unwrap();
    let instance = read(&plain);
    assert_eq!(&*instance.transfer_syntax, EXPLICIT_LITTLE_ENDIAN);
    assert!(plain.ends_with(&EXPLICIT.dataset()));
    assert_eq!(json(&instance), json(&read(&file(EXPLICIT_LITTLE_ENDIAN, &EXPLICIT.dataset()))));
    let native = file(EXPLICIT_LITTLE_ENDIAN, &EXPLICIT.dataset());
    assert!(matches!(inflated(&native).unwrap(), Cow::Borrowed(_)));
    assert_eq!(to_explicit(Bytes::from(stored.clone())).unwrap().concat(), *plain);
}

#[test]
fn a_deflated_file_cannot_grow_beyond_the_limit() {
    let bomb = EXPLICIT.element(tags::PIXEL_DATA, "OW", &vec![0; 1 << 20]);
    let stored = file(DEFLATED, &deflated(&bomb));
    let limits = Limits { inflated_bytes_max: 1 << 19, ..Limits::default() };
    let error = inflated_within(&stored, &limits).unwrap_err();
    assert!(matches!(error, TranscodeError::TooLarge { limit: 524_288 }), "{error}");
    let mut broken = file(DEFLATED, &deflated(&EXPLICIT.dataset()));
    broken.truncate(broken.len() - 20);
    assert!(inflated(&broken).is_err());
}

#[test]
fn the_meta_information_names_its_new_writer() {
    let out = transcoded(&file(IMPLICIT_LITTLE_ENDIAN, &IMPLICIT.dataset()));
    let instance = read(&out);
    let meta = instance.meta();
    let text = |tag| String::from_utf8_lossy(meta.bytes(meta.get(tag).unwrap())).into_owned();
    let found: Vec<u16> = meta.elements().iter().map(|element| element.tag.element()).collect();
    assert_eq!(found, [0x00, 0x01, 0x02, 0x10, 0x12, 0x13, 0x16, 0x100, 0x102]);
    assert_eq!(text(tags::SOURCE_APPLICATION_ENTITY_TITLE), "SCANNER ");
    assert!(text(tags::IMPLEMENTATION_CLASS_UID).starts_with("2.25.2983"));
    assert!(text(tags::IMPLEMENTATION_VERSION_NAME).len() <= 16);
    let stated = meta.integer(tags::FILE_META_INFORMATION_GROUP_LENGTH).unwrap();
    assert_eq!(u64::try_from(stated).unwrap(), instance.dataset_offset - 144);
    assert_eq!(bulk_of_meta(&out, tags::PRIVATE_INFORMATION), [7, 8]);
}

fn bulk_of_meta(file: &[u8], tag: Tag) -> Vec<u8> {
    let instance = read(file);
    let Value::Bulk(bulk) = instance.meta().get(tag).unwrap().value else { panic!("{tag} is not bulk") };
    within(file, &(bulk.offset..bulk.offset + bulk.length)).unwrap().to_vec()
}

#[test]
fn a_dataset_cannot_add_to_the_meta_information() {
    let jpeg = b"1.2.840.10008.1.2.4.50";
    let source = [BIG.element(tags::TRANSFER_SYNTAX_UID, "UI", jpeg), BIG.dataset()].concat();
    let out = transcoded(&file(EXPLICIT_BIG_ENDIAN, &source));
    assert_eq!(&*read(&out).transfer_syntax, EXPLICIT_LITTLE_ENDIAN);
    let source = [EXPLICIT.element(tags::TRANSFER_SYNTAX_UID, "UI", jpeg), EXPLICIT.dataset()].concat();
    let error = inflated(&file(DEFLATED, &deflated(&source))).map(|_| ()).unwrap_err();
    assert!(matches!(error, TranscodeError::CorruptDeflate), "{error}");
}

#[test]
fn what_is_too_long_for_its_vr_becomes_unknown() {
    let long = vec![b'1'; 70_000];
    let out = transcoded(&file(IMPLICIT_LITTLE_ENDIAN, &IMPLICIT.element(tags::IMAGE_TYPE, "CS", &long)));
    assert!(memchr::memmem::find(&out, b"\x08\x00\x08\x00UN\0\0\x70\x11\x01\x00").is_some());
    let instance = read(&out);
    let vr = instance.dataset().get(tags::IMAGE_TYPE).unwrap().vr;
    assert!(matches!(vr, VR::UN | VR::CS), "{vr:?}");
}

#[test]
fn odd_lengths_are_padded() {
    let source = [
        IMPLICIT.element(tags::SOP_INSTANCE_UID, "UI", b"1.2"),
        IMPLICIT.element(tags::PATIENT_ID, "LO", b"abc"),
        IMPLICIT.element(Tag(0x0011, 0x1001), "UN", b"x"),
    ];
    let out = transcoded(&file(IMPLICIT_LITTLE_ENDIAN, &source.concat()));
    let wanted = [
        EXPLICIT.element(tags::SOP_INSTANCE_UID, "UI", b"1.2\0"),
        EXPLICIT.element(tags::PATIENT_ID, "LO", b"abc "),
        EXPLICIT.element(Tag(0x0011, 0x1001), "UN", b"x\0"),
    ];
    assert!(out.ends_with(&wanted.concat()));
}

#[test]
fn eight_bit_samples_in_big_endian_words_are_put_in_order() {
    let source = [
        BIG.us(tags::ROWS, 2),
        BIG.us(tags::COLUMNS, 2),
        BIG.us(tags::BITS_ALLOCATED, 8),
        BIG.element(tags::PIXEL_DATA, "OW", &[2, 1, 4, 3]),
    ]
    .concat();
    let stored = file(EXPLICIT_BIG_ENDIAN, &source);
    assert_eq!(bulk_of(&transcoded(&stored), tags::PIXEL_DATA), [1, 2, 3, 4]);
    let instance = read(&stored);
    assert_eq!(word_bits(&instance), 16);
    let frame = instance.frames.frame(1).unwrap();
    let raw =
        frame.ranges.iter().map(|range| Bytes::copy_from_slice(within(&stored, range).unwrap())).collect();
    assert_eq!(*frame_bytes(&frame, raw, word_bits(&instance)), [1, 2, 3, 4]);

    let bytes =
        [BIG.us(tags::BITS_ALLOCATED, 8), BIG.element(tags::PIXEL_DATA, "OB", &[1, 2, 3, 4])].concat();
    let stored = file(EXPLICIT_BIG_ENDIAN, &bytes);
    assert_eq!(bulk_of(&transcoded(&stored), tags::PIXEL_DATA), [1, 2, 3, 4]);
    assert_eq!(word_bits(&read(&stored)), 8);
}

#[test]
fn words_that_reach_across_frames_need_the_whole_file() {
    let source = [
        BIG.element(tags::NUMBER_OF_FRAMES, "IS", b"2 "),
        BIG.us(tags::ROWS, 1),
        BIG.us(tags::COLUMNS, 3),
        BIG.us(tags::BITS_ALLOCATED, 8),
        BIG.element(tags::PIXEL_DATA, "OW", &[2, 1, 4, 3, 6, 5]),
    ]
    .concat();
    let plain = transcoded(&file(EXPLICIT_BIG_ENDIAN, &source));
    let instance = read(&plain);
    let frame = |number| {
        let range = instance.frames.frame(number).unwrap().ranges.remove(0);
        within(&plain, &range).unwrap().to_vec()
    };
    assert_eq!([frame(1), frame(2)], [[1, 2, 3], [4, 5, 6]]);
}

#[test]
fn wide_samples_are_swapped_whole() {
    for (bits, vr, tag) in [
        (32, "OW", tags::PIXEL_DATA),
        (32, "OF", tags::FLOAT_PIXEL_DATA),
        (64, "OD", tags::DOUBLE_FLOAT_PIXEL_DATA),
    ] {
        let source =
            [BIG.us(tags::BITS_ALLOCATED, bits), BIG.element(tag, vr, &[0, 1, 2, 3, 4, 5, 6, 7])].concat();
        let stored = file(EXPLICIT_BIG_ENDIAN, &source);
        let wanted: &[u8] = if bits == 32 { &[3, 2, 1, 0, 7, 6, 5, 4] } else { &[7, 6, 5, 4, 3, 2, 1, 0] };
        assert_eq!(bulk_of(&transcoded(&stored), tag), wanted, "{vr}");
        assert_eq!(word_bits(&read(&stored)), bits, "{vr}");
    }
}

#[test]
fn a_plan_stays_within_the_file() {
    let stored = file(IMPLICIT_LITTLE_ENDIAN, &IMPLICIT.dataset());
    let error = plan(&read(&stored), widen(stored.len()) - 1).unwrap_err();
    assert!(matches!(error, TranscodeError::Length { tag: tags::PIXEL_DATA }), "{error}");
    let jpeg = file("1.2.840.10008.1.2.4.50", &EXPLICIT.dataset());
    assert!(matches!(plan(&read(&jpeg), widen(jpeg.len())), Err(TranscodeError::Unsupported)));
    let mut fragments = IMPLICIT.head(tags::PIXEL_DATA, "OW", u32::MAX);
    fragments.extend(IMPLICIT.head(Tag(0xFFFE, 0xE000), "", 0));
    fragments.extend(IMPLICIT.head(Tag(0xFFFE, 0xE0DD), "", 0));
    let error = plan(&read(&file(IMPLICIT_LITTLE_ENDIAN, &fragments)), 10_000).unwrap_err();
    assert!(matches!(error, TranscodeError::Encapsulated { tag: tags::PIXEL_DATA }), "{error}");
}

#[test]
fn one_bit_frames_start_at_a_byte() {
    let bits = |end, first_bit, bits| Frame {
        ranges: std::iter::once(0..end).collect(),
        first_bit,
        bits: Some(bits),
    };
    let raw = |bytes: &[u8]| vec![Bytes::copy_from_slice(bytes)];
    // Nine samples from bit 3: 1 1110 0001 (lowest first), then padding.
    let frame = bits(2, 3, 9);
    assert_eq!(*frame_bytes(&frame, raw(&[0b0000_1101, 0b1111_1111]), 8), [0b1110_0001, 0b1]);
    let frame = bits(3, 7, 10);
    assert_eq!(*frame_bytes(&frame, raw(&[0b1000_0000, 0b0000_0001, 0xFF]), 8), [0b0000_0011, 0b10]);
    let frame = bits(2, 0, 16);
    assert_eq!(*frame_bytes(&frame, raw(&[0xAB, 0xCD]), 8), [0xAB, 0xCD]);
    // Fewer bytes than the frame has: no more come out.
    let frame = bits(2, 1, 16);
    assert_eq!(*frame_bytes(&frame, raw(&[0x02]), 8), [0x01]);
}

#[test]
fn fragments_of_a_frame_are_joined() {
    let frame = Frame { ranges: vec![0..2, 10..12], first_bit: 0, bits: None };
    let raw = vec![Bytes::from_static(b"ab"), Bytes::from_static(b"cd")];
    assert_eq!(&*frame_bytes(&frame, raw, 8), b"abcd");
    assert_eq!(&*frame_bytes(&frame, Vec::new(), 16), b"");
}
