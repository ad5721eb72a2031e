//! `cargo xtask fixtures`: writes the committed golden files anew from their generators.
//!
//! A generator is a Python script in `crates/<crate>/tests/golden/`; it takes no argument, writes its files beside itself, and says in
//! its first lines what they hold and which packages it needs. Tests read the files, so that CI needs no Python.

use crate::project::{self, Project};
use crate::python::PythonArgs;
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    python: PythonArgs,
    /// Only the generators whose path contains this, for instance a crate's name
    filter: Option<String>,
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    let python = args.python.interpreter(
        project,
        &[
            "torch",
            "safetensors",
            "numpy",
            "tensorboard",
            "tokenizers",
            "transformers",
            "peft",
        ],
    )?;
    let mut chosen = generators(&project.root)?;
    chosen.retain(|path| {
        args.filter
            .as_ref()
            .is_none_or(|part| path.to_string_lossy().contains(part.as_str()))
    });
    ensure!(
        !chosen.is_empty(),
        "no generator matches; they are crates/<crate>/tests/golden/*.py"
    );
    let mut failed = Vec::new();
    for generator in chosen {
        println!("==> {}", generator.display());
        let path = project.root.join(&generator);
        let folder = path
            .parent()
            .context("internal error: a generator has a folder")?;
        if let Err(error) = project::run(
            project
                .command(&python)
                .arg("-B")
                .arg(&path)
                .current_dir(folder),
        ) {
            println!("{error:#}");
            failed.push(generator.display().to_string());
        }
    }
    if !failed.is_empty() {
        bail!("fixtures: failed: {}", failed.join(", "));
    }
    println!("fixtures: done; `git diff --stat` shows what changed");
    Ok(())
}

/// Paths of all generators, relative to the root, sorted.
fn generators(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root.join("crates")).context("cannot read crates/")? {
        let golden = entry?.path().join("tests/golden");
        if !golden.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&golden)? {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == "py") {
                found.push(path.strip_prefix(root)?.to_path_buf());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generators_are_the_scripts_beside_golden_files() {
        let root = tempfile::tempdir().unwrap();
        for file in [
            "b/tests/golden/make.py",
            "a/tests/golden/make.py",
            "a/tests/golden/data.json",
            "a/tools/x.py",
        ] {
            let path = root.path().join("crates").join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = generators(root.path()).unwrap();
        assert_eq!(
            found,
            [
                Path::new("crates/a/tests/golden/make.py"),
                Path::new("crates/b/tests/golden/make.py")
            ]
        );
    }
}
