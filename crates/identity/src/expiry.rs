//! The expiry watch: client secrets and certificates that end within 30 days, a week, a day, or have ended.
//!
//! Four times a day a job looks at them. A credential is told of once at each threshold that it crosses: a log line and
//! an audit event; the next look is silent about it. The gauge and `hilum doctor` always show how things stand.

use std::collections::{BTreeMap, btree_map::Entry};

use futures::{FutureExt as _, future::BoxFuture};
use hilum_audit::{Action, Actor};
use hilum_kernel::{AppId, CredentialId, TenantId};
use hilum_storage::{
    db::{ReadTx, WriteTx},
    jobs::{JobError, JobHandler, JobOutcome, RunningJob, Schedule},
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    CredentialHolder, CredentialKind, Identity, IdentityError, Stamp, applications,
    credentials::{Ending, ending_by, forget_notes, note_ending},
    json,
};

/// Credentials read at once.
const PAGE: usize = 1000;
/// Well below the narrowest threshold: a look a day could come a moment early, and the next one after the end.
const EVERY: SignedDuration = SignedDuration::from_hours(6);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How near the end is: the narrowest that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExpiresWithin {
    /// It has ended.
    Expired,
    /// A day or less.
    Day,
    /// Seven days or less.
    Week,
    /// Thirty days or less.
    Month,
}

impl ExpiresWithin {
    const ALL: [Self; 4] = [Self::Expired, Self::Day, Self::Week, Self::Month];

    /// The word of the metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Day => "1d",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    const fn days(self) -> i64 {
        match self {
            Self::Expired => 0,
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
        }
    }

    /// `None` while there is more time than a month. At its end to the millisecond it has ended.
    fn of(ends_at: Timestamp, now: Timestamp) -> Option<Self> {
        let left = ends_at.duration_since(now);
        Self::ALL.into_iter().find(|within| {
            i32::try_from(within.days())
                .is_ok_and(|days| left <= DAY.checked_mul(days).unwrap_or(SignedDuration::ZERO))
        })
    }
}

/// A credential that ends soon or has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiringCredential {
    /// Its ID.
    pub key_id: CredentialId,
    /// Secret or certificate.
    pub kind: CredentialKind,
    /// Whose it is.
    pub holder: CredentialHolder,
    /// The client ID.
    pub app_id: AppId,
    /// The application's name.
    pub application: String,
    /// Its description.
    pub display_name: Option<String>,
    /// When it ends.
    pub ends_at: Timestamp,
    /// How near that is.
    pub within: ExpiresWithin,
}

impl Identity {
    /// The credentials that end within 30 days or have ended, the earliest first.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn list_expiring_credentials(&self) -> Result<Vec<ExpiringCredential>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        let now = self.0.clock.now();
        let mut names: BTreeMap<AppId, String> = BTreeMap::new();
        let mut all = Vec::new();
        for (ending, within) in expiring(&mut tx, tenant, now).await? {
            let app_id = ending.app_id;
            let application = match names.entry(app_id) {
                Entry::Occupied(known) => known.get().clone(),
                Entry::Vacant(place) => {
                    let found = applications::by_app_id(&mut tx, tenant, app_id).await?;
                    place.insert(found.map(|found| found.properties.display_name).unwrap_or_default()).clone()
                }
            };
            all.push(ExpiringCredential {
                key_id: ending.key_id,
                kind: ending.kind,
                holder: ending.holder,
                app_id,
                application,
                display_name: ending.display_name,
                ends_at: ending.ends_at,
                within,
            });
        }
        Ok(all)
    }

    /// Sets the gauge `hilum_credentials_expiring`; each credential counts once, under the narrowest label.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn gauge_expiring_credentials(&self) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.read().await?;
        let found = expiring(&mut tx, tenant, self.0.clock.now()).await?;
        drop(tx);
        for within in ExpiresWithin::ALL {
            let count = found.iter().filter(|(_, of)| *of == within).count();
            let count = u32::try_from(count).map_or(f64::from(u32::MAX), f64::from);
            metrics::gauge!("hilum_credentials_expiring", "within" => within.as_str()).set(count);
        }
        Ok(())
    }

    /// Tells of what crossed a threshold since the last look, and how much that was.
    pub(crate) async fn watch_expiry(&self) -> Result<usize, IdentityError> {
        let tenant = self.tenant().await?.id;
        let actor = Actor { display: Some("expiry watch".to_owned()), ..Actor::default() };
        let told = self
            .0
            .db
            .write((tenant, self.stamp(&actor)), |tx, (tenant, stamp)| tell(tx, *tenant, stamp).boxed())
            .await?;
        if !told.is_empty() {
            let count = |within| told.iter().filter(|(_, of)| *of == within).count();
            let first: Vec<String> =
                told.iter().take(10).map(|(ending, _)| ending.app_id.to_string()).collect();
            tracing::warn!(
                expired = count(ExpiresWithin::Expired),
                within_1d = count(ExpiresWithin::Day),
                within_7d = count(ExpiresWithin::Week),
                within_30d = count(ExpiresWithin::Month),
                first_app_ids = first.join(" "),
                "client secrets or certificates end soon or have ended: hilum doctor lists them"
            );
        }
        self.gauge_expiring_credentials().await?;
        Ok(told.len())
    }
}

async fn expiring(
    tx: &mut ReadTx,
    tenant: TenantId,
    now: Timestamp,
) -> Result<Vec<(Ending, ExpiresWithin)>, IdentityError> {
    let last = DAY.checked_mul(30).and_then(|month| now.checked_add(month).ok()).unwrap_or(Timestamp::MAX);
    let all = ending_by(tx, tenant, last, PAGE).await?;
    Ok(all
        .into_iter()
        .filter_map(|ending| ExpiresWithin::of(ending.ends_at, now).map(|within| (ending, within)))
        .collect())
}

async fn tell(
    tx: &mut WriteTx,
    tenant: TenantId,
    stamp: &Stamp,
) -> Result<Vec<(Ending, ExpiresWithin)>, IdentityError> {
    forget_notes(tx).await?;
    let mut told = Vec::new();
    for (ending, within) in expiring(tx, tenant, crate::timestamp(stamp.at_ms)).await? {
        if !note_ending(tx, ending.key_id, within.days(), stamp.at_ms).await? {
            continue;
        }
        let kind = match ending.kind {
            CredentialKind::Secret => "secret",
            CredentialKind::Certificate => "certificate",
        };
        let end = json::date_time(ending.ends_at);
        let detail = Some(format!("{kind} {} ends {end} ({})", ending.key_id, within.as_str()));
        stamp.record(tx, Action::CredentialExpiring, ending.app_id, detail).await?;
        told.push((ending, within));
    }
    Ok(told)
}

/// The look.
pub(crate) struct ExpiryWatch(pub(crate) Identity);

impl ExpiryWatch {
    const KIND: &'static str = "identity.expiry_watch";
    /// When it is due.
    pub(crate) const SCHEDULE: Schedule = Schedule { kind: Self::KIND, every: EVERY };
}

impl JobHandler for ExpiryWatch {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn run<'a>(&'a self, _job: &'a RunningJob) -> BoxFuture<'a, Result<JobOutcome, JobError>> {
        async move {
            match self.0.watch_expiry().await {
                Ok(_) | Err(IdentityError::NotInitialised) => Ok(JobOutcome::Done),
                Err(error) => Err(JobError::Temporary(error.into())),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use hilum_kernel::Clock as _;

    use hilum_jose::{SigningKey, Validity};
    use hilum_kernel::SystemRandom;

    use super::*;
    use crate::{
        CredentialOwner, Keep, NewCertificate, NewSecret,
        testing::{actor, fixtures},
    };

    #[test]
    fn thresholds_hold_to_the_millisecond() {
        let end: Timestamp = "2026-06-30T00:00:00Z".parse().unwrap();
        for (before_ms, within) in [
            (30 * 86_400_000 + 1, None),
            (30 * 86_400_000, Some(ExpiresWithin::Month)),
            (7 * 86_400_000 + 1, Some(ExpiresWithin::Month)),
            (7 * 86_400_000, Some(ExpiresWithin::Week)),
            (86_400_001, Some(ExpiresWithin::Week)),
            (86_400_000, Some(ExpiresWithin::Day)),
            (1, Some(ExpiresWithin::Day)),
            (0, Some(ExpiresWithin::Expired)),
            (-1, Some(ExpiresWithin::Expired)),
        ] {
            let now = end - SignedDuration::from_millis(before_ms);
            assert_eq!(ExpiresWithin::of(end, now), within, "{before_ms}");
        }
    }

    #[tokio::test]
    async fn credentials_of_service_principals_count_and_a_restart_forgets_nothing() {
        for fixture in fixtures().await {
            let client = fixture.client("client").await;
            let now = crate::timestamp(fixture.clock.now_ms());
            let ends_at = Some(now + SignedDuration::from_hours(24 * 5));
            let owner = || CredentialOwner::ServicePrincipal(client.id().as_str().into());
            let mut keys = Vec::new();
            for _ in 0..5 {
                let new = NewSecret { ends_at, ..NewSecret::default() };
                keys.push(fixture.identity.add_secret(&actor(), owner(), new).await.unwrap().info.key_id);
            }
            let validity = Validity { not_before: now, not_after: now + SignedDuration::from_hours(12) };
            let key = SigningKey::generate("principal", validity, &SystemRandom).unwrap();
            let certificate = key.certificate().clone();
            let new = NewCertificate { certificate, display_name: None, keep: Keep::Others };
            fixture.identity.add_certificate(&actor(), owner(), new).await.unwrap();

            let told = fixture.identity.watch_expiry().await.unwrap();
            assert_eq!(told, 6);
            let listed = fixture.identity.list_expiring_credentials().await.unwrap();
            assert!(listed.iter().all(|one| one.holder == CredentialHolder::ServicePrincipal), "{listed:?}");
            assert_eq!((listed[0].kind, listed[0].within), (CredentialKind::Certificate, ExpiresWithin::Day));
            assert!(listed[1..].iter().all(|one| one.within == ExpiresWithin::Week));

            // However many there are at one moment, none is passed over.
            let tenant = fixture.identity.tenant().await.unwrap().id;
            let mut tx = fixture.test_db.db.read().await.unwrap();
            let last = now + SignedDuration::from_hours(24 * 30);
            for page in 1..=6 {
                let all = ending_by(&mut tx, tenant, last, page).await.unwrap();
                assert_eq!(all.len(), 6, "pages of {page}");
                assert!(keys.iter().all(|key| all.iter().any(|one| one.key_id == *key)));
            }
            drop(tx);

            let again = fixture.restarted().watch_expiry().await.unwrap();
            assert_eq!(again, 0, "what was told is in the database");
        }
    }

    #[tokio::test]
    async fn each_threshold_is_told_once() {
        for fixture in fixtures().await {
            let identity = &fixture.identity;
            let client = fixture.client("client").await;
            let now = crate::timestamp(fixture.clock.now_ms());
            let new = NewSecret {
                display_name: Some("short".to_owned()),
                ends_at: Some(now + SignedDuration::from_hours(24 * 40)),
                ..NewSecret::default()
            };
            let short = identity.add_secret(&actor(), &client.id(), new).await.unwrap();
            for (days, told, within) in [
                (9, 0, None),
                (1, 1, Some(ExpiresWithin::Month)),
                (1, 0, Some(ExpiresWithin::Month)),
                (22, 1, Some(ExpiresWithin::Week)),
                (6, 1, Some(ExpiresWithin::Day)),
                (1, 1, Some(ExpiresWithin::Expired)),
                (20, 0, Some(ExpiresWithin::Expired)),
            ] {
                fixture.clock.advance(SignedDuration::from_hours(days * 24));
                assert_eq!(identity.watch_expiry().await.unwrap(), told, "{within:?}");
                let listed = identity.list_expiring_credentials().await.unwrap();
                assert_eq!(listed.first().map(|first| first.within), within);
            }
            let listed = identity.list_expiring_credentials().await.unwrap();
            assert_eq!(listed[0].key_id, short.info.key_id);
            assert_eq!(listed[0].application, "client");
            let trail = fixture.trail().await;
            let events = trail.iter().filter(|line| line.starts_with("identity.credential.expiring")).count();
            assert_eq!(events, 4, "{trail:?}");

            identity.remove_secret(&actor(), &client.id(), short.info.key_id).await.unwrap();
            assert_eq!(identity.watch_expiry().await.unwrap(), 0);
            assert!(identity.list_expiring_credentials().await.unwrap().is_empty());
        }
    }
}
