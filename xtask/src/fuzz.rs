//! `cargo xtask fuzz`: random calls of the ops, and spoilt files for the parsers. In the profile of the tests, where overflows panic, too.

use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{self, Project, run_for_stdout};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    target: Option<Target>,
    #[command(flatten)]
    ops: OpArgs,
}

#[derive(clap::Subcommand)]
enum Target {
    /// Calls of every op with arbitrary shapes, dtypes and attributes: none may panic. The default
    Ops(OpArgs),
    /// Files of every format, spoilt: no panic, no abort, a second and twice the file plus 64 MiB at most
    Parsers(ParserArgs),
}

#[derive(clap::Args, Clone)]
struct OpArgs {
    /// How many calls
    #[arg(long, default_value_t = 1_000_000)]
    calls: u64,
}

#[derive(clap::Args)]
struct ParserArgs {
    /// Only this parser; may be given several times
    #[arg(long = "parser", value_name = "NAME")]
    parsers: Vec<String>,
    /// How many seconds of computing, each
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Another seed spoils the files in other ways
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only list the parsers
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    match &args.target {
        None => fuzz_ops(project, &args.ops),
        Some(Target::Ops(args)) => fuzz_ops(project, args),
        Some(Target::Parsers(args)) => fuzz_parsers(project, args),
    }
}

fn fuzz_ops(project: &Project, args: &OpArgs) -> Result<()> {
    let test = ["test", "-p", "gradus-autograd", "--test", "it", "--"];
    project::run(
        project
            .cargo()
            .args(test)
            .args([
                "registry::arbitrary_calls_do_not_panic",
                "--exact",
                "--nocapture",
            ])
            .env("GRADUS_FUZZ_CALLS", args.calls.to_string()),
    )
}

/// The tests of this module are the parsers.
const MODULE: &str = "fuzz::";

/// A parser after the other, in a process each: one that aborts leaves its file, and the others go on.
fn fuzz_parsers(project: &Project, args: &ParserArgs) -> Result<()> {
    let program = test_program(project)?;
    let known = parsers(&run_for_stdout(
        project.command(&program).args(["--list", "--format=terse"]),
    )?);
    if args.list {
        known.iter().for_each(|name| println!("{name}"));
        return Ok(());
    }
    let chosen = chosen(&args.parsers, &known)?;
    let folder = project.target_dir().join("fuzz");
    let mut failed = Vec::new();
    for name in chosen {
        let done = project::run(
            project
                .command(&program)
                .args([
                    &format!("{MODULE}{name}"),
                    "--exact",
                    "--nocapture",
                    "--quiet",
                ])
                .env("GRADUS_FUZZ_SECONDS", args.seconds.to_string())
                .env("GRADUS_FUZZ_SEED", args.seed.to_string())
                .env("GRADUS_FUZZ_FOLDER", &folder),
        );
        if let Err(error) = done {
            println!(
                "{name}: {error:#}; its last file is {}",
                last(&folder, &name).display()
            );
            failed.push(name);
        }
    }
    ensure!(failed.is_empty(), "findings in {}", failed.join(", "));
    println!("no finding");
    Ok(())
}

/// Where the test keeps the file that it works on.
fn last(folder: &Path, parser: &str) -> PathBuf {
    folder.join(format!("{}.last", parser.replace('_', "-")))
}

/// Builds the program of the tests and says where it is.
fn test_program(project: &Project) -> Result<PathBuf> {
    let mut cargo: Command = project.cargo();
    // Of the workspace, not of one package: its features are those that everything else was built with.
    cargo.args(["test", "--workspace", "--test", "hostile", "--no-run"]);
    let output = run_for_stdout(cargo.arg("--message-format=json-render-diagnostics"))?;
    output
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "hostile")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .context("cargo built the tests of gradus but named no executable `hostile`")
}

/// The parsers in the list of tests.
fn parsers(list: &str) -> Vec<String> {
    let of_module = list.lines().filter_map(|line| line.strip_prefix(MODULE));
    let tests = of_module.filter_map(|line| line.strip_suffix(": test"));
    let parsers = tests.filter(|name| *name != "names_are_those_of_the_tests");
    parsers.map(str::to_owned).collect()
}

/// Those asked for, or all. `-` and `_` are the same in names.
fn chosen(asked: &[String], known: &[String]) -> Result<Vec<String>> {
    if asked.is_empty() {
        return Ok(known.to_vec());
    }
    let asked: Vec<String> = asked.iter().map(|name| name.replace('-', "_")).collect();
    if let Some(name) = asked.iter().find(|name| !known.contains(name)) {
        bail!("no parser {name:?}; known are {}", known.join(", "));
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsers_are_read_off_the_list_of_tests() {
        let list = "fuzz::idx: test\nfuzz::shard_index: test\nfuzz::names_are_those_of_the_tests: test\nguard::x: test\n";
        let known = parsers(list);
        assert_eq!(known, ["idx", "shard_index"]);
        assert_eq!(chosen(&[], &known).unwrap(), known);
        assert_eq!(
            chosen(&["shard-index".into()], &known).unwrap(),
            ["shard_index"]
        );
        let error = chosen(&["gif".into()], &known).unwrap_err().to_string();
        assert!(
            error.contains("\"gif\"") && error.contains("idx, shard_index"),
            "{error}"
        );
        assert_eq!(
            last(Path::new("f"), "shard_index"),
            Path::new("f/shard-index.last")
        );
    }
}
