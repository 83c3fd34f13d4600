//! The keys that sign tokens: RS256, sealed at rest, rotated with overlap (sheet §1.5).
//!
//! Owns `signing_key`. At any time one key is *current*, one is *next* and already published, and *retired* ones stay
//! published until the last token they signed has expired everywhere.

mod ring;
mod schedule;
mod sql;

#[cfg(test)]
mod tests;

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_jose::{Jwk, JwkSet, SealError, SigningKey, Validity, VerifyingKey};
use hilum_kernel::{Secret, TenantId};
use hilum_storage::db::WriteTx;
use jiff::{SignedDuration, Timestamp, ToSpan as _, tz::TimeZone};

use crate::{Identity, IdentityError, Stamp, tenants};

pub(crate) use ring::KeyRing;
pub(crate) use schedule::RotationWatch;
pub(crate) use sql::SCHEMA;
#[cfg(test)]
pub(crate) use sql::STATEMENTS;

/// How long a key must have been published before it signs: data services look at the keys once a day at least.
const PUBLISHED_BEFORE_USE: SignedDuration = SignedDuration::from_hours(24);
/// How long a retired key stays published: the longest token life (24 h) and the leeway of clocks (5 min).
const PUBLISHED_AFTER_USE: SignedDuration = SignedDuration::from_mins(24 * 60 + 5);
/// Data services trust the key by its place in the key set; the certificate only carries it.
const CERTIFICATE_YEARS: i64 = 5;

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Published, does not sign yet.
    Next,
    /// Signs.
    Current,
    /// No longer signs, still published for a day.
    Retired,
}

impl KeyState {
    /// The word in the database and for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Retired => "retired",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Next, Self::Current, Self::Retired].into_iter().find(|state| state.as_str() == text)
    }
}

/// A signing key without its private part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyInfo {
    /// `kid` and `x5t` of tokens.
    pub kid: String,
    /// Where it is in its life.
    pub state: KeyState,
    /// Since when it is in the key set.
    pub published_at: Timestamp,
    /// Since when it signs.
    pub activated_at: Option<Timestamp>,
    /// Since when it no longer signs.
    pub retired_at: Option<Timestamp>,
    /// What is published of it.
    pub jwk: Jwk,
    /// The certificate in DER.
    pub certificate: Vec<u8>,
}

/// How urgent a rotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// The next key must have been published long enough; the old one stays published.
    Planned,
    /// The old key is not to be trusted any more: it is withdrawn at once, and with it every token it signed. All
    /// older and the prepared key go, too.
    Emergency,
}

/// A new key, ready to be stored.
#[derive(Debug, Clone)]
pub(crate) struct SealedKey {
    pub(crate) info: SigningKeyInfo,
    pub(crate) sealed: Vec<u8>,
}

impl Identity {
    /// All keys, oldest first.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn list_signing_keys(&self) -> Result<Vec<SigningKeyInfo>, IdentityError> {
        let tenant = self.tenant().await?.id;
        Ok(sql::select(&mut self.0.db.read().await?, tenant).await?)
    }

    /// Makes the next key the current one and publishes a new next key. Tokens are signed with it from now on in this
    /// process; other processes on the same database follow within half a minute.
    ///
    /// # Errors
    /// [`IdentityError::KeyTooFresh`] when a planned rotation comes too early.
    pub async fn rotate_signing_key(
        &self,
        actor: &Actor,
        rotation: Rotation,
    ) -> Result<Vec<SigningKeyInfo>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut fresh = vec![self.new_signing_key(tenant, KeyState::Next).await?];
        if rotation == Rotation::Emergency {
            // Who had the one may have had the other.
            fresh.push(self.new_signing_key(tenant, KeyState::Current).await?);
        }
        let change = Change { tenant, rotation, fresh, only_from: None, stamp: self.stamp(actor) };
        self.change_keys(change).await?;
        self.list_signing_keys().await
    }

    /// Whether the change was made: it is not where another key than the expected one signs meanwhile.
    async fn change_keys(&self, change: Change) -> Result<bool, IdentityError> {
        let how = change.how();
        let changed = self.0.db.write(change, |tx, change| rotate(tx, change).boxed()).await?;
        self.0.key_ring.forget();
        if changed {
            metrics::counter!("hilum_signing_key_rotations_total", "how" => how).increment(1);
            self.gauge_signing_key().await?;
        }
        Ok(changed)
    }

    /// Opens the current signing key, if there is a tenant: a start with another master key must not look like a good
    /// one until the first token is asked for.
    ///
    /// # Errors
    /// [`IdentityError::WrongMasterKey`].
    pub async fn check_master_key(&self) -> Result<(), IdentityError> {
        match self.ring().await {
            Ok(_) | Err(IdentityError::NotInitialised) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The published keys as a JWK set, `issuer` in each as given.
    ///
    /// # Errors
    /// [`IdentityError::Key`] for a certificate that cannot be read.
    pub async fn key_set(&self, issuer: &str) -> Result<JwkSet, IdentityError> {
        let ring = self.ring().await?;
        let keys = ring.published.iter().map(|jwk| Jwk { issuer: Some(issuer.to_owned()), ..jwk.clone() });
        Ok(JwkSet { keys: keys.collect() })
    }

    /// The published keys, for a data service in the same process.
    ///
    /// # Errors
    /// [`IdentityError::Key`] for a certificate that cannot be read.
    pub async fn public_keys(&self) -> Result<Vec<VerifyingKey>, IdentityError> {
        let ring = self.ring().await?;
        Ok(ring.published.iter().map(VerifyingKey::from_jwk).collect::<Result<_, _>>()?)
    }

    /// The published key with this ID, for a data service in the same process.
    ///
    /// # Errors
    /// [`IdentityError::Key`] for a certificate that cannot be read.
    pub async fn find_key(&self, kid: &str) -> Result<Option<VerifyingKey>, IdentityError> {
        let ring = self.ring().await?;
        let jwk = ring.published.iter().find(|jwk| jwk.kid.as_deref() == Some(kid));
        Ok(jwk.map(VerifyingKey::from_jwk).transpose()?)
    }

    /// Makes a key. Takes up to a second of processor time, so it happens before the transaction.
    pub(crate) async fn new_signing_key(
        &self,
        tenant: TenantId,
        state: KeyState,
    ) -> Result<SealedKey, IdentityError> {
        let inner = self.0.clone();
        let now = crate::timestamp(inner.clock.now_ms());
        let work = move || {
            let not_after = now
                .to_zoned(TimeZone::UTC)
                .checked_add(CERTIFICATE_YEARS.years())
                .map_or(now, |later| later.timestamp());
            let validity = Validity { not_before: now, not_after };
            let key = SigningKey::generate(&format!("Hilum signing {tenant}"), validity, &*inner.random)?;
            let sealed = inner.seal_key.seal(&key.pkcs8()?, &purpose(key.kid()), &*inner.random)?;
            let info = SigningKeyInfo {
                kid: key.kid().to_owned(),
                state,
                published_at: now,
                activated_at: (state == KeyState::Current).then_some(now),
                retired_at: None,
                jwk: key.jwk(None)?,
                certificate: key.certificate().der().to_vec(),
            };
            Ok(SealedKey { info, sealed })
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| IdentityError::Interrupted)?
    }
}

/// What a sealed key is bound to, so that it cannot be swapped for another.
fn purpose(kid: &str) -> String {
    format!("signing-key:{kid}")
}

/// Stores a new key.
pub(crate) async fn store(tx: &mut WriteTx, tenant: TenantId, key: &SealedKey) -> Result<(), IdentityError> {
    Ok(sql::insert(tx, tenant, &key.info, &key.sealed).await?)
}

/// A rotation to be made.
#[derive(Debug)]
struct Change {
    tenant: TenantId,
    rotation: Rotation,
    fresh: Vec<SealedKey>,
    /// Nothing is done but while this key signs: the schedule's mark, so that of several nodes one rotates.
    only_from: Option<String>,
    stamp: Stamp,
}

impl Change {
    const fn how(&self) -> &'static str {
        match (self.rotation, &self.only_from) {
            (Rotation::Planned, None) => "planned",
            (Rotation::Planned, Some(_)) => "scheduled",
            (Rotation::Emergency, _) => "emergency",
        }
    }
}

async fn rotate(tx: &mut WriteTx, change: &Change) -> Result<bool, IdentityError> {
    let Change { tenant, rotation, fresh, only_from, stamp } = change;
    // Of two at once the second sees what the first has done.
    tenants::lock(tx, *tenant).await?;
    let now = crate::timestamp(stamp.at_ms);
    let keys = sql::select(tx, *tenant).await?;
    let current = keys.iter().find(|key| key.state == KeyState::Current);
    if only_from.is_some() && *only_from != current.map(|key| key.kid.clone()) {
        return Ok(false);
    }
    for key in &keys {
        match (rotation, key.state) {
            (Rotation::Emergency, _) => sql::delete(tx, &key.kid).await?,
            (Rotation::Planned, KeyState::Current) => sql::retire(tx, &key.kid, stamp.at_ms).await?,
            (Rotation::Planned, KeyState::Retired) if !is_published(key, now) => {
                sql::delete(tx, &key.kid).await?;
            }
            (Rotation::Planned, KeyState::Retired | KeyState::Next) => {}
        }
    }
    if *rotation == Rotation::Planned {
        let next = keys.iter().find(|key| key.state == KeyState::Next);
        let next = next.ok_or_else(|| IdentityError::not_found("signing key", "next"))?;
        if now < usable_from(next) {
            return Err(IdentityError::KeyTooFresh);
        }
        sql::promote(tx, &next.kid, stamp.at_ms).await?;
    }
    for key in fresh {
        store(tx, *tenant, key).await?;
    }
    let detail = match change.how() {
        "emergency" => "emergency: all earlier keys withdrawn",
        how => how,
    };
    stamp.record(tx, Action::SigningKeyRotated, tenant, Some(detail.to_owned())).await?;
    Ok(true)
}

/// From when a key may sign.
fn usable_from(next: &SigningKeyInfo) -> Timestamp {
    next.published_at.checked_add(PUBLISHED_BEFORE_USE).unwrap_or(Timestamp::MAX)
}

/// Whether a key belongs into the key set.
fn is_published(key: &SigningKeyInfo, now: Timestamp) -> bool {
    key.retired_at.is_none_or(|retired| now.duration_since(retired) < PUBLISHED_AFTER_USE)
}

/// Opens a sealed key.
fn open(inner: &crate::Inner, info: &SigningKeyInfo, sealed: &[u8]) -> Result<SigningKey, IdentityError> {
    let pkcs8 = inner.seal_key.open(sealed, &purpose(&info.kid));
    let pkcs8: Secret<Vec<u8>> = pkcs8.map_err(|error| match error {
        SealError::Open => IdentityError::WrongMasterKey,
        other => other.into(),
    })?;
    Ok(SigningKey::from_pkcs8(&pkcs8, &info.certificate)?)
}
