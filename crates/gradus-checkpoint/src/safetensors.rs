//! The safetensors format: 8 bytes of header length, a JSON header, the tensors' bytes.
//!
//! Format: <https://github.com/huggingface/safetensors#format>. The rules are checked here more strictly than by the
//! reference implementation: names may not repeat, nothing unknown may stand in the header, bools are 0 or 1.
//!
//! A file is not mapped into memory: a map is unsound when someone else truncates the file, so mapping is `unsafe`,
//! which this crate forbids. Instead the header is read alone (all that `inspect` needs, whatever the file's size), and
//! each tensor is read straight into its storage through a buffer of a quarter MiB. Loading a file therefore takes the
//! memory of its tensors and no more; a map would take the same, because tensors must be aligned to 64 bytes.

mod bytes;
mod dtype;
mod fault;
mod header;
mod read;
mod write;

pub(crate) use bytes::{DecodeError, decode, for_each_chunk};
pub use dtype::FileDType;
pub use fault::FormatFault;
pub use header::{MAX_HEADER_BYTES, MAX_TENSORS, TensorInfo};
pub use read::SafeTensorsFile;
pub(crate) use write::Plan;
pub use write::{safetensors_bytes, write_safetensors};
