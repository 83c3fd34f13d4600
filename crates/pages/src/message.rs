//! One text with what is put into it, turned into words when it is shown.

use std::fmt;

use askama::filters::{Escaper as _, Html, HtmlSafe};
use fluent_bundle::{FluentArgs, FluentValue};

use crate::catalogue::Texts;

/// A text as plain text. In a template askama escapes it.
#[derive(Debug)]
pub struct Message<'a> {
    texts: Texts,
    id: &'a str,
    attribute: Option<&'a str>,
    arguments: FluentArgs<'static>,
}

/// A text with markup in it. What was put in is escaped, the text itself is ours.
#[derive(Debug)]
pub struct Rich<'a>(Message<'a>);

/// What can be put into a text.
pub trait Argument {
    /// The value as Fluent takes it; numbers choose plural forms.
    fn value(&self) -> FluentValue<'static>;
}

impl Argument for str {
    /// Without the marks that turn the direction of what follows: a name could rewrite the sentence around it.
    fn value(&self) -> FluentValue<'static> {
        let turns = |c: &char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        FluentValue::from(self.chars().filter(|c| !turns(c)).collect::<String>())
    }
}

impl Argument for String {
    fn value(&self) -> FluentValue<'static> {
        self.as_str().value()
    }
}

impl Argument for i64 {
    fn value(&self) -> FluentValue<'static> {
        FluentValue::from(*self)
    }
}

impl Argument for u64 {
    fn value(&self) -> FluentValue<'static> {
        FluentValue::from(*self)
    }
}

impl Argument for u32 {
    fn value(&self) -> FluentValue<'static> {
        FluentValue::from(*self)
    }
}

impl Argument for usize {
    fn value(&self) -> FluentValue<'static> {
        FluentValue::from(*self)
    }
}

/// Templates hand references on.
impl<T: Argument + ?Sized> Argument for &T {
    fn value(&self) -> FluentValue<'static> {
        (**self).value()
    }
}

/// A text within a text.
impl Argument for Message<'_> {
    fn value(&self) -> FluentValue<'static> {
        FluentValue::from(self.to_string())
    }
}

impl<'a> Message<'a> {
    pub(crate) fn new(texts: Texts, id: &'a str) -> Self {
        Self { texts, id, attribute: None, arguments: FluentArgs::new() }
    }

    /// The message's attribute instead of its value: a title, a hint beside a field.
    #[must_use]
    pub fn attribute(mut self, name: &'a str) -> Self {
        self.attribute = Some(name);
        self
    }

    /// Puts a value in place of `{ $name }`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Argument) -> Self {
        self.arguments.set(name, value.value());
        self
    }

    /// Whether any catalogue has it: for names that are made, as those of errors are by their number.
    pub fn exists(&self) -> bool {
        self.texts.bundles().any(|bundle| {
            let message = bundle.get_message(self.id);
            message.is_some_and(|message| match self.attribute {
                Some(name) => message.get_attribute(name).is_some(),
                None => message.value().is_some(),
            })
        })
    }
}

impl<'a> Rich<'a> {
    pub(crate) fn new(message: Message<'a>) -> Self {
        Self(message)
    }

    /// Puts a value, escaped, in place of `{ $name }`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Argument) -> Self {
        let value = match value.value() {
            FluentValue::String(text) => {
                let mut escaped = String::with_capacity(text.len());
                // A string takes all that is written to it.
                let _ = Html.write_escaped_str(&mut escaped, &text);
                FluentValue::from(escaped)
            }
            number => number,
        };
        self.0.arguments.set(name, value);
        self
    }
}

/// Escaped already.
impl HtmlSafe for Rich<'_> {}

impl fmt::Display for Rich<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for bundle in self.texts.bundles() {
            let Some(message) = bundle.get_message(self.id) else { continue };
            let pattern = match self.attribute {
                Some(name) => message.get_attribute(name).map(|attribute| attribute.value()),
                None => message.value(),
            };
            let Some(pattern) = pattern else { continue };
            let mut errors = Vec::new();
            let text = bundle.format_pattern(pattern, Some(&self.arguments), &mut errors);
            if !errors.is_empty() {
                tracing::warn!(text = self.id, ?errors, "a text does not fit what is put into it");
            }
            return f.write_str(&text);
        }
        tracing::warn!(text = self.id, "a text is missing");
        f.write_str(self.id)?;
        self.attribute.map_or(Ok(()), |name| write!(f, ".{name}"))
    }
}
