//! The recipes of `docs/recipes`: each has its line on the page there, and trains a step on data of the kind that it is for.

use std::fs;
use std::path::{Path, PathBuf};

use crate::program::{gradus, write};

/// Each recipe with what makes its step small. A later one may start from the run of an earlier one, which is named after its recipe.
const RECIPES: [(&str, &str); 7] = [
    (
        "char-gpt",
        "--train-file words.txt --batch-size 2 --set windows_per_epoch=2",
    ),
    (
        "char-gpt-large",
        "--train-file words.txt --batch-size 1 --set windows_per_epoch=1",
    ),
    (
        "poems",
        "--train-file words.txt --batch-size 2 --set windows_per_epoch=2",
    ),
    ("reviews-zh", "--train-file reviews.csv"),
    (
        "sentiment",
        "--from reviews-zh --train-file reviews.csv --eval-file reviews.csv",
    ),
    ("resnet-fashion", "--data images"),
    ("vit-fashion", "--data images"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/recipes")
}

/// Words that repeat little, so that a tokenizer leaves many tokens of them.
fn words() -> String {
    let mut state = 1_u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + (state >> 24) as u8 % 26)
    };
    (0..4000)
        .flat_map(|_| [letter(), letter(), letter(), letter(), ' '])
        .collect()
}

/// An IDX file: two bytes of 0, the type of bytes, the number of dims, the dims, the bytes.
fn idx(dims: &[u32]) -> Vec<u8> {
    let count: u32 = dims.iter().product();
    let mut file = vec![0, 0, 8, dims.len() as u8];
    file.extend(dims.iter().flat_map(|dim| dim.to_be_bytes()));
    file.extend((0..count).map(|i| (i % 2) as u8));
    file
}

fn with_data() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "words.txt", words().as_bytes());
    let review = |i: usize| format!("这本书很好{i},好\n房间太吵了{i},坏\n");
    let reviews: String = (0..10).map(review).collect();
    write(
        dir.path(),
        "reviews.csv",
        format!("text,label\n{reviews}").as_bytes(),
    );
    for (name, count) in [("train", 4), ("t10k", 2)] {
        let images = format!("images/{name}-images-idx3-ubyte");
        write(dir.path(), &images, &idx(&[count, 28, 28]));
        let labels = format!("images/{name}-labels-idx1-ubyte");
        write(dir.path(), &labels, &idx(&[count]));
    }
    dir
}

#[test]
fn every_recipe_trains_a_step() {
    let dir = with_data();
    for (name, more) in RECIPES {
        let file = folder().join(format!("{name}.toml"));
        let file = file.to_str().unwrap();
        let words = format!("--json --threads 1 --max-steps 1 --out {name} {more}");
        let words: Vec<&str> = ["train", file]
            .into_iter()
            .chain(words.split(' '))
            .collect();
        let run = gradus(dir.path(), &words).json();
        assert_eq!(run["steps"], 1, "{name}");
        assert!(run["eval"]["loss"].as_f64().unwrap().is_finite(), "{name}");
    }
}

#[test]
fn every_recipe_is_tried_and_has_its_line_on_the_page() {
    let page = fs::read_to_string(folder().join("README.md")).unwrap();
    let mut found: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    found.sort();
    let mut tried = RECIPES.map(|(name, _)| name);
    tried.sort_unstable();
    assert_eq!(found, tried);
    for name in tried {
        assert!(page.contains(&format!("| `{name}.toml`")), "{name}");
    }
}
