//! Searching by extended query tags.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use serde_json::json;

use super::{add, add_ready, entry, found};
use crate::testing::{File, TestArchive};

fn file(study: u32, n: u32) -> File {
    File::new(&format!("1.{study}"), &format!("1.{study}.1"), &format!("1.{study}.1.{n}"))
}

/// Two studies of two instances each, before and after the tags come.
async fn filled() -> Vec<TestArchive> {
    let all = TestArchive::all().await;
    for archive in &all {
        let rich = |study: u32, n: u32, name: &str, age: &str| {
            let number = u16::try_from(n).unwrap();
            file(study, n)
                .text(tags::SPECIFIC_CHARACTER_SET, "CS", "ISO_IR 192")
                .text(tags::PATIENT_AGE, "AS", age)
                .text(tags::OPERATORS_NAME, "PN", name)
                .text(tags::ACQUISITION_DATE, "DA", &format!("2024010{n}"))
                .text(tags::ACQUISITION_DATE_TIME, "DT", &format!("2024010{n}101530.5"))
                .text(tags::CONTENT_TIME, "TM", &format!("1{n}"))
                .text(tags::ACQUISITION_NUMBER, "IS", &format!("0{n}"))
                .text(tags::FRAME_OF_REFERENCE_UID, "UI", &format!("1.7.{n}"))
                .us(tags::ROWS, 512 + number)
                .bytes(tags::DIFFUSION_B_VALUE, "FD", &(f64::from(n) * 0.5).to_le_bytes())
                .text(Tag(0x0009, 0x0011), "LO", "Mine")
                .text(Tag(0x0009, 0x1101), "CS", &format!("KIND {n}"))
        };
        archive.store(&[rich(1, 1, "Muster^Eva", "034Y"), rich(1, 2, "Muster^Eva", "035Y")]).await;
        let private =
            json!({ "path": "00091001", "vr": "CS", "privateCreator": "Mine", "level": "Instance" });
        add_ready(
            archive,
            json!([
                entry("PatientAge", "Study"),
                entry("OperatorsName", "Series"),
                entry("AcquisitionDate", "Instance"),
                entry("AcquisitionDateTime", "Instance"),
                entry("ContentTime", "Instance"),
                entry("AcquisitionNumber", "Instance"),
                entry("FrameOfReferenceUID", "Instance"),
                entry("Rows", "Instance"),
                entry("DiffusionBValue", "Instance"),
                private
            ]),
        )
        .await;
        archive
            .store(&[rich(2, 1, "Müller^Adam=山田", "034Y"), rich(2, 2, "Müller^Adam=山田", "001M")])
            .await;
    }
    all
}

#[tokio::test]
async fn by_every_kind_of_value_and_at_every_level() {
    for archive in filled().await {
        for (path, count) in [
            // A study has what its newest instance says.
            ("/v2/studies?PatientAge=035y", 1),
            ("/v2/studies?00101010=001M", 1),
            ("/v2/studies?PatientAge=034Y", 0),
            ("/v2/series?PatientAge=001M", 1),
            ("/v2/instances?PatientAge=001M", 2),
            ("/v2/series?OperatorsName=Muster%5EEva", 1),
            ("/v2/series?OperatorsName=muller%5Eadam", 1),
            ("/v2/series?OperatorsName=mu*", 2),
            ("/v2/series?OperatorsName=ada&fuzzymatching=true", 1),
            ("/v2/series?OperatorsName=mul%20ada&fuzzymatching=true", 1),
            ("/v2/series?OperatorsName=ver&fuzzymatching=true", 0),
            ("/v2/studies/1.2/series?OperatorsName=M%C3%BCller%5EAdam", 1),
            ("/v2/instances?AcquisitionDate=20240101", 2),
            ("/v2/instances?AcquisitionDate=20240102-", 2),
            ("/v2/instances?AcquisitionDate=-20240102", 4),
            ("/v2/instances?AcquisitionDateTime=20240101101530.500000", 2),
            ("/v2/instances?AcquisitionDateTime=20240102-20240103", 2),
            ("/v2/instances?ContentTime=11-113000", 2),
            ("/v2/instances?AcquisitionNumber=1", 2),
            ("/v2/instances?AcquisitionNumber=0002", 2),
            ("/v2/instances?FrameOfReferenceUID=1.7.1,1.7.9", 2),
            ("/v2/instances?Rows=514", 2),
            ("/v2/instances?Rows=514&PatientAge=001M", 1),
            ("/v2/instances?DiffusionBValue=0.5", 2),
            ("/v2/instances?00091001=kind%202", 2),
            ("/v2/studies/1.1/instances?00091001=KIND%202", 1),
            ("/v2/studies/1.1/series/1.1.1/instances?Rows=513", 1),
            ("/v2/instances?Rows=514&limit=1&offset=1", 1),
            ("/v2/instances?Rows=514&PatientName=doe*&ModalitiesInStudy=CT", 2),
        ] {
            assert_eq!(found(&archive, path).await, count, "{path}");
        }
        // What filters comes back.
        let answer = archive.get("/v2/instances?Rows=513").accept("*/*").send().await.json();
        assert_eq!(answer[0]["00280010"]["Value"], json!([513]));
    }
}

#[tokio::test]
async fn what_cannot_be_asked() {
    for archive in filled().await {
        for (path, text) in [
            ("/v2/studies?Rows=513", "Invalid query: AttributeId Rows is not queryable."),
            ("/v2/studies?00091001=x", "Invalid query: AttributeId 00091001 is not queryable."),
            ("/v2/instances?00091002=x", "Invalid query: AttributeId 00091002 is not queryable."),
            (
                "/v2/instances?Rows=many",
                "Invalid query: specified value 'many' is invalid for attribute 'Rows'.",
            ),
            (
                "/v2/instances?Rows=1.5",
                "Invalid query: specified value '1.5' is invalid for attribute 'Rows'.",
            ),
            ("/v2/instances?DiffusionBValue=NaN", "Invalid query: specified value 'NaN' is invalid"),
            ("/v2/instances?AcquisitionDate=2024", "Invalid query: specified Date value '2024' is invalid"),
            (
                "/v2/instances?AcquisitionDateTime=20241301",
                "Invalid query: specified DateTime value '20241301' is invalid",
            ),
            (
                "/v2/instances?AcquisitionDateTime=2024%2B0100",
                "Invalid query: specified DateTime value '2024+0100' is invalid",
            ),
            ("/v2/instances?00091001=*", "Invalid query: attribute '00091001' is an extended query tag"),
            ("/v2/instances?00091001=a*b", "Invalid query: attribute '00091001' is an extended query tag"),
            ("/v2/instances?Rows=1&00280010=1", "Invalid query: duplicate AttributeId '00280010'."),
        ] {
            let answer = archive.get(path).accept("*/*").send().await;
            assert_eq!(answer.status, 400, "{path}");
            assert!(answer.text().starts_with(text), "{path}: {}", answer.text());
        }
        // Not before all instances are indexed.
        assert_eq!(add(&archive, json!([entry("Columns", "Instance")])).await.status, 202);
        let early = archive.get("/v2/instances?Columns=1").accept("*/*").send().await;
        assert!(early.text().contains("is not queryable"), "{}", early.text());
        archive.run_jobs().await;
        assert_eq!(found(&archive, "/v2/instances?Columns=1").await, 0);
    }
}
