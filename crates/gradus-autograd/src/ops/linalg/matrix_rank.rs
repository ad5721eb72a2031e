//! Ranks of matrices.

use gradus_linalg::decomp;
use gradus_tensor::{DType, Result, Tensor};

use super::pinv::{RankTolerance, given, tolerance};
use crate::Var;
use crate::ops::support::matrix::{batched, parts};
use crate::registry::{Args, Attr, AttrType, Kind, OpSpec, templates::plain};

impl Var {
    /// The number of singular values that do not count as 0, as i64. No gradient flows.
    ///
    /// # Shapes
    /// `(…, M, N)` to the batch dims.
    ///
    /// # Errors
    /// As [`Var::pinv`].
    ///
    /// As `torch.linalg.matrix_rank`.
    pub fn matrix_rank(&self, tolerance: &RankTolerance) -> Result<Tensor> {
        let (batch, [m, n]) = parts("matrix_rank", self.shape())?;
        let x = self.tensor();
        let found = batched("matrix_rank", batch, &[x], &[vec![]], &|given, rank| {
            let mut s = vec![0.0; m.min(n)];
            decomp::singular_values(&mut s, given[0], [m, n])?;
            let largest = s.first().copied().unwrap_or(0.0);
            let bound = tolerance.bound(largest, [m, n], x.dtype());
            rank[0][0] = s.iter().filter(|&&s| s > bound).count() as f64;
            Ok(())
        })?;
        found[0].to_dtype(DType::I64)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("matrix_rank", |a| {
        let rank = given(a, "matrix_rank")?.matrix_rank(&tolerance(a)?)?;
        Ok(plain(rank))
    })
    .not_differentiable()
    .small_only()
    .input("x", Kind::Float)
    .attr("atol", AttrType::Float, Attr::None)
    .attr("rtol", AttrType::Float, Attr::None)
    .attr("hermitian", AttrType::Bool, false)
    .reference(|a| {
        // Rows of zeros and multiples of others were put in: what elimination leaves.
        let x = a.dense("x")?;
        let rank = |mut rows: Vec<Vec<f64>>| {
            let columns = rows.first().map_or(0, Vec::len);
            let mut found = 0;
            for c in 0..columns {
                let pivot = (found..rows.len())
                    .max_by(|&p, &q| rows[p][c].abs().total_cmp(&rows[q][c].abs()));
                let Some(pivot) = pivot.filter(|&p| rows[p][c].abs() > 1e-9) else {
                    continue;
                };
                rows.swap(found, pivot);
                let pivot = rows[found].clone();
                for row in &mut rows[found + 1..] {
                    let factor = row[c] / pivot[c];
                    row.iter_mut()
                        .zip(&pivot)
                        .for_each(|(x, p)| *x -= factor * p);
                }
                found += 1;
            }
            found as f64
        };
        let ranks = crate::ops::support::matrix_cases::each_matrix(&x)
            .into_iter()
            .map(rank);
        Ok(vec![crate::ops::support::matrix_cases::stacked(
            &x,
            &[],
            ranks.collect(),
        )])
    })
    .draw(|d| {
        let dims = d.shape(2..=3, 1..=4);
        let x = d.reals(&dims)?;
        let rows = dims[dims.len() - 2];
        // Some rows are those of others.
        let picked = d.indices(&[rows], rows)?;
        let x = Var::constant(x).index_select(-2, &picked)?;
        // f32 rounds equal rows alike, so that the rank stays.
        Ok(Args::new().with("x", x))
    })
}
