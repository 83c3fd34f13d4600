use super::*;
use crate::dataset::samples::{self, ITEM, element as raw, item, text};

/// Valid values, and invalid ones with their reasons.
type Cases = (VR, &'static [&'static str], &'static [(&'static str, &'static str)]);

const ALL: [Cases; 13] = [
    (
        VR::AE,
        &["PACS 1"],
        &[
            ("12345678901234567", "value exceeds maximum length of 16 characters"),
            ("A\tB", "value contains invalid control character"),
        ],
    ),
    (
        VR::AS,
        &["018M"],
        &[
            ("18M", "value does not have pattern 000[DWMY]"),
            ("018X", "value does not have pattern 000[DWMY]"),
        ],
    ),
    (
        VR::CS,
        &["HEAD_2 X"],
        &[
            ("Head", "value contains invalid character"),
            ("ABCDEFGHIJKLMNOPQ", "value exceeds maximum length of 16 characters"),
        ],
    ),
    (
        VR::DA,
        &["20260101", "20260101-"],
        &[
            ("2026.01.01", "one of the date values does not match the pattern YYYYMMDD"),
            ("20261301", "month component exceeds the value 12"),
            ("20261232", "day component exceeds the value 31"),
            ("1-2-3", "value contains too many range separators '-'"),
        ],
    ),
    (
        VR::DS,
        &["-1.5e3", ".5", "1."],
        &[
            ("1,5", "value is no decimal string"),
            ("12345678901234567", "value exceeds maximum length of 16 characters"),
        ],
    ),
    (
        VR::DT,
        &["2026", "20260102030405.123456+0100", "20260102-0500", "2025-2026", "20250101-0100-20260101-0100"],
        &[
            ("202600", "month component cannot be 0"),
            ("2026010224", "hours component exceeds 23"),
            ("2026+1500", "positive UTC hours component exceeds 14 (allowed range is -1200 to +1400)"),
            ("26", "value does not mach pattern YYYY[MM[DD[HH[MM[SS[.F{1-6}]]]]]]"),
            ("1-2-3-4-5", "value contains too many range separators '-'"),
        ],
    ),
    (
        VR::IS,
        &["+12", " 7"],
        &[("1.5", "value is not an integer string"), ("3000000000", "value too large to fit 32 bit integer")],
    ),
    (VR::LO, &["Müller"], &[("a\u{1}", "value contains invalid character")]),
    (
        VR::PN,
        &["A^B^C^D^E=F=G"],
        &[
            ("A=B=C=D", "value contains too many groups"),
            ("A^B^C^D^E^F", "value contains too many components"),
        ],
    ),
    (
        VR::SH,
        &["1234567890123456"],
        &[("12345678901234567", "value exceeds maximum length of 16 characters")],
    ),
    (
        VR::TM,
        &["07", "0709", "070907.0705", "0709-0800"],
        &[
            ("021", "value does not mach pattern HH or HHMM or HHMMSS or HHMMSS.F{1-6}"),
            ("2400", "hour component exceeds 23"),
            ("0760", "minutes component exceeds 59"),
        ],
    ),
    (
        VR::UI,
        &["1.2.0.3"],
        &[
            ("1.2a", "value contains invalid characters other than '0'-'9' and '.'"),
            ("1.02", "components must not have leading zeros"),
            ("1..2", "a component can not be empty"),
            ("1.", "a component can not be empty"),
        ],
    ),
    (VR::UT, &["anything\u{7}"], &[]),
];

#[test]
fn v2_rules_of_each_vr() {
    for (vr, valid, invalid) in ALL {
        for value in valid {
            assert_eq!(check(vr, value, Rules::V2), Ok(()), "{vr:?} {value}");
        }
        for (value, reason) in invalid {
            assert_eq!(check(vr, value, Rules::V2), Err(Cow::Borrowed(*reason)), "{vr:?} {value}");
        }
    }
    let long = "x".repeat(10241);
    assert!(check(VR::LT, &long, Rules::V2).is_err());
    assert!(check(VR::ST, long.get(..1025).unwrap(), Rules::V2).is_err());
    assert!(check(VR::UC, &long, Rules::V2).is_ok());
}

#[test]
fn v1_rules_of_each_vr() {
    for (vr, valid, invalid) in [
        (VR::AE, "PACS", "12345678901234567"),
        (VR::AS, "018M", "018X"),
        (VR::CS, "CT", "ct"),
        (VR::DA, "20240229", "20230229"),
        (VR::DS, "anything", "12345678901234567"),
        (VR::DT, "20260102030405.1+0100", "20260230"),
        (VR::DT, "2026", "2026+01"),
        (VR::IS, " 12 ", "12a"),
        (VR::LO, "Müller", "a\0"),
        (VR::PN, "A^B=C", "A^B^C^D^E^F"),
        (VR::PN, "A^B=C", "A=B=C=D"),
        (VR::SH, "1234567890123456", "12345678901234567"),
        (VR::TM, "070907.0705", "021"),
        (VR::UI, "1.2.3", "1.2.x"),
    ] {
        assert_eq!(check(vr, valid, Rules::V1), Ok(()), "{vr:?} {valid}");
        assert!(check(vr, invalid, Rules::V1).is_err(), "{vr:?} {invalid}");
    }
}

#[test]
fn texts_of_both_versions() {
    let instance =
        samples::explicit(&[text(0x0008_0060, *b"CS", "ct"), text(0x0010_0030, *b"DA", "1.1.2026")]);
    let dataset = instance.dataset();
    let of = |at: usize, rules| {
        let found = &dataset.elements()[at];
        element(&dataset, found, rules, NulPadding::Kept).unwrap_err().to_string()
    };
    assert_eq!(
        of(0, Rules::V1),
        "Dicom element 'Modality' failed validation for VR 'CS': Value contains invalid character."
    );
    assert_eq!(of(0, Rules::V2), "Content \"ct\" does not validate VR CS: value contains invalid character");
    assert_eq!(
        of(1, Rules::V2),
        "Content \"1.1.2026\" does not validate VR DA: one of the date values does not match the pattern YYYYMMDD"
    );
}

#[test]
fn nul_padding_passes_only_where_it_is_trimmed() {
    let instance =
        samples::explicit(&[raw(0x0008_0018, *b"UI", b"1.2.3\0"), raw(0x0010_0020, *b"LO", b"ABC\0")]);
    let dataset = instance.dataset();
    let kept = problems(&dataset, |_| false);
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].tag(), Tag(0x0010, 0x0020));
    assert!(problems(&dataset, |_| true).is_empty());
    assert!(element(&dataset, &dataset.elements()[1], Rules::V1, NulPadding::Kept).is_err());
}

#[test]
fn one_problem_per_top_level_attribute_however_deep() {
    let inner = [
        text(0x0008_0100, *b"SH", "this code value is too long"),
        text(0x0008_0102, *b"SH", "this one is too long too"),
    ]
    .concat();
    let items = item(ITEM, u32::try_from(inner.len()).unwrap(), &inner);
    let instance = samples::explicit(&[
        text(0x0008_0008, *b"CS", "ORIGINAL\\primary"),
        raw(0x0008_1032, *b"SQ", &items),
        raw(0x0028_0010, *b"US", &[1, 0, 2]),
        text(0x0040_0244, *b"DA", "20260101"),
    ]);
    let found = problems(&instance.dataset(), |_| false);
    let tags: Vec<_> = found.iter().map(Invalid::tag).collect();
    assert_eq!(tags, [Tag(0x0008, 0x0008), Tag(0x0008, 0x1032), Tag(0x0028, 0x0010)]);
    assert!(!format!("{:?}", found[0]).contains("primary"));
    // v1 takes the first value only.
    let dataset = instance.dataset();
    assert!(element(&dataset, &dataset.elements()[0], Rules::V1, NulPadding::Kept).is_ok());
}
