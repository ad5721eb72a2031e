//! The mean of batch means, weighted by examples.

use super::ExactSum;

/// Streaming mean of values that each stand for a number of examples: `Σ value_i · n_i / Σ n_i`.
///
/// The products and the sum are exact, so the order of the batches does not matter, and a short last batch weighs what it should
/// (averaging batch means without weights is the common mistake).
///
/// # Example
/// ```
/// use gradus_train::metrics::Mean;
/// let mut loss = Mean::default();
/// loss.add(2.0, 4); // mean loss 2 over a batch of 4
/// loss.add(5.0, 2);
/// assert_eq!(loss.mean(), Some(3.0));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mean {
    sum: ExactSum,
    count: u64,
}

impl Mean {
    /// Adds a value that is the mean over `examples` examples. A batch of 0 is ignored, its value too (it is NaN by nature).
    pub fn add(&mut self, value: f64, examples: u64) {
        if examples > 0 {
            self.sum.add_product(value, examples as f64);
            self.count = self.count.saturating_add(examples);
        }
    }

    /// Adds what `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        self.sum.merge(&other.sum);
        self.count = self.count.saturating_add(other.count);
    }

    /// Examples seen.
    pub fn examples(&self) -> u64 {
        self.count
    }

    /// The mean, or `None` before the first example.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum.value() / self.count as f64)
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::Mean;

    #[test]
    fn weights_by_examples() {
        let mut mean = Mean::default();
        assert_eq!(mean.mean(), None);
        mean.add(1.0, 3);
        mean.add(f64::NAN, 0); // an empty batch
        mean.add(2.0, 1);
        assert_eq!(mean.mean(), Some(1.25));
        assert_eq!(mean.examples(), 4);
        mean.reset();
        assert_eq!(mean.mean(), None);
    }

    #[test]
    fn batch_order_does_not_matter() {
        let batches: Vec<(f64, u64)> = (1..200u32)
            .map(|i| (f64::from(i).ln() / 3.0, u64::from(i % 7 + 1)))
            .collect();
        let (mut a, mut b) = (Mean::default(), Mean::default());
        batches.iter().for_each(|&(v, n)| a.add(v, n));
        batches.iter().rev().for_each(|&(v, n)| b.add(v, n));
        assert_eq!(a.mean().map(f64::to_bits), b.mean().map(f64::to_bits));
    }

    #[test]
    fn a_nan_loss_is_not_hidden() {
        let mut mean = Mean::default();
        mean.add(1.0, 3);
        mean.add(f64::NAN, 1);
        assert!(mean.mean().is_some_and(f64::is_nan));
    }
}
