//! A provider: what the configuration says of it, and what it says of itself (OIDC Discovery §3, §4).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hilum_access::{IssuerClient, KeySource};
use hilum_kernel::Secret;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::{CALLBACK, UpstreamError};

/// What a provider says of itself counts as fresh for so long.
const FRESH: SignedDuration = SignedDuration::from_hours(1);
/// While it cannot be asked, the last answer serves for so long.
const STALE: SignedDuration = SignedDuration::from_hours(24);
/// A provider that did not answer is left alone for so long: nobody waits for it meanwhile.
const REST: SignedDuration = SignedDuration::from_secs(15);
/// So many sign-ins talk to one provider at a time.
const AT_ONCE_MAX: usize = 32;
/// How long one waits for its turn.
const TURN_WAIT: Duration = Duration::from_secs(5);

/// How users of a provider become users here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Linking {
    /// Only those whom an administrator linked.
    #[default]
    Existing,
    /// Also those whose verified e-mail address, of a permitted domain, is the name or address of one user.
    Email,
    /// Everybody there: who is not linked yet gets a new guest.
    Create,
}

/// What the configuration says of a provider.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// Its name in URLs: lower-case letters, digits, hyphens.
    pub id: String,
    /// Its name for people.
    pub display_name: String,
    /// `iss`, exactly.
    pub issuer: String,
    /// What Hilum is called there.
    pub client_id: String,
    /// What Hilum proves itself with there; nothing for a public client, whom PKCE alone protects.
    pub client_secret: Option<Arc<Secret<String>>>,
    /// What is asked for, `openid` included.
    pub scopes: Vec<String>,
    /// How its users become users here.
    pub linking: Linking,
    /// Domains of e-mail addresses that it may vouch for, in lower case.
    pub domains: Vec<String>,
    /// Values of `amr` that count as a second factor here.
    pub second_factor_amr: Vec<String>,
    /// Values of `acr` that do.
    pub second_factor_acr: Vec<String>,
}

/// A provider, with the means to speak to it.
pub struct IdentityProvider {
    /// What the configuration says.
    pub settings: ProviderSettings,
    /// Speaks to it; follows no redirects.
    pub client: IssuerClient,
    /// Its keys.
    pub keys: Arc<dyn KeySource>,
}

/// A provider, and what is known of it.
pub(crate) struct Provider {
    pub(crate) settings: ProviderSettings,
    pub(super) client: IssuerClient,
    pub(super) keys: Arc<dyn KeySource>,
    known: Mutex<Known>,
    /// Held while its metadata is fetched: once at a time.
    fetching: tokio::sync::Mutex<()>,
    turns: Semaphore,
}

#[derive(Default)]
struct Known {
    metadata: Option<(Arc<Metadata>, Timestamp)>,
    failed_at: Option<Timestamp>,
}

/// What a provider says of itself (OIDC Discovery §3, RFC 9207 §3).
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) userinfo_endpoint: Option<String>,
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
    pub(super) token_endpoint_auth_methods_supported: Option<Vec<String>>,
    pub(super) prompt_values_supported: Option<Vec<String>>,
    pub(super) id_token_signing_alg_values_supported: Option<Vec<String>>,
}

impl Provider {
    pub(crate) fn new(provider: IdentityProvider) -> Self {
        let IdentityProvider { settings, client, keys } = provider;
        Self {
            settings,
            client,
            keys,
            known: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
            turns: Semaphore::new(AT_ONCE_MAX),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.settings.id
    }

    pub(crate) fn name(&self) -> &str {
        &self.settings.display_name
    }

    /// Whether people of this domain are sent straight there.
    pub(crate) fn is_for_domain(&self, domain: &str) -> bool {
        self.settings.domains.iter().any(|own| own.eq_ignore_ascii_case(domain))
    }

    /// Where it sends the browser back to.
    pub(super) fn redirect_uri(&self, origin: &str) -> String {
        format!("{origin}{CALLBACK}/{}", self.settings.id)
    }

    pub(super) fn away(&self) -> UpstreamError {
        UpstreamError::Away(self.name().to_owned())
    }

    pub(super) fn not_proven(&self) -> UpstreamError {
        UpstreamError::NotProven(self.name().to_owned())
    }

    /// A turn to speak to it.
    pub(super) async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, UpstreamError> {
        let turn = tokio::time::timeout(TURN_WAIT, self.turns.acquire()).await;
        turn.ok().and_then(Result::ok).ok_or_else(|| UpstreamError::Busy(self.name().to_owned()))
    }

    /// What it says of itself, asked for at most once an hour while it answers, and once in 15 seconds while it does not.
    pub(super) async fn metadata(&self, now: Timestamp) -> Result<Arc<Metadata>, UpstreamError> {
        if let Some(answer) = self.known_metadata(now) {
            return answer;
        }
        let _once = self.fetching.lock().await;
        if let Some(answer) = self.known_metadata(now) {
            return answer;
        }
        match self.fetch().await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                self.change(|known| {
                    *known = Known { metadata: Some((Arc::clone(&metadata), now)), failed_at: None };
                });
                Ok(metadata)
            }
            Err(reason) => {
                let provider = self.id();
                tracing::warn!(provider, reason, "an identity provider's metadata could not be had");
                self.change(|known| known.failed_at = Some(now));
                let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                match &known.metadata {
                    Some((metadata, at)) if now.duration_since(*at) < STALE => Ok(Arc::clone(metadata)),
                    _ => Err(self.away()),
                }
            }
        }
    }

    /// Notes that it did not answer: it is left alone for a while.
    pub(super) fn did_not_answer(&self, now: Timestamp) {
        self.change(|known| known.failed_at = Some(now));
    }

    /// Whether it failed just now.
    pub(super) fn is_resting(&self, now: Timestamp) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.failed_at.is_some_and(|at| now.duration_since(at) < REST)
    }

    /// The answer without asking, if there is one.
    fn known_metadata(&self, now: Timestamp) -> Option<Result<Arc<Metadata>, UpstreamError>> {
        let resting = self.is_resting(now);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let age = known.metadata.as_ref().map(|(metadata, at)| (metadata, now.duration_since(*at)));
        match age {
            Some((metadata, age)) if age < FRESH || (resting && age < STALE) => {
                Some(Ok(Arc::clone(metadata)))
            }
            _ if resting => Some(Err(self.away())),
            _ => None,
        }
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner));
    }

    async fn fetch(&self) -> Result<Metadata, &'static str> {
        let issuer = self.settings.issuer.as_str();
        // OIDC Discovery §4.1: a slash at the end of the issuer is dropped first.
        let url = format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer));
        let document = self.client.get(&url, None).await.map_err(|error| {
            tracing::debug!(error = &error as &dyn std::error::Error, "no metadata");
            "it did not answer well"
        })?;
        let metadata: Metadata = serde_json::from_slice(&document).map_err(|_| "it is malformed")?;
        // OIDC Discovery §4.3: exactly the one asked for, or another's endpoints would be taken for this one's.
        if metadata.issuer != issuer {
            return Err("it names another issuer");
        }
        for endpoint in [&metadata.authorization_endpoint, &metadata.token_endpoint]
            .into_iter()
            .chain(&metadata.userinfo_endpoint)
        {
            self.client.check(endpoint).map_err(|_| "an endpoint is not https")?;
        }
        Ok(metadata)
    }
}
