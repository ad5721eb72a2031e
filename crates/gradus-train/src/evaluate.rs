//! Scoring a model on a split.

use gradus_autograd::ops::CrossEntropyConfig;
use gradus_autograd::{DType, Tensor, Var, no_grad};
use gradus_nn::{Ctx, Module};

use crate::config::TrainConfig;
use crate::data::{SplitData, eval_loader};
use crate::error::Result;
use crate::metrics::{EvalConfig, EvalReport, Evaluation};

/// Scores a model on a split: the loss is the plain cross-entropy, without smoothing and class weights.
///
/// # Errors
/// What loading, the model and the metrics report.
pub(crate) fn evaluate(
    model: &dyn Module,
    split: &SplitData,
    classes: &[String],
    config: &TrainConfig,
) -> Result<EvalReport> {
    let mut evaluation = Evaluation::new(classes, EvalConfig::default())?;
    for batch in eval_loader(split, config)?.epoch(0) {
        let batch = batch?;
        let logits = no_grad(|| model.forward(&Var::constant(batch.x), &Ctx::eval()))?;
        let loss = logits.cross_entropy(&batch.labels, &CrossEntropyConfig::default())?;
        evaluation.update(
            &logits_of(logits.tensor())?,
            &batch.labels.to_vec::<i64>()?,
            f64::from(loss.item::<f32>()?),
        )?;
    }
    Ok(evaluation.report()?)
}

/// Logits as f32, row by row.
pub(crate) fn logits_of(logits: &Tensor) -> Result<Vec<f32>> {
    Ok(logits.to_dtype(DType::F32)?.to_vec()?)
}
