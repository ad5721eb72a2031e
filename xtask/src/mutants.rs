//! `cargo xtask mutants`: the checker is checked. Wrong gradients are planted, and `gradus gradcheck` must notice each.
//!
//! The tables in `xtask/mutants/` name an expression of an op and a wrong one. All of them are planted at once in a copy of the tree,
//! each behind a switch (mutant schemata: Untch, Offutt & Harrold 1993), so that one build serves for all: the binary is started once for each
//! mutant with its number in the environment. Mutants whose texts overlap go into another build.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail, ensure};

use crate::project::{self, Project};

/// Fewest mutants, over fewest ops, that say something about the checker, and the share of them that it must catch.
const LEAST_MUTANTS: usize = 120;
const LEAST_OPS: usize = 60;
const LEAST_CAUGHT: f64 = 0.99;
/// What chooses the mutant in the environment.
const SWITCH: &str = "GRADUS_MUTANT";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only the tables whose file name contains this; the counts are not required then
    filter: Option<String>,
    /// Cases that gradcheck draws for each mutant
    #[arg(long, default_value_t = 8)]
    cases: usize,
}

/// One planted mistake.
#[derive(Clone, Debug)]
struct Mutant {
    number: usize,
    table: String,
    op: String,
    kind: String,
    file: String,
    replace: String,
    /// Where the right expression stands in the file.
    span: Range<usize>,
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    let mutants = read_tables(project, args.filter.as_deref())?;
    let ops: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.op.as_str()).collect();
    println!("{} mutants over {} ops", mutants.len(), ops.len());
    if args.filter.is_none() {
        ensure!(
            mutants.len() >= LEAST_MUTANTS && ops.len() >= LEAST_OPS,
            "at least {LEAST_MUTANTS} mutants over {LEAST_OPS} ops are wanted"
        );
    }
    let mut survivors = Vec::new();
    for (round, planted) in rounds(mutants.clone()).into_iter().enumerate() {
        println!("==> build {}: {} mutants", round + 1, planted.len());
        let binary = build(project, &planted)?;
        survivors.extend(hunt(project, &binary, &planted, args.cases)?);
    }
    for mutant in &survivors {
        println!(
            "SURVIVED {} ({}, {}): {}",
            mutant.op, mutant.kind, mutant.table, mutant.file
        );
    }
    let caught = mutants.len() - survivors.len();
    let share = caught as f64 / mutants.len() as f64;
    println!(
        "caught {caught} of {} ({:.1} %)",
        mutants.len(),
        100.0 * share
    );
    ensure!(
        share >= LEAST_CAUGHT,
        "at least {:.0} % must be caught",
        100.0 * LEAST_CAUGHT
    );
    Ok(())
}

fn read_tables(project: &Project, filter: Option<&str>) -> Result<Vec<Mutant>> {
    let folder = project.root.join("xtask/mutants");
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(|| folder.display().to_string())?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    paths.sort();
    let mut mutants = Vec::new();
    for path in paths {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if filter.is_some_and(|filter| !name.contains(filter)) {
            continue;
        }
        let table: toml::Table = fs::read_to_string(&path)?
            .parse()
            .with_context(|| path.display().to_string())?;
        let entries = table.get("mutant").and_then(toml::Value::as_array);
        for entry in entries.into_iter().flatten() {
            let number = mutants.len() + 1;
            let mutant = read(project, entry, number, &name);
            mutants.push(mutant.with_context(|| format!("{name}: mutant {number}"))?);
        }
    }
    ensure!(!mutants.is_empty(), "no mutants in {}", folder.display());
    Ok(mutants)
}

fn read(project: &Project, entry: &toml::Value, number: usize, table: &str) -> Result<Mutant> {
    let text = |key: &str| -> Result<String> {
        let value = entry.get(key).and_then(toml::Value::as_str);
        Ok(value
            .with_context(|| format!("{key} is missing"))?
            .to_owned())
    };
    let (file, find) = (text("file")?, text("find")?);
    ensure!(
        !find.starts_with("let ") && !find.ends_with(';'),
        "`find` must be an expression, not a statement: {find}"
    );
    let source = fs::read_to_string(project.root.join(&file)).with_context(|| file.clone())?;
    let mut places = source.match_indices(&find);
    let (Some((at, _)), None) = (places.next(), places.next()) else {
        bail!("{file}: `find` must stand there exactly once: {find}");
    };
    Ok(Mutant {
        number,
        table: table.to_owned(),
        op: text("op")?,
        kind: text("kind")?,
        replace: text("replace")?,
        span: at..at + find.len(),
        file,
    })
}

/// The mutants in as few groups as it takes so that no two of a group overlap, but for those of the same expression.
fn rounds(mutants: Vec<Mutant>) -> Vec<Vec<Mutant>> {
    let clash = |a: &Mutant, b: &Mutant| {
        let overlap = a.span.start < b.span.end && b.span.start < a.span.end;
        a.file == b.file && overlap && a.span != b.span
    };
    let mut rounds: Vec<Vec<Mutant>> = Vec::new();
    for mutant in mutants {
        let free = rounds
            .iter_mut()
            .find(|round| round.iter().all(|other| !clash(&mutant, other)));
        match free {
            Some(round) => round.push(mutant),
            None => rounds.push(vec![mutant]),
        }
    }
    rounds
}

/// A file with its mutants planted, each behind its switch.
fn plant(source: &str, mutants: &[&Mutant]) -> String {
    let mut places: BTreeMap<(usize, usize), Vec<&Mutant>> = BTreeMap::new();
    for mutant in mutants {
        let place = (mutant.span.start, mutant.span.end);
        places.entry(place).or_default().push(mutant);
    }
    let mut out = source.to_owned();
    for ((start, end), here) in places.into_iter().rev() {
        let mut planted = String::from("(");
        for mutant in here {
            planted.push_str(&format!(
                "if crate::mutants::is({}) {{ {} }} else ",
                mutant.number, mutant.replace
            ));
        }
        planted.push_str(&format!("{{ {} }})", &source[start..end]));
        out.replace_range(start..end, &planted);
    }
    out
}

/// The switch, as a module of each crate that has mutants.
const MODULE: &str = "
#[allow(missing_docs, dead_code, unreachable_pub)]
pub(crate) mod mutants {
    static CHOSEN: std::sync::LazyLock<u32> = std::sync::LazyLock::new(|| {
        std::env::var(\"GRADUS_MUTANT\").ok().and_then(|n| n.parse().ok()).unwrap_or(0)
    });
    pub(crate) fn is(number: u32) -> bool {
        *CHOSEN == number
    }
}
";

/// Builds the program from a copy of the tree with these mutants in it.
fn build(project: &Project, mutants: &[Mutant]) -> Result<PathBuf> {
    let temporary = tempfile::tempdir()?;
    let tree = temporary.path().join("tree");
    for part in [
        "Cargo.toml",
        "Cargo.lock",
        "rust-toolchain.toml",
        "crates",
        "xtask",
        "benches",
        "docs",
        "README.md",
    ] {
        let from = project.root.join(part);
        if from.exists() {
            copy(&from, &tree.join(part))?;
        }
    }
    let mut by_file: BTreeMap<&str, Vec<&Mutant>> = BTreeMap::new();
    for mutant in mutants {
        by_file.entry(&mutant.file).or_default().push(mutant);
    }
    let mut crates = BTreeSet::new();
    for (file, here) in by_file {
        let path = tree.join(file);
        fs::write(&path, plant(&fs::read_to_string(&path)?, &here))?;
        let folder: PathBuf = Path::new(file).iter().take(2).collect();
        crates.insert(folder);
    }
    for folder in crates {
        let library = tree.join(folder).join("src/lib.rs");
        let text = fs::read_to_string(&library)?;
        fs::write(&library, text + MODULE)?;
    }
    // Beside the project's own builds, so that the dependencies are built once.
    let target = project.target_dir();
    project::run(
        project
            .cargo()
            .current_dir(&tree)
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_INCREMENTAL", "0")
            .args(["build", "-q", "-p", "gradus-cli"]),
    )?;
    let binary = target
        .join("mutants")
        .join(format!("gradus{}", std::env::consts::EXE_SUFFIX));
    fs::create_dir_all(target.join("mutants"))?;
    fs::copy(
        target
            .join("debug")
            .join(binary.file_name().unwrap_or_default()),
        &binary,
    )?;
    Ok(binary)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else {
        fs::create_dir_all(to.parent().unwrap_or(to))?;
        fs::copy(from, to)?;
    }
    Ok(())
}

/// Starts the checker for each mutant; those that it finds nothing wrong with.
fn hunt(project: &Project, binary: &Path, mutants: &[Mutant], cases: usize) -> Result<Vec<Mutant>> {
    let passes = |op: &str, number: usize| -> Result<bool> {
        let status = project
            .command(binary)
            .args(["gradcheck", "--op", op, "--cases", &cases.to_string()])
            .env(SWITCH, number.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        match status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => bail!("gradcheck --op {op}: {status}"),
        }
    };
    let ops: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.op.as_str()).collect();
    for op in ops {
        ensure!(passes(op, 0)?, "{op}: fails without a mutant");
    }
    let (next, survivors) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let survived = passes(&mutant.op, mutant.number)?;
                        println!(
                            "{} {} ({})",
                            if survived { "MISSED" } else { "caught" },
                            mutant.op,
                            mutant.kind
                        );
                        if survived && let Ok(mut survivors) = survivors.lock() {
                            survivors.push(mutant.clone());
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        for worker in workers {
            worker
                .join()
                .map_err(|_| anyhow::anyhow!("a worker panicked"))??;
        }
        Ok(())
    })?;
    Ok(survivors.into_inner().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(number: usize, span: Range<usize>, replace: &str) -> Mutant {
        Mutant {
            number,
            table: "t".into(),
            op: "op".into(),
            kind: "sign".into(),
            file: "f".into(),
            replace: replace.into(),
            span,
        }
    }

    #[test]
    fn every_mutant_of_the_tables_has_one_place_in_the_tree() {
        let mutants = read_tables(&Project::find().unwrap(), None).unwrap();
        assert!(mutants.len() >= LEAST_MUTANTS);
    }

    #[test]
    fn mutants_stand_behind_their_switches() {
        let source = "let y = a + b; let z = c;";
        let (first, second, third) = (
            mutant(1, 8..13, "a - b"),
            mutant(2, 8..13, "b"),
            mutant(3, 23..24, "0"),
        );
        assert_eq!(
            plant(source, &[&third, &first, &second]),
            "let y = (if crate::mutants::is(1) { a - b } else if crate::mutants::is(2) { b } else { a + b }); \
             let z = (if crate::mutants::is(3) { 0 } else { c });"
        );
    }

    #[test]
    fn overlapping_mutants_are_planted_in_other_builds() {
        let all = vec![
            mutant(1, 0..5, "x"),
            mutant(2, 3..8, "y"),
            mutant(3, 0..5, "z"),
            mutant(4, 8..9, "w"),
        ];
        let rounds = rounds(all);
        let numbers: Vec<Vec<usize>> = rounds
            .iter()
            .map(|round| round.iter().map(|m| m.number).collect())
            .collect();
        assert_eq!(numbers, [vec![1, 3, 4], vec![2]]);
    }
}
