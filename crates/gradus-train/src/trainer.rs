//! The loop: batches to steps, steps to epochs, with evaluation, logging and checkpoints between.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use gradus_autograd::{Gradients, Parameter, Precision, Tensor, Var, autocast};
use gradus_checkpoint::StateDict;
use gradus_data::{Batch, Dataset, Loader};
use gradus_linalg::optimizer as kernel;
use gradus_nn::Ctx;
use gradus_optim::{Ema, Optimizer, Schedule, clip_grad_norm, clip_grad_value, matches_pattern};

use crate::config::TrainConfig;
use crate::error::{Result, TrainError};
use crate::log::RunLog;
use crate::memory::{self, MemoryEstimate};
use crate::metrics::EvalReport;
use crate::nonfinite::{self, Kept};
use crate::optimization::{optimizer, schedule};
use crate::progress::{Observer, StepInfo};
use crate::saver::{Committed, Saver};
use crate::state::{Parts, Position, snapshot};
use crate::task::{Split, Task};
use crate::trace;

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All steps are done.
    Complete,
    /// No improvement for `early_stopping` evaluations.
    Early,
    /// The user asked for it.
    Interrupted,
}

/// What surrounds the steps of a run: its checkpoints, its logs, who listens, and what stops it.
pub(crate) struct Surroundings<'a> {
    pub(crate) saver: Saver,
    pub(crate) log: RunLog,
    pub(crate) observer: &'a mut dyn Observer,
    pub(crate) stop: &'a AtomicBool,
}

impl Surroundings<'_> {
    /// Waits until no checkpoint is being written.
    pub(crate) fn settle(&mut self) -> Result<()> {
        let committed = self.saver.wait()?;
        self.tell(committed);
        Ok(())
    }

    /// Waits if a checkpoint is being written that is more than `lag` steps older than `step`.
    fn keep_up(&mut self, step: u64, lag: u64) -> Result<()> {
        let behind = |written: u64| step.saturating_sub(written) > lag;
        if self.saver.in_flight().is_some_and(behind) {
            return self.settle();
        }
        let committed = self.saver.poll()?;
        self.tell(committed);
        Ok(())
    }

    fn tell(&mut self, committed: Option<Committed>) {
        if let Some(Committed { step, took }) = committed {
            self.observer.saved(step, took);
        }
    }
}

/// A model in training.
pub(crate) struct Trainer<'a> {
    config: &'a TrainConfig,
    pub(crate) task: Box<dyn Task>,
    parameters: Vec<Parameter>,
    loader: Loader,
    optimizer: Box<dyn Optimizer>,
    schedule: Box<dyn Schedule>,
    ema: Option<Ema>,
    /// Steps of the whole run.
    pub(crate) total_steps: u64,
    pub(crate) position: Position,
    pub(crate) best: Option<StateDict>,
    /// The last evaluation, and the step at which it was made.
    pub(crate) last_eval: Option<(u64, EvalReport)>,
    /// Why the last step changed nothing, until it is told.
    skipped: Option<String>,
}

impl<'a> Trainer<'a> {
    pub(crate) fn new(config: &'a TrainConfig, task: Box<dyn Task>) -> Result<Self> {
        let parameters = task.store().parameters();
        for parameter in &parameters {
            let frozen = |pattern: &String| matches_pattern(pattern, parameter.name());
            if config.freeze.iter().any(frozen) {
                parameter.set_trainable(false);
            }
        }
        let names: Vec<&str> = parameters.iter().map(Parameter::name).collect();
        let loader = task.train_loader()?;
        let steps_per_epoch = loader.len().div_ceil(config.accumulate) as u64;
        let planned = config.epochs.saturating_mul(steps_per_epoch);
        let total_steps = [planned, config.max_steps]
            .into_iter()
            .filter(|&steps| steps > 0)
            .min()
            .unwrap_or(0);
        // Schedules plan for all epochs: a run that max_steps cuts short goes on as if it had not been cut.
        let horizon = if config.epochs > 0 {
            planned
        } else {
            total_steps
        };
        let units = match config.schedule_unit.as_str() {
            "epoch" => horizon.div_ceil(steps_per_epoch.max(1)),
            _ => horizon,
        };
        let ema = (config.ema_decay > 0.0)
            .then(|| Ema::new(config.ema_decay, &parameters))
            .transpose()?;
        Ok(Self {
            config,
            task,
            loader,
            optimizer: optimizer(config, &names)?,
            schedule: schedule(config, units),
            ema,
            total_steps,
            position: Position::default(),
            best: None,
            last_eval: None,
            skipped: None,
            parameters,
        })
    }

    /// The training data.
    pub(crate) fn data(&self) -> &dyn Dataset {
        &**self.loader.dataset()
    }

    pub(crate) fn parts(&mut self) -> Parts<'_> {
        Parts {
            store: self.task.store(),
            optimizer: &mut *self.optimizer,
            schedule: &mut *self.schedule,
            ema: self.ema.as_mut(),
        }
    }

    /// Trains until the run is complete, nothing improves any more, or `stop` is set.
    pub(crate) fn run(&mut self, around: &mut Surroundings<'_>) -> Result<Ended> {
        if self.is_stale() {
            // A run that ended early and was resumed ends again.
            return Ok(Ended::Early);
        }
        while self.position.step < self.total_steps {
            if let Some(ended) = self.run_epoch(around)? {
                return Ok(ended);
            }
            self.position.epoch += 1;
            self.position.batch = 0;
            let every = self.config.eval_every;
            let due = every > 0 && self.position.epoch.is_multiple_of(every);
            if due {
                self.evaluate_and_judge(around)?;
                if self.is_stale() {
                    return Ok(Ended::Early);
                }
            }
        }
        Ok(Ended::Complete)
    }

    /// Whether too many evaluations found no lower loss.
    fn is_stale(&self) -> bool {
        let bound = self.config.early_stopping;
        bound > 0 && self.position.stale >= bound
    }

    /// The rest of the current epoch. `None` if it was done to its end.
    fn run_epoch(&mut self, around: &mut Surroundings<'_>) -> Result<Option<Ended>> {
        let mut batches = self
            .loader
            .epoch_from(self.position.epoch, self.position.batch);
        loop {
            if around.stop.load(Relaxed) {
                return Ok(Some(Ended::Interrupted));
            }
            if self.position.step >= self.total_steps {
                // The epoch may be cut short; what follows does not matter to a finished run.
                return Ok(Some(Ended::Complete));
            }
            let started = Instant::now();
            let Some(window) = self.next_window(&mut batches)? else {
                return Ok(None);
            };
            let info = self.step(&window, around)?;
            around.log.busy(started.elapsed(), info.examples);
            match self.skipped.take() {
                Some(message) => around.observer.warn(&message),
                None => self.position.add_loss(info.loss, info.examples),
            }
            around.log.samples(&info, &window)?;
            around.observer.stepped(&info);
            if self.position.step.is_multiple_of(self.config.log_every)
                || self.position.step == self.total_steps
            {
                around.log.step(&mut self.position, &info)?;
            }
            let every = self.config.checkpoint_every;
            if every > 0
                && self.position.step.is_multiple_of(every)
                && self.position.step < self.total_steps
            {
                self.save(around)?;
            }
        }
    }

    /// The micro-batches of the next step: fewer at the end of an epoch.
    fn next_window(&mut self, batches: &mut gradus_data::Epoch) -> Result<Option<Vec<Batch>>> {
        let _span = trace::span("load");
        let mut window = Vec::with_capacity(self.config.accumulate);
        while window.len() < self.config.accumulate {
            match batches.next() {
                Some(batch) => window.push(batch?),
                None => break,
            }
        }
        self.position.batch += window.len();
        Ok((!window.is_empty()).then_some(window))
    }

    /// One optimizer step.
    fn step(&mut self, window: &[Batch], around: &mut Surroundings<'_>) -> Result<StepInfo> {
        let _span = trace::span("step");
        let examples = window.iter().map(Batch::len).sum();
        let micro = self.position.micro;
        let kept = self
            .skips()
            .then(|| Kept::new(&self.task.store().buffers()));
        let (loss, mut grads) = self.gradients(window)?;
        if let Some(what) = nonfinite::first(loss, &grads, &self.parameters) {
            let info = self.not_finite(what.to_string(), window, micro, kept)?;
            // A step that is left out is one that a crash could lose, too.
            around.keep_up(info.step, self.config.checkpoint_lag)?;
            return Ok(info);
        }
        if self.config.clip_norm > 0.0 {
            clip_grad_norm(&mut grads, self.config.clip_norm)?;
        }
        if self.config.clip_value > 0.0 {
            clip_grad_value(&mut grads, self.config.clip_value)?;
        }
        let time = if self.config.schedule_unit == "epoch" {
            self.position.epoch
        } else {
            self.position.step
        };
        let lr = self.schedule.lr(self.config.lr, time);
        self.optimizer.set_lr(lr);
        // Only now are the tensors of a snapshot changed, and only now is a step done that a crash could lose.
        around.keep_up(self.position.step + 1, self.config.checkpoint_lag)?;
        {
            let _span = trace::span("optimizer");
            self.optimizer.step(&self.parameters, &grads)?;
        }
        if let Some(ema) = &mut self.ema {
            ema.update(&self.parameters)?;
        }
        self.position.step += 1;
        Ok(StepInfo {
            step: self.position.step,
            epoch: self.position.epoch,
            loss,
            lr,
            examples,
        })
    }

    fn skips(&self) -> bool {
        self.config.on_nonfinite == "skip"
    }

    /// What follows a step that has no finite loss and gradients: an error that says where that comes from, or no update, where the
    /// configuration says so and the next step can be better. `kept` are the buffers before the step.
    fn not_finite(
        &mut self,
        what: String,
        window: &[Batch],
        micro: u64,
        kept: Option<Kept>,
    ) -> Result<StepInfo> {
        let step = self.position.step;
        if let Some(kept) = kept {
            kept.put_back()?;
        }
        let again = nonfinite::Step {
            task: &*self.task,
            parameters: &self.parameters,
            window,
            seed: self.config.seed,
            micro,
        };
        let origin = again.origin()?;
        if !self.skips() || origin.stays() {
            return Err(TrainError::NonFinite { step, what, origin });
        }
        self.skipped = Some(format!("step {step} is left out: {what}; {origin}"));
        self.position.step += 1;
        Ok(StepInfo {
            step: self.position.step,
            epoch: self.position.epoch,
            loss: f64::NAN,
            lr: 0.0,
            examples: window.iter().map(Batch::len).sum(),
        })
    }

    /// Refuses a run that would take more memory than `max_memory` allows, before its first step.
    pub(crate) fn foresee(&mut self) -> Result<()> {
        let limit = (self.config.max_memory as u64).saturating_mul(1 << 20);
        let check = |estimate: MemoryEstimate| {
            if limit > 0 && estimate.total() > limit {
                return Err(TrainError::Memory { limit, estimate });
            }
            Ok(())
        };
        let mut estimate = memory::known(self.config, &self.parameters);
        check(estimate)?;
        if limit > 0
            && let Some(batch) = self.loader.epoch(self.position.epoch).next()
        {
            let (peak, batches) = memory::measure(self.config, &*self.task, &batch?)?;
            estimate.activations = peak.saturating_sub(estimate.gradients);
            estimate.batches = batches;
            check(estimate)?;
        }
        Ok(())
    }

    /// The mean loss over all samples of the window, and its gradients: those of one large batch.
    fn gradients(&mut self, window: &[Batch]) -> Result<(f64, Gradients)> {
        if let [batch] = window {
            let loss = self.forward(batch)?;
            let value = f64::from(loss.item::<f32>()?);
            let _span = trace::span("backward");
            return Ok((value, loss.backward()?));
        }
        // A micro-batch's mean counts by the weight of its samples.
        let (mut sum, mut total) = (0.0, 0.0);
        let mut grads = Gradients::default();
        for batch in window {
            let weight = self.task.weight(batch)?;
            let loss = self.forward(batch)?;
            sum += weight * f64::from(loss.item::<f32>()?);
            total += weight;
            let _span = trace::span("backward");
            let scaled =
                loss.backward_with(&Var::constant(Tensor::full(loss.shape(), weight as f32)?))?;
            grads.accumulate(scaled)?;
        }
        let share = if total > 0.0 { 1.0 / total } else { 0.0 };
        for grad in grads.iter_mut() {
            kernel::scale(grad.make_mut::<f32>()?, share as f32);
        }
        Ok((sum * share, grads))
    }

    fn forward(&mut self, batch: &Batch) -> Result<Var> {
        let _span = trace::span("forward");
        let ctx = Ctx::train(self.config.seed, self.position.micro);
        self.position.micro += 1;
        let precision = match self.config.dtype.as_str() {
            "bf16" => Precision::Bf16,
            _ => Precision::Full,
        };
        autocast(precision, || self.task.loss(batch, &ctx))
    }

    /// Scores the evaluation split, and notes whether it was better than all before.
    fn evaluate_and_judge(&mut self, around: &mut Surroundings<'_>) -> Result<()> {
        let Some(name) = self.task.split(Split::Eval).map(str::to_owned) else {
            return Ok(());
        };
        let report = self.evaluate(Split::Eval)?;
        // The epoch that was just done, as the lines of its steps call it.
        let epoch = self.position.epoch.saturating_sub(1);
        let step = self.position.step;
        around.log.evaluation(step, epoch, &name, &report)?;
        around.observer.evaluated(&name, step, epoch, &report);
        self.position.evaluated = Some(step);
        self.schedule.observe(report.loss);
        let better = self.position.best().is_none_or(|best| report.loss < best);
        if better {
            self.position.best_loss = Some(report.loss.to_bits());
            self.position.best_step = Some(step);
            self.position.stale = 0;
            if self.config.keep_best {
                self.best = Some(self.final_weights()?);
                self.save(around)?;
            }
        } else {
            self.position.stale += 1;
        }
        self.last_eval = Some((step, report));
        Ok(())
    }

    /// Scores a split with the weights that the run would end with.
    pub(crate) fn evaluate(&mut self, split: Split) -> Result<EvalReport> {
        let _span = trace::span("evaluate");
        self.swap_average()?;
        let report = self.task.evaluate(split);
        self.swap_average()?;
        report
    }

    /// A copy of the weights that the run would end with: the moving average if there is one.
    pub(crate) fn final_weights(&mut self) -> Result<StateDict> {
        self.swap_average()?;
        let copy = |(name, value): (String, Tensor)| Ok((name, value.deep_copy()?));
        let weights = self
            .task
            .store()
            .state_dict()
            .into_iter()
            .map(copy)
            .collect();
        self.swap_average()?;
        weights
    }

    fn swap_average(&mut self) -> Result<()> {
        match &mut self.ema {
            Some(ema) => Ok(ema.swap(&self.parameters)?),
            None => Ok(()),
        }
    }

    /// Begins to write a checkpoint of this step boundary, once the one before is committed.
    pub(crate) fn save(&mut self, around: &mut Surroundings<'_>) -> Result<()> {
        let _span = trace::span("checkpoint");
        let logs = around.log.mark(&mut self.position)?;
        let (position, best) = (self.position.clone(), self.best.clone());
        let snapshot = snapshot(&position, &self.parts(), best.as_ref(), logs);
        let before = around.saver.begin(snapshot)?;
        around.tell(before);
        Ok(())
    }
}
