//! PyTorch's own files, `.pt`, `.pth` and `.bin`: a pickle that describes tensors, and the bytes of their storages.
//!
//! A pickle is a program for a stack machine and can call any function of Python. The reader here knows the few
//! functions that rebuild tensors, as data; whatever else a file asks for is refused by name, and nothing is run. Both
//! forms are read: the zip archive that PyTorch writes since 1.6, and the older one, several pickles and the bytes.

mod fault;
mod file;
mod flatten;
mod global;
mod legacy;
mod machine;
mod opcode;
mod rebuild;
mod values;

pub use fault::TorchFault;
pub(crate) use file::{TorchFile, torch_folder};
