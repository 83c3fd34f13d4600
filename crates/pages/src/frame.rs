//! What every page is drawn with.

use jiff::Timestamp;

use crate::{
    catalogue::Texts,
    message::{Message, Rich},
    style,
};

/// What the layout needs, and a page's way to its texts.
#[derive(Debug)]
pub struct Frame {
    /// The page's language.
    pub texts: Texts,
    /// The style sheet; the policy names its hash.
    pub style: &'static str,
    /// Proves that a form comes from our own page.
    pub csrf: String,
    /// What was wrong with the last step, in the page's language.
    pub error: Option<String>,
    /// For the administrator, beside an error.
    pub correlation: String,
}

impl Frame {
    /// A frame without an error. `csrf` is empty where there is no form of ours.
    pub fn new(texts: Texts, csrf: String, correlation: String) -> Self {
        Self { texts, style: style::SHEET, csrf, error: None, correlation }
    }

    /// A text, escaped where it is shown.
    pub fn text<'a>(&self, id: &'a str) -> Message<'a> {
        self.texts.text(id)
    }

    /// A text with markup in it; what is put in is escaped.
    pub fn rich<'a>(&self, id: &'a str) -> Rich<'a> {
        self.texts.rich(id)
    }
}

/// A moment for people and machines alike: `2026-01-31 12:34:56 UTC`.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
