//! X.509 certificates (RFC 5280): reading the public part, thumbprints, and self-signed ones.

use std::fmt;

use hilum_kernel::{Random, Secret};
use jiff::Timestamp;
use thiserror::Error;
use x509_parser::{certificate::X509Certificate, prelude::FromDer, public_key};
use zeroize::Zeroize;

use crate::{
    backend::{PublicKey, RsaPrivateKey, sha1, sha256},
    encoding::{base64_decode, base64_encode, base64url_encode, hex_upper},
    jws::Algorithm,
    keys::KeyError,
};

/// A certificate has 1 to 3 KB, a file with its chain and key maybe 15. Beyond: refused.
const FILE_BYTES_MAX: usize = 64 * 1024;
/// Blocks in one PEM file.
const BLOCKS_MAX: usize = 20;
/// Characters per line of PEM (RFC 7468 §2).
const PEM_LINE_CHARS: usize = 64;

/// Why a certificate is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// Larger than 64 KiB.
    #[error("the certificate file is too large")]
    TooLarge,
    /// The file holds a private key, which must stay where it was made.
    #[error("the file holds a private key: give only the certificate")]
    PrivateKey,
    /// Neither PEM nor DER of a certificate.
    #[error("this is not an X.509 certificate")]
    Malformed,
    /// RSA below 2048 bits.
    #[error("the certificate's RSA key is smaller than 2048 bits")]
    WeakKey,
    /// A kind of key other than RSA, P-256 and P-384.
    #[error("the certificate's kind of key is not supported")]
    UnsupportedKey,
    /// The certificate could not be made.
    #[error("the certificate could not be made")]
    Make,
}

/// From when to when a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First moment.
    pub not_before: Timestamp,
    /// Last moment.
    pub not_after: Timestamp,
}

/// A certificate, parsed and checked for a usable key. Its signature is not looked at: it is trusted by
/// being registered, as in Entra.
#[derive(Clone)]
pub struct Certificate(std::sync::Arc<Parsed>);

struct Parsed {
    der: Vec<u8>,
    sha1: [u8; 20],
    sha256: [u8; 32],
    subject: String,
    validity: Validity,
    weakly_signed: bool,
    key: PublicKey,
}

/// Signatures over SHA-1, MD5 and MD2, with RSA, DSA and ECDSA.
const WEAK_SIGNATURES: &[&str] = &[
    "1.2.840.113549.1.1.2",
    "1.2.840.113549.1.1.4",
    "1.2.840.113549.1.1.5",
    "1.3.14.3.2.29",
    "1.2.840.10040.4.3",
    "1.2.840.10045.4.1",
];

fn is_weak(algorithm: &str) -> bool {
    WEAK_SIGNATURES.contains(&algorithm)
}

/// Whether DER that is no certificate looks like a private key: PKCS#1, PKCS#8 and SEC1 begin with a version number, so
/// does PKCS#12; an encrypted PKCS#8 begins with the name of a password-based cipher (PKCS#5, PKCS#12).
fn is_private_key(der: &[u8]) -> bool {
    let Some(body) = inside(der) else { return false };
    match body.first() {
        Some(0x02) => true,
        Some(0x30) => inside(body).is_some_and(|algorithm| {
            algorithm.strip_prefix(&[0x06]).and_then(|oid| oid.get(1..)).is_some_and(|oid| {
                let pkcs = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01];
                oid.strip_prefix(&pkcs).is_some_and(|rest| matches!(rest.first(), Some(0x05 | 0x0C)))
            })
        }),
        _ => false,
    }
}

/// What is inside a SEQUENCE, as far as it is there.
fn inside(der: &[u8]) -> Option<&[u8]> {
    let (length, rest) = der.strip_prefix(&[0x30])?.split_first()?;
    match *length {
        length @ 0x81..=0x84 => rest.get(usize::from(length & 0x7F)..),
        _ => Some(rest),
    }
}

impl Certificate {
    /// Reads DER. Bytes after the certificate are refused.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > FILE_BYTES_MAX {
            return Err(CertificateError::TooLarge);
        }
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| {
            if is_private_key(der) { CertificateError::PrivateKey } else { CertificateError::Malformed }
        })?;
        if !rest.is_empty() {
            return Err(CertificateError::Malformed);
        }
        let time = |asn1: x509_parser::time::ASN1Time| {
            Timestamp::from_second(asn1.timestamp()).map_err(|_| CertificateError::Malformed)
        };
        let validity = Validity {
            not_before: time(parsed.validity().not_before)?,
            not_after: time(parsed.validity().not_after)?,
        };
        Ok(Self(std::sync::Arc::new(Parsed {
            der: der.to_vec(),
            sha1: sha1(der),
            sha256: sha256(der),
            subject: parsed.subject().to_string(),
            validity,
            weakly_signed: is_weak(&parsed.signature_algorithm.algorithm.to_id_string()),
            key: public_key_of(&parsed)?,
        })))
    }

    /// Reads an uploaded file: PEM (its first certificate) or DER. A PEM file with a private key is refused.
    pub fn from_pem_or_der(file: &[u8]) -> Result<Self, CertificateError> {
        if file.len() > FILE_BYTES_MAX {
            return Err(CertificateError::TooLarge);
        }
        let Some(text) = std::str::from_utf8(file).ok().filter(|text| text.contains("-----BEGIN ")) else {
            return Self::from_der(file);
        };
        let blocks = pem_blocks(text)?;
        if blocks.iter().any(|block| block.label.ends_with("PRIVATE KEY")) {
            return Err(CertificateError::PrivateKey);
        }
        let first = blocks.iter().find(|block| block.label == "CERTIFICATE");
        Self::from_der(first.ok_or(CertificateError::Malformed)?.der.expose())
    }

    /// The certificate's bytes.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The certificate as PEM.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", self.der())
    }

    /// SHA-1 over the certificate.
    pub fn thumbprint_sha1(&self) -> &[u8; 20] {
        &self.0.sha1
    }

    /// SHA-256 over the certificate.
    pub fn thumbprint_sha256(&self) -> &[u8; 32] {
        &self.0.sha256
    }

    /// SHA-1 in base64url, as in the header `x5t`.
    pub fn x5t(&self) -> String {
        base64url_encode(self.0.sha1)
    }

    /// SHA-256 in base64url, as in the header `x5t#S256`.
    pub fn x5t_s256(&self) -> String {
        base64url_encode(self.0.sha256)
    }

    /// SHA-1 in upper-case hexadecimal, as the portal and `az` show it.
    pub fn thumbprint_hex(&self) -> String {
        hex_upper(&self.0.sha1)
    }

    /// The subject's name, as text (`CN=…`).
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Whether it is signed over SHA-1, MD5 or MD2.
    pub fn is_weakly_signed(&self) -> bool {
        self.0.weakly_signed
    }

    /// From when to when it holds.
    pub fn validity(&self) -> Validity {
        self.0.validity
    }

    pub(crate) fn public_key(&self) -> &PublicKey {
        &self.0.key
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} {})", self.0.subject, self.thumbprint_hex())
    }
}

fn public_key_of(parsed: &X509Certificate<'_>) -> Result<PublicKey, CertificateError> {
    let key = match parsed.public_key().parsed() {
        Ok(public_key::PublicKey::RSA(rsa)) => PublicKey::rsa(rsa.modulus, rsa.exponent),
        Ok(public_key::PublicKey::EC(point)) => PublicKey::ec(point.data()),
        Ok(_) => Err(KeyError::Unsupported),
        Err(_) => Err(KeyError::Malformed),
    };
    key.map_err(|error| match error {
        KeyError::TooSmall => CertificateError::WeakKey,
        KeyError::Unsupported => CertificateError::UnsupportedKey,
        _ => CertificateError::Malformed,
    })
}

/// A new certificate with its private key, both as files for a client.
#[derive(Debug, Clone)]
pub struct SelfSigned {
    /// The certificate, to be registered.
    pub certificate: Certificate,
    /// The private key as PEM (PKCS#8), to stay with the client.
    pub private_key_pem: Secret<String>,
}

impl SelfSigned {
    /// Private key and certificate in one PEM file, as `az … --create-cert` writes it.
    pub fn combined_pem(&self) -> Secret<String> {
        Secret::new(format!("{}{}", self.private_key_pem.expose(), self.certificate.pem()))
    }
}

/// Makes a self-signed certificate over the key.
pub(crate) fn self_signed(
    key: &RsaPrivateKey,
    common_name: &str,
    validity: Validity,
    random: &dyn Random,
) -> Result<Vec<u8>, CertificateError> {
    let mut serial = [0; 16];
    random.fill(&mut serial);
    // RFC 5280 §4.1.2.2: positive.
    if let Some(top) = serial.first_mut() {
        *top = (*top & 0x7F) | 0x01;
    }
    let mut parameters = rcgen::CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, common_name);
    parameters.serial_number = Some(rcgen::SerialNumber::from_slice(&serial));
    parameters.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    // Whole seconds between 1970 and 9999: the library's addition cannot overflow there.
    let since_epoch = |time: Timestamp| {
        let seconds = u64::try_from(time.as_second()).ok().filter(|seconds| *seconds < 253_402_300_800);
        seconds.map(|seconds| epoch + std::time::Duration::from_secs(seconds)).ok_or(CertificateError::Make)
    };
    parameters.not_before = since_epoch(validity.not_before)?;
    parameters.not_after = since_epoch(validity.not_after)?;
    let made = parameters.self_signed(&Signer(key)).map_err(|_| CertificateError::Make)?;
    Ok(made.der().to_vec())
}

/// Lends the private key to rcgen without a second copy of it.
struct Signer<'a>(&'a RsaPrivateKey);

impl rcgen::PublicKeyData for Signer<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_pkcs1()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

impl rcgen::SigningKey for Signer<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(Algorithm::Rs256, message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

/// One block of a PEM file (RFC 7468). Any block may be a private key, so all are kept as secrets.
pub(crate) struct PemBlock {
    pub(crate) label: String,
    pub(crate) der: Secret<Vec<u8>>,
}

/// Takes a PEM file apart. Text between the blocks is skipped (RFC 7468 §2).
pub(crate) fn pem_blocks(text: &str) -> Result<Vec<PemBlock>, CertificateError> {
    if text.len() > FILE_BYTES_MAX {
        return Err(CertificateError::TooLarge);
    }
    let (mut blocks, mut rest) = (Vec::new(), text);
    while let Some((_, begun)) = rest.split_once("-----BEGIN ") {
        let (label, body) = begun.split_once("-----").ok_or(CertificateError::Malformed)?;
        let end = format!("-----END {label}-----");
        let (body, after) = body.split_once(end.as_str()).ok_or(CertificateError::Malformed)?;
        let label = label.to_owned();
        let der = match base64_decode(body) {
            Ok(der) => Secret::new(der),
            // An old encrypted key has header lines. What matters is that it is a private key.
            Err(_) if label.ends_with("PRIVATE KEY") => Secret::new(Vec::new()),
            Err(_) => return Err(CertificateError::Malformed),
        };
        blocks.push(PemBlock { label, der });
        if blocks.len() > BLOCKS_MAX {
            return Err(CertificateError::TooLarge);
        }
        rest = after;
    }
    Ok(blocks)
}

/// A secret as PEM; the intermediate text is wiped.
pub(crate) fn pem_of_secret(label: &str, der: &Secret<Vec<u8>>) -> Secret<String> {
    Secret::new(pem(label, der.expose()))
}

fn pem(label: &str, der: &[u8]) -> String {
    let mut body = base64_encode(der);
    // Room for everything at once, so that no copy of a secret is left behind by growing.
    let mut text = String::with_capacity(body.len() + body.len() / PEM_LINE_CHARS + 2 * label.len() + 64);
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(PEM_LINE_CHARS).unwrap_or((rest, ""));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    body.zeroize();
    text
}
