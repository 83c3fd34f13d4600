//! Whose turn it is to hash a password, and the memory and the thread it is done on.

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use argon2::{Block, Params};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::IdentityError;

/// How long a password waits for its turn. Beyond: 503.
const WAIT: Duration = Duration::from_secs(10);
/// So many hashes at once at most, however many cores there are.
const TURNS_MAX: usize = 8;
/// What is kept for the next ones, 19 MiB each.
const SPARE_MAX: usize = 2;

/// How willingly hashes give their core away (nice(2)): the least that lets a waiting request go first at once, and leaves
/// sign-ins a share of a core that is busy with nothing but tokens.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;
/// Hashing needs little stack: its memory is on the heap.
const STACK_BYTES: usize = 256 * 1024;

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
        let (reply, outcome) = oneshot::channel();
        // Nobody may have waited for it.
        let work = move || drop(reply.send(work()));
        aside(work).map_err(|_| IdentityError::Interrupted)?;
        outcome.await.map_err(|_| IdentityError::Interrupted)
    }
}

/// Runs work on a thread of its own that stands back. A thread cannot take back that it is nice, so it must not be one
/// that others use afterwards; starting it is nothing beside what it does.
fn aside(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name("hash".to_owned()).stack_size(STACK_BYTES);
    thread
        .spawn(move || {
            stand_back();
            work();
        })
        .map(drop)
}

/// Threads have a niceness of their own on Linux (setpriority(2), "C library/kernel differences"). Without it a hash takes its
/// turn like everything else.
#[cfg(target_os = "linux")]
fn stand_back() {
    let own = Some(rustix::thread::gettid());
    // Who runs the server with less priority than that means it.
    let done = match rustix::process::getpriority_process(own) {
        Ok(niceness) if niceness >= NICENESS => Ok(()),
        Ok(_) => rustix::process::setpriority_process(own, NICENESS),
        Err(error) => Err(error),
    };
    if let Err(error) = done {
        tracing::debug!(%error, "hashing cannot stand back");
    }
}

#[cfg(not(target_os = "linux"))]
const fn stand_back() {}

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

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn hashing_stands_back_and_nothing_else_does() {
        let niceness = || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
        let own = niceness();
        let turn = HashingPool::default().turn().await.unwrap();
        let hashing = turn.run(move |_| niceness()).await.unwrap();
        assert_eq!(hashing, NICENESS.max(own));
        assert_eq!(tokio::task::spawn_blocking(niceness).await.unwrap(), own);
    }

    #[tokio::test]
    async fn work_that_panics_is_told() {
        let turn = HashingPool::default().turn().await.unwrap();
        let outcome = turn.run(|_| assert!(std::hint::black_box(false))).await;
        assert!(matches!(outcome, Err(IdentityError::Interrupted)));
    }
}
