//! Makes new directory entries durable, many with one wait for the disk.
//!
//! A file's data being on disk does not mean that its name is: that takes an fsync of its folder. Threads that
//! want it for the same folder at the same time share one: the first to come does it, those that come while it
//! runs wait for the next, which one of them does for all.

use std::{
    collections::HashMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

#[derive(Default)]
pub(super) struct FolderSyncs(Mutex<HashMap<PathBuf, Arc<Folder>>>);

#[derive(Default)]
struct Folder {
    rounds: Mutex<Rounds>,
    finished: Condvar,
}

/// Rounds are numbered from 1. A round covers those who asked before it started.
#[derive(Default)]
struct Rounds {
    started: u64,
    finished: u64,
    running: bool,
    /// The last round that failed. The kernel reports a lost write once only, so whoever that round was to cover
    /// must not trust a later one.
    failed: u64,
}

impl FolderSyncs {
    /// Returns when every name that is in the folder now is durable. Blocks.
    pub(super) fn sync(&self, folder: &Path) -> io::Result<()> {
        self.sync_with(folder, |folder| File::open(folder)?.sync_all())
    }

    fn sync_with(&self, folder: &Path, sync: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
        let shared = Arc::clone(lock(&self.0).entry(folder.to_owned()).or_default());
        let outcome = shared.take_part(|| sync(folder));
        let mut all = lock(&self.0);
        // Two owners: the map and this call. Nobody else can come while the map is locked.
        if Arc::strong_count(&shared) == 2 {
            all.remove(folder);
        }
        outcome
    }
}

impl Folder {
    fn take_part(&self, sync: impl Fn() -> io::Result<()>) -> io::Result<()> {
        let mut rounds = lock(&self.rounds);
        let mine = rounds.started + 1;
        loop {
            if rounds.failed >= mine {
                return Err(io::Error::other("the folder could not be synced"));
            }
            if rounds.finished >= mine {
                return Ok(());
            }
            if rounds.running {
                rounds = self.finished.wait(rounds).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            rounds.running = true;
            rounds.started += 1;
            drop(rounds);
            let outcome = sync();
            rounds = lock(&self.rounds);
            rounds.running = false;
            rounds.finished = rounds.started;
            if outcome.is_err() {
                rounds.failed = rounds.started;
            }
            self.finished.notify_all();
            return outcome;
        }
    }
}

/// No code that holds one of these locks can leave half a change behind, so a panic elsewhere does not matter.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Barrier,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[test]
    fn who_waits_at_the_same_time_shares_a_round_and_nobody_is_covered_by_one_that_ran_before() {
        let syncs = FolderSyncs::default();
        let (count, gate) = (AtomicU32::new(0), Barrier::new(2));
        let slow = |_: &Path| {
            if count.fetch_add(1, Ordering::SeqCst) == 0 {
                gate.wait();
                gate.wait();
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            scope.spawn(|| syncs.sync_with(Path::new("a"), slow).unwrap());
            gate.wait();
            let waiting: Vec<_> =
                (0..8).map(|_| scope.spawn(|| syncs.sync_with(Path::new("a"), slow).unwrap())).collect();
            while Arc::strong_count(lock(&syncs.0).get(Path::new("a")).unwrap()) < 10 {
                std::thread::yield_now();
            }
            gate.wait();
            for thread in waiting {
                thread.join().unwrap();
            }
        });
        let rounds = count.load(Ordering::SeqCst);
        // A thread may be slow to take its place in the queue, so the number is not exact.
        assert!((2..9).contains(&rounds), "one before, few for all that waited: {rounds}");
        assert!(lock(&syncs.0).is_empty());
    }

    #[test]
    fn a_failure_is_told() {
        let syncs = FolderSyncs::default();
        assert!(syncs.sync(Path::new("/nonexistent/folder")).is_err());
        assert!(lock(&syncs.0).is_empty());
    }
}
