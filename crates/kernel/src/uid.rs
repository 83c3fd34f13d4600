//! DICOM unique identifiers (PS3.5 §9.1), checked once at the edge.

use std::fmt;

use thiserror::Error;

/// The longest UID the standard allows (PS3.5 §9.1).
pub(crate) const UID_CHARS_MAX: usize = 64;

/// Why a text is no UID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidUid {
    /// Nothing but padding.
    #[error("the UID is empty")]
    Empty,
    /// More than 64 characters.
    #[error("the UID is longer than 64 characters")]
    TooLong,
    /// A character other than `0-9` and `.`.
    #[error("the UID has a character other than digits and dots")]
    Character,
    /// The last character is a dot.
    #[error("the UID does not end in a digit")]
    LastCharacter,
}

/// A DICOM UID: 1 to 64 characters of `0-9` and `.`, the last one a digit.
///
/// Leading zeros in a component are let through although PS3.5 §9.1 forbids them: files with such UIDs
/// exist and the Azure service takes them. [`Uid::is_conformant`] tells.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(Box<str>);

impl Uid {
    /// Reads a UID from a URL or a query. Trailing spaces are padding and dropped.
    pub fn parse(text: &str) -> Result<Self, InvalidUid> {
        Self::checked(text.trim_end_matches(' '))
    }

    /// Reads a UID from a dataset's value, where NUL is the padding (PS3.5 §9.1) and space a common mistake.
    pub fn from_padded(text: &str) -> Result<Self, InvalidUid> {
        Self::checked(text.trim_end_matches(['\0', ' ']))
    }

    fn checked(text: &str) -> Result<Self, InvalidUid> {
        if text.is_empty() {
            return Err(InvalidUid::Empty);
        }
        if text.len() > UID_CHARS_MAX {
            return Err(InvalidUid::TooLong);
        }
        if !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(InvalidUid::Character);
        }
        if text.ends_with('.') {
            return Err(InvalidUid::LastCharacter);
        }
        Ok(Self(text.into()))
    }

    /// The UID as text, without padding.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether each component is free of leading zeros and not empty (PS3.5 §9.1).
    pub fn is_conformant(&self) -> bool {
        self.0.split('.').all(|part| !part.is_empty() && (part == "0" || !part.starts_with('0')))
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uid({})", self.0)
    }
}

macro_rules! uid {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uid);

        impl $name {
            /// Says which kind of object the UID names.
            pub const fn new(uid: Uid) -> Self {
                Self(uid)
            }

            /// Reads it from a URL: see [`Uid::parse`].
            pub fn parse(text: &str) -> Result<Self, InvalidUid> {
                Uid::parse(text).map(Self)
            }

            /// The UID as text, without padding.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

uid! {
    /// Study Instance UID (0020,000D).
    StudyUid;
    /// Series Instance UID (0020,000E).
    SeriesUid;
    /// SOP Instance UID (0008,0018).
    InstanceUid;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_of_ps3_5_9_1_with_its_leniencies() {
        assert_eq!(Uid::parse("1.2.840.10008.1.2").unwrap().as_str(), "1.2.840.10008.1.2");
        assert_eq!(Uid::parse("1.2  ").unwrap().as_str(), "1.2");
        assert_eq!(Uid::from_padded("1.2\0").unwrap().as_str(), "1.2");
        assert_eq!(Uid::parse(""), Err(InvalidUid::Empty));
        assert_eq!(Uid::parse(&"1".repeat(65)), Err(InvalidUid::TooLong));
        assert_eq!(Uid::parse("1.2a"), Err(InvalidUid::Character));
        assert_eq!(Uid::parse("1.2\0"), Err(InvalidUid::Character));
        assert_eq!(Uid::parse("1.2."), Err(InvalidUid::LastCharacter));
        assert!(!Uid::parse("1.02").unwrap().is_conformant());
        assert!(Uid::parse("1.0.2").unwrap().is_conformant());
    }
}
