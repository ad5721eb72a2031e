//! Sums along an axis with fixed places and weights, as an op.

use std::sync::Arc;

use gradus_linalg::resample::{Taps, resample, resample_backward};
use gradus_tensor::{Error, Result, Shape, Tensor};

use super::with_float;
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// Linear: its gradient is itself, turned around.
#[derive(Clone, Debug)]
struct Resample {
    axis: usize,
    taps: Arc<Taps>,
    back: bool,
}

impl Op for Resample {
    fn name(&self) -> &'static str {
        "interpolate"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = inputs[0].contiguous()?;
        let inner: usize = x.dims()[self.axis + 1..].iter().product();
        let mut dims = x.dims().to_vec();
        dims[self.axis] = if self.back {
            self.taps.inputs()
        } else {
            self.taps.outputs()
        };
        let shape = Shape::new(&dims)?;
        with_float!(x.dtype(), self.name(), T => {
            let x = x.as_slice::<T>()?;
            let y = Tensor::build(shape, |dst: &mut [T]| {
                if self.back {
                    resample_backward(dst, x, &self.taps, inner);
                } else {
                    resample(dst, x, &self.taps, inner);
                }
            })?;
            Ok(y.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let turned = Self {
            back: !self.back,
            ..self.clone()
        };
        Ok(vec![Some(apply(turned, &[&ctx.grad(grad_out, 0)?])?)])
    }
}

/// `x` with the elements of `axis` replaced by the sums that `taps` names.
pub(crate) fn along(x: &Var, axis: usize, taps: Taps) -> Result<Var> {
    if taps.inputs() != x.dims()[axis] {
        return Err(Error::Length {
            op: "interpolate",
            expected: x.dims()[axis],
            got: taps.inputs(),
        });
    }
    let taps = Arc::new(taps);
    let op = Resample {
        axis,
        taps,
        back: false,
    };
    apply(op, &[x])
}
