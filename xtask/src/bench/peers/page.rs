//! `docs/benchmarks.md`: all that the results hold, nothing left out because it looks bad.

use super::record::{MOST_WAITED, Measured, Record};
use super::sides::{OURS, OURS_BF16, SIDES, WORKLOADS};
use super::targets::{
    MEMORY_OF_BURN, MEMORY_OF_TORCH, Rival, SCALES_ABOVE_MS, SPEEDUP_OF_TWO, target,
};
use crate::bench::{limits, machine};
use crate::project::{Project, run_for_stdout};
use anyhow::{Context, Result};
use std::fmt::Write as _;

const PAGE: &str = "docs/benchmarks.md";

/// The records, asked for by workload, threads and side: the newest that has them is the one that counts.
struct Results<'a>(&'a [Record]);

impl<'a> Results<'a> {
    fn newest(&self, workload: &str, threads: usize, side: &str) -> Option<&'a Record> {
        self.0.iter().rev().find(|record| {
            let same = record.workload == workload && record.threads == threads;
            let measured = record.side(side);
            same && measured.is_some_and(|measured| !measured.rounds_ms.is_empty())
        })
    }

    fn measured(&self, workload: &str, threads: usize, side: &str) -> Option<&'a Measured> {
        self.newest(workload, threads, side)?.side(side)
    }

    fn ms(&self, workload: &str, threads: usize, side: &str) -> Option<f64> {
        self.measured(workload, threads, side).map(Measured::ms)
    }

    /// The numbers of threads that anything was run with.
    fn threads(&self) -> Vec<usize> {
        let mut all: Vec<_> = self.0.iter().map(|record| record.threads).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The fastest of some sides.
    fn fastest(
        &self,
        workload: &str,
        threads: usize,
        sides: &[&'static str],
    ) -> Option<&'static str> {
        let timed = sides
            .iter()
            .filter_map(|side| Some((*side, self.ms(workload, threads, side)?)));
        timed
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(side, _)| side)
    }

    /// Ours ÷ theirs, both of the rounds of one record.
    fn ratio(&self, workload: &str, threads: usize, ours: &str, theirs: &str) -> Option<f64> {
        self.newest(workload, threads, theirs)?.ratio(ours, theirs)
    }

    /// The ratio beside its target, and a mark if other programs disturbed it.
    fn judged(
        &self,
        workload: &str,
        threads: usize,
        [ours, theirs]: [&str; 2],
        rival: Option<Rival>,
    ) -> Option<String> {
        let ratio = self.ratio(workload, threads, ours, theirs)?;
        let wanted = rival.and_then(|rival| target(workload, rival));
        let record = self.newest(workload, threads, theirs)?;
        let mark = disturbance(record.is_disturbed(ours, theirs));
        Some(judged(ratio, wanted) + mark)
    }
}

pub(super) fn write(project: &Project, records: &[Record]) -> Result<()> {
    let results = Results(records);
    let mut page = introduction(project, records)?;
    for threads in results.threads() {
        let _ = write!(
            page,
            "\n## {threads} thread{}\n\n### Ratios\n\n",
            if threads == 1 { "" } else { "s" }
        );
        page += &ratios(&results, threads);
        page += &others(&results, threads);
        page += "\n### Milliseconds a step\n\n";
        page += &times(&results, threads);
        page += "\n### Peak memory, MiB\n\n";
        page += &memory(&results, threads);
    }
    page += &scaling(&results);
    page += &losses(&results);
    page += &absent(&results);
    page += &limits::section(project)?;
    page += &runs(records);
    std::fs::write(project.root.join(PAGE), page).with_context(|| format!("cannot write {PAGE}"))
}

fn introduction(project: &Project, records: &[Record]) -> Result<String> {
    let rustc = run_for_stdout(project.command("rustc").arg("--version"))?;
    let newest = records.last();
    let mut versions: Vec<&str> = records
        .iter()
        .rev()
        .flat_map(|record| &record.sides)
        .map(|(_, measured)| measured.version.as_str())
        .filter(|version| !version.is_empty())
        .collect();
    versions.sort_unstable();
    versions.dedup();
    Ok(format!(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench --peers` from `benches/results/peers.jsonl`; the last run was on {}. The runs are listed at the end.\n\n\
         A workload is one model on one fixed batch in memory, f32, without dropout, from random weights; a training step is forward, loss, \
         backward, optimizer step and zeroed gradients. All sides of a workload are loaded at the same time, take turns on the same cores, \
         and run a quarter of a second or one step a turn. A number is the median over the turns of a turn's median step, with the lowest and \
         the highest turn behind it. A ratio is the median over the turns of ours ÷ theirs in the same turn: below 1, gradus is faster. \
         Behind it stands the target; a ratio that misses its target is bold. \
         A dagger (†) says that other programs were running: in the median turn the side, or one of the two, waited for a core for more than \
         {:.0} % of the time, and the number is not to be trusted.\n\n\
         *PyTorch eager* and *compile* are PyTorch as it comes; on processors that are not Intel's, its MKL takes AVX2 kernels for f32 matrix \
         products, so a claim against them is a claim about this vendor's processors. *Tuned* is roughly what an Intel user gets, and more: MKL \
         told to use AVX-512, huge pages, an allocator that gives nothing back, fused optimizers. *bf16* is autocast. Candle and burn are built \
         for the native processor.\n\n\
         - machine: {}\n- gradus: release build, dispatch at run time, {}\n- peers: {}\n",
        newest.map_or("an unknown day", |record| record.date.as_str()),
        MOST_WAITED * 100.0,
        newest.map_or_else(machine::machine, |record| record.machine.clone()),
        rustc.trim(),
        versions.join(", "),
    ))
}

/// The four columns of targets.
fn ratios(results: &Results<'_>, threads: usize) -> String {
    let mut table = String::from(
        "| workload | f32 ÷ PyTorch's best stock f32 | f32 ÷ PyTorch tuned | bf16 ÷ PyTorch bf16 | bf16 ÷ PyTorch tuned bf16 | \
         f32 ÷ the better of candle and burn |\n|---|---|---|---|---|---|\n",
    );
    for workload in WORKLOADS.iter().filter(|name| **name != "images") {
        if results.ms(workload, threads, OURS).is_none() {
            continue;
        }
        let cell = |ours, theirs: &[&'static str], rival: Option<Rival>| {
            let Some(theirs) = results.fastest(workload, threads, theirs) else {
                return String::from("–");
            };
            let note = match theirs {
                "compile" | "candle" | "burn" => format!(" ({theirs})"),
                _ => String::new(),
            };
            match results.judged(workload, threads, [ours, theirs], rival) {
                Some(cell) => cell + &note,
                None => String::from("–"),
            }
        };
        let _ = writeln!(
            table,
            "| {workload} | {} | {} | {} | {} | {} |",
            cell(OURS, &["eager", "compile"], Some(Rival::Stock)),
            cell(OURS, &["tuned"], Some(Rival::Tuned)),
            cell(OURS_BF16, &["bf16"], Some(Rival::Bf16)),
            cell(OURS_BF16, &["tuned_bf16"], None),
            cell(OURS, &["candle", "burn"], Some(Rival::Rust)),
        );
    }
    table
}

/// The rivals of single workloads: onnxruntime, llama.cpp, and the data path.
fn others(results: &Results<'_>, threads: usize) -> String {
    let rows = [
        ("minilm_b1", OURS, "onnxruntime", Some(Rival::Onnx)),
        ("minilm_b32", OURS, "onnxruntime", Some(Rival::Onnx)),
        ("gpt2_decode", OURS, "llama", Some(Rival::Llama)),
        (
            "gpt2_decode",
            OURS_BF16,
            "llama_bf16",
            Some(Rival::LlamaBf16),
        ),
        ("images", OURS, "pil", None),
        ("images", OURS, "torchvision", None),
    ];
    let mut table = String::new();
    for (workload, ours, theirs, rival) in rows {
        if let Some(cell) = results.judged(workload, threads, [ours, theirs], rival) {
            let _ = writeln!(
                table,
                "| {workload} | {} ÷ {} | {cell} |",
                title(ours),
                title(theirs),
            );
        }
    }
    if table.is_empty() {
        return table;
    }
    format!("\n| workload | sides | ratio |\n|---|---|---|\n{table}")
}

fn disturbance(disturbed: bool) -> &'static str {
    if disturbed { " †" } else { "" }
}

/// A ratio beside its target; bold where it misses.
fn judged(ratio: f64, wanted: Option<f64>) -> String {
    match wanted {
        None => format!("{ratio:.2}"),
        Some(wanted) if ratio <= wanted => format!("{ratio:.2} ≤ {wanted:.2}"),
        Some(wanted) => format!("**{ratio:.2} > {wanted:.2}**"),
    }
}

fn title(name: &str) -> &'static str {
    SIDES
        .iter()
        .find(|side| side.name == name)
        .map_or("", |side| side.title)
}

/// One row a workload, one column a side that ran anything.
fn table(
    results: &Results<'_>,
    threads: usize,
    cell: impl Fn(&str, &str, &Measured) -> String,
) -> String {
    let ran = |side: &&str| {
        WORKLOADS
            .iter()
            .any(|workload| results.measured(workload, threads, side).is_some())
    };
    let columns: Vec<&str> = SIDES
        .iter()
        .map(|side| side.name)
        .filter(|side| ran(side))
        .collect();
    let mut table = String::from("| workload |");
    for side in &columns {
        let _ = write!(table, " {} |", title(side));
    }
    table += "\n|---|";
    table += &"---|".repeat(columns.len());
    table += "\n";
    for workload in WORKLOADS {
        let cells: Vec<String> = columns
            .iter()
            .map(|side| match results.measured(workload, threads, side) {
                Some(measured) => cell(workload, side, measured),
                None => String::from("–"),
            })
            .collect();
        if cells.iter().any(|cell| cell != "–") {
            let _ = writeln!(table, "| {workload} | {} |", cells.join(" | "));
        }
    }
    table
}

fn times(results: &Results<'_>, threads: usize) -> String {
    let most_rounds = results
        .0
        .iter()
        .flat_map(|record| &record.sides)
        .map(|(_, measured)| measured.rounds_ms.len())
        .max()
        .unwrap_or(0);
    let text = table(results, threads, |_, _, measured| {
        let [low, high] = measured.spread();
        let rounds = match measured.rounds_ms.len() {
            rounds if rounds == most_rounds => String::new(),
            rounds => format!(", {rounds} turns"),
        };
        format!(
            "{}{} ({}–{}{rounds})",
            short(measured.ms()),
            disturbance(measured.is_disturbed()),
            short(low),
            short(high)
        )
    });
    format!(
        "{text}\nOf {most_rounds} turns, where nothing else is said. A step of `gpt2_decode` is 64 tokens after a prompt of 16, of `images` 64 files.\n"
    )
}

/// Peak resident memory; PyTorch's also above its own import.
fn memory(results: &Results<'_>, threads: usize) -> String {
    let text = table(results, threads, |_, side, measured| {
        let Some(peak) = measured.peak_rss_mb else {
            return String::from("–");
        };
        match measured.base_rss_mb {
            Some(base) if !side.starts_with("gradus") && base > 100.0 => {
                format!("{peak:.0} ({:.0})", peak - base)
            }
            _ => format!("{peak:.0}"),
        }
    });
    let mut ratios = String::from(
        "| workload | gradus ÷ PyTorch eager above its import | gradus bf16 ÷ PyTorch bf16 above its import | gradus ÷ burn |\n|---|---|---|---|\n",
    );
    for workload in WORKLOADS {
        let peak = |side: &str| results.measured(workload, threads, side)?.peak_rss_mb;
        let above = |side: &str| {
            let measured = results.measured(workload, threads, side)?;
            Some(measured.peak_rss_mb? - measured.base_rss_mb?)
        };
        let cell = |ours: Option<f64>, theirs: Option<f64>, wanted| match (ours, theirs) {
            (Some(ours), Some(theirs)) => judged(ours / theirs, Some(wanted)),
            _ => String::from("–"),
        };
        let cells = [
            cell(peak(OURS), above("eager"), MEMORY_OF_TORCH),
            cell(peak(OURS_BF16), above("bf16"), MEMORY_OF_TORCH),
            cell(peak(OURS), peak("burn"), MEMORY_OF_BURN),
        ];
        if cells.iter().any(|cell| cell != "–") {
            let _ = writeln!(ratios, "| {workload} | {} |", cells.join(" | "));
        }
    }
    format!("{text}\nIn brackets: above what the process held after its imports.\n\n{ratios}")
}

/// How much two threads give.
fn scaling(results: &Results<'_>) -> String {
    let mut rows = String::new();
    for workload in WORKLOADS {
        let cell = |side: &str, judge: bool| {
            let one = results.ms(workload, 1, side)?;
            let ratio = one / results.ms(workload, 2, side)?;
            let misses = judge && one > SCALES_ABOVE_MS && ratio < SPEEDUP_OF_TWO;
            Some(if misses {
                format!("**{ratio:.2}**")
            } else {
                format!("{ratio:.2}")
            })
        };
        if let Some(ours) = cell(OURS, true) {
            let dash = || String::from("–");
            let _ = writeln!(
                rows,
                "| {workload} | {ours} | {} | {} | {} |",
                cell(OURS_BF16, true).unwrap_or_else(dash),
                cell("eager", false).unwrap_or_else(dash),
                cell("tuned", false).unwrap_or_else(dash),
            );
        }
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "\n## Two threads against one\n\nHow many times faster; bold where it is less than {SPEEDUP_OF_TWO} on a step above {SCALES_ABOVE_MS} ms.\n\n\
         | workload | gradus f32 | gradus bf16 | PyTorch eager | PyTorch tuned |\n|---|---|---|---|---|\n{rows}"
    )
}

/// Losses at the same steps: weights and batches are each side's own random ones.
fn losses(results: &Results<'_>) -> String {
    let Some(&threads) = results.threads().first() else {
        return String::new();
    };
    let text = table(results, threads, |workload, _, measured| {
        let trains = !["minilm_b1", "minilm_b32", "gpt2_decode", "images"].contains(&workload);
        match (measured.loss_at(1), measured.loss_at(10)) {
            (Some(first), Some(tenth)) if trains => format!("{first:.3} → {tenth:.3}"),
            _ => String::from("–"),
        }
    });
    format!(
        "\n## Losses\n\nAt the first step and at the tenth, {threads} thread{}. Weights and batches are each side's own random ones from the same \
         distributions, so that the first columns agree up to chance.\n\n{text}",
        if threads == 1 { "" } else { "s" }
    )
}

/// What was asked for and did not run.
fn absent(results: &Results<'_>) -> String {
    let mut lines = Vec::new();
    for record in results.0 {
        for (side, why) in &record.skipped {
            let (workload, threads) = (&record.workload, record.threads);
            if results.newest(workload, threads, side).is_none() {
                lines.push(format!("- {workload}, {}: {why}\n", title(side)));
            }
        }
    }
    lines.push(String::from(
        "- resnet18_224_b8, candle: it has no gradient of a max pool whose windows overlap\n",
    ));
    lines.sort_unstable();
    lines.dedup();
    format!("\n## What did not run\n\n{}", lines.concat())
}

fn runs(records: &[Record]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for record in records {
        let line = format!(
            "- {}, commit {}: `{}`\n",
            record.date, record.commit, record.command
        );
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    format!("\n## Runs\n\n{}", lines.concat())
}

/// Three digits that count.
fn short(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.2}"),
        ms if ms < 100.0 => format!("{ms:.1}"),
        ms => format!("{ms:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(workload: &str, sides: &[(&str, f64)]) -> Record {
        let measured = |ms: f64| Measured {
            rounds_ms: vec![ms],
            ..Default::default()
        };
        Record {
            workload: workload.into(),
            threads: 1,
            sides: sides
                .iter()
                .map(|(name, ms)| ((*name).into(), measured(*ms)))
                .collect(),
            ..Default::default()
        }
    }

    #[test]
    fn ratios_stand_beside_their_targets_and_misses_are_bold() {
        let records = [record(
            "mlp",
            &[
                ("gradus", 2.0),
                ("eager", 8.0),
                ("compile", 10.0),
                ("tuned", 2.0),
                ("candle", 9.0),
                ("burn", 4.0),
            ],
        )];
        let row = ratios(&Results(&records), 1);
        let expected = "| mlp | 0.25 ≤ 0.40 | **1.00 > 0.85** | – | – | 0.50 ≤ 0.60 (burn) |\n";
        assert!(row.ends_with(expected), "{row}");
    }

    #[test]
    fn what_other_programs_disturbed_is_marked() {
        let mut disturbed = record("mlp", &[("gradus", 2.0), ("eager", 8.0)]);
        disturbed.sides[1].1.rounds_waited = vec![0.3];
        let records = [disturbed];
        let results = Results(&records);
        let row = ratios(&results, 1);
        assert!(row.contains("| 0.25 ≤ 0.40 † |"), "{row}");
        assert!(times(&results, 1).contains("| 2.00 (2.00–2.00) | 8.00 † (8.00–8.00) |"));
    }

    #[test]
    fn the_newest_record_counts_and_ratios_stay_in_theirs() {
        let records = [
            record("mlp", &[("gradus", 4.0), ("eager", 8.0)]),
            record("mlp", &[("gradus", 1.0), ("tuned", 4.0)]),
        ];
        let results = Results(&records);
        assert_eq!(results.ms("mlp", 1, "gradus"), Some(1.0));
        assert_eq!(results.ratio("mlp", 1, "gradus", "eager"), Some(0.5));
        assert_eq!(results.ratio("mlp", 1, "gradus", "tuned"), Some(0.25));
        assert_eq!(results.ratio("mlp", 1, "gradus", "burn"), None);
    }
}
