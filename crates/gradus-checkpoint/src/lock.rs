//! One process at a time in a run directory: a lock that dies with its owner.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::{CheckpointError, Result};

/// The file that is locked. It stays when the lock goes: removing it would let two processes lock two files.
const LOCK: &str = "run.lock";

/// Holds a run directory until dropped.
///
/// The lock is the system's advisory file lock, so it ends with its process, however that ends; a file left by a
/// killed process blocks nobody.
#[derive(Debug)]
pub struct RunLock {
    /// Unlocks when closed.
    _file: File,
}

impl RunLock {
    /// Takes the directory, which must exist, for this process.
    ///
    /// # Errors
    /// [`CheckpointError::Locked`] with the process that holds it; [`CheckpointError::Io`], for instance if the
    /// directory is not writable.
    ///
    /// ```
    /// use gradus_checkpoint::RunLock;
    /// # let dir = tempfile::tempdir().unwrap();
    /// let lock = RunLock::acquire(dir.path())?;
    /// let error = RunLock::acquire(dir.path()).unwrap_err().to_string();
    /// assert!(error.contains(&format!("is in use by process {}", std::process::id())));
    /// drop(lock);
    /// RunLock::acquire(dir.path())?;
    /// # Ok::<(), gradus_checkpoint::CheckpointError>(())
    /// ```
    pub fn acquire(dir: &Path) -> Result<Self> {
        let path = dir.join(LOCK);
        let mut options = OpenOptions::new();
        // Not truncated on opening: the owner's number is in it.
        let opened = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let mut file = opened.map_err(CheckpointError::io(&path, "open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(CheckpointError::Locked {
                    path: dir.to_path_buf(),
                    pid: owner(&mut file),
                });
            }
            Err(TryLockError::Error(cause)) => {
                return Err(CheckpointError::io(&path, "lock")(cause));
            }
        }
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(CheckpointError::io(&path, "write"))?;
        Ok(Self { _file: file })
    }
}

/// The process number in the file, if it can be read.
fn owner(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_left_blocks_nobody() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(LOCK), "1234567890123\ngarbage").unwrap();
        drop(RunLock::acquire(dir.path()).unwrap());
        let text = std::fs::read_to_string(dir.path().join(LOCK)).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = RunLock::acquire(Path::new("no/such/run"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("no/such/run") && error.contains("cannot open"),
            "{error}"
        );
    }
}
