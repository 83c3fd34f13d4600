//! JSON Web Signatures in compact form (RFC 7515 §3.1, §5.2).

use hilum_kernel::limits::JWT_BYTES_MAX;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{
    encoding::{base64_decode, base64url_decode},
    json,
    jwk::Jwk,
    keys::VerifyingKey,
};

/// A certificate chain has three or four members; more is not read.
const CHAIN_MAX: usize = 10;
/// The members of private and symmetric keys (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The algorithms that exist here (RFC 7518 §3.1). `none` and `HS*` are absent on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
    ];

    /// The name in `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
        }
    }

    /// Reads a name. Names are case-sensitive (RFC 7515 §4.1.1).
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }
}

/// Why a token is not accepted. Never holds anything out of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JwsError {
    /// Longer than [`JWT_BYTES_MAX`].
    #[error("the token is too long")]
    TooLong,
    /// Not three segments of base64url with JSON objects where they belong.
    #[error("the token is malformed")]
    Malformed,
    /// `alg` is missing, `none`, symmetric or unknown.
    #[error("the token's algorithm is not accepted")]
    Algorithm,
    /// The header demands an extension (`crit`) that is not understood.
    #[error("the token demands an unknown extension")]
    Critical,
    /// The algorithm does not fit the key, or the signature is not the key's.
    #[error("the token's signature is invalid")]
    Signature,
}

/// The protected header's members that mean something here. `jku` and `x5u` are ignored, and `jwk` is no hint: a token does
/// not choose the key that proves it. A proof of possession does, see [`Jws::embedded_key`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// `alg`.
    pub algorithm: Algorithm,
    /// `kid`.
    pub kid: Option<String>,
    /// `x5t`, base64url without padding.
    pub x5t: Option<String>,
    /// `x5t#S256`, base64url without padding.
    pub x5t_s256: Option<String>,
    /// `x5c`: certificates in DER, the signer's first. Unverified like everything in a header.
    pub x5c: Vec<Vec<u8>>,
    /// `typ`.
    pub typ: Option<String>,
}

impl Header {
    fn read(members: &Map<String, Value>) -> Result<Self, JwsError> {
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(JwsError::Malformed),
        };
        // RFC 7515 §4.1.11: extensions that must be understood, and none is.
        if members.contains_key("crit") {
            return Err(JwsError::Critical);
        }
        let algorithm = text("alg")?.as_deref().and_then(Algorithm::parse).ok_or(JwsError::Algorithm)?;
        let unpadded = |text: String| text.trim_end_matches('=').to_owned();
        Ok(Self {
            algorithm,
            kid: text("kid")?,
            x5t: text("x5t")?.map(unpadded),
            x5t_s256: text("x5t#S256")?.map(unpadded),
            x5c: chain(members.get("x5c"))?,
            typ: text("typ")?,
        })
    }
}

/// RFC 7515 §4.1.6: base64 (not base64url) DER. MSAL Python leaves line breaks in.
fn chain(member: Option<&Value>) -> Result<Vec<Vec<u8>>, JwsError> {
    let entries = match member {
        None => return Ok(Vec::new()),
        Some(Value::Array(entries)) if entries.len() <= CHAIN_MAX => entries.as_slice(),
        // A single text instead of an array is written by some clients.
        Some(text @ Value::String(_)) => std::slice::from_ref(text),
        Some(_) => return Err(JwsError::Malformed),
    };
    let entry = |value: &Value| value.as_str().and_then(|text| base64_decode(text).ok());
    entries.iter().map(entry).collect::<Option<_>>().ok_or(JwsError::Malformed)
}

/// A parsed JWS whose signature nobody has looked at yet. Has no `Debug`: it holds the token.
#[derive(Clone)]
pub struct Jws<'a> {
    header: Header,
    /// `jwk`, as it stands in the header.
    embedded: Option<Value>,
    /// Header and payload segment as received, padding included: that text was signed.
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Takes a compact serialisation apart.
    pub fn parse(token: &'a str) -> Result<Self, JwsError> {
        if token.len() > JWT_BYTES_MAX {
            return Err(JwsError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwsError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(JwsError::Malformed)?;
        // A dot in the payload segment (JWE has five segments) fails here, since it is no base64url.
        let decode = |segment| base64url_decode(segment).map_err(|_| JwsError::Malformed);
        let mut members = json::object(&decode(header)?).ok_or(JwsError::Malformed)?;
        let header = Header::read(&members)?;
        let embedded = members.remove("jwk");
        Ok(Self { header, embedded, signed, payload: decode(payload)?, signature: decode(signature)? })
    }

    /// The public key in the header (`jwk`, RFC 7515 §4.1.3), unverified like everything there: whose it is says only whoever
    /// knows the key otherwise. Nothing where there is none, or where it holds more than a public key.
    pub fn embedded_key(&self) -> Option<Jwk> {
        let members = self.embedded.as_ref()?.as_object()?;
        if PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name)) {
            return None;
        }
        serde_json::from_value(Value::Object(members.clone())).ok()
    }

    /// The header, unverified.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The payload, unverified.
    pub fn payload_unverified(&self) -> &[u8] {
        &self.payload
    }

    /// The payload, if the signature is the key's.
    pub fn verify(&self, key: &VerifyingKey) -> Result<&[u8], JwsError> {
        if key.verify(self.header.algorithm, self.signed.as_bytes(), &self.signature) {
            Ok(&self.payload)
        } else {
            Err(JwsError::Signature)
        }
    }
}
