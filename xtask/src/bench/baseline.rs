//! `cargo xtask bench baseline`: what criterion measured last, beside the committed numbers of `benches/baseline.json`.

use super::machine;
use crate::project::Project;
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

const FILE: &str = "benches/baseline.json";

#[derive(clap::Args)]
pub(super) struct BaselineArgs {
    /// Writes the numbers to benches/baseline.json instead of comparing them
    #[arg(long)]
    write: bool,
}

pub(super) fn run(project: &Project, args: &BaselineArgs) -> Result<()> {
    let folder = project.target_dir().join("criterion");
    let mut benches = Map::new();
    for file in files(&folder)? {
        let (name, numbers) = measured(&file)?;
        benches.insert(name, numbers);
    }
    ensure!(
        !benches.is_empty(),
        "criterion has measured nothing yet; run `cargo xtask bench`"
    );
    let file = project.root.join(FILE);
    if args.write {
        let (date, commit) = machine::date_and_commit(project)?;
        let text = json!({
            "date": date, "commit": commit, "machine": machine::machine(), "benches": benches,
        });
        std::fs::write(&file, serde_json::to_string_pretty(&text)? + "\n")
            .with_context(|| format!("cannot write {FILE}"))?;
        println!("wrote {} benches to {FILE}", benches.len());
        return Ok(());
    }
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {FILE}; write it with --write"))?;
    let committed: Value =
        serde_json::from_str(&text).with_context(|| format!("{FILE} is not JSON"))?;
    for line in compare(&benches, &committed["benches"]) {
        println!("{line}");
    }
    Ok(())
}

/// The folders of criterion that hold a newest measurement, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry?.path();
            if path.ends_with("new") && path.join("estimates.json").is_file() {
                found.push(path);
            } else if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A bench's name, its median, and its rate.
fn measured(folder: &Path) -> Result<(String, Value)> {
    let read = |name: &str| -> Result<Value> {
        let file = folder.join(name);
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
    };
    let (about, estimates) = (read("benchmark.json")?, read("estimates.json")?);
    let name = about["full_id"].as_str().context("a bench has no name")?;
    let ns = estimates["median"]["point_estimate"]
        .as_f64()
        .context("a bench has no median")?;
    let mut numbers = json!({ "microseconds": rounded(ns / 1e3) });
    let throughput = &about["throughput"];
    for (kind, unit) in [("Elements", "gflops"), ("BytesDecimal", "gbs")] {
        if let Some(count) = throughput[kind].as_f64() {
            numbers[unit] = json!(rounded(count / ns));
        }
    }
    Ok((name.to_owned(), numbers))
}

/// One line a bench: its rate, or time, and how it compares with the committed time.
fn compare(benches: &Map<String, Value>, committed: &Value) -> Vec<String> {
    let line = |(name, now): (&String, &Value)| {
        let time = now["microseconds"].as_f64().unwrap_or(f64::NAN);
        let rate = match (now["gflops"].as_f64(), now["gbs"].as_f64()) {
            (Some(rate), _) => format!("{rate:.1} GFLOP/s"),
            (_, Some(rate)) => format!("{rate:.1} GB/s"),
            _ => format!("{time:.1} µs"),
        };
        match committed[name]["microseconds"].as_f64() {
            Some(before) => {
                let change = (time / before - 1.0) * 100.0;
                format!("{name:<50} {rate:>15} {change:>+7.1} % of the time")
            }
            None => format!("{name:<50} {rate:>15} not in {FILE}"),
        }
    };
    benches.iter().map(line).collect()
}

fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn criterions_files_become_rates_beside_the_committed_ones() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("gemm/64/new");
        std::fs::create_dir_all(&new).unwrap();
        std::fs::create_dir_all(folder.path().join("report")).unwrap();
        std::fs::write(
            new.join("benchmark.json"),
            r#"{"full_id":"gemm/64","throughput":{"Elements":500}}"#,
        )
        .unwrap();
        std::fs::write(
            new.join("estimates.json"),
            r#"{"median":{"point_estimate":2000.0}}"#,
        )
        .unwrap();
        let found = files(folder.path()).unwrap();
        assert_eq!(found, std::slice::from_ref(&new));
        let (name, numbers) = measured(&new).unwrap();
        assert_eq!(numbers, json!({ "microseconds": 2.0, "gflops": 0.25 }));
        let benches: Map<_, _> = std::iter::once((name, numbers)).collect();
        let lines = compare(&benches, &json!({ "gemm/64": { "microseconds": 1.6 } }));
        assert!(lines[0].contains("+25.0 %"), "{lines:?}");
    }
}
