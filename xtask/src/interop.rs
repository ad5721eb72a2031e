//! `cargo xtask interop`: our binary against Python's safetensors, PyTorch, TensorBoard and transformers.
//!
//! The checks are the scripts in `xtask/interop/`. Each gets `--gradus BINARY --work FOLDER`, prints one line a check that starts
//! with `ok` or `FAIL` and carries the numbers, and exits with 1 if one failed.

use crate::project::{self, Project};
use crate::python::PythonArgs;
use anyhow::{Result, bail, ensure};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Instant;

/// The scripts, the fast ones first.
const SCRIPTS: [&str; 6] = [
    "safetensors_files.py",
    "tensorboard_events.py",
    TEXT,
    "model_folders.py",
    "torch_curves.py",
    "ops.py",
];
/// The script whose models must be given.
const TEXT: &str = "text.py";
/// What the scripts import.
const MODULES: [&str; 8] = [
    "torch",
    "torchvision",
    "transformers",
    "safetensors",
    "numpy",
    "tensorboard",
    // torch.testing, whose samples ops.py replays, imports these
    "expecttest",
    "scipy",
];

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    python: PythonArgs,
    /// Only the scripts whose name contains this
    filter: Option<String>,
    /// Leave the scripts' files in this folder instead of a temporary one
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// all-MiniLM-L6-v2 as Hugging Face lays it out, for text.py
    #[arg(long, value_name = "FOLDER")]
    minilm: Option<PathBuf>,
    /// The Python package glassllm, for text.py
    #[arg(long, value_name = "FOLDER")]
    glassllm: Option<PathBuf>,
}

impl Args {
    /// What a script is told besides the binary and its folder.
    fn models(&self, script: &str) -> Result<Vec<OsString>> {
        let given = [("--minilm", &self.minilm), ("--glassllm", &self.glassllm)];
        let mut words = Vec::new();
        for (flag, folder) in given {
            if let Some(folder) = folder.as_ref().filter(|_| script == TEXT) {
                words.push(flag.into());
                words.push(std::path::absolute(folder)?.into());
            }
        }
        Ok(words)
    }
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    let python = args.python.interpreter(project, &MODULES)?;
    let binary = project.release_binary()?;
    let temporary = tempfile::tempdir()?;
    let work = args
        .keep
        .as_ref()
        .map_or_else(|| Ok(temporary.path().to_path_buf()), std::path::absolute)?;
    let chosen: Vec<&str> = SCRIPTS
        .into_iter()
        .filter(|name| {
            args.filter
                .as_ref()
                .is_none_or(|part| name.contains(part.as_str()))
        })
        .collect();
    ensure!(
        !chosen.is_empty(),
        "no script matches; there are {}",
        SCRIPTS.join(", ")
    );
    let mut failed = Vec::new();
    for name in chosen {
        let began = Instant::now();
        let folder = work.join(name.trim_end_matches(".py"));
        std::fs::create_dir_all(&folder)?;
        println!("==> {name}");
        let script = project.root.join("xtask/interop").join(name);
        let mut command = project.command(&python);
        command
            .arg("-B")
            .arg(script)
            .arg("--gradus")
            .arg(&binary)
            .arg("--work")
            .arg(&folder)
            .args(args.models(name)?);
        if let Err(error) = project::run(&mut command) {
            println!("{error:#}");
            failed.push(name);
        }
        println!("    {:.1} s", began.elapsed().as_secs_f64());
    }
    if !failed.is_empty() {
        bail!("interop: failed: {}", failed.join(", "));
    }
    println!("interop: all checks passed");
    Ok(())
}
