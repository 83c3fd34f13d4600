//! The token of a request, and how it is presented (RFC 6750 §2.1, RFC 9449 §7.1).
//!
//! Only the `Authorization` header is read. Tokens in the query string or the body are not looked at: they end up
//! in logs and histories (RFC 9700 §4.3.2).

use hilum_kernel::limits::JWT_BYTES_MAX;
use http::{HeaderMap, header::AUTHORIZATION};

use crate::error::TokenError;

/// How a token is presented.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scheme {
    /// RFC 6750: who has it may use it.
    #[default]
    Bearer,
    /// RFC 9449: with a proof of possession of the key that it is bound to.
    Dpop,
}

impl Scheme {
    /// The name of the scheme in a request.
    fn parse(name: &[u8]) -> Option<Self> {
        [Self::Bearer, Self::Dpop]
            .into_iter()
            .find(|known| name.eq_ignore_ascii_case(known.as_str().as_bytes()))
    }

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }

    /// The scheme that a request tries; [`Scheme::Bearer`] where it tries none that is known here.
    pub fn tried(headers: &HeaderMap) -> Self {
        let value = headers.get(AUTHORIZATION).map_or(&[][..], |value| value.as_bytes());
        value.split(|byte| *byte == b' ').next().and_then(Self::parse).unwrap_or_default()
    }
}

/// The token text, still to be validated, and how it is presented.
///
/// # Errors
/// [`TokenError::Missing`], [`TokenError::Repeated`], [`TokenError::Malformed`], [`TokenError::TooLong`].
pub fn presented_token(headers: &HeaderMap) -> Result<(Scheme, &str), TokenError> {
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
    let scheme = Scheme::parse(scheme).ok_or(TokenError::Missing)?;
    let token = token.trim_ascii();
    if token.len() > JWT_BYTES_MAX {
        return Err(TokenError::TooLong);
    }
    // RFC 6750 §2.1: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
    let is_token68 = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    if token.is_empty() || !token.iter().all(is_token68) {
        return Err(TokenError::Malformed);
    }
    Ok((scheme, std::str::from_utf8(token).map_err(|_| TokenError::Malformed)?))
}

#[cfg(test)]
mod tests {
    use Scheme::{Bearer, Dpop};
    use http::HeaderValue;

    use super::*;

    /// Header values, and what they give.
    type Case<'a> = (&'a [&'a [u8]], Result<(Scheme, &'a str), TokenError>);

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn the_header_of_rfc_6750_and_rfc_9449_and_what_is_none() {
        let long = format!("Bearer {}", "a".repeat(JWT_BYTES_MAX + 1));
        let cases: [Case; 17] = [
            (&[b"Bearer a.b-c_d~e+f/g=="], Ok((Bearer, "a.b-c_d~e+f/g=="))),
            (&[b"bEARER abc"], Ok((Bearer, "abc"))),
            (&[b"Bearer   abc "], Ok((Bearer, "abc"))),
            (&[b"DPoP abc"], Ok((Dpop, "abc"))),
            (&[b"dpop abc"], Ok((Dpop, "abc"))),
            (&[], Err(TokenError::Missing)),
            (&[b""], Err(TokenError::Missing)),
            (&[b"Basic dXNlcjpwYXNz"], Err(TokenError::Missing)),
            (&[b"Bearerabc"], Err(TokenError::Missing)),
            (&[b"Bearer"], Err(TokenError::Malformed)),
            (&[b"Bearer "], Err(TokenError::Malformed)),
            (&[b"Bearer a b"], Err(TokenError::Malformed)),
            (&[b"Bearer a\"b"], Err(TokenError::Malformed)),
            (&[b"DPoP a\xFFb"], Err(TokenError::Malformed)),
            (&[b"Bearer abc", b"Bearer abc"], Err(TokenError::Repeated)),
            (&[b"DPoP abc", b"Bearer abc"], Err(TokenError::Repeated)),
            (&[long.as_bytes()], Err(TokenError::TooLong)),
        ];
        for (values, expected) in cases {
            assert_eq!(presented_token(&headers(values)), expected, "{values:?}");
        }
    }

    #[test]
    fn the_scheme_that_is_tried() {
        for (value, scheme) in
            [("DPoP", Dpop), ("dpop x", Dpop), ("Bearer x", Bearer), ("Basic x", Bearer), ("", Bearer)]
        {
            assert_eq!(Scheme::tried(&headers(&[value.as_bytes()])), scheme, "{value}");
        }
        assert_eq!(Scheme::tried(&HeaderMap::new()), Bearer);
    }
}
