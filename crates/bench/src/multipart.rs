//! `multipart/related` bodies (RFC 2046 §5.1, PS3.18 §8.6): written for store, taken apart to check answers.

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use memchr::memmem;

use crate::corpus::File;

/// Long enough that it does not occur in any of the corpus' pixel data.
const BOUNDARY: &str = "hilum-bench-7c1f5a0e9d3b4826a1";

/// The most parts an answer is taken apart into: far above the 200 slices of the largest study asked for.
const PARTS_MAX: usize = 10_000;

/// The `Content-Type` of a store request (PS3.18 §10.5).
pub(crate) fn store_content_type() -> String {
    format!("multipart/related; type=\"application/dicom\"; boundary={BOUNDARY}")
}

/// The body of a store request as chunks; pixel data is shared, not copied.
pub(crate) fn store_body(files: &[File]) -> Vec<Bytes> {
    let mut chunks = Vec::with_capacity(files.len() * 4 + 1);
    for (at, file) in files.iter().enumerate() {
        let line_break = if at == 0 { "" } else { "\r\n" };
        chunks.push(Bytes::from(format!(
            "{line_break}--{BOUNDARY}\r\nContent-Type: application/dicom\r\nContent-Length: {}\r\n\r\n",
            file.len()
        )));
        chunks.extend(file.chunks().cloned());
    }
    chunks.push(Bytes::from(format!("\r\n--{BOUNDARY}--\r\n")));
    chunks
}

/// The bodies of an answer's parts.
pub(crate) fn parts<'a>(content_type: &str, body: &'a [u8]) -> Result<Vec<&'a [u8]>> {
    let boundary = boundary(content_type)?;
    let delimiter = format!("--{boundary}");
    let between = format!("\r\n{delimiter}");
    let start = memmem::find(body, delimiter.as_bytes()).context("the first boundary is missing")?;
    let mut rest = body.get(start + delimiter.len()..).unwrap_or_default();
    let mut found = Vec::new();
    while !rest.starts_with(b"--") {
        ensure!(found.len() < PARTS_MAX, "more than {PARTS_MAX} parts");
        let end = memmem::find(rest, between.as_bytes()).context("the closing boundary is missing")?;
        let part = rest.get(..end).unwrap_or_default();
        let head = memmem::find(part, b"\r\n\r\n").context("a part has no end of headers")?;
        found.push(part.get(head + 4..).unwrap_or_default());
        rest = rest.get(end + between.len()..).unwrap_or_default();
    }
    Ok(found)
}

fn boundary(content_type: &str) -> Result<&str> {
    let mut fields = content_type.split(';').map(str::trim);
    if fields.next().is_none_or(|kind| !kind.eq_ignore_ascii_case("multipart/related")) {
        bail!("the answer is {content_type:?}, not multipart/related");
    }
    fields
        .filter_map(|field| field.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))
        .map(|(_, value)| value.trim().trim_matches('"'))
        .filter(|value| !value.is_empty())
        .context("the answer names no boundary")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Corpus, Kind};

    #[test]
    fn what_is_written_is_read_back() {
        let corpus = Corpus::new(1);
        let files: Vec<File> = (0..3).map(|index| corpus.file(Kind::Small.at(0, index))).collect();
        let body: Vec<u8> = store_body(&files).concat();
        let read = parts(&store_content_type(), &body).unwrap();
        assert_eq!(read.len(), 3);
        for (part, file) in read.iter().zip(&files) {
            assert_eq!(*part, file.to_vec());
        }
    }

    #[test]
    fn a_preamble_quotes_and_part_headers_are_understood() {
        let body = b"ignored\r\n--b\r\nX: y\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--ignored";
        assert_eq!(parts("multipart/related; boundary=b", body).unwrap(), [&b"one"[..], b"two"]);
        let body = b"--b\r\nX: y\r\n\r\none\r\n\r\n--b\r\nX: y\r\n\r\ntwo\r\n--b--";
        assert_eq!(parts("Multipart/Related;boundary=\"b\"", body).unwrap(), [&b"one\r\n"[..], b"two"]);
    }

    #[test]
    fn what_is_broken_is_an_error() {
        assert!(parts("application/json", b"[]").is_err());
        assert!(parts("multipart/related; type=x", b"--b--").is_err());
        assert!(parts("multipart/related; boundary=b", b"--b\r\nX: y\r\n\r\ncut off").is_err());
        assert!(parts("multipart/related; boundary=b", b"--b\r\nno end of headers\r\n--b--").is_err());
        assert!(parts("multipart/related; boundary=b", b"nothing").is_err());
        assert!(parts("multipart/related; boundary=b", b"--b--").unwrap().is_empty());
    }
}
