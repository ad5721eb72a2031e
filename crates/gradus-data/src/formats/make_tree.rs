//! Writes an embedded data set as a tree of PNG files, `<split>/<class>/<number>.png`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{DataError, FolderProblem, Result};
use crate::formats::embedded;
use crate::source::ImageSplits;

/// Writes the embedded data set `name` into the folder `dir`, which must not exist or be empty. Returns what was written.
///
/// Everything is written into a hidden folder beside `dir` and renamed at the end, so that `dir` is whole or absent. A write that was
/// cut off leaves the hidden folder, and the next one says so.
///
/// # Errors
/// [`DataError::UnknownDataSet`]; [`DataError::Folder`] if `dir` holds something, is a file, or an interrupted write lies beside it;
/// [`DataError::Io`] with the path that could not be written.
pub fn make_tree(name: &str, dir: &Path) -> Result<ImageSplits> {
    let data = embedded(name)?;
    refuse_content(dir)?;
    let partial = partial_path(dir)?;
    if let Some(parent) = partial.parent() {
        fs::create_dir_all(parent).map_err(|e| DataError::io("create folder", parent, e))?;
    }
    match fs::create_dir(&partial) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(DataError::folder(partial, FolderProblem::UnfinishedWrite));
        }
        other => other.map_err(|e| DataError::io("create folder", &partial, e))?,
    }
    let written = write_splits(&data, &partial).and_then(|()| put_in_place(&partial, dir));
    if written.is_err() {
        // Best effort: the first error is the one to report.
        let _ = fs::remove_dir_all(&partial);
    }
    written.map(|()| data)
}

/// `parent/.name.partial` for `parent/name`.
fn partial_path(dir: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(dir).map_err(|e| DataError::io("find", dir, e))?;
    let name = absolute
        .file_name()
        .ok_or_else(|| DataError::folder(dir, FolderProblem::NotEmpty))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".partial");
    Ok(absolute.with_file_name(hidden))
}

fn refuse_content(dir: &Path) -> Result<()> {
    match fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(DataError::folder(dir, FolderProblem::NotEmpty)),
            None => Ok(()),
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotADirectory => {
            Err(DataError::folder(dir, FolderProblem::NotAFolder))
        }
        Err(e) => Err(DataError::io("read folder", dir, e)),
    }
}

fn write_splits(data: &ImageSplits, dir: &Path) -> Result<()> {
    for split in &data.splits {
        for class in &data.classes {
            let folder = dir.join(&split.name).join(class);
            fs::create_dir_all(&folder).map_err(|e| DataError::io("create folder", &folder, e))?;
        }
        for index in 0..split.source.len() {
            let path = dir.join(split.source.sample_name(index));
            let png = split.source.image(index)?.encode_png();
            let png = png.map_err(|source| DataError::Image {
                path: path.clone(),
                source,
            })?;
            fs::write(&path, png).map_err(|e| DataError::io("write", &path, e))?;
        }
    }
    Ok(())
}

fn put_in_place(partial: &Path, dir: &Path) -> Result<()> {
    // An empty folder may stand there; only some systems rename over it.
    match fs::remove_dir(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(DataError::io("replace", dir, e));
        }
        _ => {}
    }
    fs::rename(partial, dir).map_err(|e| DataError::io("rename into place", dir, e))
}
