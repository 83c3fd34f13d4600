//! Waiting for news: a long poll hears of this node's commits at once and looks for those of others now and then.

use std::{sync::Arc, time::Duration};

use hilum_storage::db::{Db, DbError};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, timeout_at},
};

use super::{
    parameters::Asked,
    read::{self, Listed},
};

/// How often to look for what other nodes wrote.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Requests that may wait at the same time. Beyond, a request is answered at once, as if it had not asked to wait.
const WAITING_MAX: usize = 256;

/// Tells waiting readers that there is something new. Cheap to clone.
#[derive(Clone)]
pub(crate) struct FeedSignal {
    news: watch::Sender<()>,
    places: Arc<Semaphore>,
}

impl Default for FeedSignal {
    fn default() -> Self {
        Self { news: watch::Sender::new(()), places: Arc::new(Semaphore::new(WAITING_MAX)) }
    }
}

impl FeedSignal {
    /// Call it after a commit that appended entries.
    pub(crate) fn tell(&self) {
        self.news.send_replace(());
    }

    /// Reads until there is something, or the time is over.
    pub(super) async fn read(&self, db: &Db, asked: Asked) -> Result<Vec<Listed>, DbError> {
        let Asked { selection, metadata, wait } = asked;
        // Listening begins before the first look: what is committed in between is heard.
        let mut news = self.news.subscribe();
        let deadline = Instant::now() + wait;
        let found = read::page(db, selection, metadata).await?;
        if !found.is_empty() || wait.is_zero() {
            return Ok(found);
        }
        let Ok(_place) = self.places.try_acquire() else { return Ok(found) };
        loop {
            let next_look = (Instant::now() + LOOK_EVERY).min(deadline);
            // Whether there was news or not, the next look tells.
            let _ = timeout_at(next_look, news.changed()).await;
            let found = read::page(db, selection, metadata).await?;
            if !found.is_empty() || Instant::now() >= deadline {
                return Ok(found);
            }
        }
    }

    /// How many readers wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        WAITING_MAX - self.places.available_permits()
    }
}
