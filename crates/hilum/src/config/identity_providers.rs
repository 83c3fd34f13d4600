//! `[[identity.providers]]`: the OpenID Connect providers that users may sign in through.

use std::{collections::BTreeSet, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{ConfigError, MaskedText, invalid, issuer, present};

/// More would fill the sign-in page.
const PROVIDERS_MAX: usize = 20;
const ID_CHARS_MAX: usize = 32;
const NAME_CHARS_MAX: usize = 64;
const DOMAINS_MAX: usize = 100;
/// A client secret's file is short; more of it is not read.
const SECRET_BYTES_MAX: u64 = 4096;

/// A provider that users may sign in through. Only providers named so are ever spoken to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityProviderSettings {
    /// Its name in URLs: lower-case letters, digits, hyphens. The redirect URI ends in it.
    pub id: String,
    /// Its name on the sign-in page.
    pub name: String,
    /// The issuer; its metadata is at `ISSUER/.well-known/openid-configuration`.
    pub issuer: String,
    /// What Hilum is called there.
    pub client_id: String,
    /// The secret Hilum proves itself with there.
    #[serde(default)]
    pub client_secret: Option<MaskedText>,
    /// A file that holds it.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// What is asked for.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    /// How its users become users here.
    #[serde(default)]
    pub linking: LinkingSetting,
    /// Domains of e-mail addresses that it may vouch for.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Values of `amr` that count as a second factor.
    #[serde(default)]
    pub second_factor_amr: Vec<String>,
    /// Values of `acr` that count as a second factor.
    #[serde(default)]
    pub second_factor_acr: Vec<String>,
    /// Takes an `http://` issuer on loopback, for tests.
    #[serde(default)]
    pub allow_http_loopback: bool,
    /// PEM file of a CA that signs the provider's certificate.
    #[serde(default)]
    pub ca_certificate: Option<PathBuf>,
}

/// How users of a provider become users here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkingSetting {
    /// Only those whom an administrator linked.
    #[default]
    Existing,
    /// Also by a verified e-mail address of one of the domains.
    Email,
    /// Who is not linked yet gets a new guest.
    Create,
}

fn default_scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).to_vec()
}

impl IdentityProviderSettings {
    /// The secret, from wherever it stands.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn secret(&self) -> std::io::Result<Option<MaskedText>> {
        use std::io::Read as _;
        let Some(file) = &self.client_secret_file else { return Ok(self.client_secret.clone()) };
        let mut text = String::new();
        std::fs::File::open(file)?.take(SECRET_BYTES_MAX).read_to_string(&mut text)?;
        Ok(Some(MaskedText::new(text.trim_end_matches(['\r', '\n']).to_owned())))
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let key = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.id.is_empty() || self.id.len() > ID_CHARS_MAX || !self.id.chars().all(key) {
            let reason = "must have 1 to 32 lower-case letters, digits and hyphens";
            return Err(invalid("identity.providers.id", reason));
        }
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            return Err(invalid("identity.providers.name", "must have 1 to 64 characters"));
        }
        issuer("identity.providers.issuer", &self.issuer, self.allow_http_loopback)?;
        if self.issuer.contains(['?', '#']) {
            return Err(invalid("identity.providers.issuer", "must have neither query nor fragment"));
        }
        if self.client_id.is_empty() {
            return Err(invalid("identity.providers.client_id", "must not be empty"));
        }
        if self.client_secret.is_some() && self.client_secret_file.is_some() {
            let reason = "and client_secret_file exclude each other";
            return Err(invalid("identity.providers.client_secret", reason));
        }
        if self.client_secret.as_ref().is_some_and(|secret| secret.expose().is_empty()) {
            let reason = "must not be empty: leave it out where the provider gave none";
            return Err(invalid("identity.providers.client_secret", reason));
        }
        present("identity.providers.client_secret_file", self.client_secret_file.as_deref())?;
        present("identity.providers.ca_certificate", self.ca_certificate.as_deref())?;
        if !self.scopes.iter().any(|scope| scope == "openid")
            || self.scopes.iter().any(|scope| scope.is_empty() || scope.contains(char::is_whitespace))
        {
            return Err(invalid("identity.providers.scopes", "must hold openid, and single words only"));
        }
        let domain = |text: &String| {
            let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
            text.contains('.') && !text.starts_with('.') && text.len() <= 253 && text.chars().all(label)
        };
        if self.domains.len() > DOMAINS_MAX || !self.domains.iter().all(domain) {
            let reason = "must be at most 100 domains in lower case, such as hospital.example";
            return Err(invalid("identity.providers.domains", reason));
        }
        if self.linking == LinkingSetting::Email && self.domains.is_empty() {
            let reason =
                "must be there for linking = \"email\": the provider vouches for these domains alone";
            return Err(invalid("identity.providers.domains", reason));
        }
        Ok(())
    }
}

/// Checks each, and all together.
pub(super) fn validate(all: &[IdentityProviderSettings]) -> Result<(), ConfigError> {
    if all.len() > PROVIDERS_MAX {
        return Err(invalid("identity.providers", format!("there may be at most {PROVIDERS_MAX}")));
    }
    let (mut ids, mut issuers) = (BTreeSet::new(), BTreeSet::new());
    for one in all {
        one.validate()?;
        if !ids.insert(&one.id) {
            return Err(invalid("identity.providers.id", format!("`{}` is there twice", one.id)));
        }
        // A link names the issuer: two ways to one issuer would have two rules for the same people.
        if !issuers.insert(&one.issuer) {
            let reason = format!("{} is there twice: name each issuer once", one.issuer);
            return Err(invalid("identity.providers.issuer", reason));
        }
    }
    Ok(())
}
