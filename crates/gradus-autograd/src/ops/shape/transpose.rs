//! Two dims swapped.

use crate::ops::support::movement::axis;
use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// With dims `dim0` and `dim1` swapped. A view.
    ///
    /// # Shapes
    /// Any with these dims; a scalar has dim 0.
    ///
    /// # Gradient
    /// `grad_out` with the same dims swapped. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if a dim is outside.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?);
    /// assert_eq!(x.transpose(0, 1)?.tensor().to_vec::<f32>()?, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.transpose`, `torch.swapaxes`.
    pub fn transpose(&self, dim0: isize, dim1: isize) -> Result<Self> {
        let [a, b] = [
            axis("transpose", self.shape(), dim0)?,
            axis("transpose", self.shape(), dim1)?,
        ];
        if self.rank() == 0 {
            return Ok(self.clone());
        }
        let mut order: Vec<usize> = (0..self.rank()).collect();
        order.swap(a, b);
        super::permute::permuted("transpose", self, &order)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("transpose", |a| {
        let dims = [a.isize("dim0")?, a.isize("dim1")?];
        Ok(one(a.var("x")?.transpose(dims[0], dims[1])?))
    })
    .input("x", Kind::Any)
    .required("dim0", AttrType::Int)
    .required("dim1", AttrType::Int)
    .reference(|a| {
        let x = a.dense("x")?;
        let mut order: Vec<usize> = (0..x.rank()).collect();
        if x.rank() > 0 {
            let axis = |dim: isize| dim.rem_euclid(x.rank() as isize) as usize;
            order.swap(axis(a.isize("dim0")?), axis(a.isize("dim1")?));
        }
        Ok(vec![x.permute(&order)])
    })
    .draw(|d| {
        let dims = d.any_shape();
        let (dim0, dim1) = (d.dim(dims.len()), d.dim(dims.len()));
        let args = Args::new().with("x", d.reals(&dims)?);
        Ok(args.attr("dim0", dim0).attr("dim1", dim1))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).transpose(0, 2);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        let got = constant(&BOTH_SIGNS, [2, 3]).transpose(-3, 0);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }
}
