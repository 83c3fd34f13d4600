//! Forms of the token endpoint: `application/x-www-form-urlencoded` and nothing else (RFC 6749 §3.2).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::error::OAuthError;

/// MSAL sends about fifteen fields, telemetry included.
const FIELDS_MAX: usize = 100;

/// The fields of a request, each at most once.
pub(crate) struct Form<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Form<'a> {
    /// Reads a body. Unknown fields are kept and ignored (RFC 6749 §3.2).
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, OAuthError> {
        let text = std::str::from_utf8(body).map_err(|_| OAuthError::Malformed("the form is not UTF-8"))?;
        let mut fields: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for pair in text.trim_end_matches(['\r', '\n']).split('&').filter(|pair| !pair.is_empty()) {
            if fields.len() == FIELDS_MAX {
                return Err(OAuthError::Malformed("there are too many parameters"));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            // RFC 6749 §3.2: parameters MUST NOT be included more than once.
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(OAuthError::Malformed("a parameter is included more than once"));
            }
            fields.push((name, value));
        }
        Ok(Self(fields))
    }

    /// A form that was never on the wire.
    pub(crate) fn of(fields: Vec<(&'a str, String)>) -> Self {
        Self(fields.into_iter().map(|(name, value)| (Cow::Borrowed(name), Cow::Owned(value))).collect())
    }

    /// The same without the text it was read from.
    pub(crate) fn into_owned(self) -> Form<'static> {
        let owned = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        Form(self.0.into_iter().map(|(name, value)| (owned(name), owned(value))).collect())
    }

    /// A field's value. RFC 6749 §3.2: parameters sent without a value are treated as if they were omitted.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_ref())
            .filter(|v| !v.is_empty())
    }

    /// A field that must be there.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or(OAuthError::MissingParameter(name))
    }
}

/// Decodes one name or value.
pub(crate) fn decode(text: &str) -> Result<Cow<'_, str>, OAuthError> {
    let malformed = OAuthError::Malformed("the form is not UTF-8");
    if !text.contains(['+', '%']) {
        return Ok(Cow::Borrowed(text));
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| malformed)?;
    Ok(Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_a_real_client() {
        let form = Form::parse(
            b"client_id=a&scope=https%3A%2F%2Fh%2F%2F.default+openid&client_secret=a%7Eb.c_&empty=&x\r\n",
        );
        let form = form.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(form.get("scope"), Some("https://h//.default openid"));
        assert_eq!(form.get("client_secret"), Some("a~b.c_"));
        assert_eq!(form.get("empty"), None);
        assert_eq!(form.get("missing"), None);
    }

    #[test]
    fn what_is_refused() {
        let many = "a=b&".repeat(3).replace("a=", "") + "a=1&a=2";
        let thousand = (0..1000).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
        for wrong in [many.as_bytes(), thousand.as_bytes(), b"a=%ff", b"a=\xff", b"client_id=1&client%5Fid=2"]
        {
            assert!(Form::parse(wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
    }
}
