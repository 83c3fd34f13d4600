//! The parameters of an authorization request as they came (RFC 6749 §4.1.1, OIDC Core §3.1.2.1; sheet §2.1): known ones,
//! each once and of bearable length. What is not known is ignored (RFC 6749 §3.1).

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::oauth::{error::OAuthError, form::Form};

/// Longer pushed requests are not taken: they have to fit into an address.
pub(crate) const REQUEST_URI_CHARS_MAX: usize = 16 * 1024;

/// Name and longest value. MSAL JS packs its own state and the application's into `state`.
const KNOWN: [(&str, usize); 24] = [
    ("client_id", 64),
    ("response_type", 64),
    ("redirect_uri", 512),
    ("scope", 4096),
    ("resource", 256),
    ("response_mode", 32),
    ("state", 8192),
    ("nonce", 1024),
    ("prompt", 64),
    ("login_hint", 512),
    ("domain_hint", 253),
    ("id_token_hint", 16 * 1024),
    ("sid", 64),
    ("max_age", 16),
    ("code_challenge", 256),
    ("code_challenge_method", 16),
    ("dpop_jkt", 64),
    ("claims", 8192),
    ("client_info", 8),
    ("ui_locales", 256),
    ("mkt", 64),
    ("client-request-id", 64),
    // Not supported: to be refused, not ignored (OIDC Core §6.1, §6.2).
    ("request", 8192),
    // Ours hold the whole request (RFC 9126).
    ("request_uri", REQUEST_URI_CHARS_MAX),
];

/// The known parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Takes the known ones out of a query or form.
    pub(in crate::oauth) fn of(form: &Form<'_>) -> Result<Self, OAuthError> {
        let mut known = Vec::new();
        for (name, most) in KNOWN {
            let Some(value) = form.get(name) else { continue };
            if value.len() > most {
                return Err(OAuthError::BadParameter(name));
            }
            known.push((name.to_owned(), value.to_owned()));
        }
        Ok(Self(known))
    }

    pub(in crate::oauth) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn required(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or(OAuthError::MissingParameter(name))
    }

    /// The languages that the client names, the standard's way first.
    pub(super) fn languages(&self) -> [Option<&str>; 2] {
        [self.get("ui_locales"), self.get("mkt")]
    }

    /// Adds what was said elsewhere, if it was not said here.
    pub(in crate::oauth) fn add(&mut self, name: &str, value: String) {
        if self.get(name).is_none() {
            self.0.push((name.to_owned(), value));
        }
    }

    /// Puts another value in the place of one that was sent.
    pub(super) fn replace(&mut self, name: &str, with: String) {
        if let Some((_, value)) = self.0.iter_mut().find(|(known, _)| known == name) {
            *value = with;
        }
    }

    /// As a query.
    pub(super) fn query(&self) -> String {
        let pairs = self
            .0
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Parameters, OAuthError> {
        Parameters::of(&Form::parse(query.as_bytes())?)
    }

    #[test]
    fn known_ones_are_kept_and_bounded() {
        let read_one = read("client_id=a&state=x%20y&unknown=1&clidata=1").unwrap();
        assert_eq!(read_one.query(), "client_id=a&state=x%20y");
        assert_eq!(read_one.get("unknown"), None);
        assert!(read(&format!("state={}", "x".repeat(8192))).is_ok());
        for (name, most) in KNOWN {
            assert!(read(&format!("{name}={}", "x".repeat(most + 1))).is_err(), "{name}");
        }
        assert!(read("state=1&state=2").is_err() && read("unknown=1&unknown=2").is_err());
    }
}
