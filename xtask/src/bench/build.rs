//! `cargo xtask bench build`: what a newcomer waits for.

use crate::project::{self, Project, run_for_stdout};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime};

/// How often the start-up of `gradus --version` is measured.
const STARTS: usize = 21;
/// What changes before a rebuild: a model, which little depends on, and the layers, which much does.
const CHANGED: [&str; 2] = [
    "crates/gradus-models/src/resnet.rs",
    "crates/gradus-nn/src/lib.rs",
];

pub(super) fn run(project: &Project) -> Result<()> {
    let target = tempfile::tempdir()?;
    let mut cargo = project.cargo();
    cargo
        .args([
            "build",
            "--release",
            "--locked",
            "-p",
            "gradus-cli",
            "--target-dir",
        ])
        .arg(target.path());
    // Downloads are not part of the build.
    project::run(project.cargo().args(["fetch", "--locked"]))?;
    let clean = seconds_of(&mut cargo)?;
    let mut rebuilds = [0.0; CHANGED.len()];
    for (rebuild, file) in rebuilds.iter_mut().zip(CHANGED) {
        touch(&project.root.join(file))?;
        *rebuild = seconds_of(&mut cargo)?;
    }

    let binary = target
        .path()
        .join("release")
        .join(format!("gradus{}", std::env::consts::EXE_SUFFIX));
    let bytes = std::fs::metadata(&binary)
        .with_context(|| format!("no binary at {}", binary.display()))?
        .len();
    let starts = start_up_ms(&binary)?;
    let rustc = run_for_stdout(project.command("rustc").arg("--version"))?;
    println!(
        "{}",
        json!({
            "clean_release_build_seconds": rounded(clean),
            "rebuild_after_change_in_a_model_seconds": rounded(rebuilds[0]),
            "rebuild_after_change_in_gradus_nn_seconds": rounded(rebuilds[1]),
            "binary_bytes": bytes,
            "version_ms_median": rounded(starts[STARTS / 2]),
            "version_ms_min": rounded(starts[0]),
            "version_ms_max": rounded(starts[STARTS - 1]),
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "rustc": rustc.trim(),
        })
    );
    Ok(())
}

fn seconds_of(command: &mut Command) -> Result<f64> {
    let began = Instant::now();
    project::run(command)?;
    Ok(began.elapsed().as_secs_f64())
}

/// Makes cargo believe that the file has just changed; its text stays.
fn touch(file: &Path) -> Result<()> {
    let opened = std::fs::File::options()
        .append(true)
        .open(file)
        .with_context(|| format!("cannot open {}", file.display()))?;
    opened.set_modified(SystemTime::now())?;
    Ok(())
}

/// Milliseconds from start to end of `gradus --version`, sorted.
fn start_up_ms(binary: &Path) -> Result<Vec<f64>> {
    let mut times = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let began = Instant::now();
        let status = Command::new(binary)
            .arg("--version")
            .stdout(Stdio::null())
            .status()?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        ensure!(status.success(), "gradus --version ended with {status}");
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
