//! A file system that fails the nth call, in one of several ways, and writes down what it was asked.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use gradus_checkpoint::{Entry, EntryKind, FileSystem, ReadFile, RealFileSystem, WriteFile};

/// How the chosen call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// That call alone fails.
    Once,
    /// That call and all later ones fail: what is on the disk is what a killed process leaves.
    Killed,
    /// A write takes half of its bytes, then the disk is full for that call; later calls work.
    HalfWritten,
    /// The call is interrupted by a signal (EINTR), once.
    Interrupted,
    /// Writes take one byte at a time; nothing fails.
    ShortWrites,
    /// From that call on the disk is full: nothing can be created or written, the rest works.
    Full,
    /// From that call on nothing can be changed.
    ReadOnly,
    /// That call fails if it is a sync, and so does every later one.
    NoSync,
}

#[derive(Debug)]
struct State {
    calls: usize,
    at: usize,
    fault: Fault,
    log: Vec<String>,
}

/// The real file system with one fault in it. Syncs are counted and left out: no test pulls the plug, and thousands of
/// them would take minutes.
#[derive(Clone, Debug)]
pub(crate) struct Faulty(Arc<Mutex<State>>);

impl Faulty {
    /// Fails call number `at`, counted from 0.
    pub(crate) fn new(at: usize, fault: Fault) -> Self {
        let log = Vec::new();
        Self(Arc::new(Mutex::new(State {
            calls: 0,
            at,
            fault,
            log,
        })))
    }

    /// Fails nothing.
    pub(crate) fn none() -> Self {
        Self::new(usize::MAX, Fault::Once)
    }

    /// Whether the chosen call was reached.
    pub(crate) fn reached(&self) -> bool {
        let state = self.0.lock().unwrap();
        state.calls > state.at
    }

    /// All calls that change or sync something, with the last component of the path.
    pub(crate) fn log(&self) -> Vec<String> {
        self.0.lock().unwrap().log.clone()
    }

    /// Counts a call, and fails it if it is the one. `Ok(Some(fault))` asks a write to misbehave.
    fn call(&self, what: &str, path: &Path) -> io::Result<Option<Fault>> {
        let mut state = self.0.lock().unwrap();
        let number = state.calls;
        state.calls += 1;
        if !what.is_empty() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let entry = format!("{what} {name}");
            if state.log.last() != Some(&entry) {
                state.log.push(entry);
            }
        }
        let chosen = number == state.at;
        match state.fault {
            Fault::ShortWrites => Ok(Some(Fault::ShortWrites)),
            Fault::Killed if number >= state.at => Err(io::Error::other("killed")),
            Fault::Full
                if number >= state.at && ["create", "create_dir", "write"].contains(&what) =>
            {
                Err(io::ErrorKind::StorageFull.into())
            }
            Fault::ReadOnly if number >= state.at && !what.is_empty() => {
                Err(io::ErrorKind::ReadOnlyFilesystem.into())
            }
            Fault::NoSync if number >= state.at && what.starts_with("sync") => {
                Err(io::Error::from_raw_os_error(5))
            }
            Fault::Once if chosen => Err(io::Error::from_raw_os_error(5)), // EIO
            Fault::Interrupted if chosen => Err(io::ErrorKind::Interrupted.into()),
            Fault::HalfWritten if chosen && what == "write" => Ok(Some(Fault::HalfWritten)),
            Fault::HalfWritten if chosen => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(None),
        }
    }
}

struct FaultyWrite {
    file: Box<dyn WriteFile>,
    path: std::path::PathBuf,
    fs: Faulty,
}

impl Write for FaultyWrite {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.fs.call("write", &self.path)? {
            Some(Fault::ShortWrites) => self.file.write(&bytes[..bytes.len().min(1)]),
            Some(_) => {
                self.file.write_all(&bytes[..bytes.len() / 2])?;
                Err(io::ErrorKind::StorageFull.into())
            }
            None => self.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl WriteFile for FaultyWrite {
    fn sync(&mut self) -> io::Result<()> {
        self.fs.call("sync", &self.path)?;
        Ok(())
    }
}

struct FaultyRead {
    file: Box<dyn ReadFile>,
    fs: Faulty,
}

impl Read for FaultyRead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.fs.call("", Path::new(""))?;
        self.file.read(out)
    }
}

impl Seek for FaultyRead {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.fs.call("", Path::new(""))?;
        self.file.seek(to)
    }
}

impl FileSystem for Faulty {
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        self.call("create", path)?;
        Ok(Box::new(FaultyWrite {
            file: RealFileSystem.create(path)?,
            path: path.to_path_buf(),
            fs: self.clone(),
        }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.call("create_dir", path)?;
        RealFileSystem.create_dir(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        self.call("", path)?;
        Ok(Box::new(FaultyRead {
            file: RealFileSystem.open(path)?,
            fs: self.clone(),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call("rename", from)?;
        RealFileSystem.rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.call("sync_dir", path)?;
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.call("", path)?;
        RealFileSystem.list(path)
    }

    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        self.call("", path)?;
        RealFileSystem.kind(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call("remove", path)?;
        RealFileSystem.remove(path)
    }
}
