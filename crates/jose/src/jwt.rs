//! JSON Web Tokens (RFC 7519): claims, their times, and making tokens.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{
    encoding::{base64_encode, base64url_encode},
    json,
    jwk::Jwk,
    jws::{Algorithm, Header, Jws, JwsError},
    keys::{KeyError, SigningKey, VerifyingKey},
};

/// A parsed JWT whose signature nobody has looked at yet. Has no `Debug`: it holds the token.
#[derive(Clone)]
pub struct Jwt<'a> {
    jws: Jws<'a>,
    claims: Claims,
}

impl<'a> Jwt<'a> {
    /// Takes a token apart.
    pub fn parse(token: &'a str) -> Result<Self, JwsError> {
        let jws = Jws::parse(token)?;
        let claims = json::object(jws.payload_unverified()).map(Claims).ok_or(JwsError::Malformed)?;
        Ok(Self { jws, claims })
    }

    /// The header, unverified.
    pub fn header(&self) -> &Header {
        self.jws.header()
    }

    /// The public key in the header, unverified; see [`Jws::embedded_key`].
    pub fn embedded_key(&self) -> Option<Jwk> {
        self.jws.embedded_key()
    }

    /// The claims before any check: only to find out whose key to ask for.
    pub fn claims_unverified(&self) -> &Claims {
        &self.claims
    }

    /// The claims, if the signature is the key's. Times, issuer and audience are still to be checked.
    pub fn verify(&self, key: &VerifyingKey) -> Result<&Claims, JwsError> {
        self.jws.verify(key)?;
        Ok(&self.claims)
    }
}

/// The claims of a token. `Debug` shows their names only.
#[derive(Clone, PartialEq)]
pub struct Claims(Map<String, Value>);

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Claims {
    /// Wraps an object that is already known to be right (a test, a database row).
    pub const fn new(members: Map<String, Value>) -> Self {
        Self(members)
    }

    /// All members.
    pub const fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// A claim of any type. A claim whose name holds dots is found by its full name first, then as a path
    /// into nested objects (`realm_access.roles`).
    pub fn get(&self, name: &str) -> Option<&Value> {
        if let Some(value) = self.0.get(name) {
            return Some(value);
        }
        let mut parts = name.split('.');
        let first = self.0.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.as_object()?.get(part))
    }

    /// A claim that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// A claim that is one text or an array of texts; anything else in it is left out.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        match self.get(name) {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// `aud` (RFC 7519 §4.1.3): one text or several.
    pub fn audiences(&self) -> Vec<&str> {
        self.texts("aud")
    }

    /// A NumericDate (RFC 7519 §2), which may have a fraction: MSAL Python writes floats.
    pub fn date(&self, name: &'static str) -> Result<Option<Timestamp>, TimeError> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let time = match (value.as_i64(), value.as_f64()) {
            (Some(seconds), _) => Timestamp::from_second(seconds).ok(),
            (None, Some(seconds)) => SignedDuration::try_from_secs_f64(seconds)
                .ok()
                .and_then(|since| Timestamp::UNIX_EPOCH.checked_add(since).ok()),
            (None, None) => None,
        };
        time.map(Some).ok_or(TimeError::Malformed(name))
    }
}

/// When a token holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// `exp`.
    pub expires_at: Timestamp,
    /// `nbf`.
    pub not_before: Option<Timestamp>,
    /// `iat`.
    pub issued_at: Option<Timestamp>,
}

/// Why a token does not hold now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TimeError {
    /// No `exp`.
    #[error("the token has no expiry")]
    NoExpiry,
    /// A time that is none.
    #[error("the claim {0} is not a time")]
    Malformed(&'static str),
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` lies ahead.
    #[error("the token is not yet valid")]
    NotYetValid,
    /// `iat` lies ahead.
    #[error("the token was issued in the future")]
    IssuedInFuture,
}

/// Checks `exp` (required), `nbf` and `iat` (where present) against `now`, each with the same leeway.
pub fn validate_times(claims: &Claims, now: Timestamp, leeway: SignedDuration) -> Result<Times, TimeError> {
    let times = Times {
        expires_at: claims.date("exp")?.ok_or(TimeError::NoExpiry)?,
        not_before: claims.date("nbf")?,
        issued_at: claims.date("iat")?,
    };
    // RFC 7519 §4.1.4: *on or after* the expiry it must not be accepted.
    if now.duration_since(times.expires_at) >= leeway {
        return Err(TimeError::Expired);
    }
    let lies_ahead = |time: Timestamp| time.duration_since(now) > leeway;
    if times.not_before.is_some_and(lies_ahead) {
        return Err(TimeError::NotYetValid);
    }
    if times.issued_at.is_some_and(lies_ahead) {
        return Err(TimeError::IssuedInFuture);
    }
    Ok(times)
}

/// A header member that names the signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyName {
    /// `kid`.
    Kid,
    /// `x5t`.
    X5t,
    /// `x5t#S256`.
    X5tS256,
    /// `x5c` with the certificate itself.
    X5c,
}

/// What stands in the header of a new token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigningHeader {
    /// `alg`.
    pub algorithm: Algorithm,
    /// `typ`.
    pub typ: &'static str,
    /// Which members name the key.
    pub names: &'static [KeyName],
}

impl SigningHeader {
    /// Entra's v2.0 tokens: `typ`, `alg`, `kid`.
    pub const ENTRA_V2: Self = Self { algorithm: Algorithm::Rs256, typ: "JWT", names: &[KeyName::Kid] };
    /// Entra's v1.0 tokens: also `x5t`.
    pub const ENTRA_V1: Self =
        Self { algorithm: Algorithm::Rs256, typ: "JWT", names: &[KeyName::X5t, KeyName::Kid] };
    /// A client assertion as MSAL makes it today: PS256 with the SHA-256 thumbprint.
    pub const ASSERTION: Self = Self { algorithm: Algorithm::Ps256, typ: "JWT", names: &[KeyName::X5tS256] };
}

/// Makes a signed token.
pub fn sign_jwt(
    key: &SigningKey,
    header: SigningHeader,
    claims: &impl Serialize,
) -> Result<String, KeyError> {
    let mut members = Map::new();
    members.insert("typ".to_owned(), header.typ.into());
    members.insert("alg".to_owned(), header.algorithm.as_str().into());
    for name in header.names {
        let certificate = key.certificate();
        let (name, value): (_, Value) = match name {
            KeyName::Kid => ("kid", key.kid().into()),
            KeyName::X5t => ("x5t", certificate.x5t().into()),
            KeyName::X5tS256 => ("x5t#S256", certificate.x5t_s256().into()),
            KeyName::X5c => ("x5c", vec![base64_encode(certificate.der())].into()),
        };
        members.insert(name.to_owned(), value);
    }
    let header_json = serde_json::to_vec(&members).map_err(|_| KeyError::Sign)?;
    let claims_json = serde_json::to_vec(claims).map_err(|_| KeyError::Sign)?;
    let mut token = base64url_encode(header_json);
    token.push('.');
    token.push_str(&base64url_encode(claims_json));
    let signature = key.sign_with(header.algorithm, token.as_bytes())?;
    token.push('.');
    token.push_str(&base64url_encode(signature));

    Ok(token)
}
