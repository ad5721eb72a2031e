//! The largest and smallest elements over dims: one op for `amax` and `amin`.

use gradus_linalg::{elementwise, reduce};
use gradus_tensor::{Error, Result, Shape, Tensor};

use super::{scalar_like, with_float};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// Which end of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extreme {
    Largest,
    Smallest,
}

#[derive(Debug)]
struct Extremum {
    name: &'static str,
    which: Extreme,
    axes: Vec<usize>,
    keepdim: bool,
}

/// The extreme over `dims` (all if empty), with the gradient shared by equal elements.
pub(crate) fn extremum(
    name: &'static str,
    which: Extreme,
    x: &Var,
    dims: &[isize],
    keepdim: bool,
) -> Result<Var> {
    let axes = x.shape().axes(name, dims)?;
    refuse_nothing(name, x.shape(), &axes)?;
    apply(
        Extremum {
            name,
            which,
            axes,
            keepdim,
        },
        &[x],
    )
}

/// Refuses to take an extreme of no elements.
pub(crate) fn refuse_nothing(op: &'static str, shape: &Shape, axes: &[usize]) -> Result<()> {
    if shape.reduced(axes, false).numel() > 0 && axes.iter().any(|&axis| shape[axis] == 0) {
        return Err(Error::Argument {
            op,
            name: "size of the reduced dims",
            expected: "at least 1: no elements have no extreme",
            got: 0.0,
        });
    }
    Ok(())
}

impl Extremum {
    /// Where the elements are that equal their group's extreme, NaN being equal to NaN.
    fn winners(&self, x: &Tensor, extreme: &Tensor) -> Result<Tensor> {
        with_float!(x.dtype(), self.name, T => {
            let (x, extreme) = (x.view::<T>()?, extreme.view::<T>()?.broadcast(self.name, x.shape())?);
            Tensor::build(x.shape(), |dst: &mut [bool]| {
                elementwise::map2(dst, x, extreme, #[inline(always)] |x, e| x == e || (x.is_nan() && e.is_nan()));
            })
        })
    }
}

impl Op for Extremum {
    fn name(&self) -> &'static str {
        self.name
    }

    fn saves(&self) -> Saves {
        Saves::inputs(&[0]).and(Saves::outputs(&[0]))
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = inputs[0];
        with_float!(x.dtype(), self.name, T => {
            let view = x.view::<T>()?;
            let extremes = Tensor::build(x.shape().reduced(&self.axes, self.keepdim), |dst: &mut [T]| {
                match self.which {
                    Extreme::Largest => reduce::max(dst, view, &self.axes),
                    Extreme::Smallest => reduce::min(dst, view, &self.axes),
                }
            })?;
            Ok(extremes.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let shape = ctx.input_shape(0);
        let kept = shape.reduced(&self.axes, true);
        let extreme = ctx.output(0)?.tensor().reshape(kept)?;
        let winners = self.winners(ctx.input(0)?.tensor(), &extreme)?;
        // Counted in the dtype from sums in f64: 2^24 and more ties are right to one rounding.
        let dims: Vec<isize> = self.axes.iter().map(|&axis| axis as isize).collect();
        let counts = Var::constant(winners.to_dtype(ctx.input_dtype(0))?).sum_if_any(&dims)?;
        let grad = ctx.grad(grad_out, 0)?.reshape(kept)?;
        let share = grad.div(&counts)?.expand(shape)?;
        Ok(vec![Some(
            share.where_(&winners, &scalar_like(&grad, 0.0)?)?,
        )])
    }
}

impl Var {
    /// The sum over these dims, kept with size 1; unlike [`Var::sum`], no dims mean none.
    fn sum_if_any(&self, dims: &[isize]) -> Result<Self> {
        if dims.is_empty() {
            Ok(self.clone())
        } else {
            self.sum(dims, true)
        }
    }
}
