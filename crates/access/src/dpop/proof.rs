//! One proof: what RFC 9449 §4.3 wants checked of it, but for copies and nonces.

use hilum_jose::{Algorithm, JwsError, Jwt, VerifyingKey, base64url_encode, constant_time_eq, sha256};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;

use super::{ProofError, ProvenRequest};

/// What proofs are signed with. Symmetric algorithms and `none` do not exist in `hilum_jose`.
pub const PROOF_ALGORITHMS: [Algorithm; 4] =
    [Algorithm::Es256, Algorithm::Es384, Algorithm::Ps256, Algorithm::Rs256];

/// A proof with an RSA key of 4096 bits has 2 KB.
const BYTES_MAX: usize = 8 * 1024;
const JTI_BYTES_MAX: usize = 256;
/// RFC 9449 §11.1: made now, give or take what clocks differ.
pub(super) const AGE_MAX: SignedDuration = SignedDuration::from_mins(2);

/// A proof that holds for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proof {
    /// Of its key (RFC 7638).
    pub(super) thumbprint: String,
    /// The server's nonce, if the client sent one.
    pub(super) nonce: Option<String>,
    ath: Option<String>,
    made_at: Timestamp,
    /// Names the proof: a hash of key and `jti`.
    pub(super) name: [u8; 16],
}

impl Proof {
    pub(super) fn verify(text: &str, request: ProvenRequest<'_>) -> Result<Self, ProofError> {
        if text.len() > BYTES_MAX {
            return Err(ProofError::Malformed);
        }
        let jwt = Jwt::parse(text).map_err(|error| match error {
            JwsError::Algorithm => ProofError::Algorithm,
            _ => ProofError::Malformed,
        })?;
        // RFC 9449 §4.2: no other token is taken for a proof.
        if jwt.header().typ.as_deref() != Some("dpop+jwt") {
            return Err(ProofError::Malformed);
        }
        if !PROOF_ALGORITHMS.contains(&jwt.header().algorithm) {
            return Err(ProofError::Algorithm);
        }
        let jwk = jwt.embedded_key().ok_or(ProofError::Malformed)?;
        let key = VerifyingKey::from_jwk(&jwk).map_err(|_| ProofError::Malformed)?;
        let claims = jwt.verify(&key).map_err(|_| ProofError::Signature)?;
        let (Some(jti), Some(method), Some(url)) =
            (claims.text("jti"), claims.text("htm"), claims.text("htu"))
        else {
            return Err(ProofError::Malformed);
        };
        let made_at = claims.date("iat").ok().flatten().ok_or(ProofError::Malformed)?;
        if jti.is_empty() || jti.len() > JTI_BYTES_MAX {
            return Err(ProofError::Malformed);
        }
        if method != request.method.as_str() || !is_same_place(url, request) {
            return Err(ProofError::Request);
        }
        let thumbprint = jwk.thumbprint().ok_or(ProofError::Malformed)?;
        let name = sha256(format!("{thumbprint} {jti}").as_bytes());
        let text = |name| claims.text(name).map(str::to_owned);
        Ok(Self {
            ath: text("ath"),
            nonce: text("nonce"),
            made_at,
            name: name.first_chunk().copied().unwrap_or_default(),
            thumbprint,
        })
    }

    pub(super) fn ensure_made_at(&self, now: Timestamp) -> Result<(), ProofError> {
        if now.duration_since(self.made_at).abs() > AGE_MAX { Err(ProofError::Time) } else { Ok(()) }
    }

    /// Whether it goes with the token, which is bound to the key `jkt` (RFC 9449 §7.1).
    pub(super) fn ensure_goes_with(&self, token: &str, jkt: &str) -> Result<(), ProofError> {
        let ath = base64url_encode(sha256(token.as_bytes()));
        if !self.ath.as_deref().is_some_and(|own| constant_time_eq(own.as_bytes(), ath.as_bytes())) {
            return Err(ProofError::Token);
        }
        if constant_time_eq(self.thumbprint.as_bytes(), jkt.as_bytes()) {
            Ok(())
        } else {
            Err(ProofError::Key)
        }
    }
}

/// RFC 9449 §4.3: after normalisation, without query and fragment.
fn is_same_place(htu: &str, request: ProvenRequest<'_>) -> bool {
    let Ok(mut claimed) = Url::parse(htu) else { return false };
    claimed.set_query(None);
    claimed.set_fragment(None);
    Url::parse(&format!("{}{}", request.origin, request.path)).is_ok_and(|place| place == claimed)
}
