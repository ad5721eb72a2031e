//! Every way in which a folder of weights can be bad: one variant each.

use crate::error::{Brief, Quoted};

/// What is wrong with a folder of weights, or with the index of its shards.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderFault {
    /// The path is no folder.
    #[error("is not a folder; name the folder that holds the weights")]
    NotAFolder,
    /// There is nothing to read weights from.
    #[error(
        "has no weights: none of model.safetensors, model.safetensors.index.json, pytorch_model.bin, \
         pytorch_model.bin.index.json, and no other .safetensors, .npz, .pt, .pth or .bin file; was the run ended?"
    )]
    NoWeights,
    /// Several files could be meant.
    #[error("has several files of weights and none of the usual name: {}; name one of them", files.join(", "))]
    Ambiguous {
        /// Their names, sorted.
        files: Vec<String>,
    },
    /// The index is longer than any model's.
    #[error("{}: has {bytes} bytes, an index has at most {limit}", index)]
    IndexTooLarge {
        /// The index.
        index: String,
        /// Its length.
        bytes: u64,
        /// The most that it may have.
        limit: u64,
    },
    /// The index is not JSON, or not of the form that an index has.
    #[error("{index}: is not an index of shards: {}", Brief(cause))]
    Index {
        /// The index.
        index: String,
        /// What the JSON reader says.
        cause: serde_json::Error,
    },
    /// The index names a tensor twice.
    #[error("{index}: tensor {} stands twice in weight_map", Quoted(tensor))]
    IndexDuplicate {
        /// The index.
        index: String,
        /// The tensor.
        tensor: String,
    },
    /// The index names a file that is not one of the folder.
    #[error(
        "{index}: tensor {} is said to be in {}, which is not the plain name of a file of this folder",
        Quoted(tensor),
        Quoted(file)
    )]
    IndexOutside {
        /// The index.
        index: String,
        /// The tensor.
        tensor: String,
        /// The name of the file.
        file: String,
    },
    /// A shard that the index names is not there.
    #[error(
        "shard {} is missing; {index} puts tensor {} there",
        Quoted(file),
        Quoted(tensor)
    )]
    MissingShard {
        /// The index.
        index: String,
        /// The name of the file.
        file: String,
        /// A tensor that should be in it.
        tensor: String,
    },
    /// A tensor is in another shard than the index says.
    #[error(
        "tensor {} is in shard {}, {index} puts it in {}",
        Quoted(tensor),
        Quoted(found),
        Quoted(expected)
    )]
    WrongShard {
        /// The index.
        index: String,
        /// The tensor.
        tensor: String,
        /// The shard by the index.
        expected: String,
        /// The shard that has it.
        found: String,
    },
    /// A tensor of the index is in no shard.
    #[error(
        "tensor {} is in no shard; {index} puts it in {}",
        Quoted(tensor),
        Quoted(file)
    )]
    MissingTensor {
        /// The index.
        index: String,
        /// The tensor.
        tensor: String,
        /// The shard by the index.
        file: String,
    },
    /// A shard holds a tensor that the index does not know.
    #[error(
        "shard {} has tensor {}, which {index} does not list",
        Quoted(file),
        Quoted(tensor)
    )]
    Unlisted {
        /// The index.
        index: String,
        /// The tensor.
        tensor: String,
        /// The shard.
        file: String,
    },
    /// Two shards hold a tensor of one name.
    #[error(
        "tensor {} is in shard {} and in shard {}",
        Quoted(tensor),
        Quoted(first),
        Quoted(second)
    )]
    InTwoShards {
        /// The tensor.
        tensor: String,
        /// The first shard.
        first: String,
        /// The second.
        second: String,
    },
}
