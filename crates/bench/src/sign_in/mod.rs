//! Signing in and getting tokens: the grants on one core, beside npm's `oidc-provider` in the same run; tokens while
//! passwords are guessed; a hundred thousand live refresh tokens.
//!
//! Each server has the first core for itself, the load generator the others. Both sign with RS256 and 2,048 bits, and both
//! replace every refresh token that is used. What Hilum answers is durable; `oidc-provider` keeps what it must in memory,
//! which is faster than anything durable.

mod browser;
mod cores;
mod hilum;
mod issuer;
mod peer;
mod report;
mod sessions;
mod storm;
mod visitor;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};

use crate::{
    load::{Shape, Target, converse},
    report::{Figures, say},
    run,
    server::Process,
};
use browser::Person;
use hilum::Hilum;
use issuer::Issuer;
use peer::Peer;
use report::{Report, Row};
use visitor::{Busy, Flow, Visitor};

/// Connections of each grant's row, each with a user of its own.
const CONCURRENCY: u64 = 16;

/// What to run.
#[derive(Debug, Clone)]
pub struct SignInOptions {
    /// Rounds of each row.
    pub rounds: u64,
    /// How long each round is.
    pub duration: Duration,
    /// Live refresh tokens; none leaves that row out.
    pub live_tokens: u64,
    /// Only rows whose title contains one of these.
    pub only: Vec<String>,
    /// The folder of the Node clients, for `oidc-provider`; Hilum alone without it.
    pub peer: Option<PathBuf>,
    /// The command under test.
    pub hilum: PathBuf,
    /// Where the servers keep their data for the time of the run: a disk, not a file system in memory.
    pub data: PathBuf,
    /// Where reports are kept.
    pub results: PathBuf,
}

impl SignInOptions {
    fn wants(&self, title: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| title.contains(part.as_str()))
    }
}

/// The grants: title, what is done, and what Hilum has to reach in a second.
const FLOWS: [(&str, Flow, f64); 4] = [
    ("client credentials", Flow::Application, 1_800.0),
    ("refresh", Flow::Refresh, 1_000.0),
    ("refresh with ID token", Flow::RefreshWithIdToken, 1_000.0),
    ("code flow: authorize, redeem", Flow::Code, 400.0),
];
const STORM: &str = "storm of wrong passwords";
const SESSIONS: &str = "live refresh tokens";

/// Measures, prints the tables and keeps them.
pub fn sign_in(options: &SignInOptions) -> Result<PathBuf> {
    run::prepare(&options.data)?;
    let folder = tempfile::Builder::new().prefix("sign-in-").tempdir_in(&options.data)?;
    cores::stay_off()?;
    let mut hilum = Hilum::start(&options.hilum, folder.path())?;
    let people = hilum.people("person", CONCURRENCY)?;
    let peer = match &options.peer {
        Some(package) => Some(Peer::start(package, folder.path())?),
        None => None,
    };
    let mut report = Report::new(peer.as_ref().map(|peer| peer.version.clone()));
    let mut parties = vec![Party::of("hilum", (&hilum.issuer, &hilum.target, &hilum.process), &people)?];
    if let Some(peer) = &peer {
        let served = (&peer.issuer, &peer.target, &peer.process);
        parties.push(Party::of("oidc-provider", served, &people)?);
    }
    for (title, flow, goal) in FLOWS {
        if options.wants(title) {
            report.rows.push(measure_row((title, flow, goal), &mut parties, options)?);
        }
    }
    let hilums = parties.into_iter().next().map(|party| party.visitors);
    drop(peer);
    let mut visitors = hilums.context("nobody has signed in")?;
    if options.wants(STORM) {
        let storm = storm::measure(&hilum, &mut visitors, (options.rounds, options.duration))?;
        report.storm = Some(storm);
    }
    if options.wants(SESSIONS) && options.live_tokens > 0 {
        report.sessions = Some(sessions::measure(&mut hilum, options.live_tokens, options.rounds)?);
    }
    report.publish(&options.results)
}

/// One of the servers, with users who are signed in.
struct Party<'a> {
    name: &'static str,
    issuer: &'a Issuer,
    target: &'a Target,
    process: &'a Process,
    visitors: Vec<Visitor>,
}

impl<'a> Party<'a> {
    fn of(
        name: &'static str,
        (issuer, target, process): (&'a Issuer, &'a Target, &'a Process),
        people: &[Person],
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let arriving = Visitor::arrive_all(issuer, target, people);
        let visitors = runtime.block_on(arriving).with_context(|| name.to_owned())?;
        Ok(Self { name, issuer, target, process, visitors })
    }

    fn measure(&mut self, flow: Flow, duration: Duration) -> Result<Figures> {
        let mut busy: Vec<_> =
            self.visitors.iter_mut().map(|visitor| Busy { issuer: self.issuer, visitor, flow }).collect();
        let shape = Shape { concurrency: busy.len(), threads: 1, duration };
        self.process.forget_peak();
        let before = self.process.cpu_seconds();
        let outcome = converse(self.target, shape, &mut busy)?;
        let cpu_seconds = self.process.cpu_seconds() - before;
        Ok(run::figures(outcome, 1, cpu_seconds, self.process.peak_mb()))
    }
}

fn measure_row(
    (title, flow, goal): (&'static str, Flow, f64),
    parties: &mut [Party<'_>],
    options: &SignInOptions,
) -> Result<Row> {
    let mut row = Row::new(title, goal);
    for party in &mut *parties {
        party.measure(flow, options.duration / 4)?;
    }
    for round in 0..options.rounds {
        for party in &mut *parties {
            let figures = party.measure(flow, options.duration)?;
            say(&format!("{title} · {} · round {}: {figures}", party.name, round + 1));
            row.rounds.push((party.name, figures));
        }
    }
    Ok(row)
}
