//! The same weights and losses for any number of compute threads and loader workers.

use gradus_linalg::threads::with_threads;
use gradus_train::config::TrainConfig;

use crate::{config, losses, run};

#[test]
fn threads_and_workers_change_no_bit() {
    for model in ["mlp", "tutorial-cnn"] {
        let mut seen = Vec::new();
        for (threads, workers) in [(1, 0), (2, 1), (3, 4), (4, 2)] {
            let dir = tempfile::tempdir().unwrap();
            let out = dir.path().join("run");
            let small = config(&out);
            let config = match model {
                "mlp" => TrainConfig {
                    workers,
                    accumulate: 3,
                    clip_norm: 0.5,
                    ema_decay: 0.9,
                    ..small
                },
                _ => TrainConfig {
                    workers,
                    model: model.into(),
                    max_steps: 6,
                    transforms: TrainConfig::default().transforms,
                    ..small
                },
            };
            let outcome = with_threads(threads, || run(&config, false));
            seen.push((outcome.weights_sha256, losses(&out)));
        }
        assert!(
            seen.windows(2).all(|pair| pair[0] == pair[1]),
            "{model}: {seen:?}"
        );
    }
}
