//! Media types in Accept and Content-Type (RFC 9110 §8.3, §12.5.1) and what a retrieval may answer with
//! (PS3.18 §8.7, Azure: DICOM conformance statement, retrieve).
//!
//! Accept elements that do not parse are passed over, as ASP.NET does; too long ones too.

use std::borrow::Cow;

use thiserror::Error;

/// Instances as Part 10 files (PS3.18 §8.7.2).
pub const DICOM: &str = "application/dicom";
/// Metadata and store responses (PS3.18 Annex F).
pub const DICOM_JSON: &str = "application/dicom+json";
/// Uncompressed frames.
pub const OCTET_STREAM: &str = "application/octet-stream";
/// JPEG 2000 frames.
pub const JPEG_2000: &str = "image/jp2";
/// Several parts (RFC 2387).
pub const MULTIPART_RELATED: &str = "multipart/related";

/// Explicit VR little endian.
pub const EXPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";
/// JPEG 2000, lossless only.
pub const JPEG_2000_LOSSLESS: &str = "1.2.840.10008.1.2.4.90";

/// Longer than any real header; a browser's Accept has about 150 bytes.
const HEADER_BYTES_MAX: usize = 8 * 1024;
/// Elements of all Accept headers of one request that are looked at.
const ACCEPTS_MAX: usize = 64;
/// Parameters of one media type.
const PARAMETERS_MAX: usize = 32;

/// A media type, or a range such as `*/*`, with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    essence: String,
    parameters: Vec<(String, String)>,
}

/// The text is no media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("malformed media type")]
pub struct Malformed;

impl MediaType {
    /// Reads a Content-Type value.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.len() > HEADER_BYTES_MAX {
            return Err(Malformed);
        }
        let mut pieces = split(text, b';');
        let essence = pieces.next().unwrap_or_default().trim().to_ascii_lowercase();
        let Some((kind, subtype)) = essence.split_once('/') else { return Err(Malformed) };
        if !is_token(kind) || !is_token(subtype) {
            return Err(Malformed);
        }
        let mut parameters = Vec::new();
        for piece in pieces.filter(|piece| !piece.trim().is_empty()) {
            let (name, value) = piece.split_once('=').ok_or(Malformed)?;
            let name = name.trim();
            if !is_token(name) || parameters.len() >= PARAMETERS_MAX {
                return Err(Malformed);
            }
            let value = unquoted(value.trim()).ok_or(Malformed)?;
            parameters.push((name.to_ascii_lowercase(), value.into_owned()));
        }
        Ok(Self { essence, parameters })
    }

    /// `type/subtype` in lower case.
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// The first parameter of the name (in lower case), without quotes.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// One element of an Accept header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// The media range.
    pub range: MediaType,
    /// The quality in thousandths.
    pub quality: u16,
}

/// Reads the values of all Accept headers, in order, without those of quality 0.
pub fn accepts<'a>(headers: impl IntoIterator<Item = &'a str>) -> Vec<Accept> {
    headers
        .into_iter()
        .filter(|header| header.len() <= HEADER_BYTES_MAX)
        .flat_map(|header| split(header, b','))
        .take(ACCEPTS_MAX)
        .filter_map(accept)
        .filter(|accept| accept.quality > 0)
        .collect()
}

fn accept(text: &str) -> Option<Accept> {
    let range = MediaType::parse(text.trim()).ok()?;
    let quality = match range.parameter("q") {
        Some(text) => quality(text)?,
        None => 1000,
    };
    Some(Accept { range, quality })
}

/// RFC 9110 §12.4.2: up to three decimals.
fn quality(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// Whether the client takes `application/dicom+json`; without an Accept header it does not.
pub fn admits_dicom_json(accepts: &[Accept]) -> bool {
    let is_admitted =
        |accept: &Accept| matches!(accept.range.essence(), DICOM_JSON | "application/*" | "*/*");
    accepts.iter().any(is_admitted)
}

/// What is retrieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// All instances of a study.
    Study,
    /// All instances of a series.
    Series,
    /// One instance.
    Instance,
    /// Frames of one instance.
    Frames,
}

/// How the parts of an answer are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The answer's body is the one thing asked for.
    SinglePart,
    /// multipart/related.
    Multipart,
}

/// The transfer syntax of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// `transfer-syntax=*`: byte for byte.
    AsStored,
    /// The transfer syntax of this UID.
    Uid(&'static str),
}

/// What an answer will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selected {
    /// One body or several parts.
    pub form: Form,
    /// The media type of the body or of each part.
    pub media_type: &'static str,
    /// The transfer syntax of the body or of each part.
    pub transfer_syntax: Wanted,
}

/// Nothing in Accept fits the resource: 406.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the request headers are not acceptable")]
pub struct NotAcceptable;

/// Chooses by quality, the first of equals; at equal quality an explicit `transfer-syntax=*` goes first.
pub fn select(accepts: &[Accept], resource: Resource) -> Result<Selected, NotAcceptable> {
    let mut ordered: Vec<&Accept> = accepts.iter().collect();
    ordered.sort_by_key(|accept| std::cmp::Reverse(accept.quality));
    let mut best: Option<(u16, Selected)> = None;
    for accept in ordered {
        let Some(candidate) = offer(&accept.range, resource) else { continue };
        match best {
            None => best = Some((accept.quality, candidate)),
            Some((quality, selected)) => {
                let asks_as_stored = accept.range.parameter("transfer-syntax") == Some("*");
                let is_better = asks_as_stored && selected.transfer_syntax != Wanted::AsStored;
                if is_better && accept.quality >= quality {
                    best = Some((accept.quality, candidate));
                }
            }
        }
    }
    best.map(|(_, selected)| selected).ok_or(NotAcceptable)
}

/// The answer that the resource has for a media range.
fn offer(range: &MediaType, resource: Resource) -> Option<Selected> {
    let (form, asked) = match range.essence() {
        MULTIPART_RELATED => (Form::Multipart, range.parameter("type")?.to_ascii_lowercase()),
        other => (Form::SinglePart, other.to_owned()),
    };
    let syntax = range.parameter("transfer-syntax");
    let (form, media_type, transfer_syntax) = match (resource, form, asked.as_str()) {
        (_, Form::SinglePart, "*/*") => {
            let media_type = if resource == Resource::Frames { OCTET_STREAM } else { DICOM };
            (Form::Multipart, media_type, wanted(syntax, Wanted::AsStored, &[Wanted::AsStored])?)
        }
        (Resource::Study | Resource::Series, Form::Multipart, DICOM) | (Resource::Instance, _, DICOM) => {
            let allowed =
                [Wanted::AsStored, Wanted::Uid(EXPLICIT_LITTLE_ENDIAN), Wanted::Uid(JPEG_2000_LOSSLESS)];
            (form, DICOM, wanted(syntax, Wanted::Uid(EXPLICIT_LITTLE_ENDIAN), &allowed)?)
        }
        (Resource::Frames, _, OCTET_STREAM) => {
            let allowed = [Wanted::AsStored, Wanted::Uid(EXPLICIT_LITTLE_ENDIAN)];
            (form, OCTET_STREAM, wanted(syntax, Wanted::Uid(EXPLICIT_LITTLE_ENDIAN), &allowed)?)
        }
        (Resource::Frames, Form::Multipart, JPEG_2000) => {
            let lossless = Wanted::Uid(JPEG_2000_LOSSLESS);
            (form, JPEG_2000, wanted(syntax, lossless, &[lossless])?)
        }
        _ => return None,
    };
    Some(Selected { form, media_type, transfer_syntax })
}

fn wanted(asked: Option<&str>, default: Wanted, allowed: &[Wanted]) -> Option<Wanted> {
    let Some(asked) = asked else { return Some(default) };
    allowed.iter().copied().find(|wanted| match wanted {
        Wanted::AsStored => asked == "*",
        Wanted::Uid(uid) => asked == *uid,
    })
}

/// Splits at a separator that does not stand within quotes.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (mut quoted, mut escaped) = (false, false);
        let end = text.bytes().position(|byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ => return byte == separator && !quoted,
            }
            false
        });
        let piece = end.map_or(text, |end| text.get(..end).unwrap_or_default());
        rest = end.and_then(|end| text.get(end + 1..));
        Some(piece)
    })
}

/// A quoted string's content, or the text itself. `type=application/dicom` without quotes is no token by
/// RFC 9110 §5.6.2, yet clients send it.
fn unquoted(text: &str) -> Option<Cow<'_, str>> {
    let Some(inner) = text.strip_prefix('"') else {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b','));
        return (is_plain && !text.is_empty()).then_some(Cow::Borrowed(text));
    };
    let inner = inner.strip_suffix('"')?;
    if !inner.contains(['\\', '"']) {
        return Some(Cow::Borrowed(inner));
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(chars.next()?),
            '"' => return None,
            c => out.push(c),
        }
    }
    Some(Cow::Owned(out))
}

fn is_token(text: &str) -> bool {
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(headers: &[&str], resource: Resource) -> Result<Selected, NotAcceptable> {
        select(&accepts(headers.iter().copied()), resource)
    }

    #[expect(clippy::unnecessary_wraps, reason = "what `chosen` is compared with")]
    fn multipart(media_type: &'static str, transfer_syntax: Wanted) -> Result<Selected, NotAcceptable> {
        Ok(Selected { form: Form::Multipart, media_type, transfer_syntax })
    }

    const LE: Wanted = Wanted::Uid(EXPLICIT_LITTLE_ENDIAN);
    const J2K: Wanted = Wanted::Uid(JPEG_2000_LOSSLESS);

    #[test]
    fn parameters_may_be_quoted_or_not() {
        for text in [
            r#"multipart/related; type="application/dicom"; boundary="a b;,\"c""#,
            "Multipart/Related;TYPE=application/dicom; boundary=\"a b;,\\\"c\";",
        ] {
            let parsed = MediaType::parse(text).unwrap();
            assert_eq!(parsed.essence(), "multipart/related");
            assert_eq!(parsed.parameter("type"), Some("application/dicom"));
            assert_eq!(parsed.parameter("boundary"), Some("a b;,\"c"));
        }
        for text in ["", "text", "text/", "/x", "a/b; c", "a/b; c=\"", "a/b; c=", "a b/c", "a/b; c=\"x\"y"] {
            assert_eq!(MediaType::parse(text), Err(Malformed), "{text}");
        }
        let many = format!("a/b{}", "; c=d".repeat(33));
        assert_eq!(MediaType::parse(&many), Err(Malformed));
    }

    #[test]
    fn qualities_order_and_zero_refuses() {
        let all = accepts(["a/b;q=0.5, c/d", "e/f;q=0, nonsense, g/h;q=2, i/j; q=1.000"]);
        let seen: Vec<_> = all.iter().map(|accept| (accept.range.essence(), accept.quality)).collect();
        assert_eq!(seen, [("a/b", 500), ("c/d", 1000), ("i/j", 1000)]);
        let flood = "a/b,".repeat(1000);
        assert!(accepts([flood.as_str()]).len() <= ACCEPTS_MAX);
    }

    #[test]
    fn json_is_admitted_by_name_and_by_range() {
        for header in ["application/dicom+json", "application/*", "text/html, */*;q=0.1"] {
            assert!(admits_dicom_json(&accepts([header])), "{header}");
        }
        for header in ["application/json", "*/*;q=0", "application/dicom", ""] {
            assert!(!admits_dicom_json(&accepts([header])), "{header}");
        }
        assert!(!admits_dicom_json(&[]));
    }

    #[test]
    fn the_table_of_study_and_series() {
        for resource in [Resource::Study, Resource::Series] {
            let multi = "multipart/related; type=\"application/dicom\"";
            assert_eq!(chosen(&[multi], resource), multipart(DICOM, LE));
            assert_eq!(
                chosen(&[&format!("{multi}; transfer-syntax=*")], resource),
                multipart(DICOM, Wanted::AsStored)
            );
            let jpeg = format!("{multi}; transfer-syntax=\"1.2.840.10008.1.2.4.90\"");
            assert_eq!(chosen(&[&jpeg], resource), multipart(DICOM, J2K));
            assert_eq!(chosen(&["*/*"], resource), multipart(DICOM, Wanted::AsStored));
            for refused in [
                "application/dicom",
                "multipart/related",
                "multipart/related; type=application/octet-stream",
                "multipart/related; type=application/dicom; transfer-syntax=1.2.840.10008.1.2.4.50",
                "application/*",
                "",
            ] {
                assert_eq!(chosen(&[refused], resource), Err(NotAcceptable), "{refused}");
            }
            assert_eq!(chosen(&[], resource), Err(NotAcceptable));
        }
    }

    #[test]
    fn the_table_of_instance_and_frames() {
        let single = |media_type, transfer_syntax| {
            Ok(Selected { form: Form::SinglePart, media_type, transfer_syntax })
        };
        assert_eq!(chosen(&["application/dicom"], Resource::Instance), single(DICOM, LE));
        let stored = "application/dicom; transfer-syntax=*";
        assert_eq!(chosen(&[stored], Resource::Instance), single(DICOM, Wanted::AsStored));
        assert_eq!(chosen(&["*/*"], Resource::Instance), multipart(DICOM, Wanted::AsStored));

        assert_eq!(chosen(&[OCTET_STREAM], Resource::Frames), single(OCTET_STREAM, LE));
        let many = "multipart/related; type=application/octet-stream; transfer-syntax=*";
        assert_eq!(chosen(&[many], Resource::Frames), multipart(OCTET_STREAM, Wanted::AsStored));
        let jpeg = "multipart/related; type=\"image/jp2\"";
        assert_eq!(chosen(&[jpeg], Resource::Frames), multipart(JPEG_2000, J2K));
        assert_eq!(chosen(&["*/*"], Resource::Frames), multipart(OCTET_STREAM, Wanted::AsStored));
        for refused in
            ["image/jp2", "multipart/related; type=image/jp2; transfer-syntax=*", "application/dicom"]
        {
            assert_eq!(chosen(&[refused], Resource::Frames), Err(NotAcceptable), "{refused}");
        }
    }

    #[test]
    fn the_best_quality_wins_and_as_stored_beats_its_equals() {
        let jpeg = "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.90";
        let get = |headers: &[&str]| chosen(headers, Resource::Instance).unwrap().transfer_syntax;
        assert_eq!(get(&[jpeg, "application/dicom"]), J2K);
        assert_eq!(get(&["text/html", &format!("{jpeg};q=0.3, application/dicom;q=0.4")]), LE);
        assert_eq!(get(&[jpeg, "application/dicom; transfer-syntax=*"]), Wanted::AsStored);
        assert_eq!(get(&[jpeg, "application/dicom; transfer-syntax=*; q=0.9"]), J2K);
        assert_eq!(get(&[jpeg, "*/*"]), J2K);
    }
}
