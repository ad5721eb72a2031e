//! The order in which a loader reads samples: sequential, shuffled or weighted. A function of seed and epoch.

use gradus_random::{Rng, permutation, stream_of};

use crate::error::{DataError, Result};

/// The samples of an epoch in order.
pub trait Sampler: Send + Sync {
    /// The number of samples an epoch has.
    fn len(&self) -> usize;

    /// Whether an epoch has no sample.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The indices of this epoch's samples; must be the same each time.
    fn indices(&self, epoch: u64) -> Vec<usize>;
}

/// `0..len` in order. Source: `torch.utils.data.SequentialSampler`.
#[derive(Clone, Copy, Debug)]
pub struct Sequential {
    /// The number of samples.
    pub len: usize,
}

impl Sampler for Sequential {
    fn len(&self) -> usize {
        self.len
    }

    fn indices(&self, _: u64) -> Vec<usize> {
        (0..self.len).collect()
    }
}

/// Every sample once, in an order that is random and new each epoch. Source: `torch.utils.data.RandomSampler`.
#[derive(Clone, Copy, Debug)]
pub struct Shuffled {
    /// The number of samples.
    pub len: usize,
    /// The seed.
    pub seed: u64,
}

impl Sampler for Shuffled {
    fn len(&self) -> usize {
        self.len
    }

    fn indices(&self, epoch: u64) -> Vec<usize> {
        permutation(self.seed, stream_of("sampler.shuffled"), epoch, self.len)
    }
}

/// Samples drawn with probabilities in proportion to weights. Source: `torch.utils.data.WeightedRandomSampler`.
///
/// ```
/// use gradus_data::{Sampler, Weighted};
/// // Nine samples of one class and one of another, drawn half and half.
/// let labels = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
/// let sampler = Weighted::balanced(&labels, 1000, 42)?;
/// let rare = sampler.indices(0).into_iter().filter(|&i| i == 9).count();
/// assert!((400..600).contains(&rare));
/// # Ok::<(), gradus_data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Weighted {
    weights: Vec<f64>,
    /// `sums[i]` = weights 0 to i, for drawing with replacement.
    sums: Vec<f64>,
    samples: usize,
    replacement: bool,
    seed: u64,
}

impl Weighted {
    /// Draws `samples` indices of `weights` an epoch, with or without replacement. Weights need not sum to 1.
    ///
    /// # Errors
    /// [`DataError::Argument`] for a weight that is negative or not finite, no weight above 0, a sum that is not finite, no sample, or more
    /// samples without replacement than there are weights above 0.
    pub fn new(weights: Vec<f64>, samples: usize, replacement: bool, seed: u64) -> Result<Self> {
        let refuse = |argument, expected, got| DataError::Argument {
            what: "weighted sampler",
            argument,
            expected,
            got,
        };
        if let Some(bad) = weights.iter().find(|w| !w.is_finite() || **w < 0.0) {
            return Err(refuse("weights", "finite and at least 0", bad.to_string()));
        }
        let mut total = 0.0;
        let sums: Vec<f64> = weights
            .iter()
            .map(|weight| {
                total += weight;
                total
            })
            .collect();
        if !(total > 0.0 && total.is_finite()) {
            return Err(refuse(
                "weights",
                "above 0 somewhere, with a finite sum",
                format!("of sum {total}"),
            ));
        }
        if samples == 0 {
            return Err(refuse("samples", "at least 1", "0".into()));
        }
        let positive = weights.iter().filter(|w| **w > 0.0).count();
        if !replacement && samples > positive {
            let expected = "at most the number of weights above 0, without replacement";
            return Err(refuse(
                "samples",
                expected,
                format!("{samples} of {positive}"),
            ));
        }
        Ok(Self {
            weights,
            sums,
            samples,
            replacement,
            seed,
        })
    }

    /// Draws `samples` indices an epoch with replacement so that every label is equally likely.
    ///
    /// # Errors
    /// [`DataError::Argument`] without labels or samples.
    pub fn balanced(labels: &[i64], samples: usize, seed: u64) -> Result<Self> {
        let mut counts = std::collections::BTreeMap::<i64, f64>::new();
        labels
            .iter()
            .for_each(|&label| *counts.entry(label).or_default() += 1.0);
        Self::new(
            labels.iter().map(|label| 1.0 / counts[label]).collect(),
            samples,
            true,
            seed,
        )
    }

    fn draw(&self, rng: &mut Rng) -> usize {
        let total = self.sums.last().copied().unwrap_or(0.0);
        let point = rng.uniform() * total;
        let index = self.sums.partition_point(|&sum| sum <= point);
        // Rounding may reach the total itself: then the last weight above 0 is meant.
        let last = self.weights.iter().rposition(|&w| w > 0.0).unwrap_or(0);
        index.min(last)
    }
}

impl Sampler for Weighted {
    fn len(&self) -> usize {
        self.samples
    }

    fn indices(&self, epoch: u64) -> Vec<usize> {
        let mut rng = Rng::new(self.seed, stream_of("sampler.weighted"), epoch);
        if self.replacement {
            return (0..self.samples).map(|_| self.draw(&mut rng)).collect();
        }
        // Exponential clocks: whoever rings first is drawn first (Efraimidis and Spirakis 2006).
        let mut clocks: Vec<(f64, usize)> = Vec::with_capacity(self.weights.len());
        for (index, &weight) in self.weights.iter().enumerate() {
            let time = -(1.0 - rng.uniform()).ln() / weight;
            if weight > 0.0 {
                clocks.push((time, index));
            }
        }
        clocks.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        clocks.truncate(self.samples);
        clocks.into_iter().map(|(_, index)| index).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Museum 61 (burn#3490): a sampler's distribution is checked, not assumed.
    #[test]
    fn weighted_draws_follow_the_weights() {
        let sampler = Weighted::new(vec![1.0, 0.0, 3.0, 6.0], 40_000, true, 7).unwrap();
        let mut counts = [0_usize; 4];
        sampler.indices(0).into_iter().for_each(|i| counts[i] += 1);
        // Four standard errors of a share p of n draws: 4·sqrt(n·p·(1 - p)), at most 392.
        for (count, expected) in counts.into_iter().zip([4000, 0, 12_000, 24_000]) {
            assert!(
                count.abs_diff(expected) < 400 && (expected > 0 || count == 0),
                "{counts:?}"
            );
        }
    }

    #[test]
    fn without_replacement_no_sample_repeats_and_heavy_ones_come_first() {
        let sampler = Weighted::new(vec![1.0, 0.0, 9.0], 2, false, 7).unwrap();
        let mut first = 0;
        for epoch in 0..4000 {
            let drawn = sampler.indices(epoch);
            assert!(drawn == [0, 2] || drawn == [2, 0]);
            first += usize::from(drawn[0] == 2);
        }
        assert!(
            first.abs_diff(3600) < 80,
            "{first}: the first draw has odds 9 to 1"
        );
    }

    #[test]
    fn shuffles_are_permutations_that_differ_by_epoch_and_seed() {
        let order = |seed, epoch| Shuffled { len: 100, seed }.indices(epoch);
        assert_eq!(order(1, 2), order(1, 2));
        assert_ne!(order(1, 2), order(1, 3));
        assert_ne!(order(1, 2), order(2, 2));
        let mut sorted = order(1, 2);
        sorted.sort_unstable();
        assert_eq!(sorted, Sequential { len: 100 }.indices(9));
    }

    #[test]
    fn rejects_bad_weights() {
        for weights in [
            vec![],
            vec![0.0],
            vec![-1.0, 2.0],
            vec![f64::NAN],
            vec![f64::MAX, f64::MAX],
        ] {
            assert!(Weighted::new(weights, 1, true, 0).is_err());
        }
        assert!(Weighted::new(vec![1.0], 0, true, 0).is_err());
        let error = Weighted::new(vec![1.0, 0.0], 2, false, 0).unwrap_err();
        assert!(error.to_string().ends_with("not 2 of 1"), "{error}");
    }
}
