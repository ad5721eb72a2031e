//! A run's checkpoints: committed atomically, verified when loaded, retained by rule.
//!
//! A checkpoint is written into `.tmp-step-N-PID`, every file synced, then renamed to `step-N`, and the parent synced:
//! after a crash at any moment, `step-N` is there whole or not at all. One that replaces another first sets it aside as
//! `.old-step-N-PID`, and the set-aside one counts until the new one stands. What is removed is first renamed to
//! `.trash-…`, so that a half-removed checkpoint never looks like a damaged one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

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

/// What an entry of the directory is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    /// `step-N`.
    Committed(u64),
    /// `.old-step-N-PID`: set aside while another takes its place.
    SetAside(u64),
    /// `.tmp-…`: never finished.
    Unfinished,
    /// `.trash-…`: on its way out.
    Trash,
}

/// What checking a checkpoint found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Whole,
    /// Missing or changed, and so for ever.
    Damaged,
    /// The system failed to read it, which says nothing about it.
    Unreadable,
}

impl Found {
    fn of(verified: Result<Manifest, DamageReason>) -> Self {
        match verified {
            Ok(_) => Self::Whole,
            Err(DamageReason::Io { .. }) => Self::Unreadable,
            Err(_) => Self::Damaged,
        }
    }
}

impl Slot {
    fn of(name: &str) -> Option<Self> {
        if let Some(step) = name.strip_prefix("step-") {
            return parse_step(step).map(Self::Committed);
        }
        if let Some(rest) = name.strip_prefix(".old-step-") {
            let (step, _) = rest.split_once('-')?;
            return parse_step(step).map(Self::SetAside);
        }
        if name.starts_with(".tmp-step-") {
            return Some(Self::Unfinished);
        }
        name.starts_with(".trash-step-").then_some(Self::Trash)
    }
}

/// A step in the one form that we write.
fn parse_step(text: &str) -> Option<u64> {
    let step: u64 = text.parse().ok()?;
    (step.to_string() == text).then_some(step)
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

    /// Commits what training needs: the model, the optimizer's slots, and all else as JSON.
    ///
    /// # Errors
    /// As [`CheckpointStore::save`].
    pub fn save_training(
        &self,
        step: u64,
        model: &StateDict,
        optimizer: &StateDict,
        state: &Value,
    ) -> Result<Checkpoint> {
        let metadata = with_format(&Metadata::new());
        let files = [
            (MODEL, Content::Tensors(model, &metadata)),
            (OPTIMIZER, Content::Tensors(optimizer, &metadata)),
            (STATE, Content::Json(state)),
        ];
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

    /// Removes all checkpoints but the newest `keep_last` and those of `keep_steps`; returns the removed steps.
    ///
    /// If none of those kept is whole, the newest whole one is kept too (with newer ones that cannot be read now),
    /// and all of them if none is whole, so the last whole one is never removed. What interrupted writes left behind goes as well.
    ///
    /// # Errors
    /// [`CheckpointError::Io`]; some may be removed by then, never the last whole one.
    pub fn retain(&self, keep_last: usize, keep_steps: &[u64]) -> Result<Vec<u64>> {
        let mut committed = self.lock();
        self.settle(&committed)?;
        let steps = self.committed_steps()?;
        let keep = |i: usize, step: u64| i < keep_last || keep_steps.contains(&step);
        let (mut kept, mut removed) = (Vec::new(), Vec::new());
        for (i, &step) in steps.iter().enumerate() {
            if keep(i, step) {
                &mut kept
            } else {
                &mut removed
            }
            .push(step);
        }
        if removed.is_empty() {
            return Ok(removed);
        }
        let found = |step: u64| self.check(step, &committed);
        if !kept.iter().any(|&step| found(step) == Found::Whole) {
            let mut whole = None;
            let mut unreadable = Vec::new();
            for &step in &removed {
                match found(step) {
                    Found::Whole => whole = Some(step),
                    Found::Unreadable => unreadable.push(step),
                    Found::Damaged => {}
                }
                if whole.is_some() {
                    break;
                }
            }
            // Reading may fail now and work later: what may be whole stays.
            let Some(whole) = whole else {
                return Ok(Vec::new());
            };
            removed.retain(|step| *step != whole && !unreadable.contains(step));
        }
        for &step in removed.iter().rev() {
            let (path, trash) = (
                self.dir.join(format!("step-{step}")),
                self.private(".trash", step),
            );
            self.rename(&path, &trash)?;
            committed.remove(&step);
            // The name goes before the bytes do, also on the disk.
            self.sync_dir(&self.dir)?;
            self.remove(&trash)?;
        }
        Ok(removed)
    }

    /// Removes what interrupted writes and removals left behind, and returns it. Saving does the same.
    ///
    /// # Errors
    /// [`CheckpointError::Io`].
    pub fn clean_leftovers(&self) -> Result<Vec<PathBuf>> {
        let committed = self.lock();
        self.settle(&committed)
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

    /// What `step-N` turns out to be. What this store committed itself is not read again.
    fn check(&self, step: u64, committed: &BTreeSet<u64>) -> Found {
        let own = committed.contains(&step);
        let depth = if own { Depth::Lengths } else { Depth::Digests };
        Found::of(verify(
            &*self.fs,
            &self.dir.join(format!("step-{step}")),
            step,
            depth,
        ))
    }

    /// Ends what an interruption left half done: one set aside comes back unless its successor is whole, the rest goes.
    /// What cannot be read now is left alone, it may be whole.
    fn settle(&self, committed: &BTreeSet<u64>) -> Result<Vec<PathBuf>> {
        let mut removed = Vec::new();
        for (slot, path) in self.slots()? {
            let stays = match slot {
                Slot::Committed(_) => true,
                Slot::Unfinished | Slot::Trash => false,
                Slot::SetAside(step) => match self.check(step, committed) {
                    Found::Whole => false,
                    Found::Unreadable => true,
                    Found::Damaged => {
                        match Found::of(verify(&*self.fs, &path, step, Depth::Digests)) {
                            Found::Whole => {
                                removed.extend(self.restore(step, &path)?);
                                true
                            }
                            Found::Unreadable => true,
                            Found::Damaged => false,
                        }
                    }
                },
            };
            if !stays {
                self.remove(&path)?;
                removed.push(path);
            }
        }
        Ok(removed)
    }

    /// Brings back the checkpoint set aside under `path`; returns what was in its place.
    fn restore(&self, step: u64, path: &Path) -> Result<Option<PathBuf>> {
        let target = self.dir.join(format!("step-{step}"));
        let trash = self.private(".trash", step);
        let displaces = self.exists(&target)?;
        if displaces {
            self.rename(&target, &trash)?;
        }
        self.rename(path, &target)?;
        self.sync_dir(&self.dir)?;
        if displaces {
            self.remove(&trash)?;
        }
        Ok(displaces.then_some(target))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_slots() {
        assert_eq!(Slot::of("step-50"), Some(Slot::Committed(50)));
        assert_eq!(Slot::of(".old-step-50-17"), Some(Slot::SetAside(50)));
        assert_eq!(Slot::of(".tmp-step-50-17"), Some(Slot::Unfinished));
        assert_eq!(Slot::of(".trash-step-50-17"), Some(Slot::Trash));
        for other in [
            "step-050",
            "step-+5",
            "step--5",
            "step-",
            "step-5x",
            "step-18446744073709551616",
            "best",
            ".old-step-5",
        ] {
            assert_eq!(Slot::of(other), None, "{other}");
        }
    }
}
