//! The DICOM JSON model (PS3.18 Annex F), written straight from the tree.
//!
//! Left out: group 0002, group lengths, and bulk values at every level. Trailing spaces are padding and
//! dropped; NUL is dropped from UI, where it is the padding, and from numbers, and kept elsewhere.

use std::io::Write as _;

use dicom_core::{Tag, VR};
use memchr::{memchr2, memchr3};

use super::tree::{Dataset, Element, Item, Value};
use super::vr;

/// The largest integer that every JSON reader keeps exactly (RFC 8259 §6).
const EXACT_INTEGER_MAX: u64 = 1 << 53;

/// The dataset as one JSON object. `omitted` are top-level tags to leave out.
pub fn to_json(dataset: &Dataset<'_>, omitted: &[Tag]) -> Vec<u8> {
    let mut out = Vec::with_capacity(dataset.elements().len() * 72 + 2);
    write_object(&mut out, dataset, omitted);
    out
}

/// Appends the dataset as one JSON object.
pub fn write_object(out: &mut Vec<u8>, dataset: &Dataset<'_>, omitted: &[Tag]) {
    out.push(b'{');
    let mut first = true;
    for element in dataset.elements() {
        let tag = element.tag;
        let is_left_out = matches!(element.value, Value::Bulk(_)) || tag.group() == 2 || tag.element() == 0;
        if is_left_out || omitted.contains(&tag) {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        out.push(b'"');
        hex(out, tag);
        out.extend_from_slice(b"\":{\"vr\":\"");
        out.extend_from_slice(element.vr.to_string().as_bytes());
        out.push(b'"');
        value(out, dataset, element);
        out.push(b'}');
    }
    out.push(b'}');
}

fn value(out: &mut Vec<u8>, dataset: &Dataset<'_>, element: &Element) {
    match &element.value {
        Value::Bulk(_) => {}
        Value::Sequence(items) => sequence(out, dataset, element, items),
        Value::Bytes(span) if span.is_empty() => {}
        Value::Bytes(span) if vr::is_text(element.vr) => {
            let text = dataset.character_set().decode(element.vr, dataset.span(*span));
            texts(out, element.vr, &text);
        }
        Value::Bytes(span) => numbers(out, element.vr, dataset.span(*span)),
    }
}

fn sequence(out: &mut Vec<u8>, dataset: &Dataset<'_>, element: &Element, items: &[Item]) {
    if items.is_empty() {
        return;
    }
    let mut list = List::open(out);
    for item in dataset.items(element) {
        write_object(list.next(), &item, &[]);
    }
    list.close();
}

fn texts(out: &mut Vec<u8>, vr: VR, text: &str) {
    let padding: &[char] = if matches!(vr, VR::UI | VR::DS | VR::IS) { &[' ', '\0'] } else { &[' '] };
    let text = text.trim_end_matches(padding);
    if text.is_empty() {
        return;
    }
    let mut list = List::open(out);
    if vr::is_single_text(vr) {
        string(list.next(), text);
        return list.close();
    }
    for one in text.split('\\') {
        let one = one.trim_end_matches(padding);
        let out = list.next();
        match vr {
            _ if one.is_empty() => out.extend_from_slice(b"null"),
            VR::PN => person_name(out, one),
            VR::DS => decimal(out, one.trim_start_matches(' ')),
            VR::IS => integer_string(out, one.trim_start_matches(' ')),
            _ => string(out, one),
        }
    }
    list.close();
}

/// PS3.18 §F.2.2: an object with the component groups that are not empty.
fn person_name(out: &mut Vec<u8>, name: &str) {
    let start = out.len();
    out.push(b'{');
    let labels = [&b"\"Alphabetic\":"[..], b"\"Ideographic\":", b"\"Phonetic\":"];
    for (label, group) in labels.into_iter().zip(name.split('=')) {
        let group = group.trim_end_matches(' ');
        if group.is_empty() {
            continue;
        }
        if out.last() != Some(&b'{') {
            out.push(b',');
        }
        out.extend_from_slice(label);
        string(out, group);
    }
    if out.last() == Some(&b'{') {
        out.truncate(start);
        out.extend_from_slice(b"null");
    } else {
        out.push(b'}');
    }
}

/// DS as a JSON number where its text can be one, else as a string.
fn decimal(out: &mut Vec<u8>, text: &str) {
    let Some(parts) = Decimal::parse(text) else { return string(out, text) };
    let might_overflow = !parts.exponent.is_empty() || text.len() > 300;
    if might_overflow && !text.parse::<f64>().is_ok_and(f64::is_finite) {
        return string(out, text);
    }
    parts.write(out);
}

/// IS as a JSON number where it is an integer that JSON readers keep exactly, else as a string.
fn integer_string(out: &mut Vec<u8>, text: &str) {
    match Decimal::parse(text) {
        Some(parts) if parts.is_integer() && text.len() <= 15 => parts.write(out),
        _ => string(out, text),
    }
}

/// The parts of a decimal string (PS3.5 §6.2, DS), which has more spellings than JSON's numbers.
struct Decimal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: &'a str,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, text.get(1..)?),
            b'+' => (false, text.get(1..)?),
            _ => (false, text),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, ""));
        if mantissa.len() < rest.len() {
            let bare = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if bare.is_empty() || !digits(bare) {
                return None;
            }
        }
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_number = digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
        is_number.then_some(Self { negative, whole, fraction, exponent })
    }

    fn is_integer(&self) -> bool {
        self.fraction.is_empty() && self.exponent.is_empty() && !self.whole.is_empty()
    }

    fn write(&self, out: &mut Vec<u8>) {
        if self.negative {
            out.push(b'-');
        }
        let whole = self.whole.trim_start_matches('0');
        out.extend_from_slice(if whole.is_empty() { b"0" } else { whole.as_bytes() });
        if !self.fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(self.fraction.as_bytes());
        }
        if !self.exponent.is_empty() {
            out.push(b'e');
            out.extend_from_slice(self.exponent.as_bytes());
        }
    }
}

fn numbers(out: &mut Vec<u8>, vr: VR, bytes: &[u8]) {
    let mut list = List::open(out);
    match vr {
        VR::AT => {
            for &[g0, g1, e0, e1] in bytes.as_chunks::<4>().0 {
                let out = list.next();
                out.push(b'"');
                hex(out, Tag(u16::from_le_bytes([g0, g1]), u16::from_le_bytes([e0, e1])));
                out.push(b'"');
            }
        }
        VR::US => bytes.as_chunks().0.iter().for_each(|&b| integer(list.next(), u16::from_le_bytes(b))),
        VR::SS => bytes.as_chunks().0.iter().for_each(|&b| integer(list.next(), i16::from_le_bytes(b))),
        VR::UL => bytes.as_chunks().0.iter().for_each(|&b| integer(list.next(), u32::from_le_bytes(b))),
        VR::SL => bytes.as_chunks().0.iter().for_each(|&b| integer(list.next(), i32::from_le_bytes(b))),
        VR::UV => bytes.as_chunks().0.iter().for_each(|&b| {
            let n = u64::from_le_bytes(b);
            exact_or_string(list.next(), n, n);
        }),
        VR::SV => bytes.as_chunks().0.iter().for_each(|&b| {
            let n = i64::from_le_bytes(b);
            exact_or_string(list.next(), n, n.unsigned_abs());
        }),
        VR::FL => bytes.as_chunks().0.iter().for_each(|&b| {
            let n = f32::from_le_bytes(b);
            float(list.next(), n, f64::from(n));
        }),
        VR::FD => bytes.as_chunks().0.iter().for_each(|&b| {
            let n = f64::from_le_bytes(b);
            float(list.next(), n, n);
        }),
        _ => {}
    }
    list.close();
}

fn integer(out: &mut Vec<u8>, n: impl std::fmt::Display) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{n}");
}

fn exact_or_string(out: &mut Vec<u8>, n: impl std::fmt::Display, magnitude: u64) {
    if magnitude <= EXACT_INTEGER_MAX {
        return integer(out, n);
    }
    out.push(b'"');
    integer(out, n);
    out.push(b'"');
}

/// The shortest text that reads back as the same value; what JSON has no number for is a string.
fn float(out: &mut Vec<u8>, n: impl std::fmt::Debug, wide: f64) {
    if wide.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else if wide.is_infinite() {
        out.extend_from_slice(if wide > 0.0 { b"\"inf\"" } else { b"\"-inf\"" });
    } else {
        let _ = write!(out, "{n:?}");
    }
}

fn hex(out: &mut Vec<u8>, tag: Tag) {
    const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
    for part in [tag.group(), tag.element()] {
        for shift in [12, 8, 4, 0] {
            out.push(DIGITS.get(usize::from(part >> shift & 0xF)).copied().unwrap_or(b'0'));
        }
    }
}

/// RFC 8259 §7.
fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((&byte, tail)) = tail.split_first() else { break };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
        rest = tail;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// A `Value` array; taken back if nothing came into it.
struct List<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    empty: bool,
}

impl<'a> List<'a> {
    fn open(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend_from_slice(b",\"Value\":[");
        Self { out, start, empty: true }
    }

    fn next(&mut self) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        self.out
    }

    fn close(self) {
        if self.empty {
            self.out.truncate(self.start);
        } else {
            self.out.push(b']');
        }
    }
}

/// One attribute of a JSON object made by [`to_json`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// The attribute's tag.
    pub tag: Tag,
    /// The whole member: `"00100020":{"vr":"LO","Value":["1"]}`.
    pub json: &'a [u8],
}

impl<'a> Member<'a> {
    /// The value only: `{"vr":"LO","Value":["1"]}`.
    pub fn value(&self) -> &'a [u8] {
        self.json.get(KEY_BYTES..).unwrap_or_default()
    }
}

/// `"GGGGEEEE":`
const KEY_BYTES: usize = 11;

/// Takes an object made by [`to_json`] apart, in tag order, without parsing the values.
///
/// Other JSON is not understood: the iterator ends where the form is not ours.
pub fn members(object: &[u8]) -> Members<'_> {
    Members { rest: object.strip_prefix(b"{").unwrap_or_default() }
}

/// See [`members`].
#[derive(Debug, Clone)]
pub struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let member = self.rest.strip_prefix(b",").unwrap_or(self.rest);
        let (key, value) = member.split_at_checked(KEY_BYTES)?;
        let digits = key.strip_prefix(b"\"")?.strip_suffix(b"\":")?;
        let digits = str::from_utf8(digits).ok()?;
        let number = |digits: Option<&str>| u16::from_str_radix(digits?, 16).ok();
        let tag = Tag(number(digits.get(..4))?, number(digits.get(4..))?);
        let len = KEY_BYTES + object_len(value)?;
        let (json, rest) = member.split_at_checked(len)?;
        self.rest = rest;
        Some(Member { tag, json })
    }
}

/// The length of the JSON object that the text starts with.
fn object_len(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'{') {
        return None;
    }
    let (mut at, mut depth) = (0_usize, 0_usize);
    loop {
        at += memchr3(b'{', b'}', b'"', text.get(at..)?)?;
        match text.get(at) {
            Some(b'{') => depth += 1,
            Some(b'}') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => at = string_end(text, at + 1)?,
        }
        at += 1;
    }
}

/// The closing quote of the string whose text starts at `at`.
fn string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}
