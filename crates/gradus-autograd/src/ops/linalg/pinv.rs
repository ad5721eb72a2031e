//! Pseudo-inverses.

use gradus_linalg::decomp;
use gradus_tensor::{DType, Result, Tensor};

use super::inv::reference as inverse;
use crate::ops::support::matrix::{batched, parts, square, transposed};
use crate::ops::support::matrix_cases::{matrices, transposed as swapped};
use crate::registry::{Args, Attr, AttrType, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// Which singular values count as 0: those not above either bound, the second times the largest one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RankTolerance {
    /// An absolute bound; 0 if not given.
    pub atol: Option<f64>,
    /// A bound relative to the largest singular value. If not given, the larger side of the matrix times the dtype's epsilon, or 0 if an absolute bound above 0
    /// is given.
    pub rtol: Option<f64>,
}

impl RankTolerance {
    /// The highest singular value that counts as 0, beside this largest one.
    pub(super) fn bound(&self, largest: f64, sides: [usize; 2], dtype: DType) -> f64 {
        let epsilon = match dtype {
            DType::F32 => f64::from(f32::EPSILON),
            _ => f64::EPSILON,
        };
        let atol = self.atol.unwrap_or(0.0);
        let usual = match atol > 0.0 {
            true => 0.0,
            false => sides[0].max(sides[1]) as f64 * epsilon,
        };
        atol.max(self.rtol.unwrap_or(usual) * largest)
    }
}

#[derive(Debug)]
struct Pinv {
    tolerance: RankTolerance,
}

impl Op for Pinv {
    fn name(&self) -> &'static str {
        "pinv"
    }

    fn saves(&self) -> Saves {
        Saves::inputs(&[0]).and(Saves::outputs(&[0]))
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let (batch, [m, n]) = parts(self.name(), inputs[0].shape())?;
        let (k, dtype) = (m.min(n), inputs[0].dtype());
        let found = batched(self.name(), batch, inputs, &[vec![n, m]], &|x, out| {
            let (mut u, mut s, mut vt) = (vec![0.0; m * k], vec![0.0; k], vec![0.0; k * n]);
            decomp::svd(&mut u, &mut s, &mut vt, x[0], [m, n], false)?;
            let largest = s.first().copied().unwrap_or(0.0);
            let bound = self.tolerance.bound(largest, [m, n], dtype);
            out[0].fill(0.0);
            for i in (0..k).filter(|&i| s[i] > bound) {
                for (at, out) in out[0].iter_mut().enumerate() {
                    *out += vt[i * n + at / m] / s[i] * u[at % m * k + i];
                }
            }
            Ok(())
        })?;
        Ok(found.into())
    }

    /// `-Pᵀ P̄ Pᵀ + (1 - A P) P̄ᵀ P Pᵀ + Pᵀ P P̄ᵀ (1 - P A)`: Golub and Pereyra 1973, The differentiation of pseudo-inverses and
    /// nonlinear least squares problems whose variables separate, SIAM J. Numer. Anal. 10(2), eq. 4.12.
    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (a, p) = (ctx.input(0)?, ctx.output(0)?);
        let grad = transposed(&ctx.grad(grad_out, 0)?)?;
        let pt = transposed(&p)?;
        let inner = pt.matmul(&transposed(&grad)?)?.matmul(&pt)?;
        // Both parts of products with P first, so that they are as small as the smaller side allows.
        let left = grad.matmul(&p)?.matmul(&pt)?;
        let left = left.sub(&a.matmul(&p.matmul(&left)?)?)?;
        let right = pt.matmul(&p.matmul(&grad)?)?;
        let right = right.sub(&right.matmul(&p)?.matmul(&a)?)?;
        Ok(vec![Some(left.add(&right)?.sub(&inner)?)])
    }
}

impl Var {
    /// The pseudo-inverse of Moore and Penrose: `V · diag(1 / S) · Uᵀ` without the singular values that count as 0.
    ///
    /// # Shapes
    /// `(…, M, N)` to `(…, N, M)`.
    ///
    /// # Numerics
    /// By singular values, in f64; f32 is widened and rounded. `tolerance` says which of them count as 0.
    ///
    /// # Gradient
    /// That of Golub and Pereyra 1973, for a rank that stays. Saves the matrices and the result.
    ///
    /// # Errors
    /// [`crate::Error::Matrix`] with the first matrix that has a NaN or infinite element; [`crate::Error::Rank`]; [`crate::Error::DType`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::RankTolerance};
    /// let x = Var::from(Tensor::from_slice(&[2.0_f64, 0.0, 0.0, 0.0], [2, 2])?);
    /// assert_eq!(x.pinv(&RankTolerance::default())?.tensor().to_vec::<f64>()?, [0.5, 0.0, 0.0, 0.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.linalg.pinv`.
    pub fn pinv(&self, tolerance: &RankTolerance) -> Result<Self> {
        let tolerance = *tolerance;
        apply(Pinv { tolerance }, &[self])
    }
}

/// The input of a call; with `hermitian` its lower triangle mirrored.
pub(super) fn given(a: &Args, op: &'static str) -> Result<Var> {
    let x = a.var("x")?;
    if !a.flag("hermitian")? {
        return Ok(x.clone());
    }
    square(op, x.shape())?;
    x.tril(0)?.add(&transposed(&x.tril(-1)?)?)
}

/// The attributes `atol` and `rtol`.
pub(super) fn tolerance(a: &Args) -> Result<RankTolerance> {
    Ok(RankTolerance {
        atol: a.opt("atol", Args::float)?,
        rtol: a.opt("rtol", Args::float)?,
    })
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("pinv", |a| Ok(one(given(a, "pinv")?.pinv(&tolerance(a)?)?)))
        .small_only()
        .kinked()
        .tolerances(1e-4, 1e-10) // a condition of up to 4, three times for gradients
        .variety(2)
        .input("x", Kind::Float)
        .attr("atol", AttrType::Float, Attr::None)
        .attr("rtol", AttrType::Float, Attr::None)
        .attr("hermitian", AttrType::Bool, false)
        .reference(|a| {
            // Of full rank: (Aᵀ A)⁻¹ Aᵀ, or Aᵀ (A Aᵀ)⁻¹.
            let mut x = a.dense("x")?;
            let rank = x.rank();
            if a.flag("hermitian")? {
                let full = x.clone();
                x = crate::registry::Dense::from_fn(&full.dims, |at| {
                    let mut own = at.to_vec();
                    own[rank - 2] = at[rank - 2].max(at[rank - 1]);
                    own[rank - 1] = at[rank - 2].min(at[rank - 1]);
                    full.at(&own)
                });
            }
            let xt = swapped(&x);
            Ok(vec![match x.dims[rank - 2] >= x.dims[rank - 1] {
                true => inverse(&xt.matmul(&x)).matmul(&xt),
                false => xt.matmul(&inverse(&x.matmul(&xt))),
            }])
        })
        .draw(|d| {
            if d.below(4) == 3 {
                let x = crate::ops::support::matrix_cases::symmetric(d, 0..=1, 3, false)?;
                return Ok(Args::new().with("x", x).attr("hermitian", true));
            }
            let x = matrices(d, 0..=1, [1, 3], Some([1, 4]))?;
            let args = Args::new().with("x", x);
            Ok(match d.below(3) {
                0 => args,
                1 => args.attr("rtol", 0.01),
                _ => args.attr("atol", 0.1),
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn small_singular_values_count_as_nothing() {
        let x = constant(&[2.0, 0.0, 0.0, 0.1], [2, 2]);
        let pinv = |atol: Option<f64>, rtol: Option<f64>| {
            values(&x.pinv(&RankTolerance { atol, rtol }).unwrap())
        };
        let (all, first) = ([0.5, 0.0, 0.0, 10.0], [0.5, 0.0, 0.0, 0.0]);
        assert_eq!(pinv(None, None), all);
        assert_eq!(pinv(Some(0.2), None), first);
        assert_eq!(pinv(None, Some(0.1)), first);
        assert_eq!(pinv(Some(0.05), Some(0.01)), all);
    }
}
