//! What can be done to jobs: all of it single statements on the job table, inside the caller's transaction.

use hilum_kernel::JobId;
use jiff::Timestamp;

use super::{JobState, JobStatus, NewJob, QueueDepth, sql};
use crate::db::{Backend, DbError, ReadTx, Row, Statement, Value, WriteTx};

/// How many finished jobs are removed in one transaction.
const PURGE_MAX: i64 = 1_000;
/// How often a job whose twin ends at the very moment is enqueued anew.
const ENQUEUE_TRIES: u32 = 3;

/// Adds a job, or finds the one with the same dedup key that waits or runs. Tell the worker after the commit:
/// [`super::JobSignal::wake`].
pub async fn enqueue(tx: &mut WriteTx, id: JobId, now: Timestamp, job: &NewJob) -> Result<JobId, DbError> {
    let run_at = job.run_at.unwrap_or(now).as_millisecond();
    let values = [
        id.into(),
        job.kind.into(),
        job.dedup_key.clone().into(),
        job.payload.as_str().into(),
        job.attempts_max.into(),
        run_at.into(),
        now.as_millisecond().into(),
    ];
    // The other job may end between the two statements, which only PostgreSQL lets happen: then there is room.
    for _ in 0..ENQUEUE_TRIES {
        if tx.execute(sql::INSERT, &values).await? > 0 {
            return Ok(id);
        }
        if let Some(row) =
            tx.fetch_optional(sql::PENDING, &[job.kind.into(), job.dedup_key.clone().into()]).await?
        {
            return row.id(0);
        }
    }
    Err(DbError::Busy)
}

/// Takes a job that waits out of the queue and asks one that runs to stop. Tells whether there was either.
pub async fn cancel(tx: &mut WriteTx, id: JobId, now: Timestamp) -> Result<bool, DbError> {
    let values = [now.as_millisecond().into(), id.into()];
    Ok(tx.execute(sql::CANCEL_QUEUED, &values).await? > 0
        || tx.execute(sql::CANCEL_RUNNING, &values).await? > 0)
}

/// What is known of a job, if it is there.
pub async fn status(tx: &mut ReadTx, id: JobId) -> Result<Option<JobStatus>, DbError> {
    let row = tx.fetch_optional(sql::STATUS, &[id.into()]).await?;
    row.map(|row| {
        Ok(JobStatus {
            id,
            kind: row.text(0)?,
            payload: row.text(9)?,
            state: row.id::<JobState>(1)?,
            attempts: row.int(2)?,
            progress: row.int(3)?,
            last_error: row.opt_text(4)?,
            result: row.opt_text(5)?,
            run_at: time(&row, 6)?,
            created: time(&row, 7)?,
            updated: time(&row, 8)?,
        })
    })
    .transpose()
}

/// How much is in the queue.
pub async fn depth(tx: &mut ReadTx, now: Timestamp) -> Result<QueueDepth, DbError> {
    let row = tx.fetch_optional(sql::DEPTH, &[now.as_millisecond().into()]).await?;
    let row = row.ok_or(DbError::Corrupt { column: 0 })?;
    Ok(QueueDepth { due: row.int(0)?, later: row.int(1)?, running: row.int(2)? })
}

/// Removes some jobs that ended before a time and tells how many. Zero means that none are left.
pub async fn purge(tx: &mut WriteTx, ended_before: Timestamp) -> Result<u64, DbError> {
    tx.execute(sql::PURGE, &[ended_before.as_millisecond().into(), PURGE_MAX.into()]).await
}

/// A job a worker may run now.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) id: JobId,
    pub(crate) kind: String,
    pub(crate) dedup_key: Option<String>,
    pub(crate) payload: String,
    pub(crate) checkpoint: Option<String>,
    pub(crate) attempts: i64,
    pub(crate) attempts_max: i64,
    /// Proves whose it is. Another one for every claim, so that an earlier holder cannot be taken for this one.
    pub(crate) lease: String,
}

/// Who wants a job, and for how long.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) kinds: Vec<&'static str>,
    pub(crate) lease: String,
    pub(crate) now_ms: i64,
    pub(crate) lease_ms: i64,
}

/// Takes the job that has waited longest, those of dead nodes included.
pub(crate) async fn claim(
    tx: &mut WriteTx,
    claim: &Claim,
    backend: Backend,
) -> Result<Option<Claimed>, DbError> {
    tx.execute(sql::RELEASE_EXPIRED, &[claim.now_ms.into()]).await?;
    let mut statement = Statement::new(sql::CLAIM_UPDATE);
    statement
        .bind(claim.lease.as_str())
        .push(sql::CLAIM_UNTIL)
        .bind(claim.now_ms.saturating_add(claim.lease_ms));
    statement.push(sql::CLAIM_UPDATED).bind(claim.now_ms).push(sql::CLAIM_WHERE).bind(claim.now_ms);
    statement.push(sql::AND_KIND_IN).bind_list(claim.kinds.iter().copied()).push(sql::CLAIM_ORDER);
    statement.push(backend.skip_locked()).push(sql::CLAIM_RETURNING);
    let row = tx.fetch_optional_of(&statement).await?;
    row.map(|row| {
        Ok(Claimed {
            id: row.id(0)?,
            kind: row.text(1)?,
            dedup_key: row.opt_text(2)?,
            payload: row.text(3)?,
            checkpoint: row.opt_text(4)?,
            attempts: row.int(5)?,
            attempts_max: row.int(6)?,
            lease: claim.lease.clone(),
        })
    })
    .transpose()
}

/// When there will be something to claim, as far as the queue knows now. Only reads: an idle worker writes nothing.
pub(super) async fn next_due_ms(tx: &mut ReadTx, kinds: &[&'static str]) -> Result<Option<i64>, DbError> {
    let mut next: Option<i64> = None;
    for fragment in [sql::NEXT_QUEUED, sql::NEXT_EXPIRED] {
        let mut statement = Statement::new(fragment);
        statement.bind_list(kinds.iter().copied()).push(")");
        if let Some(due) =
            tx.fetch_optional_of(&statement).await?.map(|row| row.opt_int(0)).transpose()?.flatten()
        {
            next = Some(next.map_or(due, |other| other.min(due)));
        }
    }
    Ok(next)
}

/// What a heartbeat learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heartbeat {
    GoOn,
    /// Somebody asked for the job to stop.
    Cancel,
    /// The lease is not ours any more.
    Lost,
}

pub(super) async fn heartbeat(
    tx: &mut WriteTx,
    lease: (JobId, &str),
    progress: i64,
    (now_ms, lease_ms): (i64, i64),
) -> Result<Heartbeat, DbError> {
    let values: [Value; 5] = [
        now_ms.saturating_add(lease_ms).into(),
        progress.into(),
        now_ms.into(),
        lease.0.into(),
        lease.1.into(),
    ];
    Ok(match tx.fetch_optional(sql::HEARTBEAT, &values).await? {
        None => Heartbeat::Lost,
        Some(row) if row.truth(0)? => Heartbeat::Cancel,
        Some(_) => Heartbeat::GoOn,
    })
}

/// Keeps how far a job came. Tells whether the lease was still ours.
pub(super) async fn save_checkpoint(
    tx: &mut WriteTx,
    lease: (JobId, &str),
    (checkpoint, progress): (&str, i64),
    now_ms: i64,
) -> Result<bool, DbError> {
    let values = [checkpoint.into(), progress.into(), now_ms.into(), lease.0.into(), lease.1.into()];
    Ok(tx.execute(sql::CHECKPOINT, &values).await? > 0)
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    Final { state: JobState, result: Option<String>, error: Option<String>, progress: i64 },
    Again { run_at_ms: i64, attempts: i64, error: Option<String> },
}

/// Writes how an attempt ended. Tells whether the lease was still ours.
pub(super) async fn finish(
    tx: &mut WriteTx,
    lease: (JobId, &str),
    ending: &Ending,
    now_ms: i64,
) -> Result<bool, DbError> {
    let changed = match ending {
        Ending::Final { state, result, error, progress } => {
            let values = [
                state.as_str().into(),
                result.clone().into(),
                error.clone().into(),
                (*progress).into(),
                now_ms.into(),
                lease.0.into(),
                lease.1.into(),
            ];
            tx.execute(sql::FINISH, &values).await?
        }
        Ending::Again { run_at_ms, attempts, error } => {
            let values = [
                (*run_at_ms).into(),
                (*attempts).into(),
                error.clone().into(),
                now_ms.into(),
                lease.0.into(),
                lease.1.into(),
            ];
            tx.execute(sql::REQUEUE, &values).await?
        }
    };
    Ok(changed > 0)
}

/// Moves a waiting job to an earlier time, if it is later.
pub(super) async fn bring_forward(
    tx: &mut WriteTx,
    kind: &str,
    dedup_key: &str,
    run_at_ms: i64,
) -> Result<(), DbError> {
    tx.execute(sql::BRING_FORWARD, &[run_at_ms.into(), kind.into(), dedup_key.into()]).await.map(drop)
}

fn time(row: &Row, column: usize) -> Result<Timestamp, DbError> {
    Timestamp::from_millisecond(row.int(column)?).map_err(|_| DbError::Corrupt { column })
}
