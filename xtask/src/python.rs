//! The Python interpreter that `interop` and `fixtures` are pointed at. CI needs none.

use crate::project::Project;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Which Python to use.
#[derive(clap::Args)]
pub(crate) struct PythonArgs {
    /// Interpreter of a virtual environment with torch, torchvision, safetensors, numpy and tensorboard
    #[arg(long, value_name = "PATH", env = "GRADUS_PYTHON")]
    python: Option<PathBuf>,
}

impl PythonArgs {
    /// The interpreter, once it is seen to import every module; the error says what to install.
    pub(crate) fn interpreter(&self, project: &Project, modules: &[&str]) -> Result<PathBuf> {
        let packages = modules.join(" ");
        let Some(python) = &self.python else {
            bail!(
                "no Python given: make a virtual environment (`python3 -m venv VENV`), `VENV/bin/pip install {packages}`, \
                 then pass --python VENV/bin/python or set GRADUS_PYTHON"
            );
        };
        // Kept as given: a virtual environment's interpreter is a link that must not be resolved.
        let python = absolute(python);
        let mut missing = Vec::new();
        for module in modules {
            let status = project
                .command(&python)
                .args(["-c", &format!("import {module}")])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .with_context(|| format!("cannot start {}", python.display()))?;
            if !status.success() {
                missing.push(*module);
            }
        }
        if !missing.is_empty() {
            let missing = missing.join(" ");
            bail!(
                "{} cannot import {missing}; run: {} -m pip install {missing}",
                python.display(),
                python.display()
            );
        }
        Ok(python)
    }
}

fn absolute(path: &Path) -> PathBuf {
    // A bare name is looked up in PATH; anything with a folder is a file.
    if path.components().count() < 2 {
        return path.to_path_buf();
    }
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_python_the_error_says_what_to_install() {
        let project = Project::find().unwrap();
        let error = PythonArgs { python: None }
            .interpreter(&project, &["torch", "numpy"])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("pip install torch numpy") && error.contains("GRADUS_PYTHON"),
            "{error}"
        );
    }

    #[test]
    fn an_interpreter_that_is_not_there_is_named() {
        let project = Project::find().unwrap();
        let python = Some(PathBuf::from("no-such-folder/python"));
        let error = PythonArgs { python }
            .interpreter(&project, &["sys"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("no-such-folder"), "{error}");
    }
}
