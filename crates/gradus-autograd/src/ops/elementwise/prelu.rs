//! Rectified linear units with slopes to learn.

use gradus_tensor::Error;

use crate::ops::support::lean::{Lean2, lean2, mask2};
use crate::ops::support::scalar_like;
use crate::registry::{Args, Dense, Kind, OpSpec, Values, one};
use crate::{Result, Var};

const PRELU: Lean2 = Lean2 {
    name: "prelu",
    value: |x, slope| if x > 0.0 { x } else { slope * x },
    grad_a: |grad, x, slope| {
        let above = mask2(x.tensor(), slope.tensor(), |x, _| x > 0.0)?;
        grad.where_(&above, &grad.mul(slope)?)
    },
    grad_b: |grad, x, slope| {
        let above = mask2(x.tensor(), slope.tensor(), |x, _| x > 0.0)?;
        scalar_like(grad, 0.0)?.where_(&above, &grad.mul(x)?)
    },
};

impl Var {
    /// `x` where it is above 0, else `weight · x`, with one slope for all or one for each channel.
    ///
    /// # Shapes
    /// `self`: any, its dim 1 the channels; `weight`: `(C)`, or a single element. The result has the shape of `self`.
    ///
    /// # Numerics
    /// One rounding. f32 or f64, both alike.
    ///
    /// # Gradient
    /// `grad_out`, times the slope where `x` is not above 0; of the slope the sum of `grad_out · x` there. Saves both.
    ///
    /// # Errors
    /// [`crate::Error::Length`] if `weight` has neither 1 element nor one for each channel; [`crate::Error::Rank`] if it has dims;
    /// [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.prelu`. He et al. 2015, arXiv:1502.01852.
    pub fn prelu(&self, weight: &Self) -> Result<Self> {
        let op = "prelu";
        let (expected, got) = (self.dims().get(1).copied().unwrap_or(1), weight.numel());
        if weight.rank() > 1 {
            let got = *weight.shape();
            return Err(Error::Rank {
                op,
                expected: 1,
                got,
            });
        }
        if got == 1 {
            return lean2(PRELU, self, &weight.reshape(())?);
        }
        if got != expected {
            return Err(Error::Length { op, expected, got });
        }
        let mut dims = vec![1; self.rank() - 1];
        dims[0] = got;
        lean2(PRELU, self, &weight.reshape(dims)?)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("prelu", |a| Ok(one(a.var("x")?.prelu(a.var("weight")?)?)))
        .input("x", Kind::Float)
        .input("weight", Kind::Float)
        .kinked()
        .reference(|a| {
            let (x, weight) = (a.dense("x")?, a.dense("weight")?);
            Ok(vec![Dense::from_fn(&x.dims, |index| {
                let channel = if weight.numel() == 1 { 0 } else { index[1] };
                let slope = weight.data[channel];
                x.at(index).max(0.0) + slope * x.at(index).min(0.0)
            })])
        })
        .draw(|d| {
            let dims = d.any_shape();
            let slopes = d.pick(&[0, 1, 2]);
            let weight = match dims.get(1) {
                _ if slopes == 0 => vec![],
                Some(&channels) if slopes == 2 => vec![channels],
                _ => vec![1],
            };
            let x = d.floats(&dims, Values::NONZERO)?;
            Ok(Args::new().with("x", x).with("weight", d.reals(&weight)?))
        })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_slopes_that_do_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        assert!(x.prelu(&constant(&[0.1_f64, 0.2], 2)).is_err());
        assert!(x.prelu(&constant(&[0.1_f64; 3], [3, 1])).is_err());
        assert!(x.prelu(&constant(&[0.1_f64; 3], 3)).is_ok());
    }
}
