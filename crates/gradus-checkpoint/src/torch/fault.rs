//! Every way in which a file of PyTorch can be bad: one variant each.

use gradus_tensor::MAX_RANK;

use crate::error::Quoted;

/// What is wrong with a file of PyTorch, or what it asks for that is not given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TorchFault {
    /// The file asks for a function or class that does not rebuild tensors.
    #[error(
        "asks for {}, and only what rebuilds tensors is known here, so that no file can run code; \
         save the tensors alone: `torch.save(model.state_dict(), path)`",
        Quoted(name)
    )]
    Forbidden {
        /// Module and name.
        name: String,
    },
    /// An instruction that no file of tensors needs.
    #[error(
        "byte {at} of the pickle is the instruction {opcode}, which rebuilding tensors never needs"
    )]
    ForbiddenOpcode {
        /// The instruction's name in Python's `pickletools`.
        opcode: &'static str,
        /// Its place.
        at: usize,
    },
    /// A byte that is no instruction.
    #[error(
        "byte {at} of the pickle is {byte:#04x}, which is no instruction; the file is damaged or no pickle"
    )]
    Opcode {
        /// The byte.
        byte: u8,
        /// Its place.
        at: usize,
    },
    /// The pickle ends within an instruction, or before it says that it ends.
    #[error("the pickle ends at byte {at}, before it is complete; is the file truncated?")]
    Truncated {
        /// The pickle's length.
        at: usize,
    },
    /// A text or a number in the pickle is not one.
    #[error("byte {at} of the pickle: what follows is not {expected}")]
    Malformed {
        /// The place.
        at: usize,
        /// What it should be.
        expected: &'static str,
    },
    /// An instruction takes more values than there are.
    #[error("byte {at} of the pickle: the instruction takes a value that is not there")]
    StackEmpty {
        /// The place.
        at: usize,
    },
    /// An instruction refers to a value that was never noted.
    #[error("byte {at} of the pickle: value {index} was never noted")]
    Memo {
        /// The place.
        at: usize,
        /// The number of the value.
        index: u64,
    },
    /// An instruction got a value of the wrong kind.
    #[error("byte {at} of the pickle: the instruction needs {expected}")]
    Type {
        /// The place.
        at: usize,
        /// What it needs.
        expected: &'static str,
    },
    /// A function got arguments that it does not take.
    #[error("{function}: its arguments are not {expected}")]
    Arguments {
        /// The function.
        function: &'static str,
        /// What they should be.
        expected: &'static str,
    },
    /// More of something than any file of tensors has.
    #[error("has more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The most that are read.
        limit: u64,
    },
    /// Containers are nested without end, or contain themselves.
    #[error("its containers are nested more than {limit} deep, or contain themselves")]
    TooDeep {
        /// The deepest that is followed.
        limit: usize,
    },
    /// Containers that share contents unfold to far more than the pickle holds.
    #[error("its containers unfold to far more than the {bytes} bytes of the pickle")]
    Unfolding {
        /// The pickle's length.
        bytes: usize,
    },
    /// Two tensors have one name once containers are flattened.
    #[error("two tensors are named {}", Quoted(tensor))]
    DuplicateName {
        /// The name.
        tensor: String,
    },
    /// One storage is described in two ways.
    #[error(
        "storage {} is described twice, with different types or lengths",
        Quoted(key)
    )]
    StorageConflict {
        /// Its key.
        key: String,
    },
    /// A storage is a part of another, which PyTorch wrote before 0.4.
    #[error(
        "storage {} is a part of another; load and save the file with a newer PyTorch",
        Quoted(key)
    )]
    StorageView {
        /// Its key.
        key: String,
    },
    /// The bytes of a storage are not there.
    #[error(
        "storage {} of tensor {} is not in the file",
        Quoted(key),
        Quoted(tensor)
    )]
    StorageMissing {
        /// Its key.
        key: String,
        /// A tensor that needs it.
        tensor: String,
    },
    /// A storage is not as long as the pickle says.
    #[error("storage {}: should have {expected} bytes, has {got}", Quoted(key))]
    StorageSize {
        /// Its key.
        key: String,
        /// The bytes by the pickle.
        expected: u64,
        /// The bytes in the file.
        got: u64,
    },
    /// A tensor reaches beyond its storage.
    #[error(
        "a tensor of shape {dims:?}, strides {strides:?} and offset {offset} reaches beyond its storage of {len} elements"
    )]
    OutsideStorage {
        /// The shape.
        dims: Vec<u64>,
        /// The strides.
        strides: Vec<u64>,
        /// The first element.
        offset: u64,
        /// The storage's elements.
        len: u64,
    },
    /// More dims than a tensor can have here.
    #[error("a tensor has {rank} dims, at most {MAX_RANK} are possible")]
    RankTooHigh {
        /// The number of dims.
        rank: usize,
    },
    /// The tensors take far more memory than the file has bytes.
    #[error(
        "its tensors take {bytes} bytes, the file has {len}; no more than {limit} are accepted"
    )]
    Expansion {
        /// The bytes of all tensors.
        bytes: u64,
        /// The file's length.
        len: u64,
        /// The most that are accepted.
        limit: u64,
    },
    /// The bytes are of the other order.
    #[error("was written on a big-endian machine; load and save it on a little-endian one")]
    BigEndian,
    /// The file is no pickle of PyTorch.
    #[error("is neither of PyTorch's formats: {what}")]
    NotTorch {
        /// What speaks against it.
        what: &'static str,
    },
}
