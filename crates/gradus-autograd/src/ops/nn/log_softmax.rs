//! Logarithms of softmax along a dim.

use gradus_linalg::softmax;
use gradus_tensor::{Result, Tensor};

use crate::ops::support::rows::{along, restore};
use crate::ops::support::{is_positive, scalar_like, with_float};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct LogSoftmax {
    axis: usize,
}

impl Op for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn saves(&self) -> Saves {
        Saves::outputs(&[0])
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = along(inputs[0], self.axis)?;
        let cols = inputs[0].dims()[self.axis];
        with_float!(x.dtype(), self.name(), T => {
            let from = x.as_slice::<T>()?;
            let y = Tensor::build(x.shape(), |dst: &mut [T]| softmax::log_softmax(dst, from, cols))?;
            Ok(restore(&y, self.axis)?.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (grad, y) = (ctx.grad(grad_out, 0)?, ctx.output(0)?);
        if ctx.create_graph() {
            let sum = grad.sum(&[self.axis as isize], true)?;
            let grad_in = grad.sub(&y.exp()?.mul(&sum)?)?;
            return Ok(vec![Some(grad_in.where_(
                &has_finite(y.tensor(), self.axis)?,
                &scalar_like(&grad, 0.0)?,
            )?)]);
        }
        let cols = y.dims()[self.axis];
        let (grad, y) = (
            along(grad.tensor(), self.axis)?,
            along(y.tensor(), self.axis)?,
        );
        let shape = *y.shape();
        let grad_in = with_float!(y.dtype(), self.name(), T => {
            let (y, grad) = (y.as_slice::<T>()?, grad.as_slice::<T>()?);
            Tensor::build(shape, |dst: &mut [T]| softmax::log_softmax_backward(dst, y, grad, cols))
        })?;
        Ok(vec![Some(Var::constant(restore(&grad_in, self.axis)?))])
    }
}

/// Along the axis, whether a row of the output holds anything but -∞.
fn has_finite(y: &Tensor, axis: usize) -> Result<Tensor> {
    let largest = Var::constant(y.clone()).logsumexp(&[axis as isize], true)?;
    is_positive(largest.exp()?.tensor())
}

impl Var {
    /// The logarithm of [`Var::softmax`]: `x - ln Σ e^x` along `dim`.
    ///
    /// # Shapes
    /// Any with `dim`; the result has the same.
    ///
    /// # Numerics
    /// The largest element is subtracted first, so nothing overflows; sums in f64. A row of nothing but -∞ gives -∞, one
    /// with +∞ or NaN gives NaN. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out - e^y · Σ grad_out`, along `dim`; 0 in a row of nothing but -∞. Saves the output.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, 3.0_f64.ln()], [1, 2])?);
    /// let y = x.log_softmax(1)?.tensor().to_vec::<f64>()?;
    /// assert!((y[0] - 0.25_f64.ln()).abs() < 1e-15 && (y[1] - 0.75_f64.ln()).abs() < 1e-15);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.log_softmax`.
    pub fn log_softmax(&self, dim: isize) -> Result<Self> {
        let axis = self.shape().axis("log_softmax", dim)?;
        apply(LogSoftmax { axis }, &[self])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use gradus_testing::reference;

    #[test]
    fn forward_matches_reference() {
        let x = sampled(&[3, 4], 1);
        let rows = x.to_vec::<f64>().unwrap();
        let want: Vec<f64> = rows
            .chunks(4)
            .flat_map(|row| row.iter().map(|x| x - reference::logsumexp(row)))
            .collect();
        check_forward(|v| v[0].log_softmax(-1), std::slice::from_ref(&x), &want);
        check_forward(
            |v| v[0].transpose(0, 1)?.log_softmax(0)?.transpose(0, 1),
            &[x],
            &want,
        );
    }

    #[test]
    fn gradient_matches_finite_difference() {
        for dim in [0, 1, 2] {
            check_gradient(|v| v[0].log_softmax(dim), &[sampled(&[2, 3, 2], 1)]);
        }
    }

    #[test]
    fn accepts_strided_views() {
        for dim in [0, 1, 2] {
            check_layouts(|v| v[0].log_softmax(dim), &[sampled(&[3, 4, 2], 1)]);
            check_empty(|v| v[0].log_softmax(dim), &[&[2, 0, 3]]);
        }
    }

    #[test]
    fn museum_23_rows_of_minus_infinity_have_gradient_0() {
        let nothing = f64::NEG_INFINITY;
        for create_graph in [false, true] {
            let x = leaf(&[nothing, nothing, nothing, 1e4], [2, 2]);
            let y = x.log_softmax(1).unwrap();
            assert_eq!(values(&y), [nothing, nothing, nothing, 0.0]);
            let config = crate::GradConfig {
                create_graph,
                ..Default::default()
            };
            let grad_out = constant(&[1.0, 2.0, 0.0, 4.0], [2, 2]);
            let found = crate::grad(&[&y], &[&x], Some(&[grad_out]), &config).unwrap();
            assert_eq!(values(found[0].as_ref().unwrap()), [0.0; 4]);
        }
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).log_softmax(2);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        check_rejects_integers(|x| x.log_softmax(0));
    }
}
