//! Museum 61 (pytorch#5059, pytorch#3880, CenterNet#233, Lightning#20412): the same augmentation in all workers or all epochs.
//!
//! Here sample i of epoch e depends on (seed, e, i) alone: equal for any workers and any cache, different by epoch, sample and seed.

use std::collections::BTreeSet;
use std::sync::Arc;

use gradus_data::{
    Compose, Dataset, ImageDataset, ImageDatasetConfig, ImageSource, Loader, LoaderConfig,
    SubsetSource, TransformSpec, embedded,
};

/// Every random transform in one chain, behind two that are not.
fn transforms() -> Compose {
    Compose::from_specs(&[
        TransformSpec::new("Resize").with("size", 32.0),
        TransformSpec::new("Grayscale").with("num_output_channels", 3.0),
        TransformSpec::new("RandomCrop")
            .with("size", 32.0)
            .with("padding", 4.0),
        TransformSpec::new("RandomHorizontalFlip"),
        TransformSpec::new("RandomVerticalFlip").with("p", 0.2),
        TransformSpec::new("RandomRotation")
            .with("degrees", 15.0)
            .with("interpolation", "bilinear"),
        TransformSpec::new("RandomAffine")
            .with("degrees", 0.0)
            .with("translate", [0.1, 0.1]),
        TransformSpec::new("ColorJitter")
            .with("brightness", 0.4)
            .with("contrast", 0.4)
            .with("hue", 0.1),
        TransformSpec::new("RandomGrayscale"),
        TransformSpec::new("RandomResizedCrop").with("size", 24.0),
        TransformSpec::new("ToTensor"),
        TransformSpec::new("Normalize")
            .with("mean", [0.3])
            .with("std", [0.35]),
        TransformSpec::new("RandomErasing").with("value", "random"),
    ])
    .unwrap()
}

fn dataset(seed: u64, cache_bytes: usize, transforms: Compose) -> Arc<ImageDataset> {
    let source = embedded("fashion-mnist-mini")
        .unwrap()
        .test()
        .unwrap()
        .clone();
    // Every class, few samples.
    let some = SubsetSource::new(source, (0..1000).step_by(25).collect()).unwrap();
    Arc::new(
        ImageDataset::new(
            Arc::new(some),
            transforms,
            &ImageDatasetConfig { seed, cache_bytes },
        )
        .unwrap(),
    )
}

fn epoch_bytes(data: Arc<ImageDataset>, workers: usize, epoch: u64) -> Vec<u8> {
    let config = LoaderConfig {
        batch_size: 7,
        shuffle: true,
        workers,
        seed: 3,
        ..Default::default()
    };
    let loader = Loader::new(data, config).unwrap();
    loader
        .epoch(epoch)
        .flat_map(|batch| batch.unwrap().x.to_le_bytes().unwrap())
        .collect()
}

#[test]
fn bytes_are_equal_for_any_workers_and_any_cache() {
    let expected = epoch_bytes(dataset(1, 0, transforms()), 0, 2);
    assert_eq!(expected.len(), 40 * 3 * 24 * 24 * 4);
    for workers in [0, 1, 2, 4] {
        // 60,000 bytes hold about half of the images, so hits and misses mix.
        for cache_bytes in [0, 60_000, 1 << 30] {
            let data = dataset(1, cache_bytes, transforms());
            let first = epoch_bytes(data.clone(), workers, 2);
            assert!(
                first == expected,
                "{workers} workers, {cache_bytes} bytes of cache"
            );
            assert!(
                epoch_bytes(data.clone(), workers, 2) == expected,
                "a second pass, from the cache"
            );
            assert!(data.cached_bytes() <= cache_bytes);
            assert_eq!(data.cached_bytes() > 0, cache_bytes > 0);
        }
    }
}

#[test]
fn museum_61_augmentation_differs_by_epoch_sample_and_seed() {
    let bytes = |data: &ImageDataset, index, epoch| {
        data.get(index, epoch).unwrap().x.to_le_bytes().unwrap()
    };
    let data = dataset(1, 1 << 30, transforms());
    let epochs: BTreeSet<Vec<u8>> = (0..10).map(|epoch| bytes(&data, 0, epoch)).collect();
    assert_eq!(epochs.len(), 10);
    assert_ne!(
        bytes(&data, 0, 0),
        bytes(&dataset(2, 0, transforms()), 0, 0)
    );

    // The same image at every index: only the index can make a difference.
    let source = embedded("fashion-mnist-mini")
        .unwrap()
        .test()
        .unwrap()
        .clone();
    let copies: Arc<dyn ImageSource> = Arc::new(SubsetSource::new(source, vec![5; 10]).unwrap());
    let copies = ImageDataset::new(copies, transforms(), &ImageDatasetConfig::default()).unwrap();
    let samples: BTreeSet<Vec<u8>> = (0..10).map(|index| bytes(&copies, index, 0)).collect();
    assert_eq!(samples.len(), 10);
}

#[test]
fn without_random_transforms_epochs_are_equal_and_wholly_cached() {
    let fixed = || {
        Compose::from_specs(&[
            TransformSpec::new("Resize").with("size", 32.0),
            TransformSpec::new("Grayscale").with("num_output_channels", 3.0),
            TransformSpec::new("ToTensor"),
            TransformSpec::new("Normalize")
                .with("mean", [0.5])
                .with("std", [0.5]),
        ])
        .unwrap()
    };
    let (cached, plain) = (dataset(1, 1 << 30, fixed()), dataset(1, 0, fixed()));
    for epoch in 0..2 {
        for index in 0..cached.len() {
            let (a, b) = (
                cached.get(index, epoch).unwrap(),
                plain.get(index, epoch).unwrap(),
            );
            assert_eq!(
                (a.x.to_le_bytes().unwrap(), a.label.to_le_bytes().unwrap()),
                (b.x.to_le_bytes().unwrap(), b.label.to_le_bytes().unwrap())
            );
        }
    }
    assert_eq!(
        cached.cached_bytes(),
        40 * 3 * 32 * 32 * 4,
        "tensors are kept, so an epoch only copies"
    );
    // A batch is a copy: changing it leaves the cache as it is.
    let mut x = cached.get(0, 0).unwrap().x;
    x.make_mut::<f32>().unwrap().fill(9.0);
    assert_eq!(
        cached.get(0, 0).unwrap().x.to_le_bytes().unwrap(),
        plain.get(0, 0).unwrap().x.to_le_bytes().unwrap()
    );
}

#[test]
fn errors_in_samples_carry_their_names() {
    let small = Compose::from_specs(&[
        TransformSpec::new("RandomCrop").with("size", 40.0),
        TransformSpec::new("ToTensor"),
    ]);
    let data = dataset(0, 0, small.unwrap());
    let error = data.get(3, 0).unwrap_err().to_string();
    assert!(
        error.starts_with("sample test/ankle-boot/")
            && error.contains("RandomCrop: a crop of [40, 40]"),
        "{error}"
    );
}

#[test]
fn a_wrong_order_is_refused_when_composed() {
    let wrong = Compose::from_specs(&[
        TransformSpec::new("Resize").with("size", 32.0),
        TransformSpec::new("Normalize")
            .with("mean", [0.5])
            .with("std", [0.5]),
        TransformSpec::new("ToTensor"),
    ]);
    assert_eq!(
        wrong.unwrap_err().to_string(),
        "Normalize (number 2) works on tensors: put it after ToTensor"
    );
    let late = [
        TransformSpec::new("ToTensor"),
        TransformSpec::new("RandomHorizontalFlip"),
    ];
    assert!(
        Compose::from_specs(&late)
            .unwrap_err()
            .to_string()
            .contains("put it before ToTensor")
    );
    let twice = [
        TransformSpec::new("ToTensor"),
        TransformSpec::new("ToTensor"),
    ];
    assert!(
        Compose::from_specs(&twice)
            .unwrap_err()
            .to_string()
            .contains("stands twice")
    );
}
