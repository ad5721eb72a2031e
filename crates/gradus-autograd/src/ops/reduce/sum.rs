//! Sums over dims.

use gradus_linalg::reduce;
use gradus_tensor::{Result, Tensor};

use crate::ops::support::lanes::reduced_axes;
use crate::ops::support::with_float;
use crate::registry::templates::{draw_reduction, reduce_reference};
use crate::registry::{AttrType, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Sum {
    axes: Vec<usize>,
    keepdim: bool,
}

impl Op for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = inputs[0];
        with_float!(x.dtype(), self.name(), T => {
            let view = x.view::<T>()?;
            let sums = Tensor::build(x.shape().reduced(&self.axes, self.keepdim), |dst: &mut [T]| {
                reduce::sum(dst, view, &self.axes);
            })?;
            Ok(sums.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let shape = ctx.input_shape(0);
        let grad = ctx
            .grad(grad_out, 0)?
            .reshape(shape.reduced(&self.axes, true))?;
        Ok(vec![Some(grad.expand(shape)?)])
    }
}

impl Var {
    /// The sum over `dims`, or over all if `dims` is empty.
    ///
    /// # Shapes
    /// The summed dims disappear, or stay with size 1 if `keepdim`. The sum of no elements is 0.
    ///
    /// # Numerics
    /// Fixed blocks combined in a fixed tree, so the result does not depend on the number of threads; f32 sums are
    /// combined in f64.
    ///
    /// # Gradient
    /// `grad_out`, expanded to the input's shape. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if a dim is outside or repeated; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2])?);
    /// assert_eq!(x.sum(&[0], false)?.tensor().to_vec::<f32>()?, [4.0, 6.0]);
    /// assert_eq!(x.sum(&[], false)?.item::<f32>()?, 10.0);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.sum`.
    pub fn sum(&self, dims: &[isize], keepdim: bool) -> Result<Self> {
        let axes = reduced_axes("sum", self.shape(), dims)?;
        apply(Sum { axes, keepdim }, &[self])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("sum", |a| {
        Ok(one(a
            .var("x")?
            .sum(&a.isizes("dim")?, a.flag("keepdim")?)?))
    })
    .input("x", Kind::Float)
    .attr("dim", AttrType::Ints, Vec::<i64>::new())
    .attr("keepdim", AttrType::Bool, false)
    .reference(|a| reduce_reference(a, |group| group.iter().sum()))
    .draw(|d| {
        let dims = d.any_shape();
        draw_reduction(d, &dims, |d| d.reals(&dims))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_49_half_precision_is_summed_as_f32() {
        let ones = crate::Tensor::ones(100_000, crate::DType::F16).unwrap();
        let half = crate::Var::constant(ones);
        let refused = half.sum(&[], false);
        assert!(
            matches!(refused, Err(crate::Error::DType { .. })),
            "{refused:?}"
        );
        let single = half.to_dtype(crate::DType::F32).unwrap();
        assert_eq!(values(&single.sum(&[], false).unwrap()), [100_000.0]);
        assert_eq!(values(&single.mean(&[], false).unwrap()), [1.0]);
    }

    #[test]
    fn museum_50_the_sum_of_an_expanded_tensor_is_that_of_its_copy() {
        let x = constant(&[0.1_f32, 0.2, 0.3], [3, 1])
            .expand([3, 100_000])
            .unwrap();
        let copy = crate::Var::constant(x.tensor().deep_copy().unwrap());
        for dims in [&[1][..], &[0], &[]] {
            let (a, b) = (x.sum(dims, false).unwrap(), copy.sum(dims, false).unwrap());
            gradus_testing::check_close("sum", &values(&a), &values(&b), 1e-7, 0.0);
        }
    }

    #[test]
    fn museum_51_a_symmetric_sum_is_zero() {
        let n = 4_096_000;
        let x: Vec<f32> = (0..n).map(|i| i as f32 - 2_048_000.0 + 0.5).collect();
        assert_eq!(values(&constant(&x, n).sum(&[], false).unwrap()), [0.0]);
    }

    #[test]
    fn museum_40_sum_over_a_dim_of_a_transposed_matrix() {
        let x = constant(&[1.0_f64, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])
            .transpose(0, 1)
            .unwrap();
        assert_eq!(values(&x.sum(&[1], false).unwrap()), [5.0, 7.0, 9.0]);
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        for dims in [&[2][..], &[0, -2]] {
            let got = x.sum(dims, false);
            assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        }
        check_rejects_integers(|x| x.sum(&[], false));
    }
}
