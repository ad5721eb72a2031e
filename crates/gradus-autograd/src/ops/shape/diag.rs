//! The diagonal of a matrix, or the matrix of a diagonal.

use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};
use crate::{Error, Result, Var};

impl Var {
    /// Of a matrix its diagonal, of a vector the matrix of zeros that has it as diagonal; `diagonal` above (positive) or below the
    /// main one.
    ///
    /// # Shapes
    /// `(M, N)` to the length of the diagonal, `(N,)` to a square matrix of `N + |diagonal|`. Any dtype.
    ///
    /// # Gradient
    /// `grad_out` on the diagonal, 0 elsewhere; of a vector the diagonal of `grad_out`. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Rank`] for any other rank; [`Error::Overflow`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [2])?);
    /// assert_eq!(x.diag(0)?.tensor().to_vec::<f32>()?, [1.0, 0.0, 0.0, 2.0]);
    /// assert_eq!(x.diag(0)?.diag(0)?.tensor().to_vec::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.diag`.
    pub fn diag(&self, diagonal: isize) -> Result<Self> {
        match self.rank() {
            1 => self.diag_embed(diagonal, 0, 1),
            2 => self.diagonal(diagonal, 0, 1),
            _ => Err(Error::Rank {
                op: "diag",
                expected: 2,
                got: *self.shape(),
            }),
        }
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("diag", |a| {
        Ok(one(a.var("x")?.diag(a.isize("diagonal")?)?))
    })
    .small_only()
    .input("x", Kind::Any)
    .attr("diagonal", AttrType::Int, 0)
    .reference(|a| {
        let (x, k) = (a.dense("x")?, a.isize("diagonal")?);
        let on = |i: usize| (i + k.min(0).unsigned_abs(), i + k.max(0).unsigned_abs());
        if x.rank() == 2 {
            let inside = |i: &usize| on(*i).0 < x.dims[0] && on(*i).1 < x.dims[1];
            let len = (0..).take_while(inside).count();
            let element = |at: &[usize]| x.at(&[on(at[0]).0, on(at[0]).1]);
            return Ok(vec![Dense::from_fn(&[len], element)]);
        }
        let size = x.dims[0] + k.unsigned_abs();
        let mut out = Dense::zeros(&[size, size]);
        for i in 0..x.dims[0] {
            *out.at_mut(&[on(i).0, on(i).1]) = x.at(&[i]);
        }
        Ok(vec![out])
    })
    .draw(|d| {
        let dims = d.shape(1..=2, 1..=4);
        let args = Args::new().with("x", d.reals(&dims)?);
        Ok(args.attr("diagonal", d.int(-2..=2)))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_other_ranks() {
        for dims in [&[][..], &[1, 1, 1]] {
            let got = constant(&[1.0], dims).diag(0);
            assert!(matches!(got, Err(crate::Error::Rank { .. })), "{got:?}");
        }
    }
}
