//! `cargo xtask ulp`: the elementary functions over all f32 bit patterns, or against numpy's tables.

use std::path::PathBuf;

use anyhow::Result;

use crate::project::{self, Project};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Takes every Nth bit pattern only
    #[arg(long, default_value_t = 1)]
    stride: u32,
    /// Checks one function only
    #[arg(long)]
    only: Option<String>,
    /// Checks against numpy's ULP tables in this folder (numpy/_core/tests/data of its wheel) and sweeps nothing
    #[arg(long, value_name = "DIR")]
    tables: Option<PathBuf>,
}

/// The sweep is an example of gradus-linalg, since nothing here links the library.
pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    let mut cargo = project.cargo();
    cargo.args([
        "run",
        "--quiet",
        "-p",
        "gradus-linalg",
        "--example",
        "ulp",
        "--",
    ]);
    cargo.args(["--stride", &args.stride.to_string()]);
    if let Some(only) = &args.only {
        cargo.args(["--only", only]);
    }
    if let Some(folder) = &args.tables {
        cargo.arg("--tables").arg(folder);
    }
    project::run(&mut cargo)
}
