//! Configuration values that hold secrets: readable for the program, masked wherever they are printed.

use std::{fmt, sync::Arc};

use hilum_kernel::Secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is a secret as a whole. Prints as `[secret]`.
#[derive(Clone)]
pub struct MaskedText(Arc<Secret<String>>);

impl MaskedText {
    /// Takes charge of the text.
    pub fn new(text: String) -> Self {
        Self(Arc::new(Secret::new(text)))
    }

    /// The plain text.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for MaskedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Serialize for MaskedText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("[secret]")
    }
}

impl<'de> Deserialize<'de> for MaskedText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// A URL that may hold a password or a signature. Prints without password, query and fragment.
#[derive(Clone)]
pub struct MaskedUrl(Arc<Secret<String>>);

impl MaskedUrl {
    /// Takes charge of the URL as it was written.
    pub fn new(text: String) -> Self {
        Self(Arc::new(Secret::new(text)))
    }

    /// The URL with all that is in it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    fn masked(&self) -> String {
        let Ok(mut url) = url::Url::parse(self.expose()) else { return "[not a URL]".to_owned() };
        if url.password().is_some() && url.set_password(Some("[secret]")).is_err() {
            return "[secret]".to_owned();
        }
        if url.query().is_some() {
            url.set_query(Some("[secret]"));
        }
        url.set_fragment(None);
        // The brackets need no escaping for people.
        url.to_string().replace("%5Bsecret%5D", "[secret]")
    }
}

impl fmt::Debug for MaskedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Serialize for MaskedUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.masked())
    }
}

impl<'de> Deserialize<'de> for MaskedUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}
