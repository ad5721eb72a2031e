//! Signs and logarithms of determinants.

use gradus_linalg::decomp;
use gradus_tensor::{Result, Tensor};

use crate::ops::support::matrix::{batched, square, transposed};
use crate::ops::support::matrix_cases::{each_matrix, matrices, stacked};
use crate::registry::{Args, Kind, OpSpec};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply_multi};

#[derive(Debug)]
struct Slogdet;

impl Op for Slogdet {
    fn name(&self) -> &'static str {
        "slogdet"
    }

    fn saves(&self) -> Saves {
        Saves::inputs(&[0])
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let (batch, n) = square(self.name(), inputs[0].shape())?;
        let found = batched(self.name(), batch, inputs, &[vec![], vec![]], &|x, out| {
            (out[0][0], out[1][0]) = decomp::lu(x[0], n, n).log_determinant();
            Ok(())
        })?;
        Ok(found.into())
    }

    /// `A⁻ᵀ` times the gradient of the logarithm; the sign has none.
    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 1)?.unsqueeze(-1)?.unsqueeze(-1)?;
        let inverse = transposed(&ctx.input(0)?.inv()?)?;
        Ok(vec![Some(inverse.mul(&grad)?)])
    }
}

impl Var {
    /// The signs of the determinants and the natural logarithms of their absolute values: `(sign, logabsdet)`.
    ///
    /// # Shapes
    /// `(…, N, N)` to the batch dims, twice.
    ///
    /// # Numerics
    /// From the pivots of LU, in f64; f32 is widened and rounded. 0 and -∞ for singular matrices.
    ///
    /// # Gradient
    /// `grad_out · A⁻ᵀ` for the logarithm, 0 for the sign. Saves the matrices.
    ///
    /// # Errors
    /// [`crate::Error::Rank`], [`crate::Error::ShapeMismatch`] if not square; [`crate::Error::DType`]; in the backward
    /// [`crate::Error::Matrix`] for a singular matrix.
    ///
    /// As `torch.linalg.slogdet`.
    pub fn slogdet(&self) -> Result<(Self, Self)> {
        let mut found = apply_multi(Slogdet, &[self])?.into_iter();
        match (found.next(), found.next()) {
            (Some(sign), Some(log)) => Ok((sign.detach(), log)),
            _ => Err(crate::Error::Length {
                op: "slogdet",
                expected: 2,
                got: 0,
            }),
        }
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("slogdet", |a| {
        let (sign, log) = a.var("x")?.slogdet()?;
        Ok(vec![sign, log])
    })
    .many()
    .small_only()
    .tolerances(5e-5, 1e-11) // the condition of the inverse
    .input("x", Kind::Float)
    .reference(|a| {
        let x = a.dense("x")?;
        let dets = each_matrix(&x);
        let dets = dets.iter().map(|a| super::det::leibniz(a));
        let (sign, log) = dets.map(|det| (det.signum(), det.abs().ln())).unzip();
        Ok(vec![stacked(&x, &[], sign), stacked(&x, &[], log)])
    })
    .draw(|d| Ok(Args::new().with("x", matrices(d, 0..=2, [1, 4], None)?)))
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn singular_matrices_have_no_gradient() {
        let x = leaf(&[1.0_f64, 2.0, 2.0, 4.0], [2, 2]);
        let (sign, log) = x.slogdet().unwrap();
        assert_eq!(
            (values(&sign), values(&log)),
            (vec![0.0], vec![f64::NEG_INFINITY])
        );
        let got = log.backward();
        assert!(matches!(
            got.unwrap_err().root(),
            Error::Matrix { position: 0, .. }
        ));
    }
}
