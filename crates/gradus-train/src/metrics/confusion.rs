//! The confusion matrix: how often each class was taken for each other.

use super::error::{MetricsError, Result};

/// Most classes a [`ConfusionMatrix`] takes: 8192² counts are 512 MiB.
pub const MAX_CLASSES: usize = 8192;

/// Counts of (true class, predicted class), as scikit-learn's `confusion_matrix`: rows are true, columns predicted.
///
/// Rows of logits without a prediction (NaN) are kept apart, per true class, so that a matrix row sums to its class's support less those.
///
/// # Example
/// ```
/// use gradus_train::metrics::ConfusionMatrix;
/// let mut confusion = ConfusionMatrix::new(2)?;
/// for (truth, predicted) in [(0, 0), (0, 1), (1, 1)] { confusion.count(truth, Some(predicted))?; }
/// assert_eq!(confusion.rows(), vec![vec![1, 1], vec![0, 1]]);
/// # Ok::<(), gradus_train::metrics::MetricsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    classes: usize,
    counts: Vec<u64>,  // (C, C) row-major: [true, predicted]
    missing: Vec<u64>, // (C,): rows of each true class that have no prediction
}

impl ConfusionMatrix {
    /// An empty matrix of `classes × classes`.
    ///
    /// # Errors
    /// [`MetricsError::NoClasses`]; [`MetricsError::TooManyClasses`] above [`MAX_CLASSES`].
    pub fn new(classes: usize) -> Result<Self> {
        let op = "confusion_matrix";
        if classes == 0 {
            return Err(MetricsError::NoClasses { op });
        }
        if classes > MAX_CLASSES {
            return Err(MetricsError::TooManyClasses {
                op,
                classes,
                limit: MAX_CLASSES,
            });
        }
        Ok(Self {
            classes,
            counts: vec![0; classes * classes],
            missing: vec![0; classes],
        })
    }

    /// Counts one example; `predicted` is `None` for a row that has no prediction.
    ///
    /// # Errors
    /// [`MetricsError::Label`] or [`MetricsError::Prediction`] for an index outside `0..C`.
    pub fn count(&mut self, truth: usize, predicted: Option<usize>) -> Result<()> {
        let (op, classes) = ("confusion_matrix", self.classes);
        if truth >= classes {
            let label = i64::try_from(truth).unwrap_or(i64::MAX);
            return Err(MetricsError::Label {
                op,
                row: 0,
                label,
                classes,
            });
        }
        match predicted {
            None => self.missing[truth] += 1,
            Some(prediction) if prediction < classes => {
                self.counts[truth * classes + prediction] += 1
            }
            Some(prediction) => {
                return Err(MetricsError::Prediction {
                    op,
                    prediction,
                    classes,
                });
            }
        }
        Ok(())
    }

    /// Adds the counts of `other`.
    ///
    /// # Errors
    /// [`MetricsError::ClassesDiffer`].
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.classes != other.classes {
            return Err(MetricsError::ClassesDiffer {
                op: "confusion_matrix",
                lhs: self.classes,
                rhs: other.classes,
            });
        }
        self.counts
            .iter_mut()
            .zip(&other.counts)
            .for_each(|(a, b)| *a += b);
        self.missing
            .iter_mut()
            .zip(&other.missing)
            .for_each(|(a, b)| *a += b);
        Ok(())
    }

    /// Number of classes `C`.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Examples of class `truth` that were predicted as `predicted`; 0 outside the matrix.
    pub fn get(&self, truth: usize, predicted: usize) -> u64 {
        if truth < self.classes && predicted < self.classes {
            self.counts[truth * self.classes + predicted]
        } else {
            0
        }
    }

    /// The matrix as rows (true class) of columns (predicted class).
    pub fn rows(&self) -> Vec<Vec<u64>> {
        self.counts
            .chunks_exact(self.classes)
            .map(<[u64]>::to_vec)
            .collect()
    }

    /// Examples whose row had no prediction, of all classes.
    pub fn invalid(&self) -> u64 {
        self.missing.iter().sum()
    }

    /// Examples counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.invalid()
    }

    /// Examples on the diagonal.
    pub fn correct(&self) -> u64 {
        (0..self.classes).map(|c| self.get(c, c)).sum()
    }

    /// True examples of class `c`, those without a prediction included.
    pub fn support(&self, c: usize) -> u64 {
        (0..self.classes).map(|p| self.get(c, p)).sum::<u64>()
            + self.missing.get(c).copied().unwrap_or(0)
    }

    /// Examples predicted as class `c`.
    pub fn predicted(&self, c: usize) -> u64 {
        (0..self.classes).map(|t| self.get(t, c)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{ConfusionMatrix, MAX_CLASSES, MetricsError};

    #[test]
    fn counts_and_margins() {
        let mut m = ConfusionMatrix::new(3).expect("3 classes");
        for (t, p) in [
            (0, Some(0)),
            (0, Some(2)),
            (1, Some(1)),
            (2, Some(0)),
            (2, None),
        ] {
            m.count(t, p).expect("in range");
        }
        assert_eq!(m.rows(), vec![vec![1, 0, 1], vec![0, 1, 0], vec![1, 0, 0]]);
        assert_eq!((m.total(), m.correct(), m.invalid()), (5, 2, 1));
        assert_eq!([m.support(0), m.support(1), m.support(2)], [2, 1, 2]);
        assert_eq!([m.predicted(0), m.predicted(1), m.predicted(2)], [2, 1, 1]);
        assert_eq!((m.get(0, 2), m.get(7, 0), m.support(7)), (1, 0, 0));
        let copy = m.clone();
        m.merge(&copy).expect("same size");
        assert_eq!((m.total(), m.get(0, 2), m.invalid()), (10, 2, 2));
    }

    #[test]
    fn rejects_what_does_not_fit() {
        assert_eq!(
            ConfusionMatrix::new(0),
            Err(MetricsError::NoClasses {
                op: "confusion_matrix"
            })
        );
        assert!(matches!(
            ConfusionMatrix::new(MAX_CLASSES + 1),
            Err(MetricsError::TooManyClasses { .. })
        ));
        let mut m = ConfusionMatrix::new(2).expect("2 classes");
        assert!(matches!(
            m.count(2, Some(0)),
            Err(MetricsError::Label { label: 2, .. })
        ));
        assert!(matches!(
            m.count(0, Some(2)),
            Err(MetricsError::Prediction { prediction: 2, .. })
        ));
        let other = ConfusionMatrix::new(3).expect("3 classes");
        assert!(matches!(
            m.merge(&other),
            Err(MetricsError::ClassesDiffer { lhs: 2, rhs: 3, .. })
        ));
        assert_eq!(m.total(), 0);
    }
}
