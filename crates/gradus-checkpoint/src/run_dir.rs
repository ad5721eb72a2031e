//! Where things lie in a run directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{CheckpointError, CheckpointStore, FileSystem, RealFileSystem, Result, RunLock};

/// A run directory, as scripts know it.
///
/// ```text
/// config.toml          the resolved configuration
/// metrics.jsonl        one line a logged step, and one an evaluation
/// samples.jsonl        the samples of each step, with `log_samples`
/// checkpoints/step-N/  each committed atomically
/// model.safetensors    the final weights
/// labels.txt           one class a line
/// report.html          curves, confusion matrix, predictions
/// run.lock             held by the process that works here
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// A run directory that need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Creates the directory with its parents if it is not there, and takes it for this process.
    ///
    /// # Errors
    /// As [`RunLock::acquire`].
    pub fn create(path: impl Into<PathBuf>) -> Result<(Self, RunLock)> {
        let run = Self::new(path);
        let made = RealFileSystem.create_dir(&run.path);
        made.map_err(CheckpointError::io(&run.path, "create"))?;
        let lock = RunLock::acquire(&run.path)?;
        Ok((run, lock))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The resolved configuration.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// The log of metrics, one JSON object a line.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// The log of samples, one JSON object a line.
    pub fn samples(&self) -> PathBuf {
        self.path.join("samples.jsonl")
    }

    /// The final weights.
    pub fn model(&self) -> PathBuf {
        self.path.join("model.safetensors")
    }

    /// The class names, one a line.
    pub fn labels(&self) -> PathBuf {
        self.path.join("labels.txt")
    }

    /// The report.
    pub fn report(&self) -> PathBuf {
        self.path.join("report.html")
    }

    /// The directory of checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// The run's checkpoints in the real file system.
    pub fn store(&self) -> CheckpointStore {
        CheckpointStore::new(self.checkpoints(), Arc::new(RealFileSystem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creating_makes_parents_and_locks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("runs/a");
        let (run, _lock) = RunDir::create(&path).unwrap();
        assert!(run.path().is_dir());
        assert!(matches!(
            RunDir::create(&path),
            Err(CheckpointError::Locked { .. })
        ));
        assert_eq!(run.store().steps().unwrap(), Vec::<u64>::new());
    }
}
