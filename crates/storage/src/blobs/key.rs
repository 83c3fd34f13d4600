//! Names of blobs, checked once.

use std::{fmt, str::FromStr};

use jiff::{Timestamp, tz::Offset};
use uuid::Uuid;

use super::BlobError;
use crate::db::Value;

/// The longest key; S3 and Azure allow 1,024 bytes, the folder or prefix in front needs its share.
const KEY_BYTES_MAX: usize = 512;
/// The longest segment: a file name on ext4 and XFS may have 255 bytes.
const SEGMENT_BYTES_MAX: usize = 255;
/// What the keys of all DICOM instances begin with; the sweep looks nowhere else.
pub(super) const INSTANCES: &str = "dicom";

/// The name of a blob: segments of `A-Z a-z 0-9 . _ -`, separated by `/`. Never used twice.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey(Box<str>);

impl BlobKey {
    /// The key of a DICOM instance stored now: `dicom/{YYYYMMDD}/{HHMM}/{uuid}.dcm`, in UTC.
    ///
    /// Folders by time keep what is stored together in one place, stay below some 100,000 files each, and let
    /// the sweep go by age.
    pub fn instance(now: Timestamp, id: Uuid) -> Self {
        let t = Offset::UTC.to_datetime(now);
        let (year, month, day) = (t.year(), t.month(), t.day());
        let (hour, minute) = (t.hour(), t.minute());
        Self(
            format!(
                "{INSTANCES}/{year:04}{month:02}{day:02}/{hour:02}{minute:02}/{}.dcm",
                id.as_hyphenated()
            )
            .into(),
        )
    }

    /// Checks a key that comes from outside: a database row, a listing.
    pub fn parse(text: &str) -> Result<Self, BlobError> {
        if text.is_empty() || text.len() > KEY_BYTES_MAX {
            return Err(BlobError::InvalidKey("it must have 1 to 512 characters"));
        }
        for segment in text.split('/') {
            if segment.is_empty() || segment.len() > SEGMENT_BYTES_MAX {
                return Err(BlobError::InvalidKey("each segment must have 1 to 255 characters"));
            }
            // Also forbids `..`, and files that tools hide.
            if segment.starts_with('.') {
                return Err(BlobError::InvalidKey("no segment may start with a dot"));
            }
            if !segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
                return Err(BlobError::InvalidKey(
                    "only letters, digits, dots, dashes and underscores are allowed",
                ));
            }
        }
        Ok(Self(text.into()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BlobKey {
    type Err = BlobError;

    fn from_str(text: &str) -> Result<Self, BlobError> {
        Self::parse(text)
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobKey({})", self.0)
    }
}

impl From<&BlobKey> for Value {
    fn from(key: &BlobKey) -> Self {
        Self::Text(Some(key.as_str().to_owned()))
    }
}
