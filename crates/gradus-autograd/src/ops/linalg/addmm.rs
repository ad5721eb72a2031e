//! A matrix product added to a matrix.

use super::bmm::require_rank;
use crate::ops::support::scaled;
use crate::registry::{Args, Dense, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// A matrix product added to a matrix: `beta · self + alpha · mat1 · mat2`.
    ///
    /// # Shapes
    /// `(M, K) · (K, N)`, and `self` broadcasts to `(M, N)`, as does the result.
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
    /// As `torch.addmm`.
    pub fn addmm(&self, mat1: &Self, mat2: &Self, beta: f64, alpha: f64) -> Result<Self> {
        require_rank("addmm", mat1, 2)?;
        require_rank("addmm", mat2, 2)?;
        let product = mat1.matmul(mat2)?;
        scaled::added("addmm", self, product, beta, alpha)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    let spec = OpSpec::new("addmm", |a| {
        let [beta, alpha] = scaled::factors(a)?;
        let (mat1, mat2) = (a.var("mat1")?, a.var("mat2")?);
        Ok(one(a.var("x")?.addmm(mat1, mat2, beta, alpha)?))
    });
    scaled::with_factors(spec)
        .small_only()
        .input("x", Kind::Float)
        .input("mat1", Kind::Float)
        .input("mat2", Kind::Float)
        .reference(|a| {
            let (mat1, mat2) = (a.dense("mat1")?, a.dense("mat2")?);
            let product: Dense = mat1.matmul(&mat2);
            scaled::reference(a, &product)
        })
        .draw(|d| {
            let mat1 = d.shape(2..=2, 1..=3);
            let mat2 = [mat1[1], d.range(1..=3)];
            let product = [mat1[0], mat2[1]];
            let x = d.narrower(&product);
            let args = Args::new()
                .with("x", d.reals(&x)?)
                .with("mat1", d.reals(&mat1)?)
                .with("mat2", d.reals(&mat2)?);
            Ok(scaled::draw_factors(d, args))
        })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn what_is_not_read_does_not_show() {
        let x = leaf(&[f64::NAN; 4], [2, 2]);
        let m = constant(&[1.0, 0.0, 0.0, 1.0], [2, 2]);
        let y = x.addmm(&m, &m, 0.0, 2.0).unwrap();
        assert_eq!(values(&y), [2.0, 0.0, 0.0, 2.0]);
    }

    #[test]
    fn rejects_operands_that_do_not_fit() {
        let m = constant(&[1.0; 4], [2, 2]);
        let got = constant(&[1.0; 3], 3).addmm(&m, &m, 1.0, 1.0);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let got = constant(&[1.0; 8], [2, 2, 2]).addmm(&m, &m, 1.0, 1.0);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let got = m.addmm(&constant(&[1.0; 2], 2), &m, 1.0, 1.0);
        assert!(matches!(got, Err(Error::Rank { .. })), "{got:?}");
    }
}
