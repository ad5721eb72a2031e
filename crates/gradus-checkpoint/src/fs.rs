//! The file system as checkpoints see it: a small trait, so that tests can fail or cut any call.
//!
//! The real one adds nothing to the system's calls. New files get the modes that the umask leaves (never 0600), and a
//! new file never follows or overwrites what is already there.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

/// An open file for reading. Its length is where [`Seek`] finds its end.
pub trait ReadFile: Read + Seek + Send {}

impl<T: Read + Seek + Send> ReadFile for T {}

/// An open file for writing.
pub trait WriteFile: Write + Send {
    /// Returns when the file's bytes and length are on the disk (fsync).
    ///
    /// # Errors
    /// The system's: some bytes may be lost, and a second call may wrongly succeed. Write the file again.
    fn sync(&mut self) -> io::Result<()>;
}

/// What a directory entry is. Symbolic links are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, a pipe, a device …
    Other,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, without the directory.
    pub name: OsString,
    /// What it is.
    pub kind: EntryKind,
}

/// The calls that checkpoints make.
pub trait FileSystem: fmt::Debug + Send + Sync {
    /// Creates a new file for writing.
    ///
    /// # Errors
    /// The system's; `AlreadyExists` if anything has that name.
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>>;

    /// Creates a directory and its missing parents; does nothing if it is there.
    ///
    /// # Errors
    /// The system's.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Opens a regular file for reading, through symbolic links.
    ///
    /// # Errors
    /// The system's; `InvalidInput` for what is not a regular file (a pipe would block for ever).
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>>;

    /// Moves a file or directory within one file system; replaces a file, or an empty directory.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Returns when the directory's entries are on the disk. Does nothing where directories cannot be synced.
    ///
    /// # Errors
    /// The system's.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// The entries of a directory, sorted by name.
    ///
    /// # Errors
    /// The system's.
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>>;

    /// What has that name, or none. Symbolic links are not followed.
    ///
    /// # Errors
    /// The system's, but for `NotFound`.
    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>>;

    /// Removes a file, or a directory with all it holds. Symbolic links are not followed.
    ///
    /// # Errors
    /// The system's; a part may already be gone.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The system's own file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFileSystem;

impl WriteFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

impl From<fs::FileType> for EntryKind {
    fn from(kind: fs::FileType) -> Self {
        if kind.is_file() {
            Self::File
        } else if kind.is_dir() {
            Self::Directory
        } else {
            Self::Other
        }
    }
}

impl FileSystem for RealFileSystem {
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        Ok(Box::new(file))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        Ok(Box::new(File::open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if cfg!(unix) {
            File::open(path)?.sync_all()
        } else {
            Ok(())
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            entries.push(Entry {
                name: entry.file_name(),
                kind: entry.file_type()?.into(),
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        match fs::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(metadata.file_type().into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if fs::symlink_metadata(path)?.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creating_never_overwrites() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        RealFileSystem
            .create(&path)
            .unwrap()
            .write_all(b"x")
            .unwrap();
        let error = RealFileSystem.create(&path).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"x");
    }

    #[test]
    fn only_regular_files_open() {
        let dir = tempfile::tempdir().unwrap();
        let error = RealFileSystem.open(dir.path()).err().unwrap();
        assert_eq!(error.to_string(), "not a regular file");
        let missing = RealFileSystem.open(&dir.path().join("none")).err().unwrap();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    #[cfg(unix)]
    fn links_are_seen_and_removed_as_links() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        fs::create_dir(&target).unwrap();
        fs::write(target.join("kept"), b"").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert_eq!(RealFileSystem.kind(&link).unwrap(), Some(EntryKind::Other));
        let names: Vec<_> = RealFileSystem.list(dir.path()).unwrap();
        assert_eq!(names[0].kind, EntryKind::Other);
        RealFileSystem.remove(&link).unwrap();
        assert_eq!(RealFileSystem.kind(&link).unwrap(), None);
        assert!(target.join("kept").exists());
    }
}
