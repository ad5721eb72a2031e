//! `cargo xtask bench`: the criterion benches, one workload, the workloads beside PyTorch, the build, or the stall of checkpoints.

mod build;
mod peers;
mod stall;
mod workload;

use crate::project::{self, Project};
use crate::python::PythonArgs;
use anyhow::{Result, ensure};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    workload: workload::WorkloadArgs,
    /// Runs all workloads in PyTorch, too, in turns, and writes docs/benchmarks.md
    #[arg(long, conflicts_with = "workload")]
    peers: bool,
    #[command(flatten)]
    peer: peers::PeerArgs,
    #[command(flatten)]
    python: PythonArgs,
    /// Passed on to criterion, after `--`: for instance a part of a bench's name
    #[arg(last = true)]
    rest: Vec<String>,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Times a clean release build and a rebuild after one change, and measures the binary; prints one JSON object
    Build,
    /// Measures how long training stands still for its checkpoints; prints two JSON lines
    Stall(stall::StallArgs),
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    match &args.verb {
        Some(Verb::Build) => return build::run(project),
        Some(Verb::Stall(args)) => return stall::run(project, args),
        None => {}
    }
    if args.peers {
        return peers::run(project, &args.peer, &args.python);
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
