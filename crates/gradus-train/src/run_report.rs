//! `report.html` of a run: gathers what the page shows.

use std::path::Path;
use std::time::Duration;

use crate::error::{Result, TrainError};
use crate::jsonl;
use crate::report::{ReportData, Summary, render};
use crate::run::{Outcome, RunRequest};
use crate::task::Task;

/// What the page is made from.
pub(crate) struct Facts<'a> {
    pub(crate) outcome: &'a Outcome,
    pub(crate) request: &'a RunRequest<'a>,
    pub(crate) task: &'a dyn Task,
    pub(crate) training: Duration,
}

/// Writes the page. Its curves are read back from the log, so those of a resumed run are whole.
pub(crate) fn write_report(path: &Path, log: &Path, facts: &Facts<'_>) -> Result<()> {
    let log = jsonl::read(log)?;
    let Facts {
        outcome,
        request,
        task,
        ..
    } = facts;
    let config = request.config;
    let rates = log.series("train", "examples_per_second");
    let mean_rate = rates.iter().map(|(_, rate)| rate).sum::<f64>() / rates.len().max(1) as f64;
    let mut notes = Vec::new();
    if outcome.interrupted {
        notes.push(format!(
            "Interrupted after step {}. Continue with: gradus train --out {} --resume",
            outcome.steps,
            outcome.run.display()
        ));
    }
    let about = task.about();
    notes.extend(about.warnings.iter().cloned());
    let title = outcome.run.file_name().map_or_else(
        || config.model.clone(),
        |name| name.to_string_lossy().into_owned(),
    );
    let classes = match about.classes.len() {
        0 => String::new(),
        count => format!(", {count} classes"),
    };
    let page = render(&ReportData {
        title,
        subtitle: format!(
            "{} on {}: {} training {}{classes}",
            about.model, about.data, about.samples, about.unit
        ),
        notes,
        summary: Summary {
            parameters: Some(task.store().parameter_count() as u64),
            steps: Some(outcome.steps),
            epochs: Some(outcome.epochs),
            seconds: Some(facts.training.as_secs_f64()),
            examples_per_second: Some(mean_rate).filter(|_| !rates.is_empty()),
        },
        split: outcome.eval_split.clone().unwrap_or_default(),
        eval: outcome.eval.clone(),
        train_loss: log.series("train", "loss"),
        eval_loss: log.series("eval", "loss"),
        train_accuracy: Vec::new(),
        eval_accuracy: log.series("eval", "accuracy"),
        learning_rate: log.series("train", "lr"),
        examples_per_second: rates,
        samples: if outcome.eval.is_some() {
            task.samples()?
        } else {
            Vec::new()
        },
        environment: environment(facts),
        command: request.command.to_owned(),
        config: request.config_text.to_owned(),
    });
    std::fs::write(path, page).map_err(TrainError::io(path, "write"))
}

fn environment(facts: &Facts<'_>) -> Vec<(String, String)> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let config = facts.request.config;
    let facts = [
        ("gradus", env!("CARGO_PKG_VERSION").to_owned()),
        ("processor", processor()),
        (
            "system",
            format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        ),
        ("cores", cores.to_string()),
        (
            "compute threads",
            gradus_linalg::threads::current_threads().to_string(),
        ),
        ("loader workers", config.workers.to_string()),
        (
            "vector instructions",
            gradus_linalg::simd::name().to_owned(),
        ),
        ("seed", config.seed.to_string()),
        ("weights_sha256", facts.outcome.weights_sha256.clone()),
    ];
    facts.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// The processor's name, where the system tells it.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(
        || std::env::consts::ARCH.to_owned(),
        |(_, name)| name.trim().to_owned(),
    )
}
