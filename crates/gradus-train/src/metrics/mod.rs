//! Metrics of a classifier: streaming accumulators over logits and labels, and the report of an evaluation.
//!
//! Letters: `N` examples (rows), `C` classes. Every accumulator takes slices: logits `(N, C)` row-major f32, labels `(N,)` i64.
//!
//! Three rules hold in the whole room:
//! - **Sums are exact.** Counts are `u64`; losses go through [`ExactSum`], which rounds once, at the end. So the numbers of an
//!   evaluation depend neither on the order of the batches nor on their size (for losses: on the batch means that come in).
//! - **NaN.** A row that holds a NaN logit has no prediction. It counts as an example and as wrong: it lowers accuracy, top-k, and the
//!   recall and F1 of its true class; it stands in no column of the confusion matrix; [`EvalReport::invalid`] counts such rows, and
//!   ROC-AUC is undefined (`None`) as soon as there is one. (PyTorch's `argmax` would call the first NaN the winner, which lets a
//!   network of NaNs score 1/C.) Infinite logits are ordinary values.
//! - **Ties.** Of equal logits the lowest class index wins, as in NumPy's `argmax`.

mod accuracy;
mod confusion;
mod error;
mod eval_report;
mod evaluation;
mod exact_sum;
mod mean;
mod ranking;
mod roc_auc;
mod scores;

pub use accuracy::{Accuracy, TopK};
pub use confusion::{ConfusionMatrix, MAX_CLASSES};
pub use error::MetricsError;
pub use eval_report::{ClassReport, EvalReport};
pub use evaluation::{EvalConfig, Evaluation};
pub use exact_sum::ExactSum;
pub use mean::Mean;
pub use ranking::{predict, rank_of, softmax_row};
pub use roc_auc::{RocAuc, roc_auc};
pub use scores::{Averages, ClassScores, Scores};
