//! Which status, which response dataset (fact sheet §3.2, §3.4).

use dicom_dictionary_std::tags;
use insta::assert_json_snapshot;

use crate::testing::{Body, EXPLICIT, File, IMPLICIT, TestArchive};

#[tokio::test]
async fn one_instance_is_stored_in_both_versions() {
    for archive in TestArchive::all().await {
        let answer = archive.post("/v1/studies").single(File::new("1.2", "1.2.3", "1.2.3.4")).send().await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/dicom+json"));
        assert_eq!(answer.header("warning"), None);
        assert_eq!(answer.header("api-supported-versions"), Some("1.0, 2.0"));
        assert_json_snapshot!("stored_v1", answer.json());
        let answer = archive.post("/v2/studies").single(File::new("1.2", "1.2.3", "1.2.3.5")).send().await;
        assert_eq!(answer.status, 200);
        assert_json_snapshot!("stored_v2", answer.json());
        assert_eq!(archive.count("SELECT COUNT(*) FROM instance").await, 2);
        assert_eq!(archive.count("SELECT COUNT(*) FROM study").await, 1);
        assert_eq!(archive.count("SELECT instance_count FROM study").await, 2);
        assert_eq!(archive.count("SELECT instance_count FROM series").await, 2);
    }
}

#[tokio::test]
async fn a_study_in_the_path_is_told_and_must_match() {
    for archive in TestArchive::all().await {
        let body = Body::of(&[File::new("1.2", "1.2.3", "1.2.3.4"), File::new("1.9", "1.9.3", "1.9.3.4")]);
        let answer = archive.post("/v2/studies/1.2").multipart(&body).send().await;
        assert_eq!(answer.status, 202);
        assert_json_snapshot!("study_scoped", answer.json());
        assert_eq!(archive.count("SELECT COUNT(*) FROM study").await, 1);

        let other = Body::of(&[File::new("1.9", "1.9.3", "1.9.3.4")]);
        let answer = archive.post("/v1/studies/1.2").multipart(&other).send().await;
        assert_eq!(answer.status, 409);
        assert_json_snapshot!("study_mismatch_alone", answer.json());

        // Padding of the path's UID is no difference.
        let again = Body::of(&[File::new("1.2", "1.2.3", "1.2.3.5")]);
        assert_eq!(archive.post("/v2/studies/1.2%20").multipart(&again).send().await.status, 200);
    }
}

#[tokio::test]
async fn a_duplicate_is_refused_and_leaves_the_first() {
    for archive in TestArchive::all().await {
        let file = File::new("1.2", "1.2.3", "1.2.3.4");
        archive.store(std::slice::from_ref(&file)).await;
        let changed = file.clone().text(tags::PATIENT_ID, "LO", "P2");
        let answer = archive.post("/v2/studies").single(&changed).send().await;
        assert_eq!(answer.status, 409);
        assert_json_snapshot!("duplicate", answer.json());
        let kept = archive.get("/v2/studies/1.2").accept("application/dicom+json").accept("*/*").send().await;
        assert_eq!(kept.parts().await[0].content, file.to_bytes());
        assert_eq!(archive.blob_files().len(), 1, "the duplicate's file is gone");
        assert_eq!(archive.count("SELECT COUNT(*) FROM change_feed").await, 1);
        // Trailing padding does not make another instance.
        let padded = file.bytes(tags::SOP_INSTANCE_UID, "UI", b"1.2.3.4 ");
        assert_eq!(archive.post("/v2/studies").single(&padded).send().await.status, 409);
        // The same SOP Instance UID in another series is another instance.
        archive.store(&[File::new("1.2", "1.2.9", "1.2.3.4")]).await;
    }
}

#[tokio::test]
async fn a_duplicate_within_a_request_fails_alone() {
    for archive in TestArchive::all().await {
        let first = File::new("1.2", "1.2.3", "1.2.3.4");
        let second = first.clone().text(tags::PATIENT_ID, "LO", "P2");
        let body = Body::of(&[first, second, File::new("1.2", "1.2.3", "1.2.3.5")]);
        let answer = archive.post("/v2/studies").multipart(&body).send().await;
        assert_eq!(answer.status, 202);
        assert_json_snapshot!("duplicate_within", answer.json());
        assert_eq!(archive.count("SELECT instance_count FROM series").await, 2);
        assert_eq!(archive.blob_files().len(), 2);
        let id = archive.rows("SELECT patient_id FROM study").await[0].text(0).unwrap();
        assert_eq!(id, "p1", "what was refused changed nothing");
    }
}

#[tokio::test]
async fn some_stored_and_some_not_in_the_order_of_the_request() {
    for archive in TestArchive::all().await {
        let file = |n: u32| File::new("1.2", "1.2.3", &format!("1.2.3.{n}"));
        let body = Body::default()
            .file(file(4).without(tags::PATIENT_ID).to_bytes())
            .file(file(5).to_bytes())
            .file(Vec::new())
            .file(b"no DICOM file at all".to_vec())
            .file(file(6).to_bytes());
        let answer = archive.post("/v1/studies").multipart(&body).send().await;
        assert_eq!(answer.status, 202);
        assert_json_snapshot!("partly", answer.json());
        assert_eq!(archive.blob_files().len(), 2);
    }
}

#[tokio::test]
async fn an_implicit_file_is_remarked() {
    for archive in TestArchive::all().await {
        let file = File::new("1.2", "1.2.3", "1.2.3.4").transfer_syntax(IMPLICIT);
        let answer = archive.post("/v2/studies").single(&file).send().await;
        assert_eq!(answer.status, 202);
        assert_json_snapshot!("implicit_v2", answer.json());
        let file = File::new("1.2", "1.2.3", "1.2.3.5").transfer_syntax(IMPLICIT);
        let answer = archive.post("/v1/studies").single(&file).send().await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["00081199"]["Value"][0]["00081196"]["Value"][0], 45063);
    }
}

#[tokio::test]
async fn any_transfer_syntax_is_stored_as_it_is() {
    for archive in TestArchive::all().await {
        for (n, uid) in
            ["1.2.3.4.5.6.7", "1.2.840.10008.1.2.4.106", "1.2.840.10008.1.2.4.90"].iter().enumerate()
        {
            let file = File::new("1.2", "1.2.3", &format!("1.2.3.{n}")).transfer_syntax(uid);
            archive.store(std::slice::from_ref(&file)).await;
            let path = format!("/v2/studies/1.2/series/1.2.3/instances/1.2.3.{n}");
            let answer = archive.get(&path).accept("application/dicom; transfer-syntax=*").send().await;
            assert_eq!(answer.body, file.to_bytes());
            let expected = format!("application/dicom; transfer-syntax={uid}");
            assert_eq!(answer.header("content-type"), Some(expected.as_str()));
        }
    }
}

#[tokio::test]
async fn a_transfer_syntax_that_is_no_uid_is_refused() {
    for archive in TestArchive::all().await {
        for uid in ["1.2.3\0.4", "x", "1.2.\u{e9}", "1.2\r\nx", EXPLICIT.repeat(5).as_str()] {
            let file = File::new("1.2", "1.2.3", "1.2.3.4").transfer_syntax(uid);
            let answer = archive.post("/v2/studies").single(&file).send().await;
            assert_eq!(answer.status, 409, "{uid:?} {}", answer.text());
        }
        assert!(archive.is_empty().await);
    }
}

#[tokio::test]
async fn the_preamble_is_zeroed_and_everything_after_is_kept() {
    for archive in TestArchive::all().await {
        let mut sent = File::new("1.2", "1.2.3", "1.2.3.4").preamble(b'M').image(4, 4, 1).to_bytes();
        archive.post("/v2/studies").single(sent.clone()).send().await;
        sent[..128].fill(0);
        let path = "/v2/studies/1.2/series/1.2.3/instances/1.2.3.4";
        let answer = archive.get(path).accept("application/dicom; transfer-syntax=*").send().await;
        assert_eq!(answer.body, sent);
    }
}
