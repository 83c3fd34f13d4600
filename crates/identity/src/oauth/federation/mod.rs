//! Assertions of other issuers in place of an application's own credential (RFC 7523 §3, RFC 7521 §4.2; Entra: workload
//! identity federation).
//!
//! Only issuers that the configuration names are ever asked for their keys: who may look after an application chooses the
//! issuer of its federated credentials, and must not choose what this server connects to.

#[cfg(test)]
mod tests;

use hilum_access::KeyHint;
use hilum_jose::Jwt;
use hilum_kernel::{AppId, ObjectId};
use http::StatusCode;
use thiserror::Error;

use super::{
    client_authentication::check_times,
    error::{OAuthError, Row, quoted},
};
use crate::{FederatedCredential, Identity, federated_credentials};

/// Why a foreign assertion does not stand for the application (sheet §3; texts after Entra's).
#[derive(Debug, Error)]
pub(crate) enum FederationError {
    /// The application has no federated credential at all.
    #[error(
        "No matching federated identity record found for presented assertion. Assertion Issuer: '{issuer}'. Assertion Subject: '{subject}'. Assertion Audience: '{audience}'."
    )]
    NoRecord { issuer: String, subject: String, audience: String },
    #[error(
        "No matching federated identity record found for presented assertion issuer '{0}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion."
    )]
    Issuer(String),
    /// A credential names the issuer, the configuration does not.
    #[error(
        "The presented assertion issuer '{0}' is not trusted by this server: its administrator must name it in the configuration (identity.federated_issuers)."
    )]
    IssuerNotTrusted(String),
    #[error(
        "No matching federated identity record found for presented assertion audience '{0}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion."
    )]
    Audience(String),
    #[error(
        "No matching federated identity record found for presented assertion subject '{0}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion."
    )]
    Subject(String),
    #[error(
        "No matching federated identity record found for presented assertion subject '{0}'. The subject matches with case-insensitive comparison, but not with case-sensitive comparison."
    )]
    SubjectCase(String),
    #[error(
        "Client assertion failed signature validation: it is not signed with a key that the issuer '{0}' publishes."
    )]
    Signature(String),
    #[error(
        "Request to External OIDC endpoint failed: the keys of the issuer '{0}' cannot be had at present."
    )]
    KeysUnavailable(String),
}

impl FederationError {
    pub(super) const fn row(&self) -> Row {
        let (code, error, status) = match self {
            Self::NoRecord { .. } => (70_021, "invalid_client", StatusCode::UNAUTHORIZED),
            Self::Issuer(_) | Self::IssuerNotTrusted(_) => {
                (700_211, "invalid_client", StatusCode::UNAUTHORIZED)
            }
            Self::Audience(_) => (700_212, "invalid_client", StatusCode::UNAUTHORIZED),
            Self::Subject(_) => (700_213, "invalid_client", StatusCode::UNAUTHORIZED),
            Self::SubjectCase(_) => (7_002_138, "invalid_client", StatusCode::UNAUTHORIZED),
            Self::Signature(_) => (700_027, "invalid_client", StatusCode::UNAUTHORIZED),
            Self::KeysUnavailable(_) => (50_166, "temporarily_unavailable", StatusCode::SERVICE_UNAVAILABLE),
        };
        Row { code, error, status }
    }

    #[cfg(test)]
    pub(super) fn all() -> Vec<Self> {
        let x = || "x".to_owned();
        vec![
            Self::NoRecord { issuer: x(), subject: x(), audience: x() },
            Self::Issuer(x()),
            Self::IssuerNotTrusted(x()),
            Self::Audience(x()),
            Self::Subject(x()),
            Self::SubjectCase(x()),
            Self::Signature(x()),
            Self::KeysUnavailable(x()),
        ]
    }
}

/// The issuer, if the assertion is not the client's own: issuers elsewhere are URLs (OIDC Discovery §3), a client is a
/// GUID.
pub(super) fn foreign_issuer<'j>(jwt: &'j Jwt<'_>) -> Option<&'j str> {
    jwt.claims_unverified().text("iss").filter(|issuer| issuer.contains("://"))
}

impl Identity {
    /// Whether an issuer's assertion stands for the application. What the assertion says about itself is compared only
    /// after its signature: strangers do not learn what an application trusts, but for the issuer.
    pub(super) async fn check_federated(
        &self,
        (app_id, application): (AppId, ObjectId),
        jwt: &Jwt<'_>,
        issuer: &str,
    ) -> Result<(), OAuthError> {
        let claims = jwt.claims_unverified();
        let shown = quoted(issuer);
        let subject = claims.text("sub").unwrap_or_default();
        let audiences = claims.audiences();
        let audience = || quoted(&audiences.join(" "));
        let records =
            federated_credentials::of_application(&mut self.0.db.read().await?, application).await?;
        if records.is_empty() {
            let subject = quoted(subject);
            return Err(FederationError::NoRecord { issuer: shown, subject, audience: audience() }.into());
        }
        // OIDC Core §2: exactly, the slash at the end included.
        let of_issuer: Vec<&FederatedCredential> =
            records.iter().filter(|record| record.properties.issuer == issuer).collect();
        if of_issuer.is_empty() {
            return Err(FederationError::Issuer(shown).into());
        }
        let Some(keys) = self.0.federated_issuers.get(issuer) else {
            return Err(FederationError::IssuerNotTrusted(shown).into());
        };
        let hint = KeyHint { kid: jwt.header().kid.as_deref(), x5t: jwt.header().x5t.as_deref() };
        let keys = keys.find(hint).await.map_err(|_| FederationError::KeysUnavailable(shown.clone()))?;
        if !keys.iter().any(|key| jwt.verify(key).is_ok()) {
            return Err(FederationError::Signature(shown).into());
        }
        // RFC 7523 §3: exp is required.
        check_times(jwt, self.0.clock.now())?;
        let named: Vec<&&FederatedCredential> =
            of_issuer.iter().filter(|record| record.properties.subject == subject).collect();
        if named.is_empty() {
            let folded = subject.to_lowercase();
            let but_for_case =
                of_issuer.iter().any(|record| record.properties.subject.to_lowercase() == folded);
            let subject = quoted(subject);
            return Err(if but_for_case {
                FederationError::SubjectCase(subject).into()
            } else {
                FederationError::Subject(subject).into()
            });
        }
        let fits = |record: &&&FederatedCredential| {
            record.properties.audiences.iter().any(|one| audiences.contains(&one.as_str()))
        };
        let Some(record) = named.into_iter().find(fits) else {
            return Err(FederationError::Audience(audience()).into());
        };
        // As with certificates, the same assertion may come again until it expires.
        let (credential, jti) = (record.id, claims.text("jti"));
        tracing::debug!(app.id = %app_id, credential.id = %credential, jti, "federated assertion accepted");
        Ok(())
    }
}
