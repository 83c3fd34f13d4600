//! The local certificate authority: makes the server's certificate where none is given, and renews it.
//!
//! Developers install `tls/ca.pem` once in what their clients trust; the server's certificate may then change.

use std::{
    collections::BTreeSet,
    fs,
    net::IpAddr,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use anyhow::{Context as _, Result};
use hilum_kernel::Clock;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::{
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::{
    config::Tls,
    data_dir::{DataDir, write_private},
};

const CA_DAYS: i64 = 3650;
/// Browsers refuse server certificates that live longer than 398 days.
const SERVER_DAYS: i64 = 397;
const RENEW_DAYS: i64 = 30;

/// The server's certificate; can be replaced while connections are open.
#[derive(Debug)]
pub(crate) struct ServerCertificate(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl ServerCertificate {
    /// Reads the configured certificate, or makes and reads that of the local CA.
    pub(crate) fn load(data: &DataDir, tls: &Tls, clock: &dyn Clock) -> Result<Self> {
        Ok(Self(RwLock::new(Arc::new(current(data, tls, clock)?))))
    }

    /// Reads the files anew, after renewing what is due.
    pub(crate) fn reload(&self, data: &DataDir, tls: &Tls, clock: &dyn Clock) -> Result<()> {
        let fresh = Arc::new(current(data, tls, clock)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

/// The provider that every TLS connection uses.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn current(data: &DataDir, tls: &Tls, clock: &dyn Clock) -> Result<CertifiedKey> {
    let (cert, key) = if let (Some(cert), Some(key)) = (&tls.cert, &tls.key) {
        (cert.clone(), key.clone())
    } else {
        ensure_local(data, &tls.names, clock)?;
        (data.tls("server.pem"), data.tls("server-key.pem"))
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&cert)
        .and_then(Iterator::collect)
        .with_context(|| format!("{} is no PEM certificate", cert.display()))?;
    let private =
        PrivateKeyDer::from_pem_file(&key).with_context(|| format!("{} is no PEM key", key.display()))?;
    CertifiedKey::from_der(chain, private, &provider())
        .with_context(|| format!("{} and {} do not belong together", cert.display(), key.display()))
}

/// Makes the CA where it is missing and the server's certificate where it is missing, expires soon or lacks a name.
pub(crate) fn ensure_local(data: &DataDir, names: &[String], clock: &dyn Clock) -> Result<()> {
    let now = clock.now();
    if !data.tls("ca.pem").is_file() || !data.tls("ca-key.pem").is_file() {
        make_ca(data, now).context("cannot make the local certificate authority")?;
    }
    let names = wanted_names(names);
    let good = Facts::read(&data.tls("server.pem")).is_ok_and(|facts| {
        facts.not_after > now + SignedDuration::from_hours(24 * RENEW_DAYS)
            && facts.issued_by(&data.tls("ca.pem"))
            && names.iter().all(|name| facts.names.contains(name))
    });
    if !good {
        make_server(data, &names, now).context("cannot make the server's certificate")?;
    }
    Ok(())
}

fn wanted_names(more: &[String]) -> BTreeSet<String> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_lowercase();
    let usable = |name: &str| {
        !name.is_empty()
            && name.len() <= 253
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:".contains(&b))
    };
    ["localhost", "127.0.0.1", "::1", &host]
        .into_iter()
        .chain(more.iter().map(String::as_str))
        .filter(|name| usable(name))
        .map(str::to_lowercase)
        .collect()
}

fn make_ca(data: &DataDir, now: Timestamp) -> Result<()> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    // The key's first bytes tell this authority from that of another data directory in the same trust store.
    let tag: String = hilum_jose::hex_upper(&params.key_identifier(&key)).chars().take(8).collect();
    params.distinguished_name = name(&format!("Hilum local CA {tag}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    (params.not_before, params.not_after) = period(now, CA_DAYS, params.not_before)?;
    let certificate = params.self_signed(&key)?;
    write_private(&data.tls("ca-key.pem"), zeroize::Zeroizing::new(key.serialize_pem()).as_bytes())?;
    write_private(&data.tls("ca.pem"), certificate.pem().as_bytes())?;
    Ok(())
}

fn make_server(data: &DataDir, names: &BTreeSet<String>, now: Timestamp) -> Result<()> {
    let ca_key = zeroize::Zeroizing::new(fs::read_to_string(data.tls("ca-key.pem"))?);
    let issuer =
        Issuer::from_ca_cert_pem(&fs::read_to_string(data.tls("ca.pem"))?, KeyPair::from_pem(&ca_key)?)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
    params.distinguished_name = name("Hilum");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Python 3.13 and Go check that the chain's identifiers fit.
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = period(now, SERVER_DAYS, params.not_before)?;
    let certificate = params.signed_by(&key, &issuer)?;
    write_private(&data.tls("server-key.pem"), zeroize::Zeroizing::new(key.serialize_pem()).as_bytes())?;
    write_private(&data.tls("server.pem"), certificate.pem().as_bytes())?;
    Ok(())
}

fn name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Hilum");
    name.push(DnType::CommonName, text);
    name
}

/// From an hour ago, for clients whose clock is behind. `T` is the time type of the certificate maker.
fn period<T>(now: Timestamp, days: i64, epoch: T) -> Result<(T, T)>
where
    T: Copy + std::ops::Add<std::time::Duration, Output = T>,
{
    // The maker's default start is 1975-01-01T00:00:00Z, from where we count: no second date library needed.
    const EPOCH_1975: i64 = 157_766_400;
    let seconds = u64::try_from(now.as_second() - EPOCH_1975 - 3600).context("the clock is before 1975")?;
    let start = epoch + std::time::Duration::from_secs(seconds);
    let length = u64::try_from(days)?.saturating_mul(86_400);
    Ok((start, start + std::time::Duration::from_secs(length)))
}

/// What a certificate file says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) not_after: Timestamp,
    pub(crate) names: BTreeSet<String>,
    issuer: Vec<u8>,
    subject: Vec<u8>,
}

impl Facts {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
        let der =
            CertificateDer::from_pem_file(file).with_context(|| format!("cannot read {}", file.display()))?;
        let (_, certificate) = X509Certificate::from_der(&der).context("no X.509 certificate")?;
        let mut names = BTreeSet::new();
        if let Some(extension) = certificate.subject_alternative_name()? {
            for name in &extension.value.general_names {
                match name {
                    GeneralName::DNSName(name) => names.extend([(*name).to_lowercase()]),
                    GeneralName::IPAddress(bytes) => names.extend(address(bytes)),
                    _ => {}
                }
            }
        }
        Ok(Self {
            not_after: Timestamp::from_second(certificate.validity().not_after.timestamp())?,
            names,
            issuer: certificate.issuer().as_raw().to_vec(),
            subject: certificate.subject().as_raw().to_vec(),
        })
    }

    fn issued_by(&self, ca: &Path) -> bool {
        Self::read(ca).is_ok_and(|ca| ca.subject == self.issuer)
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4.or(v6).ok().map(|address| address.to_string())
}

#[cfg(test)]
mod tests {
    use hilum_kernel::TestClock;

    use super::*;

    #[test]
    fn the_certificate_is_kept_until_it_expires_soon_or_lacks_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path());
        data.create().unwrap();
        let clock = TestClock::at("2026-01-31T12:00:00Z".parse().unwrap());
        let make = |names: &[String]| {
            ensure_local(&data, names, &clock).unwrap();
            fs::read(data.tls("server.pem")).unwrap()
        };
        let first = make(&[]);
        let ca = fs::read(data.tls("ca.pem")).unwrap();
        assert_eq!(make(&[]), first);
        let facts = Facts::read(&data.tls("server.pem")).unwrap();
        assert!(
            ["localhost", "127.0.0.1", "::1"].iter().all(|name| facts.names.contains(*name)),
            "{facts:?}"
        );
        assert_eq!(facts.not_after.to_string(), "2027-03-04T11:00:00Z");
        for file in ["ca-key.pem", "server-key.pem"] {
            assert_eq!(crate::data_dir::open_to_others(&data.tls(file)), None);
        }
        let named = make(&["pacs.example".to_owned()]);
        assert_ne!(named, first);
        clock.advance(SignedDuration::from_hours(24 * 380));
        assert_ne!(make(&["pacs.example".to_owned()]), named, "17 days are left");
        assert_eq!(fs::read(data.tls("ca.pem")).unwrap(), ca, "the authority stays what clients trust");
        ServerCertificate::load(&data, &Tls::default(), &clock).unwrap();
    }
}
