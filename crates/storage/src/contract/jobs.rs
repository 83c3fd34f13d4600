//! What the job queue must show on every database.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a contract that is broken fails its test"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use hilum_kernel::{Clock, JobId, Random as _, SeededRandom, TestClock};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    db::{Db, DbError, Migrations},
    jobs::{
        self, Claim, JobError, JobHandler, JobOutcome, JobSignal, JobState, JobStatus, NewJob, PurgeFinished,
        RunningJob, Schedule, Worker, WorkerOptions,
    },
};

const SCHEMA: &[Migrations] = &[jobs::MIGRATIONS];
const KIND: &str = "test";

type Work = dyn for<'a> Fn(&'a RunningJob) -> BoxFuture<'a, Result<JobOutcome, JobError>> + Send + Sync;

/// A handler that is a closure.
struct Closure(&'static str, Box<Work>);

impl JobHandler for Closure {
    fn kind(&self) -> &'static str {
        self.0
    }

    fn run<'a>(&'a self, job: &'a RunningJob) -> BoxFuture<'a, Result<JobOutcome, JobError>> {
        (self.1)(job)
    }
}

fn handler(
    kind: &'static str,
    work: impl for<'a> Fn(&'a RunningJob) -> BoxFuture<'a, Result<JobOutcome, JobError>> + Send + Sync + 'static,
) -> Closure {
    Closure(kind, Box::new(work))
}

struct Queue {
    db: Db,
    clock: Arc<TestClock>,
    random: Arc<SeededRandom>,
    signal: JobSignal,
}

impl Queue {
    async fn new(db: Db) -> Self {
        db.migrate(SCHEMA).await.unwrap();
        let clock = Arc::new(TestClock::at(Timestamp::from_second(1_700_000_000).unwrap()));
        Self { db, clock, random: Arc::new(SeededRandom::new(7)), signal: JobSignal::default() }
    }

    async fn add(&self, job: NewJob) -> JobId {
        let input = (JobId::new(self.random.uuid()), self.clock.now(), job);
        let id = self.db.write(input, |tx, (id, now, job)| jobs::enqueue(tx, *id, *now, job).boxed()).await;
        id.map_err(|error: DbError| error).unwrap()
    }

    async fn status(&self, id: JobId) -> JobStatus {
        jobs::status(&mut self.db.read().await.unwrap(), id).await.unwrap().unwrap()
    }

    async fn cancel(&self, id: JobId) -> bool {
        let input = (id, self.clock.now());
        self.db.write(input, |tx, (id, now)| jobs::cancel(tx, *id, *now).boxed()).await.unwrap()
    }

    fn worker(&self, handlers: Vec<Closure>, schedules: Vec<Schedule>, lease: Duration) -> Worker {
        let handlers = handlers.into_iter().map(|handler| Arc::new(handler) as Arc<dyn JobHandler>).collect();
        let random = Arc::new(SeededRandom::new(u64::from(self.random.uuid().as_fields().0)));
        let options = WorkerOptions { lease, ..WorkerOptions::default() };
        Worker::new(
            self.db.clone(),
            (self.clock.clone(), random),
            handlers,
            schedules,
            self.signal.clone(),
            options,
        )
    }

    fn simple(
        &self,
        work: impl for<'a> Fn(&'a RunningJob) -> BoxFuture<'a, Result<JobOutcome, JobError>>
        + Send
        + Sync
        + 'static,
    ) -> Worker {
        self.worker(vec![handler(KIND, work)], Vec::new(), Duration::from_mins(1))
    }
}

fn job() -> NewJob {
    NewJob::new(KIND, &serde_json::json!({ "n": 1 })).unwrap()
}

/// Every fixed statement parses.
pub async fn statements_prepare(db: Db) {
    let queue = Queue::new(db).await;
    let mut tx = queue.db.read().await.unwrap();
    for statement in jobs::STATEMENTS {
        if let Err(error) = tx.prepare(statement).await {
            panic!("{statement}: {error:?}");
        }
    }
}

/// A job exists exactly when its transaction commits.
pub async fn enqueue_belongs_to_the_transaction(db: Db) {
    let queue = Queue::new(db).await;
    let input = (JobId::new(queue.random.uuid()), queue.clock.now(), job());
    let lost: Result<(), DbError> = queue
        .db
        .write(input, |tx, (id, now, job)| {
            async move {
                jobs::enqueue(tx, *id, *now, job).await?;
                Err(DbError::Busy)
            }
            .boxed()
        })
        .await;
    assert!(matches!(lost, Err(DbError::Busy)));
    let worker = queue.simple(|_| async { Ok(JobOutcome::Done) }.boxed());
    assert_eq!(worker.run_due_once().await.unwrap(), 0);
}

/// Payload in, result and progress out; a job that is not due yet waits.
pub async fn a_job_runs_when_due_and_leaves_its_result(db: Db) {
    let queue = Queue::new(db).await;
    let later = queue.clock.now() + SignedDuration::from_secs(60);
    let id = queue.add(job().due_at(later)).await;
    let worker = queue.simple(|job| {
        async move {
            let payload: serde_json::Value = job.payload()?;
            JobOutcome::with(&payload.get("n"))
        }
        .boxed()
    });
    assert_eq!(worker.run_due_once().await.unwrap(), 0);
    assert_eq!(queue.status(id).await.state, JobState::Queued);
    queue.clock.advance(SignedDuration::from_secs(60));
    assert_eq!(worker.run_due_once().await.unwrap(), 1);
    let status = queue.status(id).await;
    assert_eq!((status.state, status.progress, status.attempts), (JobState::Succeeded, 100, 1));
    assert_eq!(status.result.as_deref(), Some("1"));
    assert_eq!(worker.run_due_once().await.unwrap(), 0, "once is enough");
}

/// While a twin waits or runs nothing is added; afterwards there is room again.
pub async fn a_dedup_key_is_unique_while_pending(db: Db) {
    let queue = Queue::new(db).await;
    let first = queue.add(job().deduplicated_by("same")).await;
    assert_eq!(queue.add(job().deduplicated_by("same")).await, first);
    assert_ne!(queue.add(job().deduplicated_by("other")).await, first);
    assert_ne!(queue.add(job()).await, queue.add(job()).await);
    let worker = queue.simple(|_| async { Ok(JobOutcome::Done) }.boxed());
    assert_eq!(worker.run_due_once().await.unwrap(), 4);
    assert_ne!(queue.add(job().deduplicated_by("same")).await, first);
}

/// Temporary failures come again after growing pauses, permanent ones and the last attempt do not; a panic is a failure.
pub async fn failures_are_tried_again_with_growing_pauses(db: Db) {
    let queue = Queue::new(db).await;
    let id = queue.add(job().tried_at_most(3)).await;
    let worker = queue.simple(|job| {
        let attempt = job.attempt();
        async move {
            assert!(attempt != 2, "on purpose");
            Err(JobError::Temporary("the network is down".into()))
        }
        .boxed()
    });
    let mut pauses = Vec::new();
    for attempt in 1..=3 {
        assert_eq!(worker.run_due_once().await.unwrap(), 1);
        let status = queue.status(id).await;
        assert_eq!(status.attempts, attempt);
        let text = status.last_error.unwrap();
        assert!(text.contains(if attempt == 2 { "on purpose" } else { "the network is down" }), "{text}");
        if attempt < 3 {
            assert_eq!(status.state, JobState::Queued);
            let pause = status.run_at.duration_since(queue.clock.now());
            assert_eq!(worker.run_due_once().await.unwrap(), 0);
            queue.clock.advance(pause);
            pauses.push(pause.as_millis());
        }
    }
    assert_eq!(queue.status(id).await.state, JobState::Failed);
    assert!((2_500..=5_000).contains(pauses.first().unwrap()), "{pauses:?}");
    assert!((5_000..=10_000).contains(pauses.get(1).unwrap()), "{pauses:?}");

    let fatal = queue.add(NewJob::new("fatal", &()).unwrap()).await;
    let fail = handler("fatal", |_| async { Err(JobError::Permanent("no such study".into())) }.boxed());
    queue.worker(vec![fail], Vec::new(), Duration::from_mins(1)).run_due_once().await.unwrap();
    let status = queue.status(fatal).await;
    assert_eq!((status.state, status.attempts), (JobState::Failed, 1));
}

/// Workers in numbers never take the same job, and together take all.
pub async fn each_job_is_claimed_by_one(db: Db) {
    let queue = Queue::new(db).await;
    for _ in 0..40 {
        queue.add(job()).await;
    }
    let claims = (0..60).map(|n| {
        let claim = Claim {
            kinds: vec![KIND],
            lease: format!("worker {n}"),
            now_ms: queue.clock.now_ms(),
            lease_ms: 60_000,
        };
        let db = queue.db.clone();
        async move {
            let input = (claim, db.backend());
            db.write(input, |tx, (claim, backend)| jobs::claim(tx, claim, *backend).boxed()).await
        }
    });
    let claimed = futures::future::join_all(claims).await;
    let mut ids: Vec<_> = claimed
        .into_iter()
        .filter_map(|claim: Result<_, DbError>| claim.unwrap())
        .map(|job| job.id)
        .collect();
    assert_eq!(ids.len(), 40);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 40);
    let depth = jobs::depth(&mut queue.db.read().await.unwrap(), queue.clock.now()).await.unwrap();
    assert_eq!((depth.due, depth.later, depth.running), (0, 0, 40));
}

/// A killed node's job goes on elsewhere, from its checkpoint, once the lease ran out.
pub async fn an_expired_lease_lets_another_node_resume(db: Db) {
    let queue = Queue::new(db).await;
    let id = queue.add(job()).await;
    let reached = Arc::new(Notify::new());
    let signal = Arc::clone(&reached);
    let dying = queue.simple(move |job| {
        let reached = Arc::clone(&signal);
        async move {
            job.set_progress(40);
            job.save_checkpoint(&4).await?;
            reached.notify_one();
            std::future::pending().await
        }
        .boxed()
    });
    // Dropped in the middle, as a killed process would be.
    tokio::select! {
        _ = dying.run_due_once() => panic!("it never ends"),
        () = reached.notified() => {}
    }
    assert_eq!(queue.status(id).await.progress, 40);
    let other = queue
        .simple(|job| async move { JobOutcome::with(&(job.checkpoint::<i32>()?, job.attempt())) }.boxed());
    assert_eq!(other.run_due_once().await.unwrap(), 0);
    queue.clock.advance(SignedDuration::from_secs(60));
    assert_eq!(other.run_due_once().await.unwrap(), 1);
    assert_eq!(queue.status(id).await.result.as_deref(), Some("[4,2]"));
}

/// Who lost the lease can neither save nor finish: the job is the other one's.
pub async fn a_lost_lease_changes_nothing(db: Db) {
    let queue = Queue::new(db).await;
    let id = queue.add(job()).await;
    let (clock, other_db) = (Arc::clone(&queue.clock), queue.db.clone());
    let worker = queue.simple(move |job| {
        let (clock, db) = (Arc::clone(&clock), other_db.clone());
        async move {
            clock.advance(SignedDuration::from_secs(61));
            let thief =
                Claim { kinds: vec![KIND], lease: "thief".into(), now_ms: clock.now_ms(), lease_ms: 1_000 };
            let input = (thief, db.backend());
            db.write(input, |tx, (claim, backend)| jobs::claim(tx, claim, *backend).boxed()).await?;
            assert!(matches!(job.save_checkpoint(&1).await, Err(JobError::Interrupted)));
            Ok(JobOutcome::Done)
        }
        .boxed()
    });
    assert_eq!(worker.run_due_once().await.unwrap(), 1);
    let status = queue.status(id).await;
    assert_eq!((status.state, status.attempts), (JobState::Running, 2));
}

/// A waiting job is cancelled at once, a running one when its handler listens; a finished one stays as it is.
pub async fn cancellation(db: Db) {
    let queue = Queue::new(db).await;
    let waiting = queue.add(job()).await;
    assert!(queue.cancel(waiting).await);
    assert_eq!(queue.status(waiting).await.state, JobState::Cancelled);
    assert!(!queue.cancel(waiting).await);

    let id = queue.add(job()).await;
    let begun = Arc::new(Notify::new());
    let signal = Arc::clone(&begun);
    let listener = handler(KIND, move |job| listen(Arc::clone(&signal), job));
    let worker = queue.worker(vec![listener], Vec::new(), Duration::from_millis(30));
    let cancel = async {
        begun.notified().await;
        assert!(queue.cancel(id).await);
    };
    let (ran, ()) = tokio::join!(worker.run_due_once(), cancel);
    assert_eq!(ran.unwrap(), 1);
    assert_eq!(queue.status(id).await.state, JobState::Cancelled);
}

fn listen(begun: Arc<Notify>, job: &RunningJob) -> BoxFuture<'_, Result<JobOutcome, JobError>> {
    async move {
        begun.notify_one();
        job.cancelled().await;
        Err(JobError::Interrupted)
    }
    .boxed()
}

/// A worker wakes up for what is enqueued, and when stopped lets go of what it ran without counting the attempt.
pub async fn a_worker_wakes_up_and_stops(db: Db) {
    let queue = Queue::new(db).await;
    let begun = Arc::new(Notify::new());
    let signal = Arc::clone(&begun);
    let listener = handler(KIND, move |job| listen(Arc::clone(&signal), job));
    let worker = queue.worker(vec![listener], Vec::new(), Duration::from_mins(1));
    let stop = CancellationToken::new();
    let story = async {
        let id = queue.add(job()).await;
        queue.signal.wake();
        begun.notified().await;
        stop.cancel();
        id
    };
    let ((), id) = tokio::join!(worker.run(stop.clone()), story);
    let status = queue.status(id).await;
    assert_eq!((status.state, status.attempts), (JobState::Queued, 0));
}

/// Scheduled work comes again and again, also after a failure for good, and is there once however many nodes ask.
pub async fn schedules_repeat(db: Db) {
    let queue = Queue::new(db).await;
    let runs = Arc::new(AtomicU32::new(0));
    let schedule = Schedule { kind: KIND, every: SignedDuration::from_hours(6) };
    let worker = |every| {
        let runs = Arc::clone(&runs);
        let fickle = handler(KIND, move |_| {
            let fails = runs.fetch_add(1, Ordering::SeqCst) == 0;
            async move { if fails { Err(JobError::Permanent("bad day".into())) } else { Ok(JobOutcome::Done) } }
                .boxed()
        });
        queue.worker(vec![fickle], vec![every], Duration::from_mins(1))
    };
    let (one, two) = (worker(schedule), worker(schedule));
    for expected in 0..4 {
        assert_eq!(one.run_due_once().await.unwrap() + two.run_due_once().await.unwrap(), expected.min(1));
        queue.clock.advance(SignedDuration::from_hours(6));
    }
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    one.run_due_once().await.unwrap();
    // A shorter pause takes effect on what waits already.
    let short = worker(Schedule { every: SignedDuration::from_hours(1), ..schedule });
    short.run_due_once().await.unwrap();
    queue.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(short.run_due_once().await.unwrap(), 1);
}

/// `Again` goes on with the same job and counts no failure.
pub async fn again_is_no_failure(db: Db) {
    let queue = Queue::new(db).await;
    let id = queue.add(job().tried_at_most(1)).await;
    let worker = queue.simple(|job| {
        async move {
            match job.checkpoint::<u32>()?.unwrap_or(0) {
                2 => Ok(JobOutcome::Done),
                n => {
                    job.save_checkpoint(&(n + 1)).await?;
                    Ok(JobOutcome::Again { after: SignedDuration::ZERO })
                }
            }
        }
        .boxed()
    });
    assert_eq!(worker.run_due_once().await.unwrap(), 3);
    assert_eq!(queue.status(id).await.state, JobState::Succeeded);
}

/// Finished jobs go after a while, unfinished ones never.
pub async fn purge_removes_what_ended_long_ago(db: Db) {
    let queue = Queue::new(db).await;
    let done = queue.add(job()).await;
    queue.simple(|_| async { Ok(JobOutcome::Done) }.boxed()).run_due_once().await.unwrap();
    let waiting = queue.add(NewJob::new("nobody", &()).unwrap()).await;
    queue.clock.advance(SignedDuration::from_hours(24 * 31));
    let (db, clock) = (queue.db.clone(), Arc::clone(&queue.clock));
    let purge = PurgeFinished { db, clock, keep: SignedDuration::from_hours(24 * 30) };
    queue.add(NewJob::new(PurgeFinished::KIND, &()).unwrap()).await;
    let worker = Worker::new(
        queue.db.clone(),
        (queue.clock.clone(), queue.random.clone()),
        vec![Arc::new(purge)],
        Vec::new(),
        queue.signal.clone(),
        WorkerOptions::default(),
    );
    assert_eq!(worker.run_due_once().await.unwrap(), 1);
    assert!(jobs::status(&mut queue.db.read().await.unwrap(), done).await.unwrap().is_none());
    assert_eq!(queue.status(waiting).await.state, JobState::Queued);
}
