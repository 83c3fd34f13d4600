//! Proofs of possession (RFC 9449): who presents a token that is bound to a key shows that it has the key.
//!
//! A proof is a JWT that the client signs for each request, with its public key in the header (`proof`). It says which
//! request it is for, when it was made or under which nonce of ours (`nonce`), and which token it goes with; it is good once
//! (`replay`).

mod nonce;
mod proof;
mod replay;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use hilum_jose::MasterKey;
use hilum_kernel::Clock;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header::AsHeaderName};
use thiserror::Error;

use self::{nonce::Nonces, proof::Proof, replay::SeenProofs};
use crate::{bearer::Scheme, error::TokenError};

pub use proof::PROOF_ALGORITHMS;

/// The header of proofs.
pub const PROOF_HEADER: HeaderName = HeaderName::from_static("dpop");
/// The header of the nonces that proofs are to carry.
pub const NONCE_HEADER: HeaderName = HeaderName::from_static("dpop-nonce");

/// Why a proof proves nothing. Never holds anything out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProofError {
    /// No `DPoP` header.
    #[error("there is no proof of possession")]
    Missing,
    /// Several headers, too long, no JWT, no key in it, a private key in it, not of type `dpop+jwt`, members missing.
    #[error("the proof of possession is malformed")]
    Malformed,
    /// `alg` is none of [`PROOF_ALGORITHMS`].
    #[error("the algorithm of the proof of possession is not accepted")]
    Algorithm,
    /// Not signed with the key that it shows.
    #[error("the signature of the proof of possession is invalid")]
    Signature,
    /// `htm` or `htu` is another request's.
    #[error("the proof of possession is for another request")]
    Request,
    /// No nonce where one is demanded, or one that is not ours, or too old.
    #[error("the proof of possession must carry a current nonce of this server")]
    Nonce,
    /// `iat` is not now, and there is no nonce to go by.
    #[error(
        "the proof of possession is too old or made in the future: set the clock right, or use the nonce of this server"
    )]
    Time,
    /// `ath` is another token's.
    #[error("the proof of possession is for another token")]
    Token,
    /// The token is bound to another key.
    #[error("the proof of possession is of another key")]
    Key,
    /// It came before.
    #[error("the proof of possession was used before")]
    Replayed,
    /// More proofs than can be remembered.
    #[error("too many proofs of possession at present")]
    TooMany,
}

impl ProofError {
    /// Whether a new proof with a nonce of ours would do (`use_dpop_nonce`, RFC 9449 §8).
    pub const fn wants_nonce(self) -> bool {
        matches!(self, Self::Nonce | Self::Time)
    }

    /// The error's name on the wire (RFC 9449 §5, §7.1, §8).
    pub const fn code(self) -> &'static str {
        if self.wants_nonce() { "use_dpop_nonce" } else { "invalid_dpop_proof" }
    }
}

/// The request that a proof is for.
#[derive(Debug, Clone, Copy)]
pub struct ProvenRequest<'a> {
    /// Its method.
    pub method: &'a Method,
    /// The public origin of the server, `https://HOST`: what clients write, wherever proxies sent the request.
    pub origin: &'a str,
    /// The path as it was asked for.
    pub path: &'a str,
}

/// How proofs are checked.
#[derive(Debug, Clone)]
pub struct ProofOptions {
    /// Keys the nonces: the same for all nodes.
    pub nonce_key: MasterKey,
    /// Whether every proof must carry a nonce. Otherwise the time in it will do.
    pub nonce_required: bool,
}

/// Checks proofs, and remembers those that came.
pub struct Proofs {
    nonces: Nonces,
    nonce_required: bool,
    seen: SeenProofs,
    clock: Arc<dyn Clock>,
}

impl Proofs {
    /// With nothing remembered.
    pub fn new(options: ProofOptions, clock: Arc<dyn Clock>) -> Self {
        let ProofOptions { nonce_key, nonce_required } = options;
        Self { nonces: Nonces::new(nonce_key), nonce_required, seen: SeenProofs::default(), clock }
    }

    /// Checks the proof of a request for a token, if there is one: the thumbprint (RFC 7638) of the key that it proves, which
    /// tokens are bound to as `cnf.jkt` (RFC 9449 §5, §6.1).
    ///
    /// # Errors
    /// What is wrong with the proof.
    pub fn key_of(
        &self,
        headers: &HeaderMap,
        request: ProvenRequest<'_>,
    ) -> Result<Option<String>, ProofError> {
        if !headers.contains_key(PROOF_HEADER) {
            return Ok(None);
        }
        let proof = self.proof_of(headers, request)?;
        self.seen.take(&proof, self.clock.now())?;
        Ok(Some(proof.thumbprint))
    }

    /// Checks that a token is presented as its kind must be: one that is bound to a key with a proof of that key, any other
    /// without (RFC 9449 §7.1, §7.2). The token itself must have been checked before.
    ///
    /// # Errors
    /// [`TokenError::Bound`], [`TokenError::NotBound`], or what is wrong with the proof.
    pub fn check(
        &self,
        headers: &HeaderMap,
        request: ProvenRequest<'_>,
        (scheme, token, bound_to): (Scheme, &str, Option<&str>),
    ) -> Result<(), TokenError> {
        match (bound_to, scheme) {
            (None, Scheme::Bearer) => Ok(()),
            (Some(_), Scheme::Bearer) => Err(TokenError::Bound),
            (None, Scheme::Dpop) => Err(TokenError::NotBound),
            (Some(key), Scheme::Dpop) => {
                let proof = self.proof_of(headers, request)?;
                proof.ensure_goes_with(token, key)?;
                Ok(self.seen.take(&proof, self.clock.now())?)
            }
        }
    }

    /// The nonce for proofs from now on.
    pub fn nonce(&self) -> HeaderValue {
        // Base64 is printable; an empty nonce would only be asked for again.
        HeaderValue::from_str(&self.nonces.current(self.clock.now())).unwrap_or(HeaderValue::from_static(""))
    }

    /// The nonce that an answer brings before it is asked for (RFC 9449 §8.2): where nonces are demanded, to who sends proofs.
    pub fn next_nonce(&self, request: &HeaderMap) -> Option<HeaderValue> {
        (self.nonce_required && request.contains_key(PROOF_HEADER)).then(|| self.nonce())
    }

    /// All but whose proof it is, and copies.
    fn proof_of(&self, headers: &HeaderMap, request: ProvenRequest<'_>) -> Result<Proof, ProofError> {
        let proof = Proof::verify(only(headers, PROOF_HEADER)?, request)?;
        let now = self.clock.now();
        // RFC 9449 §4.3: the time is ours where the nonce is, and the client's where there is none.
        match &proof.nonce {
            Some(nonce) if self.nonces.is_current(nonce, now) => {}
            Some(_) => return Err(ProofError::Nonce),
            None if self.nonce_required => return Err(ProofError::Nonce),
            None => proof.ensure_made_at(now)?,
        }
        Ok(proof)
    }
}

/// RFC 9449 §4.3: not more than one header.
fn only(headers: &HeaderMap, name: impl AsHeaderName) -> Result<&str, ProofError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(ProofError::Missing)?;
    match values.next() {
        None => value.to_str().map_err(|_| ProofError::Malformed),
        Some(_) => Err(ProofError::Malformed),
    }
}
