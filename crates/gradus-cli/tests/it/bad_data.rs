//! Data and weights that cannot be used: a clear error that names them, and nothing lost.

use std::fs;
use std::path::Path;

use crate::program::{gradus, png, train, train_words, tree, with_tree, write};

/// Training on `tree` is refused with code 1 and these words, and begins nothing.
#[track_caller]
fn refused(dir: &Path, words: &str, expected: &[&str]) {
    let ran = gradus(dir, &train_words(words));
    let message = ran.refused(1);
    for part in expected {
        assert!(message.contains(part), "{part:?} in {message}");
    }
    assert!(!dir.join("runs").exists(), "no empty run is left");
}

/// A PNG whose header states any size: signature, IHDR with a right checksum, no pixels.
fn png_header(side: u32) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend(side.to_be_bytes());
    chunk.extend(side.to_be_bytes());
    chunk.extend([8, 2, 0, 0, 0]);
    let crc = !chunk.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc: u32, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    });
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    bytes.extend(&chunk);
    bytes.extend(crc.to_be_bytes());
    bytes.extend(b"\0\0\0\0IEND\xae\x42\x60\x82");
    bytes
}

#[test]
fn folders_that_hold_no_data_set() {
    let dir = tempfile::tempdir().unwrap();
    let data = |folder: &str, expected: &[&str]| {
        refused(dir.path(), &format!("--data {folder}"), expected)
    };
    data("./none", &["./none: no such folder"]);
    fs::create_dir(dir.path().join("empty")).unwrap();
    data("empty", &["empty: empty folder; expected train/<class>/*"]);
    write(dir.path(), "file", b"x");
    data("file", &["file: not a folder"]);
    write(dir.path(), "hole/train/ant/1.png", &png(1));
    fs::create_dir(dir.path().join("hole/train/bee")).unwrap();
    data("hole", &["hole/train/bee: class without images"]);
    write(dir.path(), "half/train/ant/1.png", &png(1));
    write(dir.path(), "half/train/bee/1.png", &png(1));
    write(dir.path(), "half/test/ant/1.png", &png(1));
    write(dir.path(), "half/test/cat/1.png", &png(1));
    data(
        "half",
        &[
            "the classes of half/train and half/test differ",
            "only in half/train: bee",
            "only in half/test: cat",
        ],
    );
    write(dir.path(), "untrained/test/ant/1.png", &png(1));
    write(dir.path(), "untrained/test/bee/1.png", &png(1));
    data("untrained", &["untrained", "no train split"]);
}

#[test]
fn files_that_are_no_usable_image() {
    for (name, bytes, expected) in [
        ("zero.png", vec![], "the file is empty"),
        (
            "text.png",
            b"no image at all".to_vec(),
            "not a PNG or JPEG image",
        ),
        ("huge.png", png_header(50_000), "50000×50000"),
        (
            "cut.png",
            png(1)[..120].to_vec(),
            "truncated or damaged image",
        ),
    ] {
        let dir = with_tree();
        let path = format!("tree/train/bee/{name}");
        write(dir.path(), &path, &bytes);
        let ran = gradus(dir.path(), &train_words("--max-steps 12"));
        let message = ran.refused(1);
        assert!(
            message.contains(&format!("{path}: ")) && message.contains(expected),
            "{name}: {message}"
        );
        // Damage behind a good header is found when the file is read, in the middle of the run.
        assert_eq!(dir.path().join("runs").exists(), name == "cut.png");
        let skipping = gradus(
            dir.path(),
            &train_words("--skip-bad-images --max-steps 1 --out run"),
        );
        skipping.json();
        assert!(
            skipping
                .err
                .contains(&format!("warning: left out {path}: ")),
            "{name}: {}",
            skipping.err
        );
        let info = gradus(
            dir.path(),
            &["data", "info", "tree", "--json", "--skip-bad-images"],
        )
        .json();
        assert_eq!(
            (&info["skipped"][0]["path"], &info["splits"]["train"]),
            (&path.into(), &24.into()),
            "{name}"
        );
    }
}

#[test]
fn idx_files_that_are_wrong() {
    let images = |magic: u8, count: u32, bytes: usize| {
        let mut file = vec![0, 0, magic, 3];
        [count, 4, 4]
            .iter()
            .for_each(|dim| file.extend(dim.to_be_bytes()));
        file.resize(16 + bytes, 7);
        file
    };
    let labels = |count: u32| {
        let mut file = vec![0, 0, 8, 1];
        file.extend(count.to_be_bytes());
        file.extend((0..count).map(|i| (i % 2) as u8));
        file
    };
    for (images, labels, expected) in [
        (images(9, 8, 128), labels(8), "train-images-idx3-ubyte: "),
        (images(8, 8, 100), labels(8), "train-images-idx3-ubyte: "),
        (images(8, 8, 128), labels(7), "7"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        for split in ["train", "t10k"] {
            write(
                dir.path(),
                &format!("idx/{split}-images-idx3-ubyte"),
                &images,
            );
            write(
                dir.path(),
                &format!("idx/{split}-labels-idx1-ubyte"),
                &labels,
            );
        }
        refused(dir.path(), "--data idx", &[expected]);
    }
}

#[test]
fn scoring_on_other_classes_is_refused() {
    let dir = with_tree();
    train(dir.path(), "--max-steps 1 --out run");
    fs::create_dir(dir.path().join("other")).unwrap();
    tree(&dir.path().join("other"), &["ant", "bee", "dog"]);
    let ran = gradus(dir.path(), &["eval", "run", "--data", "other/tree"]);
    let message = ran.refused(1);
    assert!(
        message.contains("differ") && message.contains("cat") && message.contains("dog"),
        "{message}"
    );
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let dir = with_tree();
    train(dir.path(), "--max-steps 1 --out run");
    write(dir.path(), "garbage.safetensors", &[0xff; 64]);
    write(
        dir.path(),
        "short.safetensors",
        &fs::read(dir.path().join("run/model.safetensors")).unwrap()[..1000],
    );
    refused(
        dir.path(),
        "--init garbage.safetensors",
        &["garbage.safetensors: "],
    );
    refused(
        dir.path(),
        "--init short.safetensors",
        &["short.safetensors: "],
    );
    refused(
        dir.path(),
        "--init none.safetensors",
        &["none.safetensors: "],
    );
    refused(
        dir.path(),
        "--init run/model.safetensors --model mlp",
        &["run/model.safetensors: ", "conv1.weight", "0.weight"],
    );
    // Two classes where the file has three: the module's path and both shapes.
    let two = tempfile::tempdir().unwrap();
    tree(two.path(), &["ant", "bee"]);
    let file = dir.path().join("run/model.safetensors");
    refused(
        two.path(),
        &format!("--init {}", file.display()),
        &["fc3.weight", "(2, 84)", "(3, 84)"],
    );
    write(dir.path(), "run/model.safetensors", &[1; 100]);
    assert!(
        gradus(dir.path(), &["eval", "run"])
            .refused(1)
            .contains("run/model.safetensors: ")
    );
}

#[test]
fn images_that_do_not_fit_the_model_are_explained() {
    let dir = with_tree();
    let ran = gradus(
        dir.path(),
        &train_words("--set transforms=[{name=\"ToTensor\"}]"),
    );
    let message = ran.refused(2);
    assert!(
        message.contains("tutorial-cnn") && message.contains("32×32") && message.contains("16×16"),
        "{message}"
    );
}
