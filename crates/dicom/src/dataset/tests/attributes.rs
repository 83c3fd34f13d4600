use dicom_core::Tag;
use dicom_dictionary_std::tags;

use crate::dataset::{attributes::name_words, samples::*};

#[test]
fn text_comes_decoded_and_trimmed() {
    let instance = explicit(&[
        text(0x0008_0005, *b"CS", "ISO_IR 100"),
        text(0x0008_0008, *b"CS", "ORIGINAL \\ PRIMARY"),
        text(0x0008_0018, *b"UI", "1.2.3\0"),
        element(0x0010_0010, *b"PN", b"M\xFCller "),
        text(0x0010_0020, *b"LO", "  "),
        element(0x0010_0021, *b"LO", b" A B\0 "),
        text(0x0010_4000, *b"LT", "a\\b"),
    ]);
    let dataset = instance.dataset();
    assert_eq!(dataset.texts(tags::IMAGE_TYPE), ["ORIGINAL", "PRIMARY"]);
    assert_eq!(dataset.first_text(tags::IMAGE_TYPE).as_deref(), Some("ORIGINAL"));
    assert_eq!(dataset.text(tags::SOP_INSTANCE_UID).as_deref(), Some("1.2.3"));
    assert_eq!(dataset.text(tags::PATIENT_NAME).as_deref(), Some("Müller"));
    assert_eq!(dataset.text(tags::PATIENT_ID).as_deref(), Some(""));
    assert_eq!(dataset.text(tags::ISSUER_OF_PATIENT_ID).as_deref(), Some("A B"));
    assert_eq!(dataset.first_text(Tag(0x0010, 0x4000)).as_deref(), Some("a\\b"));
    assert_eq!(dataset.text(tags::STUDY_ID), None);
    assert!(dataset.texts(tags::PATIENT_ID).is_empty());
    assert_eq!(dataset.multiplicity(tags::IMAGE_TYPE), 2);
    assert_eq!(dataset.multiplicity(tags::PATIENT_ID), 0);
    assert_eq!(dataset.multiplicity(Tag(0x0010, 0x4000)), 1);
}

#[test]
fn numbers_of_every_kind() {
    let instance = explicit(&[
        element(0x0009_0020, *b"SS", &[0xFF, 0xFF, 1, 0]),
        element(0x0009_0021, *b"UV", &u64::MAX.to_le_bytes()),
        element(0x0009_0022, *b"FL", &1.5_f32.to_le_bytes()),
        text(0x0009_0023, *b"DS", " 2.5\\3"),
        text(0x0009_0024, *b"IS", " 7"),
        text(0x0009_0025, *b"IS", "x"),
        element(0x0009_0026, *b"UL", &[1, 0]),
    ]);
    let dataset = instance.dataset();
    let (integer, number) = (|e| dataset.integer(Tag(9, e)), |e| dataset.number(Tag(9, e)));
    assert_eq!(integer(0x20), Some(-1));
    assert_eq!(number(0x20), Some(-1.0));
    assert_eq!(integer(0x21), None);
    assert_eq!(number(0x22), Some(1.5));
    assert_eq!(number(0x23), Some(2.5));
    assert_eq!(integer(0x24), Some(7));
    assert_eq!(integer(0x25), None);
    assert_eq!(integer(0x26), None);
    assert_eq!(dataset.multiplicity(Tag(9, 0x20)), 2);
}

#[test]
fn words_of_a_name() {
    assert_eq!(name_words("Müller^Jörg Hans"), ["muller", "jorg", "hans"]);
}
