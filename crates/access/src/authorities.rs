//! Trusted issuers and where their keys come from.

use std::sync::{Arc, PoisonError, RwLock};

use futures::future::BoxFuture;
use hilum_jose::VerifyingKey;
use thiserror::Error;

use crate::actions::{Rights, RightsFrom};

/// A token without `kid` and `x5t` makes the validator try keys; more than this many are not tried.
pub(crate) const TRIED_KEYS_MAX: usize = 10;

/// An issuer whose tokens are accepted, and how they are read.
#[derive(Clone)]
pub struct Authority {
    /// `iss`, exactly: for Entra's shape both `https://HOST/{tid}/v2.0` and the v1.0 form with the slash at its end.
    pub issuers: Vec<String>,
    /// `aud`: one of these.
    pub audiences: Vec<String>,
    /// `tid`, if the issuer knows tenants: a token of another tenant is refused.
    pub tenant: Option<String>,
    /// Where the keys come from.
    pub keys: Arc<dyn KeySource>,
    /// Which claims hold roles and scopes.
    pub claims: ClaimNames,
    /// What roles and scopes give.
    pub rights: Arc<Rights>,
    /// Which of them decide.
    pub rights_from: RightsFrom,
}

/// The claims to read. The first one present counts; dots lead into nested objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    /// Roles: `roles`, `role`, `realm_access.roles` …
    pub roles: Vec<String>,
    /// Scopes: `scp` (Entra), `scope` (RFC 9068).
    pub scopes: Vec<String>,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self { roles: vec!["roles".to_owned()], scopes: vec!["scp".to_owned(), "scope".to_owned()] }
    }
}

/// How a token names its key (RFC 7515 §4.1.4, §4.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHint<'a> {
    /// `kid`.
    pub kid: Option<&'a str>,
    /// `x5t`.
    pub x5t: Option<&'a str>,
}

impl KeyHint<'_> {
    /// The keys that fit. A name must be met; without any name, the first few keys are worth a try.
    pub fn select(self, keys: &[Arc<VerifyingKey>]) -> Vec<Arc<VerifyingKey>> {
        let fits = |key: &&Arc<VerifyingKey>| match (self.kid, self.x5t) {
            (Some(kid), _) => key.kid() == Some(kid),
            (None, Some(x5t)) => key.x5t() == Some(x5t),
            (None, None) => true,
        };
        keys.iter().filter(fits).take(TRIED_KEYS_MAX).cloned().collect()
    }
}

/// The keys cannot be had at present. Their absence is another thing: an empty list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the issuer's keys are not available")]
pub struct KeysUnavailable;

/// Where an authority's keys come from: the same process, or a JWKS elsewhere.
pub trait KeySource: Send + Sync + 'static {
    /// The keys a token with this hint may be signed with.
    fn find<'a>(
        &'a self,
        hint: KeyHint<'a>,
    ) -> BoxFuture<'a, Result<Vec<Arc<VerifyingKey>>, KeysUnavailable>>;
}

/// Keys of the same process; whoever rotates them replaces the list.
#[derive(Debug, Default)]
pub struct InProcessKeys(RwLock<Vec<Arc<VerifyingKey>>>);

impl InProcessKeys {
    /// Starts with these keys.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Self {
        Self(RwLock::new(keys.into_iter().map(Arc::new).collect()))
    }

    /// Puts other keys in their place.
    pub fn replace(&self, keys: impl IntoIterator<Item = VerifyingKey>) {
        let keys = keys.into_iter().map(Arc::new).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }
}

impl KeySource for InProcessKeys {
    fn find<'a>(
        &'a self,
        hint: KeyHint<'a>,
    ) -> BoxFuture<'a, Result<Vec<Arc<VerifyingKey>>, KeysUnavailable>> {
        let found = hint.select(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        Box::pin(std::future::ready(Ok(found)))
    }
}
