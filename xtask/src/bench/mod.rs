//! `cargo xtask bench`: the criterion benches, one workload, the workloads beside those of other frameworks, the machine, or the build.

mod baseline;
mod build;
pub(crate) mod instructions;
mod limits;
mod machine;
mod peers;
mod workload;

use crate::project::{self, Project};
use anyhow::{Result, ensure};
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    workload: workload::WorkloadArgs,
    /// Runs all workloads in the installed peers, too, in turns, and writes docs/benchmarks.md
    #[arg(long, conflicts_with = "workload")]
    peers: bool,
    #[command(flatten)]
    peer: peers::PeerArgs,
    /// With --peers: the Python that has PyTorch, if it is not the one in the folder of the peers
    #[arg(
        long,
        value_name = "PATH",
        env = "GRADUS_PYTHON",
        hide_env_values = true
    )]
    python: Option<PathBuf>,
    /// Passed on to criterion, after `--`: for instance a part of a bench's name
    #[arg(last = true)]
    rest: Vec<String>,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Times a clean release build and rebuilds after one change, and measures the binary; prints one JSON object
    Build,
    /// Measures what the machine allows at most: arithmetic, memory, page faults; writes benches/results/limits.json
    Limits(limits::LimitsArgs),
    /// Shows what the criterion benches measured last beside benches/baseline.json
    Baseline(baseline::BaselineArgs),
    /// Counts the instructions of a step of the small workloads under valgrind and compares with benches/instructions.json
    Instructions(instructions::InstructionArgs),
    /// Writes docs/benchmarks.md anew from the results of earlier runs with --peers
    Page(peers::PageArgs),
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    match &args.verb {
        Some(Verb::Build) => return build::run(project),
        Some(Verb::Limits(args)) => return limits::run(project, args),
        Some(Verb::Baseline(args)) => return baseline::run(project, args),
        Some(Verb::Instructions(args)) => return instructions::run(project, args),
        Some(Verb::Page(args)) => return peers::write_page(project, args),
        None => {}
    }
    if args.peers {
        return peers::run(project, &args.peer, args.python.as_deref());
    }
    if args.workload.is_given() {
        ensure!(
            args.rest.is_empty(),
            "nothing follows `--` with --workload; that is for the criterion benches"
        );
        return workload::run(project, &args.workload);
    }
    project::run(
        project
            .cargo()
            .args(["bench", "-p", "gradus-benches", "--"])
            .args(&args.rest),
    )
}
