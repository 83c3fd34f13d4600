//! The load generator: some kept-alive connections, each sending one request after the other.
//!
//! Latencies are recorded for every request; bodies are counted and dropped. Checking is done apart from measuring
//! (see [`Target::fetch`]), so that it costs the measured server nothing.

mod connection;
mod conversation;
mod request;
mod tls;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use futures::future::join_all;

pub(crate) use connection::{Answer, Connection};
pub(crate) use conversation::{Conversation, converse};
pub(crate) use request::{Payload, Request};
pub(crate) use tls::trusting;

use crate::stats;

/// A request that takes longer counts as failed.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

/// Failures of one run after which it is given up: the figures would mean nothing.
const FAILURES_MAX: usize = 20;

/// Whom to send requests to, and how.
#[derive(Clone)]
pub(crate) struct Target {
    /// Where to connect to.
    pub(crate) address: std::net::SocketAddr,
    /// The `Host` header; with TLS also the name that the certificate is checked for.
    pub(crate) host: String,
    /// Trust in the server's certificate, with TLS.
    pub(crate) tls: Option<std::sync::Arc<rustls::ClientConfig>>,
    /// The `Authorization` header's value.
    pub(crate) authorization: Option<http::HeaderValue>,
    /// The address of this machine to connect from; whatever the system chooses by default.
    pub(crate) from: Option<std::net::IpAddr>,
}

impl Target {
    /// Sends one request and keeps the answer whole: for checks, not for measuring.
    pub(crate) async fn fetch(&self, request: Request) -> Result<Answer> {
        let mut connection = Connection::open(self).await?;
        tokio::time::timeout(REQUEST_TIMEOUT, connection.send_and_keep(request)).await.context("timed out")?
    }
}

/// How hard and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Connections at work at the same time.
    pub(crate) concurrency: usize,
    /// Threads of the client they are spread over.
    pub(crate) threads: usize,
    /// No new request is sent after this time.
    pub(crate) duration: Duration,
}

/// What came of one run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Latencies in microseconds, sorted.
    pub(crate) latencies_us: Vec<u32>,
    /// Bytes of bodies, both ways.
    pub(crate) body_bytes: u64,
    /// From the first request sent to the last answer read.
    pub(crate) elapsed: Duration,
    /// What went wrong, a few at most.
    pub(crate) failures: Vec<String>,
}

impl Outcome {
    /// Answered requests in each second.
    pub(crate) fn requests_per_second(&self) -> f64 {
        let answered = u64::try_from(self.latencies_us.len()).unwrap_or_default();
        stats::float(answered) / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    fn add(&mut self, other: Self) {
        self.latencies_us.extend(other.latencies_us);
        self.body_bytes += other.body_bytes;
        self.failures.extend(other.failures);
    }
}

/// Gives the request of a number; `None` ends the run.
pub(crate) type Feed<'a> = dyn Fn(u64) -> Option<Request> + Sync + 'a;

/// Runs the load. Blocks: each of the client's threads has its own small runtime, so that connections never wander.
pub(crate) fn run(target: &Target, shape: Shape, feed: &Feed<'_>) -> Result<Outcome> {
    let next = AtomicU64::new(0);
    let threads = shape.threads.clamp(1, shape.concurrency.max(1));
    let started = Instant::now();
    let line = Line { target, feed, next: &next, deadline: started + shape.duration };
    let outcomes = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|thread| {
                let connections =
                    shape.concurrency / threads + usize::from(thread < shape.concurrency % threads);
                scope.spawn(move || line.work(connections))
            })
            .collect();
        handles
            .into_iter()
            .map(|handle| handle.join().map_err(|_| anyhow!("a thread of the load generator panicked"))?)
            .collect::<Result<Vec<Outcome>>>()
    })?;
    let mut total = Outcome { elapsed: started.elapsed(), ..Outcome::default() };
    for outcome in outcomes {
        total.add(outcome);
    }
    total.latencies_us.sort_unstable();
    Ok(total)
}

/// What every connection needs to know.
#[derive(Clone, Copy)]
struct Line<'a> {
    target: &'a Target,
    feed: &'a Feed<'a>,
    next: &'a AtomicU64,
    deadline: Instant,
}

impl Line<'_> {
    /// One thread's connections.
    fn work(self, connections: usize) -> Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut total = Outcome::default();
            let workers = (0..connections).map(|_| self.connection());
            for outcome in join_all(workers).await {
                total.add(outcome?);
            }
            Ok(total)
        })
    }

    /// One connection, request after request.
    async fn connection(self) -> Result<Outcome> {
        let mut outcome = Outcome { latencies_us: Vec::with_capacity(64 * 1024), ..Outcome::default() };
        let mut connection = Connection::open(self.target).await?;
        while Instant::now() < self.deadline {
            let Some(request) = (self.feed)(self.next.fetch_add(1, Ordering::Relaxed)) else { break };
            let expected = request.status;
            let started = Instant::now();
            let answer = tokio::time::timeout(REQUEST_TIMEOUT, connection.send_and_count(request)).await;
            let latency = started.elapsed();
            match answer.context("timed out").flatten() {
                Ok((status, bytes)) if status == expected => {
                    outcome.latencies_us.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
                    outcome.body_bytes += bytes;
                }
                Ok((status, _)) => outcome.failures.push(format!("{status} instead of {expected}")),
                Err(error) => {
                    outcome.failures.push(format!("{error:#}"));
                    connection = Connection::open(self.target).await?;
                }
            }
            if outcome.failures.len() >= FAILURES_MAX {
                break;
            }
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests;
