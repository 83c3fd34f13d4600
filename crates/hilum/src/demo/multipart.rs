//! `multipart/related` bodies of the demo's own client (RFC 2387), apart from the server's reader and writer, so that
//! a mistake there cannot hide itself.

use anyhow::{Context as _, Result};
use bytes::{Bytes, BytesMut};

/// Joins Part 10 files into one body.
pub(super) fn write<'f>(boundary: &str, files: impl Iterator<Item = &'f Bytes>) -> Bytes {
    let mut body = BytesMut::new();
    for file in files {
        body.extend_from_slice(format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\n").as_bytes());
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body.freeze()
}

/// The boundary that a content type names.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let parameters = content_type.split(';').skip(1);
    let mut named = parameters.filter_map(|parameter| parameter.trim().split_once('='));
    named.find(|(name, _)| name.eq_ignore_ascii_case("boundary")).map(|(_, value)| value.trim_matches('"'))
}

/// The bodies of the parts.
pub(super) fn read(body: &Bytes, boundary: &str) -> Result<Vec<Bytes>> {
    let delimiter = format!("\r\n--{boundary}");
    let delimiter = delimiter.as_bytes();
    // The first delimiter may stand at the very beginning, without the line end before it.
    let first = delimiter.get(2..).unwrap_or_default();
    let mut at = find(body, first).context("the first boundary is missing")? + first.len();
    let mut parts = Vec::new();
    loop {
        let rest = body.get(at..).unwrap_or_default();
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        let start = at + find(rest, b"\r\n\r\n").context("a part's header does not end")? + 4;
        let content = body.get(start..).unwrap_or_default();
        let end = start + find(content, delimiter).context("the last boundary is missing")?;
        parts.push(body.slice(start..end));
        at = end + delimiter.len();
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let files =
            [Bytes::from_static(b"one\r\n--x"), Bytes::from_static(b""), Bytes::from_static(b"\r\n\r\n")];
        let body = write("frontier", files.iter());
        assert_eq!(read(&body, "frontier").unwrap(), files);
        assert!(read(&body.slice(..body.len() - 14), "frontier").is_err());
        assert_eq!(boundary("multipart/related; type=\"a/b\"; Boundary=\"x y\""), Some("x y"));
        assert_eq!(boundary("application/json"), None);
    }
}
