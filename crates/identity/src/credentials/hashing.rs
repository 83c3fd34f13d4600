//! Whose turn it is to hash a password, and the memory it is done in.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use argon2::{Block, Params};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::IdentityError;

/// How long a password waits for its turn. Beyond: 503.
const WAIT: Duration = Duration::from_secs(10);
/// So many hashes at once at most, however many cores there are.
const TURNS_MAX: usize = 8;
/// What is kept for the next ones, 19 MiB each.
const SPARE_MAX: usize = 2;

/// What Argon2id fills: 19 MiB with the parameters in use.
type Memory = Vec<Block>;

/// The few threads that hash passwords. Their memory is used again: given back to the allocator it would stay with the
/// process, once for each thread that ever hashed.
#[derive(Clone)]
pub(crate) struct HashingPool {
    turns: Arc<Semaphore>,
    spare: Arc<Mutex<Vec<Memory>>>,
}

/// A turn; it ends when this is dropped.
pub(crate) struct Turn {
    spare: Arc<Mutex<Vec<Memory>>>,
    _permit: OwnedSemaphorePermit,
}

impl Default for HashingPool {
    /// All cores but one.
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let turns = cores.saturating_sub(1).clamp(1, TURNS_MAX);
        Self { turns: Arc::new(Semaphore::new(turns)), spare: Arc::default() }
    }
}

impl fmt::Debug for HashingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashingPool").field("turns", &self.turns).finish_non_exhaustive()
    }
}

impl HashingPool {
    /// Waits for a turn.
    ///
    /// # Errors
    /// [`IdentityError::Interrupted`] when none came in time.
    pub(crate) async fn turn(&self) -> Result<Turn, IdentityError> {
        let turn = tokio::time::timeout(WAIT, Arc::clone(&self.turns).acquire_owned()).await;
        match turn {
            Ok(Ok(permit)) => Ok(Turn { spare: Arc::clone(&self.spare), _permit: permit }),
            _ => Err(IdentityError::Interrupted),
        }
    }

    #[cfg(test)]
    pub(crate) fn turns(&self) -> Arc<Semaphore> {
        Arc::clone(&self.turns)
    }
}

impl Turn {
    /// Runs what hashes where it may block, with memory for the default parameters.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut [Block]) -> T + Send + 'static,
    ) -> Result<T, IdentityError> {
        let spare = Arc::clone(&self.spare);
        let work = move || {
            let taken = spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut memory = taken.unwrap_or_else(|| vec![Block::new(); Params::DEFAULT.block_count()]);
            let outcome = work(&mut memory);
            let mut spare = spare.lock().unwrap_or_else(PoisonError::into_inner);
            if spare.len() < SPARE_MAX {
                spare.push(memory);
            }
            outcome
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| IdentityError::Interrupted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_is_used_again() {
        let pool = HashingPool::default();
        let turn = pool.turn().await.unwrap();
        let address = |memory: &mut [Block]| memory.as_ptr() as usize;
        let first = turn.run(address).await.unwrap();
        assert_eq!(turn.run(address).await.unwrap(), first);
        assert_eq!(pool.spare.lock().unwrap().len(), 1);
    }
}
