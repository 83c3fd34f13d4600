//! What is judged, and how the versions differ (fact sheet §3.3).

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use insta::assert_json_snapshot;

use crate::testing::{Answer, Body, File, TestArchive};

const METADATA: &str = "/v2/studies/1.2/series/1.2.3/instances/1.2.3.4/metadata";

fn file() -> File {
    File::new("1.2", "1.2.3", "1.2.3.4")
}

async fn store(archive: &TestArchive, version: &str, file: &File) -> Answer {
    archive.post(&format!("/{version}/studies")).single(file).send().await
}

#[tokio::test]
async fn a_required_attribute_that_is_missing_refuses() {
    const REQUIRED: [(Tag, &str); 5] = [
        (tags::PATIENT_ID, "(0010,0020)"),
        (tags::STUDY_INSTANCE_UID, "(0020,000d)"),
        (tags::SERIES_INSTANCE_UID, "(0020,000e)"),
        (tags::SOP_INSTANCE_UID, "(0008,0018)"),
        (tags::SOP_CLASS_UID, "(0008,0016)"),
    ];
    for archive in TestArchive::all().await {
        for version in ["v1", "v2"] {
            for (tag, name) in REQUIRED {
                let answer = store(&archive, version, &file().without(tag)).await;
                assert_eq!(answer.status, 409, "{version} {name}");
                let failed = &answer.json()["00081198"]["Value"][0];
                assert_eq!(failed["00081197"]["Value"][0], 43264);
                let comment = format!("DICOM100: {name} - The required tag '{name}' is missing.");
                assert_eq!(failed["00741048"]["Value"][0]["00000902"]["Value"][0], comment.as_str());
                if tag != tags::PATIENT_ID {
                    let empty = store(&archive, version, &file().text(tag, "UI", "")).await;
                    assert_eq!(empty.status, 409, "{version} {name} empty");
                }
            }
        }
        assert!(archive.is_empty().await);
        assert!(archive.blob_files().is_empty());
    }
}

#[tokio::test]
async fn invalid_uids_refuse_in_both_versions() {
    for archive in TestArchive::all().await {
        for version in ["v1", "v2"] {
            for tag in [tags::STUDY_INSTANCE_UID, tags::SERIES_INSTANCE_UID, tags::SOP_INSTANCE_UID] {
                for uid in ["1.2.x", "abc", &"1".repeat(65), "1.2 3", "..."] {
                    let answer = store(&archive, version, &file().text(tag, "UI", uid)).await;
                    assert_eq!(answer.status, 409, "{version} {tag} {uid}: {}", answer.text());
                    let reason = &answer.json()["00081198"]["Value"][0]["00081197"]["Value"][0];
                    assert_eq!(reason, 43264);
                }
            }
        }
        assert!(archive.is_empty().await);
    }
}

#[tokio::test]
async fn an_empty_patient_id_is_for_v2_only() {
    for archive in TestArchive::all().await {
        let empty = file().text(tags::PATIENT_ID, "LO", "");
        assert_eq!(store(&archive, "v1", &empty).await.status, 409);
        let answer = store(&archive, "v2", &empty).await;
        assert_eq!(answer.status, 202);
        assert_json_snapshot!("empty_patient_id_v2", answer.json());
    }
}

#[tokio::test]
async fn an_invalid_indexed_attribute_refuses_in_v1_and_is_left_out_in_v2() {
    for archive in TestArchive::all().await {
        let invalid = file().text(tags::STUDY_DATE, "DA", "NotADate").text(tags::MODALITY, "CS", "ct");
        let answer = store(&archive, "v1", &invalid).await;
        assert_eq!(answer.status, 409);
        assert_json_snapshot!("invalid_indexed_v1", answer.json());
        assert!(archive.is_empty().await);

        let answer = store(&archive, "v2", &invalid).await;
        assert_eq!(answer.status, 202);
        assert_json_snapshot!("invalid_indexed_v2", answer.json());
        let metadata = archive.get(METADATA).accept("application/dicom+json").send().await.json();
        assert!(metadata[0].get("00080020").is_none(), "{metadata}");
        assert!(metadata[0].get("00080060").is_none());
        assert_eq!(metadata[0]["00100020"]["Value"][0], "P1");
        let row = &archive.rows("SELECT study_date, modality FROM study, series").await[0];
        assert_eq!((row.opt_text(0).unwrap(), row.opt_text(1).unwrap()), (None, None));
        // The file keeps what the index leaves out.
        let kept = archive.get("/v2/studies/1.2").accept("*/*").send().await;
        assert_eq!(kept.parts().await[0].content, invalid.to_bytes());
    }
}

#[tokio::test]
async fn an_invalid_other_attribute_is_ignored_in_v1_and_remarked_in_v2() {
    for archive in TestArchive::all().await {
        let invalid = |uid| {
            File::new("1.2", "1.2.3", uid).text(tags::PATIENT_SEX, "CS", "male?").text(
                tags::SLICE_THICKNESS,
                "DS",
                "thin",
            )
        };
        let answer = store(&archive, "v1", &invalid("1.2.3.4")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["00081199"]["Value"][0].get("00741048"), None);
        let answer = store(&archive, "v2", &invalid("1.2.3.5")).await;
        assert_eq!(answer.status, 202);
        assert_json_snapshot!("invalid_other_v2", answer.json());
        let metadata =
            archive.get("/v2/studies/1.2/metadata").accept("application/dicom+json").send().await.json();
        assert_eq!(metadata[0]["00100040"]["Value"][0], "male?", "stored by v1: {metadata}");
        assert!(metadata[1].get("00100040").is_none(), "stored by v2: {metadata}");
    }
}

#[tokio::test]
async fn nul_padding_is_refused_in_v1_and_trimmed_in_v2() {
    for archive in TestArchive::all().await {
        let padded = file().bytes(tags::STUDY_DESCRIPTION, "LO", b"A1\0\0");
        assert_eq!(store(&archive, "v1", &padded).await.status, 409);
        let answer = store(&archive, "v2", &padded).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let row = &archive.rows("SELECT study_description FROM study").await[0];
        assert_eq!(row.text(0).unwrap(), "a1");
    }
}

#[tokio::test]
async fn several_values_warn_in_v1_and_the_first_is_indexed() {
    for archive in TestArchive::all().await {
        let several = |uid| File::new("1.2", "1.2.3", uid).text(tags::MODALITY, "CS", "CT\\MR");
        let request = archive.post("/v1/studies").header("host", "archive.test").single(several("1.2.3.4"));
        let answer = request.send().await;
        assert_eq!(answer.status, 200);
        let warning = "299 archive.test: \"One or more indexed Dicom tag(s) have multiple values, only first value is indexed.\"";
        assert_eq!(answer.header("warning"), Some(warning));
        assert_eq!(archive.rows("SELECT modality FROM series").await[0].text(0).unwrap(), "ct");
        let answer = store(&archive, "v1", &several("1.2.3.6")).await;
        assert_eq!(
            answer.header("warning"),
            Some(warning),
            "the service's own host where the client names none"
        );
        let answer = store(&archive, "v2", &several("1.2.3.5")).await;
        assert_eq!((answer.status, answer.header("warning")), (200, None));
    }
}

#[tokio::test]
async fn text_that_lies_about_its_kind_breaks_no_database() {
    for archive in TestArchive::all().await {
        // NUL is nothing PostgreSQL can hold, and its index refuses keys of more than 2,704 bytes.
        let wide = "\u{fdfa}".repeat(400);
        let odd = file()
            .text(tags::SPECIFIC_CHARACTER_SET, "CS", "ISO_IR 192")
            .text(tags::PATIENT_ID, "LT", "P\0x")
            .text(tags::PATIENT_NAME, "UT", &wide)
            .text(tags::STUDY_DESCRIPTION, "UT", &"d\0".repeat(5000))
            .text(tags::ACCESSION_NUMBER, "UN", "\u{1}\u{2}")
            .text(tags::STUDY_ID, "US", "ab")
            .text(tags::INSTANCE_NUMBER, "IS", "99999999999999999999999");
        for version in ["v1", "v2"] {
            let answer = store(&archive, version, &odd).await;
            assert!(
                matches!(answer.status, 200 | 202 | 409),
                "{version} {} {}",
                answer.status,
                answer.text()
            );
        }
        let answer = archive.get("/v2/studies?PatientID=P1").accept("application/dicom+json").send().await;
        assert!(matches!(answer.status, 200 | 204), "{}", answer.text());
    }
}

#[tokio::test]
async fn the_newest_instance_wins_where_it_has_values() {
    for archive in TestArchive::all().await {
        let instance = |n: u32| File::new("1.2", "1.2.3", &format!("1.2.3.{n}"));
        let body = Body::of(&[
            instance(1).text(tags::STUDY_DESCRIPTION, "LO", "Chest"),
            instance(2).text(tags::PATIENT_NAME, "PN", "Roe^Richard").without(tags::STUDY_DATE),
        ]);
        assert_eq!(archive.post("/v2/studies").multipart(&body).send().await.status, 200);
        archive
            .store(&[instance(3).text(tags::STUDY_DESCRIPTION, "LO", "").text(tags::MODALITY, "CS", "MR")])
            .await;
        let answer =
            archive.post("/v2/studies").single(instance(4).text(tags::PATIENT_ID, "LO", "")).send().await;
        assert_eq!(answer.status, 202);
        let row = &archive
            .rows(
                "SELECT patient_name, study_description, study_date, patient_id, modality FROM study, series",
            )
            .await[0];
        // Instances 3 and 4 call the patient Doe again.
        let seen: Vec<String> = (0..5).map(|column| row.text(column).unwrap()).collect();
        assert_eq!(seen, ["doe^jane", "chest", "20240131", "p1", "ct"]);
        let words = archive.rows("SELECT word FROM study_name_word ORDER BY word").await;
        let words: Vec<String> = words.iter().map(|row| row.text(0).unwrap()).collect();
        assert_eq!(words, ["doe", "jane"], "words of a name that is no longer there are gone");
    }
}
