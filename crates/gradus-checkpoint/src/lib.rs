//! Safetensors, state dicts and run checkpoints.
//!
//! This room opens files. It reads and writes safetensors ([`SafeTensorsFile`], [`save_state_dict`]) and folders with
//! shards ([`WeightsFolder`], [`save_sharded`]), reads the files of NumPy and PyTorch ([`WeightsFile`]), names the digest
//! of a set of weights ([`weights_sha256`]), and commits whole checkpoints atomically ([`CheckpointStore`]). It knows
//! tensors by name and nothing of modules, gradients or optimizers.
//!
//! What comes from a file is not trusted: every count is checked against the bytes present before anything of its size
//! is allocated, every rule of a format has an error of its own, and nothing from a file is executed. Every write goes
//! through a [`FileSystem`], so that tests can fail or cut any call.
//!
//! ```
//! use gradus_checkpoint::{Metadata, load_state_dict, save_state_dict, weights_sha256};
//! use gradus_tensor::Tensor;
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("model.safetensors");
//! let weights = vec![("fc.weight".to_owned(), Tensor::from_slice(&[1.0_f32, 2.0], [1, 2]).unwrap())];
//! save_state_dict(&path, &weights, &Metadata::new())?;
//! let (loaded, metadata) = load_state_dict(&path)?;
//! assert_eq!(weights_sha256(&loaded), weights_sha256(&weights));
//! assert_eq!(metadata["format"], "pt"); // as PyTorch and Hugging Face expect
//! # Ok::<(), gradus_checkpoint::CheckpointError>(())
//! ```
#![forbid(unsafe_code)]

mod archive;
mod atomic;
mod checkpoint;
mod damage;
mod digest;
mod elements;
mod error;
mod folder;
mod folder_fault;
mod fs;
mod keys;
mod limits;
mod lock;
mod manifest;
mod names;
mod numpy;
mod run_dir;
mod safetensors;
mod sharded;
mod state_dict;
mod store;
mod torch;
mod weights;

pub use archive::ArchiveFault;
pub use atomic::write_atomically;
pub use checkpoint::{Checkpoint, Content};
pub use damage::{DamageReason, Damaged};
pub use digest::weights_sha256;
pub use elements::ElementFault;
pub use error::{CheckpointError, Result};
pub use folder::WeightsFolder;
pub use folder_fault::FolderFault;
pub use fs::{Entry, EntryKind, FileSystem, ReadFile, RealFileSystem, WriteFile};
pub use keys::{KeyReport, MisshapenKey, UnmatchedKey, compare_keys};
pub use lock::RunLock;
pub use manifest::{CHECKPOINT_VERSION, FileRecord, Manifest};
pub use names::is_plain_name;
pub use numpy::{NumpyFault, save_npz};
pub use run_dir::RunDir;
pub use safetensors::{
    FileDType, FormatFault, MAX_HEADER_BYTES, MAX_TENSORS, SafeTensorsFile, TensorInfo,
    safetensors_bytes, write_safetensors,
};
pub use sharded::{CastError, cast_floats, save_sharded};
pub use state_dict::{Metadata, StateDict, load_state_dict, save_state_dict, shapes, strip_prefix};
pub use store::{CheckpointStore, Newest};
pub use torch::TorchFault;
pub use weights::{WeightsFile, WeightsFormat, WeightsInfo, load_weights_file};
