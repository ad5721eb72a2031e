//! One pass over evaluation data, batch by batch.

use super::accuracy::{Accuracy, TopK, check_batch};
use super::error::{MetricsError, Result};
use super::ranking::{predict, rank_of};
use super::{ClassReport, ConfusionMatrix, EvalReport, Mean, RocAuc, Scores};

/// What an [`Evaluation`] collects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvalConfig {
    /// Rows with this label are left out of everything, as `ignore_index` of PyTorch's losses. Default `None`.
    pub ignore_index: Option<i64>,
    /// Most probabilities (`N · C`, 8 bytes each) kept for ROC-AUC; above it the AUC is `None`. Default 2²⁴ (128 MiB); 0 turns it off.
    pub roc_auc_limit: usize,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            ignore_index: None,
            roc_auc_limit: 1 << 24,
        }
    }
}

/// Streaming evaluation of a classifier: feed batches, then read the [`EvalReport`].
///
/// # Example
/// ```
/// use gradus_train::metrics::{EvalConfig, Evaluation};
/// let mut evaluation = Evaluation::new(&["cat".into(), "dog".into()], EvalConfig::default())?;
/// evaluation.update(&[2.0, 0.0, 0.5, 1.0, 3.0, 0.0], &[0, 1, 1], 1.25)?; // (3, 2) logits, (3,) labels, mean loss
/// let report = evaluation.report()?;
/// assert_eq!((report.examples, report.confusion), (3, vec![vec![1, 0], vec![1, 1]]));
/// # Ok::<(), gradus_train::metrics::MetricsError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Evaluation {
    classes: Vec<String>,
    config: EvalConfig,
    loss: Mean,
    accuracy: Accuracy,
    top5: TopK,
    confusion: ConfusionMatrix,
    roc_auc: RocAuc,
}

impl Evaluation {
    /// An empty evaluation over these class names, in label order.
    ///
    /// # Errors
    /// [`MetricsError::NoClasses`], [`MetricsError::TooManyClasses`].
    pub fn new(classes: &[String], config: EvalConfig) -> Result<Self> {
        Ok(Self {
            classes: classes.to_vec(),
            config,
            loss: Mean::default(),
            accuracy: Accuracy::default(),
            top5: TopK::new(5)?,
            confusion: ConfusionMatrix::new(classes.len())?,
            roc_auc: RocAuc::new(classes.len(), config.roc_auc_limit),
        })
    }

    /// Adds a batch: `logits` `(N, C)`, `labels` `(N,)`, and the mean loss over its rows (over those not ignored).
    ///
    /// # Errors
    /// [`MetricsError::Length`], [`MetricsError::Label`]; then nothing is counted.
    pub fn update(&mut self, logits: &[f32], labels: &[i64], mean_loss: f64) -> Result<()> {
        let classes = self.classes.len();
        let indices = check_batch(
            "evaluation",
            logits,
            labels,
            classes,
            self.config.ignore_index,
        )?;
        let mut kept = 0;
        for (row, label) in logits.chunks_exact(classes).zip(indices) {
            let Some(label) = label else { continue };
            let rank = rank_of(row, label);
            self.accuracy.count(rank == Some(0));
            self.top5.count(rank);
            self.confusion.count(label, predict(row))?;
            self.roc_auc.add(row, label);
            kept += 1;
        }
        self.loss.add(mean_loss, kept);
        Ok(())
    }

    /// Examples counted so far.
    pub fn examples(&self) -> u64 {
        self.accuracy.total()
    }

    /// Accuracy so far; `None` before the first example.
    pub fn accuracy(&self) -> Option<f64> {
        self.accuracy.value()
    }

    /// Mean loss so far; `None` before the first example.
    pub fn loss(&self) -> Option<f64> {
        self.loss.mean()
    }

    /// The report of everything seen.
    ///
    /// # Errors
    /// [`MetricsError::NoExamples`].
    pub fn report(&self) -> Result<EvalReport> {
        let none = MetricsError::NoExamples { op: "evaluation" };
        let (Some(loss), Some(accuracy), Some(top5)) =
            (self.loss.mean(), self.accuracy.value(), self.top5.value())
        else {
            return Err(none);
        };
        let scores = Scores::from_confusion(&self.confusion);
        let auc = self.roc_auc.per_class();
        let per_class = self.classes.iter().zip(&scores.per_class).zip(&auc);
        let per_class = per_class.map(|((class, s), &roc_auc)| ClassReport {
            class: class.clone(),
            precision: s.precision,
            recall: s.recall,
            f1: s.f1,
            support: s.support,
            roc_auc,
        });
        Ok(EvalReport {
            loss,
            accuracy,
            top5,
            macro_avg: scores.macro_avg,
            micro_avg: scores.micro_avg,
            weighted_avg: scores.weighted_avg,
            roc_auc: self.roc_auc.value(),
            examples: self.examples(),
            invalid: self.confusion.invalid(),
            per_class: per_class.collect(),
            classes: self.classes.clone(),
            confusion: self.confusion.rows(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{EvalConfig, Evaluation, MetricsError};

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("c{i}")).collect()
    }

    /// 40 rows of 6 classes, some NaN-free ties among them.
    fn data() -> (Vec<f32>, Vec<i64>) {
        let logits = (0..240i32)
            .map(|i| ((i * i * 7 + i * 3) % 23) as f32 / 4.0)
            .collect();
        (logits, (0..40i64).map(|i| (i * i + 2) % 6).collect())
    }

    #[test]
    fn batches_of_any_size_give_the_same_report() {
        let (logits, labels) = data();
        let run = |batch: usize| {
            let mut e = Evaluation::new(&names(6), EvalConfig::default()).expect("classes");
            for (x, y) in logits.chunks(batch * 6).zip(labels.chunks(batch)) {
                e.update(x, y, 0.75).expect("valid");
            }
            e.report().expect("examples")
        };
        let whole = run(40);
        assert_eq!(whole.examples, 40);
        for batch in [1, 3, 7, 39] {
            assert_eq!(run(batch), whole, "batch size {batch}");
        }
    }

    #[test]
    fn ignored_rows_leave_no_trace() {
        let config = EvalConfig {
            ignore_index: Some(-100),
            ..EvalConfig::default()
        };
        let mut e = Evaluation::new(&names(2), config).expect("classes");
        e.update(&[1.0, 0.0, f32::NAN, 0.0, 0.0, 1.0], &[0, -100, 1], 0.5)
            .expect("valid");
        let r = e.report().expect("examples");
        assert_eq!(
            (r.examples, r.invalid, r.accuracy, r.loss, r.roc_auc),
            (2, 0, 1.0, 0.5, Some(1.0))
        );
        e.update(&[1.0, 0.0], &[-100], f64::NAN).expect("valid");
        assert_eq!(e.report().expect("examples").loss, 0.5);
    }

    #[test]
    fn nan_rows_count_as_wrong_and_take_the_auc_away() {
        let mut e = Evaluation::new(&names(2), EvalConfig::default()).expect("classes");
        e.update(&[f32::NAN, 0.0, 0.0, 1.0], &[0, 1], f64::NAN)
            .expect("valid");
        let r = e.report().expect("examples");
        assert_eq!(
            (r.accuracy, r.top5, r.invalid, r.roc_auc),
            (0.5, 0.5, 1, None)
        );
        assert_eq!(r.confusion, vec![vec![0, 0], vec![0, 1]]);
        assert!(r.loss.is_nan());
    }

    #[test]
    fn refuses_bad_batches_whole() {
        let mut e = Evaluation::new(&names(2), EvalConfig::default()).expect("classes");
        assert!(matches!(
            e.update(&[1.0, 0.0, 0.0, 1.0], &[0, 2], 0.1),
            Err(MetricsError::Label {
                row: 1,
                label: 2,
                ..
            })
        ));
        assert!(matches!(
            e.update(&[1.0, 0.0, 0.0], &[0, 1], 0.1),
            Err(MetricsError::Length { .. })
        ));
        assert_eq!(
            e.report(),
            Err(MetricsError::NoExamples { op: "evaluation" })
        );
        assert!(matches!(
            Evaluation::new(&[], EvalConfig::default()),
            Err(MetricsError::NoClasses { .. })
        ));
    }

    #[test]
    fn the_auc_limit_turns_it_off() {
        let (logits, labels) = data();
        let mut e = Evaluation::new(
            &names(6),
            EvalConfig {
                roc_auc_limit: 239,
                ..EvalConfig::default()
            },
        )
        .expect("classes");
        e.update(&logits, &labels, 1.0).expect("valid");
        assert_eq!(e.report().expect("examples").roc_auc, None);
    }
}
