//! Instances: negotiation, byte equality, transcoding (fact sheet §4.1–4.3).

use dicom_dictionary_std::tags;

use crate::{
    dataset::read::{Limits, read_instance},
    testing::{BIG_ENDIAN, DEFLATED, EXPLICIT, File, IMPLICIT, JPEG, JPEG_2000, TestArchive, encapsulated},
};

const STUDY: &str = "/v2/studies/1.2";
const SERIES: &str = "/v2/studies/1.2/series/1.2.3";
const INSTANCE: &str = "/v2/studies/1.2/series/1.2.3/instances/1.2.3.1";
const MULTIPART: &str = "multipart/related; type=\"application/dicom\"";

fn file(n: u32) -> File {
    File::new("1.2", "1.2.3", &format!("1.2.3.{n}"))
}

#[tokio::test]
async fn one_instance_comes_back_byte_for_byte() {
    for archive in TestArchive::all().await {
        let sent = file(1).image(8, 8, 2);
        archive.store(std::slice::from_ref(&sent)).await;
        for accept in [
            "application/dicom",
            "application/dicom; transfer-syntax=*",
            "application/dicom;transfer-syntax=\"1.2.840.10008.1.2.1\"",
        ] {
            let answer = archive.get(INSTANCE).accept(accept).send().await;
            assert_eq!(answer.status, 200, "{accept}");
            assert_eq!(
                answer.header("content-type"),
                Some("application/dicom; transfer-syntax=1.2.840.10008.1.2.1")
            );
            assert_eq!(answer.size_hint, Some(u64::try_from(sent.to_bytes().len()).unwrap()));
            assert_eq!(answer.body, sent.to_bytes());
        }
        for accept in [MULTIPART, "*/*", "multipart/related; type=application/dicom; transfer-syntax=*"] {
            for path in [INSTANCE, SERIES, STUDY] {
                let answer =
                    archive.get(path).accept(accept).header("msdicom-request-original", "true").send().await;
                assert_eq!(answer.status, 200, "{accept} {path}");
                let parts = answer.parts().await;
                assert_eq!(parts.len(), 1);
                assert_eq!(parts[0].content_type, "application/dicom; transfer-syntax=1.2.840.10008.1.2.1");
                assert_eq!(parts[0].content, sent.to_bytes());
            }
        }
        let answer = archive.get(&INSTANCE.replace("v2", "v1")).accept("application/dicom").send().await;
        assert_eq!(answer.body, sent.to_bytes());
    }
}

#[tokio::test]
async fn what_is_not_acceptable_is_told() {
    let archive = TestArchive::one().await;
    archive.store(&[file(1)]).await;
    for path in [STUDY, SERIES, INSTANCE] {
        let text = "The request headers are not acceptable";
        let answer = archive.get(path).send().await;
        assert_eq!((answer.status, answer.text().as_str()), (406, text), "{path}: no Accept");
        for accept in [
            "application/json",
            "application/octet-stream",
            "multipart/related",
            "multipart/related; type=\"application/octet-stream\"",
            "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.50",
            "application/dicom; q=0",
            "nonsense",
        ] {
            assert_eq!(archive.get(path).accept(accept).send().await.status, 406, "{path} {accept}");
        }
    }
    assert_eq!(archive.get(STUDY).accept("application/dicom").send().await.status, 406);
    // The second of two headers counts as well.
    let answer = archive.get(STUDY).accept("application/json").accept(MULTIPART).send().await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn checks_come_in_the_order_of_the_sheet() {
    let archive = TestArchive::one().await;
    archive.store(&[encapsulated(file(1), JPEG, &[b"ab"])]).await;
    let status = async |path: &str, accept: &str| archive.get(path).accept(accept).send().await.status;
    assert_eq!(status("/v2/studies/1.x", "text/html").await, 400, "syntax before Accept");
    assert_eq!(status("/v2/studies/9.9", "text/html").await, 406, "Accept before existence");
    assert_eq!(status("/v2/studies/9.9", "*/*").await, 404);
    assert_eq!(status(INSTANCE, "application/dicom").await, 406, "existence before transcoding");
    for (path, text) in [
        ("/v2/studies/9.9", "The specified study cannot be found."),
        ("/v2/studies/1.2/series/9", "The specified series cannot be found."),
        ("/v2/studies/1.2/series/1.2.3/instances/9", "The specified instance cannot be found."),
        ("/v2/studies/9/series/1.2.3/instances/1.2.3.1", "The specified instance cannot be found."),
    ] {
        let answer = archive.get(path).accept("*/*").send().await;
        assert_eq!((answer.status, answer.text().as_str()), (404, text));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
}

#[tokio::test]
async fn several_instances_come_in_order_and_as_they_are_stored() {
    for archive in TestArchive::all().await {
        let large = file(3).image(800, 800, 1);
        let files = [
            file(2),
            file(1).transfer_syntax(IMPLICIT),
            large,
            encapsulated(file(4), JPEG, &[b"abcd", b"efgh"]),
            File::new("1.2", "1.2.4", "1.2.4.1"),
        ];
        archive.store(&files).await;
        let study = archive.get(STUDY).accept("*/*").send().await;
        assert_eq!(study.status, 200);
        let parts = study.parts().await;
        let contents: Vec<_> = parts.iter().map(|part| part.content.clone()).collect();
        assert!(contents == files.iter().map(File::to_bytes).collect::<Vec<_>>());
        let types: Vec<_> = parts.iter().map(|part| part.content_type.as_str()).collect();
        let expected: Vec<String> = [EXPLICIT, IMPLICIT, EXPLICIT, JPEG, EXPLICIT]
            .iter()
            .map(|uid| format!("application/dicom; transfer-syntax={uid}"))
            .collect();
        assert_eq!(types, expected);
        let series = archive.get(SERIES).accept("*/*").send().await;
        assert_eq!(series.parts().await.len(), 4);

        // A certain transfer syntax is not for several instances, even where all have it.
        for (path, accept) in [(STUDY, MULTIPART), (SERIES, MULTIPART)] {
            let answer = archive.get(path).accept(accept).send().await;
            assert_eq!(answer.status, 406);
            assert_eq!(
                answer.text(),
                "Accept transfer syntax '1.2.840.10008.1.2.1' is not supported when multiple instances are matched. Matching instances can be retrieved with their original transfer syntax by specifying 'transfer-syntax=*' in the Accept header."
            );
        }
    }
}

#[tokio::test]
async fn more_instances_than_a_page() {
    for archive in TestArchive::all().await {
        let files: Vec<File> = (1..=2100).map(file).collect();
        // Also more than become visible together.
        archive.store(&files).await;
        let parts = archive.get(SERIES).accept("*/*").send().await.parts().await;
        assert_eq!(parts.len(), 2100);
        assert!(parts.iter().zip(&files).all(|(part, file)| part.content == file.to_bytes()));
        let parts = archive.get(STUDY).accept("*/*").send().await.parts().await;
        assert_eq!(parts.len(), 2100);
        assert_eq!(archive.delete(STUDY).await, 204);
        assert_eq!(archive.get(STUDY).accept("*/*").send().await.status, 404);
        assert_eq!(archive.count("SELECT COUNT(*) FROM change_feed").await, 4200);
    }
}

#[tokio::test]
async fn uncompressed_files_are_turned_into_explicit_little_endian() {
    for archive in TestArchive::all().await {
        let plain = |n| file(n).image(5, 7, 3).text(tags::PATIENT_COMMENTS, "LT", "as it was");
        for (n, uid) in [(1, IMPLICIT), (2, BIG_ENDIAN), (3, DEFLATED), (4, EXPLICIT)] {
            archive.store(&[plain(n).transfer_syntax(uid)]).await;
            let path = format!("{SERIES}/instances/1.2.3.{n}");
            let answer = archive.get(&path).accept("application/dicom").send().await;
            assert_eq!(answer.status, 200, "{uid}");
            assert_eq!(
                answer.header("content-type"),
                Some("application/dicom; transfer-syntax=1.2.840.10008.1.2.1")
            );
            let length = answer.body.len();
            assert_eq!(answer.header("content-length").map_or(length, |n| n.parse().unwrap()), length);
            let read = read_instance(std::io::Cursor::new(&answer.body), &Limits::default()).unwrap();
            assert_eq!(&*read.transfer_syntax, EXPLICIT);
            let dataset = read.dataset();
            assert_eq!(dataset.first_text(tags::PATIENT_COMMENTS).unwrap(), "as it was");
            assert_eq!(dataset.integer(tags::COLUMNS), Some(7));
            let pixels = plain(n).value(tags::PIXEL_DATA).to_vec();
            assert!(answer.body.windows(pixels.len()).any(|window| window == pixels), "{uid}: pixels");
            // In a multipart answer the same.
            let parts = archive.get(&path).accept(MULTIPART).send().await.parts().await;
            assert_eq!(parts[0].content, answer.body);
        }
    }
}

#[tokio::test]
async fn what_needs_a_codec_is_refused() {
    let archive = TestArchive::one().await;
    archive
        .store(&[encapsulated(file(1), JPEG, &[b"ab"]), encapsulated(file(2), JPEG_2000, &[b"ab"]), file(3)])
        .await;
    let get = async |n: u32, accept: &str| {
        let answer = archive.get(&format!("{SERIES}/instances/1.2.3.{n}")).accept(accept).send().await;
        (answer.status, answer.text())
    };
    let refused = (406, "The specified transcoding is not supported.".to_owned());
    let j2k = "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.90";
    assert_eq!(get(1, "application/dicom").await, refused);
    assert_eq!(get(1, j2k).await, refused);
    assert_eq!(get(3, j2k).await, refused);
    assert_eq!(get(1, "application/dicom; transfer-syntax=*").await.0, 200);
    assert_eq!(get(2, j2k).await.0, 200, "the file has the wanted transfer syntax already");
}

#[tokio::test]
async fn a_file_that_is_gone_is_an_error_and_no_lie() {
    let archive = TestArchive::one().await;
    archive.store(&[file(1), file(2)]).await;
    let blobs = archive.blob_files();
    for blob in &blobs {
        std::fs::remove_file(blob).unwrap();
    }
    let answer = archive.get(INSTANCE).accept("application/dicom").send().await;
    assert_eq!((answer.status, answer.text().as_str()), (500, "The server met an error it did not expect."));
    let answer = archive.get(STUDY).accept("*/*").send().await;
    assert!(answer.is_cut_off || answer.status == 500);
}
