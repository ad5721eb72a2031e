//! A loss that is no number stops the run, or is left out, and says where it comes from; a run that is too large is not begun.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use gradus_data::Image;
use gradus_train::config::{ArgConfig, TrainConfig};
use gradus_train::{Observer, Outcome, Result, RunRequest, TrainError, train};

use crate::config;

/// Nine black images and a white one, and a normalisation under which white overflows.
fn overflowing(dir: &Path) -> TrainConfig {
    for i in 0..10_u8 {
        let level = if i == 7 { 255 } else { 0 };
        let class = if i % 2 == 0 { "a" } else { "b" };
        let folder = dir.join("data/train").join(class);
        std::fs::create_dir_all(&folder).unwrap();
        let image = Image::new(8, 8, 1, vec![level; 64]).unwrap();
        std::fs::write(folder.join(format!("{i}.png")), image.encode_png().unwrap()).unwrap();
    }
    let mut config = config(&dir.join("run"));
    config.data = dir.join("data").to_string_lossy().into_owned();
    config.max_steps = 10;
    config.batch_size = 1;
    config.transforms.remove(0);
    let normalize = config.transforms.last_mut().unwrap();
    for (key, value) in [("mean", 0.0), ("std", 4e-39)] {
        normalize.args.insert(key.into(), ArgConfig::Number(value));
    }
    config
}

#[derive(Default)]
struct Warnings(Vec<String>);

impl Observer for Warnings {
    fn warn(&mut self, message: &str) {
        self.0.push(message.to_owned());
    }
}

fn attempt(config: &TrainConfig, observer: &mut dyn Observer) -> Result<Outcome> {
    let request = RunRequest {
        config,
        config_text: "# test",
        command: "test",
        resume: false,
        resume_anyway: false,
        stop: &AtomicBool::new(false),
    };
    train(&request, observer)
}

#[test]
fn an_overflow_stops_the_run_and_names_the_op_and_its_layer() {
    let dir = tempfile::tempdir().unwrap();
    let error = attempt(&overflowing(dir.path()), &mut Warnings::default()).unwrap_err();
    assert!(matches!(error, TrainError::NonFinite { .. }), "{error}");
    let text = error.to_string();
    let what = ["the loss is ", "the gradient of "];
    assert!(what.iter().any(|what| text.contains(what)), "{text}");
    for part in ["it begins at ", "linear: gives ", "on_nonfinite"] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
}

#[test]
fn a_step_that_overflows_can_be_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = overflowing(dir.path());
    config.on_nonfinite = "skip".into();
    let mut warnings = Warnings::default();
    let outcome = attempt(&config, &mut warnings).unwrap();
    assert_eq!(outcome.steps, 10);
    let left_out: Vec<&String> = warnings
        .0
        .iter()
        .filter(|w| w.contains("is left out"))
        .collect();
    assert_eq!(left_out.len(), 1, "{:?}", warnings.0);
    assert!(left_out[0].contains("linear: gives"), "{}", left_out[0]);
    // Nine steps have a loss, and nothing of the tenth is in the weights or the logs.
    assert_eq!(crate::losses(&dir.path().join("run")).len(), 9);
    assert!(outcome.train_loss.unwrap().is_finite());
}

#[test]
fn a_run_that_is_too_large_is_refused_before_its_first_step() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&dir.path().join("run"));
    config.max_memory = 1;
    let error = attempt(&config, &mut Warnings::default()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, TrainError::Memory { .. }), "{text}");
    for part in [
        "the run would take about",
        "optimizer",
        "max_memory allows 1;",
        "batch_size",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert!(!dir.path().join("run/metrics.jsonl").exists());
    config.max_memory = 1 << 20;
    config.max_steps = 1;
    assert_eq!(attempt(&config, &mut Warnings::default()).unwrap().steps, 1);
}
