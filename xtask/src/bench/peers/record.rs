//! What a run measured, kept as lines of JSON so that pages can be written anew, also from several runs.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

/// The steps whose losses are kept, from 1; the last step's is kept besides.
const LOSSES_OF: [usize; 4] = [1, 2, 10, 100];

/// The share of a round that a side may wait for a core before its time is marked as disturbed.
pub(super) const MOST_WAITED: f64 = 0.05;

/// One side in one group: sides that were alive together and took turns.
#[derive(Default, Clone)]
pub(super) struct Measured {
    pub(super) version: String,
    /// The median step of each round, in ms.
    pub(super) rounds_ms: Vec<f64>,
    /// The share of each round in which threads that could run waited for a core: what other programs took.
    pub(super) rounds_waited: Vec<f64>,
    pub(super) steps_per_round: usize,
    /// Steps so far, warm-up included.
    pub(super) steps: usize,
    /// `(step, loss)`.
    pub(super) losses: Vec<(usize, f64)>,
    pub(super) last_loss: f64,
    pub(super) peak_rss_mb: Option<f64>,
    pub(super) base_rss_mb: Option<f64>,
}

impl Measured {
    pub(super) fn count_losses(&mut self, losses: &[f64]) {
        for &loss in losses {
            self.steps += 1;
            self.last_loss = loss;
            if LOSSES_OF.contains(&self.steps) {
                self.losses.push((self.steps, loss));
            }
        }
    }

    /// The median of the rounds.
    pub(super) fn ms(&self) -> f64 {
        median(&self.rounds_ms)
    }

    /// Whether other programs took so much of the cores that the times are not this side's own.
    pub(super) fn is_disturbed(&self) -> bool {
        median(&self.rounds_waited) > MOST_WAITED
    }

    /// The lowest and the highest round.
    pub(super) fn spread(&self) -> [f64; 2] {
        let fold = |f: fn(f64, f64) -> f64| self.rounds_ms.iter().copied().fold(f64::NAN, f);
        [fold(f64::min), fold(f64::max)]
    }

    pub(super) fn loss_at(&self, step: usize) -> Option<f64> {
        let found = self.losses.iter().find(|(at, _)| *at == step);
        found.map(|(_, loss)| *loss)
    }

    fn to_json(&self) -> Value {
        json!({
            "version": self.version,
            "rounds_ms": self.rounds_ms.iter().map(|ms| rounded(*ms)).collect::<Vec<_>>(),
            "rounds_waited": self.rounds_waited.iter().map(|share| rounded(*share)).collect::<Vec<_>>(),
            "steps_per_round": self.steps_per_round,
            "steps": self.steps,
            "losses": self.losses,
            "last_loss": self.last_loss,
            "peak_rss_mb": self.peak_rss_mb.map(rounded),
            "base_rss_mb": self.base_rss_mb.map(rounded),
        })
    }

    fn from_json(value: &Value) -> Self {
        let count = |key: &str| value[key].as_u64().unwrap_or(0) as usize;
        let list = |key: &str| value[key].as_array().cloned().unwrap_or_default();
        let pair = |pair: &Value| Some((pair[0].as_u64()? as usize, pair[1].as_f64()?));
        Self {
            version: value["version"].as_str().unwrap_or_default().to_owned(),
            rounds_ms: list("rounds_ms").iter().filter_map(Value::as_f64).collect(),
            rounds_waited: list("rounds_waited")
                .iter()
                .filter_map(Value::as_f64)
                .collect(),
            steps_per_round: count("steps_per_round"),
            steps: count("steps"),
            losses: list("losses").iter().filter_map(pair).collect(),
            last_loss: value["last_loss"].as_f64().unwrap_or(f64::NAN),
            peak_rss_mb: value["peak_rss_mb"].as_f64(),
            base_rss_mb: value["base_rss_mb"].as_f64(),
        }
    }
}

/// One group of one workload.
#[derive(Default, Clone)]
pub(super) struct Record {
    pub(super) date: String,
    pub(super) commit: String,
    pub(super) machine: String,
    pub(super) command: String,
    pub(super) workload: String,
    pub(super) threads: usize,
    pub(super) sides: Vec<(String, Measured)>,
    /// Sides that have the workload but did not run it, and why.
    pub(super) skipped: Vec<(String, String)>,
}

impl Record {
    pub(super) fn side(&self, name: &str) -> Option<&Measured> {
        let found = self.sides.iter().find(|(side, _)| side == name);
        found.map(|(_, measured)| measured)
    }

    /// The median over the rounds of `ours ÷ theirs`, both of the same round.
    pub(super) fn ratio(&self, ours: &str, theirs: &str) -> Option<f64> {
        let rounds = self
            .side(ours)?
            .rounds_ms
            .iter()
            .zip(&self.side(theirs)?.rounds_ms);
        let ratios: Vec<f64> = rounds.map(|(ours, theirs)| ours / theirs).collect();
        (!ratios.is_empty()).then(|| median(&ratios))
    }

    /// Whether other programs disturbed one of the two.
    pub(super) fn is_disturbed(&self, ours: &str, theirs: &str) -> bool {
        let sides = [ours, theirs];
        let mut found = sides.iter().filter_map(|side| self.side(side));
        found.any(Measured::is_disturbed)
    }

    /// Adds the record to the file as one line.
    pub(super) fn append(&self, file: &Path) -> Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let sides: serde_json::Map<_, _> = self
            .sides
            .iter()
            .map(|(name, measured)| (name.clone(), measured.to_json()))
            .collect();
        let skipped: serde_json::Map<_, _> = self
            .skipped
            .iter()
            .map(|(name, why)| (name.clone(), json!(why)))
            .collect();
        let line = json!({
            "date": self.date, "commit": self.commit, "machine": self.machine, "command": self.command,
            "workload": self.workload, "threads": self.threads, "sides": sides, "skipped": skipped,
        });
        let mut opened = std::fs::File::options()
            .create(true)
            .append(true)
            .open(file)
            .with_context(|| format!("cannot write {}", file.display()))?;
        writeln!(opened, "{line}")?;
        Ok(())
    }

    fn from_json(value: &Value) -> Self {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let object = |key: &str| value[key].as_object().cloned().unwrap_or_default();
        let why = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            date: text("date"),
            commit: text("commit"),
            machine: text("machine"),
            command: text("command"),
            workload: text("workload"),
            threads: value["threads"].as_u64().unwrap_or(0) as usize,
            sides: object("sides")
                .iter()
                .map(|(name, side)| (name.clone(), Measured::from_json(side)))
                .collect(),
            skipped: object("skipped")
                .iter()
                .map(|(name, reason)| (name.clone(), why(reason)))
                .collect(),
        }
    }
}

/// All records of the files, in their order; a file that is not there has none.
pub(super) fn read(files: &[impl AsRef<Path>]) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for file in files.iter().map(AsRef::as_ref) {
        if !file.exists() {
            continue;
        }
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        for (number, line) in text.lines().enumerate() {
            let value: Value = serde_json::from_str(line)
                .with_context(|| format!("{}:{} is not JSON", file.display(), number + 1))?;
            records.push(Record::from_json(&value));
        }
    }
    Ok(records)
}

/// The middle value, or the upper one of two.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_file_and_ratios_are_paired() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/results.jsonl");
        let measured = |rounds: &[f64]| Measured {
            rounds_ms: rounds.to_vec(),
            rounds_waited: vec![0.0, 0.5, 0.01],
            peak_rss_mb: Some(12.5),
            ..Default::default()
        };
        let mut ours = measured(&[1.0, 8.0, 3.0]);
        ours.count_losses(&[0.5, 0.25, 0.125]);
        let record = Record {
            workload: "mlp".into(),
            threads: 2,
            sides: vec![
                ("gradus".into(), ours),
                ("eager".into(), measured(&[4.0, 16.0, 4.0])),
            ],
            skipped: vec![("candle".into(), "not there".into())],
            ..Default::default()
        };
        record.append(&file).unwrap();
        record.append(&file).unwrap();
        let read = read(&[file]).unwrap();
        assert_eq!(read.len(), 2);
        // 1/4, 8/16, 3/4: the machine was slow in the second round, for both.
        assert_eq!(read[1].ratio("gradus", "eager"), Some(0.5));
        assert_eq!(read[1].ratio("gradus", "candle"), None);
        assert!(!read[1].is_disturbed("gradus", "eager"));
        let ours = read[1].side("gradus").unwrap();
        assert_eq!(ours.loss_at(2), Some(0.25));
        assert_eq!((ours.steps, ours.last_loss), (3, 0.125));
        assert_eq!(ours.spread(), [1.0, 8.0]);
        assert_eq!(read[1].skipped[0].1, "not there");
    }
}
