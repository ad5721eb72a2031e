//! Quarter turns.

use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};
use crate::{Error, Result, Var};

impl Var {
    /// `k` quarter turns in the plane of two dims, from the first to the second. A view.
    ///
    /// # Shapes
    /// Any with these dims, which are swapped for odd `k`. Any dtype.
    ///
    /// # Gradient
    /// `grad_out` turned back. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Axis`] if a dim is outside or both are the same.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2])?);
    /// assert_eq!(x.rot90(1, [0, 1])?.tensor().to_vec::<f32>()?, [2.0, 4.0, 1.0, 3.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.rot90`.
    pub fn rot90(&self, k: i64, dims: [isize; 2]) -> Result<Self> {
        let axis = |dim| self.shape().axis("rot90", dim);
        let (from, to) = (axis(dims[0])? as isize, axis(dims[1])? as isize);
        if from == to {
            return Err(Error::Axis {
                op: "rot90",
                dim: dims[1],
                rank: self.rank(),
            });
        }
        match k.rem_euclid(4) {
            0 => self.flip(&[]),
            1 => self.flip(&[to])?.transpose(from, to),
            2 => self.flip(&[from, to]),
            _ => self.flip(&[from])?.transpose(from, to),
        }
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("rot90", |a| {
        let dims = a.isizes("dims")?;
        let [from, to] = dims[..] else {
            return Err(Error::Length {
                op: "rot90",
                expected: 2,
                got: dims.len(),
            });
        };
        Ok(one(a.var("x")?.rot90(a.int("k")?, [from, to])?))
    })
    .input("x", Kind::Any)
    .attr("k", AttrType::Int, 1)
    .attr("dims", AttrType::Ints, vec![0, 1])
    .reference(|a| {
        let (mut x, dims) = (a.dense("x")?, a.isizes("dims")?);
        let rank = x.rank() as isize;
        let [from, to] = [0, 1].map(|i| dims[i].rem_euclid(rank) as usize);
        // One quarter turn after the other.
        for _ in 0..a.int("k")?.rem_euclid(4) {
            let mut dims = x.dims.clone();
            dims.swap(from, to);
            x = Dense::from_fn(&dims, |at| {
                let mut own = at.to_vec();
                own[from] = at[to];
                own[to] = x.dims[to] - 1 - at[from];
                x.at(&own)
            });
        }
        Ok(vec![x])
    })
    .draw(|d| {
        let shape = d.shape(2..=3, 1..=4);
        let order = d.order(shape.len());
        let rank = shape.len() as i64;
        let dims: Vec<i64> = order[..2]
            .iter()
            .map(|&axis| axis as i64 - if d.flag() { rank } else { 0 })
            .collect();
        let args = Args::new().with("x", d.reals(&shape)?);
        Ok(args.attr("k", d.int(-5..=5)).attr("dims", dims))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_dims_that_are_no_plane() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        for dims in [[0, -2], [0, 2], [-3, 1]] {
            let got = x.rot90(1, dims);
            assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        }
    }
}
