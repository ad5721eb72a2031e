//! Folders of weights as Hugging Face lays them out: one file, or shards with an index.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::io::{ErrorKind, Read, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::names::is_plain_name;
use crate::safetensors::MAX_HEADER_BYTES;
use crate::weights::count_parameters;
use crate::{
    CheckpointError, EntryKind, FileSystem, FolderFault, Metadata, RealFileSystem, Result,
    StateDict, WeightsFile, WeightsInfo,
};

/// The names that are looked for, the best first.
const USUAL: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];
/// What the name of an index ends with.
const INDEX: &str = ".index.json";
/// Extensions of a lone file of weights.
const EXTENSIONS: [&str; 5] = ["safetensors", "npz", "pt", "pth", "bin"];
/// Files of these extensions that trainers leave beside the weights.
const NOT_WEIGHTS: [&str; 5] = [
    "training_args",
    "optimizer",
    "scheduler",
    "scaler",
    "rng_state",
];

/// A folder of weights: one file, or shards that an index puts together.
///
/// Looked for are, in this order, `model.safetensors`, `model.safetensors.index.json`, `pytorch_model.bin`,
/// `pytorch_model.bin.index.json`, and then a lone file of another name. Opening checks the description of every
/// tensor and that the index and the shards agree; loading reads the elements.
///
/// ```
/// use gradus_checkpoint::{Metadata, WeightsFolder, save_state_dict};
/// use gradus_tensor::Tensor;
/// # let dir = tempfile::tempdir().unwrap();
/// # let folder = dir.path();
/// let weights = [("fc.bias".to_owned(), Tensor::from_slice(&[0.5_f32, 1.5], [2]).unwrap())];
/// save_state_dict(folder.join("model.safetensors"), &weights, &Metadata::new())?;
///
/// let mut weights = WeightsFolder::open(folder)?;
/// assert_eq!(weights.files(), [folder.join("model.safetensors")]);
/// let (tensors, metadata) = weights.load_all()?;
/// assert_eq!((tensors[0].0.as_str(), metadata["format"].as_str()), ("fc.bias", "pt"));
/// # Ok::<(), gradus_checkpoint::CheckpointError>(())
/// ```
#[derive(Debug)]
pub struct WeightsFolder {
    files: Vec<PathBuf>,
    shards: Vec<WeightsFile>,
}

impl WeightsFolder {
    /// Opens the folder's weights.
    ///
    /// # Errors
    /// - [`CheckpointError::Folder`] if there are none, if it is not clear which are meant, or if an index and its
    ///   shards disagree
    /// - what [`WeightsFile::open`] says about a file
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_in(&RealFileSystem, dir.as_ref())
    }

    /// [`WeightsFolder::open`] in another file system.
    ///
    /// # Errors
    /// As [`WeightsFolder::open`].
    pub fn open_in(fs: &dyn FileSystem, dir: &Path) -> Result<Self> {
        let refuse = |fault| CheckpointError::folder(dir)(fault);
        let name = choose(fs, dir)?;
        if !name.ends_with(INDEX) {
            let path = dir.join(name);
            let file = WeightsFile::open_in(fs, &path)?;
            return Ok(Self {
                files: vec![path],
                shards: vec![file],
            });
        }
        let index = Index::read(fs, dir, name)?;
        let mut shards = Vec::new();
        for (file, tensor) in index.files().map_err(refuse)? {
            match WeightsFile::open_in(fs, &dir.join(file)) {
                Ok(shard) => shards.push((file.to_owned(), shard)),
                Err(CheckpointError::Io { cause, .. }) if cause.kind() == ErrorKind::NotFound => {
                    return Err(refuse(FolderFault::MissingShard {
                        index: index.name.clone(),
                        file: file.to_owned(),
                        tensor: tensor.to_owned(),
                    }));
                }
                Err(error) => return Err(error),
            }
        }
        index.check(&shards).map_err(refuse)?;
        let (names, shards): (Vec<String>, _) = shards.into_iter().unzip();
        Ok(Self {
            files: names.iter().map(|name| dir.join(name)).collect(),
            shards,
        })
    }

    /// The files that hold the tensors, sorted by name.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// All tensors, file after file.
    pub fn tensors(&self) -> Vec<WeightsInfo> {
        let all = self.shards.iter().flat_map(WeightsFile::tensors);
        all.cloned().collect()
    }

    /// The number of elements of all tensors together.
    pub fn parameters(&self) -> u64 {
        count_parameters(&self.tensors())
    }

    /// The metadata of all files; where they differ, the first file's.
    pub fn metadata(&self) -> Metadata {
        let mut all = Metadata::new();
        for shard in &self.shards {
            for (key, value) in shard.metadata() {
                all.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        all
    }

    /// Loads all tensors, file after file, and the metadata.
    ///
    /// # Errors
    /// As [`WeightsFile::load_all`].
    pub fn load_all(&mut self) -> Result<(StateDict, Metadata)> {
        let mut tensors = StateDict::new();
        for shard in &mut self.shards {
            tensors.append(&mut shard.load_all()?);
        }
        Ok((tensors, self.metadata()))
    }

    /// The digest of all tensors, as [`crate::weights_sha256`].
    ///
    /// # Errors
    /// As [`WeightsFile::load_all`].
    pub fn weights_sha256(&mut self) -> Result<String> {
        if let [only] = &mut self.shards[..] {
            return only.weights_sha256();
        }
        Ok(crate::weights_sha256(&self.load_all()?.0))
    }
}

/// The file that stands for the folder's weights: one of the usual names, or the only one there is.
fn choose(fs: &dyn FileSystem, dir: &Path) -> Result<String> {
    let refuse = |fault| CheckpointError::folder(dir)(fault);
    let entries = fs.list(dir).map_err(|cause| match cause.kind() {
        ErrorKind::NotADirectory => refuse(FolderFault::NotAFolder),
        _ => CheckpointError::io(dir, "list")(cause),
    })?;
    // A link may lead to a file: Hugging Face's cache is made of them. Opening it tells.
    let files: Vec<String> = entries
        .into_iter()
        .filter(|entry| entry.kind != EntryKind::Directory)
        .filter_map(|entry| entry.name.into_string().ok())
        .collect();
    if let Some(usual) = USUAL.iter().find(|usual| files.iter().any(|f| f == *usual)) {
        return Ok((*usual).to_owned());
    }
    let mut lone: Vec<String> = files.into_iter().filter(|f| may_be_weights(f)).collect();
    match lone.len() {
        1 => Ok(lone.remove(0)),
        0 => Err(refuse(FolderFault::NoWeights)),
        _ => Err(refuse(FolderFault::Ambiguous { files: lone })),
    }
}

fn may_be_weights(name: &str) -> bool {
    let known = |extension: &str| EXTENSIONS.contains(&extension);
    is_plain_name(name)
        && name.rsplit_once('.').is_some_and(|(stem, extension)| {
            known(extension) && !NOT_WEIGHTS.iter().any(|other| stem.starts_with(other))
        })
}

/// An index of shards: which file holds which tensor.
struct Index {
    name: String,
    file_of: BTreeMap<String, String>,
}

impl Index {
    fn read(fs: &dyn FileSystem, dir: &Path, name: String) -> Result<Self> {
        let path = dir.join(&name);
        let io = |action| CheckpointError::io(&path, action);
        let mut file = fs.open(&path).map_err(io("open"))?;
        let bytes = file.seek(SeekFrom::End(0)).map_err(io("seek in"))?;
        if bytes > MAX_HEADER_BYTES {
            return Err(CheckpointError::folder(dir)(FolderFault::IndexTooLarge {
                index: name,
                bytes,
                limit: MAX_HEADER_BYTES,
            }));
        }
        file.seek(SeekFrom::Start(0)).map_err(io("seek in"))?;
        let mut text = Vec::new();
        let read = file.by_ref().take(bytes).read_to_end(&mut text);
        read.map_err(io("read"))?;
        let parsed: IndexJson = serde_json::from_slice(&text).map_err(|cause| {
            let index = name.clone();
            CheckpointError::folder(dir)(FolderFault::Index { index, cause })
        })?;
        match parsed.weight_map {
            WeightMap {
                duplicate: Some(tensor),
                ..
            } => Err(CheckpointError::folder(dir)(FolderFault::IndexDuplicate {
                index: name,
                tensor,
            })),
            WeightMap { file_of, .. } => Ok(Self { name, file_of }),
        }
    }

    /// The shards, sorted, each with a tensor that should be in it.
    fn files(&self) -> Result<BTreeMap<&str, &str>, FolderFault> {
        let mut files = BTreeMap::new();
        for (tensor, file) in &self.file_of {
            if !is_plain_name(file) {
                return Err(FolderFault::IndexOutside {
                    index: self.name.clone(),
                    tensor: tensor.clone(),
                    file: file.clone(),
                });
            }
            files.entry(file.as_str()).or_insert(tensor.as_str());
        }
        Ok(files)
    }

    /// The index and the shards name the same tensors, each in one place.
    fn check(&self, shards: &[(String, WeightsFile)]) -> Result<(), FolderFault> {
        let mut found: BTreeMap<&str, &str> = BTreeMap::new();
        for (file, shard) in shards {
            for WeightsInfo { name, .. } in shard.tensors() {
                if let Some(first) = found.insert(name, file) {
                    return Err(FolderFault::InTwoShards {
                        tensor: name.clone(),
                        first: first.to_owned(),
                        second: file.clone(),
                    });
                }
            }
        }
        for (tensor, expected) in &self.file_of {
            let (index, tensor) = (self.name.clone(), tensor.clone());
            match found.remove(tensor.as_str()) {
                Some(found) if found == expected => {}
                Some(found) => {
                    return Err(FolderFault::WrongShard {
                        index,
                        tensor,
                        expected: expected.clone(),
                        found: found.to_owned(),
                    });
                }
                None => {
                    return Err(FolderFault::MissingTensor {
                        index,
                        tensor,
                        file: expected.clone(),
                    });
                }
            }
        }
        match found.pop_first() {
            None => Ok(()),
            Some((tensor, file)) => Err(FolderFault::Unlisted {
                index: self.name.clone(),
                tensor: tensor.to_owned(),
                file: file.to_owned(),
            }),
        }
    }
}

#[derive(Deserialize)]
struct IndexJson {
    weight_map: WeightMap,
}

/// The map of an index, with the first name that stands in it twice.
#[derive(Default)]
struct WeightMap {
    file_of: BTreeMap<String, String>,
    duplicate: Option<String>,
}

impl<'de> Deserialize<'de> for WeightMap {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = WeightMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of file names by tensor name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WeightMap, A::Error> {
                let mut out = WeightMap::default();
                while let Some((tensor, file)) = map.next_entry::<String, String>()? {
                    match out.file_of.entry(tensor) {
                        Entry::Vacant(place) => {
                            place.insert(file);
                        }
                        Entry::Occupied(place) => {
                            out.duplicate.get_or_insert_with(|| place.key().clone());
                        }
                    }
                }
                Ok(out)
            }
        }
        json.deserialize_map(Pairs)
    }
}
