//! The one file that names the cryptographic library (aws-lc-rs).

use std::sync::OnceLock;

use aws_lc_rs::{
    aead::{self, Aad, LessSafeKey, Nonce, UnboundKey},
    constant_time, digest,
    encoding::{AsDer, Pkcs8V1Der},
    hkdf, hmac,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{
        self, KeyPair as _, ParsedPublicKey, RsaEncoding, RsaParameters, RsaPublicKeyComponents,
        UnparsedPublicKey,
    },
};
use hilum_kernel::Secret;

use crate::{jws::Algorithm, keys::KeyError};

/// NIST SP 800-131A: smaller moduli are no longer acceptable.
const RSA_BITS_MIN: usize = 2048;
/// Larger ones only serve to make the verifier work.
const RSA_BITS_MAX: usize = 8192;

/// An RSA private key, parsed once. Signing takes `&self` and may happen on many threads at once.
pub(crate) struct RsaPrivateKey(KeyPair);

impl RsaPrivateKey {
    /// Generates a 2048-bit key: takes tens to hundreds of milliseconds.
    pub(crate) fn generate() -> Result<Self, KeyError> {
        KeyPair::generate(KeySize::Rsa2048).map(Self).map_err(|_| KeyError::Generate)
    }

    /// Reads PKCS#8 (RFC 5208).
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        KeyPair::from_pkcs8(der).map(Self).map_err(|_| KeyError::Malformed)
    }

    /// Reads PKCS#1 `RSAPrivateKey` (RFC 8017 A.1.2), the `RSA PRIVATE KEY` of PEM files.
    pub(crate) fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        KeyPair::from_der(der).map(Self).map_err(|_| KeyError::Malformed)
    }

    /// Writes PKCS#8.
    pub(crate) fn pkcs8(&self) -> Result<Secret<Vec<u8>>, KeyError> {
        let der: Pkcs8V1Der<'static> = self.0.as_der().map_err(|_| KeyError::Malformed)?;
        Ok(Secret::new(der.as_ref().to_vec()))
    }

    /// The public half as PKCS#1 `RSAPublicKey`.
    pub(crate) fn public_pkcs1(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    /// The public half.
    pub(crate) fn public(&self) -> Result<PublicKey, KeyError> {
        let public = self.0.public_key();
        PublicKey::rsa(
            public.modulus().big_endian_without_leading_zero(),
            public.exponent().big_endian_without_leading_zero(),
        )
    }

    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let encoding: &'static dyn RsaEncoding = match algorithm {
            Algorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
            Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
            Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
            Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
            Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
            Algorithm::Ps512 => &signature::RSA_PSS_SHA512,
            Algorithm::Es256 | Algorithm::Es384 => return Err(KeyError::Algorithm),
        };
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(encoding, &SystemRandom::new(), message, &mut signature).map_err(|_| KeyError::Sign)?;
        Ok(signature)
    }
}

/// A public key of a kind that can verify signatures.
pub(crate) enum PublicKey {
    /// Modulus and exponent, big-endian without leading zeros.
    Rsa(Box<RsaPublicKey>),
    /// The point in uncompressed form, and the parsed key.
    P256(Vec<u8>, ParsedPublicKey),
    /// The same on the larger curve.
    P384(Vec<u8>, ParsedPublicKey),
}

/// An RSA public key. The library binds a parsed key to one algorithm, so it is parsed at each one's first use.
pub(crate) struct RsaPublicKey {
    pub(crate) n: Vec<u8>,
    pub(crate) e: Vec<u8>,
    parsed: [OnceLock<Option<ParsedPublicKey>>; 6],
}

impl PublicKey {
    /// Checks and takes an RSA key. Leading zeros are dropped: certificates carry one as sign.
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        let (n, e) = (without_leading_zeros(n), without_leading_zeros(e));
        let bits = n.first().map_or(0, |top| n.len() * 8 - usize::try_from(top.leading_zeros()).unwrap_or(0));
        if bits < RSA_BITS_MIN {
            return Err(KeyError::TooSmall);
        }
        let is_odd = |number: &[u8]| number.last().is_some_and(|low| low % 2 == 1);
        // An exponent of one makes every message its own signature; long ones cost the verifier time.
        if bits > RSA_BITS_MAX || !is_odd(n) || !is_odd(e) || e == [1] || e.len() > 4 {
            return Err(KeyError::Malformed);
        }
        let key = RsaPublicKey { n: n.to_vec(), e: e.to_vec(), parsed: Default::default() };
        Ok(Self::Rsa(Box::new(key)))
    }

    /// Takes a point in uncompressed form (SEC 1 §2.3.3); the curve follows from its length, and the library
    /// refuses points that do not lie on it.
    pub(crate) fn ec(point: &[u8]) -> Result<Self, KeyError> {
        let parse = |algorithm: &'static signature::EcdsaVerificationAlgorithm| {
            ParsedPublicKey::new(algorithm, point).map_err(|_| KeyError::Malformed)
        };
        match (point.first(), point.len()) {
            (Some(4), 65) => Ok(Self::P256(point.to_vec(), parse(&signature::ECDSA_P256_SHA256_FIXED)?)),
            (Some(4), 97) => Ok(Self::P384(point.to_vec(), parse(&signature::ECDSA_P384_SHA384_FIXED)?)),
            _ => Err(KeyError::Unsupported),
        }
    }

    /// Whether the algorithm belongs to this kind of key.
    pub(crate) fn allows(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Rsa(_) => rsa_parameters(algorithm).is_some(),
            Self::P256(..) => algorithm == Algorithm::Es256,
            Self::P384(..) => algorithm == Algorithm::Es384,
        }
    }

    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa(key) => key.verify(algorithm, message, signature),
            Self::P256(_, key) if algorithm == Algorithm::Es256 => key.verify_sig(message, signature).is_ok(),
            Self::P384(_, key) if algorithm == Algorithm::Es384 => key.verify_sig(message, signature).is_ok(),
            Self::P256(..) | Self::P384(..) => false,
        }
    }

    pub(crate) fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rsa(a), Self::Rsa(b)) => a.n == b.n && a.e == b.e,
            (Self::P256(a, _), Self::P256(b, _)) | (Self::P384(a, _), Self::P384(b, _)) => a == b,
            _ => false,
        }
    }
}

impl RsaPublicKey {
    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let Some((place, parameters)) = rsa_parameters(algorithm) else { return false };
        let Some(slot) = self.parsed.get(place) else { return false };
        let key = slot.get_or_init(|| {
            RsaPublicKeyComponents { n: &self.n, e: &self.e }.to_parsed_public_key(parameters).ok()
        });
        key.as_ref().is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }
}

/// The library's name of an RSA algorithm and its place in `RsaPublicKey::parsed`.
fn rsa_parameters(algorithm: Algorithm) -> Option<(usize, &'static RsaParameters)> {
    match algorithm {
        Algorithm::Rs256 => Some((0, &signature::RSA_PKCS1_2048_8192_SHA256)),
        Algorithm::Rs384 => Some((1, &signature::RSA_PKCS1_2048_8192_SHA384)),
        Algorithm::Rs512 => Some((2, &signature::RSA_PKCS1_2048_8192_SHA512)),
        Algorithm::Ps256 => Some((3, &signature::RSA_PSS_2048_8192_SHA256)),
        Algorithm::Ps384 => Some((4, &signature::RSA_PSS_2048_8192_SHA384)),
        Algorithm::Ps512 => Some((5, &signature::RSA_PSS_2048_8192_SHA512)),
        Algorithm::Es256 | Algorithm::Es384 => None,
    }
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// SHA-1, for certificate thumbprints only (`x5t`, RFC 7515 §4.1.7): it names a certificate, it proves nothing.
pub(crate) fn sha1(data: &[u8]) -> [u8; 20] {
    fixed(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, data).as_ref())
}

/// SHA-256.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    fixed(digest::digest(&digest::SHA256, data).as_ref())
}

/// HMAC with SHA-256 (RFC 2104).
pub(crate) fn hmac_sha256(key: &[u8; 32], data: &[u8]) -> [u8; 32] {
    fixed(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref())
}

/// HMAC with SHA-1 (RFC 2104), for one-time passwords only (RFC 4226 §5.2, RFC 6238 §1.2): authenticator apps know no other.
/// HMAC does not rest on SHA-1 being free of collisions.
pub fn hmac_sha1(key: &[u8], data: &[u8]) -> [u8; 20] {
    fixed(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key), data).as_ref())
}

/// HKDF with SHA-256 (RFC 5869), without salt: the input is already a uniform key.
pub(crate) fn hkdf_sha256(key: &[u8; 32], label: &[u8]) -> Option<[u8; 32]> {
    let mut derived = [0; 32];
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(key);
    prk.expand(&[label], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut derived)).ok()?;
    Some(derived)
}

/// Encrypts in place with AES-256-GCM and appends the tag.
pub(crate) fn aes_256_gcm_seal(
    key: &[u8; 32],
    nonce: [u8; 12],
    associated: &[u8],
    data: &mut Vec<u8>,
) -> Option<()> {
    let key = LessSafeKey::new(UnboundKey::new(&aead::AES_256_GCM, key).ok()?);
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(associated), data).ok()
}

/// Opens what [`aes_256_gcm_seal`] made.
pub(crate) fn aes_256_gcm_open(
    key: &[u8; 32],
    nonce: [u8; 12],
    associated: &[u8],
    data: &[u8],
) -> Option<Secret<Vec<u8>>> {
    let key = LessSafeKey::new(UnboundKey::new(&aead::AES_256_GCM, key).ok()?);
    let mut plain = vec![0; data.len().checked_sub(aead::MAX_TAG_LEN)?];
    let (ciphertext, tag) = data.split_at_checked(plain.len())?;
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.open_separate_gather(nonce, Aad::from(associated), ciphertext, tag, &mut plain).ok()?;
    Some(Secret::new(plain))
}

/// Compares in a time that does not tell where the difference is. Lengths are not secret.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// The library hands digests out as slices whose length the algorithm fixes.
fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    for (to, from) in array.iter_mut().zip(bytes) {
        *to = *from;
    }
    array
}

/// A public key as authenticators present theirs (COSE, RFC 9053; WebAuthn §5.8.5), good for one algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialKey {
    /// ES256: the point in uncompressed form (SEC 1 §2.3.3).
    Es256(Vec<u8>),
    /// EdDSA on Ed25519 (RFC 8032).
    EdDsa(Vec<u8>),
    /// RS256: modulus and exponent, big-endian.
    Rs256 {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
}

impl CredentialKey {
    /// Whether the key can be used at all: on the curve, long enough.
    pub fn is_good(&self) -> bool {
        match self {
            Self::Es256(point) => point.len() == 65 && PublicKey::ec(point).is_ok(),
            Self::EdDsa(point) => ParsedPublicKey::new(&signature::ED25519, point).is_ok(),
            Self::Rs256 { n, e } => PublicKey::rsa(n, e).is_ok(),
        }
    }

    /// Whether the signature is the key's. Of ECDSA it is in DER, as authenticators write it (WebAuthn §6.5.5).
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Es256(point) => UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, point)
                .verify(message, signature)
                .is_ok(),
            Self::EdDsa(point) => {
                UnparsedPublicKey::new(&signature::ED25519, point).verify(message, signature).is_ok()
            }
            Self::Rs256 { n, e } => {
                PublicKey::rsa(n, e).is_ok_and(|key| key.verify(Algorithm::Rs256, message, signature))
            }
        }
    }
}
