//! Systems of equations with matrices given by their Cholesky factor.

use super::solve::eliminated;
use crate::ops::support::matrix::transposed;
use crate::ops::support::matrix_cases::{symmetric, transposed as swapped};
use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// The solution of `L · Lᵀ · X = self`, or of `Uᵀ · U · X = self` if the factor is `upper`.
    ///
    /// # Shapes
    /// `self` `(…, N, K)`, `factor` `(…, N, N)`, of which one triangle is read; batch dims broadcast.
    ///
    /// # Numerics, gradient, errors
    /// As [`Var::solve_triangular`], twice.
    ///
    /// As `torch.cholesky_solve`.
    pub fn cholesky_solve(&self, factor: &Self, upper: bool) -> Result<Self> {
        let other = transposed(factor)?;
        let (first, second) = if upper {
            (&other, factor)
        } else {
            (factor, &other)
        };
        let half = first.solve_triangular(self, false, true, false)?;
        second.solve_triangular(&half, true, true, false)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("cholesky_solve", |a| {
        let (x, factor) = (a.var("x")?, a.var("input2")?);
        Ok(one(x.cholesky_solve(factor, a.flag("upper")?)?))
    })
    .small_only()
    .kinked()
    .tolerances(5e-4, 1e-11) // the condition of the factor, four times for gradients
    .input("x", Kind::Float)
    .input("input2", Kind::Float)
    .attr("upper", AttrType::Bool, false)
    .reference(|a| {
        let (y, factor, upper) = (a.dense("x")?, a.dense("input2")?, a.flag("upper")?);
        let rank = factor.rank();
        let triangle = crate::registry::Dense::from_fn(&factor.dims, |at| {
            let (i, j) = (at[rank - 2], at[rank - 1]);
            if i == j || (j > i) == upper {
                factor.at(at)
            } else {
                0.0
            }
        });
        let other = swapped(&triangle);
        let product = match upper {
            true => other.matmul(&triangle),
            false => triangle.matmul(&other),
        };
        Ok(vec![eliminated(&product, &y, true)])
    })
    .draw(|d| {
        // A matrix near the unit one, of which a triangle is the factor.
        let factor = symmetric(d, 0..=1, 3, true)?;
        let (&n, batch) = (
            factor.dims().last().unwrap_or(&1),
            &factor.dims()[..factor.rank() - 2],
        );
        let k = d.range(1..=2);
        let y = d.reals(&[batch, &[n, k]].concat())?;
        let args = Args::new().with("x", y).with("input2", factor.clone());
        Ok(args.attr("upper", d.flag()))
    })
}
