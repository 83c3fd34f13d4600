//! Proofs of possession at the protocol's own endpoints (RFC 9449): a client that shows a key gets tokens that are worth nothing
//! without it. How proofs are checked is `hilum_access`'s business; what they mean for grants is told here.
//!
//! Whoever sends no proof gets bearer tokens, as ever. What was bound once stays so: a code by `dpop_jkt` (RFC 9449 §10), the
//! sessions of public clients by the key that they began with (RFC 9449 §5). Confidential clients prove themselves anyway.

use hilum_access::{PROOF_HEADER, ProofOptions, ProvenRequest};
use hilum_jose::{base64url_decode, constant_time_eq};
use http::{HeaderMap, Method, Uri};

use super::error::OAuthError;
use crate::Identity;

/// What a request brings to prove that it has a key, still to be checked; it was sent by POST.
#[derive(Debug, Clone, Default)]
pub(crate) struct ShownKey {
    proofs: HeaderMap,
    path: String,
}

impl ShownKey {
    pub(crate) fn of(headers: &HeaderMap, uri: &Uri) -> Self {
        let proofs = headers.get_all(PROOF_HEADER).iter().map(|value| (PROOF_HEADER, value.clone()));
        let proofs = proofs.fold(HeaderMap::new(), |mut all, (name, value)| {
            all.append(name, value);
            all
        });
        Self { proofs, path: uri.path().to_owned() }
    }
}

impl Identity {
    /// How proofs are checked in this installation, here and at its services.
    pub fn proof_options(&self) -> ProofOptions {
        self.0.proof_options.clone()
    }

    /// The thumbprint of the key that a request proves to have; nothing where it shows none.
    pub(crate) fn key_proven(&self, shown: &ShownKey) -> Result<Option<String>, OAuthError> {
        let request = ProvenRequest { method: &Method::POST, origin: &self.0.origin, path: &shown.path };
        Ok(self.0.proofs.key_of(&shown.proofs, request)?)
    }
}

/// Whether what is bound to a key came with a proof of it.
pub(crate) fn ensure_key(bound_to: Option<&str>, proven: Option<&str>) -> Result<(), OAuthError> {
    match (bound_to, proven) {
        (None, _) => Ok(()),
        (Some(wanted), Some(proven)) if constant_time_eq(wanted.as_bytes(), proven.as_bytes()) => Ok(()),
        (Some(_), _) => Err(OAuthError::GrantOfOtherKey),
    }
}

/// `dpop_jkt` (RFC 9449 §10): the thumbprint of a key, SHA-256 in base64url.
pub(crate) fn thumbprint(text: Option<&str>) -> Result<Option<String>, OAuthError> {
    let is_one = |text: &str| text.len() == 43 && base64url_decode(text).is_ok_and(|hash| hash.len() == 32);
    match text {
        None => Ok(None),
        Some(text) if is_one(text) => Ok(Some(text.to_owned())),
        Some(_) => Err(OAuthError::BadParameter("dpop_jkt")),
    }
}
