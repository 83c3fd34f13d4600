//! `[tls]`: the server's certificate; without one, a local CA in the data directory makes it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ConfigError, invalid};

/// Certificate and key, both or none.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// PEM file: the server's certificate, then intermediates.
    pub cert: Option<PathBuf>,
    /// PEM file: the private key.
    pub key: Option<PathBuf>,
    /// Further names and addresses for the certificate that the local CA makes.
    pub names: Vec<String>,
}

impl Tls {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        match (&self.cert, &self.key) {
            (Some(_), None) => return Err(invalid("tls.key", "is missing; tls.cert needs it")),
            (None, Some(_)) => return Err(invalid("tls.cert", "is missing; tls.key needs it")),
            _ => {}
        }
        for (key, file) in [("tls.cert", &self.cert), ("tls.key", &self.key)] {
            if let Some(file) = file
                && !file.is_file()
            {
                return Err(invalid(key, format!("{} is not there", file.display())));
            }
        }
        Ok(())
    }
}
