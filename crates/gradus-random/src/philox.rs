//! The Philox 4x32-10 block function: four random words from a counter and a key.

const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
const ROUNDS: usize = 10;

/// A keyed counter-based generator: `block(step, index)` is a pure function.
///
/// The seed is the 64-bit key. The 128-bit counter holds the index (64 bits) and a mix of stream and step (64 bits),
/// so that streams of one seed do not overlap but by a 64-bit hash collision.
///
/// Source: Salmon, Moraes, Dror, Shaw, *Parallel Random Numbers: As Easy as 1, 2, 3* (SC 2011).
///
/// ```
/// use gradus_random::Philox;
/// let noise = Philox::new(42, 7);
/// assert_eq!(noise.block(0, 5), noise.block(0, 5));
/// assert_ne!(noise.block(0, 5), noise.block(1, 5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Philox {
    key: [u32; 2],
    stream: u64,
}

impl Philox {
    /// A generator for `stream` of `seed`.
    #[inline(always)]
    pub const fn new(seed: u64, stream: u64) -> Self {
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            stream,
        }
    }

    /// The generator `n` streams on, with the same seed: for parts of a module.
    #[must_use]
    pub const fn substream(&self, n: u64) -> Self {
        Self {
            key: self.key,
            stream: self.stream.wrapping_add(n),
        }
    }

    /// Four uniformly distributed words for `(step, index)`.
    #[inline(always)]
    pub const fn block(&self, step: u64, index: u64) -> [u32; 4] {
        let lane = mix(self.stream ^ mix(step.wrapping_add(0x9e37_79b9_7f4a_7c15)));
        let counter = [
            index as u32,
            (index >> 32) as u32,
            lane as u32,
            (lane >> 32) as u32,
        ];
        philox4x32(counter, self.key)
    }
}

/// The finaliser of SplitMix64: a bijection whose output bits depend on all input bits.
const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[inline(always)]
const fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    let mut round = 0;
    while round < ROUNDS {
        let first = MULTIPLIERS[0] as u64 * counter[0] as u64;
        let second = MULTIPLIERS[1] as u64 * counter[2] as u64;
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        round += 1;
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    // Known answers of the Random123 distribution (file kat_vectors, philox4x32 10 rounds).
    #[test]
    fn matches_the_published_vectors() {
        assert_eq!(
            philox4x32([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox4x32([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn streams_and_steps_differ() {
        let a = Philox::new(1, 2);
        assert_ne!(a.block(0, 0), Philox::new(1, 3).block(0, 0));
        assert_ne!(a.block(0, 0), Philox::new(2, 2).block(0, 0));
        assert_ne!(a.block(0, 0), a.block(1, 0));
        assert_ne!(Philox::new(1, 2).block(3, 0), Philox::new(1, 3).block(2, 0));
    }
}
