//! Eigenvalues and eigenvectors of symmetric matrices.

use gradus_linalg::decomp;
use gradus_tensor::{Result, Tensor};

use super::cholesky::symmetrized;
use super::matrix_power::units;
use crate::ops::support::matrix::{batched, square, transposed};
use crate::ops::support::matrix_cases::{
    columns_scaled, near, symmetric, transposed as swapped, units_like,
};
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec};
use crate::{Backward, Error, Op, Outputs, Saves, Stats, Var, apply_multi};

#[derive(Debug)]
struct Eigh {
    upper: bool,
}

impl Op for Eigh {
    fn name(&self) -> &'static str {
        "eigh"
    }

    fn saves(&self) -> Saves {
        Saves::outputs(&[0, 1])
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let (batch, n) = square(self.name(), inputs[0].shape())?;
        let inner = [vec![n], vec![n, n]];
        let found = batched(self.name(), batch, inputs, &inner, &|x, out| {
            let [values, vectors] = out else {
                return Ok(());
            };
            decomp::eigh(values, vectors, x[0], n, self.upper)
        })?;
        Ok(found.into())
    }

    /// `V (diag(λ̄) + (Vᵀ V̄) ∘ F) Vᵀ` with `Fᵢⱼ = 1 / (λⱼ - λᵢ)` off the diagonal and 0 on it: Giles 2008, §3.1.
    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (values, vectors) = (ctx.output(0)?, ctx.output(1)?);
        let mut inner = ctx.grad(grad_out, 0)?.diag_embed(0, -2, -1)?;
        if let Some(Some(grad)) = grad_out.get(1) {
            let n = vectors.dims()[vectors.rank() - 1];
            let unit = units(&vectors, n)?;
            let gaps = values
                .unsqueeze(-2)?
                .sub(&values.unsqueeze(-1)?)?
                .add(&unit)?;
            let turns = transposed(&vectors)?.matmul(grad)?.div(&gaps)?;
            inner = inner.add(&turns.sub(&turns.mul(&unit)?)?)?;
        }
        let grad = vectors.matmul(&inner)?.matmul(&transposed(&vectors)?)?;
        Ok(vec![Some(grad)])
    }
}

impl Var {
    /// Eigenvalues, ascending, and eigenvectors, as columns, of symmetric matrices: `(values, vectors)`.
    ///
    /// # Shapes
    /// `(…, N, N)` to `(…, N)` and `(…, N, N)`.
    ///
    /// # Numerics
    /// Only the lower triangle is read, or the upper one if `upper`. Computed in f64; f32 is widened and rounded. Eigenvectors are unique but for
    /// their sign, and not at all where eigenvalues are equal.
    ///
    /// # Gradient
    /// `V (diag(grad of values) + (Vᵀ · grad of vectors) ∘ F) Vᵀ` with `Fᵢⱼ = 1 / (λⱼ - λᵢ)` (Giles 2008, §3.1). Infinite or NaN if it flows
    /// through eigenvectors of equal eigenvalues. Saves both results.
    ///
    /// # Errors
    /// [`Error::Matrix`] with the first matrix that has a NaN or infinite element; [`Error::Rank`],
    /// [`Error::ShapeMismatch`] if not square; [`Error::DType`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[2.0_f64, 1.0, 1.0, 2.0], [2, 2])?);
    /// let (values, _) = x.eigh(false)?;
    /// let values = values.tensor().to_vec::<f64>()?;
    /// assert!((values[0] - 1.0).abs() < 1e-12 && (values[1] - 3.0).abs() < 1e-12);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.linalg.eigh`, whose `UPLO="U"` is `upper`.
    pub fn eigh(&self, upper: bool) -> Result<(Self, Self)> {
        let mut found = apply_multi(Eigh { upper }, &[self])?.into_iter();
        match (found.next(), found.next()) {
            (Some(values), Some(vectors)) => Ok((values, vectors)),
            _ => Err(Error::Length {
                op: "eigh",
                expected: 2,
                got: 0,
            }),
        }
    }
}

/// The attribute `UPLO`.
pub(super) fn upper(a: &Args) -> Result<bool> {
    Ok(a.choice("UPLO", &["L", "U"])? == 1)
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("eigh", |a| {
        let (values, vectors) = a.var("x")?.eigh(upper(a)?)?;
        Ok(vec![values, vectors])
    })
    .many()
    .small_only()
    .kinked()
    .tolerances(2e-3, 1e-10) // differences of eigenvalues of 0.4 stand in denominators
    .prepared(symmetrized)
    .gauge(|out| {
        // Each eigenvector times itself: the sign does not show.
        let (values, vectors) = (&out[0], &out[1]);
        let product = vectors.unsqueeze(-2)?.mul(&vectors.unsqueeze(-3)?)?;
        Ok(vec![values.clone(), product])
    })
    .input("x", Kind::Float)
    .attr("UPLO", AttrType::Text, "L")
    .property(|a, out| {
        let x = a.dense("x").map_err(|e| e.to_string())?;
        let (values, vectors) = (&out[0], &out[1]);
        let n = x.dims[x.rank() - 1];
        let scaled = columns_scaled(vectors, values);
        near("A V = V diag(λ)", &x.matmul(vectors), &scaled, 1e-12)?;
        let product = swapped(vectors).matmul(vectors);
        near("Vᵀ V", &product, &units_like(&x, n), 1e-12)?;
        match values.data.chunks(n.max(1)).all(<[f64]>::is_sorted) {
            true => Ok(()),
            false => Err("eigenvalues are not ascending".to_owned()),
        }
    })
    .draw(|d| {
        let x = symmetric(d, 0..=1, 3, false)?;
        Ok(Args::new().with("x", x).attr("UPLO", d.pick(&["L", "U"])))
    })
}

/// The eigenvalues of symmetric matrices by Jacobi's rotations, ascending.
pub(super) fn jacobi(mut a: Vec<Vec<f64>>) -> Vec<f64> {
    let n = a.len();
    for _ in 0..60 {
        for p in 0..n {
            for q in p + 1..n {
                let angle = 0.5 * (2.0 * a[p][q]).atan2(a[q][q] - a[p][p]);
                let (sin, cos) = angle.sin_cos();
                for row in &mut a {
                    (row[p], row[q]) = (cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]);
                }
                let (head, tail) = a.split_at_mut(q);
                for (x, y) in head[p].iter_mut().zip(&mut tail[0]) {
                    (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y);
                }
            }
        }
    }
    let mut values: Vec<f64> = (0..n).map(|i| a[i][i]).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The eigenvalues of all matrices of a batch.
pub(super) fn eigenvalues(x: &Dense) -> Dense {
    let values = crate::ops::support::matrix_cases::each_matrix(x)
        .into_iter()
        .flat_map(jacobi);
    crate::ops::support::matrix_cases::stacked(x, &x.dims[x.rank() - 1..], values.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn one_triangle_is_read() {
        let x = constant(&[1.0, f64::NAN, 0.0, 2.0], [2, 2]);
        assert_eq!(values(&x.eigh(false).unwrap().0), [1.0, 2.0]);
        let got = x.eigh(true);
        assert!(
            matches!(got, Err(Error::Matrix { position: 0, .. })),
            "{got:?}"
        );
    }
}
