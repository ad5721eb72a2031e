//! `cargo xtask bench limits`: what the machine allows, measured before any claim about a share of it.

use super::machine;
use super::workload::build;
use crate::project::{Project, run_for_stdout};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// Where the criterion benches and the page of results find the numbers.
const FILE: &str = "benches/results/limits.json";
/// glibc asks for huge pages, so that the arrays' memory is not held back by page tables.
const HUGE_PAGES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");
/// The rows of the table.
const ROWS: [(&str, &str, &str); 10] = [
    ("f32_gflops", "f32 multiply-add, widest vectors", "GFLOP/s"),
    ("f32_avx2_gflops", "f32 multiply-add, AVX2", "GFLOP/s"),
    ("bf16_gflops", "bf16 dot product", "GFLOP/s"),
    ("read_gbs", "memory, read", "GB/s"),
    ("copy_gbs", "memory, copy (read + written)", "GB/s"),
    ("triad_gbs", "memory, a = b + 3 c (read + written)", "GB/s"),
    ("l2_read_gbs", "512 KiB a core, read", "GB/s"),
    ("round_trip_ns", "a number to another core and back", "ns"),
    ("page_fault_ns", "first write to a fresh page", "ns"),
    (
        "huge_page_fault_ns",
        "the same with huge pages, a 4 KiB",
        "ns",
    ),
];

#[derive(clap::Args)]
pub(super) struct LimitsArgs {
    /// These numbers of threads, separated by commas
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    thread_counts: Vec<usize>,
}

pub(super) fn run(project: &Project, args: &LimitsArgs) -> Result<()> {
    let program = build(project, "limits")?;
    let mut columns = Vec::new();
    for &threads in &args.thread_counts {
        let count = threads.to_string();
        let measure = |flags: &[&str], huge: bool| -> Result<Value> {
            let mut command = project.command(&program);
            command.args(["--threads", &count]).args(flags);
            if huge {
                command.env(HUGE_PAGES.0, HUGE_PAGES.1);
            }
            Ok(serde_json::from_str(&run_for_stdout(&mut command)?)?)
        };
        let mut column = measure(&[], true)?;
        column["page_fault_ns"] = measure(&["--faults"], false)?["page_fault_ns"].take();
        column["huge_page_fault_ns"] = measure(&["--faults"], true)?["page_fault_ns"].take();
        columns.push(column);
    }
    let (date, commit) = machine::date_and_commit(project)?;
    let limits = json!({
        "date": date, "commit": commit, "machine": machine::machine(), "limits": columns,
    });
    print!("{}", table(&limits));
    let file = project.root.join(FILE);
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&file, serde_json::to_string_pretty(&limits)? + "\n")
        .with_context(|| format!("cannot write {FILE}"))?;
    eprintln!("wrote {FILE}");
    Ok(())
}

/// The part of the page of results about them; nothing before they were measured.
pub(super) fn section(project: &Project) -> Result<String> {
    let file = project.root.join(FILE);
    if !file.exists() {
        return Ok(String::new());
    }
    let limits = read(&file)?;
    let date = limits["date"].as_str().unwrap_or_default();
    Ok(format!(
        "\n## The machine's limits\n\nBy `cargo xtask bench limits` on {date}: medians of nine repeats.\n\n{}",
        table(&limits)
    ))
}

fn read(file: &Path) -> Result<Value> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}

fn table(limits: &Value) -> String {
    let columns = limits["limits"].as_array().map_or(&[][..], Vec::as_slice);
    let mut table = String::from("| what | unit |");
    for column in columns {
        let _ = write!(table, " {} threads |", column["threads"]);
    }
    table += "\n|---|---|";
    table += &"---|".repeat(columns.len());
    table += "\n";
    for (key, what, unit) in ROWS {
        let _ = write!(table, "| {what} | {unit} |");
        for column in columns {
            match column[key].as_f64() {
                Some(value) => {
                    let _ = write!(table, " {value:.1} |");
                }
                None => table += " – |",
            }
        }
        table += "\n";
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_processor_lacks_is_a_dash() {
        let limits =
            json!({ "limits": [{ "threads": 1, "f32_gflops": 240.04, "bf16_gflops": null }] });
        let table = table(&limits);
        assert!(table.contains("| f32 multiply-add, widest vectors | GFLOP/s | 240.0 |\n"));
        assert!(table.contains("| bf16 dot product | GFLOP/s | – |\n"));
    }
}
