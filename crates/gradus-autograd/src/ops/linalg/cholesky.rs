//! The Cholesky factor of symmetric positive definite matrices.

use gradus_linalg::decomp;
use gradus_tensor::{Result, Tensor};

use crate::ops::support::matrix::{batched, square, transposed};
use crate::ops::support::matrix_cases::{each_matrix, stacked, symmetric, transposed as swapped};
use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Cholesky;

impl Op for Cholesky {
    fn name(&self) -> &'static str {
        "cholesky"
    }

    fn saves(&self) -> Saves {
        Saves::outputs(&[0])
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let (batch, n) = square(self.name(), inputs[0].shape())?;
        let factor = batched(self.name(), batch, inputs, &[vec![n, n]], &|x, l| {
            decomp::cholesky(l[0], x[0], n)
        })?;
        Ok(factor.into())
    }

    /// `½ (S + Sᵀ)` with `S = L⁻ᵀ Φ(Lᵀ Ḡ) L⁻¹`, where Φ is the lower triangle with its diagonal halved: Murray 2016,
    /// Differentiation of the Cholesky decomposition, arXiv:1602.07527, eq. 9 and 10.
    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (grad, l) = (ctx.grad(grad_out, 0)?, ctx.output(0)?);
        let inner = transposed(&l)?.matmul(&grad)?;
        let half = inner.tril(0)?.add(&inner.tril(-1)?)?.mul_scalar(0.5)?;
        let up = transposed(&l)?;
        let s = up.solve_triangular(&half, true, true, false)?;
        let s = up.solve_triangular(&transposed(&s)?, true, true, false)?;
        Ok(vec![Some(s.add(&transposed(&s)?)?.mul_scalar(0.5)?)])
    }
}

impl Var {
    /// Lower triangular `L` with `L · Lᵀ = self`; `Lᵀ` if `upper`.
    ///
    /// # Shapes
    /// `(…, N, N)`, symmetric and positive definite; the result has the same.
    ///
    /// # Numerics
    /// Only the lower triangle is read. Computed in f64; f32 is widened and rounded.
    ///
    /// # Gradient
    /// That of a symmetric matrix, `½ (S + Sᵀ)` with `S = L⁻ᵀ Φ(Lᵀ · grad_out) L⁻¹` (Murray 2016, arXiv:1602.07527). Saves the factor.
    ///
    /// # Errors
    /// [`crate::Error::Matrix`] with the first matrix that is not positive definite; [`crate::Error::Rank`],
    /// [`crate::Error::ShapeMismatch`] if not square; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[4.0_f64, 2.0, 2.0, 10.0], [2, 2])?);
    /// assert_eq!(x.cholesky(false)?.tensor().to_vec::<f64>()?, [2.0, 0.0, 1.0, 3.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.linalg.cholesky`.
    pub fn cholesky(&self, upper: bool) -> Result<Self> {
        let factor = apply(Cholesky, &[self])?;
        if upper {
            transposed(&factor)
        } else {
            Ok(factor)
        }
    }
}

/// `x` and its transpose halved: what is differentiated of ops that read one triangle.
pub(super) fn symmetrized(a: &Args) -> Result<Args> {
    let x = a.var("x")?;
    let sum = x.add(&transposed(x)?)?;
    Ok(a.clone().with("x", sum.mul_scalar(0.5)?))
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("cholesky", |a| {
        Ok(one(a.var("x")?.cholesky(a.flag("upper")?)?))
    })
    .small_only()
    .prepared(symmetrized)
    .input("x", Kind::Float)
    .attr("upper", AttrType::Bool, false)
    .reference(|a| {
        let x = a.dense("x")?;
        let n = x.dims[x.rank() - 1];
        let mut data = Vec::new();
        for a in each_matrix(&x) {
            let mut l = vec![vec![0.0_f64; n]; n];
            for i in 0..n {
                for j in 0..=i {
                    let sum: f64 = (0..j).map(|k| l[i][k] * l[j][k]).sum();
                    l[i][j] = match i == j {
                        true => (a[i][i] - sum).sqrt(),
                        false => (a[i][j] - sum) / l[j][j],
                    };
                }
            }
            data.extend(l.into_iter().flatten());
        }
        let factor = stacked(&x, &[n, n], data);
        Ok(vec![if a.flag("upper")? {
            swapped(&factor)
        } else {
            factor
        }])
    })
    .draw(|d| {
        let x = symmetric(d, 0..=2, 4, true)?;
        Ok(Args::new().with("x", x).attr("upper", d.flag()))
    })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn names_the_matrix_that_is_not_positive_definite() {
        let x = constant(&[1.0, 0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 1.0], [2, 2, 2]);
        let got = x.cholesky(false).unwrap_err();
        assert!(
            matches!(
                got,
                Error::Matrix {
                    op: "cholesky",
                    position: 1,
                    ..
                }
            ),
            "{got}"
        );
        let words = "cholesky: matrix 1 of the batch is not positive definite";
        assert_eq!(got.to_string(), words);
        let got = constant(&BOTH_SIGNS, [2, 3]).cholesky(false);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let got = constant(&BOTH_SIGNS, 6).cholesky(false);
        assert!(matches!(got, Err(Error::Rank { .. })), "{got:?}");
        assert!(matches!(
            constant(&[1_i64], [1, 1]).cholesky(false),
            Err(Error::DType { .. })
        ));
    }

    #[test]
    fn museum_46_matrices_of_no_elements() {
        for dims in [[0, 0, 0], [0, 2, 2], [2, 0, 0]] {
            let x = leaf::<f64>(&[], dims);
            let y = x.cholesky(true).unwrap();
            assert_eq!(y.dims(), dims);
            let grads = y.backward_with(&y.detach()).unwrap();
            assert_eq!(grads.get_var(&x).unwrap().dims(), dims);
        }
    }
}
