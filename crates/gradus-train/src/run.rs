//! A run: its directory, from the configuration to the report.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use gradus_checkpoint::{
    Checkpoint, CheckpointStore, Manifest, RealFileSystem, RunDir, weights_sha256, write_atomically,
};
use serde::Serialize;

use crate::config::TrainConfig;
use crate::error::{Result, TrainError};
use crate::log::RunLog;
use crate::metrics::EvalReport;
use crate::progress::{Observer, Plan};
use crate::run_report::{Facts, write_report};
use crate::same_run::Identity;
use crate::saver::Saver;
use crate::state::{self, restore};
use crate::task::{self, Split};
use crate::trace;
use crate::trainer::{Ended, Surroundings, Trainer};

/// What a run needs besides its configuration.
#[derive(Clone, Debug)]
pub struct RunRequest<'a> {
    /// The configuration; `out` names the run directory.
    pub config: &'a TrainConfig,
    /// The same as TOML, complete: what `config.toml` will hold.
    pub config_text: &'a str,
    /// The command that started the run, for the report.
    pub command: &'a str,
    /// Continue the run in `out` from its newest whole checkpoint; with nothing there, start.
    pub resume: bool,
    /// Resume even if the configuration or the data are others; the weights and slots must still fit.
    pub resume_anyway: bool,
    /// Set to stop at the next step boundary.
    pub stop: &'a AtomicBool,
}

/// How a run ended: the fields that `gradus train --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The run directory.
    pub run: PathBuf,
    /// Optimizer steps done in all.
    pub steps: u64,
    /// Epochs begun.
    pub epochs: u64,
    /// The last logged training loss, in nats.
    pub train_loss: Option<f64>,
    /// The final evaluation.
    pub eval: Option<EvalReport>,
    /// The split of the final evaluation.
    pub eval_split: Option<String>,
    /// Wall-clock time of this process's part, in seconds.
    pub seconds: f64,
    /// The digest of the final weights.
    pub weights_sha256: String,
    /// The step at which a resumed run went on.
    pub resumed_from: Option<u64>,
    /// Whether the user stopped the run before its end.
    pub interrupted: bool,
    /// Whether `early_stopping` ended the run.
    pub stopped_early: bool,
}

/// Trains a model as the configuration says, and fills the run directory.
///
/// The compute threads are those of the pool in which this is called.
///
/// # Errors
/// Everything that [`TrainError`] lists. What was committed to the run directory stays.
pub fn train(request: &RunRequest<'_>, observer: &mut dyn Observer) -> Result<Outcome> {
    let started = Instant::now();
    let config = request.config;
    config.validate()?;
    let task = task::open(config)?;
    for warning in &task.about().warnings {
        observer.warn(warning);
    }
    let mut trainer = Trainer::new(config, task)?;
    let (dir, _lock) = RunDir::create(&config.out)?;
    let checkpoints = dir.store();
    trainer.position.run = Identity::of(config, trainer.data(), &trainer.task.about().classes);
    let resumed_from = continue_run(&mut trainer, &dir, &checkpoints, request, observer)?;
    trainer.foresee()?;
    write_text(&dir.config(), request.config_text)?;
    let resumed = resumed_from.map(|_| &trainer.position);
    let mut log = RunLog::open(&dir, config, resumed)?;
    log.config(request.config_text)?;
    let about = trainer.task.about();
    observer.started(&Plan {
        run: dir.path().to_owned(),
        model: about.model.clone(),
        parameters: trainer.task.store().parameter_count(),
        data: about.data.clone(),
        samples: about.samples,
        unit: about.unit,
        steps: trainer.total_steps,
        resumed_from,
    });
    let mut around = Surroundings {
        saver: Saver::new(checkpoints, config, request.config_text),
        log,
        observer,
        stop: request.stop,
    };
    let training = Instant::now();
    let ended = steps(&mut trainer, &mut around)?;
    let training = training.elapsed();
    let ending = Ending {
        ended,
        started,
        training,
        resumed_from,
    };
    finish(trainer, &dir, around, request, ending)
}

/// All steps, and the checkpoint at their end.
fn steps(trainer: &mut Trainer<'_>, around: &mut Surroundings<'_>) -> Result<Ended> {
    let ended = match trainer.run(around) {
        // A damaged file is found at a step boundary: with it mended, the run can go on from here.
        Err(error @ TrainError::Data(_)) if trainer.position.step > 0 => {
            trainer.save(around)?;
            around.settle()?;
            return Err(error);
        }
        ended => ended?,
    };
    around.settle()?;
    // An interrupted run goes on from here; a finished one can be extended.
    let saved = around.saver.store().steps()?;
    if saved.first() != Some(&trainer.position.step) {
        trainer.save(around)?;
        around.settle()?;
    }
    Ok(ended)
}

/// Restores the newest whole checkpoint if the run is resumed; refuses to write over a run that is not.
fn continue_run(
    trainer: &mut Trainer<'_>,
    dir: &RunDir,
    checkpoints: &CheckpointStore,
    request: &RunRequest<'_>,
    observer: &mut dyn Observer,
) -> Result<Option<u64>> {
    if !request.resume {
        let used =
            dir.metrics().exists() || dir.model().exists() || !checkpoints.steps()?.is_empty();
        return if used {
            Err(TrainError::RunExists {
                path: dir.path().to_owned(),
            })
        } else {
            Ok(None)
        };
    }
    let newest = checkpoints.newest_whole()?;
    for damaged in &newest.damaged {
        observer.warn(&format!(
            "passed over {}: {}",
            damaged.path.display(),
            damaged.reason
        ));
    }
    let Some(checkpoint) = newest.checkpoint else {
        return Ok(None);
    };
    let mut position = state::position(&checkpoint)?;
    let differences = position.run.differences(&trainer.position.run).join("\n");
    if !differences.is_empty() {
        if !request.resume_anyway {
            return Err(TrainError::RunChanged {
                path: dir.path().to_owned(),
                differences,
            });
        }
        observer.warn(&format!("going on with another run:\n{differences}"));
    }
    warn_of_another_program(&checkpoint, observer);
    position.run = trainer.position.run.clone();
    restore(&checkpoint, &position, &mut trainer.parts())?;
    trainer.best = state::best(&checkpoint)?;
    trainer.position = position;
    Ok(Some(trainer.position.step))
}

/// Bits are promised for one version of the program only.
fn warn_of_another_program(checkpoint: &Checkpoint, observer: &mut dyn Observer) {
    let (wrote, reads) = (&checkpoint.manifest().program, Manifest::this_program());
    if *wrote != reads {
        observer.warn(&format!(
            "the checkpoint was written by {wrote}, this is {reads}: the bits may be others than without the change"
        ));
    }
}

struct Ending {
    ended: Ended,
    started: Instant,
    training: Duration,
    resumed_from: Option<u64>,
}

/// Evaluates, saves the weights, writes the report.
fn finish(
    mut trainer: Trainer<'_>,
    dir: &RunDir,
    around: Surroundings<'_>,
    request: &RunRequest<'_>,
    ending: Ending,
) -> Result<Outcome> {
    let Surroundings {
        mut log, observer, ..
    } = around;
    let config = request.config;
    let position = trainer.position.clone();
    // Within an epoch that was cut short, its number counts too.
    let epochs = position.epoch + u64::from(position.batch > 0);
    let interrupted = ending.ended == Ended::Interrupted;
    let mut eval = None;
    let test = trainer.task.split(Split::Test).map(str::to_owned);
    if let Some(split) = test.filter(|_| !interrupted) {
        let same = trainer.task.split(Split::Eval) == Some(&split);
        let fresh = trainer
            .last_eval
            .take()
            .filter(|(step, _)| same && *step == position.step);
        let report = match fresh {
            Some((_, report)) => report,
            None => {
                let report = trainer.evaluate(Split::Test)?;
                let epoch = epochs.saturating_sub(1);
                // A resumed run may have been scored here, and logged it, before it was stopped.
                if !same || position.evaluated != Some(position.step) {
                    log.evaluation(position.step, epoch, &split, &report)?;
                }
                observer.evaluated(&split, position.step, epoch, &report);
                report
            }
        };
        eval = Some((split, report));
    }
    log.sync()?;
    let weights = trainer.final_weights()?;
    trainer.task.save(dir, &weights, trainer.best.as_ref())?;
    let outcome = Outcome {
        run: dir.path().to_owned(),
        steps: position.step,
        epochs,
        train_loss: position.last_loss.map(f64::from_bits),
        eval_split: eval.as_ref().map(|(split, _)| split.clone()),
        eval: eval.map(|(_, report)| report),
        seconds: ending.started.elapsed().as_secs_f64(),
        weights_sha256: weights_sha256(&weights),
        resumed_from: ending.resumed_from,
        interrupted,
        stopped_early: ending.ended == Ended::Early,
    };
    let facts = Facts {
        outcome: &outcome,
        request,
        task: &*trainer.task,
        training: ending.training,
    };
    write_report(&dir.report(), log.path(), &facts)?;
    if !config.trace.is_empty() {
        trace::write(&config.trace).map_err(TrainError::io(&config.trace, "write"))?;
    }
    Ok(outcome)
}

/// Writes a small file, whole or not at all.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<()> {
    write_atomically(&RealFileSystem, path, &mut |out| {
        out.write_all(text.as_bytes())
    })?;
    Ok(())
}
