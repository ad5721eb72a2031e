//! Precision, recall and F1 from a confusion matrix, per class and averaged.

use super::ConfusionMatrix;

/// Scores of one class. A ratio whose denominator is 0 is 0 (scikit-learn's `zero_division=0`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassScores {
    /// `TP / (TP + FP)`: how often the prediction of this class is right.
    pub precision: f64,
    /// `TP / (TP + FN)`: how many of the class are found.
    pub recall: f64,
    /// `2·TP / (2·TP + FP + FN)`, the harmonic mean of the two.
    pub f1: f64,
    /// True examples of the class.
    pub support: u64,
    /// Examples predicted as the class.
    pub predicted: u64,
}

/// One way of averaging the scores of the classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Averages {
    /// Averaged precision.
    pub precision: f64,
    /// Averaged recall.
    pub recall: f64,
    /// Averaged F1.
    pub f1: f64,
}

/// Precision, recall and F1 of all classes and their three usual averages.
///
/// Same numbers as scikit-learn's `precision_recall_fscore_support(y, p, average=…, zero_division=0)` called with its other defaults, and so:
/// `macro` is the plain mean over the classes that occur among the labels or the predictions (a class that occurs in neither is left out);
/// `weighted` weighs by support; `micro` counts TP, FP and FN over all classes, which for single-label data equals accuracy (unless rows
/// had no prediction).
///
/// # Example
/// ```
/// use gradus_train::metrics::{ConfusionMatrix, Scores};
/// let mut confusion = ConfusionMatrix::new(2)?;
/// for (truth, predicted) in [(0, 0), (0, 1), (1, 1)] { confusion.count(truth, Some(predicted))?; }
/// let scores = Scores::from_confusion(&confusion);
/// assert_eq!(scores.per_class[1].precision, 0.5);
/// assert_eq!(scores.macro_avg.recall, 0.75);
/// # Ok::<(), gradus_train::metrics::MetricsError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// One entry a class, in class order.
    pub per_class: Vec<ClassScores>,
    /// Plain mean over the classes that occur.
    pub macro_avg: Averages,
    /// From the summed counts.
    pub micro_avg: Averages,
    /// Mean weighted by support.
    pub weighted_avg: Averages,
}

impl Scores {
    /// Computes the scores. Sums go in class order, in f64.
    pub fn from_confusion(confusion: &ConfusionMatrix) -> Self {
        let per_class: Vec<ClassScores> = (0..confusion.classes())
            .map(|c| {
                let (hits, support, predicted) = (
                    confusion.get(c, c),
                    confusion.support(c),
                    confusion.predicted(c),
                );
                class_scores(hits, support, predicted)
            })
            .collect();
        let correct = confusion.correct();
        let total = confusion.total();
        let micro = class_scores(correct, total, total - confusion.invalid());
        Self {
            macro_avg: average(&per_class, |s| {
                f64::from(u8::from(s.support + s.predicted > 0))
            }),
            micro_avg: Averages {
                precision: micro.precision,
                recall: micro.recall,
                f1: micro.f1,
            },
            weighted_avg: average(&per_class, |s| s.support as f64),
            per_class,
        }
    }
}

fn class_scores(hits: u64, support: u64, predicted: u64) -> ClassScores {
    ClassScores {
        precision: ratio(hits, predicted),
        recall: ratio(hits, support),
        f1: ratio(2 * hits, support + predicted),
        support,
        predicted,
    }
}

/// `a / b`, or 0 when `b` is 0.
fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

fn average(classes: &[ClassScores], weight: impl Fn(&ClassScores) -> f64) -> Averages {
    let total: f64 = classes.iter().map(&weight).sum();
    let mean = |value: fn(&ClassScores) -> f64| {
        if total == 0.0 {
            0.0
        } else {
            classes.iter().map(|s| weight(s) * value(s)).sum::<f64>() / total
        }
    };
    Averages {
        precision: mean(|s| s.precision),
        recall: mean(|s| s.recall),
        f1: mean(|s| s.f1),
    }
}

#[cfg(test)]
mod tests {
    use super::{ConfusionMatrix, Scores};

    fn scores(classes: usize, pairs: &[(usize, Option<usize>)]) -> Scores {
        let mut m = ConfusionMatrix::new(classes).expect("classes");
        pairs
            .iter()
            .for_each(|&(t, p)| m.count(t, p).expect("in range"));
        Scores::from_confusion(&m)
    }

    #[track_caller]
    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-15, "{a} is not {b}");
    }

    #[test]
    fn by_hand_on_three_classes() {
        // true 0 0 1 2 2, predicted 0 2 1 0 2
        let s = scores(
            3,
            &[
                (0, Some(0)),
                (0, Some(2)),
                (1, Some(1)),
                (2, Some(0)),
                (2, Some(2)),
            ],
        );
        let rows: Vec<_> = s
            .per_class
            .iter()
            .map(|c| (c.precision, c.recall, c.f1, c.support))
            .collect();
        assert_eq!(
            rows,
            vec![(0.5, 0.5, 0.5, 2), (1.0, 1.0, 1.0, 1), (0.5, 0.5, 0.5, 2)]
        );
        close(s.macro_avg.f1, 2.0 / 3.0);
        close(s.micro_avg.f1, 0.6);
        close(s.weighted_avg.f1, (2.0 * 0.5 + 1.0 + 2.0 * 0.5) / 5.0);
    }

    #[test]
    fn empty_ratios_are_zero_and_absent_classes_stay_out_of_the_macro_mean() {
        // class 1 is never predicted, class 2 never true, class 3 neither
        let s = scores(4, &[(0, Some(0)), (0, Some(0)), (1, Some(2))]);
        assert_eq!(
            (
                s.per_class[1].precision,
                s.per_class[1].recall,
                s.per_class[1].f1
            ),
            (0.0, 0.0, 0.0)
        );
        assert_eq!(
            (
                s.per_class[2].precision,
                s.per_class[2].recall,
                s.per_class[2].support
            ),
            (0.0, 0.0, 0)
        );
        close(s.macro_avg.f1, 1.0 / 3.0); // classes 0, 1, 2
        close(s.weighted_avg.recall, 2.0 / 3.0);
    }

    #[test]
    fn rows_without_prediction_lower_recall_only() {
        let s = scores(2, &[(0, Some(0)), (0, None), (1, Some(1)), (1, Some(1))]);
        assert_eq!(
            (s.per_class[0].precision, s.per_class[0].recall),
            (1.0, 0.5)
        );
        close(s.per_class[0].f1, 2.0 / 3.0);
        assert_eq!((s.micro_avg.precision, s.micro_avg.recall), (1.0, 0.75));
    }

    #[test]
    fn nothing_counted_is_all_zero() {
        let s = scores(2, &[]);
        assert_eq!(
            (s.macro_avg.f1, s.micro_avg.f1, s.weighted_avg.f1),
            (0.0, 0.0, 0.0)
        );
    }
}
