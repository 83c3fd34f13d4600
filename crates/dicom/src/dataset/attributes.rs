//! Typed access to a dataset's values: decoded by its character set, without padding.

use std::borrow::Cow;

use dicom_core::{Tag, VR};

use super::{
    fold,
    tree::{Dataset, Element, Value},
    vr,
};

impl<'a> Dataset<'a> {
    /// The element's text with its padding; empty for values that are no text.
    pub fn decoded(&self, element: &Element) -> Cow<'a, str> {
        match element.value {
            Value::Bytes(span) if vr::is_text(element.vr) => {
                self.character_set.decode(element.vr, self.span(span))
            }
            _ => Cow::Borrowed(""),
        }
    }

    /// The whole text, several values still joined by backslashes. `None` when absent; an empty value is `""`.
    pub fn text(&self, tag: Tag) -> Option<Cow<'a, str>> {
        let element = self.get(tag)?;
        Some(map(self.decoded(element), trimmed))
    }

    /// The first value's text. `None` when absent; an empty value is `""`.
    pub fn first_text(&self, tag: Tag) -> Option<Cow<'a, str>> {
        let element = self.get(tag)?;
        let single = vr::is_single_text(element.vr);
        Some(map(self.decoded(element), |text| {
            trimmed(if single { text } else { text.split('\\').next().unwrap_or_default() })
        }))
    }

    /// Each value's text; nothing when absent or empty.
    pub fn texts(&self, tag: Tag) -> Vec<String> {
        let Some(element) = self.get(tag) else { return Vec::new() };
        let text = self.decoded(element);
        let text = trimmed(&text);
        if text.is_empty() {
            return Vec::new();
        }
        if vr::is_single_text(element.vr) {
            return vec![text.to_owned()];
        }
        text.split('\\').map(|value| trimmed(value).to_owned()).collect()
    }

    /// How many values the attribute has; 0 when absent or empty.
    pub fn multiplicity(&self, tag: Tag) -> usize {
        let Some(element) = self.get(tag) else { return 0 };
        match &element.value {
            Value::Sequence(items) => items.len(),
            Value::Bulk(bulk) => usize::from(bulk.length > 0),
            Value::Bytes(span) => match vr::word_bytes(element.vr) {
                Some(2) if element.vr == VR::AT => self.span(*span).len() / 4,
                Some(width) => self.span(*span).len() / width,
                None => self.texts(tag).len(),
            },
        }
    }

    /// The first value as an integer, from IS or any integer VR.
    pub fn integer(&self, tag: Tag) -> Option<i64> {
        let element = self.get(tag)?;
        let bytes = self.bytes(element);
        match element.vr {
            VR::US => bytes.first_chunk().map(|&b| i64::from(u16::from_le_bytes(b))),
            VR::SS => bytes.first_chunk().map(|&b| i64::from(i16::from_le_bytes(b))),
            VR::UL => bytes.first_chunk().map(|&b| i64::from(u32::from_le_bytes(b))),
            VR::SL => bytes.first_chunk().map(|&b| i64::from(i32::from_le_bytes(b))),
            VR::SV => bytes.first_chunk().map(|&b| i64::from_le_bytes(b)),
            VR::UV => bytes.first_chunk().and_then(|&b| i64::try_from(u64::from_le_bytes(b)).ok()),
            VR::IS | VR::DS => self.first_text(tag)?.parse().ok(),
            _ => None,
        }
    }

    /// The first value as a number, from FL, FD, DS or what [`Self::integer`] reads.
    pub fn number(&self, tag: Tag) -> Option<f64> {
        let element = self.get(tag)?;
        let bytes = self.bytes(element);
        match element.vr {
            VR::FL => bytes.first_chunk().map(|&b| f64::from(f32::from_le_bytes(b))),
            VR::FD => bytes.first_chunk().map(|&b| f64::from_le_bytes(b)),
            VR::IS | VR::DS => self.first_text(tag)?.parse().ok().filter(|n: &f64| n.is_finite()),
            #[expect(clippy::cast_precision_loss, reason = "a search by number compares doubles")]
            _ => self.integer(tag).map(|n| n as f64),
        }
    }
}

/// The words of a person name for fuzzy matching, folded; each word once. Also for a query's text.
pub fn name_words(name: &str) -> Vec<String> {
    fold::words(name)
}

/// Text without its padding: spaces on both sides, NUL at the end (PS3.5 §6.2).
pub fn trimmed(text: &str) -> &str {
    text.trim_end_matches([' ', '\0']).trim_start_matches(' ')
}

fn map(text: Cow<'_, str>, f: impl Fn(&str) -> &str) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(f(text)),
        Cow::Owned(text) => Cow::Owned(f(&text).to_owned()),
    }
}
