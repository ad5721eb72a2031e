//! Starts the program, and makes small data sets for it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use gradus_data::Image;
use serde_json::Value;

/// How a start of the program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The one JSON object on stdout of a start that went well.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        assert_eq!(self.out.lines().count(), 1, "one line: {}", self.out);
        serde_json::from_str(&self.out).expect("stdout is JSON")
    }

    /// Makes sure that a start went well.
    #[track_caller]
    pub(crate) fn done(&self) {
        assert_eq!(self.code, 0, "{}", self.err);
    }

    /// The message of a start that failed with this code: one error on stderr, nothing on stdout.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "{} {}", self.out, self.err);
        assert_eq!(self.out, "");
        let errors: Vec<&str> = self
            .err
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect();
        assert_eq!(errors.len(), 1, "one error: {}", self.err);
        for noise in ["panicked", "backtrace", "Error {", "Err("] {
            assert!(!self.err.contains(noise), "{}", self.err);
        }
        &self.err[self.err.find("error: ").unwrap_or(0)..]
    }
}

/// The program with these words, below `dir`, away from the caller's settings.
pub(crate) fn command(dir: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradus"));
    command
        .args(words)
        // As many threads as a test asks for, on few cores, too.
        .env("GRADUS_OVERSUBSCRIBE", "1")
        .current_dir(dir)
        .env_remove("RUST_LOG")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
    command
}

/// Starts the program and waits for its end.
#[track_caller]
pub(crate) fn gradus(dir: &Path, words: &[&str]) -> Ran {
    end_of(command(dir, words))
}

#[track_caller]
pub(crate) fn end_of(mut command: Command) -> Ran {
    let done = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran {
        code: done.status.code().unwrap_or(-1),
        out: text(done.stdout),
        err: text(done.stderr),
    }
}

/// Starts `gradus train --json` on the tree `tree` with small steps, and more words (separated by spaces).
#[track_caller]
pub(crate) fn train(dir: &Path, words: &str) -> Value {
    gradus(dir, &train_words(words)).json()
}

/// The words of [`train`].
pub(crate) fn train_words(words: &str) -> Vec<&str> {
    let base = "train --json --data tree --batch-size 4 --epochs 2 --set log_every=1 --threads 1";
    base.split(' ')
        .chain(words.split(' ').filter(|word| !word.is_empty()))
        .collect()
}

/// An image whose pixels are a function of `seed`.
pub(crate) fn png(seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let pixels = (0..16 * 16).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    Image::new(16, 16, 1, pixels.collect())
        .unwrap()
        .encode_png()
        .unwrap()
}

/// Writes `bytes` to `path` below `dir`.
pub(crate) fn write(dir: &Path, path: &str, bytes: &[u8]) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A folder with `tree`: 3 classes, 24 training and 6 test images of 16×16.
pub(crate) fn with_tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    tree(dir.path(), &["ant", "bee", "cat"]);
    dir
}

/// The tree of [`with_tree`] with these classes.
pub(crate) fn tree(dir: &Path, classes: &[&str]) {
    for (class, name) in (0_u32..).zip(classes) {
        for i in 0..10 {
            let split = if i < 8 { "train" } else { "test" };
            write(
                dir,
                &format!("tree/{split}/{name}/{i}.png"),
                &png(100 * class + i),
            );
        }
    }
}
