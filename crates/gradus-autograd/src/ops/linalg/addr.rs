//! The products of all pairs of two vectors, added to a matrix.

use super::bmm::require_rank;
use crate::ops::support::scaled;
use crate::registry::{Args, Dense, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// The products of all pairs of two vectors, added to a matrix: `beta · self + alpha · vec1 · vec2ᵀ`.
    ///
    /// # Shapes
    /// `(M,)` and `(N,)`, and `self` broadcasts to `(M, N)`, as does the result.
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
    /// As `torch.addr`.
    pub fn addr(&self, vec1: &Self, vec2: &Self, beta: f64, alpha: f64) -> Result<Self> {
        require_rank("addr", vec1, 1)?;
        require_rank("addr", vec2, 1)?;
        let product = vec1.outer(vec2)?;
        scaled::added("addr", self, product, beta, alpha)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    let spec = OpSpec::new("addr", |a| {
        let [beta, alpha] = scaled::factors(a)?;
        let (vec1, vec2) = (a.var("vec1")?, a.var("vec2")?);
        Ok(one(a.var("x")?.addr(vec1, vec2, beta, alpha)?))
    });
    scaled::with_factors(spec)
        .small_only()
        .input("x", Kind::Float)
        .input("vec1", Kind::Float)
        .input("vec2", Kind::Float)
        .reference(|a| {
            let (vec1, vec2) = (a.dense("vec1")?, a.dense("vec2")?);
            let dims = [vec1.numel(), vec2.numel()];
            let product = Dense::from_fn(&dims, |at| vec1.data[at[0]] * vec2.data[at[1]]);
            scaled::reference(a, &product)
        })
        .draw(|d| {
            let vec1 = d.shape(1..=1, 1..=3);
            let vec2 = [d.range(1..=3)];
            let product = [vec1[0], vec2[0]];
            let x = d.narrower(&product);
            let args = Args::new()
                .with("x", d.reals(&x)?)
                .with("vec1", d.reals(&vec1)?)
                .with("vec2", d.reals(&vec2)?);
            Ok(scaled::draw_factors(d, args))
        })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_operands_that_do_not_fit() {
        let v = constant(&[1.0; 2], 2);
        let got = constant(&[1.0; 3], 3).addr(&v, &v, 1.0, 1.0);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
    }
}
