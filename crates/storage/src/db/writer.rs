//! SQLite's single writer with group commit.
//!
//! SQLite allows one writer at a time and makes each commit wait for the disk. So all write transactions of this
//! process go through one task that runs every waiting one inside one `BEGIN IMMEDIATE … COMMIT`, each within its own
//! savepoint: a failed one takes back its own changes only, and all that succeed share one wait for the disk.
//! Nobody is told "done" before that commit returned.

use std::{
    collections::VecDeque,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::sync::{mpsc, oneshot};

use super::{DbError, WriteTx};

/// How many writes may wait. Beyond, callers are told [`DbError::Busy`] after a while.
pub(super) const QUEUE_MAX: usize = 1024;

/// How many writes share a commit at most: bounds how long the first of them waits for the last.
const BATCH_MAX: usize = 128;
/// After this time a group commits and leaves the others to the next: a large delete or import must not make everybody
/// wait for everybody.
const GROUP_TIME_MAX: Duration = Duration::from_millis(50);

/// Work on an open transaction. Boxed, because the future borrows the transaction it is given.
pub(super) type Work<I, T, E> =
    dyn for<'t> Fn(&'t mut WriteTx, &'t I) -> BoxFuture<'t, Result<T, E>> + Send + Sync;

/// A queued write of any type.
pub(super) trait Job: Send {
    /// Runs the work; tells whether its changes should stay.
    fn run<'a>(&'a mut self, tx: &'a mut WriteTx) -> BoxFuture<'a, Verdict>;
    /// Answers the caller, once the commit's fate is known.
    fn finish(self: Box<Self>, commit: Result<(), DbError>);
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Keep,
    Discard,
}

pub(super) struct TypedJob<I, T, E> {
    pub(super) input: I,
    pub(super) work: Box<Work<I, T, E>>,
    pub(super) outcome: Option<Result<T, E>>,
    pub(super) reply: oneshot::Sender<Result<T, E>>,
}

impl<I, T, E> Job for TypedJob<I, T, E>
where
    I: Send + Sync,
    T: Send,
    E: Send + From<DbError>,
{
    fn run<'a>(&'a mut self, tx: &'a mut WriteTx) -> BoxFuture<'a, Verdict> {
        async move {
            let outcome = AssertUnwindSafe((self.work)(tx, &self.input))
                .catch_unwind()
                .await
                .unwrap_or_else(|_| Err(DbError::Panicked.into()));
            let verdict = if outcome.is_ok() { Verdict::Keep } else { Verdict::Discard };
            self.outcome = Some(outcome);
            verdict
        }
        .boxed()
    }

    fn finish(self: Box<Self>, commit: Result<(), DbError>) {
        let answer = match (self.outcome, commit) {
            (Some(Err(refused)), _) => Err(refused),
            (_, Err(lost)) => Err(lost.into()),
            (Some(done), Ok(())) => done,
            (None, Ok(())) => Err(DbError::Panicked.into()),
        };
        // A caller that hung up does not need the answer; its write stands all the same.
        let _ = self.reply.send(answer);
    }
}

/// Runs until every sender is gone. Owns the only writing connection of this process.
pub(super) async fn run(mut tx: WriteTx, mut queue: mpsc::Receiver<Box<dyn Job>>) {
    let mut waiting = VecDeque::with_capacity(BATCH_MAX);
    while let Some(job) = next(&mut waiting, &mut queue).await {
        waiting.push_front(job);
        // Whoever has come meanwhile shares the commit, up to the bound.
        while waiting.len() < BATCH_MAX
            && let Ok(job) = queue.try_recv()
        {
            waiting.push_back(job);
        }
        write_group(&mut tx, &mut waiting).await;
    }
}

/// Those a long group left over go first.
async fn next(
    waiting: &mut VecDeque<Box<dyn Job>>,
    queue: &mut mpsc::Receiver<Box<dyn Job>>,
) -> Option<Box<dyn Job>> {
    match waiting.pop_front() {
        Some(job) => Some(job),
        None => queue.recv().await,
    }
}

async fn write_group(tx: &mut WriteTx, waiting: &mut VecDeque<Box<dyn Job>>) {
    let mut group = Vec::with_capacity(waiting.len());
    let result = commit_together(tx, waiting, &mut group).await;
    metrics::histogram!("hilum_db_write_batch").record(f64::from(u32::try_from(group.len()).unwrap_or(0)));
    if let Err(error) = &result {
        tracing::error!(error = error as &dyn std::error::Error, "a group of writes was rolled back");
        // Harmless when SQLite has rolled back by itself, as it does when the disk is full.
        let _ = tx.script("ROLLBACK").await;
        if group.is_empty() {
            // Without even a beginning nobody's turn has come; still they must not wait for ever.
            group.extend(waiting.drain(..));
        }
    }
    for job in group {
        job.finish(result.as_ref().copied().map_err(again));
    }
}

/// Runs waiting jobs until the group's time is over; those that ran go into `group`.
async fn commit_together(
    tx: &mut WriteTx,
    waiting: &mut VecDeque<Box<dyn Job>>,
    group: &mut Vec<Box<dyn Job>>,
) -> Result<(), DbError> {
    // Each script is a visit to the connection's thread, so they are few.
    tx.script("BEGIN IMMEDIATE; SAVEPOINT work").await.map_err(DbError::not_begun)?;
    let begun = Instant::now();
    while let Some(mut job) = waiting.pop_front() {
        let verdict = job.run(tx).await;
        group.push(job);
        if verdict == Verdict::Discard {
            tx.script("ROLLBACK TO work").await?;
        }
        if waiting.is_empty() || begun.elapsed() > GROUP_TIME_MAX {
            break;
        }
        if verdict == Verdict::Keep {
            tx.script("RELEASE work; SAVEPOINT work").await?;
        }
    }
    // Commits what the last savepoint holds, too (SQLite: SAVEPOINT).
    tx.script("COMMIT").await
}

/// Errors are not `Clone`; each job of a failed group gets its own of the same kind.
fn again(error: &DbError) -> DbError {
    match error {
        DbError::Conflict(_) | DbError::Busy => DbError::Busy,
        DbError::NotBegun(_) => DbError::NotBegun(sqlx::Error::WorkerCrashed),
        _ => DbError::Unavailable(sqlx::Error::WorkerCrashed),
    }
}
