//! Gated linear units.

use gradus_tensor::Error;

use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// The first half of `dim` times the sigmoid of the second. PyTorch's default `dim` is -1.
    ///
    /// # Shapes
    /// `dim` is halved; the rest stays.
    ///
    /// # Numerics
    /// Two roundings. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · sigmoid(b)` for the first half, `grad_out · a · sigmoid(b) · (1 - sigmoid(b))` for the second.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::Length`] if its size is odd;
    /// [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.nn.functional.glu`. Dauphin et al. 2016, arXiv:1612.08083``.
    pub fn glu(&self, dim: isize) -> Result<Self> {
        let axis = self.shape().axis("glu", dim)?;
        let size = self.dims().get(axis).copied().unwrap_or(1);
        if size % 2 != 0 {
            return Err(Error::Length {
                op: "glu",
                expected: size - 1,
                got: size,
            });
        }
        let (axis, half) = (axis as isize, size / 2);
        let gate = self.narrow(axis, half, half)?.sigmoid()?;
        self.narrow(axis, 0, half)?.mul(&gate)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("glu", |a| Ok(one(a.var("x")?.glu(a.isize("dim")?)?)))
        .input("x", Kind::Float)
        .attr("dim", AttrType::Int, -1)
        .reference(|a| {
            let x = a.dense("x")?;
            let axis = a.isize("dim")?.rem_euclid(x.rank() as isize) as usize;
            Ok(vec![x.along(axis, |lane| {
                let half = lane.len() / 2;
                let gated = |i: usize| lane[i] / (1.0 + f64::exp(-lane[half + i]));
                (0..half).map(gated).collect()
            })])
        })
        .draw(|d| {
            let mut dims = d.some_shape();
            let dim = d.dim(dims.len());
            let axis = dim.rem_euclid(dims.len() as i64) as usize;
            dims[axis] *= 2;
            Ok(Args::new().with("x", d.reals(&dims)?).attr("dim", dim))
        })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_an_odd_size() {
        let got = constant(&BOTH_SIGNS, [2, 3]).glu(-1);
        assert!(matches!(got, Err(crate::Error::Length { .. })), "{got:?}");
    }
}
