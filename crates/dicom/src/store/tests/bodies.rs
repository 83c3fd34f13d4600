//! What a store request may look like (fact sheet §3.1).

use dicom_dictionary_std::tags;

use crate::{
    ArchiveSettings,
    testing::{Body, File, TestArchive, settings},
};

fn file(n: u32) -> File {
    File::new("1.2", "1.2.3", &format!("1.2.3.{n}"))
}

#[tokio::test]
async fn the_client_must_take_json() {
    let archive = TestArchive::one().await;
    for accept in ["application/dicom", "application/json", "text/html", "application/dicom+json;q=0"] {
        let answer = archive.request("POST", "/v2/studies").accept(accept).single(file(1)).send().await;
        assert_eq!((answer.status, answer.body.len()), (406, 0), "{accept}");
    }
    let answer = archive.request("POST", "/v2/studies").single(file(1)).send().await;
    assert_eq!((answer.status, answer.body.len()), (406, 0), "no Accept at all");
    assert!(archive.is_empty().await);
    for (n, accept) in [(1, "*/*"), (2, "application/*"), (3, "text/html, application/dicom+json;q=0.1")] {
        let answer = archive.request("POST", "/v2/studies").accept(accept).single(file(n)).send().await;
        assert_eq!(answer.status, 200, "{accept}");
    }
}

#[tokio::test]
async fn content_types_that_are_none_of_ours_are_refused() {
    let archive = TestArchive::one().await;
    let body = Body::of(&[file(1)]);
    for content_type in [
        "multipart/form-data; boundary=\"----=_boundary\"",
        "multipart/mixed; boundary=\"----=_boundary\"",
        "multipart/related; type=\"application/dicom+json\"; boundary=\"----=_boundary\"",
        "multipart/related; type=\"application/dicom\"",
        "multipart/related; type=\"application/dicom\"; boundary=\"\"",
        "multipart/related; type=\"application/dicom\"; boundary=\"a\u{7f}b\"",
        "application/dicom+json",
        "application/octet-stream",
        "nonsense",
    ] {
        let Ok(value) = axum::http::HeaderValue::from_bytes(content_type.as_bytes()) else { continue };
        let Ok(content_type) = value.to_str() else { continue };
        let answer = archive.post("/v2/studies").body(content_type, body.bytes()).send().await;
        assert_eq!(answer.status, 415, "{content_type}");
    }
    let answer = archive.post("/v2/studies").send().await;
    assert_eq!(answer.status, 415, "no content type");
    let start = format!("{}; start=\"<x>\"", body.content_type());
    assert_eq!(archive.post("/v2/studies").body(&start, body.bytes()).send().await.status, 400);
    assert!(archive.is_empty().await);
}

#[tokio::test]
async fn parts_must_be_dicom_and_only_the_first_may_leave_it_out() {
    let archive = TestArchive::one().await;
    let body = Body::default().part("", file(1).to_bytes()).file(file(2).to_bytes());
    assert_eq!(archive.post("/v2/studies").multipart(&body).send().await.status, 200);
    for headers in ["", "Content-Type: application/json\r\n", "Content-Type: nonsense\r\n"] {
        let body = Body::default().file(file(3).to_bytes()).part(headers, file(4).to_bytes());
        let answer = archive.post("/v2/studies").multipart(&body).send().await;
        assert_eq!(answer.status, 415, "{headers}");
    }
    assert_eq!(
        archive.count("SELECT COUNT(*) FROM instance").await,
        2,
        "the good part went with the bad one"
    );
    assert_eq!(archive.blob_files().len(), 2, "and its file too");
    let parameters =
        "Content-Type: Application/DICOM; transfer-syntax=1.2.840.10008.1.2.1\r\nContent-ID: <a>\r\n";
    let body = Body::default().part(parameters, file(5).to_bytes());
    assert_eq!(archive.post("/v2/studies").multipart(&body).send().await.status, 200);
}

#[tokio::test]
async fn nothing_stored_says_so() {
    for archive in TestArchive::all().await {
        let answer = archive.post("/v2/studies").multipart(&Body::default()).send().await;
        assert_eq!((answer.status, answer.body.len()), (204, 0), "no parts");
        let answer = archive.post("/v2/studies").single(Vec::new()).send().await;
        assert_eq!(answer.status, 409);
        insta::assert_json_snapshot!("empty_body", answer.json());
        let answer = archive.post("/v2/studies").multipart(&Body::default().file(Vec::new())).send().await;
        assert_eq!(answer.status, 409);
        assert!(archive.is_empty().await);
    }
}

#[tokio::test]
async fn bodies_arrive_in_any_pieces() {
    for archive in TestArchive::all().await {
        for (n, chunk) in [(1, 1), (2, 7), (3, 1000)] {
            let body = Body::of(&[file(n), File::new("1.2", "1.2.4", &format!("1.2.4.{n}"))]);
            let answer =
                archive.post("/v2/studies").body(&body.content_type(), body.in_chunks(chunk)).send().await;
            assert_eq!(answer.status, 200, "{chunk}: {}", answer.text());
        }
        let stored = archive.get("/v2/studies/1.2/series/1.2.3").accept("*/*").send().await.parts().await;
        let expected: Vec<Vec<u8>> = (1..=3).map(|n| file(n).to_bytes()).collect();
        assert_eq!(stored.into_iter().map(|part| part.content).collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn a_large_part_goes_through_the_disk() {
    for archive in TestArchive::all().await {
        let mut sent = file(1).preamble(9).image(1024, 1024, 3).to_bytes();
        assert!(sent.len() > 6 * 1024 * 1024);
        let body = Body::default().file(sent.clone()).file(file(2).to_bytes());
        let answer =
            archive.post("/v2/studies").body(&body.content_type(), body.in_chunks(100_000)).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        sent[..128].fill(0);
        let path = "/v2/studies/1.2/series/1.2.3/instances/1.2.3.1";
        let answer = archive.get(path).accept("application/dicom; transfer-syntax=*").send().await;
        assert!(answer.body == sent);
        assert_eq!(answer.header("content-length"), Some(sent.len().to_string().as_str()));
        assert!(archive.staging_is_empty().await);
        // A large part that is refused leaves nothing either.
        let refused = file(3).image(1024, 1024, 3).without(tags::PATIENT_ID);
        assert_eq!(archive.post("/v2/studies").single(&refused).send().await.status, 409);
        assert!(archive.staging_is_empty().await);
        assert_eq!(archive.blob_files().len(), 2);
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let settings = ArchiveSettings { store_body_bytes_max: 20_000, ..settings() };
    let archive = TestArchive::one_with(settings).await;
    let large = file(1).image(128, 128, 1);
    let text = "The request exceeded the allowed limit of 20000 bytes.";
    let body = Body::of(&[file(2), large.clone()]);
    let bytes = body.bytes();
    let answers = [
        ("undeclared", archive.post("/v2/studies").body(&body.content_type(), body.in_chunks(500))),
        (
            "declared",
            archive.post("/v2/studies").multipart(&body).header("content-length", &bytes.len().to_string()),
        ),
        (
            "declared smaller than it is",
            archive.post("/v2/studies").multipart(&body).header("content-length", "100"),
        ),
        (
            "single",
            archive
                .post("/v2/studies")
                .body("application/dicom", crate::testing::chunked(&large.to_bytes(), 999)),
        ),
        ("4 GB claimed", archive.post("/v2/studies").single(file(1)).header("content-length", "4294967296")),
    ];
    for (case, request) in answers {
        let answer = request.send().await;
        assert_eq!((answer.status, answer.text().as_str()), (413, text), "{case}");
    }
    assert!(archive.is_empty().await);
    assert!(archive.blob_files().is_empty());
}

#[tokio::test]
async fn too_many_stores_at_once_are_put_off() {
    let archive = TestArchive::one_with(ArchiveSettings { stores_at_once_max: 0, ..settings() }).await;
    let answer = archive.post("/v2/studies").single(file(1)).send().await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
}
