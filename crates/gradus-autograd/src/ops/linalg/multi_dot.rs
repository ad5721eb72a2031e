//! Products of many matrices in the cheapest order.

use gradus_tensor::Tensor;

use super::bmm::require_rank;
use crate::registry::{Args, Dense, Kind, OpSpec, one};
use crate::{Error, Result, Var};

/// `cut[i][j]` is where the product of matrices `i..=j` is cut in two, by the fewest multiplications. `sizes` are those of the chain.
fn cuts(sizes: &[usize]) -> Vec<Vec<usize>> {
    let n = sizes.len() - 1;
    let mut cost = vec![vec![0.0_f64; n]; n];
    let mut cut = vec![vec![0; n]; n];
    for len in 2..=n {
        for i in 0..=n - len {
            let j = i + len - 1;
            cost[i][j] = f64::INFINITY;
            for k in i..j {
                let own = sizes[i] as f64 * sizes[k + 1] as f64 * sizes[j + 1] as f64;
                let sum = cost[i][k] + cost[k + 1][j] + own;
                if sum < cost[i][j] {
                    (cost[i][j], cut[i][j]) = (sum, k);
                }
            }
        }
    }
    cut
}

fn product(all: &[Var], cut: &[Vec<usize>], i: usize, j: usize) -> Result<Var> {
    if i == j {
        return Ok(all[i].clone());
    }
    let k = cut[i][j];
    product(all, cut, i, k)?.matmul(&product(all, cut, k + 1, j)?)
}

impl Var {
    /// The product of all matrices, in the order that takes the fewest multiplications.
    ///
    /// # Shapes
    /// Two or more matrices whose inner dims fit; the first may be a row vector and the last a column vector of rank 1.
    ///
    /// # Numerics, gradient
    /// As [`Var::matmul`].
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than two or more than 256; [`Error::Rank`]; [`Error::ShapeMismatch`]; [`Error::DTypeMismatch`], [`Error::DType`].
    ///
    /// As `torch.linalg.multi_dot`.
    pub fn multi_dot(vars: &[&Self]) -> Result<Self> {
        let [first, middle @ .., last] = vars else {
            return Err(Error::Length {
                op: "multi_dot",
                expected: 2,
                got: vars.len(),
            });
        };
        if vars.len() > 256 {
            return Err(Error::Length {
                op: "multi_dot",
                expected: 256,
                got: vars.len(),
            });
        }
        let row = if first.rank() == 1 {
            first.unsqueeze(0)?
        } else {
            Self::clone(first)
        };
        let column = if last.rank() == 1 {
            last.unsqueeze(1)?
        } else {
            Self::clone(last)
        };
        let mut all = vec![row];
        all.extend(middle.iter().copied().cloned());
        all.push(column);
        for x in &all {
            require_rank("multi_dot", x, 2)?;
        }
        for pair in all.windows(2) {
            if pair[0].dims()[1] != pair[1].dims()[0] {
                return Err(Error::ShapeMismatch {
                    op: "multi_dot",
                    lhs: *pair[0].shape(),
                    rhs: *pair[1].shape(),
                    rule: "the columns of a matrix are as many as the rows of the next",
                });
            }
        }
        let sizes = all.iter().map(|x| x.dims()[0]);
        let sizes: Vec<usize> = sizes.chain([all[all.len() - 1].dims()[1]]).collect();
        let out = product(&all, &cuts(&sizes), 0, all.len() - 1)?;
        match (first.rank(), last.rank()) {
            (1, 1) => out.reshape(()),
            (1, _) => out.squeeze(0),
            (_, 1) => out.squeeze(1),
            _ => Ok(out),
        }
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("multi_dot", |a| {
        let vars: Vec<&Var> = a.vars("tensors")?.iter().collect();
        Ok(one(Var::multi_dot(&vars)?))
    })
    .small_only()
    .tolerances(2e-4, 1e-11) // factors of up to 2.5, whose products cancel
    .list("tensors", Kind::Float)
    .reference(|a| {
        let all = a.vars("tensors")?.iter().map(|x| Dense::of(x.tensor()));
        let mut all = all.collect::<Result<Vec<Dense>>>()?;
        let (row, column) = (all[0].rank() == 1, all[all.len() - 1].rank() == 1);
        if row {
            all[0].dims.insert(0, 1);
        }
        if let (true, Some(last)) = (column, all.last_mut()) {
            last.dims.push(1);
        }
        let mut out = all[0].clone();
        for x in &all[1..] {
            out = out.matmul(x);
        }
        let dims = out.dims[usize::from(row)..2 - usize::from(column)].to_vec();
        Ok(vec![out.reshape(&dims)])
    })
    .draw(|d| {
        let count = d.range(2..=4);
        let sizes: Vec<usize> = (0..=count).map(|_| d.range(1..=3)).collect();
        let (row, column) = (d.below(4) == 3, d.below(4) == 3);
        let parts = (0..count).map(|i| {
            let dims = &sizes[i..i + 2];
            match (row && i == 0, column && i == count - 1) {
                (true, _) => d.reals(&dims[1..]),
                (_, true) => d.reals(&dims[..1]),
                _ => d.reals(dims),
            }
        });
        let parts = parts.collect::<Result<Vec<Tensor>>>()?;
        Ok(Args::new().with("tensors", parts))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn the_cheapest_order_is_found() {
        // Cormen et al., Introduction to Algorithms: ((A1 (A2 A3)) ((A4 A5) A6)).
        let cut = cuts(&[30, 35, 15, 5, 10, 20, 25]);
        assert_eq!((cut[0][5], cut[0][2], cut[3][5]), (2, 0, 4));
    }

    #[test]
    fn rejects_chains_that_do_not_fit() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        assert!(matches!(Var::multi_dot(&[&x]), Err(Error::Length { .. })));
        assert!(matches!(
            Var::multi_dot(&[&x, &x]),
            Err(Error::ShapeMismatch { .. })
        ));
        let v = constant(&[1.0; 3], 3);
        assert!(matches!(
            Var::multi_dot(&[&x, &v, &x]),
            Err(Error::Rank { .. })
        ));
    }
}
