//! Metadata and ETags (fact sheet §5).

use dicom_dictionary_std::tags;
use insta::assert_json_snapshot;
use serde_json::Value;

use crate::testing::{Answer, File, IMPLICIT, TestArchive};

const STUDY: &str = "/v2/studies/1.2";
const SERIES: &str = "/v2/studies/1.2/series/1.2.3";
const JSON: &str = "application/dicom+json";

fn file(n: u32) -> File {
    File::new("1.2", "1.2.3", &format!("1.2.3.{n}"))
}

async fn metadata(archive: &TestArchive, path: &str) -> Answer {
    archive.get(&format!("{path}/metadata")).accept(JSON).send().await
}

fn instances(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let uid = |object: &Value| object["00080018"]["Value"][0].as_str().unwrap().to_owned();
    json.as_array().unwrap().iter().map(uid).collect()
}

#[tokio::test]
async fn all_attributes_but_bulk_values() {
    for archive in TestArchive::all().await {
        let sent = file(1)
            .text(tags::SPECIFIC_CHARACTER_SET, "CS", "ISO_IR 192")
            .text(tags::PATIENT_NAME, "PN", "Müller^Łukasz=山田^太郎")
            .text(tags::SLICE_THICKNESS, "DS", "2.50")
            .text(tags::PATIENT_SEX, "CS", "")
            .bytes(tags::ENCAPSULATED_DOCUMENT, "OB", b"%PDF")
            .image(2, 2, 1);
        archive.store(&[sent]).await;
        let answer = metadata(&archive, &format!("{SERIES}/instances/1.2.3.1")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some(JSON));
        assert!(answer.size_hint.is_some());
        assert_json_snapshot!("metadata", answer.json());
        assert_eq!(metadata(&archive, STUDY).await.json(), answer.json());
        assert_eq!(metadata(&archive, SERIES).await.json(), answer.json());
        assert_eq!(metadata(&archive, &STUDY.replace("v2", "v1")).await.json(), answer.json());

        let private = file(2).transfer_syntax(IMPLICIT).text(dicom_core::Tag(9, 0x1001), "LO", "private");
        archive.store(&[private]).await;
        let json = metadata(&archive, &format!("{SERIES}/instances/1.2.3.2")).await.json();
        assert!(json[0].get("00091001").is_none(), "{json}");
    }
}

#[tokio::test]
async fn accept_and_existence() {
    let archive = TestArchive::one().await;
    archive.store(&[file(1)]).await;
    for accept in ["application/dicom+json", "*/*", "application/*"] {
        let answer = archive.get("/v2/studies/1.2/metadata").accept(accept).send().await;
        assert_eq!(answer.status, 200, "{accept}");
    }
    let path = "/v2/studies/1.2/metadata";
    assert_eq!(archive.get(path).send().await.status, 406);
    assert_eq!(archive.get(path).accept("application/dicom+xml").send().await.status, 406);
    for (path, text) in [
        ("/v2/studies/9", "The specified study cannot be found."),
        ("/v2/studies/1.2/series/9", "The specified series cannot be found."),
        ("/v2/studies/1.2/series/1.2.3/instances/9", "The specified instance cannot be found."),
    ] {
        let answer = metadata(&archive, path).await;
        assert_eq!((answer.status, answer.text().as_str()), (404, text));
    }
}

#[tokio::test]
async fn the_etag_tells_versions_apart() {
    for archive in TestArchive::all().await {
        let instance = format!("{SERIES}/instances/1.2.3.1");
        let tags = async || {
            let mut tags = Vec::new();
            for path in [STUDY, SERIES, instance.as_str()] {
                tags.push(metadata(&archive, path).await.header("etag").unwrap().to_owned());
            }
            tags
        };
        archive.store(&[file(1)]).await;
        let first = tags().await;
        assert_eq!(tags().await, first, "asking changes nothing");
        archive.store(&[file(2)]).await;
        let second = tags().await;
        assert!(
            first[0] != second[0] && first[1] != second[1] && first[2] == second[2],
            "{first:?} {second:?}"
        );
        // A refused duplicate changes nothing.
        archive.post("/v2/studies").single(file(2)).send().await;
        assert_eq!(tags().await, second);
        archive.store(&[File::new("1.2", "1.2.4", "1.2.4.1")]).await;
        let third = tags().await;
        assert!(second[0] != third[0] && second[1] == third[1], "another series");
        assert_eq!(archive.delete("/v2/studies/1.2/series/1.2.4").await, 204);
        assert_eq!(tags().await, second, "the same instances as before");
        assert_eq!(archive.delete(&format!("{SERIES}/instances/1.2.3.2")).await, 204);
        assert_eq!(tags().await, first);
        assert_eq!(archive.delete(&instance).await, 204);
        archive.store(&[file(1)]).await;
        let again = tags().await;
        assert!(again.iter().zip(&first).all(|(a, b)| a != b), "made anew");
    }
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    for archive in TestArchive::all().await {
        archive.store(&[file(1)]).await;
        for path in [STUDY.to_owned(), SERIES.to_owned(), format!("{SERIES}/instances/1.2.3.1")] {
            let etag = metadata(&archive, &path).await.header("etag").unwrap().to_owned();
            let bare = etag.trim_matches('"');
            let get = async |known: &str| {
                let request = archive.get(&format!("{path}/metadata")).accept(JSON);
                request.header("if-none-match", known).send().await
            };
            for known in
                [&etag, bare, "*", &format!("W/{etag}"), &format!("\"x\", {etag}"), &format!("x,{bare}")]
            {
                let answer = get(known).await;
                assert_eq!((answer.status, answer.body.len()), (304, 0), "{known}");
                assert_eq!(answer.header("etag"), Some(etag.as_str()));
            }
            for other in ["\"1-1-1\"", "", "\"\"", "x"] {
                assert_eq!(get(other).await.status, 200, "{other}");
            }
        }
        archive.delete(STUDY).await;
        let request = archive.get("/v2/studies/1.2/metadata").accept(JSON).header("if-none-match", "*");
        assert_eq!(request.send().await.status, 404, "existence comes first");
    }
}

#[tokio::test]
async fn what_is_kept_in_memory_is_never_stale() {
    for archive in TestArchive::all().await {
        archive.store(&[file(1), file(2), file(3)]).await;
        for _ in 0..2 {
            assert_eq!(instances(&metadata(&archive, SERIES).await), ["1.2.3.1", "1.2.3.2", "1.2.3.3"]);
        }
        archive.delete(&format!("{SERIES}/instances/1.2.3.2")).await;
        for _ in 0..2 {
            assert_eq!(instances(&metadata(&archive, SERIES).await), ["1.2.3.1", "1.2.3.3"]);
        }
        archive.store(&[file(4), File::new("1.2", "1.2.4", "1.2.4.1")]).await;
        for _ in 0..2 {
            let study = ["1.2.3.1", "1.2.3.3", "1.2.3.4", "1.2.4.1"];
            assert_eq!(instances(&metadata(&archive, STUDY).await), study);
        }
        archive.delete(STUDY).await;
        assert_eq!(metadata(&archive, SERIES).await.status, 404);
        archive.store(&[file(3).text(tags::PATIENT_ID, "LO", "P2")]).await;
        let answer = metadata(&archive, SERIES).await;
        assert_eq!(instances(&answer), ["1.2.3.3"]);
        assert_eq!(answer.json()[0]["00100020"]["Value"][0], "P2");
    }
}

#[tokio::test]
async fn series_of_any_size_come_whole() {
    for archive in TestArchive::all().await {
        let mut files: Vec<File> = (1..=1600).map(file).collect();
        files.extend((1..=300).map(|n| File::new("1.2", "1.2.4", &format!("1.2.4.{n}"))));
        files.push(File::new("1.2", "1.2.5", "1.2.5.1"));
        archive.store(&files).await;
        for _ in 0..2 {
            assert_eq!(instances(&metadata(&archive, SERIES).await).len(), 1600);
            let study = instances(&metadata(&archive, STUDY).await);
            assert_eq!(study.len(), 1901);
            assert_eq!((study[0].as_str(), study[1600].as_str()), ("1.2.3.1", "1.2.4.1"));
        }
    }
}

#[tokio::test]
async fn huge_headers_are_sent_in_pieces() {
    // Together larger than what is kept in memory: nothing may be lost or sent twice, also the second time.
    let archive = TestArchive::one().await;
    for n in 1..=6 {
        let long = "x".repeat(8 * 1024 * 1024);
        archive.store(&[file(n).text(tags::TEXT_VALUE, "UT", &long)]).await;
    }
    for _ in 0..2 {
        assert_eq!(instances(&metadata(&archive, SERIES).await).len(), 6);
    }
}
