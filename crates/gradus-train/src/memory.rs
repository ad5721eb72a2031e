//! How much memory a run will take, before it takes it.
//!
//! What is known is counted: parameters, gradients, optimizer slots, averages, snapshots. What depends on the model's inside is measured:
//! forward and backward of two small batches, from which the tensors of a whole one follow, as activations grow with the number of samples.

use std::fmt;

use gradus_autograd::{Parameter, Tensor, no_grad};
use gradus_data::Batch;
use gradus_nn::Ctx;
use gradus_tensor::pool;

use crate::config::TrainConfig;
use crate::error::Result;
use crate::nonfinite::Kept;
use crate::task::Task;

/// Samples of the larger of the two batches that are measured; the smaller has half of them.
const PROBE: usize = 4;

/// What a run will take, in bytes, by what takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// The program as it is, with the data that it holds, the parameters and their moving average.
    pub held: u64,
    /// A gradient of each trained parameter, and another while micro-batches add up.
    pub gradients: u64,
    /// The optimizer's slots.
    pub optimizer: u64,
    /// What a checkpoint keeps of the step it is of while training goes on.
    pub snapshot: u64,
    /// What a forward and a backward hold beside that.
    pub activations: u64,
    /// Batches that are loaded ahead.
    pub batches: u64,
}

impl MemoryEstimate {
    /// All of it.
    pub fn total(&self) -> u64 {
        let parts = [
            self.held,
            self.gradients,
            self.optimizer,
            self.snapshot,
            self.activations,
            self.batches,
        ];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

impl fmt::Display for MemoryEstimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} MiB: program, data and weights {}, gradients {}, optimizer {}, snapshot {}, activations {}, batches {}",
            mib(self.total()),
            mib(self.held),
            mib(self.gradients),
            mib(self.optimizer),
            mib(self.snapshot),
            mib(self.activations),
            mib(self.batches)
        )
    }
}

fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn bytes_of(tensor: &Tensor) -> u64 {
    wide(tensor.numel().saturating_mul(tensor.dtype().size()))
}

/// What is known without computing anything.
pub(crate) fn known(config: &TrainConfig, parameters: &[Parameter]) -> MemoryEstimate {
    let trained = parameters.iter().filter(|p| p.trainable());
    let trained = trained
        .map(|p| bytes_of(&p.tensor()))
        .fold(0, u64::saturating_add);
    let all = parameters.iter().map(|p| bytes_of(&p.tensor()));
    let all = all.fold(0, u64::saturating_add);
    let slots = match config.optimizer.as_str() {
        "sgd" => u64::from(config.momentum > 0.0),
        _ => 2 + u64::from(config.amsgrad),
    };
    let optimizer = trained.saturating_mul(slots);
    let saves = config.checkpoint_every > 0;
    MemoryEstimate {
        held: resident().max(wide(pool::stats().live_bytes)),
        gradients: trained.saturating_mul(1 + u64::from(config.accumulate > 1)),
        optimizer,
        snapshot: u64::from(saves) * all.saturating_add(optimizer),
        ..MemoryEstimate::default()
    }
}

/// Measures what a step on a batch holds beside the parameters, its gradients among it, and what the batches ahead take.
///
/// # Errors
/// Those of the forward and the backward.
pub(crate) fn measure(config: &TrainConfig, task: &dyn Task, batch: &Batch) -> Result<(u64, u64)> {
    let kept = Kept::new(&task.store().buffers());
    let large = batch.len().min(PROBE);
    let small = large.div_ceil(2);
    let train = |samples: usize| -> Result<u64> {
        let part = first(batch, samples)?;
        peak_of(|| {
            let ctx = Ctx::train(config.seed, 0);
            task.loss(&part, &ctx)?.backward()?;
            Ok(())
        })
    };
    let evaluate = |samples: usize| -> Result<u64> {
        let part = first(batch, samples)?;
        peak_of(|| no_grad(|| task.loss(&part, &Ctx::eval())).map(drop))
    };
    let measured = || -> Result<u64> {
        let peaks = [train(small)?, train(large)?];
        let training = extend([small, large], peaks, batch.len());
        let peaks = [evaluate(small)?, evaluate(large)?];
        let scoring = extend([small, large], peaks, config.eval_batch_size);
        Ok(training.max(scoring))
    };
    let found = measured();
    kept.put_back()?;
    let one = bytes_of(&batch.x) + bytes_of(&batch.labels);
    let ahead = config.workers.saturating_mul(config.prefetch) + config.workers + config.accumulate;
    Ok((found?, one.saturating_mul(wide(ahead))))
}

/// The peak for `samples`, on the line through two measured ones.
fn extend(at: [usize; 2], peaks: [u64; 2], samples: usize) -> u64 {
    let [small, large] = peaks;
    if at[0] == at[1] {
        let share = wide(samples).div_ceil(wide(at[1]).max(1));
        return large.saturating_mul(share);
    }
    let each = large.saturating_sub(small).div_ceil(wide(at[1] - at[0]));
    let more = wide(samples.saturating_sub(at[1]));
    large.saturating_add(each.saturating_mul(more))
}

/// The first samples of a batch.
fn first(batch: &Batch, samples: usize) -> Result<Batch> {
    let cut = |x: &Tensor| x.narrow(0, 0, samples)?.contiguous();
    Ok(Batch {
        x: cut(&batch.x)?,
        labels: cut(&batch.labels)?,
        lengths: batch.lengths.as_ref().map(cut).transpose()?,
        indices: batch.indices[..samples].to_vec(),
    })
}

/// The most memory of tensors that `f` holds at a time, beyond what was held before.
fn peak_of(f: impl FnOnce() -> Result<()>) -> Result<u64> {
    let held = pool::stats().live_bytes;
    pool::reset_peak();
    f()?;
    Ok(wide(pool::stats().peak_bytes.saturating_sub(held)))
}

/// The process's memory that is in the machine's, where the system says it.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_go_on_along_a_line() {
        assert_eq!(extend([2, 4], [100, 160], 4), 160);
        assert_eq!(extend([2, 4], [100, 160], 64), 160 + 60 * 30);
        // One sample at a time: no line, so each is as the first.
        assert_eq!(extend([1, 1], [50, 50], 3), 150);
        // Less work for more samples cannot be; a fluctuation counts as none.
        assert_eq!(extend([2, 4], [100, 90], 64), 90);
    }

    #[test]
    fn what_is_known_follows_the_optimizer() {
        let x = Tensor::zeros([250], gradus_autograd::DType::F32).unwrap();
        let parameters = [Parameter::new("a", x.clone()), Parameter::new("b", x)];
        parameters[1].set_trainable(false);
        let mut config = TrainConfig {
            optimizer: "sgd".into(),
            momentum: 0.0,
            checkpoint_every: 0,
            ..TrainConfig::default()
        };
        let of = |config: &TrainConfig| {
            let e = known(config, &parameters);
            (e.gradients, e.optimizer, e.snapshot)
        };
        assert_eq!(of(&config), (1000, 0, 0));
        config.momentum = 0.9;
        config.accumulate = 4;
        assert_eq!(of(&config), (2000, 1000, 0));
        config.optimizer = "adam".into();
        config.checkpoint_every = 5;
        assert_eq!(of(&config), (2000, 2000, 4000));
        assert!(cfg!(not(target_os = "linux")) || resident() > 1 << 20);
    }
}
