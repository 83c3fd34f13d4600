//! Keys of an issuer elsewhere: OpenID Connect Discovery 1.0 §4 and a JWKS (RFC 7517 §5), cached.
//!
//! A key set is fresh for an hour. An unknown `kid` asks for it again, at most every half minute however many
//! tokens come: that is what an attacker with made-up names can cause. While the issuer cannot be reached,
//! known keys stay in use for a day.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use hilum_jose::{JwkError, JwkSet, VerifyingKey};
use hilum_kernel::Clock;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use thiserror::Error;

use crate::{
    authorities::{KeyHint, KeySource, KeysUnavailable},
    issuer_client::{IssuerClient, IssuerError, PlainHttp},
};

/// Redirects followed, none of them away from the permitted schemes.
const REDIRECTS_MAX: usize = 3;
/// While known keys can still serve, a request waits at most this long for newer ones.
const STALE_WAIT: Duration = Duration::from_secs(2);

/// Where the key set is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysAt {
    /// Discovery under the issuer's own URL.
    Issuer(String),
    /// Discovery at another URL: Entra's v1.0 issuer is `sts.windows.net`, its document elsewhere.
    Metadata {
        /// What the document must name as issuer.
        issuer: String,
        /// The document.
        url: String,
    },
    /// The key set itself.
    KeySet(String),
}

/// How keys are fetched.
#[derive(Debug, Clone)]
pub struct RemoteKeysOptions {
    /// How long a key set counts as fresh.
    pub fresh_for: SignedDuration,
    /// How long it may serve while the issuer is unreachable.
    pub stale_for: SignedDuration,
    /// Least time between two attempts.
    pub refresh_every: SignedDuration,
    /// Least time between two attempts while there are no keys at all.
    pub retry_every: SignedDuration,
    /// How long one document may take.
    pub timeout: Duration,
    /// How long a request waits for keys, somebody else's fetch included. The fetch goes on without it.
    pub wait_max: Duration,
    /// Certificates of further authorities (PEM), for issuers with a private one.
    pub extra_roots_pem: Option<Vec<u8>>,
    /// Where keys may come over plain HTTP.
    pub plain_http: PlainHttp,
    /// How many redirects are followed.
    pub redirects_max: usize,
}

impl Default for RemoteKeysOptions {
    fn default() -> Self {
        Self {
            fresh_for: SignedDuration::from_hours(1),
            stale_for: SignedDuration::from_hours(24),
            refresh_every: SignedDuration::from_secs(30),
            retry_every: SignedDuration::from_secs(2),
            timeout: Duration::from_secs(10),
            wait_max: Duration::from_secs(5),
            extra_roots_pem: None,
            plain_http: PlainHttp::Loopback,
            redirects_max: REDIRECTS_MAX,
        }
    }
}

/// Why a key set could not be fetched, or the source not be set up.
#[derive(Debug, Error)]
pub enum RemoteKeysError {
    /// The issuer was not reached, or did not answer well.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// The discovery document is malformed.
    #[error("the discovery document is malformed")]
    Metadata,
    /// The discovery document names another issuer.
    #[error("the discovery document names another issuer")]
    OtherIssuer,
    /// The key set is malformed.
    #[error("the key set cannot be used")]
    KeySet(#[source] JwkError),
}

/// A cached key set of an issuer elsewhere.
pub struct RemoteKeys(Arc<Source>);

struct Source {
    at: KeysAt,
    client: IssuerClient,
    clock: Arc<dyn Clock>,
    options: RemoteKeysOptions,
    state: Mutex<State>,
    /// Held while fetching: one fetch at a time.
    fetching: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Default)]
struct State {
    keys: Arc<[Arc<VerifyingKey>]>,
    fetched_at: Option<Timestamp>,
    attempted_at: Option<Timestamp>,
}

/// What the known keys are good for.
#[derive(PartialEq, Eq)]
enum Age {
    Fresh,
    Stale,
    Unusable,
}

impl RemoteKeys {
    /// Sets the source up; nothing is fetched yet.
    pub fn new(
        at: KeysAt,
        clock: Arc<dyn Clock>,
        options: RemoteKeysOptions,
    ) -> Result<Self, RemoteKeysError> {
        let reach = (options.plain_http, options.redirects_max);
        let client = IssuerClient::new(options.timeout, reach, options.extra_roots_pem.as_deref())?;
        client.check(at.url().as_str())?;
        let (state, fetching) = (Mutex::default(), Arc::default());
        Ok(Self(Arc::new(Source { at, client, clock, options, state, fetching })))
    }

    /// Fetches the keys now: at start, so that a wrong configuration shows itself, and in a readiness check.
    pub async fn refresh(&self) -> Result<(), RemoteKeysError> {
        let _one_at_a_time = self.0.fetching.lock().await;
        self.0.attempt().await
    }
}

impl Source {
    async fn find_keys(
        self: &Arc<Self>,
        hint: KeyHint<'_>,
    ) -> Result<Vec<Arc<VerifyingKey>>, KeysUnavailable> {
        let before = self.state();
        let found = hint.select(&before.keys);
        let age = self.age(&before);
        if age == Age::Fresh && !found.is_empty() {
            return Ok(found);
        }
        // Stale keys will do if newer ones do not come soon, or if somebody else is already asking.
        let will_do = age == Age::Stale && !found.is_empty();
        let wait = if will_do { STALE_WAIT.min(self.options.wait_max) } else { self.options.wait_max };
        let waited = tokio::time::timeout(wait, self.renew(will_do)).await;
        let after = self.state();
        let found = hint.select(&after.keys);
        if self.age(&after) == Age::Unusable || (waited.is_err() && found.is_empty()) {
            return Err(KeysUnavailable);
        }
        Ok(found)
    }

    /// Fetches the keys if that is due. When a fetch is under way already, waits for it, unless in a hurry; after it,
    /// a new one is not due.
    async fn renew(self: &Arc<Self>, hurried: bool) {
        let fetching = Arc::clone(&self.fetching);
        let one_at_a_time = if hurried {
            let Ok(free) = fetching.try_lock_owned() else { return };
            free
        } else {
            fetching.lock_owned().await
        };
        if !self.is_due() {
            return;
        }
        // A task of its own, so that the fetch goes on when this request no longer waits for it or its client is gone:
        // otherwise whoever sends tokens and hangs up could keep everybody from the issuer's new keys.
        let source = Arc::clone(self);
        #[expect(
            clippy::disallowed_methods,
            reason = "it only reads, so shutdown need not wait; timeouts bound it"
        )]
        let fetch = tokio::spawn(async move {
            let _held_until_the_end = one_at_a_time;
            // A failure was logged, and shows in the age of the keys.
            let _ = source.attempt().await;
        });
        let _ = fetch.await;
    }

    /// One fetch. It counts from its begin, should it be dropped half-way, and again from its end, as it may take
    /// longer than the pause before the next.
    async fn attempt(&self) -> Result<(), RemoteKeysError> {
        let begun = self.clock.now();
        self.change(|state| state.attempted_at = Some(begun));
        let fetched = self.fetch().await;
        let ended = self.clock.now();
        self.change(|state| {
            state.attempted_at = Some(ended);
            if let Ok(keys) = &fetched {
                state.keys = keys.verifying_keys().into_iter().map(Arc::new).collect();
                state.fetched_at = Some(begun);
            }
        });
        if let Err(error) = &fetched {
            let url = self.at.url();
            tracing::warn!(url, error = error as &dyn std::error::Error, "an issuer's keys were not renewed");
        }
        fetched.map(drop)
    }

    async fn fetch(&self) -> Result<JwkSet, RemoteKeysError> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: String,
            jwks_uri: String,
        }
        let url = self.at.url();
        let key_set = match &self.at {
            KeysAt::KeySet(_) => url,
            KeysAt::Issuer(issuer) | KeysAt::Metadata { issuer, .. } => {
                let document = self.client.get(&url, None).await?;
                let metadata: Metadata =
                    serde_json::from_slice(&document).map_err(|_| RemoteKeysError::Metadata)?;
                // OIDC Discovery §4.3: the issuer must be exactly the one asked for.
                if metadata.issuer != *issuer {
                    return Err(RemoteKeysError::OtherIssuer);
                }
                metadata.jwks_uri
            }
        };
        JwkSet::parse(&self.client.get(&key_set, None).await?).map_err(RemoteKeysError::KeySet)
    }

    fn age(&self, state: &State) -> Age {
        match state.fetched_at.map(|fetched| self.clock.now().duration_since(fetched)) {
            Some(age) if age < self.options.fresh_for => Age::Fresh,
            Some(age) if age < self.options.stale_for => Age::Stale,
            _ => Age::Unusable,
        }
    }

    /// Whether enough time has passed since the last attempt.
    fn is_due(&self) -> bool {
        let state = self.state();
        let pause = match self.age(&state) {
            Age::Unusable => self.options.retry_every,
            Age::Fresh | Age::Stale => self.options.refresh_every,
        };
        state.attempted_at.is_none_or(|attempted| self.clock.now().duration_since(attempted) >= pause)
    }

    fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl KeySource for RemoteKeys {
    fn find<'a>(
        &'a self,
        hint: KeyHint<'a>,
    ) -> BoxFuture<'a, Result<Vec<Arc<VerifyingKey>>, KeysUnavailable>> {
        Box::pin(self.0.find_keys(hint))
    }
}

impl KeysAt {
    /// The first document to fetch.
    fn url(&self) -> String {
        match self {
            // OIDC Discovery §4.1: a slash at the end of the issuer is dropped first.
            Self::Issuer(issuer) => {
                format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer))
            }
            Self::Metadata { url, .. } | Self::KeySet(url) => url.clone(),
        }
    }
}
