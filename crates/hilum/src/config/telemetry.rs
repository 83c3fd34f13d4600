//! `[telemetry]`: logs and metrics.

use serde::{Deserialize, Serialize};

use super::{ConfigError, invalid};

/// Logs and metrics.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// How log lines look.
    pub log_format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, or directives like `info,hilum_identity=debug`.
    pub log_level: String,
    /// `ADDR:PORT` of the metrics listener; port 0 takes a free one; `off` for none.
    pub metrics_listen: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Text,
            log_level: "info".to_owned(),
            metrics_listen: "127.0.0.1:0".to_owned(),
        }
    }
}

impl Telemetry {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if tracing_subscriber::EnvFilter::try_new(&self.log_level).is_err() {
            return Err(invalid("telemetry.log_level", "must be a level or a list of directives"));
        }
        self.metrics_address().map(drop)
    }

    /// Where the metrics listener goes, if anywhere.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] when it is neither an address nor `off`.
    pub fn metrics_address(&self) -> Result<Option<std::net::SocketAddr>, ConfigError> {
        if self.metrics_listen == "off" {
            return Ok(None);
        }
        let address = self.metrics_listen.parse();
        address.map(Some).map_err(|_| invalid("telemetry.metrics_listen", "must be ADDR:PORT or off"))
    }
}
