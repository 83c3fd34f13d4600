//! Many live refresh tokens: what they cost in memory, and how soon a server that was killed takes one again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::{
    hilum::Hilum,
    issuer::Issuer,
    visitor::{Visitor, refreshed},
};
use crate::{
    load::{Connection, Conversation, Shape, converse},
    report::say,
    run,
    stats::percentile,
};

/// A user's sessions of one client: Hilum keeps no more.
pub(super) const PER_USER: u64 = 100;
/// Connections that fill and that use the tokens.
const CONCURRENCY: usize = 16;
const FILLING_MAX: Duration = Duration::from_mins(40);
/// How many of them each connection uses after a restart.
const USED: usize = 250;

/// What was measured.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Sessions {
    /// Refresh tokens that are live.
    pub(super) live: u64,
    /// Sign-ins by redirect in a second while they were made.
    pub(super) filled_per_second: f64,
    /// The server's memory at its peak while they were made.
    pub(super) filling_mb: f64,
    /// From the start of a process to its first answered refresh, in seconds: the median.
    pub(super) restart_seconds: f64,
    /// The server's memory at its peak after that, with thousands of the tokens used, picked from all over.
    pub(super) using_mb: f64,
    /// Of these, how many in a second.
    pub(super) used_per_second: f64,
    /// What went wrong.
    pub(super) failures: Vec<String>,
}

/// Fills, restarts, uses.
pub(super) fn measure(hilum: &mut Hilum, tokens: u64, rounds: u64) -> Result<Sessions> {
    let people = hilum.people("holder", tokens.div_ceil(PER_USER))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let visitors = runtime.block_on(Visitor::arrive_all(&hilum.issuer, &hilum.target, &people))?;
    say(&format!("{} users have signed in", visitors.len()));
    hilum.process.forget_peak();
    let mut sessions = Sessions::default();
    let mut held = fill(hilum, visitors, &mut sessions)?;
    sessions.filling_mb = hilum.process.peak_mb();
    sessions.live = u64::try_from(held.iter().map(|holder| holder.tokens.len()).sum::<usize>())?;
    say(&format!("{} refresh tokens live, {:.0} a second", sessions.live, sessions.filled_per_second));
    let mut restarts = Vec::new();
    for _ in 0..rounds {
        restarts.push(restart(hilum, &mut held)?);
    }
    restarts.sort_unstable();
    sessions.restart_seconds = f64::from(percentile(&restarts, 500)) / 1e6;
    hilum.process.forget_peak();
    use_them(hilum, held, &mut sessions)?;
    sessions.using_mb = hilum.process.peak_mb();
    Ok(sessions)
}

/// Users in their browsers, who sign in again and again; and what they got.
struct Holder {
    issuer: Issuer,
    visitors: Vec<Visitor>,
    /// Turns that are left.
    left: u64,
    tokens: Vec<String>,
}

impl Conversation for Holder {
    async fn turn(&mut self, connection: &mut Connection) -> Result<bool> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(false) };
        let count = self.visitors.len();
        let at = usize::try_from(left)? % count.max(1);
        let Some(visitor) = self.visitors.get_mut(at) else { return Ok(false) };
        self.tokens.push(visitor.come_again(&self.issuer, connection).await?);
        self.left = left;
        Ok(true)
    }
}

fn fill(hilum: &Hilum, mut visitors: Vec<Visitor>, sessions: &mut Sessions) -> Result<Vec<Holder>> {
    let each = visitors.len().div_ceil(CONCURRENCY).max(1);
    let mut holders = Vec::new();
    while !visitors.is_empty() {
        let visitors: Vec<Visitor> = visitors.drain(..each.min(visitors.len())).collect();
        let left = u64::try_from(visitors.len())? * PER_USER;
        holders.push(Holder { issuer: hilum.issuer.clone(), visitors, left, tokens: Vec::new() });
    }
    let shape = Shape { concurrency: holders.len(), threads: 1, duration: FILLING_MAX };
    let outcome = converse(&hilum.target, shape, &mut holders)?;
    ensure!(outcome.failures.is_empty(), "sign-ins failed: {:?}", outcome.failures);
    sessions.filled_per_second = outcome.requests_per_second();
    Ok(holders)
}

/// Microseconds from the start of the process to a refreshed token.
fn restart(hilum: &mut Hilum, held: &mut [Holder]) -> Result<u32> {
    let token = held.iter_mut().find_map(|holder| holder.tokens.pop()).context("no token is left")?;
    hilum.process.end();
    let started = Instant::now();
    hilum.restart()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = Connection::open(&hilum.target).await?;
        refreshed(&hilum.issuer, &mut connection, (&token, true)).await
    })?;
    Ok(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX))
}

/// Uses tokens from all over the table.
struct User {
    issuer: Issuer,
    tokens: Vec<String>,
    step: usize,
    at: usize,
}

impl Conversation for User {
    async fn turn(&mut self, connection: &mut Connection) -> Result<bool> {
        let Some(token) = self.tokens.get(self.at) else { return Ok(false) };
        refreshed(&self.issuer, connection, (token, true)).await?;
        self.at += self.step;
        Ok(true)
    }
}

fn use_them(hilum: &Hilum, held: Vec<Holder>, sessions: &mut Sessions) -> Result<()> {
    let user = |holder: Holder| {
        let step = (holder.tokens.len() / USED).max(1);
        User { issuer: holder.issuer, tokens: holder.tokens, step, at: 0 }
    };
    let mut users: Vec<User> = held.into_iter().map(user).collect();
    let shape = Shape { concurrency: users.len(), threads: 1, duration: FILLING_MAX };
    let outcome = converse(&hilum.target, shape, &mut users)?;
    let figures = run::figures(outcome, 1, 0.0, 0.0);
    sessions.used_per_second = figures.units_per_second;
    sessions.failures = figures.failures;
    Ok(())
}
