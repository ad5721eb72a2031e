//! Everything that the next step depends on, as checkpoints hold it.
//!
//! Floats stand as bits: decimal text need not give the same bits back.

use std::fs::File;
use std::path::PathBuf;

use gradus_autograd::Tensor;
use gradus_checkpoint::{Checkpoint, StateDict};
use gradus_nn::ParamStore;
use gradus_optim::{Ema, Optimizer, OptimizerState, Schedule};
use serde::{Deserialize, Serialize};

use crate::error::{Result, TrainError};
use crate::same_run::Identity;
use crate::saver::{BEST, Snapshot};

/// The part of the state that is not tensors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Position {
    /// Optimizer steps done.
    pub(crate) step: u64,
    /// The epoch in which the next batch is.
    pub(crate) epoch: u64,
    /// The next batch of that epoch.
    pub(crate) batch: usize,
    /// Micro-batches done: the step of random numbers.
    pub(crate) micro: u64,
    /// Evaluations in a row without a lower loss.
    pub(crate) stale: u64,
    /// Bits of the lowest evaluation loss.
    pub(crate) best_loss: Option<u64>,
    /// Bits of the loss summed since the last logged step, weighted by samples.
    pub(crate) loss_sum: u64,
    /// Samples since the last logged step.
    pub(crate) loss_examples: u64,
    /// Bits of the last logged loss.
    pub(crate) last_loss: Option<u64>,
    /// Bits of the schedule's state.
    pub(crate) schedule: Vec<u64>,
    /// The optimizer's own count of steps.
    pub(crate) optimizer_step: u64,
    /// The step at which the lowest evaluation loss was found.
    pub(crate) best_step: Option<u64>,
    /// The step after which the evaluation split was scored last.
    pub(crate) evaluated: Option<u64>,
    /// Bytes of `metrics.jsonl`.
    pub(crate) log_bytes: u64,
    /// Bytes of `samples.jsonl`.
    pub(crate) sample_log_bytes: u64,
    /// Which run it is.
    pub(crate) run: Identity,
}

impl Position {
    pub(crate) fn best(&self) -> Option<f64> {
        self.best_loss.map(f64::from_bits)
    }

    /// Takes a step's loss in.
    pub(crate) fn add_loss(&mut self, loss: f64, examples: usize) {
        let sum = f64::from_bits(self.loss_sum) + loss * examples as f64;
        self.loss_sum = sum.to_bits();
        self.loss_examples += examples as u64;
    }

    /// The mean loss since the last call.
    pub(crate) fn take_loss(&mut self) -> Option<f64> {
        if self.loss_examples == 0 {
            return None;
        }
        let mean = f64::from_bits(self.loss_sum) / self.loss_examples as f64;
        (self.loss_sum, self.loss_examples) = (0, 0);
        self.last_loss = Some(mean.to_bits());
        Some(mean)
    }
}

/// The largest count that a checkpoint may hold: room enough to count on from there.
const MOST: u64 = 1 << 53;

/// The slots of the moving average stand beside the optimizer's, under this prefix.
const EMA: &str = "ema.";

/// What a checkpoint is made of and restored into.
pub(crate) struct Parts<'a> {
    pub(crate) store: &'a ParamStore,
    pub(crate) optimizer: &'a mut dyn Optimizer,
    pub(crate) schedule: &'a mut dyn Schedule,
    pub(crate) ema: Option<&'a mut Ema>,
}

/// Everything that a checkpoint of this position holds. Its tensors are shared, not copied.
pub(crate) fn snapshot(
    position: &Position,
    parts: &Parts<'_>,
    best: Option<&StateDict>,
    logs: Vec<(PathBuf, File)>,
) -> Snapshot {
    let OptimizerState { step, mut slots } = parts.optimizer.state();
    if let Some(ema) = &parts.ema {
        slots.extend(
            ema.averages()
                .iter()
                .map(|(name, average)| (format!("{EMA}{name}"), average.clone())),
        );
    }
    let mut position = position.clone();
    position.optimizer_step = step;
    position.schedule = parts
        .schedule
        .state()
        .into_iter()
        .map(f64::to_bits)
        .collect();
    Snapshot {
        step: position.step,
        model: parts.store.state_dict(),
        optimizer: slots,
        best: best.cloned(),
        state: serde_json::to_value(&position).unwrap_or_default(),
        best_step: best.and(position.best_step),
        logs,
    }
}

/// The position that a checkpoint holds.
pub(crate) fn position(checkpoint: &Checkpoint) -> Result<Position> {
    let incomplete = |error: String| TrainError::Incomplete {
        path: checkpoint.path().to_owned(),
        what: format!("its state.json is not that of a training run: {error}"),
    };
    let position: Position = serde_json::from_value(checkpoint.state()?)
        .map_err(|error| incomplete(error.to_string()))?;
    if position.optimizer_step > position.step {
        return Err(incomplete(format!(
            "{} steps of the optimizer in {} steps",
            position.optimizer_step, position.step
        )));
    }
    let counts = [
        ("step", position.step),
        ("epoch", position.epoch),
        ("batch", position.batch as u64),
        ("micro", position.micro),
        ("stale", position.stale),
        ("loss_examples", position.loss_examples),
        ("best_step", position.best_step.unwrap_or(0)),
        ("evaluated", position.evaluated.unwrap_or(0)),
        ("log_bytes", position.log_bytes),
        ("sample_log_bytes", position.sample_log_bytes),
    ];
    if let Some((name, count)) = counts.into_iter().find(|(_, count)| *count > MOST) {
        return Err(incomplete(format!(
            "{name} is {count}, more than any run counts"
        )));
    }
    Ok(position)
}

/// The weights with the lowest evaluation loss, if the checkpoint holds them.
pub(crate) fn best(checkpoint: &Checkpoint) -> Result<Option<StateDict>> {
    if checkpoint.manifest().file(BEST).is_none() {
        return Ok(None);
    }
    Ok(Some(checkpoint.tensors(BEST)?.0))
}

/// Puts the tensors of a checkpoint of this position back.
pub(crate) fn restore(
    checkpoint: &Checkpoint,
    position: &Position,
    parts: &mut Parts<'_>,
) -> Result<()> {
    gradus_models::load_weights_from(parts.store, &checkpoint.model()?, checkpoint.path())?;
    let (averages, slots): (Vec<(String, Tensor)>, Vec<_>) = checkpoint
        .optimizer()?
        .into_iter()
        .partition(|(name, _)| name.starts_with(EMA));
    let parameters = parts.store.parameters();
    parts.optimizer.load_state(
        &parameters,
        OptimizerState {
            step: position.optimizer_step,
            slots,
        },
    )?;
    let state: Vec<f64> = position
        .schedule
        .iter()
        .copied()
        .map(f64::from_bits)
        .collect();
    parts.schedule.load_state(&state);
    if let Some(ema) = &mut parts.ema {
        let averages: Vec<(String, Tensor)> = averages
            .into_iter()
            .map(|(name, average)| (name[EMA.len()..].to_owned(), average))
            .collect();
        if averages.len() != ema.averages().len() {
            return Err(TrainError::Incomplete {
                path: checkpoint.path().to_owned(),
                what: "it holds no moving average; set ema_decay to 0 or start anew".into(),
            });
        }
        ema.load(averages);
    }
    Ok(())
}
