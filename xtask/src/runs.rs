//! Small runs of the release binary, on data that are made here: what `repeat` and `crash` train.

use crate::project::{Project, run_for_stdout};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Images of each class that are kept for training and for testing.
const IMAGES: [(&str, usize); 2] = [("train", 12), ("test", 3)];
/// Lets a run start more threads than there are cores (`gradus_linalg::threads::OVERSUBSCRIBE`).
pub(crate) const OVERSUBSCRIBE: &str = "GRADUS_OVERSUBSCRIBE";
/// Words of the texts.
const WORDS: [&str; 16] = [
    "the", "a", "old", "new", "red", "quiet", "river", "stone", "bird", "lamp", "sees", "finds",
    "holds", "under", "over", "beside",
];

/// A folder with data, and the binary that trains on them.
pub(crate) struct Workshop {
    binary: PathBuf,
    folder: tempfile::TempDir,
}

impl Workshop {
    /// Builds the binary and makes the data: `images` (a tree), `text.txt`, `labelled.csv`.
    pub(crate) fn open(project: &Project) -> Result<Self> {
        let workshop = Self {
            binary: project.release_binary()?,
            folder: tempfile::tempdir()?,
        };
        workshop.make_images()?;
        let mut random = Random(1);
        let text: String = (0..240).map(|_| sentence(&mut random)).collect();
        fs::write(workshop.path("text.txt"), text)?;
        let mut labelled = String::from("text,label\n");
        for _ in 0..160 {
            let sentence = sentence(&mut random);
            // Something that can be learned.
            let label = ["plain", "bird"][usize::from(sentence.contains("bird"))];
            writeln!(labelled, "{},{label}", sentence.trim_end())?;
        }
        fs::write(workshop.path("labelled.csv"), labelled)?;
        Ok(workshop)
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `gradus train --json` with these words, separated by spaces, into the run directory `out`. It starts as many threads as it is told to.
    pub(crate) fn train(&self, words: &str, out: &str) -> Command {
        let mut command = self.gradus();
        command
            .args(["train", "--json", "--quiet", "--out", out])
            .args(words.split_ascii_whitespace())
            .env(OVERSUBSCRIBE, "1");
        command
    }

    fn gradus(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .current_dir(self.folder.path())
            .env_remove("RUST_LOG");
        command
    }

    /// A few images of each class of the embedded data set.
    fn make_images(&self) -> Result<()> {
        let mut command = self.gradus();
        let data = "fashion-mnist-mini";
        run_for_stdout(command.args(["data", "make", data, "images", "--json"]))?;
        for (split, kept) in IMAGES {
            for class in sorted(&self.path("images").join(split))? {
                for image in sorted(&class)?.iter().skip(kept) {
                    fs::remove_file(image)?;
                }
            }
        }
        Ok(())
    }
}

fn sentence(random: &mut Random) -> String {
    let length = 4 + random.below(5);
    let count = WORDS.len() as u64;
    let words = (0..length).map(|_| WORDS[usize::try_from(random.below(count)).unwrap_or(0)]);
    words.collect::<Vec<_>>().join(" ") + ".\n"
}

/// The entries of a folder in the order of their names.
fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Splitmix64: a sequence of numbers that a seed repeats.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is far below 2^64; 0 for a bound of 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// What must be the same however a run was made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Traces {
    /// The digest of the weights.
    pub(crate) weights: String,
    /// The final evaluation, as JSON.
    pub(crate) eval: String,
    /// The lines of the loss log, without times.
    pub(crate) log: Vec<String>,
    /// The lines of the log of samples.
    pub(crate) samples: Vec<String>,
}

impl Traces {
    /// Reads what a run has left, and what it printed.
    pub(crate) fn of(run: &Path, printed: &str) -> Result<Self> {
        let outcome: Value = serde_json::from_str(printed)
            .with_context(|| format!("stdout is not one JSON object: {printed:?}"))?;
        let weights = outcome["weights_sha256"].as_str();
        ensure!(
            outcome["interrupted"] == false,
            "the run was interrupted: {printed}"
        );
        Ok(Self {
            weights: weights.context("`weights_sha256` is missing")?.to_owned(),
            eval: outcome["eval"].to_string(),
            log: loss_log(&run.join("metrics.jsonl"))?,
            samples: lines(&run.join("samples.jsonl"))?,
        })
    }

    /// What differs from `other`, in words; nothing if all is the same.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.weights != other.weights {
            found.push(format!("weights {} and {}", self.weights, other.weights));
        }
        if self.eval != other.eval {
            found.push("the evaluation".to_owned());
        }
        for (name, ours, theirs) in [
            ("loss log", &self.log, &other.log),
            ("log of samples", &self.samples, &other.samples),
        ] {
            let same = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
            if ours != theirs {
                let line = |lines: &[String]| lines.get(same).cloned().unwrap_or_default();
                found.push(format!(
                    "the {name} from line {} on ({} and {} lines): {} and {}",
                    same + 1,
                    ours.len(),
                    theirs.len(),
                    line(ours),
                    line(theirs)
                ));
            }
        }
        found
    }
}

/// The lines of a log of metrics without what a clock says.
fn loss_log(path: &Path) -> Result<Vec<String>> {
    let untimed = |line: String| -> Result<String> {
        let mut record: Value = serde_json::from_str(&line)
            .with_context(|| format!("{}: not JSON: {line:?}", path.display()))?;
        if let Some(fields) = record.as_object_mut() {
            fields.remove("examples_per_second");
        }
        Ok(record.to_string())
    };
    lines(path)?.into_iter().map(untimed).collect()
}

/// The whole lines of a file.
pub(crate) fn lines(path: &Path) -> Result<Vec<String>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let whole = text.split_inclusive('\n').filter(|l| l.ends_with('\n'));
    Ok(whole.map(|line| line.trim_end().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_of_two_runs_is_named() {
        let run = Traces {
            weights: "ab".into(),
            eval: "{}".into(),
            log: vec!["1".into(), "2".into()],
            samples: vec!["1".into()],
        };
        assert!(run.differences(&run.clone()).is_empty());
        let other = Traces {
            weights: "cd".into(),
            eval: "null".into(),
            log: vec!["1".into()],
            samples: vec!["3".into()],
        };
        let found = run.differences(&other);
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[2].contains("loss log from line 2 on (2 and 1 lines): 2 and"));
    }

    #[test]
    fn times_are_no_part_of_the_loss_log_and_cut_lines_no_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let text = "{\"loss\":0.5,\"examples_per_second\":9}\n{\"loss\":0.25}\n{\"lo";
        fs::write(&path, text).unwrap();
        assert_eq!(
            loss_log(&path).unwrap(),
            [r#"{"loss":0.5}"#, r#"{"loss":0.25}"#]
        );
    }
}
