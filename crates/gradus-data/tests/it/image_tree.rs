//! Image trees: layout, order, modes, and the embedded data set against the tree written from it.

use gradus_data::{
    ColorMode, FolderConfig, describe, describe_tree, embedded, image_statistics, make_tree,
    open_folder, open_idx_folder,
};

use crate::hostile::{png, write};

// The equality rule: `gradus data make` and then training on the folder gives the bits that the embedded data gives.
#[test]
fn the_tree_equals_the_embedded_data_set_sample_by_sample() {
    let dir = tempfile::tempdir().unwrap();
    let tree_dir = dir.path().join("deep/fashion-mnist-mini");
    make_tree("fashion-mnist-mini", &tree_dir).unwrap();
    let names: Vec<_> = std::fs::read_dir(dir.path().join("deep"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, ["fashion-mnist-mini"], "the hidden folder is gone");
    let tree = open_folder(&tree_dir, &FolderConfig::default()).unwrap();
    let inside = embedded("fashion-mnist-mini").unwrap();
    assert_eq!((&tree.name, &tree.classes), (&inside.name, &inside.classes));
    assert_eq!(tree.splits.len(), inside.splits.len());
    for (ours, theirs) in tree.splits.iter().zip(&inside.splits) {
        assert_eq!(ours.name, theirs.name);
        assert_eq!(ours.source.labels(), theirs.source.labels());
        for i in 0..ours.source.len() {
            assert_eq!(
                ours.source.image(i).unwrap(),
                theirs.source.image(i).unwrap(),
                "{}",
                ours.source.sample_name(i)
            );
            let path = tree_dir.join(theirs.source.sample_name(i));
            assert_eq!(ours.source.sample_name(i), path.display().to_string());
        }
    }
    let info = describe_tree(&tree_dir, &FolderConfig::default()).unwrap();
    assert_eq!(info.statistics, describe(&inside).unwrap().statistics);
    assert_eq!(
        (info.height, info.width, info.grey, info.rgb),
        ([28; 2], [28; 2], 6000, 0)
    );
    assert_eq!(info.splits[0].per_class, [500; 10]);
    assert_eq!(info.splits[1].samples, 1000);
}

#[test]
fn classes_and_samples_are_sorted_and_hidden_ones_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    for (path, level) in [
        ("b/10.png", 3),
        ("b/2.png", 4),
        ("B/x.PNG", 1),
        ("a/noext", 2),
        (".git/x.png", 9),
        ("a/.x.png", 9),
    ] {
        write(dir.path().join(path), &png(level));
    }
    write(dir.path().join("LICENSE"), b"a file beside the classes");
    let data = open_folder(dir.path(), &FolderConfig::default()).unwrap();
    assert_eq!(data.classes, ["B", "a", "b"]);
    assert_eq!(data.splits.len(), 1);
    let all = data.split("all").unwrap();
    assert_eq!(all.labels(), [0, 1, 2, 2]);
    let levels: Vec<u8> = (0..4).map(|i| all.image(i).unwrap().pixels()[0]).collect();
    assert_eq!(levels, [1, 2, 3, 4]);
    assert!(data.train().is_some() && data.test().is_none());
}

#[test]
fn a_class_may_be_called_train() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join("train/1.png"), &png(1));
    write(dir.path().join("plane/1.png"), &png(2));
    let data = open_folder(dir.path(), &FolderConfig::default()).unwrap();
    assert_eq!(
        (data.classes.as_slice(), data.splits[0].name.as_str()),
        (&["plane".to_owned(), "train".to_owned()][..], "all")
    );
}

#[test]
fn splits_come_in_order_and_share_labels() {
    let dir = tempfile::tempdir().unwrap();
    for path in [
        "val/x/1.png",
        "val/y/1.png",
        "train/x/1.png",
        "train/y/1.png",
        "test/x/1.png",
        "test/y/1.png",
    ] {
        write(dir.path().join(path), &png(5));
    }
    std::fs::create_dir_all(dir.path().join("annotations")).unwrap();
    let data = open_folder(dir.path(), &FolderConfig::default()).unwrap();
    let names: Vec<&str> = data
        .splits
        .iter()
        .map(|split| split.name.as_str())
        .collect();
    assert_eq!(names, ["train", "test", "val"]);
    assert!(
        data.splits
            .iter()
            .all(|split| split.source.labels() == [0, 1])
    );
}

#[test]
fn content_decides_and_modes_convert() {
    let dir = tempfile::tempdir().unwrap();
    // A PNG under a JPEG's name.
    write(dir.path().join("a/1.jpg"), &png(8));
    for (mode, channels) in [
        (ColorMode::AsStored, 1),
        (ColorMode::Rgb, 3),
        (ColorMode::Grey, 1),
    ] {
        let config = FolderConfig {
            mode,
            ..FolderConfig::default()
        };
        let data = open_folder(dir.path(), &config).unwrap();
        let image = data.train().unwrap().image(0).unwrap();
        assert_eq!((image.channels(), image.pixels()[0]), (channels, 8));
    }
}

#[test]
fn idx_files_in_a_folder_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let idx = |magic: u8, dims: &[u32], values: &[u8]| {
        let mut bytes = vec![0, 0, 8, magic];
        dims.iter().for_each(|d| bytes.extend(d.to_be_bytes()));
        bytes.extend_from_slice(values);
        bytes
    };
    assert!(open_idx_folder(dir.path()).unwrap().is_none());
    write(
        dir.path().join("train-images-idx3-ubyte"),
        &idx(3, &[2, 1, 2], &[1, 2, 3, 4]),
    );
    let error = open_folder(dir.path(), &FolderConfig::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("train-labels-idx1-ubyte"), "{error}");
    write(
        dir.path().join("train-labels-idx1-ubyte"),
        &idx(1, &[2], &[1, 0]),
    );
    write(
        dir.path().join("t10k-images.idx3-ubyte"),
        &idx(3, &[1, 1, 2], &[9, 9]),
    );
    write(
        dir.path().join("t10k-labels.idx1-ubyte"),
        &idx(1, &[1], &[1]),
    );
    let data = open_folder(dir.path(), &FolderConfig::default()).unwrap();
    assert_eq!(data.classes, ["0", "1"]);
    assert_eq!(data.train().unwrap().image(1).unwrap().pixels(), [3, 4]);
    assert_eq!(data.test().unwrap().labels(), [1]);
}

#[test]
fn statistics_of_the_embedded_set_are_the_known_ones() {
    // numpy over the same 5,000 images: `x.mean()` and `x.std()`, computed in f64 and compared to nine digits.
    let data = embedded("fashion-mnist-mini").unwrap();
    let statistics = image_statistics(&**data.train().unwrap()).unwrap();
    assert_eq!(statistics.count, 5000 * 28 * 28);
    assert!((statistics.mean[0] - MEAN).abs() < 1e-9, "{statistics:?}");
    assert!((statistics.std[0] - STD).abs() < 1e-9, "{statistics:?}");
}

const MEAN: f64 = 0.287346454582;
const STD: f64 = 0.354379716322;
