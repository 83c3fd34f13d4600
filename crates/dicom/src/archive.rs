//! The handle that every transaction works on.

use std::sync::Arc;

use hilum_access::{Caller, Challenge, Validator};
use hilum_audit::{Action, Actor, AuditLog, AuditLost, Event, Outcome};
use hilum_kernel::{Clock, PartitionKey, Random};
use hilum_storage::{
    blobs::Blobs,
    db::Db,
    jobs::{JobHandler, JobSignal, Schedule},
};
use hilum_web::RequestContext;
use tokio::sync::Semaphore;

use crate::{
    change_feed::FeedSignal,
    delete::purge::{OrphanSweep, Purge},
    extended_query_tags::{TagCache, change::Cleaning, reindex::Reindex},
    retrieve::MetadataCache,
};

/// What the archive is made of.
pub struct ArchiveParts {
    /// The index, the change feed and the audit trail.
    pub db: Db,
    /// The files.
    pub blobs: Blobs,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For blob keys and multipart boundaries.
    pub random: Arc<dyn Random>,
    /// For what changes nothing: retrievals, searches, refusals.
    pub audit: AuditLog,
    /// Who may come in.
    pub validator: Arc<Validator>,
    /// Wakes the node's worker.
    pub jobs: JobSignal,
    /// What may be configured.
    pub settings: ArchiveSettings,
}

/// What may be configured of the DICOM service.
#[derive(Debug, Clone)]
pub struct ArchiveSettings {
    /// The public URL of the service, without trailing slash: `https://HOST/dicom`.
    pub base_url: Arc<str>,
    /// What a refused client is told about where to get a token.
    pub challenge: Challenge,
    /// The largest body of one store request.
    pub store_body_bytes_max: u64,
    /// How many store requests are received at the same time; the next is answered 503.
    pub stores_at_once_max: usize,
    /// How long a removed instance's file stays, in milliseconds (Azure: three days).
    pub purge_after_ms: i64,
    /// Memory for compressed metadata of series that were asked for, in bytes.
    pub metadata_cache_bytes: u64,
}

impl ArchiveSettings {
    /// The public origin, `https://HOST`.
    pub(crate) fn origin(&self) -> &str {
        let end = self.base_url.match_indices('/').nth(2).map_or(self.base_url.len(), |(at, _)| at);
        self.base_url.get(..end).unwrap_or(&self.base_url)
    }

    /// The defaults for a service at this URL.
    pub fn at(base_url: impl Into<Arc<str>>) -> Self {
        Self {
            base_url: base_url.into(),
            challenge: Challenge::default(),
            store_body_bytes_max: hilum_kernel::limits::STORE_BODY_BYTES_MAX,
            stores_at_once_max: 64,
            purge_after_ms: 3 * 24 * 3600 * 1000,
            metadata_cache_bytes: 16 * 1024 * 1024,
        }
    }
}

/// The DICOM service; cheap to clone.
#[derive(Clone)]
pub struct Archive(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) db: Db,
    pub(crate) blobs: Blobs,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) audit: AuditLog,
    pub(crate) validator: Arc<Validator>,
    pub(crate) settings: ArchiveSettings,
    pub(crate) metadata_cache: MetadataCache,
    pub(crate) jobs: JobSignal,
    /// The extended query tags that stores are prepared for.
    pub(crate) tags: TagCache,
    /// Wakes readers of the change feed.
    pub(crate) feed: FeedSignal,
    pub(crate) stores: Semaphore,
    /// Memory for parts being received: see [`crate::store::Receiver`].
    pub(crate) memory: Arc<Semaphore>,
    /// Parts that are read and judged at the same time: that takes a core, and memory for their headers.
    pub(crate) judging: Arc<Semaphore>,
    /// Files that are converted in memory at the same time.
    pub(crate) conversions: Arc<Semaphore>,
}

/// Honest parts are judged within a millisecond; a few more than there are cores hide the wait for staged files.
const JUDGED_AT_ONCE: usize = 16;
/// Each conversion holds a file of up to 100 MB until its answer is sent, twice for a moment.
const CONVERSIONS_AT_ONCE: usize = 4;

/// The partition that all data is in while the feature is off (Azure: `Microsoft.Default`).
pub(crate) const DEFAULT_PARTITION: PartitionKey = PartitionKey::new(1);

impl Archive {
    /// Puts the service together. The schema must have been migrated.
    pub fn new(parts: ArchiveParts) -> Self {
        let ArchiveParts { db, blobs, clock, random, audit, validator, jobs, settings } = parts;
        let metadata_cache = MetadataCache::new(settings.metadata_cache_bytes);
        let stores = Semaphore::new(settings.stores_at_once_max);
        Self(Arc::new(Inner {
            db,
            blobs,
            clock,
            random,
            audit,
            validator,
            settings,
            metadata_cache,
            jobs,
            tags: TagCache::default(),
            feed: FeedSignal::default(),
            stores,
            memory: crate::store::http::memory(),
            judging: Arc::new(Semaphore::new(JUDGED_AT_ONCE)),
            conversions: Arc::new(Semaphore::new(CONVERSIONS_AT_ONCE)),
        }))
    }

    /// The background work of the service, to be registered with the node's worker.
    pub fn job_handlers(&self) -> Vec<Arc<dyn JobHandler>> {
        vec![
            Arc::new(Purge(self.clone())),
            Arc::new(OrphanSweep(self.clone())),
            Arc::new(Reindex(self.clone())),
            Arc::new(Cleaning(self.clone())),
        ]
    }

    /// When the background work is due.
    pub fn schedules(&self) -> Vec<Schedule> {
        vec![Purge::SCHEDULE, OrphanSweep::SCHEDULE]
    }

    /// Writes an event about something that changes nothing.
    pub(crate) async fn audit(&self, event: Event) -> Result<(), AuditLost> {
        self.0.audit.submit(event).await
    }
}

/// An audit event about what a caller did.
pub(crate) fn event(action: Action, outcome: Outcome, caller: &Caller, context: &RequestContext) -> Event {
    let actor = Actor {
        subject: Some(caller.object_id().unwrap_or(caller.subject()).to_owned()),
        app_id: caller.app_id().map(str::to_owned),
        display: caller.display_name().map(str::to_owned),
    };
    Event::new(action, outcome, actor).of_request(context.client_address, context.correlation)
}
