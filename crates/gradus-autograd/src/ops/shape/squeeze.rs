//! Dims of size 1 taken away.

use crate::ops::support::movement::{axes, axis};
use crate::registry::{Args, Attr, AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// Without `dim`, if it is of size 1; else unchanged. A view.
    ///
    /// # Shapes
    /// The input's, without `dim` if its size is 1; a scalar has dim 0.
    ///
    /// # Gradient
    /// `grad_out` in the input's shape. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?);
    /// assert_eq!(x.unsqueeze(1)?.squeeze(1)?.dims(), [2, 3]);
    /// assert_eq!(x.squeeze(1)?.dims(), [2, 3]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.squeeze` with one dim.
    pub fn squeeze(&self, dim: isize) -> Result<Self> {
        let gone = axis("squeeze", self.shape(), dim)?;
        self.without_ones(|axis| axis == gone)
    }

    /// Without those of the given dims that are of size 1. A view.
    ///
    /// # Shapes, gradient, errors
    /// As [`Var::squeeze`]; [`crate::Error::Axis`] if a dim is repeated, too.
    ///
    /// As `torch.squeeze` with dims.
    pub fn squeeze_dims(&self, dims: &[isize]) -> Result<Self> {
        let gone = axes("squeeze", self.shape(), dims)?;
        self.without_ones(|axis| gone.contains(&axis))
    }

    /// Without any dim of size 1. A view.
    ///
    /// # Errors
    /// None today; the signature is that of all views.
    ///
    /// As `torch.squeeze` without dims.
    pub fn squeeze_all(&self) -> Result<Self> {
        self.without_ones(|_| true)
    }

    fn without_ones(&self, of: impl Fn(usize) -> bool) -> Result<Self> {
        let kept = (0..self.rank()).filter(|&axis| self.dims()[axis] != 1 || !of(axis));
        let dims: Vec<usize> = kept.map(|axis| self.dims()[axis]).collect();
        self.reshape(dims)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("squeeze", |a| {
        let x = a.var("x")?;
        Ok(one(match a.opt("dim", Args::isizes)? {
            Some(dims) => x.squeeze_dims(&dims)?,
            None => x.squeeze_all()?,
        }))
    })
    .input("x", Kind::Any)
    .attr("dim", AttrType::Ints, Attr::None)
    .reference(|a| {
        let x = a.dense("x")?;
        let rank = x.rank() as isize;
        let named = a.opt("dim", Args::isizes)?;
        let gone = |axis: usize| match &named {
            Some(dims) => dims.iter().any(|d| d.rem_euclid(rank) as usize == axis),
            None => true,
        };
        let dims = x.dims.iter().enumerate();
        let kept = dims.filter(|&(axis, &dim)| dim != 1 || !gone(axis));
        let kept: Vec<usize> = kept.map(|(_, &dim)| dim).collect();
        Ok(vec![x.reshape(&kept)])
    })
    .draw(|d| {
        let mut dims = d.any_shape();
        for dim in &mut dims {
            if *dim < 100 && d.flag() {
                *dim = 1;
            }
        }
        let args = Args::new().with("x", d.reals(&dims)?);
        Ok(match d.below(3) {
            0 => args,
            _ => args.attr("dim", d.dims(dims.len(), 0)),
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let got = x.squeeze(2);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        let got = x.squeeze_dims(&[0, -2]);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }
}
