//! One checkpoint: a directory whose files and manifest agree.

use std::io::{self, Read, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gradus_tensor::Tensor;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::damage::DamageReason;
use crate::digest::hex;
use crate::manifest::{FileRecord, MANIFEST, MAX_MANIFEST_BYTES, Manifest};
use crate::safetensors::Plan;
use crate::{CheckpointError, EntryKind, FileSystem, Metadata, Result, SafeTensorsFile, StateDict};

/// The model's weights and buffers.
pub(crate) const MODEL: &str = "model.safetensors";
/// The optimizer's slots.
pub(crate) const OPTIMIZER: &str = "optimizer.safetensors";
/// All else that the next step depends on.
pub(crate) const STATE: &str = "state.json";

/// What a file of a checkpoint holds.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// A state dict, as safetensors. It is streamed, never held as bytes whole.
    Tensors(&'a [(String, Tensor)], &'a Metadata),
    /// A JSON value.
    Json(&'a Value),
}

impl Content<'_> {
    /// Writes the content.
    pub(crate) fn write(&self, path: &Path, out: &mut dyn Write) -> Result<()> {
        let io = CheckpointError::io(path, "write");
        match self {
            Self::Bytes(bytes) => out.write_all(bytes).map_err(io),
            Self::Tensors(tensors, metadata) => {
                let plan = Plan::new(tensors, metadata).map_err(CheckpointError::format(path))?;
                plan.write(out).map_err(io)
            }
            // Through a string: serde would hide the system's error in its own.
            Self::Json(value) => out.write_all(format!("{value}\n").as_bytes()).map_err(io),
        }
    }
}

/// A whole checkpoint: every file had the length and the digest of the manifest when it was opened.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    manifest: Manifest,
    fs: Arc<dyn FileSystem>,
}

impl Checkpoint {
    pub(crate) fn new(path: PathBuf, manifest: Manifest, fs: Arc<dyn FileSystem>) -> Self {
        Self { path, manifest, fs }
    }

    /// The training step after which it was written.
    pub fn step(&self) -> u64 {
        self.manifest.step
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// A file's bytes, checked once more against the manifest.
    ///
    /// # Errors
    /// [`CheckpointError::NoSuchFile`]; [`CheckpointError::Damaged`] if the file changed since it was opened.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let record = self.record(name)?;
        let mut bytes = Vec::new();
        check_file(&*self.fs, &self.path, record, Depth::Digests, &mut |part| {
            bytes.extend_from_slice(part);
        })
        .map_err(|reason| self.damaged(reason))?;
        Ok(bytes)
    }

    /// A safetensors file of the checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError::NoSuchFile`], and those of [`SafeTensorsFile::open`].
    pub fn tensors(&self, name: &str) -> Result<(StateDict, Metadata)> {
        self.record(name)?;
        let mut file = SafeTensorsFile::open_in(&*self.fs, &self.path.join(name))?;
        let tensors = file.load_all()?;
        Ok((tensors, file.metadata().clone()))
    }

    /// The model's weights and buffers: `model.safetensors`.
    ///
    /// # Errors
    /// As [`Checkpoint::tensors`].
    pub fn model(&self) -> Result<StateDict> {
        Ok(self.tensors(MODEL)?.0)
    }

    /// The optimizer's slots: `optimizer.safetensors`.
    ///
    /// # Errors
    /// As [`Checkpoint::tensors`].
    pub fn optimizer(&self) -> Result<StateDict> {
        Ok(self.tensors(OPTIMIZER)?.0)
    }

    /// All else that the next step depends on, as the trainer gave it: `state.json`.
    ///
    /// # Errors
    /// As [`Checkpoint::read`]; [`CheckpointError::Json`].
    pub fn state(&self) -> Result<Value> {
        let bytes = self.read(STATE)?;
        serde_json::from_slice(&bytes).map_err(|cause| CheckpointError::Json {
            path: self.path.join(STATE),
            cause,
        })
    }

    fn record(&self, name: &str) -> Result<&FileRecord> {
        self.manifest
            .file(name)
            .ok_or_else(|| CheckpointError::NoSuchFile {
                path: self.path.clone(),
                name: name.to_owned(),
            })
    }

    fn damaged(&self, reason: DamageReason) -> CheckpointError {
        let path = self.path.clone();
        CheckpointError::Damaged { path, reason }
    }
}

/// How thoroughly files are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Names and lengths: for what this process has written itself.
    Lengths,
    /// Every byte.
    Digests,
}

/// Reads the manifest of a checkpoint directory and checks its files.
pub(crate) fn verify(
    fs: &dyn FileSystem,
    dir: &Path,
    step: u64,
    depth: Depth,
) -> Result<Manifest, DamageReason> {
    let io = |name: &str| {
        let name = name.to_owned();
        move |cause| DamageReason::Io { name, cause }
    };
    if fs.kind(dir).map_err(io("the directory"))? != Some(EntryKind::Directory) {
        return Err(DamageReason::NotADirectory);
    }
    expect_file(fs, dir, MANIFEST)?;
    let mut text = Vec::new();
    let file = fs.open(&dir.join(MANIFEST)).map_err(io(MANIFEST))?;
    let read = file.take(MAX_MANIFEST_BYTES + 1).read_to_end(&mut text);
    let read = read.map_err(io(MANIFEST))?;
    if u64::try_from(read).unwrap_or(u64::MAX) > MAX_MANIFEST_BYTES {
        return Err(DamageReason::ManifestTooLarge);
    }
    let manifest = Manifest::parse(&text)?;
    if manifest.step != step {
        let found = manifest.step;
        return Err(DamageReason::Step { found });
    }
    for record in &manifest.files {
        check_file(fs, dir, record, depth, &mut |_| {})?;
    }
    Ok(manifest)
}

fn expect_file(fs: &dyn FileSystem, dir: &Path, name: &str) -> Result<(), DamageReason> {
    let owned = || name.to_owned();
    match fs.kind(&dir.join(name)) {
        Ok(Some(EntryKind::File)) => Ok(()),
        Ok(Some(_)) => Err(DamageReason::NotAFile { name: owned() }),
        Ok(None) => Err(DamageReason::Missing { name: owned() }),
        Err(cause) => Err(DamageReason::Io {
            name: owned(),
            cause,
        }),
    }
}

/// Checks one file against its record, handing its bytes to `sink` on the way if they are read.
fn check_file(
    fs: &dyn FileSystem,
    dir: &Path,
    record: &FileRecord,
    depth: Depth,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<(), DamageReason> {
    let name = || record.name.clone();
    expect_file(fs, dir, &record.name)?;
    let io = |cause| DamageReason::Io {
        name: name(),
        cause,
    };
    let mut file = fs.open(&dir.join(&record.name)).map_err(io)?;
    let found = file.seek(SeekFrom::End(0)).map_err(io)?;
    if found != record.bytes {
        return Err(DamageReason::Length {
            name: name(),
            expected: record.bytes,
            found,
        });
    }
    if depth == Depth::Lengths {
        return Ok(());
    }
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    // Never past the length, should the file grow meanwhile.
    let mut file = file.take(record.bytes);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                hasher.update(&buffer[..n]);
                sink(&buffer[..n]);
            }
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(io(cause)),
        }
    }
    if hex(&hasher.finalize()) != record.sha256 {
        return Err(DamageReason::Digest { name: name() });
    }
    Ok(())
}

/// A writer that keeps the length and the digest of what passes through.
pub(crate) struct Recorder<'a> {
    out: &'a mut dyn Write,
    hasher: Sha256,
    bytes: u64,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(out: &'a mut dyn Write) -> Self {
        Self {
            out,
            hasher: Sha256::new(),
            bytes: 0,
        }
    }

    pub(crate) fn record(self, name: &str) -> FileRecord {
        FileRecord {
            name: name.to_owned(),
            bytes: self.bytes,
            sha256: hex(&self.hasher.finalize()),
        }
    }
}

impl Write for Recorder<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += u64::try_from(written).map_err(io::Error::other)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
