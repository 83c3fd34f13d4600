use std::convert::Infallible;

use bytes::Bytes;
use futures::{StreamExt as _, executor::block_on, stream};
use hilum_kernel::SeededRandom;
use proptest::prelude::*;

use super::{
    read::{InvalidBoundary, Limits, Multipart, MultipartError},
    write::Writer,
};

type Parts = Vec<(Option<String>, Vec<u8>)>;

fn read_with(chunks: Vec<Bytes>, limits: Limits) -> Result<Parts, MultipartError<Infallible>> {
    let stream = stream::iter(chunks.into_iter().map(Ok));
    let mut body = Multipart::new(stream, "b1", limits).unwrap();
    block_on(async {
        let mut parts = Vec::new();
        while let Some(mut part) = body.next_part().await? {
            let kind = part.headers().get("content-type").map(str::to_owned);
            let mut bytes = Vec::new();
            while let Some(chunk) = part.chunk().await? {
                bytes.extend_from_slice(&chunk);
            }
            parts.push((kind, bytes));
        }
        Ok(parts)
    })
}

fn read(body: &[u8]) -> Result<Parts, MultipartError<Infallible>> {
    read_with(vec![Bytes::copy_from_slice(body)], Limits::default())
}

const BODY: &[u8] =
    b"preamble\r\n--b1 \t\r\nContent-Type: application/dicom\r\nX: a\r\n  b\r\n\r\none\r\n--b\r\ntwo\r\r\n\
    \r\n--b1\r\n\r\n\r\n--b1\r\nContent-type:x/y\r\n\r\nlast\r\n--b1--\r\nepilogue\r\n--b1\r\n";

fn expected() -> Parts {
    vec![
        (Some("application/dicom".to_owned()), b"one\r\n--b\r\ntwo\r\r\n".to_vec()),
        (None, Vec::new()),
        (Some("x/y".to_owned()), b"last".to_vec()),
    ]
}

#[test]
fn parts_come_out_whole() {
    assert_eq!(read(BODY).unwrap(), expected());
    assert_eq!(read(b"--b1\r\n\r\nx\r\n--b1--").unwrap(), [(None, b"x".to_vec())]);
    assert_eq!(read(b"--b1--\r\n").unwrap(), []);
}

#[test]
fn every_split_gives_the_same_parts() {
    for at in 0..=BODY.len() {
        let (a, b) = BODY.split_at(at);
        let chunks = vec![Bytes::from_static(a), Bytes::from_static(b)];
        assert_eq!(read_with(chunks, Limits::default()).unwrap(), expected(), "{at}");
    }
    for size in 1..20 {
        let chunks = BODY.chunks(size).map(Bytes::from_static).collect();
        assert_eq!(read_with(chunks, Limits::default()).unwrap(), expected(), "{size}");
    }
}

#[test]
fn every_truncation_is_told() {
    let closing = BODY.len() - b"\r\nepilogue\r\n--b1\r\n".len();
    for len in 0..closing {
        let error = read(&BODY[..len]).unwrap_err();
        let told = matches!(error, MultipartError::Truncated | MultipartError::NoDelimiter);
        assert!(told, "{len}: {error}");
    }
    assert!(read(&BODY[..closing]).is_ok());
}

#[test]
fn what_is_malformed_is_refused() {
    assert!(matches!(read(b"no boundary at all"), Err(MultipartError::NoDelimiter)));
    assert!(matches!(read(b"--b1x\r\n\r\n"), Err(MultipartError::MalformedDelimiter)));
    assert!(matches!(read(b"--b1\n\nx\n--b1--"), Err(MultipartError::MalformedDelimiter)));
    assert!(matches!(read(b"--b1\r\nno colon\r\n\r\nx\r\n--b1--"), Err(MultipartError::MalformedHeader)));
    assert!(matches!(read(b"--b1\r\nA: \x01\r\n\r\nx\r\n--b1--"), Err(MultipartError::MalformedHeader)));
    assert!(matches!(read(b"--b1\r\n a: b\r\n\r\nx\r\n--b1--"), Err(MultipartError::MalformedHeader)));
    for boundary in ["", "ends with space ", "new\r\nline", &"x".repeat(71)] {
        let stream = stream::empty::<Result<Bytes, Infallible>>();
        assert_eq!(Multipart::new(stream, boundary, Limits::default()).err(), Some(InvalidBoundary));
    }
}

#[test]
fn limits_hold() {
    let limits = Limits::default();
    let chunked =
        |body: &[u8], limits| read_with(body.chunks(7).map(Bytes::copy_from_slice).collect(), limits);
    let small = Limits { body_bytes_max: 100, ..limits };
    assert!(matches!(chunked(BODY, small), Err(MultipartError::TooLarge { limit: 100 })));
    let few = Limits { parts_max: 2, ..limits };
    assert!(matches!(chunked(BODY, few), Err(MultipartError::TooManyParts { limit: 2 })));
    let long = Limits { preamble_bytes_max: 4, ..limits };
    assert!(matches!(chunked(BODY, long), Err(MultipartError::NoDelimiter)));
    let heads = Limits { header_bytes_max: 20, ..limits };
    assert!(matches!(chunked(BODY, heads), Err(MultipartError::HeadersTooLarge)));
    let one = Limits { headers_max: 1, ..limits };
    assert!(matches!(chunked(BODY, one), Err(MultipartError::HeadersTooLarge)));
    let endless = [b"--b1\r\nA: ".to_vec(), vec![b'x'; 100_000]].concat();
    assert!(matches!(chunked(&endless, limits), Err(MultipartError::HeadersTooLarge)));
}

#[test]
fn a_part_that_is_not_read_is_skipped() {
    let stream = stream::iter(BODY.chunks(5).map(|chunk| Ok::<_, Infallible>(Bytes::from_static(chunk))));
    let mut body = Multipart::new(stream, "b1", Limits::default()).unwrap();
    block_on(async {
        let mut first = body.next_part().await.unwrap().unwrap();
        assert_eq!(first.headers().get("x"), Some("a b"));
        assert_eq!(first.headers().iter().count(), 2);
        assert!(first.next().await.is_some());
        assert_eq!(body.next_part().await.unwrap().unwrap().headers().get("content-type"), None);
        assert_eq!(body.next_part().await.unwrap().unwrap().headers().get("content-type"), Some("x/y"));
        assert!(body.next_part().await.unwrap().is_none());
        assert!(body.next_part().await.unwrap().is_none());
    });
}

#[test]
fn chunks_are_slices_of_what_came_in() {
    let whole = Bytes::from([b"--b1\r\n\r\n".to_vec(), vec![9; 100_000], b"\r\n--b1--".to_vec()].concat());
    let stream = stream::iter([Ok::<_, Infallible>(whole.clone())]);
    let mut body = Multipart::new(stream, "b1", Limits::default()).unwrap();
    block_on(async {
        let chunk = body.next_part().await.unwrap().unwrap().chunk().await.unwrap().unwrap();
        assert_eq!(chunk.len(), 100_000);
        assert_eq!(chunk.as_ptr(), whole[8..].as_ptr());
    });
}

#[test]
fn what_is_written_reads_back() {
    let random = SeededRandom::new(1);
    let mut writer = Writer::new(&random);
    let content_type = writer.content_type("application/dicom");
    let parsed = crate::media_type::MediaType::parse(&content_type).unwrap();
    assert_eq!(parsed.parameter("type"), Some("application/dicom"));
    let mut body = Vec::new();
    for part in ["one", "", "\r\n--"] {
        body.extend(writer.head(&[("Content-Type", "application/dicom; transfer-syntax=1.2\r\nX: y")]));
        body.extend(part.as_bytes());
    }
    body.extend(writer.close());
    let stream = stream::iter([Ok::<_, Infallible>(Bytes::from(body))]);
    let mut read = Multipart::new(stream, parsed.parameter("boundary").unwrap(), Limits::default()).unwrap();
    block_on(async {
        for expected in ["one", "", "\r\n--"] {
            let mut part = read.next_part().await.unwrap().unwrap();
            assert_eq!(part.headers().iter().count(), 1);
            let bytes = part.by_ref().map(Result::unwrap).collect::<Vec<_>>().await.concat();
            assert_eq!(bytes, expected.as_bytes());
        }
        assert!(read.next_part().await.unwrap().is_none());
    });
    let empty = Writer::new(&random).close();
    assert!(empty.starts_with(b"--"));
}

/// Text in which pieces of a delimiter abound.
fn tricky() -> impl Strategy<Value = Vec<u8>> {
    let piece =
        prop::sample::select(vec!["\r", "\n", "-", "--", "\r\n--", "\r\n--b", "b1", "x", "\r\n\r\n", "\0"]);
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_content_survives_any_chunking(
        contents in prop::collection::vec(tricky(), 0..4),
        sizes in prop::collection::vec(1..9_usize, 1..6),
    ) {
        prop_assume!(contents.iter().all(|c| memchr::memmem::find(&[b"\r\n", &c[..]].concat(), b"\r\n--b1").is_none()));
        let mut body = Vec::new();
        for content in &contents {
            body.extend(b"\r\n--b1\r\nContent-Type: a/b\r\n\r\n");
            body.extend(content);
        }
        body.extend(b"\r\n--b1--\r\n");
        let (mut chunks, mut rest, mut sizes) = (Vec::new(), &body[..], sizes.iter().cycle());
        while !rest.is_empty() {
            let (chunk, tail) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            chunks.push(Bytes::copy_from_slice(chunk));
            rest = tail;
        }
        let parts = read_with(chunks, Limits::default()).unwrap();
        let read: Vec<_> = parts.into_iter().map(|(_, bytes)| bytes).collect();
        prop_assert_eq!(read, contents);
    }

    #[test]
    fn any_bytes_end_without_panic(body in tricky(), sizes in 1..9_usize) {
        let _ = read_with(body.chunks(sizes).map(Bytes::copy_from_slice).collect(), Limits::default());
    }
}
