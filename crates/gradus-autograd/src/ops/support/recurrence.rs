//! The first-order recurrence `y[k] = b[k] + a[k] · y[k - 1]` along an axis: with it products and running products are differentiated
//! without a division, any number of times. Its own gradient is the same recurrence from the other end.

use gradus_linalg::scan;
use gradus_tensor::{Result, Tensor};

use super::rows::{along, restore};
use super::{scalar_like, with_float};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Recurrence {
    axis: usize,
    reverse: bool,
}

/// `y[k] = b[k] + a[k] · y[k - 1]` along `axis`, `y[0] = b[0]`; with `y[k + 1]`, from the end, if `reverse`. All of one shape.
pub(crate) fn recurrence(a: &Var, b: &Var, axis: usize, reverse: bool) -> Result<Var> {
    apply(Recurrence { axis, reverse }, &[a, b])
}

impl Op for Recurrence {
    fn name(&self) -> &'static str {
        "recurrence"
    }

    fn saves(&self) -> Saves {
        Saves::inputs(&[0]).and(Saves::outputs(&[0]))
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let cols = inputs[0].dims()[self.axis];
        let (a, b) = (along(inputs[0], self.axis)?, along(inputs[1], self.axis)?);
        let y = with_float!(a.dtype(), self.name(), T => {
            let (from, b) = (a.as_slice::<T>()?, b.as_slice::<T>()?);
            Tensor::build(a.shape(), |dst: &mut [T]| {
                scan::recurrence(dst, from, b, cols, self.reverse);
            })
        })?;
        Ok(restore(&y, self.axis)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (a, y) = (ctx.input(0)?, ctx.output(0)?);
        let grad = ctx.grad(grad_out, 0)?;
        let factors = shift(&a, self.axis, self.reverse)?;
        let grad_b = recurrence(&factors, &grad, self.axis, !self.reverse)?;
        let grad_a = grad_b.mul(&shift(&y, self.axis, !self.reverse)?)?;
        Ok(vec![Some(grad_a), Some(grad_b)])
    }
}

/// Elements moved one place on along `axis` (towards the end if `on`), with a 0 in the place that becomes free.
pub(crate) fn shift(x: &Var, axis: usize, on: bool) -> Result<Var> {
    let (dim, len) = (axis as isize, x.dims()[axis]);
    if len == 0 {
        return Ok(x.clone());
    }
    let zero = scalar_like(x, 0.0)?.expand(x.shape().reduced(&[axis], true))?;
    if on {
        Var::cat(&[&zero, &x.narrow(dim, 0, len - 1)?], dim)
    } else {
        Var::cat(&[&x.narrow(dim, 1, len - 1)?, &zero], dim)
    }
}

/// The products of all elements before each along `axis`, or behind it.
pub(crate) fn products_beside(x: &Var, axis: usize, behind: bool) -> Result<Var> {
    let (dim, len) = (axis as isize, x.dims()[axis]);
    if len == 0 {
        return Ok(x.clone());
    }
    let edge = x.shape().reduced(&[axis], true);
    let mut rest = x.dims().to_vec();
    rest[axis] = len - 1;
    let one = scalar_like(x, 1.0)?.expand(edge)?;
    let zeros = scalar_like(x, 0.0)?.expand(rest)?;
    let start = if behind {
        Var::cat(&[&zeros, &one], dim)?
    } else {
        Var::cat(&[&one, &zeros], dim)?
    };
    recurrence(&shift(x, axis, !behind)?, &start, axis, behind)
}
