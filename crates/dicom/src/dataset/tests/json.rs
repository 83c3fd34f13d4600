use dicom_core::Tag;
use proptest::prelude::*;

use crate::dataset::{json, samples::*};

/// The `Value` of one element, or nothing.
fn value(vr: [u8; 2], bytes: &[u8]) -> String {
    let instance = explicit(&[element(0x0009_0020, vr, bytes)]);
    let json = String::from_utf8(json::to_json(&instance.dataset(), &[])).unwrap();
    let vr = String::from_utf8(vr.to_vec()).unwrap();
    let body = json.strip_prefix(&format!("{{\"00090020\":{{\"vr\":\"{vr}\"")).unwrap();
    let body = body.strip_suffix("}}").unwrap();
    body.strip_prefix(",\"Value\":").unwrap_or_default().to_owned()
}

#[test]
fn text_values() {
    assert_eq!(value(*b"LO", b"A\\ B \\C "), r#"["A"," B","C"]"#);
    assert_eq!(value(*b"LO", b"A\\\\B "), r#"["A",null,"B"]"#);
    assert_eq!(value(*b"LO", b""), "");
    assert_eq!(value(*b"LO", b"  "), "");
    assert_eq!(value(*b"LO", b"AB\0\0"), r#"["AB\u0000\u0000"]"#);
    assert_eq!(value(*b"UI", b"1.2\\1.3\0"), r#"["1.2","1.3"]"#);
    assert_eq!(value(*b"LT", b"a\\b\r\n\t\"x\" "), r#"["a\\b\r\n\t\"x\""]"#);
    assert_eq!(value(*b"UT", b" \x1f"), r#"[" \u001f"]"#);
    assert_eq!(value(*b"CS", b"A\xE9"), "[\"A\u{FFFD}\"]");
}

#[test]
fn person_names() {
    assert_eq!(value(*b"PN", b"Doe^John"), r#"[{"Alphabetic":"Doe^John"}]"#);
    assert_eq!(value(*b"PN", b"A=B=C "), r#"[{"Alphabetic":"A","Ideographic":"B","Phonetic":"C"}]"#);
    assert_eq!(value(*b"PN", b"==C\\\\=\\D"), r#"[{"Phonetic":"C"},null,null,{"Alphabetic":"D"}]"#);
}

#[test]
fn decimal_and_integer_strings_are_numbers_where_they_can_be() {
    for (text, expected) in [
        ("1.50", "1.50"),
        (" 1", "1"),
        ("+1.", "1"),
        ("-.5", "-0.5"),
        ("007", "7"),
        ("1E+05", "1e+05"),
        ("0", "0"),
        ("-0.0", "-0.0"),
        ("1e999", "\"1e999\""),
        ("1,5", "\"1,5\""),
        ("1e", "\"1e\""),
        (".", "\".\""),
        ("NaN", "\"NaN\""),
    ] {
        assert_eq!(value(*b"DS", &even(text.as_bytes(), b' ')), format!("[{expected}]"), "{text}");
    }
    for (text, expected) in [
        ("12", "12"),
        ("-0012 ", "-12"),
        ("+3\0", "3"),
        ("1.0", "\"1.0\""),
        ("1e3", "\"1e3\""),
        ("99999999999999999999", "\"99999999999999999999\""),
        ("1A", "\"1A\""),
    ] {
        assert_eq!(value(*b"IS", text.as_bytes()), format!("[{expected}]"), "{text}");
    }
    assert_eq!(value(*b"DS", b"1\\\\2 "), "[1,null,2]");
}

#[test]
fn binary_values() {
    assert_eq!(value(*b"US", &[1, 0, 0xFF, 0xFF]), "[1,65535]");
    assert_eq!(value(*b"SS", &[0xFF, 0xFF]), "[-1]");
    assert_eq!(value(*b"UL", &[0xFF; 4]), "[4294967295]");
    assert_eq!(value(*b"SL", &[0xFF; 4]), "[-1]");
    assert_eq!(value(*b"AT", &[0x10, 0, 0x20, 0, 0xE0, 0x7F, 0x10, 0]), r#"["00100020","7FE00010"]"#);
    assert_eq!(value(*b"UV", &(1_u64 << 53).to_le_bytes()), "[9007199254740992]");
    assert_eq!(value(*b"UV", &u64::MAX.to_le_bytes()), r#"["18446744073709551615"]"#);
    assert_eq!(value(*b"SV", &i64::MIN.to_le_bytes()), r#"["-9223372036854775808"]"#);
    assert_eq!(value(*b"SV", &(-5_i64).to_le_bytes()), "[-5]");
    let floats = [1.5_f32, 0.1, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    let bytes: Vec<u8> = floats.iter().flat_map(|n| n.to_le_bytes()).collect();
    assert_eq!(value(*b"FL", &bytes), r#"[1.5,0.1,"NaN","inf","-inf"]"#);
    assert_eq!(value(*b"FD", &1e300_f64.to_le_bytes()), "[1e300]");
    assert_eq!(value(*b"FD", &3.0_f64.to_le_bytes()), "[3.0]");
    assert_eq!(value(*b"US", &[1]), "");
}

#[test]
fn what_is_left_out() {
    let nested = [element(0x0009_1001, *b"OB", b"xx"), text(0x0008_0100, *b"SH", "A")].concat();
    let items = [item(ITEM, u32::try_from(nested.len()).unwrap(), &nested), item(ITEM, 0, &[])].concat();
    let instance = explicit(&[
        element(0x0008_0000, *b"UL", &[0; 4]),
        text(0x0008_0060, *b"CS", "CT"),
        element(0x0008_1032, *b"SQ", &items),
        element(0x0008_1140, *b"SQ", &[]),
        text(0x0010_0030, *b"DA", "broken"),
        element(0x7FE0_0010, *b"OW", &[0; 4]),
    ]);
    let json = json::to_json(&instance.dataset(), &[Tag(0x0010, 0x0030)]);
    let expected = r#"{"00080060":{"vr":"CS","Value":["CT"]},"00081032":{"vr":"SQ","Value":[{"00080100":{"vr":"SH","Value":["A"]}},{}]},"00081140":{"vr":"SQ"}}"#;
    assert_eq!(String::from_utf8(json).unwrap(), expected);
}

#[test]
fn items_inherit_the_character_set_or_have_their_own() {
    let own = [text(0x0008_0005, *b"CS", "ISO_IR 144"), element(0x0010_0010, *b"PN", b"\xBB\xEE")].concat();
    let inherited = element(0x0010_0010, *b"PN", b"M\xFCller");
    let items = [
        item(ITEM, u32::try_from(own.len()).unwrap(), &own),
        item(ITEM, u32::try_from(inherited.len()).unwrap(), &inherited),
    ]
    .concat();
    let instance = explicit(&[text(0x0008_0005, *b"CS", "ISO_IR 100"), element(0x0008_1032, *b"SQ", &items)]);
    let json = String::from_utf8(json::to_json(&instance.dataset(), &[])).unwrap();
    assert!(json.contains("Лю") && json.contains("Müller"), "{json}");
}

#[test]
fn members_are_found_without_parsing() {
    let nested = text(0x0008_0100, *b"SH", "}\"{\\");
    let instance = explicit(&[
        text(0x0008_0060, *b"CS", "CT"),
        element(0x0008_1032, *b"SQ", &item(ITEM, u32::try_from(nested.len()).unwrap(), &nested)),
        text(0x0010_0020, *b"LO", "a\"}{"),
    ]);
    let json = json::to_json(&instance.dataset(), &[]);
    let found: Vec<_> = json::members(&json).collect();
    assert_eq!(
        found.iter().map(|m| m.tag).collect::<Vec<_>>(),
        [Tag(8, 0x60), Tag(8, 0x1032), Tag(0x10, 0x20)]
    );
    assert_eq!(found[0].json, br#""00080060":{"vr":"CS","Value":["CT"]}"#);
    assert_eq!(found[2].value(), br#"{"vr":"LO","Value":["a\"}{"]}"#);
    let joined = found.iter().map(|m| m.json).collect::<Vec<_>>().join(&b","[..]);
    assert_eq!([b"{", &joined[..], b"}"].concat(), json);
    assert_eq!(json::members(b"{}").count(), 0);
    assert_eq!(json::members(b"[1]").count(), 0);
}

proptest! {
    #[test]
    fn members_never_panics_and_any_text_makes_valid_json(bytes in prop::collection::vec(any::<u8>(), 0..80), vr in 0..6_usize) {
        let _ = json::members(&bytes).count();
        let vr = [*b"LO", *b"PN", *b"UT", *b"DS", *b"IS", *b"UI"][vr];
        let set = text(0x0008_0005, *b"CS", ["ISO_IR 192", "\\ISO 2022 IR 149", "GBK", "ISO 2022 IR 13\\ISO 2022 IR 87"][bytes.len() % 4]);
        let instance = explicit(&[set, element(0x0009_0020, vr, &even(&bytes, b' '))]);
        let json = json::to_json(&instance.dataset(), &[]);
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok());
        prop_assert_eq!(json::members(&json).count(), 2);
    }
}
