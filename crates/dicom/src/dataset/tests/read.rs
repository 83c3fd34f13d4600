use std::io::{Cursor, Write as _};

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use proptest::prelude::*;

use crate::dataset::{
    Instance, Value, json,
    read::{Limits, ReadError, read_instance},
    samples::*,
};

fn json_of(instance: &Instance) -> String {
    String::from_utf8(json::to_json(&instance.dataset(), &[])).unwrap()
}

fn with_limits(dataset: &[u8], limits: Limits) -> Result<Instance, ReadError> {
    read_instance(Cursor::new(file(EXPLICIT, dataset)), &limits)
}

#[test]
fn a_file_needs_preamble_meta_and_transfer_syntax() {
    let good = file(EXPLICIT, &[]);
    let read = |bytes: &[u8]| read_instance(Cursor::new(bytes.to_vec()), &Limits::default());
    let instance = read(&good).unwrap();
    assert_eq!(&*instance.transfer_syntax, EXPLICIT);
    assert!(instance.preamble_is_zero);
    assert_eq!(instance.dataset_offset, good.len() as u64);
    assert_eq!(instance.meta().text(Tag(2, 3)).as_deref(), Some("1.2.3"));

    let mut odd = good.clone();
    odd[5] = 1;
    assert!(!read(&odd).unwrap().preamble_is_zero);
    assert!(matches!(read(&good[..131]), Err(ReadError::NoPreamble)));
    assert!(matches!(read(&[]), Err(ReadError::NoPreamble)));
    assert!(matches!(read(&good[1..]), Err(ReadError::NoPreamble)));
    assert!(matches!(read(&good[..132]), Err(ReadError::NoMeta)));
    let no_syntax = [&good[..132], &text(0x0002_0003, *b"UI", "1.2")].concat();
    assert!(matches!(read(&no_syntax), Err(ReadError::NoTransferSyntax)));
    let empty_syntax = file("", &[]);
    assert!(matches!(read(&empty_syntax), Err(ReadError::NoTransferSyntax)));
}

#[test]
fn every_encoding_gives_the_same_dataset() {
    let sequence = item(ITEM, 14, &implicit(0x0008_1150, b"1.2.3\0"));
    let little = [
        implicit(0x0008_1140, &sequence),
        implicit(0x0010_0010, b"Doe^John"),
        implicit(0x0028_0010, &[2, 1]),
        implicit(0x0028_0103, &[1, 0]),
        implicit(0x0028_0106, &[0xFF, 0xFF]),
    ]
    .concat();
    let inner = text(0x0008_1150, *b"UI", "1.2.3\0");
    let items = item(ITEM, u32::try_from(inner.len()).unwrap(), &inner);
    let explicit = [
        element(0x0008_1140, *b"SQ", &items),
        text(0x0010_0010, *b"PN", "Doe^John"),
        us(0x0028_0010, 258),
        us(0x0028_0103, 1),
        element(0x0028_0106, *b"SS", &[0xFF, 0xFF]),
    ]
    .concat();
    let big: Vec<u8> = [
        &b"\x00\x08\x11\x40SQ\0\0\0\0\0\x16\xFF\xFE\xE0\x00\0\0\0\x0E\x00\x08\x11\x50UI\0\x061.2.3\0"[..],
        b"\x00\x10\x00\x10PN\0\x08Doe^John\x00\x28\x00\x10US\0\x02\x01\x02",
        b"\x00\x28\x01\x03US\0\x02\x00\x01\x00\x28\x01\x06SS\0\x02\xFF\xFF",
    ]
    .concat();
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    deflate.write_all(&explicit).unwrap();
    let deflated = deflate.finish().unwrap();

    let expected = r#"{"00081140":{"vr":"SQ","Value":[{"00081150":{"vr":"UI","Value":["1.2.3"]}}]},"00100010":{"vr":"PN","Value":[{"Alphabetic":"Doe^John"}]},"00280010":{"vr":"US","Value":[258]},"00280103":{"vr":"US","Value":[1]},"00280106":{"vr":"SS","Value":[-1]}}"#;
    for (syntax, bytes) in [
        (IMPLICIT, &little),
        (EXPLICIT, &explicit),
        (BIG, &big),
        (DEFLATED, &deflated),
        (JPEG, &explicit),
        ("1.3.9999.private", &explicit),
    ] {
        assert_eq!(json_of(&read(syntax, bytes).unwrap()), expected, "{syntax}");
    }
}

#[test]
fn undefined_lengths_end_at_delimiters() {
    let inner = [text(0x0008_0100, *b"SH", "A"), item(ITEM_END, 0, &[])].concat();
    let nested = [item(ITEM, UNDEFINED, &inner), item(SEQUENCE_END, 0, &[])].concat();
    let mut dataset = header(0x0008_1032, *b"SQ", UNDEFINED);
    dataset.extend(&nested);
    dataset.extend(text(0x0010_0020, *b"LO", "7"));
    let expected = r#"{"00081032":{"vr":"SQ","Value":[{"00080100":{"vr":"SH","Value":["A"]}}]},"00100020":{"vr":"LO","Value":["7"]}}"#;
    assert_eq!(json_of(&read(EXPLICIT, &dataset).unwrap()), expected);

    // PS3.5 §6.2.2: UN of undefined length holds implicit VR little endian.
    let inner = [implicit(0x0008_0100, b"A "), item(ITEM_END, 0, &[])].concat();
    let mut dataset = header(0x0009_1001, *b"UN", UNDEFINED);
    dataset.extend([item(ITEM, UNDEFINED, &inner), item(SEQUENCE_END, 0, &[])].concat());
    dataset.extend(text(0x0010_0020, *b"LO", "7"));
    let expected = expected.replace("00081032", "00091001");
    assert_eq!(json_of(&read(EXPLICIT, &dataset).unwrap()), expected);
}

#[test]
fn bulk_values_stay_in_the_file() {
    let dataset = [
        element(0x0009_0010, *b"UN", b"ACME"),
        element(0x0009_1001, *b"UN", b"secret"),
        element(0x0010_0020, *b"UN", b"ID"),
        element(0x7FE0_0010, *b"OW", &[1; 5000]),
    ]
    .concat();
    let instance = read(EXPLICIT, &dataset).unwrap();
    assert_eq!(
        json_of(&instance),
        r#"{"00090010":{"vr":"LO","Value":["ACME"]},"00100020":{"vr":"LO","Value":["ID"]}}"#
    );
    let Value::Bulk(bulk) = &instance.dataset().get(tags::PIXEL_DATA).unwrap().value else { panic!() };
    assert_eq!((bulk.length, bulk.encapsulated), (5000, false));
    let whole = file(EXPLICIT, &dataset);
    assert_eq!(bulk.offset, whole.len() as u64 - 5000);
    assert!(instance.values.len() < 1000);
}

#[test]
fn lengths_that_lie_are_refused() {
    let cases: [(&str, Vec<u8>); 9] = [
        ("truncated", header(0x0010_0020, *b"LO", 10)),
        ("truncated", header(0x7FE0_0010, *b"OW", 0xFFFF_FFFE)),
        ("truncated", header(0x0008_0119, *b"UC", 0xFFFF_FFF0)),
        ("truncated", header(0x0008_1032, *b"SQ", 0xFFFF_FFF0)),
        ("truncated", vec![0x10, 0, 0x20]),
        (
            "truncated",
            [header(0x7FE0_0010, *b"OB", UNDEFINED), item(ITEM, 0, &[]), item(ITEM, 99, &[])].concat(),
        ),
        ("overrun", element(0x0008_1032, *b"SQ", &item(ITEM, 100, &text(0x0008_0100, *b"SH", "A")))),
        ("overrun", element(0x0008_1032, *b"SQ", &item(ITEM, 10, &element(0x0008_0100, *b"SH", b"ABCD")))),
        ("overrun", element(0x0008_1032, *b"SQ", &item(ITEM, 4, &text(0x0008_0100, *b"SH", "A")))),
    ];
    for (n, (kind, mut dataset)) in cases.into_iter().enumerate() {
        if kind == "overrun" {
            dataset.extend(text(
                0x0010_0020,
                *b"LO",
                "enough bytes to follow the lie, so that the file goes on",
            ));
        }
        let error = read(EXPLICIT, &dataset).unwrap_err();
        let found = match error {
            ReadError::Truncated { .. } => "truncated",
            ReadError::Overrun { .. } => "overrun",
            _ => "other",
        };
        assert_eq!(found, kind, "case {n}: {error}");
    }
}

#[test]
fn what_does_not_belong_is_refused() {
    let stray = read(EXPLICIT, &item(ITEM_END, 0, &[])).unwrap_err();
    assert!(matches!(stray, ReadError::UnexpectedTag { .. }));
    let no_item = element(0x0008_1032, *b"SQ", &text(0x0008_0100, *b"SH", "A"));
    assert!(matches!(read(EXPLICIT, &no_item).unwrap_err(), ReadError::UnexpectedTag { .. }));
    let lower = read(EXPLICIT, &element(0x0010_0020, *b"lo", b"AB")).unwrap_err();
    assert!(matches!(lower, ReadError::InvalidVr { tag: Tag(0x10, 0x20), .. }));
    let endless = read(EXPLICIT, &header(0x0008_0119, *b"UC", UNDEFINED)).unwrap_err();
    assert!(matches!(endless, ReadError::UndefinedLength { .. }));
}

#[test]
fn an_unknown_vr_is_skipped_as_un_with_a_long_length() {
    let dataset = [element(0x0008_0001, *b"ZZ", b"ABCD"), text(0x0010_0020, *b"LO", "7")].concat();
    let instance = read(EXPLICIT, &dataset).unwrap();
    assert_eq!(instance.dataset().get(Tag(8, 1)).unwrap().vr, VR::UN);
    assert_eq!(instance.dataset().text(tags::PATIENT_ID).as_deref(), Some("7"));
}

#[test]
fn nesting_elements_bytes_and_inflation_have_limits() {
    let mut deep = Vec::new();
    for _ in 0..1000 {
        deep.extend(header(0x0040_A730, *b"SQ", UNDEFINED));
        deep.extend(item(ITEM, UNDEFINED, &[]));
    }
    assert!(matches!(read(EXPLICIT, &deep), Err(ReadError::TooDeep { limit: 64 })));

    let many = text(0x0010_0020, *b"LO", "7").repeat(20);
    let limits = Limits { elements_max: 15, ..Limits::default() };
    assert!(matches!(with_limits(&many, limits), Err(ReadError::TooMany { limit: 15 })));
    let empty_items = element(0x0008_1032, *b"SQ", &item(ITEM, 0, &[]).repeat(100));
    let limits = Limits { elements_max: 50, ..Limits::default() };
    assert!(matches!(with_limits(&empty_items, limits), Err(ReadError::TooMany { limit: 50 })));

    let large = element(0x0008_0119, *b"UC", &[b'A'; 4000]);
    let limits = Limits { value_bytes_max: 2000, ..Limits::default() };
    assert!(matches!(with_limits(&large, limits), Err(ReadError::TooLarge { limit: 2000 })));

    let limits = Limits { fragments_max: 2, ..Limits::default() };
    assert!(matches!(
        with_limits(&fragments(&[], &[b"ab", b"cd", b"ef"]), limits),
        Err(ReadError::TooMany { limit: 2 })
    ));

    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    deflate.write_all(&element(0x7FE0_0010, *b"OW", &vec![0; 1 << 20])).unwrap();
    let bomb = file(DEFLATED, &deflate.finish().unwrap());
    let limits = Limits { inflated_bytes_max: 1 << 16, ..Limits::default() };
    assert!(matches!(read_instance(Cursor::new(&bomb), &limits), Err(ReadError::TooLarge { .. })));
    assert!(read_instance(Cursor::new(&bomb), &Limits::default()).is_ok());
    assert!(matches!(read(DEFLATED, &[0xFF; 40]), Err(ReadError::CorruptDeflate)));
}

#[test]
fn tags_out_of_order_are_sorted_and_the_last_of_equals_counts() {
    let dataset =
        [text(0x0010_0020, *b"LO", "1"), text(0x0008_0060, *b"CS", "CT"), text(0x0010_0020, *b"LO", "2")]
            .concat();
    let instance = read(EXPLICIT, &dataset).unwrap();
    assert_eq!(
        json_of(&instance),
        r#"{"00080060":{"vr":"CS","Value":["CT"]},"00100020":{"vr":"LO","Value":["2"]}}"#
    );
}

#[test]
fn odd_lengths_are_followed() {
    let dataset = [element(0x0010_0020, *b"LO", b"123"), text(0x0020_0010, *b"SH", "S")].concat();
    let instance = read(EXPLICIT, &dataset).unwrap();
    assert_eq!(instance.dataset().text(tags::PATIENT_ID).as_deref(), Some("123"));
    assert_eq!(instance.dataset().text(tags::STUDY_ID).as_deref(), Some("S"));
}

/// A file with a bit of everything, for mutation.
fn mixed(syntax: usize) -> Vec<u8> {
    let inner = [text(0x0008_0100, *b"SH", "A"), item(ITEM_END, 0, &[])].concat();
    let mut dataset = [
        text(0x0008_0005, *b"CS", "\\ISO 2022 IR 87"),
        header(0x0008_1032, *b"SQ", UNDEFINED),
        item(ITEM, UNDEFINED, &inner),
        item(SEQUENCE_END, 0, &[]),
        element(0x0008_1140, *b"SQ", &item(ITEM, 0, &[])),
        element(0x0010_0010, *b"PN", b"A^B=\x1b$B;3ED\x1b(B"),
        text(0x0028_0008, *b"IS", "2"),
        us(0x0028_0010, 2),
        us(0x0028_0011, 2),
        us(0x0028_0100, 8),
        element(0x0040_9225, *b"FD", &1.5_f64.to_le_bytes()),
    ]
    .concat();
    dataset.extend(match syntax {
        0 => element(0x7FE0_0010, *b"OW", &[7; 8]),
        _ => fragments(&[0, 10], &[b"ab", b"cd"]),
    });
    file([EXPLICIT, JPEG, IMPLICIT, BIG, DEFLATED][syntax], &dataset)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_make_the_reader_panic(
        syntax in 0..5_usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        let mut bytes = mixed(syntax);
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cuts {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(instance) = read_instance(Cursor::new(&bytes), &Limits::default()) {
            let json = json::to_json(&instance.dataset(), &[]);
            let parsed: serde_json::Value = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(parsed.as_object().unwrap().len(), json::members(&json).count());
            crate::dataset::validate::problems(&instance.dataset(), |_| false);
            for n in 0..4 {
                if let Ok(frame) = instance.frames.frame(n) {
                    for range in frame.ranges {
                        prop_assert!(range.start <= range.end && range.end <= bytes.len() as u64);
                    }
                }
            }
            let index = crate::dataset::frames::FrameIndex::from_bytes(&instance.frames.to_bytes());
            prop_assert_eq!(index.as_ref(), Ok(&instance.frames));
        }
    }
}

#[test]
fn the_mixed_file_is_whole() {
    for syntax in 0..2 {
        let instance = read_instance(Cursor::new(mixed(syntax)), &Limits::default()).unwrap();
        assert_eq!(instance.frames.number_of_frames(), 2);
        assert!(instance.frames.frame(2).is_ok());
        assert_eq!(instance.dataset().text(tags::PATIENT_NAME).as_deref(), Some("A^B=山田"));
    }
}

#[test]
fn a_deflated_file_cut_short_is_told() {
    let dataset: Vec<u8> = (0..200).flat_map(|n| us(0x0028_0002 + n * 2, 7)).collect();
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    deflate.write_all(&dataset).unwrap();
    let deflated = deflate.finish().unwrap();
    assert!(read(DEFLATED, &deflated).is_ok());
    for len in 0..deflated.len() - 1 {
        let error = read(DEFLATED, &deflated[..len]).err();
        let told = matches!(error, Some(ReadError::Truncated { .. } | ReadError::CorruptDeflate));
        assert!(told, "{len} of {}: {error:?}", deflated.len());
    }
}
