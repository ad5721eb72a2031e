//! Vectors as diagonals of matrices.

use gradus_tensor::{Error, Shape};

use crate::ops::support::movement::{Part, Put, Take};
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};
use crate::{Result, Var, apply};

impl Var {
    /// Matrices of zeros with the last dim on a diagonal, `offset` above (positive) or below the main one.
    ///
    /// # Shapes
    /// `(…, N)` to `(…)` with new dims of size `N + |offset|` at `dim1` and `dim2` of the result. Any dtype.
    ///
    /// # Gradient
    /// The diagonal of `grad_out`. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Axis`] if a dim is outside or both are the same, and for a scalar; [`Error::RankTooHigh`];
    /// [`Error::Overflow`] for an offset that memory cannot hold.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [2])?);
    /// assert_eq!(x.diag_embed(0, -2, -1)?.tensor().to_vec::<f32>()?, [1.0, 0.0, 0.0, 2.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.diag_embed`.
    pub fn diag_embed(&self, offset: isize, dim1: isize, dim2: isize) -> Result<Self> {
        let name = "diag_embed";
        let (&len, before) = self.dims().split_last().ok_or(Error::Rank {
            op: name,
            expected: 1,
            got: *self.shape(),
        })?;
        let wide = Shape::new(&[before, &[0, 0]].concat())?;
        let (row, column) = (wide.axis(name, dim1)?, wide.axis(name, dim2)?);
        if row == column {
            return Err(Error::Axis {
                op: name,
                dim: dim2,
                rank: wide.rank(),
            });
        }
        let size = len.checked_add(offset.unsigned_abs());
        let size = size.filter(|&size| size <= isize::MAX as usize);
        let size = size.ok_or(Error::Overflow {
            op: name,
            what: "size of the matrices",
        })?;
        let mut rest = before.iter().copied();
        let dims: Vec<usize> = (0..wide.rank())
            .map(|axis| match axis {
                _ if axis == row || axis == column => size,
                _ => rest.next().unwrap_or(1),
            })
            .collect();
        let shape = Shape::new(&dims)?;
        let part = Part::Diagonal { offset, dim1, dim2 };
        let take = Take { name, part };
        apply(Put { take, shape }, &[self])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("diag_embed", |a| {
        let dims = [a.isize("dim1")?, a.isize("dim2")?];
        let x = a.var("x")?;
        Ok(one(x.diag_embed(a.isize("offset")?, dims[0], dims[1])?))
    })
    .small_only()
    .input("x", Kind::Any)
    .attr("offset", AttrType::Int, 0)
    .attr("dim1", AttrType::Int, -2)
    .attr("dim2", AttrType::Int, -1)
    .reference(|a| {
        let (x, offset) = (a.dense("x")?, a.isize("offset")?);
        let rank = x.rank() + 1;
        let axis = |dim: isize| dim.rem_euclid(rank as isize) as usize;
        let (row, column) = (axis(a.isize("dim1")?), axis(a.isize("dim2")?));
        let size = x.dims[rank - 2] + offset.unsigned_abs();
        let others: Vec<usize> = (0..rank).filter(|&d| d != row && d != column).collect();
        let mut dims = vec![size; rank];
        for (&d, &dim) in others.iter().zip(&x.dims) {
            dims[d] = dim;
        }
        Ok(vec![Dense::from_fn(&dims, |at| {
            if at[column] as isize - at[row] as isize != offset {
                return 0.0;
            }
            let mut own: Vec<usize> = others.iter().map(|&d| at[d]).collect();
            own.push(at[row].min(at[column]));
            x.at(&own)
        })])
    })
    .draw(|d| {
        let dims = d.some_shape();
        let rank = dims.len() + 1;
        let order = d.order(rank);
        let sign = |axis: usize, flip: bool| axis as i64 - if flip { rank as i64 } else { 0 };
        let (dim1, dim2) = (sign(order[0], d.flag()), sign(order[1], d.flag()));
        let args = Args::new().with("x", d.reals(&dims)?);
        let args = args.attr("offset", d.int(-2..=2));
        Ok(args.attr("dim1", dim1).attr("dim2", dim2))
    })
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_48_offsets_beyond_memory() {
        let x = constant(&[1.0], 1);
        for offset in [isize::MAX, isize::MIN, 1 << 40] {
            assert!(x.diag_embed(offset, 0, 1).is_err(), "{offset}");
        }
        let got = x.diag_embed(0, 0, 2);
        assert!(matches!(got, Err(Error::Axis { .. })), "{got:?}");
        let got = x.diag_embed(0, 1, -1);
        assert!(matches!(got, Err(Error::Axis { .. })), "{got:?}");
    }
}
