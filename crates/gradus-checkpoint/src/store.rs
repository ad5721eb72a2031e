//! A run's checkpoints: committed atomically, verified when loaded, retained by rule.
//!
//! A checkpoint is written into `.tmp-step-N-PID`, every file synced, then renamed to `step-N`, and the parent synced:
//! after a crash at any moment, `step-N` is there whole or not at all. One that replaces another first sets it aside as
//! `.old-step-N-PID`, and the set-aside one counts until the new one stands. What is removed is first renamed to
//! `.trash-…`, so that a half-removed checkpoint never looks like a damaged one.

mod slot;
mod upkeep;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use self::slot::Slot;
use crate::atomic::{parent, write_synced};
use crate::checkpoint::{Depth, MODEL, OPTIMIZER, Recorder, STATE, verify};
use crate::manifest::{FileRecord, MANIFEST, Manifest};
use crate::names::is_plain_name;
use crate::state_dict::with_format;
use crate::{
    Checkpoint, CheckpointError, Content, DamageReason, Damaged, FileSystem, Metadata, Result,
    StateDict,
};

/// The checkpoints of one run.
///
/// One store at a time works on a directory: hold the run's [`crate::RunLock`]. Threads may share it.
///
/// ```
/// use gradus_checkpoint::{CheckpointStore, Content, RealFileSystem};
/// use std::sync::Arc;
/// # let dir = tempfile::tempdir().unwrap();
/// let store = CheckpointStore::new(dir.path().join("checkpoints"), Arc::new(RealFileSystem));
/// store.save(50, &[("state.json", Content::Bytes(b"{\"epoch\": 1}"))])?;
/// store.save(100, &[("state.json", Content::Bytes(b"{\"epoch\": 2}"))])?;
/// std::fs::write(dir.path().join("checkpoints/step-100/state.json"), "{\"epoch\": 3}").unwrap();
///
/// let newest = store.newest_whole()?;
/// assert_eq!(newest.checkpoint.unwrap().state()?["epoch"], 1);
/// assert!(newest.damaged[0].to_string().contains("step-100: the bytes of \"state.json\" do not fit"));
/// # Ok::<(), gradus_checkpoint::CheckpointError>(())
/// ```
#[derive(Debug)]
pub struct CheckpointStore {
    dir: PathBuf,
    fs: Arc<dyn FileSystem>,
    /// Held by whoever changes the directory; the steps that this store has committed itself.
    committed: Mutex<BTreeSet<u64>>,
}

/// The newest whole checkpoint, and what was passed over on the way to it.
#[derive(Debug)]
pub struct Newest {
    /// The checkpoint, if there is a whole one.
    pub checkpoint: Option<Checkpoint>,
    /// Newer ones that are damaged, and writes that never finished.
    pub damaged: Vec<Damaged>,
}

impl CheckpointStore {
    /// The store of this directory, which need not exist.
    pub fn new(dir: impl Into<PathBuf>, fs: Arc<dyn FileSystem>) -> Self {
        Self {
            dir: dir.into(),
            fs,
            committed: Mutex::default(),
        }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The steps that have a checkpoint, whole or not, newest first.
    ///
    /// # Errors
    /// [`CheckpointError::Io`].
    pub fn steps(&self) -> Result<Vec<u64>> {
        let _guard = self.lock();
        self.committed_steps()
    }

    /// Commits a checkpoint of these files, which have plain names. One of the same step is replaced.
    ///
    /// Once this returns the checkpoint survives a power cut. If it fails, what was there before is still there.
    ///
    /// # Errors
    /// [`CheckpointError::FileName`], [`CheckpointError::Format`], [`CheckpointError::Io`] with the file.
    pub fn save(&self, step: u64, files: &[(&str, Content<'_>)]) -> Result<Checkpoint> {
        self.check_names(files)?;
        let mut committed = self.lock();
        self.create_dir()?;
        self.settle(&committed)?;
        let temporary = self.private(".tmp", step);
        let target = self.dir.join(format!("step-{step}"));
        let written = self.write_files(&temporary, step, files);
        let result = written.and_then(|manifest| {
            self.commit(step, &temporary, &target)?;
            Ok(Checkpoint::new(target, manifest, Arc::clone(&self.fs)))
        });
        if result.is_err() {
            // Best effort: the first error is the one to report, and the next save cleans up.
            let _ = self.fs.remove(&temporary);
        }
        let checkpoint = result?;
        committed.insert(step);
        // The replaced one is of no use any more; should it stay, the next save removes it.
        let _ = self.fs.remove(&self.private(".old", step));
        Ok(checkpoint)
    }

    /// Commits what training needs: the model, the optimizer's slots, all else as JSON, and `more` files.
    ///
    /// # Errors
    /// As [`CheckpointStore::save`].
    pub fn save_training(
        &self,
        step: u64,
        model: &StateDict,
        optimizer: &StateDict,
        state: &Value,
        more: &[(&str, Content<'_>)],
    ) -> Result<Checkpoint> {
        let metadata = with_format(&Metadata::new());
        let mut files = vec![
            (MODEL, Content::Tensors(model, &metadata)),
            (OPTIMIZER, Content::Tensors(optimizer, &metadata)),
            (STATE, Content::Json(state)),
        ];
        files.extend(more);
        self.save(step, &files)
    }

    /// The newest checkpoint whose every byte fits its manifest. Damaged ones are named and passed over.
    ///
    /// # Errors
    /// [`CheckpointError::Io`] if the directory cannot be listed; trouble with a checkpoint counts as damage to it.
    pub fn newest_whole(&self) -> Result<Newest> {
        let _guard = self.lock();
        let mut damaged = Vec::new();
        let mut candidates = Vec::new();
        for (slot, path) in self.slots()? {
            match slot {
                // Of one step, the committed one comes before the one set aside.
                Slot::Committed(step) => candidates.push((step, true, path)),
                Slot::SetAside(step) => candidates.push((step, false, path)),
                Slot::Unfinished => damaged.push(Damaged {
                    path,
                    reason: DamageReason::Interrupted,
                }),
                Slot::Trash => {}
            }
        }
        candidates.sort_by(|a, b| b.cmp(a));
        for (step, _, path) in candidates {
            match verify(&*self.fs, &path, step, Depth::Digests) {
                Ok(manifest) => {
                    let checkpoint = Checkpoint::new(path, manifest, Arc::clone(&self.fs));
                    return Ok(Newest {
                        checkpoint: Some(checkpoint),
                        damaged,
                    });
                }
                Err(reason) => damaged.push(Damaged { path, reason }),
            }
        }
        Ok(Newest {
            checkpoint: None,
            damaged,
        })
    }

    /// The checkpoint of one step.
    ///
    /// # Errors
    /// [`CheckpointError::NoSuchStep`] with those there are; [`CheckpointError::Damaged`].
    pub fn load(&self, step: u64) -> Result<Checkpoint> {
        let _guard = self.lock();
        let available = self.committed_steps()?;
        if !available.contains(&step) {
            return Err(CheckpointError::NoSuchStep {
                path: self.dir.clone(),
                step,
                available,
            });
        }
        let path = self.dir.join(format!("step-{step}"));
        match verify(&*self.fs, &path, step, Depth::Digests) {
            Ok(manifest) => Ok(Checkpoint::new(path, manifest, Arc::clone(&self.fs))),
            Err(reason) => Err(CheckpointError::Damaged { path, reason }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        // The set is valid after any panic: steps are only ever inserted whole.
        self.committed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A name in the directory that is this process's own.
    fn private(&self, prefix: &str, step: u64) -> PathBuf {
        self.dir
            .join(format!("{prefix}-step-{step}-{}", std::process::id()))
    }

    /// The entries that belong to checkpoints; what else lies there is left alone.
    fn slots(&self) -> Result<Vec<(Slot, PathBuf)>> {
        let io = |action| CheckpointError::io(&self.dir, action);
        if self.fs.kind(&self.dir).map_err(io("look for"))?.is_none() {
            return Ok(Vec::new());
        }
        let entries = self.fs.list(&self.dir).map_err(io("list"))?;
        let slot = |name: &std::ffi::OsStr| Some((Slot::of(name.to_str()?)?, self.dir.join(name)));
        Ok(entries
            .iter()
            .filter_map(|entry| slot(&entry.name))
            .collect())
    }

    fn committed_steps(&self) -> Result<Vec<u64>> {
        let mut steps: Vec<u64> = Vec::new();
        for (slot, _) in self.slots()? {
            if let Slot::Committed(step) = slot {
                steps.push(step);
            }
        }
        steps.sort_unstable_by(|a, b| b.cmp(a));
        Ok(steps)
    }

    /// Writes all files and the manifest into a new directory and syncs them.
    fn write_files(
        &self,
        dir: &Path,
        step: u64,
        files: &[(&str, Content<'_>)],
    ) -> Result<Manifest> {
        self.fs
            .create_dir(dir)
            .map_err(CheckpointError::io(dir, "create"))?;
        let mut records = Vec::with_capacity(files.len());
        for (name, content) in files {
            records.push(self.write_file(dir, name, content)?);
        }
        let manifest = Manifest::new(step, records);
        self.write_file(dir, MANIFEST, &Content::Bytes(manifest.text().as_bytes()))?;
        self.sync_dir(dir)?;
        Ok(manifest)
    }

    fn write_file(&self, dir: &Path, name: &str, content: &Content<'_>) -> Result<FileRecord> {
        let path = dir.join(name);
        let (mut record, mut failure) = (None, None);
        let written = write_synced(&*self.fs, &path, &mut |out| {
            let mut recorder = Recorder::new(out);
            match content.write(&path, &mut recorder) {
                Ok(()) => record = Some(recorder.record(name)),
                Err(error) => failure = Some(error),
            }
            // A file that failed to be written need not be synced.
            if failure.is_some() {
                Err(std::io::ErrorKind::Other.into())
            } else {
                Ok(())
            }
        });
        match (failure, written, record) {
            (Some(error), _, _) => Err(error),
            (None, Ok(()), Some(record)) => Ok(record),
            (None, Err(cause), _) => Err(CheckpointError::io(&path, "write")(cause)),
            (None, Ok(()), None) => {
                unreachable!("internal error: a file was written and not recorded")
            }
        }
    }

    /// Gives a finished checkpoint its name.
    fn commit(&self, step: u64, temporary: &Path, target: &Path) -> Result<()> {
        let aside = self.private(".old", step);
        let replaces = self.exists(target)?;
        if replaces {
            self.rename(target, &aside)?;
        }
        if let Err(error) = self.rename(temporary, target) {
            if replaces {
                // Best effort: the one set aside counts as long as no other is there.
                let _ = self.fs.rename(&aside, target);
            }
            return Err(error);
        }
        self.sync_dir(&self.dir)
    }

    fn check_names(&self, files: &[(&str, Content<'_>)]) -> Result<()> {
        for (i, (name, _)) in files.iter().enumerate() {
            let rule = if !is_plain_name(name) {
                "it is not one plain path component"
            } else if *name == MANIFEST {
                "the manifest is written by the store"
            } else if files[..i].iter().any(|(other, _)| other == name) {
                "it is given twice"
            } else {
                continue;
            };
            return Err(CheckpointError::FileName {
                path: self.dir.clone(),
                name: (*name).to_owned(),
                rule,
            });
        }
        Ok(())
    }

    fn create_dir(&self) -> Result<()> {
        if self.exists(&self.dir)? {
            return Ok(());
        }
        self.fs
            .create_dir(&self.dir)
            .map_err(CheckpointError::io(&self.dir, "create"))?;
        self.sync_dir(parent(&self.dir))
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        let kind = self
            .fs
            .kind(path)
            .map_err(CheckpointError::io(path, "look for"))?;
        Ok(kind.is_some())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.fs
            .rename(from, to)
            .map_err(CheckpointError::io(from, "rename"))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.fs
            .remove(path)
            .map_err(CheckpointError::io(path, "remove"))
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.fs
            .sync_dir(path)
            .map_err(CheckpointError::io(path, "sync"))
    }
}
