//! JSON Web Keys and sets of them (RFC 7517), public members only.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::{backend::sha256, encoding::base64url_encode, keys::VerifyingKey};

/// Entra publishes about ten keys, large federations some dozens.
const KEYS_MAX: usize = 100;
/// Entra's document with certificates is about 20 KB. A larger one is not parsed.
const SET_BYTES_MAX: usize = 256 * 1024;

/// Why a key set cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JwkError {
    /// More than 256 KiB.
    #[error("the key set is larger than 256 KiB")]
    TooLarge,
    /// More than 100 keys.
    #[error("the key set holds more than 100 keys")]
    TooMany,
    /// No JSON object with a `keys` array.
    #[error("the key set is malformed")]
    Malformed,
}

/// One key. Private members have no place here, so they are neither read nor written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// Kind of key: `RSA` or `EC`.
    pub kty: String,
    /// Purpose: `sig`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#use: Option<String>,
    /// The key's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// SHA-1 thumbprint of the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x5t: Option<String>,
    /// SHA-256 thumbprint of the certificate.
    #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    pub x5t_s256: Option<String>,
    /// RSA modulus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// RSA exponent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// Curve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// First coordinate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// Second coordinate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// Certificates, base64 DER, the key's own first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub x5c: Vec<String>,
    /// The only algorithm the key is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// Entra's addition: whose tokens the key signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

impl Jwk {
    /// The key's thumbprint (RFC 7638) in base64url; `None` where a required member is missing.
    pub fn thumbprint(&self) -> Option<String> {
        // RFC 7638 §3.2: the required members only, in the order of their names, without spaces.
        let required = match self.kty.as_str() {
            "RSA" => serde_json::json!({"e": self.e.as_ref()?, "kty": "RSA", "n": self.n.as_ref()?}),
            "EC" => serde_json::json!({
                "crv": self.crv.as_ref()?, "kty": "EC", "x": self.x.as_ref()?, "y": self.y.as_ref()?,
            }),
            _ => return None,
        };
        Some(base64url_encode(sha256(required.to_string().as_bytes())))
    }
}

/// The document at `jwks_uri`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct JwkSet {
    /// The keys, in the order of publication.
    pub keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct AnyKeys {
    keys: Vec<Value>,
}

impl JwkSet {
    /// Reads a set. Keys of unknown kinds and broken ones are skipped (RFC 7517 §5).
    pub fn parse(document: &[u8]) -> Result<Self, JwkError> {
        if document.len() > SET_BYTES_MAX {
            return Err(JwkError::TooLarge);
        }
        let any: AnyKeys = serde_json::from_slice(document).map_err(|_| JwkError::Malformed)?;
        if any.keys.len() > KEYS_MAX {
            return Err(JwkError::TooMany);
        }
        let known = |key: &Jwk| matches!(key.kty.as_str(), "RSA" | "EC");
        let keys = any.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).filter(known);
        Ok(Self { keys: keys.collect() })
    }

    /// The keys that can verify signatures; unsuitable ones (small, for encryption, other curves) are left out.
    pub fn verifying_keys(&self) -> Vec<VerifyingKey> {
        self.keys.iter().filter_map(|jwk| VerifyingKey::from_jwk(jwk).ok()).collect()
    }
}
