//! How an issuer elsewhere is spoken to: over HTTPS, never longer and never for more than the limits say, and only where
//! its configuration leads.

use std::{net::IpAddr, time::Duration};

use hilum_kernel::Secret;
use reqwest::{Certificate, Client, RequestBuilder, StatusCode, Url, redirect};
use thiserror::Error;

/// Entra's discovery document has 2 KB, its key set 20 KB. Beyond: the fetch fails.
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// To whom plain HTTP may be spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlainHttp {
    /// To nobody.
    Never,
    /// Only to loopback addresses.
    #[default]
    Loopback,
    /// To everybody. For test networks.
    Anywhere,
}

/// Why an issuer gave nothing that can be used, or cannot be spoken to at all.
#[derive(Debug, Error)]
pub enum IssuerError {
    /// No URL, or neither HTTPS nor permitted HTTP.
    #[error("the URL {0:?} is not permitted: https is required")]
    Url(String),
    /// The certificates or the HTTP client could not be set up.
    #[error("the HTTP client could not be set up")]
    Client(#[source] reqwest::Error),
    /// The issuer did not answer well.
    #[error("the issuer could not be reached")]
    Fetch(#[source] reqwest::Error),
    /// Another status than 200.
    #[error("the issuer answered with status {0}")]
    Status(u16),
    /// A document beyond 256 KiB.
    #[error("the issuer's document is too large")]
    TooLarge,
}

/// A bounded HTTP client for one issuer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct IssuerClient {
    client: Client,
    plain_http: PlainHttp,
}

/// A client's own credentials at a token endpoint (RFC 6749 §2.3.1, `client_secret_basic`).
pub type BasicCredentials<'a> = (&'a str, &'a Secret<String>);

impl IssuerClient {
    /// A client whose every request takes at most `timeout`, the body included, and follows at most so many redirects, none
    /// of them away from the permitted schemes. `extra_roots_pem` holds certificates of further authorities.
    ///
    /// # Errors
    /// [`IssuerError::Client`] when the certificates cannot be read.
    pub fn new(
        timeout: Duration,
        (plain_http, redirects_max): (PlainHttp, usize),
        extra_roots_pem: Option<&[u8]>,
    ) -> Result<Self, IssuerError> {
        let follow = redirect::Policy::custom(move |attempt| {
            if attempt.previous().len() > redirects_max
                || permitted(attempt.url().as_str(), plain_http).is_err()
            {
                attempt.stop()
            } else {
                attempt.follow()
            }
        });
        let roots = match extra_roots_pem {
            Some(pem) => Certificate::from_pem_bundle(pem).map_err(IssuerError::Client)?,
            None => Vec::new(),
        };
        let client = Client::builder()
            .redirect(follow)
            .timeout(timeout)
            .tls_certs_merge(roots)
            .build()
            .map_err(IssuerError::Client)?;
        Ok(Self { client, plain_http })
    }

    /// Whether a URL may be spoken to, or a browser be sent there: HTTPS, or HTTP where that is permitted.
    ///
    /// # Errors
    /// [`IssuerError::Url`].
    pub fn check(&self, url: &str) -> Result<Url, IssuerError> {
        permitted(url, self.plain_http)
    }

    /// A document, of at most 256 KiB. `bearer` is an access token for it, where it wants one.
    ///
    /// # Errors
    /// [`IssuerError`]; [`IssuerError::Status`] for any status but 200.
    pub async fn get(&self, url: &str, bearer: Option<&Secret<String>>) -> Result<Vec<u8>, IssuerError> {
        let mut request = self.client.get(self.check(url)?);
        if let Some(token) = bearer {
            request = request.bearer_auth(token.expose());
        }
        match send(request).await? {
            (StatusCode::OK, document) => Ok(document),
            (status, _) => Err(IssuerError::Status(status.as_u16())),
        }
    }

    /// Posts a form, and gives status and body of whatever is answered.
    ///
    /// # Errors
    /// [`IssuerError`].
    pub async fn post_form(
        &self,
        url: &str,
        fields: &[(&str, &str)],
        basic: Option<BasicCredentials<'_>>,
    ) -> Result<(StatusCode, Vec<u8>), IssuerError> {
        let mut request = self.client.post(self.check(url)?).form(fields);
        if let Some((user, password)) = basic {
            request = request.basic_auth(user, Some(password.expose()));
        }
        send(request.header("accept", "application/json")).await
    }
}

async fn send(request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), IssuerError> {
    let mut answer = request.send().await.map_err(IssuerError::Fetch)?;
    let mut document = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(IssuerError::Fetch)? {
        if document.len() + chunk.len() > DOCUMENT_BYTES_MAX {
            return Err(IssuerError::TooLarge);
        }
        document.extend_from_slice(&chunk);
    }
    Ok((answer.status(), document))
}

/// HTTPS, or HTTP where it cannot leave the machine or was explicitly permitted.
fn permitted(url: &str, plain_http: PlainHttp) -> Result<Url, IssuerError> {
    let refused = || IssuerError::Url(url.to_owned());
    let parsed = Url::parse(url).map_err(|_| refused())?;
    let host = parsed.host_str().ok_or_else(refused)?;
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    match parsed.scheme() {
        "https" => Ok(parsed),
        "http" if plain_http == PlainHttp::Anywhere => Ok(parsed),
        "http" if plain_http == PlainHttp::Loopback && is_loopback => Ok(parsed),
        _ => Err(refused()),
    }
}
