//! Run directories from the outside: finding one's files, and choosing a new one.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use gradus_checkpoint::RunDir;
use gradus_train::SavedText;
use gradus_train::config::TrainConfig;

use crate::config_file::Layers;

/// Where new runs go.
const RUNS: &str = "runs";

/// A run directory that is there, with its configuration.
#[derive(Debug)]
pub(crate) struct OpenRun {
    pub(crate) dir: RunDir,
    pub(crate) config: TrainConfig,
}

impl OpenRun {
    /// Reads the configuration of a run.
    ///
    /// # Errors
    /// No directory, no `config.toml` in it, or one that is not valid.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        match fs::metadata(path) {
            Err(error) => bail!("{name}: no such run directory ({error})"),
            Ok(found) if !found.is_dir() => {
                bail!("{name}: is a file; name the run directory that it is in")
            }
            Ok(_) => {}
        }
        let dir = RunDir::new(path);
        if !dir.config().exists() {
            bail!("{name}: is no run directory: it has no config.toml");
        }
        let mut layers = Layers::default();
        layers.add_file(&dir.config())?;
        Ok(Self {
            dir,
            config: layers.resolve()?,
        })
    }
}

/// The text model in a folder, if it holds one: that of a run of ours, or of Hugging Face.
///
/// # Errors
/// A run's configuration that cannot be used; what is wrong with the model.
pub(crate) fn open_text(folder: &Path) -> Result<Option<SavedText>> {
    if !SavedText::is_at(folder) {
        return Ok(None);
    }
    let run = match RunDir::new(folder).config().exists() {
        true => Some(OpenRun::read(folder)?.config),
        false => None,
    };
    Ok(Some(SavedText::open(folder, run.as_ref())?))
}

/// A new directory that no other run can choose. If nothing comes into it, it is removed again.
#[derive(Debug)]
pub(crate) struct Claim {
    path: PathBuf,
    made_parent: bool,
}

impl Claim {
    /// `runs/<model>-<data>-001`, or the first number that is free.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub(crate) fn for_new_run(config: &TrainConfig) -> Result<Self> {
        let file = Path::new(&config.train_file);
        let (data, model) = match file.file_stem() {
            Some(stem) => (Path::new(stem), Path::new(&config.from).file_name()),
            None => (Path::new(&config.data), None),
        };
        let model = model.map_or_else(
            || config.model.clone(),
            |name| name.to_string_lossy().into(),
        );
        let named = if data.file_name().is_some() {
            data.to_owned()
        } else {
            data.canonicalize().unwrap_or_default()
        };
        let data = named
            .file_name()
            .map_or_else(|| "data".into(), |name| name.to_string_lossy());
        let stem = format!("{}-{}", plain(&model), plain(&data));
        Self::first_free(Path::new(RUNS), 1, |number| format!("{stem}-{number:03}"))
    }

    /// `<run>-2`, or the first number that is free: where a run is repeated.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub(crate) fn beside(run: &Path) -> Result<Self> {
        let name = run
            .file_name()
            .map_or_else(|| "run".into(), |name| name.to_string_lossy());
        let parent = run.parent().unwrap_or(Path::new(""));
        Self::first_free(parent, 2, |number| format!("{name}-{number}"))
    }

    fn first_free(parent: &Path, first: u64, name: impl Fn(u64) -> String) -> Result<Self> {
        let made_parent = !parent.as_os_str().is_empty() && !parent.exists();
        if made_parent {
            fs::create_dir_all(parent)
                .with_context(|| format!("{}: cannot create", parent.display()))?;
        }
        let mut number = first;
        loop {
            let path = parent.join(name(number));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, made_parent }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("{}: cannot create", path.display()));
                }
            }
        }
    }

    /// The directory, as a configuration holds it.
    ///
    /// # Errors
    /// A name that is no text.
    pub(crate) fn text(&self) -> Result<String> {
        let text = self
            .path
            .to_str()
            .with_context(|| format!("{}: the name must be UTF-8 text", self.path.display()))?;
        Ok(text.to_owned())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Only empty directories can be removed this way, so a run that began stays.
        let removed = fs::remove_dir(&self.path).is_ok();
        if let Some(parent) = self.path.parent().filter(|_| removed && self.made_parent) {
            let _ = fs::remove_dir(parent);
        }
    }
}

/// Whether a configuration file is that of the run in `out`.
pub(crate) fn is_config_of(file: &Path, out: &Path) -> bool {
    match (
        file.canonicalize(),
        RunDir::new(out).config().canonicalize(),
    ) {
        (Ok(file), Ok(own)) => file == own,
        _ => false,
    }
}

/// A text as part of a file name.
fn plain(text: &str) -> String {
    let keep = |c: char| {
        if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') {
            c
        } else {
            '-'
        }
    };
    text.chars().map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_first_free_and_empty_claims_are_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("new/a");
        let first = Claim::beside(&run).unwrap();
        let second = Claim::beside(&run).unwrap();
        assert_eq!(first.path, dir.path().join("new/a-2"));
        assert_eq!(second.path, dir.path().join("new/a-3"));
        fs::write(second.path.join("x"), "x").unwrap();
        drop((second, first));
        assert!(!dir.path().join("new/a-2").exists(), "empty: removed");
        assert!(dir.path().join("new/a-3/x").exists(), "used: kept");
    }

    #[test]
    fn names_from_paths_are_plain() {
        assert_eq!(plain("my photos/…"), "my-photos--");
    }
}
