//! Singular values and vectors.

use gradus_linalg::decomp;
use gradus_tensor::{Result, Tensor};

use super::matrix_power::units;
use crate::ops::support::matrix::{batched, parts, transposed};
use crate::ops::support::matrix_cases::{
    columns_scaled, matrices, near, transposed as swapped, units_like,
};
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec};
use crate::{Backward, Error, Op, Outputs, Saves, Stats, Var, apply_multi};

#[derive(Debug)]
struct Svd {
    full: bool,
}

impl Op for Svd {
    fn name(&self) -> &'static str {
        "svd"
    }

    fn saves(&self) -> Saves {
        Saves::outputs(&[0, 1, 2])
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let (batch, [m, n]) = parts(self.name(), inputs[0].shape())?;
        let least = m.min(n);
        let (k, l) = if self.full { (m, n) } else { (least, least) };
        let inner = [vec![m, k], vec![least], vec![l, n]];
        let found = batched(self.name(), batch, inputs, &inner, &|x, out| {
            let [u, s, vt] = out else { return Ok(()) };
            decomp::svd(u, s, vt, x[0], [m, n], self.full)
        })?;
        Ok(found.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let s = ctx.output(1)?;
        let k = s.dims()[s.rank() - 1];
        // Of full matrices the vectors without a singular value have no gradient.
        let left = |u: &Var| u.narrow(-1, 0, k);
        let right = |vt: &Var| vt.narrow(-2, 0, k);
        let of = |i: usize| grad_out.get(i).cloned().flatten();
        let grad_u = of(0).map(|g| left(&g)).transpose()?;
        let grad_vt = of(2).map(|g| right(&g)).transpose()?;
        let outputs = [left(&ctx.output(0)?)?, s, right(&ctx.output(2)?)?];
        let grad = backward(&outputs, [grad_u, of(1), grad_vt])?;
        Ok(vec![Some(grad)])
    }
}

/// `U (diag(s̄) + (skew(Uᵀ Ū) ∘ F) S + S (skew(Vᵀ V̄) ∘ F)) Vᵀ`, `Fᵢⱼ = 1 / (sⱼ² - sᵢ²)`, and what lies outside of the space of U or V:
/// Giles 2008, §3.2; Townsend 2016, Differentiating the singular value decomposition.
fn backward([u, s, vt]: &[Var; 3], grads: [Option<Var>; 3]) -> Result<Var> {
    let [grad_u, grad_s, grad_vt] = grads;
    let k = s.dims()[s.rank() - 1];
    let (row, column) = (s.unsqueeze(-2)?, s.unsqueeze(-1)?);
    let square = row.square()?.sub(&column.square()?)?;
    let gaps = square.add(&units(&square, k)?)?;
    let turns = |inner: Var| inner.sub(&transposed(&inner)?)?.div(&gaps);
    let mut core = match grad_s {
        Some(grad) => grad.diag_embed(0, -2, -1)?,
        None => square.mul_scalar(0.0)?,
    };
    let mut rest: Option<Var> = None;
    let add = |rest: Option<Var>, more: Var| match rest {
        Some(rest) => rest.add(&more),
        None => Ok(more),
    };
    if let Some(grad) = grad_u {
        let inner = transposed(u)?.matmul(&grad)?;
        core = core.add(&turns(inner.clone())?.mul(&row)?)?;
        if u.dims()[u.rank() - 2] > k {
            let outside = grad.sub(&u.matmul(&inner)?)?.div(&row)?;
            rest = Some(add(rest, outside.matmul(vt)?)?);
        }
    }
    if let Some(grad) = grad_vt {
        let inner = vt.matmul(&transposed(&grad)?)?;
        core = core.add(&turns(inner.clone())?.mul(&column)?)?;
        if vt.dims()[vt.rank() - 1] > k {
            let outside = grad.sub(&transposed(&inner)?.matmul(vt)?)?.div(&column)?;
            rest = Some(add(rest, u.matmul(&outside)?)?);
        }
    }
    let inside = u.matmul(&core)?.matmul(vt)?;
    add(rest, inside)
}

impl Var {
    /// The singular value decomposition `self = U · diag(S) · Vᵀ`: `(U, S, Vᵀ)`.
    ///
    /// # Shapes
    /// `(…, M, N)` to `(…, M, K)`, `(…, K)` and `(…, K, N)` with K the smaller of both; with `full_matrices` U is `(…, M, M)` and Vᵀ `(…, N, N)`.
    ///
    /// # Numerics
    /// Singular values are descending, none is negative. Computed in f64; f32 is widened and rounded. Vectors are unique but for a sign that U and V
    /// share, and not at all where singular values are equal or 0.
    ///
    /// # Gradient
    /// That of Townsend 2016 (Differentiating the singular value decomposition), with `1 / (sⱼ² - sᵢ²)` and, if not square, `1 / s`: infinite
    /// or NaN if it flows through vectors of equal singular values. Through S alone it is always finite. The vectors that only full matrices
    /// have get none. Saves the results.
    ///
    /// # Errors
    /// [`Error::Matrix`] with the first matrix that has a NaN or infinite element; [`Error::Rank`]; [`Error::DType`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[3.0_f64, 0.0, 0.0, -4.0], [2, 2])?);
    /// let (_, s, _) = x.svd(false)?;
    /// assert_eq!(s.tensor().to_vec::<f64>()?, [4.0, 3.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.linalg.svd`.
    pub fn svd(&self, full_matrices: bool) -> Result<(Self, Self, Self)> {
        let full = full_matrices;
        let mut found = apply_multi(Svd { full }, &[self])?.into_iter();
        match (found.next(), found.next(), found.next()) {
            (Some(u), Some(s), Some(vt)) => Ok((u, s, vt)),
            _ => Err(Error::Length {
                op: "svd",
                expected: 3,
                got: 0,
            }),
        }
    }
}

/// Its registration. As PyTorch's, it gives full matrices unless told otherwise.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("svd", |a| {
        let (u, s, vt) = a.var("x")?.svd(a.flag("full_matrices")?)?;
        Ok(vec![u, s, vt])
    })
    .many()
    .small_only()
    .kinked()
    .tolerances(2e-3, 1e-10) // differences of squares of singular values stand in denominators
    .gauge(|out| {
        // Each pair of vectors multiplied: the sign that they share does not show.
        let (u, s, vt) = (&out[0], &out[1], &out[2]);
        let k = s.dims()[s.rank() - 1];
        let (u, v) = (u.narrow(-1, 0, k)?, transposed(&vt.narrow(-2, 0, k)?)?);
        let product = u.unsqueeze(-2)?.mul(&v.unsqueeze(-3)?)?;
        Ok(vec![s.clone(), product])
    })
    .input("x", Kind::Float)
    .attr("full_matrices", AttrType::Bool, true)
    .property(|a, out| {
        let x = a.dense("x").map_err(|e| e.to_string())?;
        let (u, s, vt) = (&out[0], &out[1], &out[2]);
        let k = s.dims[s.rank() - 1];
        let cut = |x: &Dense, axis: usize| x.along(axis, |lane| lane[..k].to_vec());
        let scaled = columns_scaled(&cut(u, u.rank() - 1), s);
        let product = scaled.matmul(&cut(vt, vt.rank() - 2));
        near("U diag(S) Vᵀ", &product, &x, 1e-12)?;
        let (of_u, of_v) = (u.dims[u.rank() - 1], vt.dims[vt.rank() - 2]);
        near("Uᵀ U", &swapped(u).matmul(u), &units_like(u, of_u), 1e-12)?;
        near(
            "Vᵀ V",
            &vt.matmul(&swapped(vt)),
            &units_like(vt, of_v),
            1e-12,
        )?;
        match s
            .data
            .chunks(k.max(1))
            .all(|s| s.is_sorted_by(|a, b| a >= b))
        {
            true => Ok(()),
            false => Err("singular values are not descending".to_owned()),
        }
    })
    .draw(|d| {
        let x = matrices(d, 0..=1, [1, 3], Some([1, 4]))?;
        Ok(Args::new().with("x", x).attr("full_matrices", d.flag()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn names_the_matrix_that_is_not_finite() {
        let x = constant(&[1.0, 2.0, f64::NAN, 4.0], [2, 1, 2]);
        let got = x.svd(false);
        assert!(
            matches!(got, Err(Error::Matrix { position: 1, .. })),
            "{got:?}"
        );
    }

    #[test]
    fn museum_46_matrices_of_no_elements() {
        for (m, n) in [(0, 3), (3, 0), (0, 0)] {
            for full in [false, true] {
                let x = leaf::<f64>(&[], [m, n]);
                let (u, s, vt) = x.svd(full).unwrap();
                let (k, l) = if full { (m, n) } else { (0, 0) };
                assert_eq!(
                    (u.dims(), s.dims(), vt.dims()),
                    (&[m, k][..], &[0][..], &[l, n][..])
                );
                let grads = s.backward_with(&s.detach()).unwrap();
                assert_eq!(grads.get_var(&x).unwrap().dims(), [m, n]);
            }
        }
    }
}
