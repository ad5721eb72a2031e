//! A dim brought to the end, where kernels of rows want it, and back.

use gradus_tensor::{Result, Tensor};

/// The tensor with `axis` last, in row-major order: shared if it already is, else copied.
pub(crate) fn along(x: &Tensor, axis: usize) -> Result<Tensor> {
    x.movedim(axis as isize, -1)?.contiguous()
}

/// Undoes [`along`]: a view.
pub(crate) fn restore(x: &Tensor, axis: usize) -> Result<Tensor> {
    x.movedim(-1, axis as isize)
}
