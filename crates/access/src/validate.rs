//! From a token's text to a caller (RFC 7519 §7.2, RFC 9068 §4, identity sheet §4.6), with a cache of verified
//! tokens: a viewer sends the same one with every frame.

use std::{collections::HashMap, sync::Arc};

use hilum_jose::{Claims, JwsError, Jwt, TimeError, sha256, validate_times};
use hilum_kernel::{Clock, limits::JWT_BYTES_MAX};
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use moka::sync::Cache;

use crate::{
    authorities::{Authority, KeyHint},
    bearer::presented_token,
    caller::Caller,
    dpop::{ProofOptions, Proofs, ProvenRequest},
    error::TokenError,
};

/// How tokens are validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidatorOptions {
    /// How far clocks may differ: five minutes, as every Entra resource server allows.
    pub leeway: SignedDuration,
    /// Verified tokens remembered, about 1 KB each. Beyond: the least used is forgotten.
    pub cache_entries_max: u64,
    /// After this time a token is verified again, so that a withdrawn key loses its force. With the half minute for
    /// which the keys themselves are remembered, that is within a minute.
    pub recheck_after: SignedDuration,
}

impl Default for ValidatorOptions {
    fn default() -> Self {
        Self {
            leeway: SignedDuration::from_mins(5),
            cache_entries_max: 10_000,
            recheck_after: SignedDuration::from_secs(30),
        }
    }
}

/// Checks tokens of several authorities.
pub struct Validator {
    by_issuer: HashMap<String, Arc<Authority>>,
    verified: Cache<[u8; 32], Verified>,
    proofs: Proofs,
    clock: Arc<dyn Clock>,
    options: ValidatorOptions,
}

#[derive(Clone)]
struct Verified {
    caller: Arc<Caller>,
    recheck_at: Timestamp,
}

impl Validator {
    /// Trusts these authorities. Of two with the same issuer the later counts.
    pub fn new(
        authorities: impl IntoIterator<Item = Authority>,
        proofs: ProofOptions,
        clock: Arc<dyn Clock>,
        options: ValidatorOptions,
    ) -> Self {
        let mut by_issuer = HashMap::new();
        for authority in authorities.into_iter().map(Arc::new) {
            for issuer in &authority.issuers {
                by_issuer.insert(issuer.clone(), Arc::clone(&authority));
            }
        }
        // Entries are keyed by the token's hash, so that memory holds no tokens.
        let verified = Cache::new(options.cache_entries_max);
        let proofs = Proofs::new(proofs, Arc::clone(&clock));
        Self { by_issuer, verified, proofs, clock, options }
    }

    /// Checks the token that a request presents, and the proof that it needs where it is bound to a key (RFC 9449 §7.1).
    ///
    /// # Errors
    /// Why it lets nobody in.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        request: ProvenRequest<'_>,
    ) -> Result<Arc<Caller>, TokenError> {
        let (scheme, token) = presented_token(headers)?;
        let caller = self.validate(token).await?;
        self.proofs.check(headers, request, (scheme, token, caller.bound_to()))?;
        Ok(caller)
    }

    /// What checks the proofs.
    pub const fn proofs(&self) -> &Proofs {
        &self.proofs
    }

    /// Checks a token, not how it is presented: signature, issuer, audience, times, tenant, kind.
    pub(crate) async fn validate(&self, token: &str) -> Result<Arc<Caller>, TokenError> {
        if token.len() > JWT_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let key = sha256(token.as_bytes());
        let now = self.clock.now();
        if let Some(known) = self.verified.get(&key) {
            if now.duration_since(known.caller.expires_at()) >= self.options.leeway {
                self.verified.invalidate(&key);
                return Err(TokenError::Expired);
            }
            if now < known.recheck_at {
                return Ok(known.caller);
            }
        }
        let checked = self.check(token, now).await;
        match &checked {
            Ok(caller) => {
                let recheck_at = now.saturating_add(self.options.recheck_after).unwrap_or(now);
                self.verified.insert(key, Verified { caller: Arc::clone(caller), recheck_at });
            }
            Err(_) => self.verified.invalidate(&key),
        }
        checked
    }

    /// Forgets every verified token: for an emergency change of keys or roles.
    pub fn forget_all(&self) {
        self.verified.invalidate_all();
    }

    async fn check(&self, token: &str, now: Timestamp) -> Result<Arc<Caller>, TokenError> {
        let token = Jwt::parse(token).map_err(of_jws)?;
        // RFC 9068 §4: `at+jwt`; Entra says `JWT`; RFC 7519 §5.1 lets it be absent.
        let is_access_token = |typ: &str| {
            ["JWT", "at+jwt", "application/at+jwt"].iter().any(|known| typ.eq_ignore_ascii_case(known))
        };
        if !token.header().typ.as_deref().is_none_or(is_access_token) {
            return Err(TokenError::NotAccessToken);
        }
        // Unverified so far: the issuer only says whose keys to ask for, and is proven by them.
        let issuer = token.claims_unverified().text("iss").ok_or(TokenError::Issuer)?;
        let authority = self.by_issuer.get(issuer).ok_or(TokenError::Issuer)?;
        let claims = verified_claims(&token, authority).await?;

        if !claims.audiences().iter().any(|audience| authority.audiences.iter().any(|own| own == audience)) {
            return Err(TokenError::Audience);
        }
        let times = validate_times(claims, now, self.options.leeway).map_err(of_times)?;
        check_tenant(claims, authority)?;
        Caller::from_claims(claims, authority, times.expires_at).map(Arc::new)
    }
}

async fn verified_claims<'a>(token: &'a Jwt<'_>, authority: &Authority) -> Result<&'a Claims, TokenError> {
    let header = token.header();
    let hint = KeyHint { kid: header.kid.as_deref(), x5t: header.x5t.as_deref() };
    let keys = authority.keys.find(hint).await.map_err(|_| TokenError::KeysUnavailable)?;
    if keys.is_empty() {
        return Err(TokenError::UnknownKey);
    }
    keys.iter().find_map(|key| token.verify(key).ok()).ok_or(TokenError::Signature)
}

/// Identity sheet §9: a token's `iss`, `tid` and key must agree.
fn check_tenant(claims: &Claims, authority: &Authority) -> Result<(), TokenError> {
    match (&authority.tenant, claims.get("tid")) {
        (Some(own), Some(tid)) if !tid.as_str().is_some_and(|tid| tid.eq_ignore_ascii_case(own)) => {
            Err(TokenError::Tenant)
        }
        _ => Ok(()),
    }
}

fn of_jws(error: JwsError) -> TokenError {
    match error {
        JwsError::TooLong => TokenError::TooLong,
        JwsError::Malformed | JwsError::Critical => TokenError::Malformed,
        JwsError::Algorithm => TokenError::Algorithm,
        JwsError::Signature => TokenError::Signature,
    }
}

fn of_times(error: TimeError) -> TokenError {
    match error {
        TimeError::NoExpiry | TimeError::Malformed(_) => TokenError::Times,
        TimeError::Expired => TokenError::Expired,
        TimeError::NotYetValid | TimeError::IssuedInFuture => TokenError::NotYetValid,
    }
}
