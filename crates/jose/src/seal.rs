//! Secrets at rest: sealing under a master key, keyed hashes, derived keys.
//!
//! The sealed form is `version (1) ‖ nonce (12) ‖ AES-256-GCM ciphertext and tag`. The associated data (what the
//! secret is and whose) is authenticated, so that a sealed value cannot be moved to another row.

use hilum_kernel::{Random, Secret};
use thiserror::Error;
use zeroize::Zeroize;

use crate::{
    backend::{aes_256_gcm_open, aes_256_gcm_seal, hkdf_sha256, hmac_sha256},
    encoding::{base64_decode, base64_encode},
};

/// First byte of the sealed form.
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;

/// Why a value could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SealError {
    /// Not 32 bytes in base64.
    #[error("the master key is not 32 bytes in base64")]
    MasterKey,
    /// Not a sealed value, or of a later version.
    #[error("the value is not in a known sealed form")]
    Format,
    /// Another master key, another purpose, or damaged.
    #[error("the sealed value does not open: wrong master key or damaged data")]
    Open,
    /// The library failed.
    #[error("the value could not be sealed")]
    Seal,
}

/// The key above all keys: 256 random bits from a file, the environment or a key management service.
#[derive(Debug, Clone)]
pub struct MasterKey(Secret<[u8; 32]>);

impl MasterKey {
    /// Makes a new one.
    pub fn generate(random: &dyn Random) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self(Secret::new(bytes))
    }

    /// Reads the form of the key file; spaces and line breaks around it do not matter.
    pub fn from_base64(text: &Secret<String>) -> Result<Self, SealError> {
        let mut bytes = base64_decode(text.expose()).map_err(|_| SealError::MasterKey)?;
        let key = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| SealError::MasterKey);
        bytes.zeroize();
        key.map(|key| Self(Secret::new(key)))
    }

    /// The form of the key file.
    pub fn to_base64(&self) -> Secret<String> {
        Secret::new(base64_encode(self.0.expose()))
    }

    /// A key for one purpose (HKDF, RFC 5869); different labels give independent keys.
    pub fn derive(&self, label: &str) -> Result<Self, SealError> {
        hkdf_sha256(self.0.expose(), label.as_bytes())
            .map(|key| Self(Secret::new(key)))
            .ok_or(SealError::Seal)
    }

    /// A keyed hash (HMAC-SHA256) of `data`: tells nothing without the key. For client secrets, codes, tokens.
    /// Use a key from [`MasterKey::derive`], and compare with [`crate::constant_time_eq`].
    pub fn keyed_hash(&self, data: &[u8]) -> [u8; 32] {
        hmac_sha256(self.0.expose(), data)
    }

    /// Encrypts a secret for storing. `associated` says what it is, for instance `signing-key:{kid}`.
    pub fn seal(
        &self,
        secret: &Secret<Vec<u8>>,
        associated: &str,
        random: &dyn Random,
    ) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        random.fill(&mut nonce);
        let sealing = self.derive("hilum seal v1")?;
        // Room for the tag from the start, so that no plain copy is left behind by growing.
        let mut data = Vec::with_capacity(secret.expose().len() + 16);
        data.extend_from_slice(secret.expose());
        aes_256_gcm_seal(sealing.0.expose(), nonce, associated.as_bytes(), &mut data)
            .ok_or(SealError::Seal)?;
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(&nonce);
        sealed.append(&mut data);
        Ok(sealed)
    }

    /// Opens what [`MasterKey::seal`] made under the same `associated`.
    pub fn open(&self, sealed: &[u8], associated: &str) -> Result<Secret<Vec<u8>>, SealError> {
        let (&VERSION, rest) = sealed.split_first().ok_or(SealError::Format)? else {
            return Err(SealError::Format);
        };
        let (nonce, data) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Format)?;
        let sealing = self.derive("hilum seal v1")?;
        aes_256_gcm_open(sealing.0.expose(), *nonce, associated.as_bytes(), data).ok_or(SealError::Open)
    }
}
