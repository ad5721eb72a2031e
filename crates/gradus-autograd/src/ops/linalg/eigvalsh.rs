//! Eigenvalues of symmetric matrices.

use super::cholesky::symmetrized;
use super::eigh::{eigenvalues, upper};
use crate::ops::support::matrix_cases::symmetric;
use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// The eigenvalues of symmetric matrices, ascending: those of [`Var::eigh`].
    ///
    /// # Shapes
    /// `(…, N, N)` to `(…, N)`.
    ///
    /// # Numerics, errors
    /// As [`Var::eigh`].
    ///
    /// # Gradient
    /// `V diag(grad_out) Vᵀ`, finite also where eigenvalues are equal. Saves the eigenvectors.
    ///
    /// As `torch.linalg.eigvalsh`.
    pub fn eigvalsh(&self, upper: bool) -> Result<Self> {
        Ok(self.eigh(upper)?.0)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("eigvalsh", |a| Ok(one(a.var("x")?.eigvalsh(upper(a)?)?)))
        .small_only()
        .kinked()
        .tolerances(1e-4, 1e-11) // eigenvectors of gaps of 0.4
        .prepared(symmetrized)
        .input("x", Kind::Float)
        .attr("UPLO", AttrType::Text, "L")
        .reference(|a| Ok(vec![eigenvalues(&a.dense("x")?)]))
        .draw(|d| {
            let x = symmetric(d, 0..=2, 3, false)?;
            Ok(Args::new().with("x", x).attr("UPLO", d.pick(&["L", "U"])))
        })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn equal_eigenvalues_have_a_gradient() {
        let x = leaf(&[2.0_f64, 0.0, 0.0, 2.0], [2, 2]);
        let y = x.eigvalsh(false).unwrap();
        let grads = y.backward_with(&constant(&[1.0, 1.0], 2)).unwrap();
        let grad = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(grad, [1.0, 0.0, 0.0, 1.0]);
    }
}
