//! A tree of image files: `train/<class>/*`, `test/<class>/*`, `val/<class>/*`, or just `<class>/*`.
//!
//! Classes are the folder names in byte order; samples are ordered by class, then by path. Names that start with a dot are passed over.
//! Files are recognised by content (PNG, JPEG), never by extension: every file in a class folder is taken for a sample. Symbolic
//! links are followed, each folder at most once, so loops end. Source: `torchvision.datasets.ImageFolder`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{DataError, FolderProblem, Result};
use crate::image::{ColorMode, Image, ImageError, MAX_DECODED_BYTES, read_size};
use crate::parallel::map_indices;
use crate::source::{ImageSource, ImageSplits, SkippedFile, Split};

/// How a tree of images is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FolderConfig {
    /// The channels that images are given; default: as stored.
    pub mode: ColorMode,
    /// What to do with files that are no usable images; default: fail.
    pub bad_images: BadImages,
}

/// What to do with files that are empty, no image, too large or damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BadImages {
    /// Opening fails at the first file whose header is bad; damage behind the header is reported when the sample is read.
    #[default]
    Fail,
    /// Every file is decoded once while opening, and bad ones are left out and listed. Order and number of the samples are
    /// then fixed, whatever reads them.
    Skip,
}

/// The image files of one split.
#[derive(Clone, Debug)]
pub struct ImageFolder {
    files: Vec<PathBuf>,
    labels: Vec<i64>,
    classes: Vec<String>,
    mode: ColorMode,
}

impl ImageFolder {
    /// The samples of `<class>/*` below `dir`, with the files that were left out.
    ///
    /// # Errors
    /// [`DataError::Folder`] for a missing or empty folder and a class without images, [`DataError::Image`] for a bad file (unless
    /// skipped), [`DataError::Io`].
    pub fn open(dir: &Path, config: &FolderConfig) -> Result<(Self, Vec<SkippedFile>)> {
        let classes = class_folders(dir)?;
        if classes.is_empty() {
            return Err(DataError::folder(dir, FolderProblem::Empty));
        }
        let mut folder = Self {
            files: vec![],
            labels: vec![],
            classes: vec![],
            mode: config.mode,
        };
        for (label, (name, path)) in (0_i64..).zip(&classes) {
            let files = files_of_class(dir, path)?;
            folder
                .labels
                .resize(folder.labels.len() + files.len(), label);
            folder.files.extend(files);
            folder.classes.push(name.clone());
        }
        // Before any file is read: a class without files is the simpler message.
        folder.refuse_empty_classes(&classes)?;
        let skipped = folder.check_files(config.bad_images)?;
        folder.refuse_empty_classes(&classes)?;
        Ok((folder, skipped))
    }

    /// The files, in the order of the samples.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    fn refuse_empty_classes(&self, classes: &[(String, PathBuf)]) -> Result<()> {
        match (0_i64..)
            .zip(classes)
            .find(|(label, _)| self.labels.binary_search(label).is_err())
        {
            Some((_, (_, path))) => Err(DataError::folder(path, FolderProblem::ClassWithoutImages)),
            None => Ok(()),
        }
    }

    /// Checks all files and, if that is asked for, takes the bad ones out.
    fn check_files(&mut self, bad_images: BadImages) -> Result<Vec<SkippedFile>> {
        let check = |path: &Path| match bad_images {
            BadImages::Fail => check_header(path),
            BadImages::Skip => read_image(path, ColorMode::AsStored).map(drop),
        };
        let bad = map_indices(self.files.len(), |i| check(&self.files[i]).err());
        if bad_images == BadImages::Fail {
            return bad
                .into_iter()
                .next()
                .map_or_else(|| Ok(vec![]), |(_, error)| Err(error));
        }
        let skipped = bad
            .iter()
            .map(|(i, error)| skipped(&self.files[*i], error))
            .collect();
        let mut keep = vec![true; self.files.len()];
        bad.iter().for_each(|(i, _)| keep[*i] = false);
        let mut kept = keep.iter();
        self.files.retain(|_| *kept.next().unwrap_or(&true));
        let mut kept = keep.iter();
        self.labels.retain(|_| *kept.next().unwrap_or(&true));
        Ok(skipped)
    }
}

impl ImageSource for ImageFolder {
    fn image(&self, index: usize) -> Result<Image> {
        let len = self.files.len();
        let path = self.files.get(index).ok_or(DataError::Index {
            what: "image folder",
            index,
            len,
        })?;
        read_image(path, self.mode)
    }

    fn labels(&self) -> &[i64] {
        &self.labels
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn sample_name(&self, index: usize) -> String {
        self.files
            .get(index)
            .map_or_else(|| format!("#{index}"), |path| path.display().to_string())
    }
}

/// Opens a tree of images. Its splits are those of the folders `train`, `test` and `val` that hold class folders; a tree without
/// them has one split, `all`.
///
/// # Errors
/// Those of [`ImageFolder::open`]; [`DataError::ClassesDiffer`] if two splits do not have the same classes.
pub fn open_image_folder(dir: &Path, config: &FolderConfig) -> Result<ImageSplits> {
    list(dir)?;
    let mut parts: Vec<(&str, PathBuf)> = Vec::new();
    for name in ["train", "test", "val"] {
        let path = dir.join(name);
        if is_split_folder(&path)? {
            parts.push((name, path));
        }
    }
    if parts.is_empty() {
        parts.push(("all", dir.to_path_buf()));
    }
    refuse_different_classes(&parts)?;
    let (mut splits, mut skipped, mut classes) = (Vec::new(), Vec::new(), Vec::new());
    for (name, path) in parts {
        let (folder, left_out) = ImageFolder::open(&path, config)?;
        skipped.extend(left_out);
        classes.clone_from(&folder.classes);
        splits.push(Split {
            name: name.to_owned(),
            source: Arc::new(folder),
        });
    }
    let name = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_path_buf());
    let name = name
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(ImageSplits {
        name,
        classes,
        splits,
        skipped,
    })
}

fn refuse_different_classes(parts: &[(&str, PathBuf)]) -> Result<()> {
    let names = |dir: &Path| -> Result<BTreeSet<String>> {
        Ok(class_folders(dir)?
            .into_iter()
            .map(|(name, _)| name)
            .collect())
    };
    let Some(((_, first), others)) = parts.split_first() else {
        return Ok(());
    };
    let expected = names(first)?;
    for (_, second) in others {
        let found = names(second)?;
        // An empty split has its own message.
        if found != expected && !found.is_empty() && !expected.is_empty() {
            return Err(DataError::ClassesDiffer {
                first: first.clone(),
                second: second.clone(),
                only_in_first: expected.difference(&found).cloned().collect(),
                only_in_second: found.difference(&expected).cloned().collect(),
            });
        }
    }
    Ok(())
}

/// An entry of a folder, with links resolved.
struct Entry {
    name: OsString,
    path: PathBuf,
    is_dir: bool,
}

/// The visible entries of a folder, in the byte order of their names.
fn list(dir: &Path) -> Result<Vec<Entry>> {
    let refused = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => DataError::folder(dir, FolderProblem::Missing),
        std::io::ErrorKind::NotADirectory => DataError::folder(dir, FolderProblem::NotAFolder),
        _ => DataError::io("read folder", dir, e),
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        let (name, path) = (entry.file_name(), entry.path());
        if !name.as_encoded_bytes().starts_with(b".") {
            // A link to nowhere counts as a file: reading it gives the error, with its path.
            let is_dir = fs::metadata(&path).is_ok_and(|metadata| metadata.is_dir());
            entries.push(Entry { name, path, is_dir });
        }
    }
    entries.sort_by(|a, b| a.name.as_encoded_bytes().cmp(b.name.as_encoded_bytes()));
    Ok(entries)
}

/// Whether `train` and the like is a split: a folder that holds folders, or nothing yet. (With files in it, it is a class of that name.)
fn is_split_folder(path: &Path) -> Result<bool> {
    if !path.is_dir() {
        return Ok(false);
    }
    let entries = list(path)?;
    Ok(entries.is_empty() || entries.iter().any(|entry| entry.is_dir))
}

fn class_folders(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let folders = list(dir)?.into_iter().filter(|entry| entry.is_dir);
    let named = folders.map(|entry| match entry.name.into_string() {
        Ok(name) => Ok((name, entry.path)),
        Err(_) => Err(DataError::folder(entry.path, FolderProblem::NameNotUtf8)),
    });
    named.collect()
}

/// All files below a class folder: by folder, then by name, as `sorted(os.walk(…))` gives them.
fn files_of_class(split: &Path, class: &Path) -> Result<Vec<PathBuf>> {
    let canonical =
        |path: &Path| fs::canonicalize(path).map_err(|e| DataError::io("resolve", path, e));
    // A link back to the split or above it would walk the whole tree.
    let mut seen: BTreeSet<PathBuf> = canonical(split)?
        .ancestors()
        .map(Path::to_path_buf)
        .collect();
    let mut folders: Vec<(PathBuf, Vec<PathBuf>)> = Vec::new();
    let mut waiting = vec![class.to_path_buf()];
    while let Some(dir) = waiting.pop() {
        if !seen.insert(canonical(&dir)?) {
            continue;
        }
        let (below, files): (Vec<Entry>, Vec<Entry>) =
            list(&dir)?.into_iter().partition(|entry| entry.is_dir);
        waiting.extend(below.into_iter().rev().map(|entry| entry.path));
        folders.push((dir, files.into_iter().map(|entry| entry.path).collect()));
    }
    folders.sort_by(|(a, _), (b, _)| {
        a.as_os_str()
            .as_encoded_bytes()
            .cmp(b.as_os_str().as_encoded_bytes())
    });
    Ok(folders.into_iter().flat_map(|(_, files)| files).collect())
}

/// Opens an image file within the limits, and refuses pipes and devices before they can block.
fn open_file(path: &Path) -> Result<fs::File> {
    let refused = |e| DataError::io("read", path, e);
    let wrong = |source| DataError::Image {
        path: path.into(),
        source,
    };
    let metadata = fs::metadata(path).map_err(refused)?;
    if !metadata.is_file() {
        return Err(wrong(ImageError::NotAFile));
    }
    if metadata.len() > MAX_DECODED_BYTES {
        return Err(wrong(ImageError::FileTooLarge {
            bytes: metadata.len(),
        }));
    }
    fs::File::open(path).map_err(refused)
}

/// Reads and decodes one file.
pub(crate) fn read_image(path: &Path, mode: ColorMode) -> Result<Image> {
    let mut bytes = Vec::new();
    let file = open_file(path)?;
    file.take(MAX_DECODED_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|e| DataError::io("read", path, e))?;
    Image::decode(&bytes, mode).map_err(|source| DataError::Image {
        path: path.into(),
        source,
    })
}

/// Looks at the first bytes of a file: enough to see that it is an image, and mostly how large.
fn check_header(path: &Path) -> Result<()> {
    let mut start = Vec::new();
    let file = open_file(path)?;
    file.take(4096)
        .read_to_end(&mut start)
        .map_err(|e| DataError::io("read", path, e))?;
    match read_size(&start) {
        // A JPEG header may go on behind these bytes.
        Ok(_) | Err(ImageError::Damaged(_)) => Ok(()),
        Err(source) => Err(DataError::Image {
            path: path.into(),
            source,
        }),
    }
}

fn skipped(path: &Path, error: &DataError) -> SkippedFile {
    let reason = match error {
        DataError::Image { source, .. } => source.to_string(),
        DataError::Io { source, .. } => source.to_string(),
        other => other.to_string(),
    };
    SkippedFile {
        path: path.to_path_buf(),
        reason,
    }
}
