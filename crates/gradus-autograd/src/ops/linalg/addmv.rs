//! A matrix times a vector, added to a vector.

use super::bmm::require_rank;
use crate::ops::support::scaled;
use crate::registry::{Args, Dense, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// A matrix times a vector, added to a vector: `beta · self + alpha · mat · vec`.
    ///
    /// # Shapes
    /// `(M, N) · (N,)`, and `self` broadcasts to `(M,)`, as does the result.
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
    /// As `torch.addmv`.
    pub fn addmv(&self, mat: &Self, vec: &Self, beta: f64, alpha: f64) -> Result<Self> {
        require_rank("addmv", mat, 2)?;
        require_rank("addmv", vec, 1)?;
        let product = mat.matmul(vec)?;
        scaled::added("addmv", self, product, beta, alpha)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    let spec = OpSpec::new("addmv", |a| {
        let [beta, alpha] = scaled::factors(a)?;
        let (mat, vec) = (a.var("mat")?, a.var("vec")?);
        Ok(one(a.var("x")?.addmv(mat, vec, beta, alpha)?))
    });
    scaled::with_factors(spec)
        .small_only()
        .input("x", Kind::Float)
        .input("mat", Kind::Float)
        .input("vec", Kind::Float)
        .reference(|a| {
            let (mat, vec) = (a.dense("mat")?, a.dense("vec")?);
            let product = Dense::from_fn(&mat.dims[..1], |at| {
                let terms = vec.data.iter().enumerate();
                terms.map(|(j, v)| mat.at(&[at[0], j]) * v).sum()
            });
            scaled::reference(a, &product)
        })
        .draw(|d| {
            let mat = d.shape(2..=2, 1..=3);
            let (vec, product) = ([mat[1]], [mat[0]]);
            let x = d.narrower(&product);
            let args = Args::new()
                .with("x", d.reals(&x)?)
                .with("mat", d.reals(&mat)?)
                .with("vec", d.reals(&vec)?);
            Ok(scaled::draw_factors(d, args))
        })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_operands_that_do_not_fit() {
        let (m, v) = (constant(&[1.0; 4], [2, 2]), constant(&[1.0; 2], 2));
        let got = constant(&[1.0; 3], 3).addmv(&m, &v, 1.0, 1.0);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let got = v.addmv(&v, &v, 1.0, 1.0);
        assert!(matches!(got, Err(Error::Rank { .. })), "{got:?}");
    }
}
