//! Checkpoints that are written while training goes on.
//!
//! A snapshot shares its tensors with the training: whoever changes one of them first copies it. At most one checkpoint
//! is being written; an error of it comes out of the next call, at the latest of [`Saver::wait`].

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gradus_checkpoint::{CheckpointStore, Content, Metadata, StateDict};
use serde_json::Value;

use crate::config::TrainConfig;
use crate::error::{Result, TrainError};
use crate::trace;

/// The weights with the lowest evaluation loss so far.
pub(crate) const BEST: &str = "best.safetensors";
/// The resolved configuration, whose digest the manifest holds.
const CONFIG: &str = "config.toml";

/// A run between two steps.
pub(crate) struct Snapshot {
    pub(crate) step: u64,
    pub(crate) model: StateDict,
    pub(crate) optimizer: StateDict,
    pub(crate) best: Option<StateDict>,
    pub(crate) state: Value,
    /// The step whose checkpoint stays because it was the best.
    pub(crate) best_step: Option<u64>,
    /// Logs that must be on the disk as far as the checkpoint counts on them.
    pub(crate) logs: Vec<(PathBuf, File)>,
}

/// Commits snapshots, each on a thread of its own, one at a time.
pub(crate) struct Saver {
    job: Arc<Job>,
    writing: Option<Writing>,
}

/// What all snapshots have in common.
struct Job {
    store: CheckpointStore,
    config_text: String,
    keep_last: usize,
    keep_every: u64,
}

/// A checkpoint that is on the disk.
pub(crate) struct Committed {
    pub(crate) step: u64,
    /// How long it was being written.
    pub(crate) took: Duration,
}

struct Writing {
    step: u64,
    thread: JoinHandle<Result<Duration>>,
}

impl Saver {
    pub(crate) fn new(store: CheckpointStore, config: &TrainConfig, config_text: &str) -> Self {
        let job = Arc::new(Job {
            store,
            config_text: config_text.to_owned(),
            keep_last: config.keep_checkpoints,
            keep_every: config.keep_every,
        });
        Self { job, writing: None }
    }

    /// The checkpoints.
    pub(crate) fn store(&self) -> &CheckpointStore {
        &self.job.store
    }

    /// Begins to write a snapshot once the one before is committed; returns that one, if it was not told before.
    pub(crate) fn begin(&mut self, snapshot: Snapshot) -> Result<Option<Committed>> {
        let before = self.wait()?;
        let (step, job) = (snapshot.step, Arc::clone(&self.job));
        let thread = std::thread::Builder::new()
            .name("gradus-checkpoint".into())
            .spawn(move || job.write(&snapshot))
            .map_err(TrainError::io(
                self.job.store.dir(),
                "start a thread that writes",
            ))?;
        self.writing = Some(Writing { step, thread });
        Ok(before)
    }

    /// The step that is being written.
    pub(crate) fn in_flight(&self) -> Option<u64> {
        self.writing.as_ref().map(|writing| writing.step)
    }

    /// The checkpoint that was committed since the last call, without waiting.
    pub(crate) fn poll(&mut self) -> Result<Option<Committed>> {
        let done = |writing: &Writing| writing.thread.is_finished();
        if self.writing.as_ref().is_some_and(done) {
            self.wait()
        } else {
            Ok(None)
        }
    }

    /// Waits until nothing is being written; returns what was, if it was not told before.
    pub(crate) fn wait(&mut self) -> Result<Option<Committed>> {
        let Some(Writing { step, thread }) = self.writing.take() else {
            return Ok(None);
        };
        let _span = trace::span("wait for checkpoint");
        match thread.join() {
            Ok(written) => written.map(|took| Some(Committed { step, took })),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Saver {
    /// A run that ends with an error has that one to report; what it began to write is finished all the same.
    fn drop(&mut self) {
        if let Some(writing) = self.writing.take() {
            let _ = writing.thread.join();
        }
    }
}

impl Job {
    /// Commits a snapshot, and removes the checkpoints that are not kept.
    fn write(&self, snapshot: &Snapshot) -> Result<Duration> {
        let _span = trace::span("write checkpoint");
        let began = Instant::now();
        for (path, log) in &snapshot.logs {
            log.sync_data().map_err(TrainError::io(path, "sync"))?;
        }
        let Snapshot {
            step,
            model,
            optimizer,
            state,
            ..
        } = snapshot;
        let metadata = Metadata::new();
        let mut more = vec![(CONFIG, Content::Bytes(self.config_text.as_bytes()))];
        if let Some(best) = &snapshot.best {
            more.push((BEST, Content::Tensors(best, &metadata)));
        }
        self.store
            .save_training(*step, model, optimizer, state, &more)?;
        self.store.retain(self.keep_last, &self.kept(snapshot)?)?;
        Ok(began.elapsed())
    }

    /// The steps that stay, however old they are.
    fn kept(&self, snapshot: &Snapshot) -> Result<Vec<u64>> {
        let mut kept: Vec<u64> = snapshot.best_step.into_iter().collect();
        if self.keep_every > 0 {
            let steps = self.store.steps()?.into_iter();
            kept.extend(steps.filter(|step| step.is_multiple_of(self.keep_every)));
        }
        Ok(kept)
    }
}
