//! Channels as pixels between the pixels.

use gradus_tensor::{Error, Result};

use crate::Var;
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};

impl Var {
    /// Every pixel as a square of `upscale_factor` pixels a side, which come from as many channels.
    ///
    /// # Shapes
    /// `(…, C · r², H, W)` to `(…, C, H · r, W · r)`. Any dtype.
    ///
    /// # Gradient
    /// `grad_out` moved back. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Rank`] below rank 3; [`Error::Argument`] if the factor is 0 or its square no divisor of the channels;
    /// [`Error::RankTooHigh`] above rank 6.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [4, 1, 1])?);
    /// assert_eq!(x.pixel_shuffle(2)?.dims(), [1, 2, 2]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.pixel_shuffle`.
    pub fn pixel_shuffle(&self, upscale_factor: usize) -> Result<Self> {
        let r = upscale_factor;
        let (before, [c, h, w]) = image("pixel_shuffle", self)?;
        let square = r
            .checked_mul(r)
            .filter(|&square| square > 0 && c % square == 0);
        let channels = c / square.ok_or(Error::Argument {
            op: "pixel_shuffle",
            name: "upscale_factor",
            expected: "at least 1, and its square a divisor of the channels",
            got: r as f64,
        })?;
        let parts = self.reshape([before, &[channels, r, r, h, w]].concat())?;
        let parts = parts.permute(&behind(before.len(), [0, 3, 1, 4, 2]))?;
        let sides = (h.checked_mul(r)).zip(w.checked_mul(r));
        let (height, width) = sides.ok_or(Error::Overflow {
            op: "pixel_shuffle",
            what: "side of the image",
        })?;
        parts.reshape([before, &[channels, height, width]].concat())
    }
}

/// The dims before, and those of an image.
pub(super) fn image<'a>(op: &'static str, x: &'a Var) -> Result<(&'a [usize], [usize; 3])> {
    let wrong = Error::Rank {
        op,
        expected: 3,
        got: *x.shape(),
    };
    let (before, image) = x.dims().split_last_chunk::<3>().ok_or(wrong)?;
    Ok((before, *image))
}

/// The order of five dims behind others that stay.
pub(super) fn behind(before: usize, order: [usize; 5]) -> Vec<isize> {
    let moved = order.iter().map(|&axis| before + axis);
    (0..before).chain(moved).map(|axis| axis as isize).collect()
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("pixel_shuffle", |a| {
        Ok(one(a
            .var("x")?
            .pixel_shuffle(a.usize("upscale_factor")?)?))
    })
    .input("x", Kind::Any)
    .required("upscale_factor", AttrType::Int)
    .reference(|a| {
        let (x, r) = (a.dense("x")?, a.usize("upscale_factor")?);
        let n = x.rank();
        let mut dims = x.dims.clone();
        dims[n - 3] /= r * r;
        dims[n - 2] *= r;
        dims[n - 1] *= r;
        Ok(vec![Dense::from_fn(&dims, |at| {
            let mut own = at.to_vec();
            own[n - 3] = (at[n - 3] * r + at[n - 2] % r) * r + at[n - 1] % r;
            own[n - 2] = at[n - 2] / r;
            own[n - 1] = at[n - 1] / r;
            x.at(&own)
        })])
    })
    .draw(|d| {
        let mut dims = d.shape(3..=4, 1..=2);
        let r = d.range(1..=3);
        let rank = dims.len();
        dims[rank - 3] *= r * r;
        let args = Args::new().with("x", d.reals(&dims)?);
        Ok(args.attr("upscale_factor", r))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_channels_that_make_no_square() {
        let x = constant(&BOTH_SIGNS, [6, 1, 1]);
        for r in [0, 2, usize::MAX] {
            let got = x.pixel_shuffle(r);
            assert!(matches!(got, Err(Error::Argument { .. })), "{got:?}");
        }
        let got = constant(&BOTH_SIGNS, [6, 1]).pixel_shuffle(1);
        assert!(matches!(got, Err(Error::Rank { .. })), "{got:?}");
    }
}
