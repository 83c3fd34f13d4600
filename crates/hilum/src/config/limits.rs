//! `[limits]`: how much is done at a time. Beyond: 503 with `Retry-After`, or a connection that waits.

use serde::{Deserialize, Serialize};

use super::{ConfigError, invalid};

/// Bounds of the server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at a time; further ones wait in the system's backlog.
    pub connections_max: usize,
    /// Requests at a time, until an answer above 64 KiB is sent; further ones are answered 503.
    pub requests_max: usize,
    /// How long a connection may take to send a request's head, and may idle between requests.
    pub header_seconds: u64,
    /// How long a request's body may stand still.
    pub body_idle_seconds: u64,
    /// How long shutdown waits for requests under way.
    pub drain_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        // 10,000 connections at about 15 KB each stay within the 150 MB that the server is meant to need.
        Self {
            connections_max: 4096,
            requests_max: 1024,
            header_seconds: 60,
            body_idle_seconds: 60,
            drain_seconds: 30,
        }
    }
}

impl Limits {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if self.connections_max == 0 || self.requests_max == 0 {
            return Err(invalid("limits", "connections_max and requests_max must be at least 1"));
        }
        if self.header_seconds == 0 || self.body_idle_seconds == 0 {
            return Err(invalid("limits", "header_seconds and body_idle_seconds must be at least 1"));
        }
        Ok(())
    }
}
