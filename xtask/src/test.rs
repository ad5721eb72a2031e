//! `cargo xtask test`: the README's test command. It works with Rust alone and is faster with cargo-nextest.

use crate::project::{Project, run_keeping};
use anyhow::Result;
use std::process::Stdio;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Passed on to the runner, after `--`: for instance a package (`-p gradus-nn`) or a part of a test's name
    #[arg(last = true)]
    rest: Vec<String>,
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    report(&test(project, &args.rest)?);
    Ok(())
}

/// Runs the tests and returns the runner's closing lines.
pub(crate) fn test(project: &Project, rest: &[String]) -> Result<Vec<String>> {
    let mut command = project.cargo();
    let nextest = has_nextest(project);
    if nextest {
        command.args(["nextest", "run"]);
    } else {
        command.args(["test", "--lib", "--bins", "--tests"]);
    }
    if !rest
        .iter()
        .any(|word| word == "-p" || word.starts_with("--package"))
    {
        command.arg("--workspace");
    }
    command.args(rest);
    run_keeping(&mut command, if nextest { is_summary } else { is_result })
}

/// Prints the closing lines once more, under what they add up to.
pub(crate) fn report(closing: &[String]) {
    for line in closing {
        println!("{line}");
    }
    let total = total(closing);
    println!(
        "tests: {} passed, {} failed, {} ignored or skipped",
        total.passed, total.failed, total.skipped
    );
}

fn has_nextest(project: &Project) -> bool {
    let status = project
        .cargo()
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// The line that closes each test binary of cargo test: `test result: ok. 3 passed; …`.
fn is_result(line: &str) -> bool {
    line.starts_with("test result:")
}

/// The line that closes a run of nextest: `Summary [   1.2s] 3 tests run: …`.
fn is_summary(line: &str) -> bool {
    line.trim_start().starts_with("Summary [") && line.contains(" run: ")
}

#[derive(Debug, Default, PartialEq)]
struct Total {
    passed: u64,
    failed: u64,
    skipped: u64,
}

fn total(closing: &[String]) -> Total {
    let mut total = Total::default();
    for line in closing {
        let words: Vec<&str> = line
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        for pair in words.windows(2) {
            let Ok(count) = pair[0].parse::<u64>() else {
                continue;
            };
            match pair[1] {
                "passed" => total.passed += count,
                "failed" => total.failed += count,
                "ignored" | "skipped" => total.skipped += count,
                _ => {}
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_both_runners_are_recognised_and_added_up() {
        let cargo = "test result: ok. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        let nextest = "     Summary [   0.031s] 5 tests run: 4 passed, 1 failed, 3 skipped";
        assert!(is_result(cargo) && !is_summary(cargo));
        assert!(is_summary(nextest) && !is_result(nextest));
        assert!(!is_result("test tidy::the_tree_is_tidy ... ok"));
        let sum = total(&[cargo.to_owned(), nextest.trim().to_owned()]);
        assert_eq!(
            sum,
            Total {
                passed: 16,
                failed: 2,
                skipped: 5
            }
        );
    }
}
