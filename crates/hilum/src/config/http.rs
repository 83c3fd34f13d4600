//! `[http]`: where the server listens and what the world calls it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{ConfigError, invalid};

/// The listener of the one origin.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// `HOST:PORT`; port 0 takes a free one.
    pub listen: String,
    /// Plain HTTP instead of HTTPS; on loopback, or behind a TLS proxy.
    pub plain: bool,
    /// Whether a TLS proxy stands in front whose `X-Forwarded-For` is trusted.
    pub behind_proxy: bool,
    /// The origin by which clients reach the server, `https://pacs.example.org`; issuers are made of it.
    pub public_url: Option<String>,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: "localhost:8443".to_owned(), plain: false, behind_proxy: false, public_url: None }
    }
}

/// A listen address, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Name or address, without brackets.
    pub host: String,
    /// The port; 0 for any.
    pub port: u16,
}

impl Listen {
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok()?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        (!host.is_empty()).then(|| Self { host: host.to_owned(), port })
    }

    fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl Http {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let listen = self.parsed_listen()?;
        if self.plain && !self.behind_proxy && !listen.is_loopback() {
            return Err(invalid(
                "http.plain",
                "plain HTTP is for loopback only: tokens and patients' data would cross the network readable. \
                 Listen on localhost, or put a TLS proxy in front and say --behind-proxy",
            ));
        }
        if let Some(url) = &self.public_url {
            let parsed = url::Url::parse(url)
                .map_err(|_| invalid("http.public_url", "must be a URL like https://pacs.example.org"))?;
            let bare = parsed.path() == "/"
                && parsed.query().is_none()
                && parsed.fragment().is_none()
                && parsed.username().is_empty()
                && parsed.password().is_none()
                && parsed.host_str().is_some();
            if !matches!(parsed.scheme(), "https" | "http") || !bare {
                return Err(invalid(
                    "http.public_url",
                    "must be an origin: https://HOST or https://HOST:PORT, nothing after it",
                ));
            }
            if parsed.scheme() == "http" && !is_loopback(&parsed) {
                return Err(invalid(
                    "http.public_url",
                    "http:// is for loopback only: clients would send secrets and tokens readable across the \
                     network. Say https://, also when a TLS proxy in front speaks it instead of Hilum",
                ));
            }
        }
        Ok(())
    }

    /// The listen address, taken apart.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] when it is not `HOST:PORT`.
    pub fn parsed_listen(&self) -> Result<Listen, ConfigError> {
        Listen::parse(&self.listen)
            .ok_or_else(|| invalid("http.listen", "must be HOST:PORT, like localhost:8443 or 0.0.0.0:443"))
    }

    /// The public origin without trailing slash, given the port that was bound.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] when the listen address is not `HOST:PORT`.
    pub fn origin(&self, port: u16) -> Result<String, ConfigError> {
        if let Some(url) = &self.public_url {
            // Url writes the host in lower case and leaves out the scheme's own port, as clients do.
            return Ok(url::Url::parse(url)
                .map_err(|_| invalid("http.public_url", "must be a URL"))?
                .origin()
                .ascii_serialization());
        }
        let listen = self.parsed_listen()?;
        let scheme = if self.plain && !self.behind_proxy { "http" } else { "https" };
        let host = match listen.host.parse::<IpAddr>() {
            Ok(address) if address.is_unspecified() => "localhost".to_owned(),
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => listen.host.to_lowercase(),
        };
        let default_port = if scheme == "https" { 443 } else { 80 };
        Ok(if port == default_port {
            format!("{scheme}://{host}")
        } else {
            format!("{scheme}://{host}:{port}")
        })
    }
}
