//! Slows down guessing of passwords (smart lockout): per user and address, per user from everywhere, in a bounded table.
//!
//! A guesser locks himself out, not the user: an address from which the user signed in before is only locked by its own
//! failures. Users that do not exist are counted alike, so that a lock tells nothing.

use std::{collections::HashMap, net::IpAddr, sync::Mutex};

use crate::{folded, oauth};

/// So many failures in a row are typing errors (Entra's default).
const FAILURES_MAX: u32 = 10;
/// So many from everywhere, before addresses that are new to the user are locked.
const FAILURES_EVERYWHERE_MAX: u32 = 100;
/// The first lock; each further failure doubles it.
const LOCK_MS: i64 = 60_000;
const LOCK_MS_MAX: i64 = 3_600_000;
/// When failures are forgotten.
const MEMORY_MS: i64 = 3_600_000;
/// How long an address stays familiar after a sign-in.
const FAMILIAR_MS: i64 = 30 * 24 * 3_600_000;
/// How many pairs of user and address are remembered; about 3 MB.
const ENTRIES_MAX: usize = 20_000;
/// Longer names belong to nobody; nor may they fill the table.
const NAME_CHARS_MAX: usize = 128;

/// Failures so far.
#[derive(Debug, Default)]
pub(crate) struct Lockout(Mutex<Table>);

/// Where failures are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    At(Option<IpAddr>),
    Everywhere,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    failures: u32,
    locked_until_ms: i64,
    forgotten_at_ms: i64,
    familiar_until_ms: i64,
}

impl Lockout {
    /// For how many seconds this user cannot sign in from this address, if at all.
    pub(crate) fn wait_s(&self, name: &str, address: Option<IpAddr>, now_ms: i64) -> Option<u64> {
        wait_in(&*self.0.lock().ok()?, (name, address), now_ms)
    }

    /// Whether this user signed in from this address not long ago.
    pub(crate) fn is_familiar(&self, name: &str, address: Option<IpAddr>, now_ms: i64) -> bool {
        let Ok(table) = self.0.lock() else { return false };
        table.get(&key(name, Place::At(address))).is_some_and(|here| here.familiar_until_ms > now_ms)
    }

    /// Notes a wrong password, or a name that nobody has.
    pub(crate) fn failed(&self, name: &str, address: Option<IpAddr>, now_ms: i64) {
        if let Ok(mut table) = self.0.lock() {
            fail_in(&mut table, (name, address), FAILURES_EVERYWHERE_MAX, now_ms);
        }
    }

    /// Notes a sign-in: the failures from here are forgotten.
    pub(crate) fn succeeded(&self, name: &str, address: Option<IpAddr>, now_ms: i64) {
        let Ok(mut table) = self.0.lock() else { return };
        let key = key(name, Place::At(address));
        if table.len() >= ENTRIES_MAX && !table.contains_key(&key) {
            return;
        }
        let familiar_until_ms = now_ms.saturating_add(FAMILIAR_MS);
        let forgotten_at_ms = familiar_until_ms;
        table.insert(key, State { forgotten_at_ms, familiar_until_ms, ..State::default() });
    }
}

/// So many wrong codes from everywhere, before addresses that are new to the user are locked: who fails knows the
/// password.
const CODES_EVERYWHERE_MAX: u32 = 20;

/// The same for second factors. Their tries are counted before they are looked at: a hundred at once are a hundred.
#[derive(Debug, Default)]
pub(crate) struct CodeLockout(Lockout);

impl CodeLockout {
    /// Counts a try, unless this user has to wait so many seconds.
    pub(crate) fn try_once(&self, user: &str, address: Option<IpAddr>, now_ms: i64) -> Result<(), u64> {
        let Ok(mut table) = self.0.0.lock() else { return Ok(()) };
        if let Some(wait_s) = wait_in(&table, (user, address), now_ms) {
            return Err(wait_s);
        }
        fail_in(&mut table, (user, address), CODES_EVERYWHERE_MAX, now_ms);
        Ok(())
    }

    /// The try was none: the code was right.
    pub(crate) fn succeeded(&self, user: &str, address: Option<IpAddr>, now_ms: i64) {
        if let Ok(mut table) = self.0.0.lock()
            && let Some(state) = table.get_mut(&key(user, Place::Everywhere))
        {
            state.failures = state.failures.saturating_sub(1);
        }
        self.0.succeeded(user, address, now_ms);
    }
}

type Table = HashMap<(String, Place), State>;

fn wait_in(table: &Table, (name, address): (&str, Option<IpAddr>), now_ms: i64) -> Option<u64> {
    let here = table.get(&key(name, Place::At(address))).copied().unwrap_or_default();
    let everywhere = table.get(&key(name, Place::Everywhere)).copied().unwrap_or_default();
    let familiar = here.familiar_until_ms > now_ms;
    let until_ms = here.locked_until_ms.max(if familiar { 0 } else { everywhere.locked_until_ms });
    let left_ms = until_ms.saturating_sub(now_ms);
    (left_ms > 0).then(|| u64::try_from(left_ms).unwrap_or(0).div_ceil(1000))
}

fn fail_in(table: &mut Table, (name, address): (&str, Option<IpAddr>), everywhere_max: u32, now_ms: i64) {
    if table.len() + 2 > ENTRIES_MAX {
        table.retain(|_, state| state.forgotten_at_ms.max(state.locked_until_ms) > now_ms);
    }
    if table.len() + 2 > ENTRIES_MAX {
        table.retain(|_, state| state.locked_until_ms > now_ms);
    }
    for (place, max) in [(Place::At(address), FAILURES_MAX), (Place::Everywhere, everywhere_max)] {
        let key = key(name, place);
        if table.len() >= ENTRIES_MAX && !table.contains_key(&key) {
            // Everything remembered is locked. What guards now is the limit per address.
            continue;
        }
        table.entry(key).or_default().fail(max, now_ms);
    }
}

impl State {
    fn fail(&mut self, max: u32, now_ms: i64) {
        if self.forgotten_at_ms <= now_ms {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.forgotten_at_ms = self.forgotten_at_ms.max(now_ms.saturating_add(MEMORY_MS));
        if let Some(over) = self.failures.checked_sub(max) {
            let lock_ms = LOCK_MS.saturating_mul(1 << over.min(10)).min(LOCK_MS_MAX);
            self.locked_until_ms = now_ms.saturating_add(lock_ms);
        }
    }
}

fn key(name: &str, place: Place) -> (String, Place) {
    let place = match place {
        Place::At(address) => Place::At(address.map(oauth::network)),
        Place::Everywhere => place,
    };
    (folded(name).chars().take(NAME_CHARS_MAX).collect(), place)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = "ada@contoso.local";

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn the_tenth_failure_locks_and_the_lock_grows() {
        let lockout = Lockout::default();
        for _ in 0..9 {
            lockout.failed(ADA, Some(address(1)), 0);
        }
        assert_eq!(lockout.wait_s(ADA, Some(address(1)), 0), None);
        lockout.failed("ADA@contoso.local", Some(address(1)), 0);
        assert_eq!(lockout.wait_s(ADA, Some(address(1)), 0), Some(60));
        assert_eq!(lockout.wait_s(ADA, Some(address(2)), 0), None, "only where the failures came from");
        assert_eq!(lockout.wait_s("bob@contoso.local", Some(address(1)), 0), None);
        assert_eq!(lockout.wait_s(ADA, Some(address(1)), 60_000), None);
        lockout.failed(ADA, Some(address(1)), 60_000);
        assert_eq!(lockout.wait_s(ADA, Some(address(1)), 60_000), Some(120));
        for _ in 0..20 {
            lockout.failed(ADA, Some(address(1)), 60_000);
        }
        assert_eq!(lockout.wait_s(ADA, Some(address(1)), 60_000), Some(3600), "an hour at most");
    }

    #[test]
    fn failures_are_forgotten_after_a_sign_in_or_an_hour() {
        let lockout = Lockout::default();
        for _ in 0..9 {
            lockout.failed(ADA, Some(address(1)), 0);
        }
        lockout.succeeded(ADA, Some(address(1)), 1);
        lockout.failed(ADA, Some(address(1)), 2);
        assert_eq!(lockout.wait_s(ADA, Some(address(1)), 2), None);
        for _ in 0..9 {
            lockout.failed(ADA, Some(address(3)), 0);
        }
        lockout.failed(ADA, Some(address(3)), MEMORY_MS);
        assert_eq!(lockout.wait_s(ADA, Some(address(3)), MEMORY_MS), None);
    }

    #[test]
    fn a_flood_from_everywhere_does_not_lock_the_user_out_of_a_familiar_address() {
        let lockout = Lockout::default();
        lockout.succeeded(ADA, Some(address(200)), 0);
        for n in 0..100 {
            lockout.failed(ADA, Some(address(n)), 0);
        }
        assert!(lockout.wait_s(ADA, Some(address(150)), 0).is_some(), "a new address waits");
        assert_eq!(lockout.wait_s(ADA, Some(address(200)), 0), None);
    }

    #[test]
    fn who_has_a_network_has_no_more_guesses() {
        let lockout = Lockout::default();
        let address = |n: u16| Some(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, n]));
        for n in 0..10 {
            lockout.failed(ADA, address(n), 0);
        }
        assert_eq!(lockout.wait_s(ADA, address(77), 0), Some(60));
        assert_eq!(lockout.wait_s(ADA, Some(IpAddr::from([0x2001, 0xdb8, 0, 2, 0, 0, 0, 1])), 0), None);
    }

    #[test]
    fn codes_are_counted_before_they_are_looked_at() {
        let codes = CodeLockout::default();
        for n in 0..10 {
            assert_eq!(codes.try_once("u", Some(address(1)), 0), Ok(()), "{n}");
        }
        assert_eq!(codes.try_once("u", Some(address(1)), 0), Err(60));
        // From elsewhere: ten more, then nowhere but where the user belongs.
        for _ in 0..10 {
            assert_eq!(codes.try_once("u", Some(address(2)), 0), Ok(()));
        }
        assert_eq!(codes.try_once("u", Some(address(3)), 0), Err(60));
        assert_eq!(codes.try_once("other", Some(address(3)), 0), Ok(()));
        assert_eq!(codes.try_once("u", Some(address(1)), MEMORY_MS), Ok(()));
    }

    #[test]
    fn right_codes_lock_nobody() {
        let codes = CodeLockout::default();
        for n in 0..200 {
            assert_eq!(codes.try_once("u", Some(address(1)), n), Ok(()));
            codes.succeeded("u", Some(address(1)), n);
        }
        assert_eq!(codes.try_once("u", Some(address(9)), 200), Ok(()));
    }

    #[test]
    fn the_table_does_not_grow_without_bound() {
        let lockout = Lockout::default();
        for n in 0..50_000 {
            lockout.failed(&format!("user{n}"), None, 0);
            lockout.succeeded(&format!("friend{n}"), None, 0);
        }
        assert!(lockout.0.lock().unwrap().len() <= ENTRIES_MAX);
    }
}
