//! Softmax along a dim.

use gradus_linalg::softmax;
use gradus_tensor::{Result, Tensor};

use crate::ops::support::rows::{along, restore};
use crate::ops::support::with_float;
use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Softmax {
    axis: usize,
}

impl Op for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn saves(&self) -> Saves {
        Saves::outputs(&[0])
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = along(inputs[0], self.axis)?;
        let cols = inputs[0].dims()[self.axis];
        with_float!(x.dtype(), self.name(), T => {
            let from = x.as_slice::<T>()?;
            let y = Tensor::build(x.shape(), |dst: &mut [T]| softmax::softmax(dst, from, cols))?;
            Ok(restore(&y, self.axis)?.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (grad, y) = (ctx.grad(grad_out, 0)?, ctx.output(0)?);
        if ctx.create_graph() {
            let mean = grad.mul(&y)?.sum(&[self.axis as isize], true)?;
            return Ok(vec![Some(grad.sub(&mean)?.mul(&y)?)]);
        }
        let cols = y.dims()[self.axis];
        let (grad, y) = (
            along(grad.tensor(), self.axis)?,
            along(y.tensor(), self.axis)?,
        );
        let shape = *y.shape();
        let grad_in = with_float!(y.dtype(), self.name(), T => {
            let (y, grad) = (y.as_slice::<T>()?, grad.as_slice::<T>()?);
            Tensor::build(shape, |dst: &mut [T]| softmax::softmax_backward(dst, y, grad, cols))
        })?;
        Ok(vec![Some(Var::constant(restore(&grad_in, self.axis)?))])
    }
}

impl Var {
    /// Exponentials along `dim`, scaled to sum to 1: `e^x / Σ e^x`.
    ///
    /// # Shapes
    /// Any with `dim`; the result has the same.
    ///
    /// # Numerics
    /// The largest element is subtracted first, so nothing overflows; sums in f64. A row of nothing but -∞ gives 0, one
    /// with +∞ or NaN gives NaN. f32 or f64.
    ///
    /// # Gradient
    /// `y · (grad_out - Σ grad_out · y)`, along `dim`. Saves the output.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, 3.0_f64.ln()], [1, 2])?);
    /// let y = x.softmax(1)?.tensor().to_vec::<f64>()?;
    /// assert!((y[0] - 0.25).abs() < 1e-15 && (y[1] - 0.75).abs() < 1e-15);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.softmax`.
    pub fn softmax(&self, dim: isize) -> Result<Self> {
        let axis = self.shape().axis("softmax", dim)?;
        apply(Softmax { axis }, &[self])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("softmax", |a| {
        Ok(one(a.var("x")?.softmax(a.isize("dim")?)?))
    })
    .input("x", Kind::Float)
    .required("dim", AttrType::Int)
    .reference(|a| {
        let x = a.dense("x")?;
        let axis = a.isize("dim")?.rem_euclid(x.rank() as isize) as usize;
        Ok(vec![x.along(axis, |lane| {
            let sum: f64 = lane.iter().map(|x| x.exp()).sum();
            lane.iter().map(|x| x.exp() / sum).collect()
        })])
    })
    .draw(|d| {
        let dims = d.some_shape();
        Ok(Args::new()
            .with("x", d.reals(&dims)?)
            .attr("dim", d.dim(dims.len())))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use gradus_testing::reference;

    #[test]
    fn forward_matches_reference() {
        let x = sampled(&[3, 4], 1);
        let rows = x.to_vec::<f64>().unwrap();
        check_forward(
            |v| v[0].softmax(-1),
            std::slice::from_ref(&x),
            &reference::softmax(&rows, 4),
        );
        check_forward(
            |v| v[0].transpose(0, 1)?.softmax(0)?.transpose(0, 1),
            &[x],
            &reference::softmax(&rows, 4),
        );
    }

    #[test]
    fn gradient_matches_finite_difference() {
        for dim in [0, 1, 2] {
            check_gradient(|v| v[0].softmax(dim), &[sampled(&[2, 3, 2], 1)]);
        }
    }

    #[test]
    fn accepts_strided_views() {
        for dim in [0, 1, 2] {
            check_layouts(|v| v[0].softmax(dim), &[sampled(&[3, 4, 2], 1)]);
            check_empty(|v| v[0].softmax(dim), &[&[2, 0, 3]]);
        }
    }

    #[test]
    fn museum_23_rows_of_minus_infinity_have_gradient_0() {
        let x = leaf(
            &[f64::NEG_INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY, 1e4],
            [2, 2],
        );
        let y = x.softmax(1).unwrap();
        assert_eq!(values(&y), [0.0, 0.0, 0.0, 1.0]);
        let grads = y
            .backward_with(&constant(&[1.0, 2.0, 3.0, 4.0], [2, 2]))
            .unwrap();
        assert_eq!(
            grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(),
            [0.0; 4]
        );
    }

    #[test]
    fn museum_49_a_long_row_sums_to_one() {
        let y = constant(&[0.0_f32; 4096], [1, 4096]).softmax(1).unwrap();
        assert_eq!(y.sum(&[], false).unwrap().item::<f32>().unwrap(), 1.0);
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).softmax(2);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        check_rejects_integers(|x| x.softmax(0));
    }
}
