//! Query strings of the service's own resources, and the pieces that a search shares with them (fact sheet §2).

use std::ops::RangeInclusive;

use crate::error::DicomError;

/// The longest query string. What these resources take is far below. Beyond: 400.
const BYTES_MAX: usize = 8 * 1024;
/// The most parameters. Beyond: 400.
const PARAMETERS_MAX: usize = 64;

/// The parameters of a query string. Names have no case; those nobody asks for do no harm, as in the original.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Takes the query string apart.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, DicomError> {
        let query = query.unwrap_or_default();
        let parts: Vec<&str> =
            query.split('&').filter(|part| !part.is_empty()).take(PARAMETERS_MAX + 1).collect();
        if query.len() > BYTES_MAX || parts.len() > PARAMETERS_MAX {
            return Err(DicomError::Invalid("The query string is too long.".to_owned()));
        }
        let read = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            decoded(name).zip(decoded(value))
        };
        let parameters = parts.into_iter().map(read).collect::<Option<_>>();
        parameters
            .map(Self)
            .ok_or_else(|| DicomError::Invalid("The query string is not encoded as UTF-8.".to_owned()))
    }

    /// The value of a parameter that is given at most once. `name` is written as errors write it.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, DicomError> {
        let mut values = self.0.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        match values.next() {
            Some(_) => Err(invalid(name, "It is given more than once.")),
            None => Ok(value),
        }
    }

    /// A whole number within a range.
    pub(crate) fn integer(&self, name: &str, range: &RangeInclusive<i64>) -> Result<Option<i64>, DicomError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let digits = text.trim();
        let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(digits);
        if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(not_valid(name, text));
        }
        match digits.parse::<i64>() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (low, high) = (range.start(), range.end());
                Err(invalid(name, &format!("The field {name} must be between {low} and {high}.")))
            }
        }
    }

    /// `true` or `false` in any case.
    pub(crate) fn truth(&self, name: &str) -> Result<Option<bool>, DicomError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match text.trim() {
            word if word.eq_ignore_ascii_case("true") => Ok(Some(true)),
            word if word.eq_ignore_ascii_case("false") => Ok(Some(false)),
            _ => Err(not_valid(name, text)),
        }
    }
}

/// What is wrong with a parameter.
pub(crate) fn invalid(name: &str, detail: &str) -> DicomError {
    DicomError::Invalid(format!("The query parameter '{name}' is invalid. {detail}"))
}

/// A value that cannot be read at all.
pub(crate) fn not_valid(name: &str, value: &str) -> DicomError {
    invalid(name, &format!("The value '{}' is not valid for {name}.", shown(value)))
}

/// Undoes percent-encoding; `+` is a space, as in forms. A percent sign without two digits stands for itself. `None` where
/// the result is no UTF-8.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        rest = after;
        match (first, hex(0), hex(1)) {
            (b'+', ..) => bytes.push(b' '),
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                rest = after.get(2..).unwrap_or_default();
            }
            _ => bytes.push(first),
        }
    }
    String::from_utf8(bytes).ok()
}

/// A piece of the request for an error text: bounded, and without control characters.
pub(crate) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 64;
    let mut shown: String = text.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_case_and_values_are_decoded() {
        let parameters = Parameters::parse(Some("LIMIT=5&text=a%2Bb+c&&flag=TRUE&other")).unwrap();
        assert_eq!(parameters.integer("Limit", &(1..=10)).unwrap(), Some(5));
        assert_eq!(parameters.text("Text").unwrap(), Some("a+b c"));
        assert_eq!(parameters.truth("Flag").unwrap(), Some(true));
        assert_eq!(parameters.text("missing").unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let text = |query: &str| {
            let parameters = Parameters::parse(Some(query))?;
            parameters.integer("Limit", &(1..=10))?;
            parameters.truth("IncludeMetadata").map(drop)
        };
        for (query, wrong) in [
            ("limit=11", "The query parameter 'Limit' is invalid. The field Limit must be between 1 and 10."),
            (
                "limit=99999999999999999999",
                "The query parameter 'Limit' is invalid. The field Limit must be between 1 and 10.",
            ),
            ("limit=x", "The query parameter 'Limit' is invalid. The value 'x' is not valid for Limit."),
            ("limit=", "The query parameter 'Limit' is invalid. The value '' is not valid for Limit."),
            ("limit=1&Limit=2", "The query parameter 'Limit' is invalid. It is given more than once."),
            (
                "includemetadata=0",
                "The query parameter 'IncludeMetadata' is invalid. The value '0' is not valid for IncludeMetadata.",
            ),
            ("limit=%ff", "The query string is not encoded as UTF-8."),
        ] {
            assert_eq!(text(query).unwrap_err().to_string(), wrong);
        }
        assert!(Parameters::parse(Some(&"a&".repeat(65))).is_err());
    }
}
