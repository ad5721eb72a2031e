//! A range of a dim.

use crate::ops::support::movement::wrapped;
use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// Positions `start..start + len` of `dim`. A view.
    ///
    /// # Shapes
    /// `dim` gets size `len`; the rest stays.
    ///
    /// # Gradient
    /// `grad_out` at these positions, 0 elsewhere. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::IndexOutOfRange`] if the range is.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?);
    /// assert_eq!(x.narrow(1, 1, 2)?.tensor().to_vec::<f32>()?, [2.0, 3.0, 5.0, 6.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.narrow`.
    pub fn narrow(&self, dim: isize, start: usize, len: usize) -> Result<Self> {
        let axis = self.shape().axis("narrow", dim)?;
        self.tensor().narrow(dim, start, len)?; // refuses what is outside, by its own name
        self.slice(axis as isize, start as isize, (start + len) as isize, 1)
    }
}

/// Its registration. As PyTorch's, `start` may count from the end.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("narrow", |a| {
        let (x, dim) = (a.var("x")?, a.isize("dim")?);
        let axis = x.shape().axis("narrow", dim)?;
        let start = wrapped("narrow", axis, a.int("start")?, x.dims()[axis])?;
        Ok(one(x.narrow(dim, start, a.usize("length")?)?))
    })
    .input("x", Kind::Any)
    .required("dim", AttrType::Int)
    .required("start", AttrType::Int)
    .required("length", AttrType::Int)
    .reference(|a| {
        let x = a.dense("x")?;
        let axis = a.isize("dim")?.rem_euclid(x.rank() as isize) as usize;
        let (mut start, len) = (a.isize("start")?, a.usize("length")?);
        if start < 0 {
            start += x.dims[axis] as isize;
        }
        let start = start as usize;
        Ok(vec![
            x.along(axis, |lane| lane[start..start + len].to_vec()),
        ])
    })
    .draw(|d| {
        let dims = d.some_shape();
        let dim = d.dim(dims.len());
        let size = dims[dim.rem_euclid(dims.len() as i64) as usize];
        let start = d.range(0..=size);
        let len = d.range(0..=size - start);
        let start = if d.flag() && start < size {
            start as i64 - size as i64
        } else {
            start as i64
        };
        let args = Args::new().with("x", d.reals(&dims)?).attr("dim", dim);
        Ok(args.attr("start", start).attr("length", len))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_a_range_that_is_outside() {
        let got = constant(&BOTH_SIGNS, [2, 3]).narrow(1, 2, 2);
        assert!(
            matches!(got, Err(crate::Error::IndexOutOfRange { .. })),
            "{got:?}"
        );
        let got = constant(&BOTH_SIGNS, [2, 3]).narrow(1, usize::MAX, 2);
        assert!(
            matches!(got, Err(crate::Error::IndexOutOfRange { .. })),
            "{got:?}"
        );
        let got = constant(&BOTH_SIGNS, [2, 3]).narrow(2, 0, 1);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }
}
