//! Elements to little-endian bytes and back, in chunks, so that no whole copy of a tensor is made.

use std::io::{self, Read};

use gradus_tensor::{DType, Element, Tensor, View, bf16, f16};

use super::FileDType;

/// Bytes that are converted at a time: enough to hide the calls, small enough for the L2 cache.
const CHUNK: usize = 1 << 18;

/// An element as the format stores it.
trait Stored: Element {
    fn put(self, out: &mut [u8]);
}

macro_rules! stored {
    ($($ty:ty),*) => {$(
        impl Stored for $ty {
            #[inline(always)]
            fn put(self, out: &mut [u8]) {
                out.copy_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}
stored!(f32, f64, bf16, f16, i64, u8);

impl Stored for bool {
    #[inline(always)]
    fn put(self, out: &mut [u8]) {
        out.fill(u8::from(self));
    }
}

/// Hands a tensor's elements to `sink`, in row-major order, as little-endian bytes, a chunk at a time.
pub(crate) fn for_each_chunk<E>(
    tensor: &Tensor,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    match tensor.dtype() {
        DType::F32 => encode::<f32, E>(tensor, sink),
        DType::F64 => encode::<f64, E>(tensor, sink),
        DType::BF16 => encode::<bf16, E>(tensor, sink),
        DType::F16 => encode::<f16, E>(tensor, sink),
        DType::I64 => encode::<i64, E>(tensor, sink),
        DType::U8 => encode::<u8, E>(tensor, sink),
        DType::Bool => encode::<bool, E>(tensor, sink),
    }
}

fn encode<T: Stored, E>(
    tensor: &Tensor,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let view: View<'_, T> = match tensor.view() {
        Ok(view) => view,
        Err(error) => unreachable!("internal error: a tensor is not of its own dtype: {error}"),
    };
    let size = size_of::<T>();
    let per_chunk = CHUNK / size;
    let mut buffer = vec![0u8; tensor.numel().min(per_chunk) * size];
    if let Some(elements) = view.as_slice() {
        for chunk in elements.chunks(per_chunk) {
            let out = &mut buffer[..size_of_val(chunk)];
            for (out, &x) in out.chunks_exact_mut(size).zip(chunk) {
                x.put(out);
            }
            sink(out)?;
        }
        return Ok(());
    }
    let mut elements = view.iter();
    loop {
        let mut filled = 0;
        for (out, x) in buffer.chunks_exact_mut(size).zip(elements.by_ref()) {
            x.put(out);
            filled += size;
        }
        if filled == 0 {
            return Ok(());
        }
        sink(&buffer[..filled])?;
        if filled < buffer.len() {
            return Ok(());
        }
    }
}

/// Why a tensor's bytes could not be taken.
pub(crate) enum DecodeError {
    /// Reading failed.
    Io(io::Error),
    /// A bool is neither 0 nor 1.
    Bool { position: usize, byte: u8 },
    /// The tensor could not be made.
    Tensor(gradus_tensor::Error),
    /// The dtype has no tensor.
    Unsupported,
}

/// Reads a tensor of this dtype and shape, whose bytes come next, straight into its storage.
pub(crate) fn decode(
    dtype: FileDType,
    shape: &gradus_tensor::Shape,
    from: &mut dyn Read,
) -> Result<Tensor, DecodeError> {
    match dtype {
        FileDType::F32 => fill(shape, from, f32::from_le_bytes),
        FileDType::F64 => fill(shape, from, f64::from_le_bytes),
        FileDType::BF16 => fill(shape, from, bf16::from_le_bytes),
        FileDType::F16 => fill(shape, from, f16::from_le_bytes),
        FileDType::U8 => fill(shape, from, |[x]: [u8; 1]| x),
        FileDType::I64 => fill(shape, from, i64::from_le_bytes),
        FileDType::I32 => fill(shape, from, |x| i64::from(i32::from_le_bytes(x))),
        FileDType::I16 => fill(shape, from, |x| i64::from(i16::from_le_bytes(x))),
        FileDType::I8 => fill(shape, from, |x| i64::from(i8::from_le_bytes(x))),
        FileDType::U32 => fill(shape, from, |x| i64::from(u32::from_le_bytes(x))),
        FileDType::U16 => fill(shape, from, |x| i64::from(u16::from_le_bytes(x))),
        FileDType::Bool => decode_bool(shape, from),
        _ => Err(DecodeError::Unsupported),
    }
}

fn decode_bool(shape: &gradus_tensor::Shape, from: &mut dyn Read) -> Result<Tensor, DecodeError> {
    let bytes = fill(shape, from, |[x]: [u8; 1]| x)?;
    let elements = bytes.as_slice::<u8>().map_err(DecodeError::Tensor)?;
    if let Some(position) = elements.iter().position(|&x| x > 1) {
        let byte = elements[position];
        return Err(DecodeError::Bool { position, byte });
    }
    bytes.to_dtype(DType::Bool).map_err(DecodeError::Tensor)
}

fn fill<T: Element, const N: usize>(
    shape: &gradus_tensor::Shape,
    from: &mut dyn Read,
    convert: impl Fn([u8; N]) -> T,
) -> Result<Tensor, DecodeError> {
    let mut read = Ok(());
    let tensor = Tensor::build(shape, |out: &mut [T]| {
        read = fill_slice(out, from, convert);
    })
    .map_err(DecodeError::Tensor)?;
    read.map_err(DecodeError::Io)?;
    Ok(tensor)
}

fn fill_slice<T: Element, const N: usize>(
    out: &mut [T],
    from: &mut dyn Read,
    convert: impl Fn([u8; N]) -> T,
) -> io::Result<()> {
    let per_chunk = CHUNK / N;
    let mut buffer = vec![0u8; out.len().min(per_chunk) * N];
    for chunk in out.chunks_mut(per_chunk) {
        let bytes = &mut buffer[..chunk.len() * N];
        from.read_exact(bytes)?;
        for (x, &bytes) in chunk.iter_mut().zip(bytes.as_chunks::<N>().0) {
            *x = convert(bytes);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(tensor: &Tensor) -> Vec<u8> {
        let mut out = Vec::new();
        for_each_chunk::<()>(tensor, &mut |chunk| {
            out.extend_from_slice(chunk);
            Ok(())
        })
        .unwrap();
        out
    }

    #[test]
    fn chunks_hold_the_elements_in_logical_order() {
        // Longer than a chunk and not a multiple of it, contiguous and strided.
        let n = i64::try_from(CHUNK / 8).unwrap();
        let x = Tensor::arange(0_i64, 3 * (n + 5), 1).unwrap();
        for dtype in DType::ALL {
            let x = x.to_dtype(dtype).unwrap();
            let rows = x.reshape([3, x.numel() / 3]).unwrap();
            let columns = rows.transpose(0, 1).unwrap();
            for view in [&x, &rows, &columns, &columns.flip(&[0]).unwrap()] {
                assert_eq!(encoded(view), view.to_le_bytes().unwrap(), "{dtype}");
            }
        }
    }

    #[test]
    fn empty_tensors_have_no_bytes() {
        let empty = Tensor::zeros([2, 0, 3], DType::F32).unwrap();
        assert!(encoded(&empty).is_empty());
        assert!(encoded(&empty.transpose(0, 2).unwrap()).is_empty());
        assert_eq!(
            encoded(&Tensor::scalar(1.0_f32).unwrap()),
            1.0_f32.to_le_bytes()
        );
    }
}
