//! Keys that sign and keys that verify.

use std::fmt;

use hilum_kernel::{Random, Secret};
use thiserror::Error;

use crate::{
    backend::{PublicKey, RsaPrivateKey},
    certificate::{self, Certificate, CertificateError, PemBlock, SelfSigned, Validity},
    encoding::{base64_encode, base64url_decode, base64url_encode},
    jwk::Jwk,
    jws::Algorithm,
};

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The bytes are no key.
    #[error("the key is malformed")]
    Malformed,
    /// An RSA modulus below 2048 bits.
    #[error("the RSA key is smaller than 2048 bits")]
    TooSmall,
    /// A kind of key or a curve that is not supported.
    #[error("this kind of key is not supported")]
    Unsupported,
    /// The algorithm does not belong to this kind of key.
    #[error("the algorithm does not fit the key")]
    Algorithm,
    /// Certificate and private key are not a pair.
    #[error("the certificate belongs to another private key")]
    Mismatch,
    /// The certificate cannot be used.
    #[error("the certificate cannot be used")]
    Certificate(#[source] CertificateError),
    /// The library failed to make a key.
    #[error("no key could be generated")]
    Generate,
    /// The library failed to sign.
    #[error("the signature could not be made")]
    Sign,
}

/// An RSA private key with its certificate. Parsed once; share it in an `Arc`.
pub struct SigningKey {
    private: RsaPrivateKey,
    certificate: Certificate,
    kid: String,
}

impl SigningKey {
    /// Makes a new 2048-bit key with a self-signed certificate. Takes long: not for an async thread.
    pub fn generate(common_name: &str, validity: Validity, random: &dyn Random) -> Result<Self, KeyError> {
        let private = RsaPrivateKey::generate()?;
        let der = certificate::self_signed(&private, common_name, validity, random)
            .map_err(KeyError::Certificate)?;
        Self::new(private, &der)
    }

    /// Puts a stored key and its certificate (DER) together again.
    pub fn from_pkcs8(pkcs8: &Secret<Vec<u8>>, certificate_der: &[u8]) -> Result<Self, KeyError> {
        Self::new(RsaPrivateKey::from_pkcs8(pkcs8.expose())?, certificate_der)
    }

    /// Reads the PEM file of a client: a certificate and an unencrypted private key (PKCS#8 or PKCS#1), in
    /// either order, as `az ad app credential reset --create-cert` and `openssl req -nodes` write it.
    pub fn from_pem(pem: &Secret<String>) -> Result<Self, KeyError> {
        let (mut private, mut certificate) = (None, None);
        for block in certificate::pem_blocks(pem.expose()).map_err(KeyError::Certificate)? {
            let PemBlock { label, der } = block;
            match label.as_str() {
                "PRIVATE KEY" => private = Some(RsaPrivateKey::from_pkcs8(der.expose())?),
                "RSA PRIVATE KEY" => private = Some(RsaPrivateKey::from_pkcs1(der.expose())?),
                "CERTIFICATE" if certificate.is_none() => certificate = Some(der),
                _ => {}
            }
        }
        match (private, certificate) {
            (Some(private), Some(certificate)) => Self::new(private, certificate.expose()),
            _ => Err(KeyError::Malformed),
        }
    }

    fn new(private: RsaPrivateKey, certificate_der: &[u8]) -> Result<Self, KeyError> {
        let certificate = Certificate::from_der(certificate_der).map_err(KeyError::Certificate)?;
        if !private.public()?.same_as(certificate.public_key()) {
            return Err(KeyError::Mismatch);
        }
        let kid = certificate.x5t();
        Ok(Self { private, certificate, kid })
    }

    /// The private key as PKCS#8 DER, to be sealed and stored.
    pub fn pkcs8(&self) -> Result<Secret<Vec<u8>>, KeyError> {
        self.private.pkcs8()
    }

    /// The certificate with the public half.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The key's name: the certificate's SHA-1 thumbprint in base64url, as in Entra.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Signs with RS256 (RFC 7518 §3.3).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.sign_with(Algorithm::Rs256, message)
    }

    /// Signs with another RSA algorithm.
    pub fn sign_with(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.private.sign(algorithm, message)
    }

    /// The public half, under the same `kid`.
    pub fn verifying_key(&self) -> Result<VerifyingKey, KeyError> {
        let mut key = VerifyingKey::from_certificate(&self.certificate)?;
        key.kid = Some(self.kid.clone());
        Ok(key)
    }

    /// The public half as it is published. `issuer` is Entra's additional member.
    pub fn jwk(&self, issuer: Option<&str>) -> Result<Jwk, KeyError> {
        let PublicKey::Rsa(public) = self.certificate.public_key() else { return Err(KeyError::Unsupported) };
        Ok(Jwk {
            kty: "RSA".to_owned(),
            r#use: Some("sig".to_owned()),
            kid: Some(self.kid.clone()),
            x5t: Some(self.kid.clone()),
            n: Some(base64url_encode(&public.n)),
            e: Some(base64url_encode(&public.e)),
            x5c: vec![base64_encode(self.certificate.der())],
            alg: Some("RS256".to_owned()),
            issuer: issuer.map(str::to_owned),
            ..Jwk::default()
        })
    }

    /// Certificate and private key as PEM, for a client's own file.
    pub fn to_self_signed(&self) -> Result<SelfSigned, KeyError> {
        let private_key_pem = certificate::pem_of_secret("PRIVATE KEY", &self.pkcs8()?);
        Ok(SelfSigned { certificate: self.certificate.clone(), private_key_pem })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

/// A public key and what it is called.
pub struct VerifyingKey {
    key: PublicKey,
    kid: Option<String>,
    x5t: Option<String>,
    x5t_s256: Option<String>,
    /// A JWK may say the only algorithm it is for (RFC 7517 §4.4).
    only: Option<Algorithm>,
}

impl VerifyingKey {
    /// Reads a JWK for signatures (RFC 7517, RFC 7518 §6).
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        if jwk.r#use.as_deref().is_some_and(|purpose| purpose != "sig") {
            return Err(KeyError::Unsupported);
        }
        let only = match jwk.alg.as_deref() {
            Some(alg) => Some(Algorithm::parse(alg).ok_or(KeyError::Unsupported)?),
            None => None,
        };
        let member = |value: &Option<String>| {
            base64url_decode(value.as_deref().unwrap_or_default()).map_err(|_| KeyError::Malformed)
        };
        let key = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => PublicKey::rsa(&member(&jwk.n)?, &member(&jwk.e)?)?,
            ("EC", Some("P-256")) => ec_point(&member(&jwk.x)?, &member(&jwk.y)?, 32)?,
            ("EC", Some("P-384")) => ec_point(&member(&jwk.x)?, &member(&jwk.y)?, 48)?,
            _ => return Err(KeyError::Unsupported),
        };
        if only.is_some_and(|algorithm| !key.allows(algorithm)) {
            return Err(KeyError::Algorithm);
        }
        let unpadded = |text: &String| text.trim_end_matches('=').to_owned();
        Ok(Self {
            key,
            kid: jwk.kid.clone(),
            x5t: jwk.x5t.as_ref().map(unpadded),
            x5t_s256: jwk.x5t_s256.as_ref().map(unpadded),
            only,
        })
    }

    /// Takes the public key of a certificate; `kid` stays empty, the thumbprints are set.
    pub fn from_certificate(certificate: &Certificate) -> Result<Self, KeyError> {
        let key = match certificate.public_key() {
            PublicKey::Rsa(rsa) => PublicKey::rsa(&rsa.n, &rsa.e)?,
            PublicKey::P256(point, _) | PublicKey::P384(point, _) => PublicKey::ec(point)?,
        };
        let (x5t, x5t_s256) = (Some(certificate.x5t()), Some(certificate.x5t_s256()));
        Ok(Self { key, kid: None, x5t, x5t_s256, only: None })
    }

    /// The key's name, if it has one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// SHA-1 thumbprint of the certificate in base64url without padding, if known.
    pub fn x5t(&self) -> Option<&str> {
        self.x5t.as_deref()
    }

    /// SHA-256 thumbprint of the certificate in base64url without padding, if known.
    pub fn x5t_s256(&self) -> Option<&str> {
        self.x5t_s256.as_deref()
    }

    /// Whether the algorithm belongs to this key.
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        self.only.is_none_or(|only| only == algorithm) && self.key.allows(algorithm)
    }

    /// Whether `signature` is this key's over `message`.
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.allows(algorithm) && self.key.verify(algorithm, message, signature)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({:?})", self.kid.as_deref().or(self.x5t.as_deref()))
    }
}

/// RFC 7518 §6.2.1.2: a coordinate has exactly the length of the field.
fn ec_point(x: &[u8], y: &[u8], coordinate_bytes: usize) -> Result<PublicKey, KeyError> {
    if x.len() != coordinate_bytes || y.len() != coordinate_bytes {
        return Err(KeyError::Malformed);
    }
    PublicKey::ec(&[&[4], x, y].concat())
}
