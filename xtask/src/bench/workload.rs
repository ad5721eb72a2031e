//! One workload, timed in a process of its own.

use crate::project::{self, Project};
use anyhow::{Result, bail};
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct WorkloadArgs {
    /// Times one workload and prints one JSON line; an unknown name lists those that there are
    #[arg(long, value_name = "NAME")]
    workload: Option<String>,
    /// Threads of the workload
    #[arg(long, default_value_t = 1, requires = "workload")]
    threads: usize,
    /// The dtype that it computes in: f32
    #[arg(long, default_value = "f32", requires = "workload")]
    dtype: String,
    /// Steps to time, after two that warm up; as many as fit in 4 s, and at least 5, if not given
    #[arg(long, requires = "workload")]
    steps: Option<usize>,
    /// Prints what each op took of a step, its GFLOP/s and GB/s, to stderr
    #[arg(long, requires = "workload")]
    profile: bool,
    /// The output is JSON anyway; for scripts that say so
    #[arg(long, requires = "workload")]
    json: bool,
}

impl WorkloadArgs {
    pub(super) fn is_given(&self) -> bool {
        self.workload.is_some()
    }
}

pub(super) fn run(project: &Project, args: &WorkloadArgs) -> Result<()> {
    if args.dtype != "f32" {
        bail!(
            "--dtype {}: workloads compute in f32; bf16 is stored and converted, not computed in",
            args.dtype
        );
    }
    let mut command = project.command(build(project, "workload")?);
    command.args(&args.workload);
    command.args(["--threads", &args.threads.to_string()]);
    if let Some(steps) = args.steps {
        command.args(["--steps", &steps.to_string()]);
    }
    if args.profile {
        command.arg("--profile");
    }
    project::run(&mut command)
}

/// Builds a program of the benches in release mode and says where it is.
pub(super) fn build(project: &Project, name: &str) -> Result<PathBuf> {
    project::run(project.cargo().args([
        "build",
        "--quiet",
        "--release",
        "-p",
        "gradus-benches",
        "--bin",
        name,
    ]))?;
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    Ok(project.target_dir().join("release").join(name))
}
