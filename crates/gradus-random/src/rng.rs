//! A sequential reader over a Philox stream, with the usual distributions.

use crate::Philox;

/// Reads one stream word by word: the convenient form for augmentation, sampling and initialisation.
///
/// ```
/// use gradus_random::Rng;
/// let mut rng = Rng::new(42, 0, 0);
/// let x = rng.uniform();
/// assert!((0.0..1.0).contains(&x));
/// assert_eq!(Rng::new(42, 0, 0).uniform(), x);
/// ```
#[derive(Clone, Debug)]
pub struct Rng {
    philox: Philox,
    step: u64,
    /// Words handed out so far.
    position: u64,
    block: [u32; 4],
}

impl Rng {
    /// A reader at the start of `(seed, stream, step)`.
    pub const fn new(seed: u64, stream: u64, step: u64) -> Self {
        Self {
            philox: Philox::new(seed, stream),
            step,
            position: 0,
            block: [0; 4],
        }
    }

    /// How many 32-bit words were read: with [`Rng::seek`], all of the reader's state.
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Goes to a position that [`Rng::position`] gave.
    pub const fn seek(&mut self, position: u64) {
        self.position = position;
        if !position.is_multiple_of(4) {
            self.block = self.philox.block(self.step, position / 4);
        }
    }

    /// A uniformly distributed 32-bit word.
    pub const fn next_u32(&mut self) -> u32 {
        if self.position.is_multiple_of(4) {
            self.block = self.philox.block(self.step, self.position / 4);
        }
        let word = self.block[(self.position % 4) as usize];
        self.position += 1;
        word
    }

    /// A uniformly distributed 64-bit word.
    pub const fn next_u64(&mut self) -> u64 {
        let low = self.next_u32() as u64;
        low | (self.next_u32() as u64) << 32
    }

    /// Uniform in `[0, 1)` with 53 random bits.
    pub const fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in `[0, 1)` with 24 random bits.
    pub const fn uniform_f32(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 * (1.0 / (1u32 << 24) as f32)
    }

    /// Uniform in `[low, high)`; `low` if the two are equal.
    pub const fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Uniform in `0..n` without bias (Lemire 2019, arXiv:1805.10941); 0 if `n` is 0.
    pub const fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        let mut product = self.next_u64() as u128 * n as u128;
        if (product as u64) < n {
            let threshold = n.wrapping_neg() % n;
            while (product as u64) < threshold {
                product = self.next_u64() as u128 * n as u128;
            }
        }
        (product >> 64) as u64
    }

    /// True with probability `p`.
    pub const fn bernoulli(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Standard normal (Box and Muller 1958; the second of the pair is not kept).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Puts `items` into a uniformly random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_and_seek_round_trip() {
        let mut rng = Rng::new(3, 4, 5);
        for _ in 0..7 {
            rng.next_u32();
        }
        let mut copy = Rng::new(3, 4, 5);
        copy.seek(rng.position());
        for _ in 0..9 {
            assert_eq!(copy.next_u32(), rng.next_u32());
        }
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut rng = Rng::new(1, 0, 0);
        let n = 200_000;
        let (mut sum, mut square) = (0.0, 0.0);
        for _ in 0..n {
            let x = rng.normal();
            sum += x;
            square += x * x;
        }
        let (mean, variance) = (sum / f64::from(n), square / f64::from(n));
        // Four standard errors: 4 / sqrt(n) and 4 · sqrt(2 / n).
        assert!(
            mean.abs() < 0.009 && (variance - 1.0).abs() < 0.013,
            "{mean} {variance}"
        );
        let uniform: f64 = (0..n).map(|_| rng.uniform()).sum::<f64>() / f64::from(n);
        assert!((uniform - 0.5).abs() < 0.003, "{uniform}");
    }

    #[test]
    fn below_is_unbiased_and_bounded() {
        let mut rng = Rng::new(9, 9, 9);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[rng.below(7) as usize] += 1;
        }
        assert!(
            counts.iter().all(|c| c.abs_diff(10_000) < 400),
            "{counts:?}"
        );
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
    }
}
