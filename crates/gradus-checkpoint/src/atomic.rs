//! Replacing one file atomically: whoever opens it sees the old bytes or the new ones, never a part.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{CheckpointError, FileSystem, Result};

/// Bytes gathered before they are handed to the system.
const BUFFER: usize = 1 << 20;

/// Writes a file under a temporary name beside `path`, syncs it, gives it its name, and syncs the directory.
///
/// Once this returns, the new bytes survive a power cut; if it fails, the old file is untouched and the temporary
/// one is removed (after a kill it may stay behind, as `.gradus-*.tmp`). The file's mode is what the umask leaves.
///
/// # Errors
/// [`CheckpointError::Io`] with the call that failed; what `write` returns counts as a failed write.
///
/// ```
/// use gradus_checkpoint::{RealFileSystem, write_atomically};
/// # let dir = tempfile::tempdir().unwrap();
/// let path = dir.path().join("labels.txt");
/// write_atomically(&RealFileSystem, &path, &mut |out| out.write_all(b"boot\n"))?;
/// assert_eq!(std::fs::read(&path).unwrap(), b"boot\n");
/// # Ok::<(), gradus_checkpoint::CheckpointError>(())
/// ```
pub fn write_atomically(
    fs: &dyn FileSystem,
    path: &Path,
    write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    if path.file_name().is_none() {
        let cause = io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file");
        return Err(CheckpointError::io(path, "write")(cause));
    }
    let dir = parent(path);
    let temporary = temporary_name(dir);
    // A process of the same number may have died here.
    if fs
        .kind(&temporary)
        .map_err(CheckpointError::io(path, "look beside"))?
        .is_some()
    {
        fs.remove(&temporary)
            .map_err(CheckpointError::io(&temporary, "remove"))?;
    }
    let written = write_synced(fs, &temporary, write)
        .map_err(CheckpointError::io(path, "write"))
        .and_then(|()| {
            fs.rename(&temporary, path)
                .map_err(CheckpointError::io(path, "rename to"))
        });
    if written.is_err() {
        // Best effort: the first error is the one to report.
        let _ = fs.remove(&temporary);
    }
    written?;
    fs.sync_dir(dir).map_err(CheckpointError::io(dir, "sync"))
}

/// Creates a file, writes it through a buffer and syncs it.
pub(crate) fn write_synced(
    fs: &dyn FileSystem,
    path: &Path,
    write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER, fs.create(path)?);
    let written = write(&mut out).and_then(|()| out.flush());
    // Taken apart so that a failed write is not tried again on drop.
    let (mut file, _) = out.into_parts();
    written?;
    file.sync()
}

/// The directory of a path; the current one for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// A name that no other write of this process has.
fn temporary_name(dir: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    dir.join(format!(".gradus-{}-{count}.tmp", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RealFileSystem;

    #[test]
    fn a_failed_write_leaves_the_old_file_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        write_atomically(&RealFileSystem, &path, &mut |out| out.write_all(b"old")).unwrap();
        let error = write_atomically(&RealFileSystem, &path, &mut |out| {
            out.write_all(b"new")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        let message = error.unwrap_err().to_string();
        assert!(message.contains("f: cannot write"), "{message}");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    #[cfg(unix)]
    fn the_mode_is_the_umasks() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let mode = |name: &str| {
            let path = dir.path().join(name);
            std::fs::metadata(path).unwrap().permissions().mode()
        };
        std::fs::write(dir.path().join("plain"), b"x").unwrap();
        write_atomically(&RealFileSystem, &dir.path().join("ours"), &mut |out| {
            out.write_all(b"x")
        })
        .unwrap();
        assert_eq!(mode("ours"), mode("plain"));
    }

    #[test]
    fn a_path_without_a_name_is_refused() {
        let error = write_atomically(&RealFileSystem, Path::new("/"), &mut |_| Ok(()));
        assert!(error.is_err());
    }
}
