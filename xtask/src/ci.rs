//! `cargo xtask ci`: all checks, cheapest first, stopping at the first one that fails. `.ci/run` starts it.
//!
//! The last steps are the README's main command on a fresh folder, checked by its JSON and by the files it leaves, the promise
//! that threads and workers do not change the weights, and the promise that a kill loses nothing but time.

use crate::project::{self, Project, run_for_stdout};
use crate::runs::OVERSUBSCRIBE;
use crate::{bench, crash, layers, repeat, test, tidy};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

/// What the main command must reach on the embedded data set's test half. PyTorch with the same network, order rules and
/// hyper-parameters ends near 0.85; this is the floor under which something is broken.
const ACCURACY_FLOOR: f64 = 0.80;

/// One step: its name, and its work, which returns what to repeat at the end.
type Step = (&'static str, fn(&Project) -> Result<Vec<String>>);

const STEPS: [Step; 14] = [
    ("format", |p| {
        quiet(project::run(
            p.cargo().args(["fmt", "--all", "--", "--check"]),
        ))
    }),
    ("tidy", |p| quiet(tidy::run(p))),
    ("layers", |p| quiet(layers::run(p))),
    ("clippy", |p| {
        quiet(project::run(p.cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ])))
    }),
    ("test", |p| test::test(p, &[])),
    ("doc tests", |p| {
        quiet(project::run(p.cargo().args([
            "test",
            "--doc",
            "--workspace",
        ])))
    }),
    ("rustdoc", |p| {
        let flags = "-D warnings";
        quiet(project::run(
            p.cargo()
                .args(["doc", "--workspace", "--no-deps"])
                .env("RUSTDOCFLAGS", flags),
        ))
    }),
    ("release build", |p| {
        quiet(project::run(p.cargo().args([
            "build",
            "--release",
            "-p",
            "gradus-cli",
        ])))
    }),
    ("instructions", |p| bench::instructions::check(p, false)),
    ("gradcheck", gradcheck),
    ("main command", main_command),
    ("equal weights", equal_weights),
    ("repeat", repeat::ci),
    ("crash", crash::ci),
];

/// The README's check of all gradients, on fewer cases than `gradus gradcheck` draws by itself.
fn gradcheck(project: &Project) -> Result<Vec<String>> {
    let binary = project.release_binary()?;
    let mut command = project.command(binary);
    let output = command
        .args(["gradcheck", "--cases", "3"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start gradus gradcheck")?;
    let lines = String::from_utf8(output.stdout).context("gradus gradcheck wrote no UTF-8")?;
    let mut checked = 0;
    for line in lines.lines() {
        let report: Value = serde_json::from_str(line)?;
        ensure!(report["ok"] == true, "{line}");
        checked += 1;
    }
    ensure!(
        output.status.success() && checked > 0,
        "gradus gradcheck ended with {} after {checked} ops",
        output.status
    );
    Ok(vec![format!("gradcheck: {checked} ops, all ok")])
}

pub(crate) fn run_steps(project: &Project, steps: &[Step]) -> Result<()> {
    let began = Instant::now();
    let mut seconds = Vec::new();
    let mut closing = Vec::new();
    for (number, (name, work)) in steps.iter().enumerate() {
        println!("==> [{}/{}] {name}", number + 1, steps.len());
        let step = Instant::now();
        let done = work(project);
        let took = step.elapsed().as_secs_f64();
        closing.extend(done.with_context(|| format!("step {name:?} failed after {took:.1} s"))?);
        println!("    {name}: ok in {took:.1} s");
        seconds.push((name, took));
    }
    println!("==> summary");
    for (name, took) in seconds {
        println!("    {name:<14} {took:>8.1} s");
    }
    test::report(&closing);
    println!(
        "ci: {} steps passed in {:.1} s",
        steps.len(),
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

pub(crate) fn run(project: &Project) -> Result<()> {
    run_steps(project, &STEPS)
}

fn quiet(done: Result<()>) -> Result<Vec<String>> {
    done.map(|()| Vec::new())
}

/// `cargo run --release -p gradus-cli -- train --json` as the README has it, into a temporary folder.
fn main_command(project: &Project) -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let run_dir = folder.path().join("run");
    let report = train(project, &run_dir, &[])?;
    check_report(&report)?;
    check_run_dir(&run_dir)?;
    let hashed = gradus(project)
        .args(["hash", "--json"])
        .arg(&run_dir)
        .to_json()?;
    ensure!(
        hashed["weights_sha256"] == report["weights_sha256"],
        "gradus hash says {} for the run, gradus train said {}",
        hashed["weights_sha256"],
        report["weights_sha256"]
    );
    println!(
        "    steps {}, accuracy {}, seconds {}, weights {}",
        report["steps"], report["eval"]["accuracy"], report["seconds"], report["weights_sha256"]
    );
    Ok(Vec::new())
}

/// 200 steps on one thread without workers, and on four threads with three: the weights are equal to the bit.
fn equal_weights(project: &Project) -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let mut digests = Vec::new();
    for (threads, workers) in [("1", "0"), ("4", "3")] {
        let run_dir = folder.path().join(format!("threads-{threads}"));
        let flags = [
            "--max-steps",
            "200",
            "--threads",
            threads,
            "--workers",
            workers,
        ];
        let report = train(project, &run_dir, &flags)?;
        ensure!(
            report["steps"] == 200,
            "--max-steps 200 ended with steps = {}",
            report["steps"]
        );
        println!(
            "    {threads} threads, {workers} workers: {}",
            report["weights_sha256"]
        );
        digests.push(digest(&report)?.to_owned());
    }
    ensure!(
        digests[0] == digests[1],
        "the weights depend on the number of threads or workers: {digests:?}"
    );
    Ok(Vec::new())
}

fn train(project: &Project, run_dir: &Path, flags: &[&str]) -> Result<Value> {
    gradus(project)
        .args(["train", "--json", "--out"])
        .arg(run_dir)
        .args(flags)
        // As many threads as it is told to, on few cores, too.
        .env(OVERSUBSCRIBE, "1")
        .to_json()
}

fn gradus(project: &Project) -> std::process::Command {
    let mut command = project.cargo();
    command.args(["run", "--quiet", "--release", "-p", "gradus-cli", "--"]);
    command
}

trait ToJson {
    /// Runs to the end and reads stdout as exactly one JSON object; stderr is shown as it comes.
    fn to_json(&mut self) -> Result<Value>;
}

impl ToJson for std::process::Command {
    fn to_json(&mut self) -> Result<Value> {
        let stdout = run_for_stdout(self)?;
        let value: Value = serde_json::from_str(&stdout)
            .with_context(|| format!("stdout is not one JSON object:\n{stdout}"))?;
        ensure!(
            value.is_object(),
            "stdout is JSON but not an object:\n{stdout}"
        );
        Ok(value)
    }
}

/// The fields that scripts read (CONTRACT of the command): present, of the right type, and good enough.
fn check_report(report: &Value) -> Result<()> {
    let steps = report["steps"]
        .as_u64()
        .context("`steps` is missing or not a whole number")?;
    ensure!(steps > 0, "`steps` is 0");
    let accuracy = report["eval"]["accuracy"]
        .as_f64()
        .context("`eval.accuracy` is missing or not a number")?;
    ensure!(
        (ACCURACY_FLOOR..=1.0).contains(&accuracy),
        "`eval.accuracy` is {accuracy}, expected at least {ACCURACY_FLOOR}"
    );
    for field in ["run", "epochs", "train_loss", "seconds"] {
        ensure!(!report[field].is_null(), "`{field}` is missing");
    }
    ensure!(
        report.get("resumed_from").is_some_and(Value::is_null),
        "`resumed_from` is not null in a fresh run"
    );
    digest(report)?;
    Ok(())
}

fn digest(report: &Value) -> Result<&str> {
    let digest = report["weights_sha256"]
        .as_str()
        .context("`weights_sha256` is missing or not text")?;
    let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digest.len() != 64 || !digest.bytes().all(lower_hex) {
        bail!("`weights_sha256` is {digest:?}, expected 64 hex digits");
    }
    Ok(digest)
}

/// The files of a run directory, each with something in it.
fn check_run_dir(run_dir: &Path) -> Result<()> {
    for name in [
        "config.toml",
        "metrics.jsonl",
        "model.safetensors",
        "report.html",
        "labels.txt",
    ] {
        let length = std::fs::metadata(run_dir.join(name))
            .with_context(|| format!("the run has no {name}"))?
            .len();
        ensure!(length > 0, "the run's {name} is empty");
    }
    let events = names_in(run_dir)?
        .into_iter()
        .any(|name| name.starts_with("events.out.tfevents."));
    ensure!(events, "the run has no events.out.tfevents.* file");
    let checkpoints =
        names_in(&run_dir.join("checkpoints")).context("the run has no checkpoints/")?;
    let is_step = |name: &String| {
        name.strip_prefix("step-")
            .is_some_and(|number| number.parse::<u64>().is_ok())
    };
    ensure!(
        checkpoints.iter().any(is_step),
        "checkpoints/ has no step-N: {checkpoints:?}"
    );
    Ok(())
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs;

    fn report() -> Value {
        json!({
            "run": "runs/x", "steps": 10, "epochs": 1, "train_loss": 0.5, "seconds": 1.0, "resumed_from": null,
            "eval": { "accuracy": 0.85 }, "weights_sha256": "0123456789abcdef".repeat(4),
        })
    }

    #[test]
    fn a_good_report_passes_and_each_bad_field_is_named() {
        check_report(&report()).unwrap();
        let bad = [
            ("steps", json!(0)),
            ("steps", json!("10")),
            ("eval", json!({ "accuracy": 0.79 })),
            ("eval", json!({ "accuracy": 1.5 })),
            ("weights_sha256", json!("0123")),
            ("weights_sha256", json!("g".repeat(64))),
            ("resumed_from", json!(3)),
            ("run", Value::Null),
        ];
        for (field, value) in bad {
            let mut planted = report();
            planted[field] = value.clone();
            let error = check_report(&planted).expect_err(field).to_string();
            assert!(error.contains(field), "{field} = {value}: {error}");
        }
    }

    #[test]
    fn a_missing_file_of_a_run_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            "config.toml",
            "metrics.jsonl",
            "model.safetensors",
            "report.html",
            "labels.txt",
            "events.out.tfevents.1.host",
            "checkpoints/step-10/manifest.json",
        ];
        fs::create_dir_all(folder.path().join("checkpoints/step-10")).unwrap();
        for file in files {
            fs::write(folder.path().join(file), "x").unwrap();
        }
        check_run_dir(folder.path()).unwrap();
        for file in &files[..6] {
            fs::remove_file(folder.path().join(file)).unwrap();
            let error = check_run_dir(folder.path()).expect_err(file).to_string();
            assert!(error.contains(&file[..6]), "{file}: {error}");
            fs::write(folder.path().join(file), "x").unwrap();
        }
        fs::rename(
            folder.path().join("checkpoints/step-10"),
            folder.path().join("checkpoints/tmp-10"),
        )
        .unwrap();
        assert!(check_run_dir(folder.path()).is_err());
    }

    #[test]
    fn the_first_red_step_stops_the_run_and_is_named() {
        let project = Project::find().unwrap();
        let steps: [Step; 2] = [
            ("first", |_| bail!("planted")),
            ("second", |_| panic!("ran after a red step")),
        ];
        let error = format!("{:#}", run_steps(&project, &steps).unwrap_err());
        assert!(
            error.contains("\"first\"") && error.contains("planted"),
            "{error}"
        );
    }
}
