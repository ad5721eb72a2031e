//! Scans along a dim by a kernel of rows.

use gradus_tensor::{Result, Tensor};

use super::rows::{along, restore};
use super::with_float;
use crate::Var;
use crate::ops::support::lane_cases::draw_lanes;
use crate::registry::{Args, AttrType, Dense, Draw, Kind, OpSpec};

/// A kernel of rows, for both computing dtypes.
pub(crate) struct RowKernel {
    pub(crate) single: fn(&mut [f32], &[f32], usize),
    pub(crate) double: fn(&mut [f64], &[f64], usize),
}

/// The kernel along `axis` of a tensor of rank 1 at least.
pub(crate) fn scan(
    op: &'static str,
    x: &Tensor,
    axis: usize,
    kernel: &RowKernel,
) -> Result<Tensor> {
    trait Pick: Sized {
        fn of(kernel: &RowKernel) -> fn(&mut [Self], &[Self], usize);
    }
    impl Pick for f32 {
        fn of(kernel: &RowKernel) -> fn(&mut [Self], &[Self], usize) {
            kernel.single
        }
    }
    impl Pick for f64 {
        fn of(kernel: &RowKernel) -> fn(&mut [Self], &[Self], usize) {
            kernel.double
        }
    }
    let cols = x.dims()[axis];
    let x = along(x, axis)?;
    let y = with_float!(x.dtype(), op, T => {
        let (from, run) = (x.as_slice::<T>()?, T::of(kernel));
        Tensor::build(x.shape(), |dst: &mut [T]| run(dst, from, cols))
    })?;
    restore(&y, axis)
}

/// The spec of a scan along `dim` of `x` as drawn.
pub(crate) fn scan_spec(
    name: &'static str,
    call: fn(&Args) -> Result<Vec<Var>>,
    reference: fn(&Args) -> Result<Vec<Dense>>,
) -> OpSpec {
    OpSpec::new(name, call)
        .input("x", Kind::Float)
        .required("dim", AttrType::Int)
        .reference(reference)
        .draw(|d| draw_lanes(d, Draw::reals))
}
