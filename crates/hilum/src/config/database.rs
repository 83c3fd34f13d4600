//! `[database]`: SQLite in the data directory, or PostgreSQL by URL.

use std::path::Path;

use hilum_storage::db::DbConfig;
use serde::{Deserialize, Serialize};

use super::{ConfigError, MaskedUrl, invalid};

/// Which database.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// `postgres://USER:PASSWORD@HOST/NAME` or `sqlite:///PATH`; without it `hilum.db` in the data directory.
    pub url: Option<MaskedUrl>,
}

impl Database {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        match self.url.as_ref().map(MaskedUrl::expose) {
            None => Ok(()),
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => Ok(()),
            Some(url) if url.starts_with("sqlite:") => Ok(()),
            Some(_) => Err(invalid("database.url", "must start with postgres:// or sqlite:")),
        }
    }

    /// What storage wants to know.
    pub fn to_storage(&self, data: &Path) -> DbConfig {
        match self.url.as_ref().map(MaskedUrl::expose) {
            None => DbConfig::Sqlite { path: data.join("hilum.db") },
            Some(url) => match url.strip_prefix("sqlite:") {
                Some(path) => {
                    DbConfig::Sqlite { path: path.strip_prefix("//").unwrap_or(path).to_owned().into() }
                }
                None => DbConfig::Postgres { url: url.to_owned() },
            },
        }
    }
}
