//! Bounds what one caller may ask for, so that a script in a loop leaves room for others: a token bucket for each user
//! or service principal, in a bounded table.

use std::{collections::HashMap, sync::Mutex};

use hilum_kernel::ObjectId;

/// Graph allows an application 8,000 resource units in ten seconds in a large tenant. Beyond: 429 with `Retry-After`.
const BURST: i64 = 8_000;
/// Microseconds after which one more is allowed: 800 in a second.
const REFILL_US: i64 = 1_250;
/// How many callers are remembered; about 1 MB.
const ENTRIES_MAX: usize = 10_000;

/// When each caller's debt is paid, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<HashMap<ObjectId, i64>>);

impl Throttle {
    /// Takes one request out of the caller's bucket, or says how many seconds to wait.
    pub(crate) fn take(&self, caller: ObjectId, now_ms: i64) -> Option<u64> {
        let present_us = now_ms.saturating_mul(1000);
        // A poisoned table lets everybody in: it guards fairness, nothing else.
        let mut table = self.0.lock().ok()?;
        if table.len() >= ENTRIES_MAX && !table.contains_key(&caller) {
            table.retain(|_, paid_at_us| *paid_at_us > present_us);
            if table.len() >= ENTRIES_MAX {
                table.clear();
            }
        }
        let paid_at_us = table.entry(caller).or_insert(present_us);
        let due_us = (*paid_at_us).max(present_us).saturating_add(REFILL_US);
        let over_us = due_us - present_us - BURST * REFILL_US;
        if over_us > 0 {
            return Some(u64::try_from(over_us).unwrap_or(0).div_ceil(1_000_000));
        }
        *paid_at_us = due_us;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_a_burst_and_gets_room_again_with_time() {
        let throttle = Throttle::default();
        let (one, other) = (ObjectId::new(uuid::Uuid::from_u128(1)), ObjectId::new(uuid::Uuid::from_u128(2)));
        for _ in 0..8_000 {
            assert_eq!(throttle.take(one, 0), None);
        }
        assert_eq!(throttle.take(one, 0), Some(1));
        assert_eq!(throttle.take(other, 0), None);
        assert_eq!(throttle.take(one, 5), None, "four have been paid after five milliseconds");
    }

    #[test]
    fn the_table_does_not_grow_without_bound() {
        let throttle = Throttle::default();
        for n in 0..30_000 {
            throttle.take(ObjectId::new(uuid::Uuid::from_u128(n)), 0);
        }
        assert!(throttle.0.lock().unwrap().len() <= ENTRIES_MAX);
    }
}
