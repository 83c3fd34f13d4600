//! What all pages for people share, whoever draws them: the layout, the one style sheet, the policies that go out with a
//! page, cookies, and every text in every language.
//!
//! Pages are plain HTML that needs no script and is readable by screen readers (WCAG 2.2 AA). A crate that draws pages has
//! askama templates of its own and an `askama.toml` that names this crate's `templates/`, too.
//!
//! # A page
//!
//! ```text
//! {% extends "layout.html" %}                          {# the frame: head, style, what went wrong #}
//! {% block title %}{{ frame.text("sign-in-title") }}{% endblock %}
//! {% block heading %}{{ frame.text("sign-in-title") }}{% endblock %}
//! {% block content %}
//! <p>{{ frame.rich("sign-in-to").with("application", application) }}</p>
//! {% endblock %}
//! ```
//!
//! The struct behind it has a field `frame: Frame`; identity's `Visit` makes one ([`Frame::new`]) and shows the page
//! ([`show`]), so that language, policy and headers are right.
//!
//! # A text
//!
//! Every text that a person reads stands in `messages/en/*.ftl` (Project Fluent) and is called by its name:
//!
//! * [`Frame::text`] and [`Texts::text`]: plain text, which askama escapes. Arguments by [`Message::with`], which takes
//!   texts and numbers; plural forms are the catalogue's (`{ $minutes -> [one] … *[other] … }`).
//! * [`Frame::rich`]: a text with `<strong>` or `<small>` in it. What is put in by [`Rich::with`] is escaped.
//!
//! Names begin with the file's (`sign-in-…`, `device-…`); each is used whole, as a literal, followed by its arguments at
//! once, so that `tests/messages.rs` finds it: that test fails on a text that is missing, is there and unused, or whose arguments
//! do not fit. A sentence is one message, never glued from parts: other languages order it otherwise.
//!
//! Texts on the wire (`error_description`) are no texts for people; they stay in English beside their codes.

pub mod cookies;

mod answer;
mod catalogue;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod frame;
mod language;
mod message;
mod style;

pub use answer::{Leads, Policy, show};
pub use catalogue::Texts;
pub use frame::{Frame, moment};
pub use message::{Argument, Message, Rich};
