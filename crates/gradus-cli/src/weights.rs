//! Weights as the command line names them: a file of any known format, or a folder.

use std::path::Path;

use gradus_checkpoint::{
    CheckpointError, Metadata, StateDict, WeightsFile, WeightsFolder, WeightsInfo,
};

/// Open weights.
#[derive(Debug)]
pub(crate) enum Weights {
    File(Box<WeightsFile>, String),
    Folder(WeightsFolder),
}

impl Weights {
    /// Opens a file, or the weights in a folder.
    ///
    /// # Errors
    /// What is wrong with the file, or nothing to be found in the folder.
    pub(crate) fn open(path: &Path) -> Result<Self, CheckpointError> {
        if path.is_dir() {
            return WeightsFolder::open(path).map(Self::Folder);
        }
        let file = WeightsFile::open(path)?;
        Ok(Self::File(Box::new(file), path.display().to_string()))
    }

    /// The files that hold the tensors.
    pub(crate) fn files(&self) -> Vec<String> {
        match self {
            Self::File(_, path) => vec![path.clone()],
            Self::Folder(folder) => {
                let files = folder.files().iter();
                files.map(|path| path.display().to_string()).collect()
            }
        }
    }

    pub(crate) fn tensors(&self) -> Vec<WeightsInfo> {
        match self {
            Self::File(file, _) => file.tensors().to_vec(),
            Self::Folder(folder) => folder.tensors(),
        }
    }

    pub(crate) fn parameters(&self) -> u64 {
        match self {
            Self::File(file, _) => file.parameters(),
            Self::Folder(folder) => folder.parameters(),
        }
    }

    pub(crate) fn metadata(&self) -> Metadata {
        match self {
            Self::File(file, _) => file.metadata().clone(),
            Self::Folder(folder) => folder.metadata(),
        }
    }

    /// All tensors.
    ///
    /// # Errors
    /// Elements that cannot be read, or have no tensor.
    pub(crate) fn load_all(&mut self) -> Result<StateDict, CheckpointError> {
        match self {
            Self::File(file, _) => file.load_all(),
            Self::Folder(folder) => folder.load_all().map(|(tensors, _)| tensors),
        }
    }

    /// The digest of all tensors.
    ///
    /// # Errors
    /// As [`Weights::load_all`].
    pub(crate) fn sha256(&mut self) -> Result<String, CheckpointError> {
        match self {
            Self::File(file, _) => file.weights_sha256(),
            Self::Folder(folder) => folder.weights_sha256(),
        }
    }
}
