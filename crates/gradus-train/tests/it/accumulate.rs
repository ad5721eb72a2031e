//! Gradient accumulation: micro-batches give what one batch of all their examples gives.

use gradus_train::config::TrainConfig;
use gradus_train::jsonl;

use crate::{config, run};

/// The losses of more than an epoch, so that the last window of an epoch, which is short, is among them.
fn losses(batch_size: usize, accumulate: usize) -> Vec<f64> {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let config = TrainConfig {
        batch_size,
        accumulate,
        max_steps: 0,
        epochs: 2,
        ..config(&out)
    };
    run(&config, false);
    let log = jsonl::read(out.join("metrics.jsonl")).expect("a log");
    let series = log.series("train", "loss");
    series.into_iter().map(|(_, loss)| loss).collect()
}

#[test]
fn museum_59_micro_batches_train_as_one_batch_also_in_the_short_last_window() {
    let (whole, parts) = (losses(420, 1), losses(140, 3));
    assert_eq!(whole.len(), parts.len());
    for (step, (whole, parts)) in whole.iter().zip(&parts).enumerate() {
        assert!(
            (whole - parts).abs() < 2e-5,
            "step {step}: {whole} and {parts}"
        );
    }
}
