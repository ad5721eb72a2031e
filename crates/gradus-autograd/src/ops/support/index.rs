//! Loops over positions: parts of tensors put together, taken out and added up by index. Serial, in a fixed order.

use gradus_linalg::Float;
use gradus_tensor::{DType, Element, Error, MAX_RANK, Result, Shape, Tensor};

use super::{require_dtype, with_any, with_float};

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

/// The indices of an i64 tensor as positions below `len`.
pub(crate) fn positions(op: &'static str, index: &Tensor, len: usize) -> Result<Vec<usize>> {
    require_dtype(op, index, &[DType::I64])?;
    let check = |(position, index): (usize, i64)| {
        let out = Error::IndexOutOfRange {
            op,
            position,
            index,
            len,
        };
        usize::try_from(index).ok().filter(|&i| i < len).ok_or(out)
    };
    index
        .to_vec::<i64>()?
        .into_iter()
        .enumerate()
        .map(check)
        .collect()
}

/// The slices of `axis` at these positions, in their order.
pub(crate) fn select(
    x: &Tensor,
    axis: usize,
    positions: &[usize],
    shape: &Shape,
) -> Result<Tensor> {
    let [outer, size, inner] = around(x.shape(), axis);
    let x = x.contiguous()?;
    with_any!(x.dtype(), T => {
        let from = x.as_slice::<T>()?;
        Tensor::build(shape, |dst: &mut [T]| {
            for o in 0..outer {
                for (j, &p) in positions.iter().enumerate() {
                    let to = (o * positions.len() + j) * inner;
                    dst[to..to + inner].copy_from_slice(&from[(o * size + p) * inner..][..inner]);
                }
            }
        })
    })
}

/// Zeros of `shape` to which the slices of `src` along `axis` are added at these positions, in order.
pub(crate) fn add_at(
    op: &'static str,
    src: &Tensor,
    axis: usize,
    positions: &[usize],
    shape: &Shape,
) -> Result<Tensor> {
    let [outer, size, inner] = around(shape, axis);
    let src = src.contiguous()?;
    with_float!(src.dtype(), op, T => {
        let from = src.as_slice::<T>()?;
        Tensor::build(shape, |dst: &mut [T]| {
            dst.fill(T::ZERO);
            for o in 0..outer {
                for (j, &p) in positions.iter().enumerate() {
                    let to = &mut dst[(o * size + p) * inner..][..inner];
                    let from = &from[(o * positions.len() + j) * inner..][..inner];
                    to.iter_mut().zip(from).for_each(|(to, &from)| *to += from);
                }
            }
        })
    })
}

/// Calls `f` with each index of `shape` in row-major order.
fn for_each_index(shape: &Shape, mut f: impl FnMut(usize, &[usize])) {
    let rank = shape.rank();
    let mut index = [0; MAX_RANK];
    for number in 0..shape.numel() {
        f(number, &index[..rank]);
        for axis in (0..rank).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}

/// `out[i, j, …] = x[i, p, …]`, where `p` stands at `[i, j, …]` of the positions and takes the place of the index of `axis`.
pub(crate) fn gather(
    x: &Tensor,
    axis: usize,
    positions: &[usize],
    shape: &Shape,
) -> Result<Tensor> {
    fn run<T: Element>(
        x: &Tensor,
        axis: usize,
        positions: &[usize],
        shape: &Shape,
    ) -> Result<Tensor> {
        let view = x.view::<T>()?;
        Tensor::build(shape, |dst: &mut [T]| {
            let mut at = [0; MAX_RANK];
            for_each_index(shape, |number, index| {
                at[..index.len()].copy_from_slice(index);
                at[axis] = positions[number];
                dst[number] = view.data()[view.layout().offset_of(&at[..index.len()])];
            });
        })
    }
    with_any!(x.dtype(), T => run::<T>(x, axis, positions, shape))
}

/// Zeros of `shape` to which each element of `src` is added at the place that [`gather`] would read.
pub(crate) fn scatter_add(
    op: &'static str,
    src: &Tensor,
    axis: usize,
    positions: &[usize],
    shape: &Shape,
) -> Result<Tensor> {
    fn run<T: Float>(
        src: &Tensor,
        axis: usize,
        positions: &[usize],
        shape: &Shape,
    ) -> Result<Tensor> {
        let from = src.contiguous()?;
        let from = from.as_slice::<T>()?;
        Tensor::build(shape, |dst: &mut [T]| {
            dst.fill(T::ZERO);
            for_each_index(src.shape(), |number, index| {
                let place =
                    |(a, &i): (usize, &usize)| if a == axis { positions[number] } else { i };
                let at = index
                    .iter()
                    .enumerate()
                    .map(place)
                    .zip(shape.dims())
                    .fold(0, |at, (i, &dim)| at * dim + i);
                dst[at] += from[number];
            });
        })
    }
    with_float!(src.dtype(), op, T => run::<T>(src, axis, positions, shape))
}
