//! Values of options in the forms that `az` takes: `@file`, inline JSON, three-state flags, dates.

use std::path::Path;

use jiff::{Timestamp, civil, tz::TimeZone};
use serde_json::{Map, Value};

use super::Failure;

/// The largest file that an option may name.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The text itself, or the content of the file after `@`.
pub(crate) fn text_or_file(text: &str) -> Result<String, Failure> {
    match text.strip_prefix('@') {
        Some(file) => read_file(Path::new(file)),
        None => Ok(text.to_owned()),
    }
}

/// The same, where the file need not be text.
pub(crate) fn bytes_or_file(text: &str) -> Result<Vec<u8>, Failure> {
    match text.strip_prefix('@') {
        Some(file) => read_bytes(Path::new(file)),
        None => Ok(text.as_bytes().to_vec()),
    }
}

pub(crate) fn read_file(file: &Path) -> Result<String, Failure> {
    String::from_utf8(read_bytes(file)?).map_err(|_| Failure::Error(format!("{} is no text", file.display())))
}

fn read_bytes(file: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| Failure::Error(format!("cannot read {}: {error}", file.display()));
    let length = std::fs::metadata(file).map_err(failed)?.len();
    if length > FILE_BYTES_MAX {
        return Err(Failure::Error(format!("{} is larger than 1 MiB", file.display())));
    }
    std::fs::read(file).map_err(failed)
}

/// JSON, inline or from the file after `@`.
pub(crate) fn json(option: &str, text: &str) -> Result<Value, Failure> {
    serde_json::from_str(&text_or_file(text)?)
        .map_err(|error| Failure::Usage(format!("{option} is no JSON: {error}")))
}

/// `2026-01-31`, `2026-01-31T12:00:00Z`, or with an offset.
pub(crate) fn date(option: &str, text: &str) -> Result<Timestamp, Failure> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let local = text.parse::<civil::DateTime>().or_else(|_| text.parse::<civil::Date>().map(Into::into));
    local.and_then(|time: civil::DateTime| time.to_zoned(TimeZone::UTC)).map(|time| time.timestamp()).map_err(
        |_| Failure::Usage(format!("{option} must be a date like 2027-01-31 or 2027-01-31T12:00:00Z")),
    )
}

/// Puts a value at a dotted path, making the objects on the way.
pub(crate) fn put(tree: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            tree.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let entry = tree.entry(first.to_owned()).or_insert_with(|| Value::Object(Map::new()));
            if !entry.is_object() {
                *entry = Value::Object(Map::new());
            }
            if let Value::Object(members) = entry {
                put(members, rest, value);
            }
        }
    }
}

/// A value of `--set`: JSON where it is some, else text.
pub(crate) fn loose(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_taken_in_the_usual_forms() {
        for text in ["2027-01-31", "2027-01-31T00:00:00", "2027-01-31T00:00:00Z", "2027-01-31T01:00:00+01:00"]
        {
            assert_eq!(date("--end-date", text).unwrap().to_string(), "2027-01-31T00:00:00Z", "{text}");
        }
        assert!(date("--end-date", "tomorrow").is_err());
    }

    #[test]
    fn paths_make_objects() {
        let mut tree = Map::new();
        put(&mut tree, "web.homePageUrl", loose("https://x"));
        put(&mut tree, "web.n", loose("3"));
        put(&mut tree, "tags", loose("[\"a\"]"));
        assert_eq!(
            Value::Object(tree),
            serde_json::json!({"web": {"homePageUrl": "https://x", "n": 3}, "tags": ["a"]})
        );
    }
}
