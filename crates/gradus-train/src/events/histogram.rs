//! Histograms in TensorBoard's exponential buckets.

use std::sync::OnceLock;

use super::proto::HistogramProto;
use crate::metrics::ExactSum;

/// Streaming histogram with TensorFlow's bucket limits: `±1e-12 · 1.1^k` below `1e20`, 0, and the ends of f64.
///
/// A value `v` falls in the bucket with `limit[i - 1] <= v < limit[i]`, as in PyTorch's `SummaryWriter.add_histogram(bins="tensorflow")`. Values
/// that are not finite are left out and counted in [`Histogram::skipped`].
///
/// # Example
/// ```
/// use gradus_train::events::Histogram;
/// let histogram = Histogram::of(&[1.0, 1.0, -2.0, f32::NAN]);
/// assert_eq!((histogram.count(), histogram.skipped()), (3, 1));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    counts: Vec<u64>,
    min: f64,
    max: f64,
    sum: ExactSum,
    sum_squares: ExactSum,
    count: u64,
    skipped: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; limits().len() + 1],
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: ExactSum::default(),
            sum_squares: ExactSum::default(),
            count: 0,
            skipped: 0,
        }
    }
}

impl Histogram {
    /// The histogram of these values.
    pub fn of(values: &[f32]) -> Self {
        let mut histogram = Self::default();
        histogram.update(values);
        histogram
    }

    /// Adds values. Sums are exact, so the order does not matter.
    pub fn update(&mut self, values: &[f32]) {
        let limits = limits();
        for &value in values {
            let v = f64::from(value);
            if !v.is_finite() {
                self.skipped += 1;
                continue;
            }
            self.counts[limits.partition_point(|&limit| limit <= v)] += 1;
            self.min = self.min.min(v);
            self.max = self.max.max(v);
            self.sum.add(v);
            self.sum_squares.add(v * v); // exact: 24 bits squared fit in 53
            self.count += 1;
        }
    }

    /// Finite values counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Values left out: NaN and infinities.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The message: the buckets from one empty one before the first value to the last value's. All zeros if there is no value.
    pub fn to_proto(&self) -> HistogramProto {
        let (Some(first), Some(last)) = (
            self.counts.iter().position(|&n| n > 0),
            self.counts.iter().rposition(|&n| n > 0),
        ) else {
            return HistogramProto {
                bucket_limit: vec![0.0],
                bucket: vec![0.0],
                ..HistogramProto::default()
            };
        };
        // The viewer knows right limits only: an empty bucket in front tells where the first one starts.
        let buckets = first.saturating_sub(1)..=last;
        let limit = |i: usize| limits().get(i).copied().unwrap_or(f64::MAX);
        HistogramProto {
            min: self.min,
            max: self.max,
            num: self.count as f64,
            sum: self.sum.value(),
            sum_squares: self.sum_squares.value(),
            bucket_limit: buckets.clone().map(limit).collect(),
            bucket: buckets.map(|i| self.counts[i] as f64).collect(),
        }
    }
}

/// The inner bucket limits, ascending: negative powers mirrored, 0, positive powers.
fn limits() -> &'static [f64] {
    static LIMITS: OnceLock<Vec<f64>> = OnceLock::new();
    LIMITS.get_or_init(|| {
        let positive: Vec<f64> = std::iter::successors(Some(1e-12), |v| Some(v * 1.1))
            .take_while(|v| *v < 1e20)
            .collect();
        positive
            .iter()
            .rev()
            .map(|v| -v)
            .chain([0.0])
            .chain(positive.iter().copied())
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::{Histogram, limits};

    #[test]
    fn limits_ascend() {
        assert_eq!(limits().len(), 2 * 774 + 1);
        assert!(limits().is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn counts_by_hand() {
        let p = Histogram::of(&[0.0, 0.0, 5e-13, -1.0, 2.0]).to_proto();
        assert_eq!(
            (p.min, p.max, p.num, p.sum, p.sum_squares),
            (-1.0, 2.0, 5.0, 1.0 + f64::from(5e-13f32), 5.0)
        );
        assert_eq!(
            (p.bucket[0], p.bucket[1], p.bucket.last()),
            (0.0, 1.0, Some(&1.0))
        );
        assert!(p.bucket_limit[0] <= -1.0 && p.bucket_limit[1] > -1.0);
        let zeros = p
            .bucket_limit
            .iter()
            .position(|&l| l == 1e-12)
            .expect("the bucket of [0, 1e-12)");
        assert_eq!(p.bucket[zeros], 3.0);
        assert_eq!(p.bucket.iter().sum::<f64>(), 5.0);
    }

    #[test]
    fn order_does_not_matter() {
        let values: Vec<f32> = (0..999).map(|i| (i as f32).sin() * 1e3).collect();
        let reversed: Vec<f32> = values.iter().rev().copied().collect();
        assert_eq!(
            Histogram::of(&values).to_proto(),
            Histogram::of(&reversed).to_proto()
        );
    }

    #[test]
    fn extremes_and_nothing() {
        let p = Histogram::of(&[f32::MAX, f32::MIN, f32::NAN, f32::INFINITY]).to_proto();
        assert_eq!(
            (p.num, p.bucket.first(), p.bucket.last()),
            (2.0, Some(&1.0), Some(&1.0))
        );
        assert_eq!(p.bucket_limit.last(), Some(&f64::MAX));
        let p = Histogram::of(&[f32::NAN]).to_proto();
        assert_eq!((p.num, p.min, p.max, p.bucket), (0.0, 0.0, 0.0, vec![0.0]));
    }
}
