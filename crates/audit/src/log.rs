//! Events that change nothing are written in groups.

use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;
use hilum_kernel::Clock;
use hilum_storage::db::{Db, DbError};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::{Event, sql};

/// How many events may wait for the database. Beyond, [`AuditLog::submit`] waits, and with it the request.
const QUEUE_MAX: usize = 8192;
/// How many events share a transaction at most.
const GROUP_MAX: usize = 1024;
/// How long an event waits for company. Also the most that a crash can lose.
const GATHER: Duration = Duration::from_millis(100);
/// How often a group is tried again while the database is away.
const RETRIES: u32 = 30;

/// The trail cannot take the event: the request must not go on (DESIGN §4).
#[derive(Debug, Error)]
#[error("the audit trail does not take events")]
pub struct AuditLost;

/// Takes events and writes them in groups; cheap to clone. When all clones are dropped, what waits is written.
#[derive(Clone)]
pub struct AuditLog {
    queue: mpsc::Sender<(i64, Event)>,
    clock: Arc<dyn Clock>,
}

impl AuditLog {
    /// Starts the writing task on `tasks`, which waits for it at shutdown.
    pub fn start(db: Db, clock: Arc<dyn Clock>, tasks: &TaskTracker) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        tasks.spawn(write_groups(db, waiting));
        Self { queue, clock }
    }

    /// Hands an event over. Returns at once unless more events wait than may.
    ///
    /// # Errors
    /// [`AuditLost`] when the writing task has ended.
    pub async fn submit(&self, event: Event) -> Result<(), AuditLost> {
        self.queue.send((self.clock.now_ms(), event)).await.map_err(|_| AuditLost)
    }
}

async fn write_groups(db: Db, mut waiting: mpsc::Receiver<(i64, Event)>) {
    let mut group = Vec::new();
    while waiting.recv_many(&mut group, GROUP_MAX).await > 0 {
        // Company comes while we wait; a closed channel ends the wait at once.
        let gather = async {
            while group.len() < GROUP_MAX {
                if waiting.recv_many(&mut group, GROUP_MAX).await == 0 {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(GATHER, gather).await;
        write_group(&db, std::mem::take(&mut group)).await;
    }
}

async fn write_group(db: &Db, group: Vec<(i64, Event)>) {
    let group = Arc::new(group);
    for attempt in 0..RETRIES {
        let result: Result<(), DbError> =
            db.write(Arc::clone(&group), |tx, group| sql::record_all(tx, group).boxed()).await;
        match result {
            Ok(()) => return,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    attempt,
                    "audit events wait for the database"
                );
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
    // Last resort, so that the trail can be mended by hand: who and what, but no patient.
    for (at_ms, event) in group.iter() {
        tracing::error!(
            at_ms,
            action = event.action.name(),
            outcome = event.outcome.name(),
            subject = event.actor.subject,
            app_id = event.actor.app_id,
            "audit event not written"
        );
    }
    metrics::counter!("hilum_audit_events_lost_total")
        .increment(u64::try_from(group.len()).unwrap_or(u64::MAX));
}
