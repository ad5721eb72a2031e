//! Singular values.

use super::eigh::eigenvalues;
use crate::ops::support::matrix_cases::{matrices, transposed};
use crate::registry::{Args, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// The singular values, descending: those of [`Var::svd`].
    ///
    /// # Shapes
    /// `(…, M, N)` to `(…, K)` with K the smaller of both.
    ///
    /// # Numerics, errors
    /// As [`Var::svd`]. Vectors are computed, too, where a gradient is recorded.
    ///
    /// # Gradient
    /// `U diag(grad_out) Vᵀ`, finite also where singular values are equal or 0. Saves the vectors.
    ///
    /// As `torch.linalg.svdvals`.
    pub fn svdvals(&self) -> Result<Self> {
        if self.requires_grad() {
            return Ok(self.svd(false)?.1);
        }
        use crate::ops::support::matrix::{batched, parts};
        let (batch, [m, n]) = parts("svdvals", self.shape())?;
        let inner = [vec![m.min(n)]];
        let found = batched("svdvals", batch, &[self.tensor()], &inner, &|x, s| {
            gradus_linalg::decomp::singular_values(s[0], x[0], [m, n])
        })?;
        let values = found.into_iter().next().ok_or(crate::Error::Length {
            op: "svdvals",
            expected: 1,
            got: 0,
        });
        Ok(Self::constant(values?))
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("svdvals", |a| Ok(one(a.var("x")?.svdvals()?)))
        .small_only()
        .kinked()
        .tolerances(1e-4, 1e-11) // vectors of gaps of 0.4
        .input("x", Kind::Float)
        .reference(|a| {
            // The roots of the eigenvalues of A Aᵀ, the largest ones first.
            let x = a.dense("x")?;
            let wide = x.dims[x.rank() - 2] <= x.dims[x.rank() - 1];
            let square = match wide {
                true => x.matmul(&transposed(&x)),
                false => transposed(&x).matmul(&x),
            };
            let values = eigenvalues(&square);
            let values = values.along(values.rank() - 1, |lane| {
                lane.iter()
                    .rev()
                    .map(|value| value.max(0.0).sqrt())
                    .collect()
            });
            Ok(vec![values])
        })
        .draw(|d| Ok(Args::new().with("x", matrices(d, 0..=2, [1, 3], Some([1, 4]))?)))
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn equal_values_have_a_gradient() {
        let x = leaf(&[2.0_f64, 0.0, 0.0, 2.0], [2, 2]);
        let y = x.svdvals().unwrap();
        let grads = y.backward_with(&constant(&[1.0, 1.0], 2)).unwrap();
        let grad = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        gradus_testing::check_close("grad", &grad, &[1.0, 0.0, 0.0, 1.0], 1e-14, 1e-14);
    }
}
