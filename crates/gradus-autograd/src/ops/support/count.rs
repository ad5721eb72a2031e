//! Counts over dims of elements that are not 0, of any dtype.

use gradus_linalg::scan;
use gradus_tensor::{DType, Result, Shape, Tensor};

use super::lane_cases::few_numbers;
use super::lanes::reduced_axes;
use crate::Var;
use crate::registry::templates::draw_reduction;
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec};

/// How many elements of each group over `dims` are not 0 (NaN is not), in the shape without them, and of how many.
pub(crate) fn count_over(
    op: &'static str,
    x: &Var,
    dims: &[isize],
    keepdim: bool,
) -> Result<(Tensor, usize)> {
    let axes = reduced_axes(op, x.shape(), dims)?;
    let kept = (0..x.rank()).filter(|axis| !axes.contains(axis));
    let order: Vec<isize> = kept
        .chain(axes.iter().copied())
        .map(|a| a as isize)
        .collect();
    let mask = x
        .tensor()
        .to_dtype(DType::Bool)?
        .permute(&order)?
        .contiguous()?;
    let group: usize = axes.iter().map(|&axis| x.dims()[axis]).product();
    let shape: Shape = x.shape().reduced(&axes, keepdim);
    let from = mask.as_slice::<bool>()?;
    let counts = Tensor::build(shape, |dst: &mut [i64]| scan::count_rows(dst, from, group))?;
    Ok((counts, group))
}

/// Where counts pass a test.
pub(crate) fn test_counts(counts: &Tensor, test: impl Fn(i64) -> bool) -> Result<Tensor> {
    let from = counts.as_slice::<i64>()?;
    Tensor::build(counts.shape(), |dst: &mut [bool]| {
        dst.iter_mut().zip(from).for_each(|(d, &n)| *d = test(n));
    })
}

/// The spec of such an op over `dim`.
pub(crate) fn count_spec(
    name: &'static str,
    call: fn(&Args) -> Result<Vec<Var>>,
    reference: fn(&Args) -> Result<Vec<Dense>>,
) -> OpSpec {
    OpSpec::new(name, call)
        .input("x", Kind::Any)
        .attr("dim", AttrType::Ints, Vec::<i64>::new())
        .not_differentiable()
        .reference(reference)
}

/// With `keepdim`, as `any` and `all` have it.
pub(crate) fn test_spec(
    name: &'static str,
    call: fn(&Args) -> Result<Vec<Var>>,
    reference: fn(&Args) -> Result<Vec<Dense>>,
) -> OpSpec {
    count_spec(name, call, reference)
        .attr("keepdim", AttrType::Bool, false)
        .draw(|d| {
            let dims = d.any_shape();
            draw_reduction(d, &dims, |d| few_numbers(d, &dims))
        })
}
