//! Running sums.

use gradus_linalg::scan as kernels;
use gradus_tensor::{Result, Tensor};

use crate::ops::support::lane_cases::scan_reference;
use crate::ops::support::lanes::lane;
use crate::ops::support::scan::{RowKernel, scan, scan_spec};
use crate::registry::{OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct CumSum {
    axis: usize,
    reverse: bool,
}

impl Op for CumSum {
    fn name(&self) -> &'static str {
        "cumsum"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let kernel = if self.reverse {
            RowKernel {
                single: |dst, x, cols| kernels::cumsum(dst, x, cols, true),
                double: |dst, x, cols| kernels::cumsum(dst, x, cols, true),
            }
        } else {
            RowKernel {
                single: |dst, x, cols| kernels::cumsum(dst, x, cols, false),
                double: |dst, x, cols| kernels::cumsum(dst, x, cols, false),
            }
        };
        Ok(scan(self.name(), inputs[0], self.axis, &kernel)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let back = Self {
            axis: self.axis,
            reverse: !self.reverse,
        };
        Ok(vec![Some(apply(back, &[&ctx.grad(grad_out, 0)?])?)])
    }
}

impl Var {
    /// The sums of the elements up to each along `dim`.
    ///
    /// # Shapes
    /// Any, also rank 0 with dim 0; the result has the same.
    ///
    /// # Numerics
    /// In order, carried in f64. f32 or f64.
    ///
    /// # Gradient
    /// The sums of `grad_out` from each element on. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [3])?);
    /// assert_eq!(x.cumsum(0)?.tensor().to_vec::<f32>()?, [1.0, 3.0, 6.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.cumsum`.
    pub fn cumsum(&self, dim: isize) -> Result<Self> {
        lane("cumsum", self, dim, |x, axis| {
            let reverse = false;
            apply(CumSum { axis, reverse }, &[x])
        })
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    scan_spec(
        "cumsum",
        |a| Ok(one(a.var("x")?.cumsum(a.isize("dim")?)?)),
        |a| {
            let sums = |lane: &[f64]| (0..lane.len()).map(|i| lane[..=i].iter().sum()).collect();
            Ok(vec![scan_reference(a, sums)?])
        },
    )
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_46_sums_of_no_elements_and_their_gradient() {
        for (dims, dim) in [([0, 3], 0), ([0, 3], 1), ([3, 0], 1)] {
            let x = leaf::<f64>(&[], dims);
            let y = x.cumsum(dim).unwrap();
            assert_eq!(y.dims(), dims);
            let grads = y.backward_with(&constant::<f64>(&[], dims)).unwrap();
            assert_eq!(grads.get_var(&x).unwrap().dims(), dims);
        }
    }

    #[test]
    fn museum_50_long_f32_sums_do_not_get_stuck() {
        let x = crate::Var::constant(crate::Tensor::full(1 << 20, 0.1_f32).unwrap());
        let sums = values(&x.cumsum(0).unwrap());
        assert!((sums[(1 << 20) - 1] - 104_857.6).abs() < 0.02);
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).cumsum(2);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        check_rejects_integers(|x| x.cumsum(0));
    }
}
