//! Value rules per VR (PS3.5 §6.2), with the texts that the Azure service answers (Azure: store, v1 and v2).
//!
//! v1 looks at the first value of indexed attributes only, v2 at every value of every attribute. Empty
//! values pass: whether an attribute may be empty is for the caller to say.

mod v1;
mod v2;

use std::{borrow::Cow, fmt};

use dicom_core::{Tag, VR};

use super::{
    tree::{Dataset, Element, Value},
    vr,
};

/// Whose rules and texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// The archived server's minimum rules.
    V1,
    /// The DICOM library's rules that Azure uses since v2.
    V2,
}

/// Whether NUL at the end of text is padding or part of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NulPadding {
    /// It is part of the value, and mostly not allowed there. UI is always trimmed.
    Kept,
    /// It is dropped before the rules apply.
    Trimmed,
}

/// The first problem of an attribute. `Display` is the text that the service answers, without a prefix.
#[derive(Clone, PartialEq, Eq)]
pub struct Invalid {
    rules: Rules,
    tag: Tag,
    vr: VR,
    value: String,
    reason: Cow<'static, str>,
}

impl Invalid {
    /// The attribute, of the level at which it was looked at.
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// Why, without the value: fit for logs.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (vr, reason) = (self.vr.to_string(), &self.reason);
        match self.rules {
            Rules::V1 => {
                let tag = self.tag;
                write!(f, "Dicom element '")?;
                match vr::keyword(tag) {
                    Some(keyword) => f.write_str(keyword)?,
                    None => write!(f, "{:04x}{:04x}", tag.group(), tag.element())?,
                }
                write!(f, "' failed validation for VR '{vr}': {reason}")
            }
            Rules::V2 => write!(f, "Content \"{}\" does not validate VR {vr}: {reason}", self.value),
        }
    }
}

/// Values are about patients: `Debug` leaves them out.
impl fmt::Debug for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invalid({} {}: {})", self.tag, self.vr.to_string(), self.reason)
    }
}

/// Looks at one element, not at the items of a sequence.
pub fn element(
    dataset: &Dataset<'_>,
    element: &Element,
    rules: Rules,
    nul_padding: NulPadding,
) -> Result<(), Invalid> {
    let Value::Bytes(span) = element.value else { return Ok(()) };
    let &Element { tag, vr, .. } = element;
    let invalid = |value: &str, reason| Invalid { rules, tag, vr, value: value.to_owned(), reason };
    let bytes = dataset.span(span);
    if let Some(reason) = wrong_length(vr, bytes.len(), rules) {
        return Err(invalid("", reason));
    }
    if !vr::is_text(vr) {
        return Ok(());
    }
    let text = dataset.decoded(element);
    let trims_nul = vr == VR::UI || nul_padding == NulPadding::Trimmed;
    let text = if trims_nul { text.trim_end_matches([' ', '\0']) } else { text.trim_end_matches(' ') };
    if vr::is_single_text(vr) {
        return check(vr, text, rules).map_err(|reason| invalid(text, reason));
    }
    let values = text.split('\\').map(|value| value.trim_end_matches(' '));
    for value in values.take(if rules == Rules::V1 { 1 } else { usize::MAX }) {
        check(vr, value, rules).map_err(|reason| invalid(value, reason))?;
    }
    Ok(())
}

/// Looks at the first value of an attribute given as text, by the minimum rules.
pub fn check_text(tag: Tag, vr: VR, text: &str) -> Result<(), Invalid> {
    let invalid = |reason| Invalid { rules: Rules::V1, tag, vr, value: text.to_owned(), reason };
    check(vr, text, Rules::V1).map_err(invalid)
}

/// v2: the first problem of each top-level attribute, items of sequences included, in tag order.
///
/// `trims_nul` tells the attributes (indexed and required ones) whose NUL padding is dropped first. The
/// tag of a problem is always the top-level attribute's.
pub fn problems(dataset: &Dataset<'_>, trims_nul: impl Fn(Tag) -> bool) -> Vec<Invalid> {
    let first_problem = |element: &Element| {
        let padding = if trims_nul(element.tag) { NulPadding::Trimmed } else { NulPadding::Kept };
        deep(dataset, element, padding).err().map(|invalid| Invalid { tag: element.tag, ..invalid })
    };
    dataset.elements().iter().filter_map(first_problem).collect()
}

/// As deep as the reader lets sequences nest.
fn deep(dataset: &Dataset<'_>, at: &Element, nul_padding: NulPadding) -> Result<(), Invalid> {
    element(dataset, at, Rules::V2, nul_padding)?;
    for item in dataset.items(at) {
        for inner in item.elements() {
            deep(&item, inner, NulPadding::Kept)?;
        }
    }
    Ok(())
}

/// Binary values come in words.
fn wrong_length(vr: VR, len: usize, rules: Rules) -> Option<Cow<'static, str>> {
    let width = if vr == VR::AT { 4 } else { vr::word_bytes(vr)? };
    if len.is_multiple_of(width) {
        return None;
    }
    Some(match rules {
        Rules::V1 => format!("Value length is not {width}.").into(),
        Rules::V2 => format!("value length is no multiple of {width} bytes").into(),
    })
}

fn check(vr: VR, value: &str, rules: Rules) -> Result<(), Cow<'static, str>> {
    if value.is_empty() {
        return Ok(());
    }
    match rules {
        Rules::V1 => v1::check(vr, value),
        Rules::V2 => v2::check(vr, value).map_err(Cow::Borrowed),
    }
}

/// The length as the services count it: UTF-16 units.
fn length(value: &str) -> usize {
    if value.is_ascii() { value.len() } else { value.encode_utf16().count() }
}

fn all_digits(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number that two digits at a place make; `None` beyond the end.
fn two_digits(value: &str, at: usize) -> Option<u8> {
    value.get(at..at + 2)?.parse().ok()
}

fn is_control_but_esc(c: char) -> bool {
    c.is_control() && c != '\u{1b}'
}

fn is_code_string(value: &str) -> bool {
    value.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_' | b' '))
}

#[cfg(test)]
mod tests;
