//! Rotation on a schedule: a job looks once an hour whether the current key has signed long enough.
//!
//! However many nodes look at once, one of them rotates: the change names the key it replaces, and holds the tenant while it
//! is made. A next key that was published less than a day ago is not put to use; the next look finds it old enough.

use futures::{FutureExt as _, future::BoxFuture};
use hilum_audit::Actor;
use hilum_storage::jobs::{JobError, JobHandler, JobOutcome, RunningJob, Schedule};
use jiff::{SignedDuration, Timestamp};

use super::{Change, KeyState, Rotation, SigningKeyInfo, usable_from};
use crate::{Identity, IdentityError};

/// Much less than the shortest life of a key.
const EVERY: SignedDuration = SignedDuration::from_hours(1);

impl Identity {
    /// When the next key takes over by itself; nothing where keys are rotated by hand.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn next_key_rotation(&self) -> Result<Option<Timestamp>, IdentityError> {
        let keys = self.list_signing_keys().await?;
        Ok(self.0.signing_key_rotation.and_then(|life| due(&keys, life)).map(|(_, due)| due))
    }

    /// Sets the gauge `hilum_signing_key_age_seconds`.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn gauge_signing_key(&self) -> Result<(), IdentityError> {
        let keys = self.list_signing_keys().await?;
        let current = keys.iter().find(|key| key.state == KeyState::Current);
        if let Some(since) = current.and_then(|key| key.activated_at) {
            let age = self.0.clock.now().duration_since(since).max(SignedDuration::ZERO);
            metrics::gauge!("hilum_signing_key_age_seconds").set(age.as_secs_f64());
        }
        Ok(())
    }

    /// Rotates where that is due; whether it did.
    pub(crate) async fn rotate_key_when_due(&self) -> Result<bool, IdentityError> {
        self.gauge_signing_key().await?;
        let Some(life) = self.0.signing_key_rotation else { return Ok(false) };
        let keys = self.list_signing_keys().await?;
        let Some((current, due)) = due(&keys, life) else { return Ok(false) };
        if self.0.clock.now() < due {
            return Ok(false);
        }
        let tenant = self.tenant().await?.id;
        let actor = Actor { display: Some("key rotation".to_owned()), ..Actor::default() };
        let change = Change {
            tenant,
            rotation: Rotation::Planned,
            fresh: vec![self.new_signing_key(tenant, KeyState::Next).await?],
            only_from: Some(current.kid.clone()),
            stamp: self.stamp(&actor),
        };
        let rotated = self.change_keys(change).await?;
        if rotated {
            tracing::info!(key.retired = current.kid, "the next signing key signs now, as scheduled");
        }
        Ok(rotated)
    }
}

/// The current key, and when the next one takes over.
fn due(keys: &[SigningKeyInfo], life: SignedDuration) -> Option<(&SigningKeyInfo, Timestamp)> {
    let current = keys.iter().find(|key| key.state == KeyState::Current)?;
    let next = keys.iter().find(|key| key.state == KeyState::Next)?;
    let since = current.activated_at.unwrap_or(current.published_at);
    Some((current, since.checked_add(life).unwrap_or(Timestamp::MAX).max(usable_from(next))))
}

/// The look.
pub(crate) struct RotationWatch(pub(crate) Identity);

impl RotationWatch {
    const KIND: &'static str = "identity.rotate_signing_key";
    /// When it is due.
    pub(crate) const SCHEDULE: Schedule = Schedule { kind: Self::KIND, every: EVERY };
}

impl JobHandler for RotationWatch {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn run<'a>(&'a self, _job: &'a RunningJob) -> BoxFuture<'a, Result<JobOutcome, JobError>> {
        async move {
            match self.0.rotate_key_when_due().await {
                Ok(_) | Err(IdentityError::NotInitialised) => Ok(JobOutcome::Done),
                Err(error) => Err(JobError::Temporary(error.into())),
            }
        }
        .boxed()
    }
}
