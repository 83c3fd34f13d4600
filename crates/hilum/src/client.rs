//! The HTTP client of commands that talk to a server: it trusts the data directory's own CA, too.

use anyhow::{Context as _, Result};
use reqwest::{Certificate, Client};

use crate::data_dir::DataDir;

/// A client that trusts what the system trusts, and the data directory's CA.
pub(crate) fn new(data: &DataDir) -> Result<Client> {
    let mut builder = Client::builder().user_agent(concat!("hilum/", env!("CARGO_PKG_VERSION")));
    if let Ok(pem) = std::fs::read(data.tls("ca.pem")) {
        let ca = Certificate::from_pem(&pem).context("tls/ca.pem is damaged")?;
        builder = builder.tls_certs_merge([ca]);
    }
    builder.build().context("cannot make an HTTP client")
}
