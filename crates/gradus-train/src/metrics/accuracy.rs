//! Accuracy and top-k accuracy.

use super::error::{MetricsError, Result};
use super::ranking::rank_of;

/// Share of rows whose label has the greatest logit. Counts are exact; NaN rows count as wrong (see [`crate::metrics`]).
///
/// # Example
/// ```
/// use gradus_train::metrics::Accuracy;
/// let mut accuracy = Accuracy::default();
/// accuracy.update(&[0.1, 0.9, 0.8, 0.2], &[1, 1], 2)?; // (2, 2) logits
/// assert_eq!(accuracy.value(), Some(0.5));
/// # Ok::<(), gradus_train::metrics::MetricsError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accuracy {
    correct: u64,
    total: u64,
}

impl Accuracy {
    /// Counts a batch: `logits` `(N, classes)`, `labels` `(N,)`.
    ///
    /// # Errors
    /// [`MetricsError::NoClasses`], [`MetricsError::Length`], [`MetricsError::Label`]; then nothing is counted.
    pub fn update(&mut self, logits: &[f32], labels: &[i64], classes: usize) -> Result<()> {
        let mut top = TopK {
            k: 1,
            hits: 0,
            total: 0,
        };
        top.update(logits, labels, classes)
            .map_err(|e| rename(e, "accuracy"))?;
        self.correct += top.hits;
        self.total += top.total;
        Ok(())
    }

    /// Counts one example.
    pub fn count(&mut self, correct: bool) {
        self.correct += u64::from(correct);
        self.total += 1;
    }

    /// Adds what `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        self.correct += other.correct;
        self.total += other.total;
    }

    /// Rows whose label won.
    pub fn correct(&self) -> u64 {
        self.correct
    }

    /// Rows counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The share in `0..=1`, or `None` before the first row.
    pub fn value(&self) -> Option<f64> {
        (self.total > 0).then(|| self.correct as f64 / self.total as f64)
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Share of rows whose label is among the `k` greatest logits; 1 (but for NaN rows) when `k >= C`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopK {
    k: usize,
    hits: u64,
    total: u64,
}

impl TopK {
    /// A counter for the best `k`.
    ///
    /// # Errors
    /// [`MetricsError::ZeroK`] if `k` is 0.
    pub fn new(k: usize) -> Result<Self> {
        if k == 0 {
            return Err(MetricsError::ZeroK { op: "top_k" });
        }
        Ok(Self {
            k,
            hits: 0,
            total: 0,
        })
    }

    /// Counts a batch: `logits` `(N, classes)`, `labels` `(N,)`.
    ///
    /// # Errors
    /// [`MetricsError::NoClasses`], [`MetricsError::Length`], [`MetricsError::Label`]; then nothing is counted.
    pub fn update(&mut self, logits: &[f32], labels: &[i64], classes: usize) -> Result<()> {
        let indices = check_batch("top_k", logits, labels, classes, None)?;
        for (row, label) in logits.chunks_exact(classes).zip(indices) {
            if let Some(label) = label {
                self.count(rank_of(row, label));
            }
        }
        Ok(())
    }

    /// Counts one example whose label has this rank (`None`: a NaN row).
    pub fn count(&mut self, rank: Option<usize>) {
        self.hits += u64::from(rank.is_some_and(|r| r < self.k));
        self.total += 1;
    }

    /// Adds what `other` has seen; the own `k` stays.
    pub fn merge(&mut self, other: &Self) {
        self.hits += other.hits;
        self.total += other.total;
    }

    /// The `k`.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The share in `0..=1`, or `None` before the first row.
    pub fn value(&self) -> Option<f64> {
        (self.total > 0).then(|| self.hits as f64 / self.total as f64)
    }
}

/// Checks a batch; returns the label of each row, `None` where it is `ignore`.
pub(crate) fn check_batch(
    op: &'static str,
    logits: &[f32],
    labels: &[i64],
    classes: usize,
    ignore: Option<i64>,
) -> Result<Vec<Option<usize>>> {
    if classes == 0 {
        return Err(MetricsError::NoClasses { op });
    }
    if labels.len().checked_mul(classes) != Some(logits.len()) {
        return Err(MetricsError::Length {
            op,
            logits: logits.len(),
            labels: labels.len(),
            classes,
        });
    }
    let index = |(row, &label): (usize, &i64)| match usize::try_from(label) {
        _ if Some(label) == ignore => Ok(None),
        Ok(i) if i < classes => Ok(Some(i)),
        _ => Err(MetricsError::Label {
            op,
            row,
            label,
            classes,
        }),
    };
    labels.iter().enumerate().map(index).collect()
}

fn rename(error: MetricsError, op: &'static str) -> MetricsError {
    match error {
        MetricsError::NoClasses { .. } => MetricsError::NoClasses { op },
        MetricsError::Length {
            logits,
            labels,
            classes,
            ..
        } => MetricsError::Length {
            op,
            logits,
            labels,
            classes,
        },
        MetricsError::Label {
            row,
            label,
            classes,
            ..
        } => MetricsError::Label {
            op,
            row,
            label,
            classes,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{Accuracy, MetricsError, TopK};

    const LOGITS: [f32; 12] = [
        0.0,
        1.0,
        2.0,
        9.0,
        1.0,
        5.0,
        3.0,
        3.0,
        3.0,
        f32::NAN,
        7.0,
        1.0,
    ];

    #[test]
    fn counts_by_hand() {
        // winners: 2, 0, 0 (tie), none (NaN); labels 2, 2, 1, 1
        let labels = [2, 2, 1, 1];
        let mut accuracy = Accuracy::default();
        accuracy.update(&LOGITS, &labels, 3).expect("valid");
        assert_eq!((accuracy.correct(), accuracy.total()), (1, 4));
        // ranks of the labels: 0, 1, 1, NaN
        for (k, want) in [(1, 0.25), (2, 0.75), (3, 0.75), (50, 0.75)] {
            let mut top = TopK::new(k).expect("k >= 1");
            top.update(&LOGITS, &labels, 3).expect("valid");
            assert_eq!(top.value(), Some(want), "k = {k}");
        }
    }

    #[test]
    fn rejects_bad_batches_and_counts_nothing() {
        let mut accuracy = Accuracy::default();
        let op = "accuracy";
        let error = accuracy.update(&LOGITS, &[0, 1, 2, 3], 3);
        assert_eq!(
            error,
            Err(MetricsError::Label {
                op,
                row: 3,
                label: 3,
                classes: 3
            })
        );
        assert!(accuracy.update(&LOGITS, &[0, 1, 2, -1], 3).is_err());
        let error = accuracy.update(&LOGITS, &[0, 1, 2], 3);
        assert_eq!(
            error,
            Err(MetricsError::Length {
                op,
                logits: 12,
                labels: 3,
                classes: 3
            })
        );
        assert_eq!(
            accuracy.update(&[], &[], 0),
            Err(MetricsError::NoClasses { op })
        );
        assert_eq!(accuracy.value(), None);
        assert_eq!(
            TopK::new(0).err(),
            Some(MetricsError::ZeroK { op: "top_k" })
        );
    }
}
