//! Systems of equations with square matrices.

use gradus_linalg::decomp;
use gradus_tensor::{Result, Tensor};

use super::solve_triangular::{require_rows, widened};
use crate::ops::support::matrix::{batched, parts, square, transposed};
use crate::ops::support::matrix_cases::matrices;
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// `A X = B` for equal batch dims.
#[derive(Debug)]
struct Solve;

impl Op for Solve {
    fn name(&self) -> &'static str {
        "solve"
    }

    fn saves(&self) -> Saves {
        Saves::inputs(&[0]).and(Saves::outputs(&[0]))
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let (batch, n) = square(self.name(), inputs[0].shape())?;
        let (_, [_, columns]) = parts(self.name(), inputs[1].shape())?;
        let x = batched(
            self.name(),
            batch,
            inputs,
            &[vec![n, columns]],
            &|given, x| decomp::lu(given[0], n, n).solve(x[0], given[1], columns),
        )?;
        Ok(x.into())
    }

    /// `B̄ = A⁻ᵀ X̄`, `Ā = -B̄ Xᵀ`: Giles 2008, §2.3.1.
    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (a, x) = (ctx.input(0)?, ctx.output(0)?);
        let grad = ctx.grad(grad_out, 0)?;
        let grad_b = apply(Solve, &[&transposed(&a)?, &grad])?;
        let grad_a = || grad_b.matmul(&transposed(&x)?)?.neg();
        let grad_a = ctx.needs(0).then(grad_a).transpose()?;
        Ok(vec![grad_a, Some(grad_b)])
    }
}

impl Var {
    /// The solution of `self · X = other`; of `X · self = other` if not `left`.
    ///
    /// # Shapes
    /// `(…, N, N)` and `(…, N, K)`, or `(…, K, N)` if not `left`; batch dims broadcast. `other` is taken as vectors if it is of rank 1, or
    /// has the batch dims of `self` and one dim more.
    ///
    /// # Numerics
    /// By LU with partial pivoting, in f64; f32 is widened and rounded.
    ///
    /// # Gradient
    /// `self⁻ᵀ · grad_out`, and minus that times the solution transposed (Giles 2008, An extended collection of matrix derivative results,
    /// §2.3.1). Saves `self` and the solution.
    ///
    /// # Errors
    /// [`crate::Error::Matrix`] with the first singular matrix; [`crate::Error::Rank`], [`crate::Error::ShapeMismatch`],
    /// [`crate::Error::DTypeMismatch`], [`crate::Error::DType`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let a = Var::from(Tensor::from_slice(&[0.0_f64, 2.0, 1.0, 1.0], [2, 2])?);
    /// let b = Var::from(Tensor::from_slice(&[4.0_f64, 5.0], [2])?);
    /// assert_eq!(a.solve(&b, true)?.tensor().to_vec::<f64>()?, [3.0, 2.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.linalg.solve`.
    pub fn solve(&self, other: &Self, left: bool) -> Result<Self> {
        let (batch, n) = square("solve", self.shape())?;
        if is_vector(batch, n, other.dims()) {
            let x = self.solve(&other.unsqueeze(-1)?, true)?;
            return x.squeeze(-1);
        }
        parts("solve", other.shape())?;
        if !left {
            // X A = B is Aᵀ Xᵀ = Bᵀ.
            let x = transposed(self)?.solve_matrix(&transposed(other)?)?;
            return transposed(&x);
        }
        self.solve_matrix(other)
    }

    fn solve_matrix(&self, other: &Self) -> Result<Self> {
        require_rows("solve", self, other)?;
        let [a, b] = widened("solve", self, other)?;
        apply(Solve, &[&a, &b])
    }
}

/// Whether right-hand sides of these dims are vectors.
pub(super) fn is_vector(batch: &[usize], n: usize, dims: &[usize]) -> bool {
    dims.len() == 1 || dims.len() == batch.len() + 1 && dims == [batch, &[n]].concat()
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("solve", |a| {
        let (x, y) = (a.var("x")?, a.var("y")?);
        Ok(one(x.solve(y, a.flag("left")?)?))
    })
    .small_only()
    .tolerances(1e-4, 1e-11) // a condition of up to 4, twice for gradients
    .input("x", Kind::Float)
    .input("y", Kind::Float)
    .attr("left", AttrType::Bool, true)
    .reference(|a| {
        let (x, y) = (a.dense("x")?, a.dense("y")?);
        let (batch, n) = (&x.dims[..x.rank() - 2], x.dims[x.rank() - 1]);
        let mut out = y.dims.clone();
        if !is_vector(batch, n, &y.dims) {
            return Ok(vec![eliminated(&x, &y, a.flag("left")?)]);
        }
        let column = y.clone().reshape(&[&y.dims[..], &[1]].concat());
        let solved = eliminated(&x, &column, true);
        if out.len() < solved.rank() - 1 {
            out = solved.dims[..solved.rank() - 1].to_vec();
        }
        Ok(vec![solved.reshape(&out)])
    })
    .draw(|d| {
        let x = matrices(d, 0..=1, [1, 3], None)?;
        let (&n, batch) = (x.dims().last().unwrap_or(&1), &x.dims()[..x.rank() - 2]);
        let k = d.range(1..=3);
        let (left, form) = (d.flag(), d.below(4));
        let inner = if left { [n, k] } else { [k, n] };
        let y = match form {
            0 => [batch, &[n]].concat(),
            1 => [batch, &inner].concat(),
            2 => [&[2, 1], &inner[..]].concat(),
            _ => inner.to_vec(),
        };
        let args = Args::new().with("x", x.clone()).with("y", d.reals(&y)?);
        Ok(args.attr("left", left))
    })
}

/// The solution by Gauss and Jordan's elimination with the largest pivots; batch dims broadcast.
pub(super) fn eliminated(a: &Dense, b: &Dense, left: bool) -> Dense {
    if !left {
        use crate::ops::support::matrix_cases::transposed;
        return transposed(&eliminated(&transposed(a), &transposed(b), true));
    }
    let (rank_a, rank_b) = (a.rank(), b.rank());
    let (n, k) = (a.dims[rank_a - 1], b.dims[rank_b - 1]);
    let batch_a = Dense::zeros(&a.dims[..rank_a - 2]);
    let batch = batch_a
        .zip(&Dense::zeros(&b.dims[..rank_b - 2]), |_, _| 0.0)
        .dims;
    let mut data = Vec::new();
    crate::registry::dense::for_each_index(&batch, |item| {
        let row = |i: usize| -> Vec<f64> {
            let own = (0..n).map(|j| wide(a, item, i, j));
            own.chain((0..k).map(|j| wide(b, item, i, j))).collect()
        };
        let mut rows: Vec<Vec<f64>> = (0..n).map(row).collect();
        for c in 0..n {
            let largest = (c..n).max_by(|&p, &q| rows[p][c].abs().total_cmp(&rows[q][c].abs()));
            rows.swap(c, largest.unwrap_or(c));
            let pivot = rows[c].clone();
            for (i, row) in rows.iter_mut().enumerate() {
                let factor = if i == c {
                    1.0 - 1.0 / pivot[c]
                } else {
                    row[c] / pivot[c]
                };
                row.iter_mut()
                    .zip(&pivot)
                    .for_each(|(x, p)| *x -= factor * p);
            }
        }
        data.extend(rows.iter().flat_map(|row| row[n..].to_vec()));
    });
    let dims = [&batch[..], &[n, k]].concat();
    Dense { dims, data }
}

/// Element `(i, j)` of the matrix of a batch that broadcasts to `item`.
fn wide(x: &Dense, item: &[usize], i: usize, j: usize) -> f64 {
    let own = &item[item.len() - (x.rank() - 2)..];
    let place = own.iter().zip(&x.dims);
    let mut at: Vec<usize> = place
        .map(|(&i, &dim)| if dim == 1 { 0 } else { i })
        .collect();
    at.extend([i, j]);
    x.at(&at)
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn names_the_singular_matrix() {
        let x = constant(&[1.0, 0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 4.0], [2, 2, 2]);
        let got = x.solve(&constant(&[1.0; 4], [2, 2]), true).unwrap_err();
        assert!(
            matches!(
                got,
                Error::Matrix {
                    op: "solve",
                    position: 1,
                    ..
                }
            ),
            "{got}"
        );
    }

    #[test]
    fn museum_46_no_equations_and_no_right_hand_sides() {
        let x = constant::<f64>(&[], [0, 0]);
        assert_eq!(
            x.solve(&constant::<f64>(&[], [0, 3]), true).unwrap().dims(),
            [0, 3]
        );
        let x = constant(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
        assert_eq!(
            x.solve(&constant::<f64>(&[], [2, 0]), true).unwrap().dims(),
            [2, 0]
        );
    }

    #[test]
    fn rejects_systems_that_do_not_fit() {
        let x = constant(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
        for dims in [&[3][..], &[3, 1]] {
            let got = x.solve(&constant(&[1.0; 3], dims), true);
            assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        }
        let got = x.solve(&constant(&[1.0], ()), true);
        assert!(matches!(got, Err(Error::Rank { .. })), "{got:?}");
        let got = constant(&BOTH_SIGNS, [2, 3]).solve(&x, true);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
    }
}
