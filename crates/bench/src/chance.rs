//! SplitMix64: repeatable chance, addressed by what it is for.
//!
//! The corpus must be the same on every machine and must give its millionth instance without making the
//! 999,999 before it. So every value is drawn from a sequence keyed by the seed and the value's coordinates.

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// One repeatable sequence.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The sequence that belongs to a seed and some coordinates.
    pub(crate) fn keyed(seed: u64, coordinates: &[u64]) -> Self {
        Self(coordinates.iter().fold(mix(seed.wrapping_add(STEP)), |state, &part| {
            mix(state.rotate_left(23) ^ mix(part.wrapping_add(STEP)))
        }))
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below the bound. The bias of the remainder does not matter for bounds far below 2^64.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// One of the choices, or the default of an empty list.
    pub(crate) fn pick<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        let at = self.below(u64::try_from(choices.len()).unwrap_or(1));
        usize::try_from(at).ok().and_then(|at| choices.get(at)).copied().unwrap_or_default()
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_repeat_and_differ() {
        let draw = |seed, at: &[u64]| Chance::keyed(seed, at).next();
        assert_eq!(draw(1, &[2, 3]), draw(1, &[2, 3]));
        assert_ne!(draw(1, &[2, 3]), draw(1, &[3, 2]));
        assert_ne!(draw(1, &[2, 3]), draw(2, &[2, 3]));
        assert_ne!(draw(1, &[0]), draw(1, &[0, 0]));
    }

    #[test]
    fn picks_stay_in_the_list() {
        let mut chance = Chance::keyed(5, &[]);
        let mut seen = [false; 3];
        for _ in 0..100 {
            seen[chance.pick(&[0_usize, 1, 2])] = true;
        }
        assert_eq!(seen, [true; 3]);
        assert_eq!(chance.pick::<u8>(&[]), 0);
    }
}
