//! Determinants.

use gradus_linalg::decomp;
use gradus_tensor::{Result, Tensor};

use crate::ops::support::matrix::{batched, square, transposed};
use crate::ops::support::matrix_cases::{each_matrix, matrices, stacked};
use crate::registry::{Args, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Det;

impl Op for Det {
    fn name(&self) -> &'static str {
        "det"
    }

    fn saves(&self) -> Saves {
        Saves::inputs(&[0]).and(Saves::outputs(&[0]))
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let (batch, n) = square(self.name(), inputs[0].shape())?;
        let det = batched(self.name(), batch, inputs, &[vec![]], &|x, det| {
            det[0][0] = decomp::lu(x[0], n, n).determinant();
            Ok(())
        })?;
        Ok(det.into())
    }

    /// The cofactors, of singular matrices, too. To be differentiated again they are written as `det(A) A⁻ᵀ` (Giles 2008, §2.2.4).
    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (a, det) = (ctx.input(0)?, ctx.output(0)?);
        let grad = ctx.grad(grad_out, 0)?;
        if ctx.create_graph() {
            let factor = grad.mul(&det)?.unsqueeze(-1)?.unsqueeze(-1)?;
            return Ok(vec![Some(transposed(&a.inv()?)?.mul(&factor)?)]);
        }
        let cofactors = Var::constant(cofactors(a.tensor())?);
        let grad = grad.unsqueeze(-1)?.unsqueeze(-1)?;
        Ok(vec![Some(cofactors.mul(&grad)?)])
    }
}

/// The derivative of each determinant by each element: `det(U) det(V) U · diag(Π s without sᵢ) · Vᵀ` from the singular values,
/// which needs no inverse.
fn cofactors(a: &Tensor) -> Result<Tensor> {
    let (batch, n) = square("det", a.shape())?;
    let mut found = batched("det", batch, &[a], &[vec![n, n]], &|x, out| {
        if x[0].iter().any(|x| !x.is_finite()) {
            out[0].fill(f64::NAN);
            return Ok(());
        }
        let (mut u, mut s, mut vt) = (vec![0.0; n * n], vec![0.0; n], vec![0.0; n * n]);
        decomp::svd(&mut u, &mut s, &mut vt, x[0], [n, n], false)?;
        let sign = |q: &[f64]| decomp::lu(q, n, n).determinant().signum();
        let sign = sign(&u) * sign(&vt);
        for k in 0..n {
            let others = (0..n).filter(|&i| i != k).map(|i| s[i]);
            let factor = sign * others.product::<f64>();
            for at in 0..n * n {
                let sum = if k == 0 { 0.0 } else { out[0][at] };
                out[0][at] = sum + factor * u[at / n * n + k] * vt[k * n + at % n];
            }
        }
        Ok(())
    })?;
    found.pop().ok_or(gradus_tensor::Error::Length {
        op: "det",
        expected: 1,
        got: 0,
    })
}

impl Var {
    /// The determinants.
    ///
    /// # Shapes
    /// `(…, N, N)` to the batch dims; 1 of matrices without elements.
    ///
    /// # Numerics
    /// The product of the pivots of LU, in f64; f32 is widened and rounded. It over- and underflows where [`Var::slogdet`] does not.
    ///
    /// # Gradient
    /// `grad_out` times the cofactors, which singular matrices have, too. Where it is differentiated again, `det(A) A⁻ᵀ` (Giles 2008,
    /// §2.2.4), which is an error for singular ones. Saves the matrices and the result.
    ///
    /// # Errors
    /// [`crate::Error::Rank`], [`crate::Error::ShapeMismatch`] if not square; [`crate::Error::DType`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f64, 2.0, 3.0, 4.0], [2, 2])?);
    /// assert!((x.det()?.item::<f64>()? + 2.0).abs() < 1e-12);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.linalg.det`.
    pub fn det(&self) -> Result<Self> {
        apply(Det, &[self])
    }
}

/// Leibniz' formula: the sum over all permutations, by the first row.
pub(super) fn leibniz(a: &[Vec<f64>]) -> f64 {
    let Some((first, rest)) = a.split_first() else {
        return 1.0;
    };
    let term = |(j, x): (usize, &f64)| {
        let without = |row: &Vec<f64>| [&row[..j], &row[j + 1..]].concat();
        let minor: Vec<Vec<f64>> = rest.iter().map(without).collect();
        let sign = if j % 2 == 0 { 1.0 } else { -1.0 };
        sign * x * leibniz(&minor)
    };
    first.iter().enumerate().map(term).sum()
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("det", |a| Ok(one(a.var("x")?.det()?)))
        .small_only()
        .tolerances(5e-5, 1e-11) // products of three factors
        .input("x", Kind::Float)
        .reference(|a| {
            let x = a.dense("x")?;
            let each = each_matrix(&x);
            let data = each.iter().map(|a| leibniz(a)).collect();
            Ok(vec![stacked(&x, &[], data)])
        })
        .draw(|d| Ok(Args::new().with("x", matrices(d, 0..=2, [1, 4], None)?)))
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn singular_matrices_have_gradients() {
        let x = leaf(&[1.0_f64, 2.0, 2.0, 4.0, 0.0, 0.0, 0.0, 0.0], [2, 2, 2]);
        let y = x.det().unwrap();
        assert_eq!(values(&y), [0.0, 0.0]);
        let grads = y.backward_with(&constant(&[1.0, 1.0], 2)).unwrap();
        let grad = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        let want = [4.0, -2.0, -2.0, 1.0, 0.0, 0.0, 0.0, 0.0];
        gradus_testing::check_close("cofactors", &grad, &want, 1e-13, 1e-14);
    }

    #[test]
    fn museum_46_matrices_of_no_elements() {
        let x = leaf::<f64>(&[], [2, 0, 0]);
        let y = x.det().unwrap();
        assert_eq!(values(&y), [1.0, 1.0]);
        let grads = y.backward_with(&y.detach()).unwrap();
        assert_eq!(grads.get_var(&x).unwrap().dims(), [2, 0, 0]);
    }
}
