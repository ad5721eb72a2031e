//! One dim as several.

use crate::ops::support::movement::inferred;
use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// `dim` as dims of these sizes, of which one may be -1. A view where the strides allow one, else a copy.
    ///
    /// # Shapes
    /// The product of `sizes` is the size of `dim`, which they take the place of.
    ///
    /// # Gradient
    /// `grad_out` in the input's shape. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::ShapeMismatch`] or [`crate::Error::Argument`] if the sizes
    /// do not fit; [`crate::Error::RankTooHigh`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::arange(0.0_f32, 12.0, 1.0)?).reshape([2, 6])?;
    /// assert_eq!(x.unflatten(1, &[3, -1])?.dims(), [2, 3, 2]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.unflatten`.
    pub fn unflatten(&self, dim: isize, sizes: &[isize]) -> Result<Self> {
        let at = self.shape().axis("unflatten", dim)?;
        let inner = inferred("unflatten", self.dims()[at], sizes)?;
        if inner.numel() != self.dims()[at] || sizes.is_empty() {
            return Err(crate::Error::ShapeMismatch {
                op: "unflatten",
                lhs: *self.shape(),
                rhs: inner,
                rule: "the product of the sizes is the size of the dim",
            });
        }
        let (before, rest) = self.dims().split_at(at);
        self.reshape([before, inner.dims(), &rest[1..]].concat())
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("unflatten", |a| {
        let sizes = a.isizes("sizes")?;
        Ok(one(a.var("x")?.unflatten(a.isize("dim")?, &sizes)?))
    })
    .input("x", Kind::Any)
    .required("dim", AttrType::Int)
    .required("sizes", AttrType::Ints)
    .reference(|a| {
        let x = a.dense("x")?;
        let axis = a.isize("dim")?.rem_euclid(x.rank() as isize) as usize;
        let sizes = a.isizes("sizes")?;
        let known: isize = sizes.iter().filter(|&&size| size >= 0).product();
        let mut dims = x.dims[..axis].to_vec();
        dims.extend(sizes.iter().map(|&size| match usize::try_from(size) {
            Ok(size) => size,
            Err(_) => x.dims[axis] / known as usize,
        }));
        dims.extend_from_slice(&x.dims[axis + 1..]);
        Ok(vec![x.reshape(&dims)])
    })
    .draw(|d| {
        let mut dims = d.some_shape();
        let dim = d.dim(dims.len());
        let axis = dim.rem_euclid(dims.len() as i64) as usize;
        let factor = d.range(1..=3);
        let mut sizes = vec![factor as i64, dims[axis] as i64];
        dims[axis] *= factor;
        if d.flag() && dims[axis] > 0 {
            let at = d.below(2);
            sizes[at] = -1;
        }
        let args = Args::new().with("x", d.reals(&dims)?);
        Ok(args.attr("dim", dim).attr("sizes", sizes))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_sizes_of_another_product() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        assert!(x.unflatten(1, &[2, 2]).is_err());
        assert!(x.unflatten(1, &[]).is_err());
        assert!(x.unflatten(1, &[2, -1]).is_err());
        assert!(x.unflatten(2, &[3]).is_err());
    }
}
