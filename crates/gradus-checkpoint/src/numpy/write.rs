//! Writing `.npz`: what `numpy.load` reads, the same bytes for the same tensors.

use std::io::{self, Write};
use std::path::Path;

use gradus_tensor::{DType, Tensor};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::NumpyFault;
use super::header::NPY_MAGIC;
use crate::atomic::write_atomically;
use crate::safetensors::for_each_chunk;
use crate::{CheckpointError, RealFileSystem, Result};

/// The elements of an array begin at a multiple of this, counted from the array's start.
const ALIGNMENT: usize = 64;

/// Saves tensors as an `.npz` file without compression, as `numpy.savez` does, atomically, sorted by name.
///
/// # Errors
/// [`CheckpointError::Numpy`] for a name that repeats, and for bf16, which NumPy does not have;
/// [`CheckpointError::Io`]. The old file stays untouched then.
///
/// ```
/// use gradus_checkpoint::{load_weights_file, save_npz};
/// use gradus_tensor::Tensor;
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("model.npz");
/// let weights = [("fc.bias".to_owned(), Tensor::from_slice(&[0.5_f32, 1.5], [2]).unwrap())];
/// save_npz(&path, &weights)?;
/// assert_eq!(load_weights_file(&path)?.0[0].1.to_vec::<f32>().unwrap(), [0.5, 1.5]);
/// # Ok::<(), gradus_checkpoint::CheckpointError>(())
/// ```
pub fn save_npz(path: impl AsRef<Path>, tensors: &[(String, Tensor)]) -> Result<()> {
    let path = path.as_ref();
    let refuse = |fault| CheckpointError::Numpy {
        path: path.to_path_buf(),
        array: None,
        fault,
    };
    let mut sorted: Vec<&(String, Tensor)> = tensors.iter().collect();
    sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let tensor = pair[0].0.clone();
        return Err(refuse(NumpyFault::DuplicateName { tensor }));
    }
    let mut arrays = Vec::with_capacity(sorted.len());
    for (name, tensor) in sorted {
        let header = header(tensor).ok_or_else(|| {
            let tensor = name.clone();
            refuse(NumpyFault::NoBf16 { tensor })
        })?;
        arrays.push((name, header, tensor));
    }
    write_atomically(&RealFileSystem, path, &mut |out| write(out, &arrays))
}

fn write(out: &mut dyn Write, arrays: &[(&String, Vec<u8>, &Tensor)]) -> io::Result<()> {
    let mut zip = ZipWriter::new_stream(out);
    // With 64-bit lengths, as NumPy writes them: the length is not known to the zip writer beforehand.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .large_file(true);
    for (name, header, tensor) in arrays {
        zip.start_file(format!("{name}.npy"), options)?;
        zip.write_all(header)?;
        for_each_chunk(tensor, &mut |chunk| zip.write_all(chunk))?;
    }
    zip.finish()?;
    Ok(())
}

/// The bytes before the elements, padded by spaces as NumPy does; none for bf16.
fn header(tensor: &Tensor) -> Option<Vec<u8>> {
    let descr = match tensor.dtype() {
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::F16 => "<f2",
        DType::I64 => "<i8",
        DType::U8 => "|u1",
        DType::Bool => "|b1",
        DType::BF16 => return None,
    };
    let dims: Vec<String> = tensor.dims().iter().map(ToString::to_string).collect();
    let comma = if dims.len() == 1 { "," } else { "" };
    let dims = dims.join(", ");
    let mut text =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({dims}{comma}), }}");
    // Magic, version, length, text, line feed. A shape of 8 dims keeps the length far below 2^16.
    let before = NPY_MAGIC.len() + 2 + 2;
    let padded = (before + text.len() + 1).next_multiple_of(ALIGNMENT);
    text.extend(std::iter::repeat_n(' ', padded - before - text.len() - 1));
    text.push('\n');
    let len = u16::try_from(text.len()).ok()?;
    let mut out = NPY_MAGIC.to_vec();
    out.extend([1, 0]);
    out.extend(len.to_le_bytes());
    out.extend(text.as_bytes());
    Some(out)
}
