//! Exponentials of matrices.

use gradus_linalg::decomp;
use gradus_tensor::{Result, Tensor};

use crate::ops::support::matrix::{batched, square, transposed};
use crate::ops::support::matrix_cases::units_like;
use crate::registry::{Args, Kind, OpSpec, Values, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct MatrixExp;

impl Op for MatrixExp {
    fn name(&self) -> &'static str {
        "matrix_exp"
    }

    fn saves(&self) -> Saves {
        Saves::inputs(&[0])
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let (batch, n) = square(self.name(), inputs[0].shape())?;
        let found = batched(self.name(), batch, inputs, &[vec![n, n]], &|x, out| {
            decomp::matrix_exp(out[0], x[0], n);
            Ok(())
        })?;
        Ok(found.into())
    }

    /// The upper right block of the exponential of `(Aᵀ Ḡ; 0 Aᵀ)`: Mathias 1996, A chain rule for matrix functions and applications, SIAM
    /// J. Matrix Anal. Appl. 17(3).
    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let at = transposed(&ctx.input(0)?)?;
        let n = at.dims()[at.rank() - 1];
        let grad = ctx.grad(grad_out, 0)?;
        let zeros = Var::constant(Tensor::zeros(at.shape(), at.dtype())?);
        let above = Var::cat(&[&at, &grad], -1)?;
        let below = Var::cat(&[&zeros, &at], -1)?;
        let whole = Var::cat(&[&above, &below], -2)?.matrix_exp()?;
        Ok(vec![Some(whole.narrow(-2, 0, n)?.narrow(-1, n, n)?)])
    }
}

impl Var {
    /// The exponential `Σ selfᵏ / k!`.
    ///
    /// # Shapes
    /// `(…, N, N)`; the result has the same.
    ///
    /// # Numerics
    /// By a Padé approximant of degree 13 of the matrix scaled down, squared again (Higham 2005), in f64; f32 is widened and rounded.
    /// NaN for matrices with a NaN or infinite element.
    ///
    /// # Gradient
    /// A block of the exponential of a matrix of twice the size (Mathias 1996). Saves the matrices.
    ///
    /// # Errors
    /// [`crate::Error::Rank`], [`crate::Error::ShapeMismatch`] if not square; [`crate::Error::DType`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[0.0_f64, 3.0, 0.0, 0.0], [2, 2])?);
    /// let y = x.matrix_exp()?.tensor().to_vec::<f64>()?;
    /// assert!(y.iter().zip([1.0, 3.0, 0.0, 1.0]).all(|(y, want)| (y - want).abs() < 1e-14));
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.linalg.matrix_exp`.
    pub fn matrix_exp(&self) -> Result<Self> {
        apply(MatrixExp, &[self])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("matrix_exp", |a| Ok(one(a.var("x")?.matrix_exp()?)))
        .small_only()
        .tolerances(5e-5, 1e-11) // values of up to exp(4)
        .input("x", Kind::Float)
        .reference(|a| {
            // The series, term by term.
            let x = a.dense("x")?;
            let mut term = units_like(&x, x.dims[x.rank() - 1]);
            let mut sum = term.clone();
            for k in 1..80 {
                term = term.matmul(&x).map(|t| t / f64::from(k));
                sum = sum.zip(&term, |s, t| s + t);
            }
            Ok(vec![sum])
        })
        .draw(|d| {
            let batch = d.shape(0..=2, 1..=2);
            let n = d.range(1..=3);
            let size = d.pick(&[0.01, 1.0, 3.0]);
            let x = d.floats(&[&batch[..], &[n, n]].concat(), Values::between(-1.0, 1.0))?;
            let x = Var::constant(x).mul_scalar(size)?;
            Ok(Args::new().with("x", x))
        })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_10_derivatives_of_any_order() {
        // d³/dx³ exp(x) = exp(x), each through the one before.
        let x = leaf(&[0.5_f64], [1, 1]);
        let mut y = x.matrix_exp().unwrap();
        let config = crate::GradConfig {
            create_graph: true,
            ..crate::GradConfig::default()
        };
        for _ in 0..3 {
            let found = crate::grad(&[&y], &[&x], None, &config).unwrap();
            y = found[0].clone().unwrap();
            assert!((y.item::<f64>().unwrap() - 0.5_f64.exp()).abs() < 1e-13);
        }
    }
}
