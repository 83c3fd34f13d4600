//! Slows down guessing and flooding: failures per client and address, in a bounded table.

use std::{collections::HashMap, hash::Hash, net::IpAddr, sync::Mutex};

use hilum_kernel::AppId;

/// So many failures may come at once.
const BURST: u64 = 20;
/// One more is allowed after so long.
const REFILL_MS: i64 = 6_000;
/// How many pairs of client and address are remembered; about 1 MB.
const ENTRIES_MAX: usize = 10_000;

/// Who guesses what. Without an address (a test, a Unix socket) all callers share one.
pub(crate) type Guesser = (AppId, Option<IpAddr>);

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

impl<K: Eq + Hash> Throttle<K> {
    /// How many seconds the guesser has to wait, if at all.
    pub(crate) fn wait_s(&self, guesser: &K, now_ms: i64) -> Option<u64> {
        let table = self.0.lock().ok()?;
        let debt_ms = table.get(guesser)?.free_at_ms.saturating_sub(now_ms);
        let allowed_ms = REFILL_MS.saturating_mul(i64::try_from(BURST).unwrap_or(i64::MAX));
        let over_ms = debt_ms.saturating_sub(allowed_ms);
        (over_ms > 0).then(|| u64::try_from(over_ms).unwrap_or(0).div_ceil(1000))
    }

    /// Notes a failure.
    pub(crate) fn failed(&self, guesser: K, now_ms: i64) {
        let Ok(mut table) = self.0.lock() else { return };
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
    fn the_table_does_not_grow_without_bound() {
        let throttle = Throttle::<Guesser>::default();
        for n in 0..30_000 {
            throttle.failed((AppId::new(uuid::Uuid::from_u128(n)), None), 0);
        }
        assert!(throttle.0.lock().unwrap().len() <= ENTRIES_MAX);
    }
}
