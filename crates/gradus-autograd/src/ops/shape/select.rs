//! One position of a dim.

use crate::ops::support::movement::wrapped;
use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// Position `index` of `dim`, which disappears. A view.
    ///
    /// # Shapes
    /// The input's without `dim`.
    ///
    /// # Gradient
    /// `grad_out` at this position, 0 elsewhere. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::IndexOutOfRange`] if `index` is.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?);
    /// assert_eq!(x.select(0, 1)?.tensor().to_vec::<f32>()?, [4.0, 5.0, 6.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.select`.
    pub fn select(&self, dim: isize, index: usize) -> Result<Self> {
        let shape = *self.tensor().select(dim, index)?.shape(); // refuses what is outside, by its own name
        self.narrow(dim, index, 1)?.reshape(shape)
    }
}

/// Its registration. As PyTorch's, `index` may count from the end.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("select", |a| {
        let (x, dim) = (a.var("x")?, a.isize("dim")?);
        let axis = x.shape().axis("select", dim)?;
        let index = wrapped("select", axis, a.int("index")?, x.dims()[axis])?;
        Ok(one(x.select(dim, index)?))
    })
    .input("x", Kind::Any)
    .required("dim", AttrType::Int)
    .required("index", AttrType::Int)
    .reference(|a| {
        let x = a.dense("x")?;
        let axis = a.isize("dim")?.rem_euclid(x.rank() as isize) as usize;
        let index = a.isize("index")?.rem_euclid(x.dims[axis] as isize) as usize;
        let mut dims = x.dims.clone();
        dims.remove(axis);
        Ok(vec![x.along(axis, |lane| vec![lane[index]]).reshape(&dims)])
    })
    .draw(|d| {
        let dims = d.some_shape();
        let dim = d.dim(dims.len());
        let index = d.dim(dims[dim.rem_euclid(dims.len() as i64) as usize]);
        let args = Args::new().with("x", d.reals(&dims)?).attr("dim", dim);
        Ok(args.attr("index", index))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_an_index_that_is_outside() {
        let got = constant(&BOTH_SIGNS, [2, 3]).select(1, 3);
        assert!(
            matches!(got, Err(crate::Error::IndexOutOfRange { .. })),
            "{got:?}"
        );
        let got = constant(&BOTH_SIGNS, [2, 3]).select(2, 0);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }
}
