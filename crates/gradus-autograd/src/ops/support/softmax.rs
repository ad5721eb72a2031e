//! Softmax and its logarithm: one op that differs in two kernels and one line of the derivative.

use gradus_linalg::{Float, softmax};
use gradus_tensor::{Result, Tensor};

use super::rows::{along, restore};
use super::{is_positive, scalar_like, with_float};
use crate::registry::{Args, Draw};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// The softmax of `x` along `dim`, or its logarithm.
pub(crate) fn softmax_of(x: &Var, dim: isize, log: bool) -> Result<Var> {
    let rows = SoftmaxRows { axis: 0, log };
    if x.rank() == 0 {
        let one = x.reshape([1])?;
        one.shape().axis(rows.name(), dim)?;
        return apply(rows, &[&one])?.reshape(());
    }
    let axis = x.shape().axis(rows.name(), dim)?;
    apply(SoftmaxRows { axis, log }, &[x])
}

/// A case: any `x` with a `dim`.
pub(crate) fn draw(d: &mut Draw) -> Result<Args> {
    let dims = d.any_shape();
    let x = d.reals(&dims)?;
    Ok(Args::new().with("x", x).attr("dim", d.dim(dims.len())))
}

#[derive(Clone, Copy, Debug)]
struct SoftmaxRows {
    axis: usize,
    log: bool,
}

impl SoftmaxRows {
    fn forward<T: Float>(self, x: &Tensor, cols: usize) -> Result<Tensor> {
        let from = x.as_slice::<T>()?;
        Tensor::build(x.shape(), |dst: &mut [T]| {
            if self.log {
                softmax::log_softmax(dst, from, cols);
            } else {
                softmax::softmax(dst, from, cols);
            }
        })
    }

    fn backward<T: Float>(self, y: &Tensor, grad: &Tensor, cols: usize) -> Result<Tensor> {
        let (from, grad) = (y.as_slice::<T>()?, grad.as_slice::<T>()?);
        Tensor::build(y.shape(), |dst: &mut [T]| {
            if self.log {
                softmax::log_softmax_backward(dst, from, grad, cols);
            } else {
                softmax::softmax_backward(dst, from, grad, cols);
            }
        })
    }

    /// The gradient composed of ops.
    fn composed(self, y: &Var, grad: &Var) -> Result<Var> {
        let dims = [self.axis as isize];
        if !self.log {
            let mean = grad.mul(y)?.sum(&dims, true)?;
            return grad.sub(&mean)?.mul(y);
        }
        let sum = grad.sum(&dims, true)?;
        let grad_in = grad.sub(&y.exp()?.mul(&sum)?)?;
        grad_in.where_(
            &has_finite(y.tensor(), self.axis)?,
            &scalar_like(grad, 0.0)?,
        )
    }
}

impl Op for SoftmaxRows {
    fn name(&self) -> &'static str {
        if self.log { "log_softmax" } else { "softmax" }
    }

    fn saves(&self) -> Saves {
        Saves::outputs(&[0])
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = along(inputs[0], self.axis)?;
        let cols = inputs[0].dims()[self.axis];
        let y = with_float!(x.dtype(), self.name(), T => Self::forward::<T>(*self, &x, cols))?;
        Ok(restore(&y, self.axis)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (grad, y) = (ctx.grad(grad_out, 0)?, ctx.output(0)?);
        if ctx.create_graph() {
            return Ok(vec![Some(self.composed(&y, &grad)?)]);
        }
        let cols = y.dims()[self.axis];
        let (grad, y) = (
            along(grad.tensor(), self.axis)?,
            along(y.tensor(), self.axis)?,
        );
        let grad_in =
            with_float!(y.dtype(), self.name(), T => Self::backward::<T>(*self, &y, &grad, cols))?;
        Ok(vec![Some(Var::constant(restore(&grad_in, self.axis)?))])
    }
}

/// Along the axis, whether a row of the output holds anything but -∞.
fn has_finite(y: &Tensor, axis: usize) -> Result<Tensor> {
    let largest = Var::constant(y.clone()).logsumexp(&[axis as isize], true)?;
    is_positive(largest.exp()?.tensor())
}
