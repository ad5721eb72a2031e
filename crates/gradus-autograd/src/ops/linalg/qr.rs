//! Orthogonal times upper triangular.

use gradus_linalg::decomp;
use gradus_tensor::{Result, Tensor};

use crate::ops::support::matrix::{batched, parts, transposed};
use crate::ops::support::matrix_cases::{matrices, near, transposed as swapped, units_like};
use crate::registry::{Args, AttrType, Kind, OpSpec};
use crate::{Backward, Error, Op, Outputs, Saves, Stats, Var, apply_multi};

/// How much of the factors [`Var::qr`] gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QrMode {
    /// As many columns of Q as there are rows or columns, whichever are fewer.
    #[default]
    Reduced,
    /// All columns of Q.
    Complete,
    /// Nothing of Q: an empty vector, and no gradient.
    R,
}

#[derive(Debug)]
struct Qr {
    mode: QrMode,
}

impl Op for Qr {
    fn name(&self) -> &'static str {
        "qr"
    }

    fn saves(&self) -> Saves {
        Saves::outputs(&[0, 1])
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let (batch, [m, n]) = parts(self.name(), inputs[0].shape())?;
        let k = match self.mode {
            QrMode::Complete => m,
            _ => m.min(n),
        };
        let columns = if self.mode == QrMode::R { 0 } else { k };
        let inner = [vec![m, columns], vec![k, n]];
        let mut found = batched(self.name(), batch, inputs, &inner, &|x, out| {
            let [q, r] = out else { return Ok(()) };
            decomp::qr(q, r, x[0], [m, n], k);
            Ok(())
        })?;
        if self.mode == QrMode::R {
            found[0] = Tensor::zeros([0], inputs[0].dtype())?;
        }
        Ok(found.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let shape = ctx.input_shape(0);
        let (_, [m, n]) = parts(self.name(), shape)?;
        if self.mode == QrMode::R || self.mode == QrMode::Complete && m > n {
            return Err(Error::NotDifferentiable { op: self.name() });
        }
        let (q, r) = (ctx.output(0)?, ctx.output(1)?);
        let (grad_q, grad_r) = (ctx.grad(grad_out, 0)?, ctx.grad(grad_out, 1)?);
        if m >= n {
            return Ok(vec![Some(tall(&q, &r, &grad_q, &grad_r)?)]);
        }
        // A = (X | Y) = Q (U | V): Q and U come from X alone, and V = Qᵀ Y.
        let head = |x: &Var| x.narrow(-1, 0, m);
        let tail = |x: &Var| x.narrow(-1, m, n - m);
        let grad_v = tail(&grad_r)?;
        let y = q.matmul(&tail(&r)?)?;
        let grad_q = grad_q.add(&y.matmul(&transposed(&grad_v)?)?)?;
        let grad_x = tall(&q, &head(&r)?, &grad_q, &head(&grad_r)?)?;
        let grad_y = q.matmul(&grad_v)?;
        Ok(vec![Some(Var::cat(&[&grad_x, &grad_y], -1)?)])
    }
}

/// `(Q̄ + Q sym(R̄ Rᵀ - Qᵀ Q̄)) R⁻ᵀ`, where sym mirrors the upper triangle: Seeger et al. 2017, Auto-differentiating linear algebra,
/// arXiv:1710.08717, §5.4; for wide matrices Walter and Lehmann 2010, arXiv:1009.6112.
fn tall(q: &Var, r: &Var, grad_q: &Var, grad_r: &Var) -> Result<Var> {
    let inner = grad_r.matmul(&transposed(r)?)?;
    let inner = inner.sub(&transposed(q)?.matmul(grad_q)?)?;
    let mirrored = inner.triu(0)?.add(&transposed(&inner.triu(1)?)?)?;
    let right = grad_q.add(&q.matmul(&mirrored)?)?;
    transposed(r)?.solve_triangular(&right, false, false, false)
}

impl Var {
    /// The decomposition `self = Q · R` with the columns of Q orthonormal and R upper triangular: `(Q, R)`.
    ///
    /// # Shapes
    /// `(…, M, N)` to `(…, M, K)` and `(…, K, N)` with K the smaller of both, or M in [`QrMode::Complete`].
    ///
    /// # Numerics
    /// By Householder's reflections, in f64; f32 is widened and rounded. The diagonal of R may be negative, as PyTorch's.
    ///
    /// # Gradient
    /// `(grad_Q + Q sym(grad_R Rᵀ - Qᵀ grad_Q)) R⁻ᵀ` (Seeger et al. 2017, arXiv:1710.08717). None for [`QrMode::R`], nor for complete factors of tall matrices, whose last
    /// columns of Q are not unique. Saves the results.
    ///
    /// # Errors
    /// [`Error::Rank`]; [`Error::DType`]; in the backward [`Error::NotDifferentiable`], and [`Error::Matrix`] if the first columns depend on each other.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::QrMode};
    /// let x = Var::from(Tensor::from_slice(&[3.0_f64, 4.0], [2, 1])?);
    /// let (q, r) = x.qr(QrMode::Reduced)?;
    /// assert_eq!((q.dims(), r.dims()), (&[2, 1][..], &[1, 1][..]));
    /// assert!((r.item::<f64>()?.abs() - 5.0).abs() < 1e-12);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.linalg.qr`.
    pub fn qr(&self, mode: QrMode) -> Result<(Self, Self)> {
        let mut found = apply_multi(Qr { mode }, &[self])?.into_iter();
        match (found.next(), found.next()) {
            (Some(q), Some(r)) => Ok((q, r)),
            _ => Err(Error::Length {
                op: "qr",
                expected: 2,
                got: 0,
            }),
        }
    }
}

/// Its registration. Complete factors of tall matrices, which have no gradient, are not drawn: the tests have them.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("qr", |a| {
        let modes = [QrMode::Reduced, QrMode::Complete, QrMode::R];
        let mode = modes[a.choice("mode", &["reduced", "complete", "r"])?];
        let (q, r) = a.var("x")?.qr(mode)?;
        Ok(vec![q, r])
    })
    .many()
    .small_only()
    .kinked()
    .tolerances(5e-4, 1e-10) // the inverse of R: its condition is up to 4, squared in the gradient
    .gauge(|out| {
        // Each column of Q times its row of R: the sign of both does not show.
        let (q, r) = (&out[0], transposed(&out[1])?);
        Ok(vec![q.unsqueeze(-2)?.mul(&r.unsqueeze(-3)?)?, q.square()?])
    })
    .input("x", Kind::Float)
    .attr("mode", AttrType::Text, "reduced")
    .property(|a, out| {
        let x = a.dense("x").map_err(|e| e.to_string())?;
        let (q, r) = (&out[0], &out[1]);
        near("Q R", &q.matmul(r), &x, 1e-12)?;
        let k = q.dims[q.rank() - 1];
        near("Qᵀ Q", &swapped(q).matmul(q), &units_like(&x, k), 1e-12)?;
        let mut below = 0.0_f64;
        crate::registry::dense::for_each_index(&r.dims, |at| {
            if at[r.rank() - 2] > at[r.rank() - 1] {
                below = below.max(r.at(at).abs());
            }
        });
        match below == 0.0 {
            true => Ok(()),
            false => Err(format!("R has {below} below its diagonal")),
        }
    })
    .draw(|d| {
        // Columns are cut off of square matrices, or put on, so that the first ones are well apart.
        let x = Var::constant(matrices(d, 0..=1, [1, 3], None)?);
        let m = x.dims()[x.rank() - 1];
        let n = d.range(1..=m + 1);
        let x = match n > m {
            true => {
                let more = d.reals(&[&x.dims()[..x.rank() - 1], &[n - m]].concat())?;
                Var::cat(&[&x, &Var::constant(more)], -1)?
            }
            false => x.narrow(-1, 0, n)?,
        };
        let wide = m <= n;
        let mode = if wide && d.flag() {
            "complete"
        } else {
            "reduced"
        };
        Ok(Args::new().with("x", x).attr("mode", mode))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn complete_factors_of_tall_matrices() {
        let x = leaf(&[1.0_f64, 2.0, 3.0, 4.0, 5.0, 7.0], [3, 2]);
        let (q, r) = x.qr(QrMode::Complete).unwrap();
        assert_eq!((q.dims(), r.dims()), (&[3, 3][..], &[3, 2][..]));
        let back = values(&q.matmul(&r).unwrap());
        gradus_testing::check_close("q r", &back, &values(&x), 1e-14, 1e-14);
        let refused = r.sum(&[], false).unwrap().backward().unwrap_err();
        assert!(matches!(
            refused.root(),
            Error::NotDifferentiable { op: "qr" }
        ));
    }

    #[test]
    fn r_alone() {
        let x = leaf(&[1.0_f64, 2.0, 3.0, 4.0], [2, 2]);
        let (q, r) = x.qr(QrMode::R).unwrap();
        assert_eq!(q.dims(), [0]);
        assert_eq!(values(&r), values(&x.qr(QrMode::Reduced).unwrap().1));
        let refused = r.sum(&[], false).unwrap().backward().unwrap_err();
        assert!(matches!(
            refused.root(),
            Error::NotDifferentiable { op: "qr" }
        ));
    }
}
