//! What goes and what stays: retention, and the ends that an interruption left loose.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::slot::Slot;
use crate::checkpoint::{Depth, verify};
use crate::manifest::Manifest;
use crate::{CheckpointStore, DamageReason, Result};

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

impl CheckpointStore {
    /// Removes all checkpoints but the newest `keep_last` and those of `keep_steps`; returns the removed steps.
    ///
    /// If none of those kept is whole, the newest whole one is kept too (with newer ones that cannot be read now), and
    /// all of them if none is whole: the last whole one is never removed. What interrupted writes left behind goes too.
    ///
    /// # Errors
    /// [`crate::CheckpointError::Io`]; some may be removed by then, never the last whole one.
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
        let whole = |&step: &u64| self.check(step, &committed) == Found::Whole;
        if !kept.iter().any(whole) {
            removed = self.spare_a_whole_one(removed, &committed);
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

    /// The steps to remove, newest first, without the newest whole one and without newer ones that cannot be read now
    /// and may be whole later; none if none is whole.
    fn spare_a_whole_one(&self, mut steps: Vec<u64>, committed: &BTreeSet<u64>) -> Vec<u64> {
        let mut spared = Vec::new();
        for &step in &steps {
            match self.check(step, committed) {
                Found::Damaged => {}
                Found::Unreadable => spared.push(step),
                Found::Whole => {
                    spared.push(step);
                    steps.retain(|step| !spared.contains(step));
                    return steps;
                }
            }
        }
        Vec::new()
    }

    /// Removes what interrupted writes and removals left behind, and returns it. Saving does the same.
    ///
    /// # Errors
    /// [`crate::CheckpointError::Io`].
    pub fn clean_leftovers(&self) -> Result<Vec<PathBuf>> {
        let committed = self.lock();
        self.settle(&committed)
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
    pub(super) fn settle(&self, committed: &BTreeSet<u64>) -> Result<Vec<PathBuf>> {
        let mut removed = Vec::new();
        let slots = self.slots()?;
        if slots
            .iter()
            .any(|(slot, _)| !matches!(slot, Slot::Committed(_)))
        {
            // The process before may have renamed these and died: the names must be on the disk before the bytes go.
            self.sync_dir(&self.dir)?;
        }
        for (slot, path) in slots {
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
}
