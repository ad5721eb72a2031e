//! Products of batches of matrices added to matrices.

use super::bmm::require_rank;
use crate::ops::support::scaled;
use crate::registry::{Args, Dense, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// Products of batches of matrices added to matrices: `beta · self + alpha · batch1 · batch2`.
    ///
    /// # Shapes
    /// `(B, M, K) · (B, K, N)`, and `self` broadcasts to `(B, M, N)`, as does the result.
    ///
    /// # Numerics
    /// As [`Var::matmul`]. With `beta` 0 `self` is not read: its NaN and infinities do not show.
    ///
    /// # Gradient
    /// `beta · grad_out`, summed over the dims in which `self` was expanded, and `alpha` times those of the product. Saves the
    /// factors of the product.
    ///
    /// # Errors
    /// [`crate::Error::Rank`], [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`]; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.baddbmm`.
    pub fn baddbmm(&self, batch1: &Self, batch2: &Self, beta: f64, alpha: f64) -> Result<Self> {
        require_rank("baddbmm", batch1, 3)?;
        require_rank("baddbmm", batch2, 3)?;
        let product = batch1.bmm(batch2)?;
        scaled::added("baddbmm", self, product, beta, alpha)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    let spec = OpSpec::new("baddbmm", |a| {
        let [beta, alpha] = scaled::factors(a)?;
        let (batch1, batch2) = (a.var("batch1")?, a.var("batch2")?);
        Ok(one(a.var("x")?.baddbmm(batch1, batch2, beta, alpha)?))
    });
    scaled::with_factors(spec)
        .small_only()
        .input("x", Kind::Float)
        .input("batch1", Kind::Float)
        .input("batch2", Kind::Float)
        .reference(|a| {
            let (batch1, batch2) = (a.dense("batch1")?, a.dense("batch2")?);
            let product: Dense = batch1.matmul(&batch2);
            scaled::reference(a, &product)
        })
        .draw(|d| {
            let batch1 = d.shape(3..=3, 1..=3);
            let batch2 = [batch1[0], batch1[2], d.range(1..=3)];
            let product = [batch1[0], batch1[1], batch2[2]];
            let x = d.narrower(&product);
            let args = Args::new()
                .with("x", d.reals(&x)?)
                .with("batch1", d.reals(&batch1)?)
                .with("batch2", d.reals(&batch2)?);
            Ok(scaled::draw_factors(d, args))
        })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_operands_that_do_not_fit() {
        let m = constant(&[1.0; 8], [2, 2, 2]);
        let got = constant(&[1.0; 3], 3).baddbmm(&m, &m, 1.0, 1.0);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let got = m.baddbmm(&m, &constant(&[1.0; 4], [1, 2, 2]), 1.0, 1.0);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
    }
}
