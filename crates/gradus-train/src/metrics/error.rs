//! What can be wrong with the input of a metric.

/// An error of [`crate::metrics`]. Nothing is accumulated by a call that fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// A classifier was described with no class at all.
    #[error("{op}: there are no classes; give at least one class name")]
    NoClasses {
        /// The accumulator.
        op: &'static str,
    },
    /// A `C × C` table would not fit in a reasonable memory.
    #[error(
        "{op}: {classes} classes are more than the limit of {limit}; the table of counts grows with the square"
    )]
    TooManyClasses {
        /// The accumulator.
        op: &'static str,
        /// Classes asked for.
        classes: usize,
        /// The limit, [`crate::metrics::MAX_CLASSES`].
        limit: usize,
    },
    /// The logits are not one row of `classes` values a label.
    #[error(
        "{op}: {logits} logits do not make {labels} rows of {classes}; expected {labels} × {classes} values"
    )]
    Length {
        /// The accumulator.
        op: &'static str,
        /// Number of logits given.
        logits: usize,
        /// Number of labels given.
        labels: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A label is no class index.
    #[error("{op}: label {label} at row {row} is not in 0..{classes}")]
    Label {
        /// The accumulator.
        op: &'static str,
        /// Row in the batch.
        row: usize,
        /// The label found there.
        label: i64,
        /// Number of classes.
        classes: usize,
    },
    /// A prediction is no class index.
    #[error("{op}: prediction {prediction} is not in 0..{classes}")]
    Prediction {
        /// The accumulator.
        op: &'static str,
        /// The prediction.
        prediction: usize,
        /// Number of classes.
        classes: usize,
    },
    /// Top-k of no candidates.
    #[error("{op}: k is 0; give k >= 1")]
    ZeroK {
        /// The accumulator.
        op: &'static str,
    },
    /// Two accumulators of different size were merged.
    #[error("{op}: {lhs} classes and {rhs} classes do not merge")]
    ClassesDiffer {
        /// The accumulator.
        op: &'static str,
        /// Classes on the left.
        lhs: usize,
        /// Classes on the right.
        rhs: usize,
    },
    /// A report was asked for before any example was counted.
    #[error("{op}: no examples were counted; is the evaluation data empty?")]
    NoExamples {
        /// The accumulator.
        op: &'static str,
    },
}

/// Result of a metric.
pub(crate) type Result<T> = std::result::Result<T, MetricsError>;
