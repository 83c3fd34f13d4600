//! The corpus is valid for a foreign parser, repeatable, and as heavy as it claims.

use std::collections::HashSet;

use dicom_core::{VR, dictionary::DataDictionary, header::HasLength};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::{DefaultDicomObject, OpenFileOptions};

use super::*;

const KINDS: [Kind; 5] = [Kind::Ct, Kind::Small, Kind::MultiFrame, Kind::Cine, Kind::Jpeg2000];

fn open(file: &File) -> DefaultDicomObject {
    OpenFileOptions::new().from_reader(file.to_vec().as_slice()).unwrap()
}

fn text(object: &DefaultDicomObject, tag: dicom_core::Tag) -> String {
    object.element(tag).unwrap().to_str().unwrap().trim_end_matches(['\0', ' ']).to_owned()
}

#[test]
fn every_kind_is_read_by_a_foreign_parser() {
    let corpus = Corpus::new(1);
    for kind in KINDS {
        let at = kind.at(0, 21);
        let object = open(&corpus.file(at));
        let place = kind.place(21);
        assert_eq!(text(&object, tags::SOP_INSTANCE_UID), corpus.instance_uid(at));
        assert_eq!(object.meta().media_storage_sop_instance_uid(), corpus.instance_uid(at));
        assert_eq!(object.meta().media_storage_sop_class_uid(), text(&object, tags::SOP_CLASS_UID));
        assert_eq!(text(&object, tags::STUDY_INSTANCE_UID), corpus.study_uid(kind, 0, place.study));
        assert_eq!(text(&object, tags::PATIENT_NAME), corpus.study(kind, 0, place.study).patient.name);
        let series = corpus.series(kind, 0, place.study, place.series);
        assert_eq!(text(&object, tags::SERIES_INSTANCE_UID), series.uid);
        let pixels = object.element(tags::PIXEL_DATA).unwrap();
        if kind == Kind::Jpeg2000 {
            assert_eq!(object.meta().transfer_syntax(), "1.2.840.10008.1.2.4.90");
            let fragments = pixels.fragments().unwrap();
            assert_eq!(fragments.len(), 1);
            // One byte of padding follows the odd codestream.
            assert!(fragments[0].starts_with(&corpus.frame(at, 0)), "the codestream differs");
            assert_eq!(fragments[0].len(), corpus.frame(at, 0).len().next_multiple_of(2));
        } else {
            let frames = if matches!(kind, Kind::MultiFrame | Kind::Cine) { FRAMES } else { 1 };
            let expected: Vec<u8> = (0..frames).flat_map(|frame| corpus.frame(at, frame)).collect();
            assert!(pixels.to_bytes().unwrap() == expected, "{kind:?}: the pixel data differ");
        }
    }
}

#[test]
fn value_representations_are_those_of_the_dictionary() {
    for kind in KINDS {
        for element in open(&Corpus::new(1).file(kind.at(0, 0))) {
            let Some(entry) = StandardDataDictionary.by_tag(element.header().tag) else { continue };
            if element.header().tag.group() % 2 == 1 {
                continue;
            }
            let expected = entry.vr;
            if let Some(exact) = expected.exact() {
                assert_eq!(element.vr(), exact, "{:?}", element.header().tag);
            } else {
                assert!(
                    matches!(element.vr(), VR::OW | VR::OB | VR::US | VR::SS),
                    "{:?}",
                    element.header().tag
                );
            }
            assert!(element.length().is_undefined() || element.length().0 % 2 == 0);
        }
    }
}

#[test]
fn files_weigh_what_the_scenarios_say() {
    let corpus = Corpus::new(1);
    let weigh = |kind: Kind| corpus.file(kind.at(0, 0)).len();
    assert!((525_000..535_000).contains(&weigh(Kind::Ct)), "CT: {}", weigh(Kind::Ct));
    assert!((9_500..10_500).contains(&weigh(Kind::Small)), "small: {}", weigh(Kind::Small));
    assert!((3_270_000..3_290_000).contains(&weigh(Kind::Cine)));
    assert!((52_400_000..52_500_000).contains(&weigh(Kind::MultiFrame)));
    assert!((25_000..35_000).contains(&weigh(Kind::Jpeg2000)));
}

#[test]
fn a_seed_repeats_and_another_differs() {
    let at = Kind::Ct.at(3, 150);
    assert!(Corpus::new(7).file(at).to_vec() == Corpus::new(7).file(at).to_vec());
    assert!(Corpus::new(7).file(at).to_vec() != Corpus::new(8).file(at).to_vec());
    assert_ne!(Corpus::new(7).instance_uid(at), Corpus::new(7).instance_uid(Kind::Ct.at(4, 150)));
}

#[test]
fn the_layout_is_the_same_from_both_ends() {
    for kind in KINDS {
        for study in 0..30 {
            let start = kind.study_start(study);
            assert_eq!(kind.place(start), Place { study, series: 0, instance: 0 }, "{kind:?}");
            let series = kind.study_series(study);
            assert_eq!(kind.study_start(study + 1) - start, series * kind.series_instances());
            let last = kind.place(kind.study_start(study + 1) - 1);
            assert_eq!(last, Place { study, series: series - 1, instance: kind.series_instances() - 1 });
            assert_eq!(kind.whole_studies(start), study);
        }
    }
    assert_eq!(Kind::Small.whole_studies(79), 2);
    assert_eq!(Kind::Small.whole_studies(80), 3);
}

#[test]
fn uids_are_valid_and_unique() {
    let corpus = Corpus::new(1);
    let mut seen = HashSet::new();
    for index in 0..5_000 {
        let uid = corpus.instance_uid(Kind::Small.at(0, index));
        assert!(hilum_kernel::Uid::parse(&uid).unwrap().is_conformant());
        assert!(seen.insert(uid));
    }
}

#[test]
fn names_are_of_several_scripts() {
    let corpus = Corpus::new(1);
    let names: Vec<String> =
        (0..1_000).map(|study| corpus.study(Kind::Small, 0, study).patient.name).collect();
    for wanted in ["Müller^", "^Łukasz", "山田^太郎", "Ma"] {
        assert!(names.iter().any(|name| name.contains(wanted)), "no {wanted}");
    }
}

#[test]
fn a_folder_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = write(&Corpus::new(1), Kind::Small, 21, folder.path()).unwrap();
    assert!(bytes > 21 * 9_500);
    assert!(folder.path().join("000000/00/0019.dcm").exists());
    assert!(folder.path().join("000000/01/0000.dcm").exists());
}
