//! Signing and verifying: JWS (RFC 7515), JWK (RFC 7517), JWA (RFC 7518), JWT (RFC 7519), X.509 certificates,
//! and the sealing of secrets at rest.
//!
//! Invariants: only `backend.rs` names the cryptographic library. A key verifies only algorithms of its own
//! kind; `none` and the symmetric algorithms do not exist here. Claims come out of [`Jwt::verify`] only,
//! everything earlier says *unverified* in its name. No I/O, no clock: the time is an argument.

mod backend;
mod certificate;
mod encoding;
mod json;
mod jwk;
mod jws;
mod jwt;
mod keys;
mod seal;

#[cfg(test)]
mod tests;

pub use backend::{CredentialKey, constant_time_eq, hmac_sha1, sha256};
pub use certificate::{Certificate, CertificateError, SelfSigned, Validity};
pub use encoding::{
    InvalidBase64, base64_decode, base64_encode, base64url_decode, base64url_encode, hex_upper,
};
pub use jwk::{Jwk, JwkError, JwkSet};
pub use jws::{Algorithm, Header, Jws, JwsError};
pub use jwt::{Claims, Jwt, KeyName, SigningHeader, TimeError, Times, sign_jwt, validate_times};
pub use keys::{KeyError, SigningKey, VerifyingKey};
pub use seal::{MasterKey, SealError};
