//! Slows down guessing and flooding: failures per client and address, in a bounded table.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::Mutex,
};

use hilum_kernel::AppId;

/// So many failures may come at once.
const BURST: u64 = 20;
/// One more is allowed after so long.
const REFILL_MS: i64 = 6_000;
/// How many pairs of client and address are remembered; about 1 MB.
const ENTRIES_MAX: usize = 10_000;

/// Who guesses what. Without an address (a test, a Unix socket) all callers share one.
pub(crate) type Guesser = (AppId, Option<IpAddr>);

/// What failures are counted by.
pub(crate) trait Counted: Copy + Eq + Hash {
    /// The same with the network in place of the address.
    fn by_network(self) -> Self;
}

impl Counted for Option<IpAddr> {
    fn by_network(self) -> Self {
        self.map(network)
    }
}

impl Counted for Guesser {
    fn by_network(self) -> Self {
        (self.0, self.1.by_network())
    }
}

/// Who counts as one caller: an IPv4 address (also when it comes mapped into IPv6), or the /64 that one subscriber has.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address @ IpAddr::V4(_) => address,
    }
}

/// Failures so far, paid back with time.
#[derive(Debug)]
pub(crate) struct Throttle<K = Guesser>(Mutex<HashMap<K, Debt>>);

impl<K> Default for Throttle<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[derive(Debug, Clone, Copy)]
struct Debt {
    /// When all failures are forgotten.
    free_at_ms: i64,
}

impl<K: Counted> Throttle<K> {
    /// How many seconds the guesser has to wait, if at all.
    pub(crate) fn wait_s(&self, guesser: &K, now_ms: i64) -> Option<u64> {
        let table = self.0.lock().ok()?;
        let debt_ms = table.get(&guesser.by_network())?.free_at_ms.saturating_sub(now_ms);
        let allowed_ms = REFILL_MS.saturating_mul(i64::try_from(BURST).unwrap_or(i64::MAX));
        let over_ms = debt_ms.saturating_sub(allowed_ms);
        (over_ms > 0).then(|| u64::try_from(over_ms).unwrap_or(0).div_ceil(1000))
    }

    /// Notes a failure.
    pub(crate) fn failed(&self, guesser: K, now_ms: i64) {
        let Ok(mut table) = self.0.lock() else { return };
        let guesser = guesser.by_network();
        if table.len() >= ENTRIES_MAX && !table.contains_key(&guesser) {
            table.retain(|_, debt| debt.free_at_ms > now_ms);
            if table.len() >= ENTRIES_MAX {
                // A flood from everywhere: start anew rather than grow. 256-bit secrets are not guessed anyway.
                table.clear();
            }
        }
        let debt = table.entry(guesser).or_insert(Debt { free_at_ms: now_ms });
        debt.free_at_ms = debt.free_at_ms.max(now_ms).saturating_add(REFILL_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_per_client_and_address_and_forgotten_with_time() {
        let throttle = Throttle::<Guesser>::default();
        let app = AppId::new(uuid::Uuid::from_u128(1));
        let here = (app, Some("192.0.2.1".parse().unwrap()));
        let there = (app, Some("192.0.2.2".parse().unwrap()));
        for _ in 0..20 {
            assert_eq!(throttle.wait_s(&here, 0), None);
            throttle.failed(here, 0);
        }
        throttle.failed(here, 0);
        assert_eq!(throttle.wait_s(&here, 0), Some(6));
        assert_eq!(throttle.wait_s(&there, 0), None);
        assert_eq!(throttle.wait_s(&here, 6_000), None);
    }

    #[test]
    fn an_ipv6_network_is_one_caller_and_a_mapped_address_its_own() {
        let throttle = Throttle::<Option<IpAddr>>::default();
        let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        for n in 0..30 {
            throttle.failed(address(&format!("2001:db8:0:1::{n:x}")), 0);
            throttle.failed(address("::ffff:192.0.2.1"), 0);
        }
        for (text, waits) in [
            ("2001:db8:0:1:ffff::1", true),
            ("2001:db8:0:2::1", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("::ffff:192.0.2.2", false),
        ] {
            assert_eq!(throttle.wait_s(&address(text), 0).is_some(), waits, "{text}");
        }
    }

    #[test]
    fn the_table_does_not_grow_without_bound() {
        let throttle = Throttle::<Guesser>::default();
        for n in 0..30_000 {
            throttle.failed((AppId::new(uuid::Uuid::from_u128(n)), None), 0);
        }
        assert!(throttle.0.lock().unwrap().len() <= ENTRIES_MAX);
    }
}
