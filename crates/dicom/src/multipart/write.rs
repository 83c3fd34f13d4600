//! Puts a multipart/related body together: heads to send before each part, and the closing delimiter.

use bytes::Bytes;
use hilum_kernel::Random;

/// Writes the delimiters of one body.
#[derive(Debug, Clone)]
pub struct Writer {
    boundary: String,
    is_first: bool,
}

impl Writer {
    /// Chooses a boundary that no part can contain but by guessing 122 random bits.
    pub fn new(random: &dyn Random) -> Self {
        Self { boundary: random.uuid().hyphenated().to_string(), is_first: true }
    }

    /// The response's Content-Type; `media_type` is that of the parts (RFC 2387 §3.1).
    pub fn content_type(&self, media_type: &str) -> String {
        format!("multipart/related; type=\"{media_type}\"; boundary=\"{}\"", self.boundary)
    }

    /// What to send before a part's bytes. Control characters in values are dropped.
    pub fn head(&mut self, headers: &[(&str, &str)]) -> Bytes {
        let mut head = String::with_capacity(160);
        if !self.is_first {
            head.push_str("\r\n");
        }
        self.is_first = false;
        head.push_str("--");
        head.push_str(&self.boundary);
        head.push_str("\r\n");
        for (name, value) in headers {
            head.push_str(name);
            head.push_str(": ");
            head.extend(value.chars().filter(|c| !c.is_control()));
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        Bytes::from(head)
    }

    /// What to send after the last part.
    pub fn close(self) -> Bytes {
        let line_end = if self.is_first { "" } else { "\r\n" };
        Bytes::from(format!("{line_end}--{}--\r\n", self.boundary))
    }
}
