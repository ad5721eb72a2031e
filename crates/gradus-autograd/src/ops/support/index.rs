//! Parts of tensors put together along an axis.

use gradus_tensor::{Result, Shape, Tensor};

use super::with_any;

/// Numbers of elements before, along and behind an axis.
fn around(shape: &Shape, axis: usize) -> [usize; 3] {
    let (before, rest) = shape.dims().split_at(axis);
    [before.iter().product(), rest[0], rest[1..].iter().product()]
}

/// Zeros of `shape` with `src` at positions `start, start + step, …` of `axis`.
pub(crate) fn place(
    src: &Tensor,
    shape: &Shape,
    axis: usize,
    start: usize,
    step: isize,
) -> Result<Tensor> {
    let [outer, size, inner] = around(shape, axis);
    let len = src.dims()[axis];
    let src = src.contiguous()?;
    with_any!(src.dtype(), T => {
        let from = src.as_slice::<T>()?;
        Tensor::build(shape, |dst: &mut [T]| {
            dst.fill(T::default());
            for o in 0..outer {
                let mut at = start;
                for j in 0..len {
                    let to = (o * size + at) * inner;
                    dst[to..to + inner].copy_from_slice(&from[(o * len + j) * inner..][..inner]);
                    at = at.wrapping_add_signed(step);
                }
            }
        })
    })
}

/// The parts behind one another along `axis`, in the shape that they then have.
pub(crate) fn join(parts: &[&Tensor], shape: &Shape, axis: usize) -> Result<Tensor> {
    let [outer, size, inner] = around(shape, axis);
    let parts = parts
        .iter()
        .map(|part| part.contiguous())
        .collect::<Result<Vec<_>>>()?;
    with_any!(parts[0].dtype(), T => {
        Tensor::try_build(shape, |dst: &mut [T]| {
            let mut start = 0;
            for part in &parts {
                let (from, len) = (part.as_slice::<T>()?, part.dims()[axis] * inner);
                for o in 0..outer {
                    dst[o * size * inner + start..][..len].copy_from_slice(&from[o * len..][..len]);
                }
                start += len;
            }
            Ok(())
        })
    })
}
