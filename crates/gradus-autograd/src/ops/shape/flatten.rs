//! Neighbouring dims as one.

use crate::ops::support::movement::axis;
use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Error, Result, Var};

impl Var {
    /// Dims `start..=end` as one, in row-major order. A view where the strides allow one, else a copy.
    ///
    /// # Shapes
    /// The dims between become one of their product; `flatten(0, -1)` gives rank 1, also from rank 0.
    ///
    /// # Gradient
    /// `grad_out` in the input's shape. Saves nothing.
    ///
    /// # Errors
    /// [`Error::Axis`] if a dim is outside or `start` lies behind `end`.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?);
    /// assert_eq!(x.flatten(0, -1)?.dims(), [6]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.flatten`.
    pub fn flatten(&self, start: isize, end: isize) -> Result<Self> {
        let (first, last) = (
            axis("flatten", self.shape(), start)?,
            axis("flatten", self.shape(), end)?,
        );
        if self.rank() == 0 {
            return self.reshape([1]);
        }
        if first > last {
            return Err(Error::Axis {
                op: "flatten",
                dim: end,
                rank: self.rank(),
            });
        }
        let mut dims = self.dims()[..first].to_vec();
        dims.push(self.dims()[first..=last].iter().product());
        dims.extend_from_slice(&self.dims()[last + 1..]);
        self.reshape(dims)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("flatten", |a| {
        let dims = [a.isize("start_dim")?, a.isize("end_dim")?];
        Ok(one(a.var("x")?.flatten(dims[0], dims[1])?))
    })
    .input("x", Kind::Any)
    .attr("start_dim", AttrType::Int, 0)
    .attr("end_dim", AttrType::Int, -1)
    .reference(|a| {
        let x = a.dense("x")?;
        if x.rank() == 0 {
            return Ok(vec![x.reshape(&[1])]);
        }
        let axis = |name| Ok::<_, Error>(a.isize(name)?.rem_euclid(x.rank() as isize) as usize);
        let (start, end) = (axis("start_dim")?, axis("end_dim")?);
        let mut dims = x.dims[..start].to_vec();
        dims.push(x.dims[start..=end].iter().product());
        dims.extend_from_slice(&x.dims[end + 1..]);
        Ok(vec![x.reshape(&dims)])
    })
    .draw(|d| {
        let dims = d.any_shape();
        let rank = dims.len().max(1);
        let start = d.below(rank);
        let end = d.range(start..=rank - 1) as i64;
        let end = if d.flag() { end } else { end - rank as i64 };
        let args = Args::new().with("x", d.reals(&dims)?);
        Ok(args.attr("start_dim", start).attr("end_dim", end))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).flatten(0, 2);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        let got = constant(&BOTH_SIGNS, [2, 3]).flatten(1, 0);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }
}
