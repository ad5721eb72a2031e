//! The lower triangle of matrices.

use gradus_tensor::{Error, Result, Tensor};

use crate::registry::{Args, AttrType, Dense, Draw, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// The core of tril and triu: keeps the elements on one side of a diagonal, that itself included.
#[derive(Clone, Debug)]
pub(super) struct Triangle {
    pub(super) name: &'static str,
    pub(super) upper: bool,
    pub(super) diagonal: isize,
}

impl Op for Triangle {
    fn name(&self) -> &'static str {
        self.name
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = inputs[0];
        if x.rank() < 2 {
            return Err(Error::Rank {
                op: self.name,
                expected: 2,
                got: *x.shape(),
            });
        }
        let (rows, columns) = (x.dims()[x.rank() - 2], x.dims()[x.rank() - 1]);
        let mut out = Tensor::zeros(x.shape(), x.dtype())?;
        for row in 0..rows {
            // The first column behind the diagonal's side of this row.
            let edge = (row as isize).saturating_add(self.diagonal);
            let from = usize::try_from(edge).unwrap_or(0).min(columns);
            let below = usize::try_from(edge.saturating_add(1)).unwrap_or(0);
            let (start, len) = match self.upper {
                true => (from, columns - from),
                false => (0, below.min(columns)),
            };
            let part = |x: &Tensor| x.narrow(-2, row, 1)?.narrow(-1, start, len);
            out = out.overwritten(part, &part(x)?)?;
        }
        Ok(out.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = apply(self.clone(), &[&ctx.grad(grad_out, 0)?])?;
        Ok(vec![Some(grad)])
    }
}

impl Var {
    /// Matrices with 0 above the diagonal that lies `diagonal` above (positive) or below the main one.
    ///
    /// # Shapes
    /// `(…, M, N)`; the result has the same. Any dtype.
    ///
    /// # Gradient
    /// The same triangle of `grad_out`. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Rank`] below rank 2.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2])?);
    /// assert_eq!(x.tril(0)?.tensor().to_vec::<f32>()?, [1.0, 0.0, 3.0, 4.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.tril`.
    pub fn tril(&self, diagonal: isize) -> Result<Self> {
        let (name, upper) = ("tril", false);
        apply(
            Triangle {
                name,
                upper,
                diagonal,
            },
            &[self],
        )
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("tril", |a| {
        Ok(one(a.var("x")?.tril(a.isize("diagonal")?)?))
    })
    .input("x", Kind::Any)
    .attr("diagonal", AttrType::Int, 0)
    .reference(|a| reference(a, |offset, diagonal| offset <= diagonal))
    .draw(draw)
}

/// Elements whose column minus row is kept, else 0.
pub(super) fn reference(a: &Args, kept: fn(isize, isize) -> bool) -> Result<Vec<Dense>> {
    let (x, diagonal) = (a.dense("x")?, a.isize("diagonal")?);
    let rank = x.rank();
    Ok(vec![Dense::from_fn(&x.dims, |at| {
        let offset = at[rank - 1] as isize - at[rank - 2] as isize;
        if kept(offset, diagonal) {
            x.at(at)
        } else {
            0.0
        }
    })])
}

pub(super) fn draw(d: &mut Draw) -> Result<Args> {
    let dims = d.shape(2..=3, 1..=4);
    let args = Args::new().with("x", d.reals(&dims)?);
    Ok(args.attr("diagonal", d.int(-3..=3)))
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn diagonals_at_the_ends_of_the_numbers() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        for (diagonal, all) in [(isize::MAX, true), (isize::MIN, false)] {
            let want = |all| if all { BOTH_SIGNS } else { [0.0; 6] };
            assert_eq!(values(&x.tril(diagonal).unwrap()), want(all));
            assert_eq!(values(&x.triu(diagonal).unwrap()), want(!all));
        }
        let got = constant(&BOTH_SIGNS, 6).tril(0);
        assert!(matches!(got, Err(crate::Error::Rank { .. })), "{got:?}");
    }
}
