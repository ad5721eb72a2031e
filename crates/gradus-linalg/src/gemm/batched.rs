//! Products over a batch: broadcast operands, items and their tiles in parallel.

use gradus_tensor::{DType, View};

use super::bf16::{Precision, gemm_in};
use super::mat::Raw;
use super::{Accum, Grid, MIN_PARALLEL_MACS, MIN_TILE_MACS, MatMut, MatRef, Product};
use crate::float::Float;
use crate::threads::for_each_block;

/// A batch of fewer items than this is one product after the other in bf16, each cut for threads.
const FEW_ITEMS: usize = 8;

/// Matrix products over equal batch dims: `dst[b…] (+)= x[b…] · y[b…]`; `(B…, m, k) · (B…, k, n) -> (B…, m, n)`.
///
/// `dst` is contiguous; the views have equal batch dims (a broadcast operand has stride 0 there). When `y` is one matrix for the whole
/// batch and the rows of `x` follow one another, the batch is one tall product.
///
/// # Panics
/// If ranks or dims differ: a bug of the caller, ops have validated them.
#[track_caller]
pub fn gemm_batched<T: Float>(dst: &mut [T], accum: Accum, x: View<'_, T>, y: View<'_, T>) {
    gemm_batched_in(Precision::Full, dst, accum, x, y);
}

/// [`gemm_batched`] in a precision.
///
/// # Panics
/// As [`gemm_batched`].
#[track_caller]
pub fn gemm_batched_in<T: Float>(
    precision: Precision,
    dst: &mut [T],
    accum: Accum,
    x: View<'_, T>,
    y: View<'_, T>,
) {
    let rank = x.shape().rank();
    assert!(
        rank >= 2 && rank == y.shape().rank(),
        "gemm_batched: ranks differ or are below 2"
    );
    let batch_dims = &x.shape().dims()[..rank - 2];
    assert_eq!(
        batch_dims,
        &y.shape().dims()[..rank - 2],
        "gemm_batched: batch dims differ"
    );
    let [m, k] = [x.shape().dims()[rank - 2], x.shape().dims()[rank - 1]];
    let n = y.shape().dims()[rank - 1];
    let batch: usize = batch_dims.iter().product();
    assert_eq!(
        dst.len(),
        batch * m * n,
        "gemm_batched: destination has the wrong length"
    );
    if batch == 0 || m == 0 || n == 0 {
        return;
    }
    let tall = y.strides()[..rank - 2]
        .iter()
        .zip(batch_dims)
        .all(|(&s, &d)| d == 1 || s == 0);
    if let (true, Some(row_stride)) = (
        tall,
        merged_stride(&x.shape().dims()[..rank - 1], &x.strides()[..rank - 1]),
    ) {
        let a = MatRef::new(
            x.data(),
            x.offset(),
            [batch * m, k],
            [row_stride, x.strides()[rank - 1]],
        );
        return gemm_in(
            precision,
            MatMut::row_major(dst, batch * m, n),
            accum,
            a,
            matrix(&y, y.offset(), [k, n]),
        );
    }
    let dst = Raw {
        ptr: dst.as_mut_ptr(),
        rs: n as isize,
        cs: 1,
    };
    let product = |item: usize| {
        let a = matrix(&x, batch_offset(&x, item), [m, k]);
        let b = matrix(&y, batch_offset(&y, item), [k, n]);
        Product {
            dst: dst.at(item * m, 0),
            accum,
            a: a.raw(),
            b: b.raw(),
            m,
            n,
            k,
            bias: None,
        }
    };
    // SAFETY: the operands of each item lie in their slices (MatRef proved it, dst has batch · m · n elements), and each item writes its own
    // part of dst.
    unsafe { run_items(precision, batch, [m, n, k], product) }
}

/// Products of `[m, n, k]`, one for each item, that do not read or write what another writes.
///
/// # Safety
/// As for [`Product::run`], for each of them.
unsafe fn run_items<'a, T: Float>(
    precision: Precision,
    batch: usize,
    [m, n, k]: [usize; 3],
    product: impl Fn(usize) -> Product<'a, T> + Sync,
) {
    let macs = m.saturating_mul(n).saturating_mul(k);
    let block = (MIN_TILE_MACS / macs.max(1)).clamp(1, batch);
    if precision == Precision::Bf16 && T::DTYPE == DType::F32 {
        // Bits do not depend on how such a product is cut.
        let cut = batch < FEW_ITEMS;
        let each = |item: usize| {
            // SAFETY: promised by the caller.
            unsafe { product(item).run_in(precision, cut) }
        };
        return match cut {
            true => (0..batch).for_each(each),
            false => for_each_block(batch, block, |_, items| items.for_each(each)),
        };
    }
    let grid = Grid::of(m, n, k);
    let each = |item: usize, part: Option<usize>| {
        let product = product(item);
        // SAFETY: promised by the caller; each tile writes its own part of the item's.
        unsafe {
            match part {
                Some(tile) => product.tile(&grid, tile).serial(),
                None => product.serial(),
            }
        }
    };
    if macs >= MIN_PARALLEL_MACS {
        let tiles = grid.tiles();
        for_each_block(batch * tiles, 1, |index, _| {
            each(index / tiles, Some(index % tiles))
        });
    } else {
        for_each_block(batch, block, |_, items| {
            items.for_each(|item| each(item, None))
        });
    }
}

/// The stride of `dims` seen as one dim, if they are laid out so.
pub(super) fn merged_stride(dims: &[usize], strides: &[isize]) -> Option<isize> {
    let mut merged: Option<(isize, usize)> = None;
    for (&dim, &stride) in dims.iter().zip(strides).rev().filter(|&(&dim, _)| dim != 1) {
        merged = match merged {
            None => Some((stride, dim)),
            Some((inner, count)) if stride == inner.wrapping_mul(count as isize) => {
                Some((inner, count * dim))
            }
            Some(_) => return None,
        };
    }
    Some(merged.map_or(0, |(stride, _)| stride))
}

/// The last two dims of `view` at `offset`.
fn matrix<'a, T: Float>(view: &View<'a, T>, offset: usize, dims: [usize; 2]) -> MatRef<'a, T> {
    let rank = view.strides().len();
    MatRef::new(
        view.data(),
        offset,
        dims,
        [view.strides()[rank - 2], view.strides()[rank - 1]],
    )
}

/// Offset of batch item `item` (row-major over all but the last two dims).
fn batch_offset<T: Float>(view: &View<'_, T>, mut item: usize) -> usize {
    let rank = view.shape().rank();
    let mut offset = view.offset();
    for (&dim, &stride) in view.shape().dims()[..rank - 2]
        .iter()
        .zip(view.strides())
        .rev()
    {
        offset = offset.wrapping_add_signed(stride.wrapping_mul((item % dim) as isize));
        item /= dim;
    }
    offset
}
