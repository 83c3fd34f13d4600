//! Trust in the certificate authority that the server under test made for itself.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result};
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// A client configuration that trusts the CA in a PEM file and nothing else.
pub(crate) fn trusting(ca: &Path) -> Result<Arc<rustls::ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in
        CertificateDer::pem_file_iter(ca).with_context(|| format!("cannot read {}", ca.display()))?
    {
        roots
            .add(certificate.context("the CA file is not PEM")?)
            .context("the CA certificate is not usable")?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
