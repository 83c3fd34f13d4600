//! Configuration: `hilum.toml` < `HILUM_…` environment variables < flags. Unknown keys are errors.
//!
//! Read once, at start; everything below gets values, not this tree. Secrets print as `[secret]`.

mod access;
mod blobs;
mod cors;
mod database;
mod dicom;
mod environment;
mod http;
mod identity;
mod identity_providers;
mod limits;
mod masked;
mod telemetry;
mod tls;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use figment::{
    Figment,
    providers::{Format as _, Serialized, Toml},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use access::Access;
pub use blobs::Blobs;
pub use cors::CorsSettings;
pub use database::Database;
pub use dicom::{AuthoritySettings, Dicom, RightsFromSetting, RoleDefinitionSettings, StoreSettings};
pub use environment::Environment;
pub use http::{Http, Listen};
pub use identity::{FederatedIssuerSettings, IdentifierUris, Identity};
pub use identity_providers::{IdentityProviderSettings, LinkingSetting};
pub use limits::Limits;
pub use masked::{MaskedText, MaskedUrl};
pub use telemetry::{LogFormat, Telemetry};
pub use tls::Tls;

/// The whole configuration, one struct per area.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the server listens and what it is called.
    pub http: Http,
    /// Certificate of the server.
    pub tls: Tls,
    /// The database.
    pub database: Database,
    /// The store for DICOM files.
    pub blobs: Blobs,
    /// The identity platform.
    pub identity: Identity,
    /// How tokens are presented.
    pub access: Access,
    /// The DICOM service.
    pub dicom: Dicom,
    /// Logs and metrics.
    pub telemetry: Telemetry,
    /// Bounds on what is done at a time.
    pub limits: Limits,
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file, variable or flag says something that cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The values contradict each other or reality.
    #[error("{key}: {reason}")]
    Invalid {
        /// The key in `hilum.toml`.
        key: &'static str,
        /// What is wrong and how to mend it.
        reason: String,
    },
}

/// Where the configuration comes from.
#[derive(Debug, Default)]
pub struct Sources {
    /// The file; when `None`, `hilum.toml` in the data directory, if it is there.
    pub file: Option<PathBuf>,
    /// The variables that start with `HILUM_`.
    pub environment: Environment,
    /// What flags say, as a tree of the same shape.
    pub flags: serde_json::Value,
}

impl Config {
    /// Reads and validates.
    ///
    /// # Errors
    /// [`ConfigError`] names the key and says what is wrong.
    pub fn load(data: &Path, sources: &Sources) -> Result<Self, ConfigError> {
        let mut figment = Figment::new();
        let file = sources.file.clone().unwrap_or_else(|| data.join("hilum.toml"));
        if sources.file.is_some() && !file.is_file() {
            return Err(ConfigError::Unreadable(format!("{} is not there", file.display())));
        }
        if file.is_file() {
            figment = figment.merge(Toml::file_exact(&file));
        }
        figment = figment.merge(sources.environment.provider());
        if sources.flags.is_object() {
            figment = figment.merge(Serialized::defaults(&sources.flags));
        }
        let config: Self = figment.extract().map_err(|error| ConfigError::Unreadable(describe(error)))?;
        config.validate()?;
        Ok(config)
    }

    /// The configuration as JSON with every secret masked.
    pub fn printable(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn validate(&self) -> Result<(), ConfigError> {
        self.http.validate()?;
        self.tls.validate()?;
        if self.http.plain && self.tls.cert.is_some() {
            return Err(ConfigError::Invalid {
                key: "http.plain",
                reason: "plain HTTP and a TLS certificate exclude each other".to_owned(),
            });
        }
        self.database.validate()?;
        self.blobs.validate()?;
        self.identity.validate()?;
        self.dicom.validate()?;
        self.telemetry.validate()?;
        self.limits.validate()
    }
}

/// figment's errors quote the value that did not fit, which may be a secret: only place and expectation are told.
fn describe(error: figment::Error) -> String {
    use figment::error::Kind;
    let mut texts = Vec::new();
    for error in error {
        let key = error.path.join(".");
        let from = match error.metadata.as_ref().map(|metadata| metadata.name.as_ref()) {
            // The flags come as a tree of values, whose type is their name.
            Some(name) if name.contains("serde_json") => "the command line".to_owned(),
            Some(name) => name.to_owned(),
            None => String::new(),
        };
        let what = match &error.kind {
            Kind::UnknownField(name, known) => {
                format!("unknown key `{name}`; there are: {}", known.join(", "))
            }
            Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => format!("must be {expected}"),
            Kind::UnknownVariant(_, known) => format!("must be one of: {}", known.join(", ")),
            Kind::MissingField(name) => format!("`{name}` is missing"),
            Kind::Message(text) => without_source(text),
            _ => "cannot be read".to_owned(),
        };
        let place = if key.is_empty() { String::new() } else { format!("{key}: ") };
        texts.push(if from.is_empty() {
            format!("{place}{what}")
        } else {
            format!("{place}{what} (in {from})")
        });
    }
    texts.join("; ")
}

/// A syntax error of TOML shows the line it stands in, and that may hold a password. Its first line says where the error
/// is, the last one what is expected there.
fn without_source(text: &str) -> String {
    let mut lines = text.trim_end().lines();
    match (lines.next(), lines.next_back()) {
        (Some(first), Some(last)) if first.starts_with("TOML parse error") => format!("{first}: {last}"),
        _ => text.to_owned(),
    }
}

/// An issuer of tokens: https, or http on loopback where that is permitted.
fn issuer(key: &'static str, issuer: &str, allow_http_loopback: bool) -> Result<(), ConfigError> {
    let url = url::Url::parse(issuer).map_err(|_| invalid(key, "must be a URL"))?;
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() != "https" && !(allow_http_loopback && loopback) {
        let reason = "must be https (http only on loopback with allow_http_loopback = true)";
        return Err(invalid(key, reason));
    }
    Ok(())
}

/// A file that must be there, if it is named.
fn present(key: &'static str, file: Option<&Path>) -> Result<(), ConfigError> {
    match file {
        Some(file) if !file.is_file() => Err(invalid(key, format!("{} is not there", file.display()))),
        _ => Ok(()),
    }
}

pub(crate) fn invalid(key: &'static str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { key, reason: reason.into() }
}
