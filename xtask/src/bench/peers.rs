//! The workloads in gradus and in PyTorch, in turns on the same cores, and the page of results.

use super::workload::{binary, measure};
use crate::project::{Project, run_for_stdout};
use crate::python::PythonArgs;
use anyhow::{Context, Result};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// What both sides have.
const WORKLOADS: [&str; 12] = [
    "mlp",
    "lenet_b4",
    "lenet_b128",
    "nanogpt_cpucfg",
    "minilm_b1",
    "minilm_b16",
    "minilm_b32",
    "resnet18_224_b8",
    "nanogpt_gpucfg",
    "gpt2_t64",
    "resnet18_cifar_b64",
    "gpt2_t256",
];
const PAGE: &str = "docs/benchmarks.md";
/// Huge pages, and an allocator that gives nothing back: without them PyTorch's large steps spend much of their time in page faults.
const TUNED: [(&str, &str); 3] = [
    ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"),
    ("MALLOC_MMAP_MAX_", "0"),
    ("MALLOC_TRIM_THRESHOLD_", "20000000000"),
];

#[derive(clap::Args)]
pub(super) struct PeerArgs {
    /// With --peers: how often each side runs
    #[arg(long, default_value_t = 9, requires = "peers")]
    rounds: usize,
    /// With --peers: these workloads only, separated by commas
    #[arg(long, value_delimiter = ',', requires = "peers")]
    only: Vec<String>,
    /// With --peers: these numbers of threads, separated by commas
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2], requires = "peers")]
    thread_counts: Vec<usize>,
}

/// The medians of one side's runs.
struct Side {
    name: &'static str,
    runs: Vec<Value>,
}

impl Side {
    fn new(name: &'static str) -> Self {
        let runs = Vec::new();
        Self { name, runs }
    }

    fn sorted(&self, key: &str) -> Vec<f64> {
        let mut all: Vec<f64> = self
            .runs
            .iter()
            .filter_map(|run| run[key].as_f64())
            .collect();
        all.sort_by(f64::total_cmp);
        all
    }

    fn median(&self, key: &str) -> f64 {
        let all = self.sorted(key);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The median of a step and the spread of the runs' medians.
    fn time(&self) -> String {
        let all = self.sorted("median_ms");
        let [low, high] = [all.first(), all.last()].map(|x| x.copied().unwrap_or(f64::NAN));
        format!(
            "{} ({}–{})",
            short(self.median("median_ms")),
            short(low),
            short(high)
        )
    }

    fn loss(&self) -> String {
        match self.runs.first() {
            Some(run) => format!(
                "{:.3} → {:.3}",
                run["loss_first"].as_f64().unwrap_or(f64::NAN),
                run["loss_last"].as_f64().unwrap_or(f64::NAN)
            ),
            None => String::from("-"),
        }
    }
}

pub(super) fn run(project: &Project, args: &PeerArgs, python: &PythonArgs) -> Result<()> {
    let python = python.interpreter(project, &["torch"])?;
    let ours = binary(project, "workload")?;
    let mut tables = String::new();
    let mut losses = String::from("| workload | gradus | PyTorch |\n|---|---|---|\n");
    for (index, &threads) in args.thread_counts.iter().enumerate() {
        let _ = write!(
            tables,
            "\n## {threads} thread{}\n\n| workload | gradus | PyTorch | ours ÷ PyTorch | PyTorch, tuned | ours ÷ tuned | peak memory, MiB: gradus, \
             PyTorch |\n|---|---|---|---|---|---|---|\n",
            if threads == 1 { "" } else { "s" }
        );
        for &workload in &WORKLOADS {
            if !args.only.is_empty() && !args.only.iter().any(|only| only == workload) {
                continue;
            }
            let sides = paired(project, workload, threads, args.rounds, &ours, &python)
                .with_context(|| format!("{workload} with {threads} threads"))?;
            let row = row(workload, &sides);
            eprint!("{row}");
            tables += &row;
            if index == 0 {
                let _ = writeln!(
                    losses,
                    "| {workload} | {} | {} |",
                    sides[0].loss(),
                    sides[1].loss()
                );
            }
        }
    }
    let page = page(project, args, &python, &tables, &losses)?;
    std::fs::write(project.root.join(PAGE), page)
        .with_context(|| format!("cannot write {PAGE}"))?;
    eprintln!("wrote {PAGE}");
    Ok(())
}

/// All sides, one run of each in turn.
fn paired(
    project: &Project,
    workload: &str,
    threads: usize,
    rounds: usize,
    ours: &Path,
    python: &Path,
) -> Result<[Side; 3]> {
    let mut sides = [Side::new("gradus"), Side::new("eager"), Side::new("tuned")];
    for _ in 0..rounds {
        for side in &mut sides {
            let mut command = if side.name == "gradus" {
                pinned(project, ours, threads)
            } else {
                let mut command = pinned(project, python, threads);
                command.arg("benches/peers/pytorch.py");
                command
            };
            command.args([workload, "--threads", &threads.to_string()]);
            if side.name != "gradus" {
                command.args(["--mode", side.name]);
            }
            if side.name == "tuned" {
                command.envs(TUNED);
            }
            side.runs.push(measure(&mut command)?);
        }
    }
    Ok(sides)
}

/// A program on the first `threads` cores, where the system has a tool for that.
fn pinned(project: &Project, program: &Path, threads: usize) -> Command {
    if !cfg!(target_os = "linux") {
        return project.command(program);
    }
    let mut command = project.command("taskset");
    command
        .args(["-c", &format!("0-{}", threads.max(1) - 1)])
        .arg(program);
    command
}

fn row(workload: &str, [ours, eager, tuned]: &[Side; 3]) -> String {
    let time = ours.median("median_ms");
    let ratio = |side: &Side| time / side.median("median_ms");
    format!(
        "| {workload} | {} | {} | {:.2} | {} | {:.2} | {:.0}, {:.0} |\n",
        ours.time(),
        eager.time(),
        ratio(eager),
        tuned.time(),
        ratio(tuned),
        ours.median("peak_rss_mb"),
        eager.median("peak_rss_mb"),
    )
}

fn page(
    project: &Project,
    args: &PeerArgs,
    python: &Path,
    tables: &str,
    losses: &str,
) -> Result<String> {
    let version =
        "import torch, platform; print(torch.__version__, 'on Python', platform.python_version())";
    let torch = run_for_stdout(project.command(python).args(["-c", version]))?;
    let rustc = run_for_stdout(project.command("rustc").arg("--version"))?;
    let date = run_for_stdout(project.command("date").arg("+%Y-%m-%d"))?;
    let commit = run_for_stdout(
        project
            .command("git")
            .args(["rev-parse", "--short=12", "HEAD"]),
    )?;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    Ok(format!(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench --peers --python VENV/bin/python --rounds {}` on {}, commit {}.\n\n\
         Milliseconds of a training step (forward, loss, backward, optimizer step) or, for `minilm_b1` and `minilm_b32`, of a forward pass: the median \
         of the runs' medians, and from the lowest to the highest of them. The sides take turns on the same cores. A ratio below 1 means that \
         gradus is faster. `PyTorch` is PyTorch as it comes; `tuned` has the fused optimizer, huge pages, and an allocator that gives nothing back.\n\n\
         - machine: {}, {cores} cores\n- gradus: release build, {}\n- PyTorch {}\n{tables}\n## Losses\n\n\
         At the first step and at the last one timed, one thread; weights and data are each side's own random ones, and the number of steps differs.\n\n{losses}",
        args.rounds,
        date.trim(),
        commit.trim(),
        processor(),
        rustc.trim(),
        torch.trim(),
    ))
}

/// The processor's name and vector instructions.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':'))
            .map_or("", |(_, value)| value.trim())
    };
    let flags = field("flags");
    let sets: Vec<&str> = ["avx2", "avx512f", "avx512_bf16", "amx_bf16"]
        .into_iter()
        .filter(|set| flags.split(' ').any(|flag| flag == *set))
        .collect();
    let name = match field("model name") {
        "" => std::env::consts::ARCH,
        name => name,
    };
    format!("{name} ({})", sets.join(", "))
}

/// Three digits that count.
fn short(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.2}"),
        ms if ms < 100.0 => format!("{ms:.1}"),
        ms => format!("{ms:.0}"),
    }
}
