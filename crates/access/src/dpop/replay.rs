//! The proofs that came lately, so that none counts twice (RFC 9449 §11.1).
//!
//! Each process remembers for itself: a copy may pass at another node, once there, while the proof's time lasts.

use std::{collections::HashSet, mem, sync::Mutex};

use jiff::Timestamp;

use super::{
    ProofError,
    nonce::STRETCH,
    proof::{AGE_MAX, Proof},
};

/// So many proofs may come within [`span_ms`], 1,100 in a second; about 25 MB in all. Beyond: refused, not forgotten.
const REMEMBERED_MAX: usize = 500_000;

/// For how long a proof can be good: from the stretch before that of its nonce to the one after it, or from two minutes
/// before its date to two minutes after it.
pub(super) fn span_ms() -> i64 {
    let (by_nonce, by_date) = (STRETCH.saturating_mul(3), AGE_MAX.saturating_mul(2));
    i64::try_from(by_nonce.max(by_date).as_millis()).unwrap_or(i64::MAX)
}

pub(super) struct SeenProofs {
    room: usize,
    seen: Mutex<Seen>,
}

impl Default for SeenProofs {
    fn default() -> Self {
        Self::with_room(REMEMBERED_MAX)
    }
}

#[derive(Default)]
struct Seen {
    /// When the newer set began, in milliseconds since 1970.
    since_ms: i64,
    newer: HashSet<[u8; 16]>,
    older: HashSet<[u8; 16]>,
}

impl SeenProofs {
    /// Room for so many within [`span_ms`].
    pub(super) fn with_room(room: usize) -> Self {
        Self { room, seen: Mutex::default() }
    }

    /// Remembers a proof for as long as its time lasts.
    ///
    /// # Errors
    /// [`ProofError::Replayed`] when it came before, [`ProofError::TooMany`] when there is no room.
    pub(super) fn take(&self, proof: &Proof, now: Timestamp) -> Result<(), ProofError> {
        let mut seen = self.seen.lock().map_err(|_| ProofError::TooMany)?;
        let now_ms = now.as_millisecond();
        let passed_ms = now_ms.saturating_sub(seen.since_ms);
        if passed_ms > span_ms() {
            let newer = mem::take(&mut seen.newer);
            seen.older = if passed_ms > span_ms().saturating_mul(2) { HashSet::new() } else { newer };
            seen.since_ms = now_ms;
        }
        if seen.newer.contains(&proof.name) || seen.older.contains(&proof.name) {
            return Err(ProofError::Replayed);
        }
        if seen.newer.len() >= self.room {
            return Err(ProofError::TooMany);
        }
        seen.newer.insert(proof.name);
        Ok(())
    }
}
