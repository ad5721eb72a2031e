//! Mixed precision: runs that repeat to the bit, with losses within the noise of those in f32.

use gradus_linalg::threads::with_threads;
use gradus_train::config::TrainConfig;

use crate::{config, losses, run};

fn trained(model: &str, dtype: &str, seed: u64, steps: u64, threads: usize) -> (String, Vec<f64>) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let config = TrainConfig {
        model: model.into(),
        dtype: dtype.into(),
        seed,
        max_steps: steps,
        transforms: TrainConfig::default().transforms,
        ..config(&out)
    };
    let outcome = with_threads(threads, || run(&config, false));
    let losses = losses(&out)
        .into_iter()
        .map(|(_, bits)| f64::from_bits(bits));
    (outcome.weights_sha256, losses.collect())
}

#[test]
fn threads_change_no_bit() {
    let one = trained("tutorial-cnn", "bf16", 42, 6, 1);
    for threads in [2, 4] {
        assert_eq!(trained("tutorial-cnn", "bf16", 42, 6, threads), one);
    }
    assert_ne!(trained("tutorial-cnn", "f32", 42, 6, 1), one);
}

#[test]
fn losses_are_within_the_noise_of_f32() {
    const STEPS: u64 = 120;
    let tail = |dtype: &str, seed| {
        let (_, losses) = trained("tutorial-cnn", dtype, seed, STEPS, 2);
        let last = &losses[losses.len() - 40..];
        last.iter().sum::<f64>() / last.len() as f64
    };
    let (full, other, rounded) = (tail("f32", 42), tail("f32", 43), tail("bf16", 42));
    let noise = (full - other).abs();
    // The same seed in bf16 is nearer than another seed in f32, or as near as an average of 40 losses can tell.
    assert!(
        (full - rounded).abs() <= noise.max(0.02),
        "f32 {full}, another seed {other}, bf16 {rounded}"
    );
}
