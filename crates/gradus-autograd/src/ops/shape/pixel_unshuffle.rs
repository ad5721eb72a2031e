//! Squares of pixels as channels.

use gradus_tensor::{Error, Result};

use super::pixel_shuffle::{behind, image};
use crate::Var;
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};

impl Var {
    /// Every square of `downscale_factor` pixels a side as one pixel of as many channels: undoes [`Var::pixel_shuffle`].
    ///
    /// # Shapes
    /// `(…, C, H · r, W · r)` to `(…, C · r², H, W)`. Any dtype.
    ///
    /// # Gradient
    /// `grad_out` moved back. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Rank`] below rank 3; [`Error::Argument`] if the factor is 0 or no divisor of both sides;
    /// [`Error::RankTooHigh`] above rank 6.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [1, 2, 2])?);
    /// assert_eq!(x.pixel_unshuffle(2)?.dims(), [4, 1, 1]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.pixel_unshuffle`.
    pub fn pixel_unshuffle(&self, downscale_factor: usize) -> Result<Self> {
        let r = downscale_factor;
        let (before, [c, h, w]) = image("pixel_unshuffle", self)?;
        let wrong = |factor: usize| Error::Argument {
            op: "pixel_unshuffle",
            name: "downscale_factor",
            expected: "at least 1, and a divisor of both sides",
            got: factor as f64,
        };
        if r == 0 || h % r != 0 || w % r != 0 {
            return Err(wrong(r));
        }
        let channels = r.checked_mul(r).and_then(|square| square.checked_mul(c));
        let channels = channels.ok_or(wrong(r))?;
        let parts = self.reshape([before, &[c, h / r, r, w / r, r]].concat())?;
        let parts = parts.permute(&behind(before.len(), [0, 2, 4, 1, 3]))?;
        parts.reshape([before, &[channels, h / r, w / r]].concat())
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("pixel_unshuffle", |a| {
        let factor = a.usize("downscale_factor")?;
        Ok(one(a.var("x")?.pixel_unshuffle(factor)?))
    })
    .input("x", Kind::Any)
    .required("downscale_factor", AttrType::Int)
    .reference(|a| {
        let (x, r) = (a.dense("x")?, a.usize("downscale_factor")?);
        let n = x.rank();
        let mut dims = x.dims.clone();
        dims[n - 3] *= r * r;
        dims[n - 2] /= r;
        dims[n - 1] /= r;
        Ok(vec![Dense::from_fn(&dims, |at| {
            let mut own = at.to_vec();
            own[n - 3] = at[n - 3] / (r * r);
            own[n - 2] = at[n - 2] * r + at[n - 3] / r % r;
            own[n - 1] = at[n - 1] * r + at[n - 3] % r;
            x.at(&own)
        })])
    })
    .draw(|d| {
        let mut dims = d.shape(3..=4, 1..=2);
        let r = d.range(1..=3);
        let rank = dims.len();
        dims[rank - 2] *= r;
        dims[rank - 1] *= r;
        let args = Args::new().with("x", d.reals(&dims)?);
        Ok(args.attr("downscale_factor", r))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_sides_that_are_no_multiples() {
        let x = constant(&BOTH_SIGNS, [1, 2, 3]);
        for r in [0, 2, 3, usize::MAX] {
            let got = x.pixel_unshuffle(r);
            assert!(matches!(got, Err(Error::Argument { .. })), "{got:?}");
        }
    }
}
