//! Tokens for applications while a hundred guess passwords: hashing must not delay who does not hash.
//!
//! Each guesser has an address of its own in 127.0.0.0/8, and another one before that address is slowed down; each guess is
//! for another name. So the lock-out keeps none of them off: every guess costs the server a hash, and those are counted.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};
use futures::future::join_all;
use http::StatusCode;
use serde::Serialize;

use super::{
    browser::{Browser, Person, flow},
    hilum::Hilum,
    visitor::{Busy, Flow, Visitor},
};
use crate::{
    load::{Connection, Shape, Target, converse},
    report::Figures,
    run, stats,
};

/// Guesses that wait for their hash at any time.
pub(super) const GUESSERS: u32 = 100;
/// An address may fail twenty times at once.
const GUESSES_PER_ADDRESS: u32 = 15;
/// Connections that ask for tokens.
pub(super) const CONCURRENCY: usize = 4;
/// The storm has gathered by then.
const GATHERING: Duration = Duration::from_millis(500);

/// Tokens in the quiet and in the storm.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Storm {
    pub(super) quiet: Vec<Figures>,
    pub(super) stormy: Vec<Figures>,
    /// Guesses that were answered as wrong, in all storms: each was a hash.
    pub(super) hashes: u64,
    /// How long all storms took, in seconds.
    pub(super) seconds: f64,
    /// Guesses that were answered otherwise.
    pub(super) others: u64,
}

impl Storm {
    /// How many times as long one of a hundred requests takes.
    pub(super) fn ratio(&self) -> f64 {
        let p99 = |rounds: &[Figures]| stats::median(rounds.iter().map(|figures| figures.p99_ms));
        p99(&self.stormy) / p99(&self.quiet).max(f64::EPSILON)
    }
}

/// Measures some rounds, quiet and stormy in turn.
pub(super) fn measure(
    hilum: &Hilum,
    visitors: &mut [Visitor],
    (rounds, duration): (u64, Duration),
) -> Result<Storm> {
    let mut storm = Storm::default();
    let addresses = AtomicU32::new(0);
    for _ in 0..rounds {
        storm.quiet.push(tokens(hilum, visitors, duration)?);
        let over = AtomicBool::new(false);
        let (figures, guessed) = std::thread::scope(|scope| {
            let started = std::time::Instant::now();
            let guessing = scope.spawn(|| guess(&hilum.target, hilum, (&over, &addresses)));
            std::thread::sleep(GATHERING);
            let figures = tokens(hilum, visitors, duration);
            over.store(true, Ordering::Relaxed);
            let guessed = guessing.join().map_err(|_| anyhow!("a guesser panicked"));
            storm.seconds += started.elapsed().as_secs_f64();
            (figures, guessed)
        });
        let guessed = guessed??;
        storm.stormy.push(figures?);
        storm.hashes += guessed.wrong;
        storm.others += guessed.others;
    }
    ensure!(storm.hashes > 0, "not one guess was hashed: there was no storm");
    Ok(storm)
}

fn tokens(hilum: &Hilum, visitors: &mut [Visitor], duration: Duration) -> Result<Figures> {
    let flow = Flow::Application;
    let mut busy: Vec<_> =
        visitors.iter_mut().map(|visitor| Busy { issuer: &hilum.issuer, visitor, flow }).collect();
    let shape = Shape { concurrency: CONCURRENCY, threads: 1, duration };
    let before = hilum.process.cpu_seconds();
    let outcome = converse(&hilum.target, shape, &mut busy)?;
    let cpu_seconds = hilum.process.cpu_seconds() - before;
    Ok(run::figures(outcome, 1, cpu_seconds, hilum.process.peak_mb()))
}

#[derive(Default)]
struct Guessed {
    wrong: u64,
    others: u64,
}

/// All guessers, until it is over.
fn guess(target: &Target, hilum: &Hilum, (over, addresses): (&AtomicBool, &AtomicU32)) -> Result<Guessed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guessers = (0..GUESSERS).map(|_| guesser(target, hilum, (over, addresses)));
    let mut total = Guessed::default();
    for guessed in runtime.block_on(join_all(guessers)) {
        let guessed = guessed?;
        total.wrong += guessed.wrong;
        total.others += guessed.others;
    }
    Ok(total)
}

async fn guesser(
    target: &Target,
    hilum: &Hilum,
    (over, addresses): (&AtomicBool, &AtomicU32),
) -> Result<Guessed> {
    let mut guessed = Guessed::default();
    let (browser, flow) = sign_in_page(target, hilum).await?;
    while !over.load(Ordering::Relaxed) {
        let number = addresses.fetch_add(1, Ordering::Relaxed);
        let target = Target { from: Some(address(number)), ..target.clone() };
        let mut connection = Connection::open(&target).await?;
        for guess in 0..GUESSES_PER_ADDRESS {
            let name = format!("guessed-{number}-{guess}@bench.example");
            let person = Person { name, password: "Hyacinth over a stone".to_owned() };
            let answer = connection.send_and_keep(browser.signing_in(&flow, &person)).await?;
            match answer.status {
                StatusCode::BAD_REQUEST => guessed.wrong += 1,
                _ => guessed.others += 1,
            }
            if over.load(Ordering::Relaxed) {
                break;
            }
        }
    }
    Ok(guessed)
}

/// A browser with the sign-in page: its form may be sent again and again.
async fn sign_in_page(target: &Target, hilum: &Hilum) -> Result<(Browser, String)> {
    let mut browser = Browser::default();
    let answer = target.fetch(hilum.issuer.authorization(None, &browser)).await?;
    browser.remember(&answer);
    let flow = flow(&answer).context("no sign-in page came")?;
    Ok((browser, flow))
}

/// The n-th address of this machine: 127.1.0.0 and up.
fn address(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 0).to_bits() + number % (1 << 23)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessers_have_addresses_of_this_machine() {
        assert_eq!(address(0).to_string(), "127.1.0.0");
        assert_eq!(address(258).to_string(), "127.1.1.2");
        assert!(address(u32::MAX).is_loopback());
    }
}
