//! Whether a checkpoint is of the run that is asked for: the same configuration, as far as it changes bits, and the same data.

use gradus_checkpoint::weights_sha256;
use gradus_data::Dataset;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::{KEYS, KeyInfo, TrainConfig};

/// Training samples whose bytes are compared, spread evenly over the data.
const PROBES: usize = 32;
/// Hex digits of a sample's digest that are kept.
const DIGITS: usize = 16;
/// Changed samples that a message names.
const NAMED: usize = 3;

/// The number of a sample and its digest, which is `None` if the sample could not be read.
type Probe = (usize, Option<String>);

/// What identifies a run: a checkpoint holds that of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    /// The part of the configuration that changes the bits of a run.
    config: Value,
    /// How many training samples there are.
    samples: usize,
    /// The class names, in label order.
    classes: Vec<String>,
    /// Some training samples as the model sees them.
    probes: Vec<Probe>,
}

impl Identity {
    /// The identity of a run of this configuration on these data. Samples that cannot be read are left open.
    pub(crate) fn of(config: &TrainConfig, data: &dyn Dataset, classes: &[String]) -> Self {
        let samples = data.len();
        let count = PROBES.min(samples);
        let probe = |i: usize| {
            let index = (2 * i + 1) * samples / (2 * count);
            (index, digest(data, index))
        };
        Self {
            config: lasting(config),
            samples,
            classes: classes.to_vec(),
            probes: (0..count).map(probe).collect(),
        }
    }

    /// What is another in `now`, one line each; nothing if both are one run.
    pub(crate) fn differences(&self, now: &Self) -> Vec<String> {
        let defaults = serde_json::to_value(TrainConfig::default()).unwrap_or_default();
        let line = |key: &KeyInfo| {
            // A key that the program did not have yet was at its default.
            let was = self.config.get(key.name).unwrap_or(&defaults[key.name]);
            let is = &now.config[key.name];
            (was != is).then(|| format!("  {}: was {was}, is {is}", key.name))
        };
        let mut lines: Vec<String> = KEYS.iter().filter_map(line).collect();
        if self.samples != now.samples {
            let (was, is) = (self.samples, now.samples);
            lines.push(format!("  training data: had {was} samples, has {is}"));
        }
        if self.classes != now.classes {
            let list = |classes: &[String]| classes.join(", ");
            let (was, is) = (list(&self.classes), list(&now.classes));
            lines.push(format!("  classes: were {was}; are {is}"));
        }
        if lines.is_empty() {
            lines.extend(self.changed_samples(now));
        }
        lines
    }

    /// The samples that differ. Other transforms or sizes change all of them, so this is asked only if nothing else differs.
    fn changed_samples(&self, now: &Self) -> Option<String> {
        let known = |(was, is): &(&Probe, &Probe)| was.1.is_some() && is.1.is_some() && was != is;
        let changed: Vec<String> = self
            .probes
            .iter()
            .zip(&now.probes)
            .filter(known)
            .map(|(was, _)| was.0.to_string())
            .collect();
        if changed.is_empty() {
            return None;
        }
        let more = if changed.len() > NAMED { ", …" } else { "" };
        let names = changed[..changed.len().min(NAMED)].join(", ");
        let (count, of) = (changed.len(), self.probes.len());
        Some(format!(
            "  training data: {count} of {of} samples compared are others: number {names}{more}"
        ))
    }
}

/// The digest of a sample in the first epoch, if it can be read.
fn digest(data: &dyn Dataset, index: usize) -> Option<String> {
    let sample = data.get(index, 0).ok()?;
    let tensors = [
        ("x".to_owned(), sample.x),
        ("label".to_owned(), sample.label),
    ];
    let mut digest = weights_sha256(&tensors);
    digest.truncate(DIGITS);
    Some(digest)
}

/// The part of the configuration that changes the bits of a run: not where, how fast, how long or how often it is
/// looked at.
fn lasting(config: &TrainConfig) -> Value {
    let neutral = TrainConfig::default();
    let relevant = TrainConfig {
        out: String::new(),
        threads: neutral.threads,
        workers: neutral.workers,
        prefetch: neutral.prefetch,
        cache_mb: neutral.cache_mb,
        log_every: neutral.log_every,
        log_samples: neutral.log_samples,
        checkpoint_every: neutral.checkpoint_every,
        checkpoint_lag: neutral.checkpoint_lag,
        keep_checkpoints: neutral.keep_checkpoints,
        keep_every: neutral.keep_every,
        max_memory: neutral.max_memory,
        trace: String::new(),
        // How long a run is matters only to schedules that plan for it.
        epochs: if plans_ahead(config) {
            config.epochs
        } else {
            neutral.epochs
        },
        max_steps: if plans_ahead(config) && config.epochs == 0 {
            config.max_steps
        } else {
            neutral.max_steps
        },
        ..config.clone()
    };
    serde_json::to_value(relevant).unwrap_or_default()
}

fn plans_ahead(config: &TrainConfig) -> bool {
    matches!(
        config.schedule.as_str(),
        "cosine" | "polynomial" | "one-cycle"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_autograd::Tensor;
    use gradus_data::TensorDataset;

    fn identity(config: &TrainConfig, first: f32, count: usize, classes: &[&str]) -> Identity {
        let count_f32 = count as f32;
        let mut x: Vec<f32> = (0..count).map(|i| i as f32 / count_f32).collect();
        x[0] = first;
        let x = Tensor::from_slice(&x, [count, 1]).unwrap();
        let data = TensorDataset::new(x, vec![0; count]).unwrap();
        let classes: Vec<String> = classes.iter().map(|&class| class.to_owned()).collect();
        Identity::of(config, &data, &classes)
    }

    #[test]
    fn each_difference_has_a_line() {
        let config = TrainConfig::default();
        let run = identity(&config, 0.0, 10, &["ant", "bee"]);
        assert_eq!(run.differences(&run), Vec::<String>::new());
        let lines = |config: &TrainConfig, first, count, classes: &[&str]| {
            run.differences(&identity(config, first, count, classes))
        };
        let other = TrainConfig {
            lr: 0.5,
            batch_size: 7,
            threads: 3,
            keep_every: 9,
            ..config.clone()
        };
        assert_eq!(
            lines(&other, 1.0, 9, &["ant", "cat"]),
            [
                "  batch_size: was 16, is 7",
                "  lr: was 0.01, is 0.5",
                "  training data: had 10 samples, has 9",
                "  classes: were ant, bee; are ant, cat",
            ]
        );
        assert_eq!(
            lines(&config, 1.0, 10, &["ant", "bee"]),
            ["  training data: 1 of 10 samples compared are others: number 0"]
        );
    }

    #[test]
    fn a_sample_that_could_not_be_read_is_no_difference() {
        let config = TrainConfig::default();
        let run = identity(&config, 0.0, 10, &[]);
        let mut damaged = run.clone();
        damaged.probes[4].1 = None;
        assert!(run.differences(&damaged).is_empty() && damaged.differences(&run).is_empty());
    }

    #[test]
    fn a_key_that_is_new_since_was_at_its_default() {
        let config = TrainConfig::default();
        let run = identity(&config, 0.0, 10, &[]);
        let mut old = run.clone();
        old.config.as_object_mut().unwrap().remove("clip_norm");
        assert!(old.differences(&run).is_empty());
        let clipped = TrainConfig {
            clip_norm: 1.0,
            ..config
        };
        let lines = old.differences(&identity(&clipped, 0.0, 10, &[]));
        assert_eq!(lines, ["  clip_norm: was 0.0, is 1.0"]);
    }

    #[test]
    fn it_reads_back_from_json() {
        let run = identity(&TrainConfig::default(), 0.0, 3, &["ant"]);
        let json = serde_json::to_string(&run).unwrap();
        assert_eq!(serde_json::from_str::<Identity>(&json).unwrap(), run);
    }
}
