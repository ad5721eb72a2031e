//! `gradus train`: from the command line to a run directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use gradus_checkpoint::RunDir;
use gradus_linalg::threads;
use gradus_train::config::TrainConfig;
use gradus_train::{Outcome, RunRequest, trace};

use crate::args::TrainArgs;
use crate::config_file::{Layers, render};
use crate::exit::{Ending, usage};
use crate::progress::{Progress, span};
use crate::run_folder::{Claim, is_config_of};
use crate::{logging, output, signals};

pub(super) fn run(args: &TrainArgs) -> Result<Ending> {
    logging::start(args.quiet);
    let (mut config, layers) = configuration(args)?;
    // Before anything computes: the pool can be sized once.
    threads::set_threads(config.threads);
    let _claim = choose_directory(args, &layers, &mut config)?;
    let stop = signals::stop_flag(args.quiet)?;
    if !config.trace.is_empty() {
        trace::start();
    }
    let (config_text, command) = (render(&config)?, command_line());
    let request = RunRequest {
        config: &config,
        config_text: &config_text,
        command: &command,
        resume: args.resumes(),
        resume_anyway: args.resume_anyway,
        stop,
    };
    let mut progress = Progress::new(args.quiet);
    let outcome = threads::install(|| gradus_train::train(&request, &mut progress));
    progress.finish();
    let outcome = outcome?;
    if args.json {
        output::json(&outcome)?;
    } else {
        output::text_of(summary(&outcome))?;
    }
    if !outcome.interrupted {
        return Ok(Ending::Done);
    }
    if !args.quiet {
        let config = RunDir::new(&outcome.run).config();
        let words = ["gradus", "train", &config.to_string_lossy(), "--resume"]
            .map(quoted)
            .join(" ");
        output::note(format_args!(
            "interrupted after step {}; go on with: {words}",
            outcome.steps
        ));
    }
    Ok(Ending::Interrupted)
}

/// Defaults, file, `--set` and flags, in this order.
fn configuration(args: &TrainArgs) -> Result<(TrainConfig, Layers)> {
    let mut layers = Layers::default();
    let inherited = inherited_file(args);
    if let Some(file) = args.config.as_ref().or(inherited.as_ref()) {
        layers.add_file(file)?;
    }
    for pair in &args.set {
        layers.add_set(pair)?;
    }
    let (data, model, optimization, run) = (&args.data, &args.model, &args.optimization, &args.run);
    layers.add_flag("task", data.task.clone());
    layers.add_flag("data", data.data.clone());
    layers.add_flag("train_file", data.train_file.clone());
    layers.add_flag("eval_file", data.eval_file.clone());
    layers.add_flag("tokenizer", data.tokenizer.clone());
    layers.add_flag("skip_bad_images", data.skip_bad_images.then_some(true));
    layers.add_flag("workers", data.workers);
    layers.add_flag("model", model.model.clone());
    layers.add_flag("from", model.from.clone());
    layers.add_flag("init", model.init.clone());
    layers.add_flag("epochs", optimization.epochs);
    layers.add_flag("max_steps", optimization.max_steps);
    layers.add_flag("batch_size", optimization.batch_size);
    layers.add_flag("lr", optimization.lr);
    layers.add_flag("momentum", optimization.momentum);
    layers.add_flag("weight_decay", optimization.weight_decay);
    layers.add_flag("optimizer", optimization.optimizer.clone());
    layers.add_flag("schedule", optimization.schedule.clone());
    layers.add_flag("seed", optimization.seed);
    layers.add_flag("out", run.out.clone());
    layers.add_flag("checkpoint_every", run.checkpoint_every);
    layers.add_flag("dtype", run.dtype.clone());
    layers.add_flag("threads", run.threads);
    layers.add_flag("max_memory", run.max_memory);
    layers.add_flag("trace", run.trace.clone());
    let mut config = layers.resolve()?;
    if inherited.is_some() && layers.is_from_file("max_steps") {
        lift_reached_limit(&mut config);
    }
    Ok((config, layers))
}

/// `gradus train --out RUN --resume` goes on with the configuration that the run has.
fn inherited_file(args: &TrainArgs) -> Option<PathBuf> {
    let out = args
        .run
        .out
        .as_ref()
        .filter(|_| args.resumes() && args.config.is_none())?;
    Some(RunDir::new(out).config()).filter(|file| file.is_file())
}

/// Who continues a run that ended at its `max_steps` wants the rest of its epochs.
fn lift_reached_limit(config: &mut TrainConfig) {
    let steps = RunDir::new(&config.out).store().steps().unwrap_or_default();
    let reached = steps.iter().any(|&step| step >= config.max_steps);
    if reached && config.epochs > 0 {
        config.max_steps = 0;
    }
}

/// Sets `out` where the user left it open. What is returned keeps the directory for this run.
fn choose_directory(
    args: &TrainArgs,
    layers: &Layers,
    config: &mut TrainConfig,
) -> Result<Option<Claim>> {
    if config.out.is_empty() && args.resumes() {
        return Err(usage(
            "--resume: which run? Name its directory with --out, or give its config.toml",
        ));
    }
    let file = args
        .config
        .as_deref()
        .filter(|_| layers.is_from_file("out") && !args.resumes());
    let claim = if config.out.is_empty() {
        Claim::for_new_run(config)?
    } else if file.is_some_and(|file| is_config_of(file, Path::new(&config.out))) {
        // The run's own configuration: it is repeated beside it.
        Claim::beside(Path::new(&config.out))?
    } else {
        return Ok(None);
    };
    config.out = claim.text()?;
    Ok(Some(claim))
}

/// What was done, for a person.
fn summary(outcome: &Outcome) -> String {
    let mut lines = Vec::new();
    let how = match outcome {
        Outcome {
            interrupted: true, ..
        } => ", interrupted",
        Outcome {
            stopped_early: true,
            ..
        } => ", stopped early: no more improvement",
        _ => "",
    };
    let seconds = span(Duration::try_from_secs_f64(outcome.seconds).unwrap_or_default());
    lines.push(format!("run       {}", outcome.run.display()));
    let epochs = match outcome.epochs {
        1 => "1 epoch".to_owned(),
        epochs => format!("{epochs} epochs"),
    };
    lines.push(format!(
        "steps     {} in {epochs}, {seconds}{how}",
        outcome.steps
    ));
    if let Some(loss) = outcome.train_loss {
        lines.push(format!("train     loss {loss:.4}"));
    }
    if let Some(eval) = &outcome.eval {
        let split = outcome.eval_split.as_deref().unwrap_or("eval");
        let (loss, accuracy, examples) = (eval.loss, 100.0 * eval.accuracy, eval.examples);
        let perplexity = match eval.has_classes() {
            true => String::new(),
            false => format!(", perplexity {:.3}", eval.perplexity()),
        };
        lines.push(format!(
            "{split:9} loss {loss:.4}{perplexity}, accuracy {accuracy:.2} % of {examples}"
        ));
    }
    let report = RunDir::new(&outcome.run).report();
    lines.push(format!(
        "weights   {} (sha256 {})",
        RunDir::new(&outcome.run).model().display(),
        outcome.weights_sha256
    ));
    lines.push(format!("report    {}", report.display()));
    lines.push(String::new());
    lines.join("\n")
}

/// The command as it could be typed again.
fn command_line() -> String {
    let words = std::env::args_os()
        .skip(1)
        .map(|word| quoted(&word.to_string_lossy()));
    ["gradus".to_owned()]
        .into_iter()
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted("--lr=0.1"), "--lr=0.1");
        assert_eq!(quoted("my photos"), "'my photos'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
