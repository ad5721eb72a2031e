//! `report.html` of a run: gathers what the page shows.

use std::path::Path;
use std::time::Duration;

use gradus_data::{Compose, DataError};
use gradus_nn::Module;

use crate::data::{RunData, SplitData, eval_specs};
use crate::error::{Result, TrainError};
use crate::jsonl;
use crate::report::{ReportData, Sample, Summary, render};
use crate::run::{Outcome, RunRequest};
use crate::saved::predict_image;

/// How many sample predictions the page shows.
const SAMPLES: usize = 24;

/// What the page is made from.
pub(crate) struct Facts<'a> {
    pub(crate) outcome: &'a Outcome,
    pub(crate) request: &'a RunRequest<'a>,
    pub(crate) data: &'a RunData,
    pub(crate) model: &'a dyn Module,
    pub(crate) training: Duration,
}

/// Writes the page. Its curves are read back from the log, so those of a resumed run are whole.
pub(crate) fn write_report(
    path: &Path,
    log: &Path,
    facts: &Facts<'_>,
    parameters: usize,
) -> Result<()> {
    let log = jsonl::read(log)?;
    let Facts {
        outcome,
        request,
        data,
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
    if !data.skipped.is_empty() {
        notes.push(format!(
            "{} damaged image files were left out.",
            data.skipped.len()
        ));
    }
    let title = outcome.run.file_name().map_or_else(
        || config.model.clone(),
        |name| name.to_string_lossy().into_owned(),
    );
    let samples = data
        .test
        .as_ref()
        .map(|split| samples(facts, split))
        .transpose()?
        .unwrap_or_default();
    let page = render(&ReportData {
        title,
        subtitle: format!(
            "{} on {}: {} training images, {} classes",
            config.model,
            data.name,
            data.train.dataset.len(),
            data.classes.len()
        ),
        notes,
        summary: Summary {
            parameters: Some(parameters as u64),
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
        samples,
        environment: environment(facts),
        command: request.command.to_owned(),
        config: request.config_text.to_owned(),
    });
    std::fs::write(path, page).map_err(TrainError::io(path, "write"))
}

/// Predictions for images spread evenly over the split, so that all classes are seen.
fn samples(facts: &Facts<'_>, split: &SplitData) -> Result<Vec<Sample>> {
    let transforms =
        Compose::from_specs(&eval_specs(facts.request.config)?).map_err(DataError::from)?;
    let classes = &facts.data.classes;
    let count = split.source.len();
    let mut samples = Vec::with_capacity(SAMPLES);
    for i in 0..SAMPLES.min(count) {
        let index = (2 * i + 1) * count / (2 * SAMPLES.min(count));
        let image = split.source.image(index)?;
        let png = image.encode_png().map_err(|source| DataError::Image {
            path: split.source.sample_name(index).into(),
            source,
        })?;
        let probabilities = predict_image(facts.model, &transforms, image)?;
        let best = (0..classes.len()).reduce(|a, b| {
            if probabilities[b] > probabilities[a] {
                b
            } else {
                a
            }
        });
        let truth = usize::try_from(split.source.labels()[index])
            .ok()
            .and_then(|label| classes.get(label));
        samples.push(Sample {
            png,
            truth: truth.cloned().unwrap_or_default(),
            predicted: best.map(|best| classes[best].clone()).unwrap_or_default(),
            probability: best.map_or(0.0, |best| probabilities[best]),
        });
    }
    Ok(samples)
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
