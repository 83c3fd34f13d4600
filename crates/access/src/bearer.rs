//! The bearer token of a request (RFC 6750 §2.1).
//!
//! Only the `Authorization` header is read. Tokens in the query string or the body are not looked at: they end up
//! in logs and histories (RFC 9700 §4.3.2).

use hilum_kernel::limits::JWT_BYTES_MAX;
use http::{HeaderMap, header::AUTHORIZATION};

use crate::error::TokenError;

/// The token text, still to be validated.
pub fn bearer_token(headers: &HeaderMap) -> Result<&str, TokenError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(TokenError::Missing)?;
    // RFC 6750 §3.1: more than one method or header is a malformed request.
    if values.next().is_some() {
        return Err(TokenError::Repeated);
    }
    let value = value.as_bytes();
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, token) = value.split_at_checked(end).unwrap_or((value, &[]));
    // Another scheme is no token at all: the answer is the bare challenge.
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Err(TokenError::Missing);
    }
    let token = token.trim_ascii();
    if token.len() > JWT_BYTES_MAX {
        return Err(TokenError::TooLong);
    }
    // RFC 6750 §2.1: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
    let is_token68 = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    if token.is_empty() || !token.iter().all(is_token68) {
        return Err(TokenError::Malformed);
    }
    std::str::from_utf8(token).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// Header values, and what they give.
    type Case<'a> = (&'a [&'a [u8]], Result<&'a str, TokenError>);

    fn read(values: &[&[u8]]) -> Result<String, TokenError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        bearer_token(&headers).map(str::to_owned)
    }

    #[test]
    fn the_header_of_rfc_6750_and_what_is_none() {
        let long = format!("Bearer {}", "a".repeat(JWT_BYTES_MAX + 1));
        let cases: [Case; 14] = [
            (&[b"Bearer a.b-c_d~e+f/g=="], Ok("a.b-c_d~e+f/g==")),
            (&[b"bEARER abc"], Ok("abc")),
            (&[b"Bearer   abc "], Ok("abc")),
            (&[], Err(TokenError::Missing)),
            (&[b""], Err(TokenError::Missing)),
            (&[b"Basic dXNlcjpwYXNz"], Err(TokenError::Missing)),
            (&[b"Bearerabc"], Err(TokenError::Missing)),
            (&[b"Bearer"], Err(TokenError::Malformed)),
            (&[b"Bearer "], Err(TokenError::Malformed)),
            (&[b"Bearer a b"], Err(TokenError::Malformed)),
            (&[b"Bearer a\"b"], Err(TokenError::Malformed)),
            (&[b"Bearer a\xFFb"], Err(TokenError::Malformed)),
            (&[b"Bearer abc", b"Bearer abc"], Err(TokenError::Repeated)),
            (&[long.as_bytes()], Err(TokenError::TooLong)),
        ];
        for (values, expected) in cases {
            assert_eq!(read(values).as_deref(), expected.as_ref().copied(), "{values:?}");
        }
    }
}
