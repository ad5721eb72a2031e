//! `cargo xtask bench stall`: what checkpoints cost a training.

use super::workload;
use crate::project::{self, Project};
use anyhow::Result;

#[derive(clap::Args)]
pub(crate) struct StallArgs {
    /// Threads of the training
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Texts of a step, 256 letters each: fewer make the steps shorter and the stall a larger share
    #[arg(long, default_value_t = 4)]
    batch_size: usize,
    /// Checkpoints that are timed, 50 steps apart
    #[arg(long, default_value_t = 3)]
    saves: usize,
}

pub(super) fn run(project: &Project, args: &StallArgs) -> Result<()> {
    let mut command = project.command(workload::build(project, "stall")?);
    for (flag, number) in [
        ("--threads", args.threads),
        ("--batch-size", args.batch_size),
        ("--saves", args.saves),
    ] {
        command.args([flag, &number.to_string()]);
    }
    project::run(&mut command)
}
