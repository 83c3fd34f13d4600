//! Frames (fact sheet §4.4).

use dicom_dictionary_std::tags;

use crate::testing::{
    BIG_ENDIAN, DEFLATED, EXPLICIT, File, IMPLICIT, JPEG, JPEG_2000, TestArchive, encapsulated,
};

const MULTIPART: &str = "multipart/related; type=\"application/octet-stream\"";
const STORED: &str = "multipart/related; type=\"application/octet-stream\"; transfer-syntax=*";

fn file(n: u32) -> File {
    File::new("1.2", "1.2.3", &format!("1.2.3.{n}"))
}

fn path(n: u32, frames: &str) -> String {
    format!("/v2/studies/1.2/series/1.2.3/instances/1.2.3.{n}/frames/{frames}")
}

#[tokio::test]
async fn native_frames_in_the_order_asked() {
    for archive in TestArchive::all().await {
        for (n, uid) in [(1, EXPLICIT), (2, IMPLICIT), (3, BIG_ENDIAN), (4, DEFLATED)] {
            let sent = file(n).image(4, 6, 5).transfer_syntax(uid);
            archive.store(std::slice::from_ref(&sent)).await;
            let frames: Vec<&[u8]> = sent.value(tags::PIXEL_DATA).chunks(48).collect();
            for list in ["3,1,3", "3%2C1%2C3"] {
                let answer = archive.get(&path(n, list)).accept(MULTIPART).send().await;
                assert_eq!(answer.status, 200, "{uid}: {}", answer.text());
                assert!(answer.size_hint.is_some());
                let parts = answer.parts().await;
                let contents: Vec<&[u8]> = parts.iter().map(|part| part.content.as_slice()).collect();
                assert_eq!(contents, [frames[2], frames[0], frames[2]], "{uid}");
                for part in &parts {
                    let expected = "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1";
                    assert_eq!(part.content_type, expected);
                }
            }
            let single = archive.get(&path(n, "5")).accept("application/octet-stream").send().await;
            assert_eq!(single.status, 200);
            let expected = "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1";
            assert_eq!(single.header("content-type"), Some(expected));
            assert_eq!(single.body, frames[4], "{uid}");
        }
    }
}

#[tokio::test]
async fn big_endian_frames_are_left_alone_on_request() {
    let archive = TestArchive::one().await;
    let sent = file(1).image(2, 3, 2).transfer_syntax(BIG_ENDIAN);
    archive.store(std::slice::from_ref(&sent)).await;
    let parts = archive.get(&path(1, "2")).accept(STORED).send().await.parts().await;
    assert_eq!(parts[0].content_type, format!("application/octet-stream; transfer-syntax={BIG_ENDIAN}"));
    let turned: Vec<u8> =
        sent.value(tags::PIXEL_DATA)[12..].chunks(2).flat_map(|word| [word[1], word[0]]).collect();
    assert_eq!(parts[0].content, turned);
}

#[tokio::test]
async fn encapsulated_frames_as_they_are_stored() {
    for archive in TestArchive::all().await {
        let frames: [&[u8]; 3] = [b"first!", b"second", b"3rd frame."];
        archive.store(&[encapsulated(file(1), JPEG, &frames)]).await;
        for accept in [STORED, "*/*"] {
            let answer = archive.get(&path(1, "2,3,1")).accept(accept).send().await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let parts = answer.parts().await;
            let contents: Vec<&[u8]> = parts.iter().map(|part| part.content.as_slice()).collect();
            assert_eq!(contents, [frames[1], frames[2], frames[0]]);
            assert_eq!(parts[0].content_type, format!("application/octet-stream; transfer-syntax={JPEG}"));
        }
        let single = "application/octet-stream; transfer-syntax=*";
        assert_eq!(archive.get(&path(1, "2")).accept(single).send().await.body, frames[1]);
        // Decoding is not there yet.
        for accept in [MULTIPART, "application/octet-stream", "multipart/related; type=\"image/jp2\""] {
            assert_eq!(archive.get(&path(1, "2")).accept(accept).send().await.status, 406, "{accept}");
        }
        archive.store(&[encapsulated(file(2), JPEG_2000, &frames)]).await;
        let answer = archive.get(&path(2, "1")).accept("multipart/related; type=\"image/jp2\"").send().await;
        assert_eq!(answer.status, 200);
        let parts = answer.parts().await;
        assert_eq!(parts[0].content_type, format!("image/jp2; transfer-syntax={JPEG_2000}"));
        assert_eq!(parts[0].content, frames[0]);
    }
}

#[tokio::test]
async fn frames_of_many_bytes_are_streamed() {
    for archive in TestArchive::all().await {
        let sent = file(1).image(1024, 1024, 5);
        archive.store(std::slice::from_ref(&sent)).await;
        let frames: Vec<&[u8]> = sent.value(tags::PIXEL_DATA).chunks(2 * 1024 * 1024).collect();
        let answer = archive.get(&path(1, "5,4,3,2,1,1")).accept(MULTIPART).send().await;
        let parts = answer.parts().await;
        assert_eq!(parts.len(), 6);
        for (part, frame) in parts.iter().zip([4, 3, 2, 1, 0, 0]) {
            assert!(part.content == frames[frame]);
        }
        let huge = file(2).image(2300, 2300, 1);
        archive.store(std::slice::from_ref(&huge)).await;
        let answer = archive.get(&path(2, "1")).accept("application/octet-stream").send().await;
        assert!(answer.body == huge.value(tags::PIXEL_DATA));
        assert_eq!(answer.header("content-length"), Some((2300 * 2300 * 2).to_string().as_str()));
        let fragment = vec![7_u8; 9 * 1024 * 1024];
        archive.store(&[encapsulated(file(3), JPEG, &[&fragment, b"ab"])]).await;
        let answer = archive.get(&path(3, "2,1")).accept("*/*").send().await;
        let parts = answer.parts().await;
        assert_eq!(parts[0].content, b"ab");
        assert!(parts[1].content == fragment);
    }
}

#[tokio::test]
async fn what_is_no_frame_is_refused() {
    let archive = TestArchive::one().await;
    let geometry = file(4).image(4, 4, 2).us(tags::ROWS, 4000);
    archive
        .store(&[file(1).image(4, 4, 2), file(2), encapsulated(file(3), JPEG, &[b"ab", b"cd"]), geometry])
        .await;
    let get = async |n: u32, frames: &str, accept: &str| {
        let answer = archive.get(&path(n, frames)).accept(accept).send().await;
        (answer.status, answer.text())
    };
    for list in [
        "0",
        "-1",
        "a",
        "1,",
        ",1",
        "1,,2",
        "1.5",
        "0,1",
        "99999999999",
        "1;2",
        "%20",
        &vec!["1"; 10_001].join(","),
    ] {
        let (status, text) = get(1, list, MULTIPART).await;
        assert_eq!(status, 400, "{list}");
        assert!(text.starts_with("The specified frames value is not valid."), "{text}");
        // Syntax comes before Accept.
        assert_eq!(get(1, list, "text/html").await.0, 400, "{list}");
    }
    let missing = (404, "The specified frame cannot be found.".to_owned());
    for list in ["3", "1,3", "4294967295"] {
        assert_eq!(get(1, list, MULTIPART).await, missing, "{list}");
        assert_eq!(get(3, list, STORED).await, missing, "{list}");
    }
    assert_eq!(get(2, "1", MULTIPART).await, missing, "no pixel data");
    assert_eq!(get(4, "1", MULTIPART).await.0, 406, "pixel data shorter than the image");
    assert_eq!(get(9, "1", MULTIPART).await, (404, "The specified instance cannot be found.".to_owned()));
    let several =
        "The accept header is supported for single frame retrieval, use multi-part accept header instead.";
    assert_eq!(get(1, "1,2", "application/octet-stream").await, (400, several.to_owned()));
    for accept in ["application/dicom", "image/jp2", "image/jpeg", "multipart/related"] {
        assert_eq!(get(1, "1", accept).await.0, 406, "{accept}");
    }
    assert_eq!(archive.get(&path(1, "1")).send().await.status, 406, "no Accept");
}
