//! Nonces for proofs (RFC 9449 §8): which stretch of time it is, under a keyed hash. Nothing is stored, and every node with the
//! key knows those of the others.

use hilum_jose::{MasterKey, base64url_decode, base64url_encode, constant_time_eq};
use jiff::{SignedDuration, Timestamp};

/// How long a nonce is given out. It holds for another such stretch.
pub(super) const STRETCH: SignedDuration = SignedDuration::from_secs(150);
/// Half of the hash: 128 bits cannot be guessed within minutes.
const HASH_BYTES: usize = 16;

pub(super) struct Nonces(MasterKey);

impl Nonces {
    pub(super) fn new(key: MasterKey) -> Self {
        Self(key)
    }

    pub(super) fn current(&self, now: Timestamp) -> String {
        let stretch = stretch(now).to_be_bytes();
        base64url_encode([stretch.as_slice(), &self.hash(stretch)].concat())
    }

    /// Whether it is one of ours, given out lately. Of the stretch to come, too: another node's clock may be ahead.
    pub(super) fn is_current(&self, nonce: &str, now: Timestamp) -> bool {
        // Its form is ours, letter by letter.
        if nonce.len() != (size_of::<i64>() + HASH_BYTES).div_ceil(3) * 4 {
            return false;
        }
        let Ok(bytes) = base64url_decode(nonce) else { return false };
        let Some((claimed, hash)) = bytes.split_first_chunk() else { return false };
        let distance = stretch(now).saturating_sub(i64::from_be_bytes(*claimed));
        (-1..=1).contains(&distance) && constant_time_eq(&self.hash(*claimed), hash)
    }

    fn hash(&self, stretch: [u8; 8]) -> [u8; HASH_BYTES] {
        self.0.keyed_hash(&stretch).first_chunk().copied().unwrap_or_default()
    }
}

/// Which stretch since 1970.
fn stretch(now: Timestamp) -> i64 {
    now.as_second().div_euclid(STRETCH.as_secs())
}
