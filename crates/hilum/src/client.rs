//! The HTTP client of commands that talk to a server: it trusts the data directory's own CA, or the one that was named
//! at sign-in, besides what the system trusts.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::{Certificate, Client, ClientBuilder, Response, redirect};

use crate::data_dir::DataDir;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

/// A client that trusts what the system trusts, and the data directory's CA.
pub(crate) fn new(data: &DataDir) -> Result<Client> {
    let mut builder = builder();
    if let Ok(pem) = std::fs::read(data.tls("ca.pem")) {
        let ca = Certificate::from_pem(&pem).context("tls/ca.pem is damaged")?;
        builder = builder.tls_certs_merge([ca]);
    }
    builder.build().context("cannot make an HTTP client")
}

/// A client for a server elsewhere. It follows no redirects: what it sends holds secrets.
pub(crate) fn for_server(ca: Option<&str>) -> Result<Client> {
    let mut builder = builder().redirect(redirect::Policy::none()).timeout(REQUEST_TIMEOUT);
    if let Some(pem) = ca {
        let authorities =
            Certificate::from_pem_bundle(pem.as_bytes()).context("the CA certificate cannot be read")?;
        if authorities.is_empty() {
            bail!("the CA file holds no certificate in PEM form");
        }
        builder = builder.tls_certs_merge(authorities);
    }
    builder.build().context("cannot make an HTTP client")
}

fn builder() -> ClientBuilder {
    Client::builder().user_agent(concat!("hilum/", env!("CARGO_PKG_VERSION")))
}

/// The whole body, unless it is longer than this program is willing to hold.
pub(crate) async fn body(mut response: Response, bytes_max: usize) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.context("the answer broke off")? {
        if body.len() + chunk.len() > bytes_max {
            bail!("the answer is longer than {bytes_max} bytes");
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The innermost cause: what people can act on.
pub(crate) fn cause(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    text
}
