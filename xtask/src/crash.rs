//! `cargo xtask crash`: kills the release binary at random moments, resumes it, and compares what comes out with a run that
//! nobody killed.
//!
//! Half of the kills wait until the run writes a checkpoint. Each start has its own number of threads and workers.

use crate::project::{Project, run_for_stdout};
use crate::runs::{Random, Traces, Workshop, lines};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Trials of CI.
const CI_TRIALS: u64 = 50;
/// Time between two looks at a run that is to be killed while it saves.
const LOOK: Duration = Duration::from_micros(200);
/// The most kills of a trial.
const KILLS: u64 = 4;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Runs to be killed and resumed
    #[arg(long, value_name = "N", default_value_t = 1000)]
    trials: u64,
    /// The seed of all random moments
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// A run that is killed, and how often it saves.
struct Recipe {
    name: &'static str,
    words: &'static str,
    save_every: u64,
}

const RECIPES: [Recipe; 3] = [
    Recipe {
        name: "mlp",
        words: r#"--model mlp --data images --batch-size 8 --epochs 3 --set accumulate=2 --set ema_decay=0.9 --set keep_best=true --schedule plateau
            --set patience=0 --set log_every=1 --set transforms=[{name="Resize",size=8},{name="RandomHorizontalFlip"},{name="ToTensor"}]"#,
        save_every: 3,
    },
    Recipe {
        name: "gpt",
        words: "--task language-model --model gpt2 --tokenizer char --train-file text.txt --batch-size 2 --max-steps 24 --lr 0.003 --set log_every=3 \
            --set accumulate=2 --set block_size=32 --set architecture={n_layer=1,n_head=2,n_embd=32,n_inner=64} --set keep_every=10",
        save_every: 4,
    },
    Recipe {
        name: "lstm",
        words: r#"--model lstm --data images --batch-size 12 --epochs 2 --optimizer adamw --lr 0.002 --set log_every=1
            --set transforms=[{name="Resize",size=8},{name="ToTensor"}]"#,
        save_every: 1,
    },
];

/// What the trials found.
#[derive(Clone, Debug, Default, PartialEq)]
struct Tally {
    trials: u64,
    kills: u64,
    /// Kills after which an unfinished checkpoint lay there.
    kills_while_saving: u64,
    /// Runs that could not be resumed to their end.
    lost_runs: u64,
    /// Runs that ended with other weights or another evaluation.
    differing_hashes: u64,
    /// Runs whose loss log differs.
    differing_logs: u64,
    samples_repeated: u64,
    samples_skipped: u64,
    /// The most steps that a kill cost.
    most_steps_lost: u64,
    /// Kills that cost more steps than lie between two checkpoints.
    beyond_interval: u64,
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    for line in check(project, args)? {
        println!("{line}");
    }
    Ok(())
}

/// The trials that CI makes; returns their lines.
pub(crate) fn ci(project: &Project) -> Result<Vec<String>> {
    let args = Args {
        trials: CI_TRIALS,
        seed: 1,
    };
    check(project, &args)
}

fn check(project: &Project, args: &Args) -> Result<Vec<String>> {
    ensure!(args.trials > 0, "--trials: must be at least 1, got 0");
    let workshop = Workshop::open(project)?;
    let mut report = Vec::new();
    let mut total = Tally::default();
    let mut findings = Vec::new();
    for (recipe, number) in RECIPES.iter().zip(0_u64..) {
        let count = RECIPES.len() as u64;
        let trials = args.trials / count + u64::from(number < args.trials % count);
        if trials == 0 {
            continue;
        }
        let seed = args.seed.wrapping_mul(1000).wrapping_add(number);
        let tally = check_recipe(&workshop, recipe, trials, seed, &mut findings)?;
        report.push(tally.line(recipe.name, Some(recipe.save_every)));
        total.add(&tally);
    }
    report.push(total.line("all", None));
    if !total.is_clean() {
        bail!("{}\n{}", findings.join("\n"), report.join("\n"));
    }
    Ok(report)
}

/// Makes the run that nobody kills, and then the trials.
fn check_recipe(
    workshop: &Workshop,
    recipe: &Recipe,
    trials: u64,
    seed: u64,
    findings: &mut Vec<String>,
) -> Result<Tally> {
    let began = Instant::now();
    let whole = format!("{}-whole", recipe.name);
    let printed = run_for_stdout(&mut start(workshop, recipe, &whole, &mut Random(seed)))?;
    let took = began.elapsed();
    let expected = Traces::of(&workshop.path(&whole), &printed)?;
    let mut random = Random(seed);
    let mut tally = Tally::default();
    for trial in 0..trials {
        let out = format!("{}-{trial}", recipe.name);
        let mut trial = Trial {
            workshop,
            recipe,
            out: &out,
            took,
            random: &mut random,
            tally: &mut tally,
            findings: &mut *findings,
        };
        trial.run(&expected)?;
        if findings.is_empty() {
            fs::remove_dir_all(workshop.path(&out))?;
        }
    }
    println!(
        "    {}: {trials} trials in {:.1} s, {:.2} s a run that nobody kills",
        recipe.name,
        began.elapsed().as_secs_f64(),
        took.as_secs_f64()
    );
    Ok(tally)
}

/// The command that starts the run or goes on with it, on some number of threads and workers.
fn start(workshop: &Workshop, recipe: &Recipe, out: &str, random: &mut Random) -> Command {
    let (threads, workers) = (1 + random.below(3), random.below(3));
    let words = format!(
        "{} --resume --checkpoint-every {} --set log_samples=true --threads {threads} --workers {workers}",
        recipe.words, recipe.save_every
    );
    workshop.train(&words, out)
}

struct Trial<'a> {
    workshop: &'a Workshop,
    recipe: &'a Recipe,
    out: &'a str,
    /// How long a run takes that nobody kills.
    took: Duration,
    random: &'a mut Random,
    tally: &'a mut Tally,
    findings: &'a mut Vec<String>,
}

impl Trial<'_> {
    /// Kills the run a few times, lets it come to its end, and compares.
    fn run(&mut self, expected: &Traces) -> Result<()> {
        self.tally.trials += 1;
        let run = self.workshop.path(self.out);
        let mut newest = None;
        for _ in 0..=self.random.below(KILLS) {
            if !self.kill_once()? {
                // It came to its end before, which leaves a checkpoint of its own.
                newest = None;
                break;
            }
            newest = self.after_kill(&run)?;
        }
        let ended = start(self.workshop, self.recipe, self.out, self.random).output()?;
        let printed = String::from_utf8_lossy(&ended.stdout);
        if !ended.status.success() {
            self.tally.lost_runs += 1;
            let said = String::from_utf8_lossy(&ended.stderr);
            self.note(&format!("ended with {}: {said}", ended.status));
            return Ok(());
        }
        let outcome: Value = serde_json::from_str(&printed)?;
        if newest.is_some() && outcome["resumed_from"].as_u64() != newest {
            self.tally.lost_runs += 1;
            let from = &outcome["resumed_from"];
            self.note(&format!("resumed from {from}, not from {newest:?}"));
        }
        let found = Traces::of(&run, &printed)?;
        self.tally.compare(&found, expected)?;
        for difference in found.differences(expected) {
            self.note(&difference);
        }
        Ok(())
    }

    fn note(&mut self, what: &str) {
        self.findings.push(format!("{}: {what}", self.out));
    }

    /// Starts the run and kills it at a random moment; false if it came to its end before.
    fn kill_once(&mut self) -> Result<bool> {
        let mut command = start(self.workshop, self.recipe, self.out, self.random);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start gradus")?;
        if self.random.below(2) == 0 {
            self.wait_for_save(&mut child)?;
        } else {
            let moment = self.random.below(self.took.as_micros() as u64);
            thread::sleep(Duration::from_micros(moment));
        }
        let ended = child.try_wait()?;
        child.kill()?;
        let ended = match ended {
            Some(status) => status,
            None => child.wait()?,
        };
        if ended.success() {
            return Ok(false);
        }
        if ended.code().is_some() {
            let mut said = String::new();
            if let Some(stderr) = &mut child.stderr {
                stderr.read_to_string(&mut said)?;
            }
            self.tally.lost_runs += 1;
            self.note(&format!("ended by itself with {ended}: {said}"));
            return Ok(false);
        }
        self.tally.kills += 1;
        Ok(true)
    }

    /// Returns a moment after one of the next checkpoints began to be written, or when the run has ended.
    fn wait_for_save(&mut self, child: &mut Child) -> Result<()> {
        let folder = self.workshop.path(self.out).join("checkpoints");
        let mut to_come = self.random.below(4);
        let mut last = None;
        while child.try_wait()?.is_none() {
            let writing = names(&folder).into_iter().find(|n| n.starts_with(".tmp-"));
            if writing.is_some() && writing != last {
                if to_come == 0 {
                    let moment = self.random.below(4000);
                    thread::sleep(Duration::from_micros(moment));
                    return Ok(());
                }
                to_come -= 1;
                last = writing;
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Counts what the kill cost; returns the newest committed step.
    fn after_kill(&mut self, run: &Path) -> Result<Option<u64>> {
        let names = names(&run.join("checkpoints"));
        if names.iter().any(|name| name.starts_with(".tmp-")) {
            self.tally.kills_while_saving += 1;
        }
        let newest = names.iter().filter_map(|name| committed(name)).max();
        let lost = last_step(&run.join("samples.jsonl"))?.saturating_sub(newest.unwrap_or(0));
        self.tally.most_steps_lost = self.tally.most_steps_lost.max(lost);
        if lost > self.recipe.save_every {
            self.tally.beyond_interval += 1;
            self.note(&format!("{lost} steps lost, newest is {newest:?}"));
        }
        Ok(newest)
    }
}

/// The names in a folder; none if it is not there.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// The step of a checkpoint that counts: `step-N`, or `.old-step-N-PID` while another takes its place.
fn committed(name: &str) -> Option<u64> {
    let aside = name
        .strip_prefix(".old-step-")
        .and_then(|rest| rest.split('-').next());
    name.strip_prefix("step-").or(aside)?.parse().ok()
}

/// The last step whose samples were logged.
fn last_step(log: &Path) -> Result<u64> {
    if !log.exists() {
        return Ok(0);
    }
    let Some(line) = lines(log)?.pop() else {
        return Ok(0);
    };
    let record: Value = serde_json::from_str(&line)?;
    record["step"].as_u64().context("a line without its step")
}

impl Tally {
    fn compare(&mut self, found: &Traces, expected: &Traces) -> Result<()> {
        let same = found.weights == expected.weights && found.eval == expected.eval;
        self.differing_hashes += u64::from(!same);
        self.differing_logs += u64::from(found.log != expected.log);
        let (found, expected) = (seen(&found.samples)?, seen(&expected.samples)?);
        let count = |of: &BTreeMap<_, u64>, sample: &(u64, u64)| of.get(sample).copied();
        for (sample, times) in &found {
            let once = count(&expected, sample).unwrap_or(0);
            self.samples_repeated += times.saturating_sub(once);
        }
        for (sample, times) in &expected {
            let read = count(&found, sample).unwrap_or(0);
            self.samples_skipped += times.saturating_sub(read);
        }
        Ok(())
    }

    fn add(&mut self, other: &Self) {
        self.trials += other.trials;
        self.kills += other.kills;
        self.kills_while_saving += other.kills_while_saving;
        self.lost_runs += other.lost_runs;
        self.differing_hashes += other.differing_hashes;
        self.differing_logs += other.differing_logs;
        self.samples_repeated += other.samples_repeated;
        self.samples_skipped += other.samples_skipped;
        self.most_steps_lost = self.most_steps_lost.max(other.most_steps_lost);
        self.beyond_interval += other.beyond_interval;
    }

    fn is_clean(&self) -> bool {
        let Self {
            lost_runs,
            differing_hashes,
            differing_logs,
            samples_repeated,
            samples_skipped,
            beyond_interval,
            ..
        } = self;
        lost_runs
            + differing_hashes
            + differing_logs
            + samples_repeated
            + samples_skipped
            + beyond_interval
            == 0
    }

    fn line(&self, name: &str, save_every: Option<u64>) -> String {
        let interval = save_every.map_or_else(String::new, |n| format!(" (saved every {n})"));
        let Self {
            trials,
            kills,
            kills_while_saving: saving,
            lost_runs: lost,
            differing_hashes: hashes,
            differing_logs: logs,
            samples_repeated: repeated,
            samples_skipped: skipped,
            most_steps_lost: steps,
            beyond_interval: beyond,
        } = self;
        format!(
            "crash {name}: {trials} trials, {kills} kills, {saving} while saving, {lost} lost runs, {hashes} differing hashes, \
             {logs} differing loss logs, {repeated} samples repeated, {skipped} skipped, at most {steps} steps lost{interval}, \
             {beyond} kills beyond the interval"
        )
    }
}

/// How often each step read each sample.
fn seen(samples: &[String]) -> Result<BTreeMap<(u64, u64), u64>> {
    let mut seen = BTreeMap::new();
    for line in samples {
        let record: Value = serde_json::from_str(line)?;
        let step = record["step"].as_u64().context("a line without its step")?;
        let ids = record["samples"].as_array();
        for id in ids.context("a line without samples")? {
            let id = id.as_u64().context("a sample that is no number")?;
            *seen.entry((step, id)).or_insert(0) += 1;
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(weights: &str, samples: &[&str]) -> Traces {
        Traces {
            weights: weights.into(),
            eval: "{}".into(),
            log: vec!["line".into()],
            samples: samples.iter().map(|&line| line.to_owned()).collect(),
        }
    }

    #[test]
    fn repeated_and_skipped_samples_and_other_weights_are_counted() {
        let (one, two) = (
            r#"{"step":1,"samples":[4,2]}"#,
            r#"{"step":2,"samples":[7]}"#,
        );
        let expected = traces("ab", &[one, two]);
        let mut tally = Tally::default();
        tally.compare(&expected, &expected).unwrap();
        assert!(tally.is_clean());
        tally
            .compare(&traces("cd", &[one, one]), &expected)
            .unwrap();
        assert_eq!(
            (
                tally.differing_hashes,
                tally.samples_repeated,
                tally.samples_skipped
            ),
            (1, 2, 1)
        );
        assert!(!tally.is_clean());
    }

    #[test]
    fn only_checkpoints_that_count_are_committed() {
        let steps = [
            "step-12",
            ".old-step-7-99",
            ".tmp-step-13-99",
            ".trash-step-1-99",
            "step-x",
        ];
        let found: Vec<_> = steps.iter().map(|name| committed(name)).collect();
        assert_eq!(found, [Some(12), Some(7), None, None, None]);
    }
}
