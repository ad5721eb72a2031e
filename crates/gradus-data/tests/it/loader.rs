//! The loader: same batches for any number of workers, errors and panics in their place, prompt end, bounded work ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gradus_data::{
    DataError, Dataset, Loader, LoaderConfig, Result, Sample, Subset, TensorDataset, Weighted,
    stratified_split,
};
use gradus_tensor::Tensor;
use proptest::prelude::*;

/// Samples that are their index; some fail, some panic, all can be slow. Counts what is read and who is alive.
struct Probe {
    len: usize,
    fails: Option<usize>,
    panics: Option<usize>,
    delay: fn(usize) -> Duration,
    read: AtomicUsize,
}

impl Probe {
    fn new(len: usize) -> Self {
        Self {
            len,
            fails: None,
            panics: None,
            delay: |_| Duration::ZERO,
            read: AtomicUsize::new(0),
        }
    }
}

impl Dataset for Probe {
    fn len(&self) -> usize {
        self.len
    }

    fn get(&self, index: usize, epoch: u64) -> Result<Sample> {
        self.read.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep((self.delay)(index));
        if self.fails == Some(index) {
            return Err(DataError::Index {
                what: "probe",
                index,
                len: self.len,
            });
        }
        assert!(self.panics != Some(index), "sample {index} breaks");
        let x = Tensor::from_slice(&[index as f32, epoch as f32], [2])?;
        Sample::of_class(x, index as i64)
    }

    fn classes(&self) -> &[String] {
        &[]
    }
}

fn config(batch_size: usize, workers: usize) -> LoaderConfig {
    LoaderConfig {
        batch_size,
        workers,
        seed: 5,
        ..Default::default()
    }
}

fn bytes(loader: &Loader, epoch: u64, start: usize) -> Vec<(Vec<usize>, Vec<u8>, Vec<u8>)> {
    let batches = loader.epoch_from(epoch, start).map(|batch| {
        let batch = batch.unwrap();
        (
            batch.indices,
            batch.x.to_le_bytes().unwrap(),
            batch.labels.to_le_bytes().unwrap(),
        )
    });
    batches.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn batches_are_the_same_for_any_workers_and_any_start(
        len in 0_usize..60, batch_size in 1_usize..9, prefetch in 1_usize..4,
        shuffle: bool, drop_last: bool, epoch in 0_u64..3, start in 0_usize..12,
    ) {
        let loader = |workers| {
            let config = LoaderConfig { batch_size, shuffle, drop_last, workers, prefetch, seed: 9 };
            Loader::new(Arc::new(Probe::new(len)), config).unwrap()
        };
        let expected = bytes(&loader(0), epoch, 0);
        prop_assert_eq!(expected.len(), loader(0).len());
        let samples: usize = expected.iter().map(|batch| batch.0.len()).sum();
        prop_assert_eq!(samples, if drop_last { len / batch_size * batch_size } else { len });
        for workers in [1, 2, 4] {
            prop_assert_eq!(&bytes(&loader(workers), epoch, 0), &expected);
            let rest = expected.get(start..).unwrap_or(&[]);
            prop_assert_eq!(&bytes(&loader(workers), epoch, start), rest);
        }
    }
}

#[test]
fn slow_samples_do_not_change_the_order() {
    let mut probe = Probe::new(12);
    probe.delay = |index| Duration::from_millis(if index % 3 == 0 { 12 } else { 0 });
    let loader = Loader::new(Arc::new(probe), config(1, 4)).unwrap();
    let order: Vec<usize> = loader
        .epoch(0)
        .map(|batch| batch.unwrap().indices[0])
        .collect();
    assert_eq!(order, (0..12).collect::<Vec<_>>());
}

#[test]
fn errors_and_panics_come_at_their_batch_and_the_rest_still_comes() {
    for workers in [0, 1, 3] {
        let probe = Probe {
            fails: Some(4),
            panics: Some(9),
            ..Probe::new(14)
        };
        let loader = Loader::new(Arc::new(probe), config(2, workers)).unwrap();
        let results: Vec<_> = loader.epoch(0).collect();
        assert_eq!(results.len(), 7);
        for (i, result) in results.iter().enumerate() {
            match (i, result) {
                (2, Err(DataError::Index { index: 4, .. })) => {}
                (4, Err(DataError::Panicked { batch: 4, message })) => {
                    assert_eq!(message, "sample 9 breaks")
                }
                (2 | 4, other) => panic!("{workers} workers, batch {i}: {other:?}"),
                (_, batch) => assert_eq!(batch.as_ref().unwrap().indices, [2 * i, 2 * i + 1]),
            }
        }
    }
}

#[test]
fn dropping_the_iterator_ends_the_workers_promptly() {
    let mut probe = Probe::new(1000);
    probe.delay = |_| Duration::from_millis(5);
    let probe = Arc::new(probe);
    let loader = Loader::new(Arc::clone(&probe) as Arc<dyn Dataset>, config(100, 2)).unwrap();
    let mut epoch = loader.epoch(0);
    drop(epoch.next());
    let started = Instant::now();
    drop(epoch);
    // A whole batch takes 500 ms; the workers only finish the sample that each is at.
    assert!(
        started.elapsed() < Duration::from_millis(250),
        "{:?}",
        started.elapsed()
    );
    drop(loader);
    assert_eq!(
        Arc::strong_count(&probe),
        1,
        "no thread holds the data set any more"
    );
    // Never started reading: also fine.
    let loader = Loader::new(Arc::clone(&probe) as Arc<dyn Dataset>, config(1, 4)).unwrap();
    drop(loader.epoch(0));
    drop(loader);
    assert_eq!(Arc::strong_count(&probe), 1);
}

#[test]
fn workers_make_no_more_ahead_than_allowed() {
    let probe = Arc::new(Probe::new(100));
    let config = LoaderConfig {
        prefetch: 3,
        ..config(1, 2)
    };
    let loader = Loader::new(Arc::clone(&probe) as Arc<dyn Dataset>, config).unwrap();
    let mut epoch = loader.epoch(0);
    for taken in 1..=3 {
        epoch.next().unwrap().unwrap();
        std::thread::sleep(Duration::from_millis(60));
        assert!(
            probe.read.load(Ordering::SeqCst) <= taken + 6,
            "2 workers, 3 batches each"
        );
    }
    assert_eq!(epoch.position(), 3);
}

#[test]
fn bad_options_are_refused() {
    let refused = |config: LoaderConfig| match Loader::new(Arc::new(Probe::new(3)), config) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("accepted"),
    };
    assert_eq!(
        refused(config(0, 0)),
        "loader: batch_size must be at least 1, not 0"
    );
    assert!(
        refused(LoaderConfig {
            prefetch: 0,
            ..config(1, 1)
        })
        .contains("prefetch")
    );
    assert!(refused(config(1, 5000)).contains("workers"));
    let sampler = Arc::new(Weighted::new(vec![1.0; 3], 3, true, 0).unwrap());
    let config = LoaderConfig {
        shuffle: true,
        ..config(1, 0)
    };
    assert!(Loader::with_sampler(Arc::new(Probe::new(3)), sampler, config).is_err());
}

#[test]
fn a_sampler_decides_what_is_read_and_a_wrong_index_is_an_error() {
    let sampler = Arc::new(Weighted::new(vec![0.0, 0.0, 1.0], 5, true, 0).unwrap());
    let data = TensorDataset::new(
        Tensor::from_slice(&[1.0_f32, 2.0], [2, 1]).unwrap(),
        vec![0, 1],
    )
    .unwrap();
    let loader =
        Loader::with_sampler(Arc::new(Probe::new(3)), sampler.clone(), config(2, 1)).unwrap();
    assert_eq!(loader.len(), 3);
    assert!(
        loader
            .epoch(0)
            .all(|batch| batch.unwrap().indices.iter().all(|&i| i == 2))
    );
    let loader = Loader::with_sampler(Arc::new(data), sampler, config(2, 1)).unwrap();
    assert!(matches!(
        loader.epoch(0).next(),
        Some(Err(DataError::Index {
            index: 2,
            len: 2,
            ..
        }))
    ));
}

#[test]
fn a_stratified_split_trains_and_validates_on_disjoint_samples() {
    let labels: Vec<i64> = (0..20).map(|i| i % 2).collect();
    let data: Arc<dyn Dataset> = Arc::new(Probe::new(20));
    let split = stratified_split(&labels, 0.2, 1).unwrap();
    let mut seen = Vec::new();
    for part in [split.kept, split.held_out] {
        let subset = Subset::new(Arc::clone(&data), part).unwrap();
        let loader = Loader::new(Arc::new(subset), config(3, 2)).unwrap();
        seen.extend(
            loader
                .epoch(0)
                .flat_map(|batch| batch.unwrap().labels.to_vec::<i64>().unwrap()),
        );
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..20).collect::<Vec<_>>());
    assert!(Subset::new(data, vec![20]).is_err());
}
