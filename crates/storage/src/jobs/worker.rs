//! Runs due jobs, a bounded number at a time, until it is told to stop.

use std::{
    any::Any,
    collections::HashMap,
    error::Error,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use hilum_kernel::{Clock, JobId, Random};
use jiff::SignedDuration;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{Notify, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    JobError, JobState, Schedule, json,
    queue::{self, Claim, Claimed, Ending, Heartbeat},
    schedule::SCHEDULED,
};
use crate::db::{Db, DbError};

/// The pause after the first failure; doubles with each further one.
const BACKOFF_FIRST_MS: i64 = 5_000;
/// The longest pause.
const BACKOFF_MAX_MS: i64 = 3_600_000;
/// How much of an error's text is kept.
const ERROR_CHARS_MAX: usize = 1_000;

/// Does one kind of work.
pub trait JobHandler: Send + Sync + 'static {
    /// The kind, as it stands in the job's row. Must not change between releases.
    fn kind(&self) -> &'static str;

    /// Does the work. May be dropped at any `await` when the lease is lost, and run again from the start.
    fn run<'a>(&'a self, job: &'a RunningJob) -> BoxFuture<'a, Result<JobOutcome, JobError>>;
}

/// How a job ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobOutcome {
    /// With nothing to say.
    Done,
    /// With a result for whoever asks for its status: JSON, from [`JobOutcome::with`].
    DoneWith(String),
    /// Not yet: the same job is to go on after a pause. Does not count as a failure.
    Again {
        /// The pause.
        after: SignedDuration,
    },
}

impl JobOutcome {
    /// Ends with a result.
    pub fn with(result: &impl Serialize) -> Result<Self, JobError> {
        json(result).map(Self::DoneWith)
    }
}

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// The node's name, for operators who look into the table.
    pub node: String,
    /// Jobs at the same time.
    pub concurrency: usize,
    /// How long a dead node's jobs rest. Renewed at a third of it.
    pub lease: Duration,
    /// How often to look for jobs that other nodes enqueued.
    pub poll: Duration,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            node: "hilum".to_owned(),
            concurrency: 2,
            lease: Duration::from_mins(1),
            poll: Duration::from_secs(5),
        }
    }
}

/// Tells this process's worker that there is something new. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct JobSignal(Arc<Notify>);

impl JobSignal {
    /// Call it after the transaction that enqueued a job was committed. Without it the job waits for the next poll.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// Runs jobs. Cheap to clone.
#[derive(Clone)]
pub struct Worker(Arc<Inner>);

struct Inner {
    db: Db,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    options: WorkerOptions,
    handlers: HashMap<&'static str, Arc<dyn JobHandler>>,
    schedules: Vec<Schedule>,
    signal: JobSignal,
}

impl Worker {
    /// A worker for these handlers, and for the schedules among them.
    pub fn new(
        db: Db,
        (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
        handlers: Vec<Arc<dyn JobHandler>>,
        schedules: Vec<Schedule>,
        signal: JobSignal,
        options: WorkerOptions,
    ) -> Self {
        let handlers = handlers.into_iter().map(|handler| (handler.kind(), handler)).collect();
        Self(Arc::new(Inner { db, clock, random, options, handlers, schedules, signal }))
    }

    /// Runs until the token is cancelled; then lets running jobs know and waits for them.
    pub async fn run(&self, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        let slots = Arc::new(Semaphore::new(self.0.options.concurrency.max(1)));
        let mut scheduled = false;
        while !stop.is_cancelled() {
            scheduled = scheduled || self.ensure_schedules().await.map_err(|error| report(&error)).is_ok();
            let slot = tokio::select! {
                () = stop.cancelled() => break,
                slot = Arc::clone(&slots).acquire_owned() => slot,
            };
            match self.claim_if_due().await {
                Ok(Next::Job(job)) => {
                    let (worker, stop) = (self.clone(), stop.child_token());
                    tasks.spawn(async move {
                        worker.execute(job, stop).await;
                        drop(slot);
                    });
                }
                Ok(Next::Later(pause)) => self.rest(&stop, pause).await,
                Err(error) => {
                    report(&error);
                    self.rest(&stop, self.0.options.poll).await;
                }
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    /// Runs what is due now, one after the other, and tells how many that were. For tests and single commands.
    pub async fn run_due_once(&self) -> Result<usize, DbError> {
        self.ensure_schedules().await?;
        let mut count = 0;
        while let Next::Job(job) = self.claim_if_due().await? {
            self.execute(job, CancellationToken::new()).await;
            count += 1;
        }
        Ok(count)
    }

    /// Makes sure that scheduled work is waiting. [`Worker::run`] does so itself.
    pub async fn ensure_schedules(&self) -> Result<(), DbError> {
        for schedule in &self.0.schedules {
            let input = (*schedule, JobId::new(self.0.random.uuid()), self.0.clock.now());
            let ensure =
                self.0.db.write(input, |tx, (schedule, id, now)| schedule.ensure(tx, *id, *now).boxed());
            ensure.await?;
        }
        Ok(())
    }

    async fn rest(&self, stop: &CancellationToken, pause: Duration) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.0.signal.0.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    async fn claim_if_due(&self) -> Result<Next, DbError> {
        let poll = self.0.options.poll;
        let kinds: Vec<_> = self.0.handlers.keys().copied().collect();
        let next = queue::next_due_ms(&mut self.0.db.read().await?, &kinds).await?;
        let now_ms = self.0.clock.now_ms();
        match next {
            None => return Ok(Next::Later(poll)),
            Some(due) if due > now_ms => {
                let pause = Duration::from_millis(u64::try_from(due - now_ms).unwrap_or(0));
                return Ok(Next::Later(pause.min(poll)));
            }
            Some(_) => {}
        }
        let lease = format!("{}:{}", self.0.options.node, self.0.random.uuid());
        let claim = Claim { kinds, lease, now_ms, lease_ms: self.lease_ms() };
        let input = (claim, self.0.db.backend());
        let claimed =
            self.0.db.write(input, |tx, (claim, backend)| queue::claim(tx, claim, *backend).boxed()).await?;
        // Another node was quicker, or the job belongs to a dead one and has failed: look again soon.
        Ok(claimed.map_or(Next::Later(poll.min(Duration::from_secs(1))), Next::Job))
    }

    fn lease_ms(&self) -> i64 {
        i64::try_from(self.0.options.lease.as_millis()).unwrap_or(i64::MAX)
    }

    /// Runs one job and writes down how it ended.
    async fn execute(&self, claimed: Claimed, stop: CancellationToken) {
        let Some(handler) = self.0.handlers.get(claimed.kind.as_str()).cloned() else { return };
        let attempt = Attempt { attempts: claimed.attempts, attempts_max: claimed.attempts_max };
        let schedule = self
            .0
            .schedules
            .iter()
            .find(|s| s.kind == claimed.kind && claimed.dedup_key.as_deref() == Some(SCHEDULED))
            .copied();
        let job = RunningJob {
            worker: Arc::clone(&self.0),
            id: claimed.id,
            payload: claimed.payload,
            checkpoint: claimed.checkpoint,
            lease: claimed.lease,
            attempt: claimed.attempts,
            progress: AtomicI64::new(0),
            stop,
            cancel_requested: CancellationToken::new(),
        };
        let work = AssertUnwindSafe(handler.run(&job)).catch_unwind();
        let outcome = tokio::select! {
            outcome = work => outcome.unwrap_or_else(|panic| Err(JobError::Temporary(panic_text(&*panic).into()))),
            // What the handler holds is dropped: the job is another worker's now.
            () = self.renew(&job) => {
                tracing::warn!(job.id = %job.id, job.kind = handler.kind(), "the lease of a job was lost");
                return;
            }
        };
        let ending = self.ending(&job, attempt, outcome);
        tracing::debug!(job.id = %job.id, job.kind = handler.kind(), ?ending, "job ended");
        // The next run of a schedule is made together with the end of this one.
        let next = schedule.filter(|_| matches!(ending, Ending::Final { .. }));
        let next = next.map(|schedule| (schedule, JobId::new(self.0.random.uuid())));
        let input = (job.id, job.lease, ending, next, self.0.clock.now());
        let written = self
            .0
            .db
            .write(input, |tx, (id, lease, ending, next, now)| {
                async move {
                    let ours = queue::finish(tx, (*id, lease), ending, now.as_millisecond()).await?;
                    match next {
                        Some((schedule, id)) if ours => schedule.ensure(tx, *id, *now).await,
                        _ => Ok::<_, DbError>(()),
                    }
                }
                .boxed()
            })
            .await;
        if let Err(error) = written {
            // The lease runs out, and the job runs again.
            report(&error);
        }
    }

    /// Keeps the lease. Returns when it is lost.
    async fn renew(&self, job: &RunningJob) {
        loop {
            tokio::time::sleep(self.0.options.lease / 3).await;
            let times = (self.0.clock.now_ms(), self.lease_ms());
            let input = (job.id, job.lease.clone(), job.progress.load(Ordering::Relaxed), times);
            let answer = self
                .0
                .db
                .write(input, |tx, (id, lease, progress, times)| {
                    queue::heartbeat(tx, (*id, lease), *progress, *times).boxed()
                })
                .await;
            match answer {
                Ok(Heartbeat::GoOn) => {}
                Ok(Heartbeat::Cancel) => job.cancel_requested.cancel(),
                Ok(Heartbeat::Lost) => return,
                // Two more chances before the lease runs out.
                Err(error) => report(&error),
            }
        }
    }

    fn ending(&self, job: &RunningJob, attempt: Attempt, outcome: Result<JobOutcome, JobError>) -> Ending {
        let now_ms = self.0.clock.now_ms();
        let progress = job.progress.load(Ordering::Relaxed);
        let ended = |state, result, error, progress| Ending::Final { state, result, error, progress };
        let again = |run_at_ms, attempts, error| Ending::Again { run_at_ms, attempts, error };
        let error = match outcome {
            Ok(JobOutcome::Done) => return ended(JobState::Succeeded, None, None, 100),
            Ok(JobOutcome::DoneWith(result)) => return ended(JobState::Succeeded, Some(result), None, 100),
            Ok(JobOutcome::Again { after }) => {
                let pause = i64::try_from(after.as_millis()).unwrap_or(i64::MAX).max(0);
                return again(now_ms.saturating_add(pause), 0, None);
            }
            Err(error) => error,
        };
        if job.cancel_requested.is_cancelled() {
            return ended(JobState::Cancelled, None, None, progress);
        }
        // Being stopped is not the job's fault.
        if matches!(error, JobError::Interrupted) {
            return again(now_ms, attempt.attempts.saturating_sub(1), None);
        }
        tracing::warn!(job.id = %job.id, attempt = attempt.attempts, error = &error as &dyn Error, "a job failed");
        let text = Some(chain(&error));
        let retry = matches!(error, JobError::Temporary(_)) && attempt.attempts < attempt.attempts_max;
        if retry {
            again(now_ms.saturating_add(self.backoff_ms(attempt.attempts)), attempt.attempts, text)
        } else {
            ended(JobState::Failed, None, text, progress)
        }
    }

    /// Twice as long after each failure, and by chance up to half shorter, so that what failed together does not
    /// come back together.
    fn backoff_ms(&self, attempts: i64) -> i64 {
        let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(20);
        let pause = BACKOFF_FIRST_MS.saturating_mul(1 << doublings).min(BACKOFF_MAX_MS);
        let mut chance = [0; 4];
        self.0.random.fill(&mut chance);
        pause / 2 + i64::from(u32::from_le_bytes(chance)) % (pause / 2 + 1)
    }
}

enum Next {
    Job(Claimed),
    Later(Duration),
}

#[derive(Clone, Copy)]
struct Attempt {
    attempts: i64,
    attempts_max: i64,
}

/// A job while it runs, as its handler sees it.
pub struct RunningJob {
    worker: Arc<Inner>,
    id: JobId,
    payload: String,
    checkpoint: Option<String>,
    lease: String,
    attempt: i64,
    progress: AtomicI64,
    stop: CancellationToken,
    cancel_requested: CancellationToken,
}

impl RunningJob {
    /// Its identifier.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Counts from 1.
    pub fn attempt(&self) -> i64 {
        self.attempt
    }

    /// What it was enqueued with.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, JobError> {
        serde_json::from_str(&self.payload).map_err(|error| JobError::Permanent(error.into()))
    }

    /// How far an earlier attempt came.
    pub fn checkpoint<T: DeserializeOwned>(&self) -> Result<Option<T>, JobError> {
        let saved = self.checkpoint.as_deref().map(serde_json::from_str).transpose();
        saved.map_err(|error| JobError::Permanent(error.into()))
    }

    /// Keeps how far it came, so that the next attempt need not start anew.
    ///
    /// # Errors
    /// [`JobError::Interrupted`] when the job is not this worker's any more.
    pub async fn save_checkpoint(&self, checkpoint: &impl Serialize) -> Result<(), JobError> {
        let progress = self.progress.load(Ordering::Relaxed);
        let input = (self.id, self.lease.clone(), json(checkpoint)?, progress, self.worker.clock.now_ms());
        let ours = self
            .worker
            .db
            .write(input, |tx, (id, lease, checkpoint, progress, now_ms)| {
                queue::save_checkpoint(tx, (*id, lease), (checkpoint, *progress), *now_ms).boxed()
            })
            .await?;
        if ours { Ok(()) } else { Err(JobError::Interrupted) }
    }

    /// Tells how much is done, in percent. Written with the next heartbeat or checkpoint.
    pub fn set_progress(&self, percent: u8) {
        self.progress.store(i64::from(percent.min(100)), Ordering::Relaxed);
    }

    /// Whether the handler should return [`JobError::Interrupted`] soon.
    pub fn is_cancelled(&self) -> bool {
        self.stop.is_cancelled() || self.cancel_requested.is_cancelled()
    }

    /// Waits until the handler should return [`JobError::Interrupted`].
    pub async fn cancelled(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.cancel_requested.cancelled() => {}
        }
    }
}

fn report(error: &DbError) {
    tracing::warn!(error = error as &dyn Error, "the job queue cannot use the database");
}

/// The error and what caused it, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text.chars().take(ERROR_CHARS_MAX).collect()
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    format!("it panicked: {}", text.unwrap_or("without a text"))
}
