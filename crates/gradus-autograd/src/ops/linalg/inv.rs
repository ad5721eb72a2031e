//! Inverse matrices.

use gradus_linalg::decomp;
use gradus_tensor::{Result, Tensor};

use crate::ops::support::matrix::{batched, square, transposed};
use crate::ops::support::matrix_cases::{matrices, units_like};
use crate::registry::{Args, Dense, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Inv;

impl Op for Inv {
    fn name(&self) -> &'static str {
        "inv"
    }

    fn saves(&self) -> Saves {
        Saves::outputs(&[0])
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let (batch, n) = square(self.name(), inputs[0].shape())?;
        let unit = |at: usize| f64::from(u8::from(at / n == at % n));
        let unit: Vec<f64> = (0..n * n).map(unit).collect();
        let inverse = batched(self.name(), batch, inputs, &[vec![n, n]], &|x, inverse| {
            decomp::lu(x[0], n, n).solve(inverse[0], &unit, n)
        })?;
        Ok(inverse.into())
    }

    /// `-A⁻ᵀ Ḡ A⁻ᵀ`: Giles 2008, §2.2.3.
    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let inverse = transposed(&ctx.output(0)?)?;
        let grad = inverse.matmul(&ctx.grad(grad_out, 0)?)?.matmul(&inverse)?;
        Ok(vec![Some(grad.neg()?)])
    }
}

impl Var {
    /// The inverse matrices. [`Var::solve`] is more exact where a product with the inverse is wanted.
    ///
    /// # Shapes
    /// `(…, N, N)`; the result has the same.
    ///
    /// # Numerics
    /// By LU with partial pivoting, in f64; f32 is widened and rounded.
    ///
    /// # Gradient
    /// `-A⁻ᵀ · grad_out · A⁻ᵀ` (Giles 2008, §2.2.3). Saves the inverse.
    ///
    /// # Errors
    /// [`crate::Error::Matrix`] with the first singular matrix; [`crate::Error::Rank`], [`crate::Error::ShapeMismatch`] if
    /// not square; [`crate::Error::DType`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[2.0_f64, 0.0, 0.0, 4.0], [2, 2])?);
    /// assert_eq!(x.inv()?.tensor().to_vec::<f64>()?, [0.5, 0.0, 0.0, 0.25]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.linalg.inv`.
    pub fn inv(&self) -> Result<Self> {
        apply(Inv, &[self])
    }
}

/// The inverse by elimination.
pub(super) fn reference(x: &Dense) -> Dense {
    super::solve::eliminated(x, &units_like(x, x.dims[x.rank() - 1]), true)
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("inv", |a| Ok(one(a.var("x")?.inv()?)))
        .small_only()
        .tolerances(1e-4, 1e-11) // a condition of up to 4, twice for gradients
        .input("x", Kind::Float)
        .reference(|a| Ok(vec![reference(&a.dense("x")?)]))
        .draw(|d| Ok(Args::new().with("x", matrices(d, 0..=2, [1, 3], None)?)))
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn names_the_singular_matrix() {
        let x = constant(&[1.0, 0.0, 0.0, 1.0, 0.0, 2.0, 0.0, 4.0], [2, 1, 2, 2]);
        let got = x.inv().unwrap_err();
        assert!(
            matches!(
                got,
                Error::Matrix {
                    op: "inv",
                    position: 1,
                    ..
                }
            ),
            "{got}"
        );
        let got = constant(&BOTH_SIGNS, [2, 3]).inv();
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
    }
}
