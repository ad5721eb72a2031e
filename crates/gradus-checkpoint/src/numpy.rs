//! NumPy's files: `.npy`, one array, and `.npz`, a zip archive of them.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>. The header is a literal of
//! Python, which is parsed here by hand and never evaluated. Arrays of objects are pickles and are refused.

mod fault;
mod header;
mod read;
mod write;

pub use fault::NumpyFault;
pub(crate) use read::{NPY_MAGIC, NpyFile, NpzFile};
pub use write::save_npz;
