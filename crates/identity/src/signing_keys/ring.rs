//! The keys in memory: the current one opened, so that a token costs no decryption; read anew every half minute, so
//! that a rotation on another node is noticed.

use std::sync::{Arc, RwLock};

use hilum_jose::{Jwk, SigningKey};

use super::{KeyState, is_published, open, sql};
use crate::{Identity, IdentityError};

/// How old the keys in memory may be: much less than the day between publication and use.
const FRESH_MS: i64 = 30_000;

/// Holds the keys in memory.
#[derive(Default)]
pub(crate) struct KeyRing {
    loaded: RwLock<Option<Arc<Loaded>>>,
    /// One task at a time reads the database.
    reading: tokio::sync::Mutex<()>,
}

/// The keys as they were at one moment.
pub(crate) struct Loaded {
    pub(crate) current: Arc<SigningKey>,
    pub(crate) published: Vec<Jwk>,
    at_ms: i64,
}

impl KeyRing {
    /// Makes the next request read the database.
    pub(crate) fn forget(&self) {
        if let Ok(mut loaded) = self.loaded.write() {
            *loaded = None;
        }
    }

    fn get(&self) -> Option<Arc<Loaded>> {
        self.loaded.read().ok().and_then(|loaded| loaded.clone())
    }
}

impl Identity {
    /// The keys to sign with and to publish.
    pub(crate) async fn ring(&self) -> Result<Arc<Loaded>, IdentityError> {
        let ring = &self.0.key_ring;
        let now_ms = self.0.clock.now_ms();
        let is_fresh = |loaded: &Arc<Loaded>| (0..FRESH_MS).contains(&(now_ms - loaded.at_ms));
        let known = ring.get();
        if let Some(loaded) = known.as_ref().filter(|loaded| is_fresh(loaded)) {
            return Ok(Arc::clone(loaded));
        }
        let _reading = match (ring.reading.try_lock(), known) {
            (Ok(guard), _) => guard,
            // Somebody else is reading: what is known will do for this request.
            (Err(_), Some(loaded)) => return Ok(loaded),
            (Err(_), None) => ring.reading.lock().await,
        };
        if let Some(loaded) = ring.get().filter(is_fresh) {
            return Ok(loaded);
        }
        let loaded = Arc::new(self.read_ring(now_ms).await?);
        if let Ok(mut place) = ring.loaded.write() {
            *place = Some(Arc::clone(&loaded));
        }
        Ok(loaded)
    }

    async fn read_ring(&self, now_ms: i64) -> Result<Loaded, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        let keys = sql::select(&mut tx, tenant).await?;
        let current =
            keys.iter().find(|key| key.state == KeyState::Current).ok_or(IdentityError::NotInitialised)?;
        let opened = match self.0.key_ring.get() {
            Some(before) if before.current.kid() == current.kid => Arc::clone(&before.current),
            _ => {
                let sealed =
                    sql::sealed(&mut tx, &current.kid).await?.ok_or(IdentityError::NotInitialised)?;
                let (inner, info) = (Arc::clone(&self.0), current.clone());
                let work = move || open(&inner, &info, &sealed);
                Arc::new(tokio::task::spawn_blocking(work).await.map_err(|_| IdentityError::Interrupted)??)
            }
        };
        let now = crate::timestamp(now_ms);
        let published = keys.into_iter().filter(|key| is_published(key, now)).map(|key| key.jwk).collect();
        Ok(Loaded { current: opened, published, at_ms: now_ms })
    }
}
