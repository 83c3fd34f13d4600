//! Errors in words for people: the end of a sign-in that no step mends, and the page for each number that `error_uri` names
//! (RFC 6749 §4.1.2.1).
//!
//! What the words are stands in the catalogues, by the error's number.

mod http;

#[cfg(test)]
mod tests;

use hilum_pages::{Frame, Texts};

pub(crate) use http::{explain, failed};

/// What an error's number means, and what to do about it, by whom.
#[derive(Debug)]
struct Meaning {
    what: String,
    user: String,
    administrator: String,
}

impl Meaning {
    /// Nothing for numbers that are not in use.
    fn of(code: u32, texts: Texts) -> Option<Self> {
        let id = format!("error-{code}");
        let message = || texts.text(&id);
        if !message().exists() {
            return None;
        }
        let user = Some(message().attribute("user")).filter(hilum_pages::Message::exists);
        Some(Self {
            what: message().to_string(),
            user: user.unwrap_or_else(|| texts.text("failed-user")).to_string(),
            administrator: message().attribute("administrator").to_string(),
        })
    }
}

/// What went wrong, and what to do.
#[derive(Debug, askama::Template)]
#[template(path = "failure/failed.html")]
struct FailedPage {
    frame: Frame,
    meaning: Meaning,
    /// For administrators, in the words of the wire.
    details: String,
}

/// What a number means.
#[derive(Debug, askama::Template)]
#[template(path = "failure/code.html")]
struct CodePage {
    frame: Frame,
    code: String,
    meaning: Meaning,
}

/// A number that means nothing.
#[derive(Debug, askama::Template)]
#[template(path = "failure/unknown.html")]
struct UnknownPage {
    frame: Frame,
}
