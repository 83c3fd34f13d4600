//! The multipart reader: however a body is cut into chunks, the same parts come out (RFC 2046 §5.1.1).
//!
//! Input: eight bytes that say how long the chunks are, then the body, whose boundary is `b`.

#![no_main]

use std::convert::Infallible;

use bytes::Bytes;
use futures::{executor::block_on, stream};
use hilum_dicom::multipart::read::{Limits, Multipart};
use libfuzzer_sys::fuzz_target;

type Headers = Vec<(String, String)>;

/// Chunks beyond this many come as one: an empty chunk takes no bytes away.
const CHUNKS_MAX: usize = 10_000;

fuzz_target!(|input: &[u8]| {
    let Some((sizes, body)) = input.split_first_chunk::<8>() else { return };
    let body = Bytes::copy_from_slice(body);
    let whole = parts(vec![body.clone()], Limits::default());
    let chunks = cut(body.clone(), *sizes);
    assert_eq!(whole, parts(chunks.clone(), Limits::default()), "chunks change the outcome");
    let bytes: usize = whole.0.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(bytes <= body.len(), "parts hold more than the body");

    let tight = Limits {
        body_bytes_max: 4_096,
        preamble_bytes_max: 16,
        header_bytes_max: 64,
        headers_max: 2,
        parts_max: 3,
    };
    let (found, _) = parts(chunks, tight);
    assert!(found.len() <= tight.parts_max, "more parts than the limit");
    assert!(
        found.iter().all(|(headers, _)| headers.len() <= tight.headers_max),
        "more headers than the limit"
    );
});

fn cut(mut body: Bytes, sizes: [u8; 8]) -> Vec<Bytes> {
    let mut chunks = Vec::new();
    for &size in sizes.iter().cycle().take(CHUNKS_MAX) {
        if body.is_empty() {
            break;
        }
        chunks.push(body.split_to(usize::from(size).min(body.len())));
    }
    chunks.push(body);
    chunks
}

/// The parts that ended, and the error that stopped the reading.
fn parts(chunks: Vec<Bytes>, limits: Limits) -> (Vec<(Headers, Vec<u8>)>, Option<String>) {
    let stream = stream::iter(chunks.into_iter().map(Ok::<_, Infallible>));
    let mut reader = Multipart::new(stream, "b", limits).expect("`b` is a boundary");
    let mut found = Vec::new();
    let outcome = block_on(async {
        while let Some(mut part) = reader.next_part().await? {
            let headers =
                part.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let mut bytes = Vec::new();
            while let Some(chunk) = part.chunk().await? {
                bytes.extend_from_slice(&chunk);
            }
            found.push((headers, bytes));
        }
        Ok(())
    });
    (
        found,
        outcome
            .err()
            .map(|error: hilum_dicom::multipart::read::MultipartError<Infallible>| error.to_string()),
    )
}
