//! `cargo xtask bench instructions`: instructions of a step of the small workloads, which a noisy machine counts as well as a quiet one.
//!
//! Valgrind counts them, in one thread. It shows programs a processor without AVX-512, so the AVX2 code is what is counted. A step
//! is the difference between two runs of different lengths, so that start and end of the program drop out. Compilers change the
//! counts: they are compared with the committed ones only if these are of the same compiler and architecture.

use super::workload::build;
use crate::project::{Project, run_for_stdout};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};

/// The workloads, and how many steps more the longer run has. Valgrind works out each lane of a fused multiply-add in software, so that a
/// workload of a few GFLOP a step would take minutes.
const WORKLOADS: [(&str, usize); 2] = [("lenet_b4", 4), ("mlp", 1)];
const FILE: &str = "benches/instructions.json";
/// A count may be this much above the committed one: what a change that is about something else may cost.
const TOLERANCE: f64 = 0.05;

#[derive(clap::Args)]
pub(crate) struct InstructionArgs {
    /// Writes the counts to benches/instructions.json instead of comparing them
    #[arg(long)]
    write: bool,
}

pub(super) fn run(project: &Project, args: &InstructionArgs) -> Result<()> {
    for line in check(project, args.write)? {
        println!("{line}");
    }
    Ok(())
}

/// One line a workload; an error if one needs more than the committed count allows.
pub(crate) fn check(project: &Project, write: bool) -> Result<Vec<String>> {
    let has_valgrind = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has_valgrind {
        return Ok(vec![String::from(
            "instructions: skipped, valgrind is not installed",
        )]);
    }
    let program = build(project, "workload")?;
    let rustc = run_for_stdout(project.command("rustc").arg("--version"))?;
    let compiler = format!("{}, {}", rustc.trim(), std::env::consts::ARCH);
    let mut counts = serde_json::Map::new();
    for (workload, more) in WORKLOADS {
        let short = count(project, &program, workload, 1)?;
        let long = count(project, &program, workload, 1 + more)?;
        let step = long.saturating_sub(short) / more as u64;
        counts.insert(workload.to_owned(), json!(step));
    }
    let file = project.root.join(FILE);
    if write {
        let text = json!({ "compiler": compiler, "instructions_per_step": counts });
        std::fs::write(&file, serde_json::to_string_pretty(&text)? + "\n")
            .with_context(|| format!("cannot write {FILE}"))?;
        return Ok(vec![format!("instructions: wrote {FILE}")]);
    }
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {FILE}; write it with --write"))?;
    let committed = serde_json::from_str(&text).with_context(|| format!("{FILE} is not JSON"))?;
    compare(&counts, &compiler, &committed)
}

fn compare(
    counts: &serde_json::Map<String, Value>,
    compiler: &str,
    committed: &Value,
) -> Result<Vec<String>> {
    let same = committed["compiler"] == compiler;
    let (mut lines, mut worse) = (Vec::new(), Vec::new());
    for (workload, count) in counts {
        let count = count.as_f64().unwrap_or(f64::NAN);
        let line = match committed["instructions_per_step"][workload].as_f64() {
            Some(before) if same => {
                let change = count / before - 1.0;
                if change > TOLERANCE {
                    worse.push(workload.as_str());
                }
                format!(
                    "instructions of {workload}: {:.2} M a step, {:+.1} %",
                    count / 1e6,
                    change * 100.0
                )
            }
            _ => format!(
                "instructions of {workload}: {:.2} M a step, nothing to compare with (committed: {})",
                count / 1e6,
                committed["compiler"].as_str().unwrap_or("nothing")
            ),
        };
        lines.push(line);
    }
    if !worse.is_empty() {
        bail!(
            "{} need over {:.0} % more instructions than {FILE} has; find out why, or write the file anew with \
             `cargo xtask bench instructions --write` and say in the commit what they buy\n{}",
            worse.join(", "),
            TOLERANCE * 100.0,
            lines.join("\n")
        );
    }
    Ok(lines)
}

/// Instructions of a whole run with so many timed steps.
fn count(project: &Project, program: &Path, workload: &str, steps: usize) -> Result<u64> {
    let output = project
        .command("valgrind")
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(program)
        .args([workload, "--steps", &steps.to_string()])
        .output()
        .context("cannot start valgrind")?;
    let text = String::from_utf8_lossy(&output.stderr);
    let counted = text.lines().find_map(refs);
    match counted {
        Some(count) if output.status.success() => Ok(count),
        _ => bail!(
            "valgrind counted nothing for {workload}: {}",
            text.lines().last().unwrap_or_default()
        ),
    }
}

/// `==1== I   refs:      1,234` is 1234.
fn refs(line: &str) -> Option<u64> {
    let (what, number) = line.split_once("refs:")?;
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    what.trim_end().ends_with('I').then_some(())?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_above_the_tolerance_fails_and_another_compiler_does_not() {
        let committed = json!({ "compiler": "rustc 1", "instructions_per_step": { "mlp": 1000 } });
        let counts = |mlp: u64| {
            let counts = json!({ "mlp": mlp });
            counts.as_object().cloned().unwrap_or_default()
        };
        compare(&counts(1040), "rustc 1", &committed).unwrap();
        let error = compare(&counts(1060), "rustc 1", &committed).unwrap_err();
        assert!(error.to_string().starts_with("mlp need"), "{error}");
        compare(&counts(1060), "rustc 2", &committed).unwrap();
    }

    #[test]
    fn the_line_of_valgrind_is_read() {
        assert_eq!(refs("==12== I   refs:      1,234,567"), Some(1_234_567));
        assert_eq!(refs("==12== D   refs:      1"), None);
        assert_eq!(refs("==12== Command: workload"), None);
    }
}
