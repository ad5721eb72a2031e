//! The positions of a dim, each by itself.

use crate::registry::{Args, AttrType, Dense, Kind, OpSpec};
use crate::{Result, Var};

impl Var {
    /// Every position of `dim` by itself. Views.
    ///
    /// # Shapes
    /// As many as the size of `dim`, which they lack.
    ///
    /// # Gradient
    /// The parts' gradients stacked. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::arange(0.0_f32, 6.0, 1.0)?).reshape([2, 3])?;
    /// let columns = x.unbind(1)?;
    /// assert_eq!(columns[2].tensor().to_vec::<f32>()?, [2.0, 5.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.unbind`.
    pub fn unbind(&self, dim: isize) -> Result<Vec<Self>> {
        let axis = self.shape().axis("unbind", dim)?;
        let parts = super::split::parts("unbind", self, axis, vec![1; self.dims()[axis]])?;
        parts
            .iter()
            .map(|part| part.squeeze(axis as isize))
            .collect()
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("unbind", |a| a.var("x")?.unbind(a.isize("dim")?))
        .many()
        .small_only()
        .input("x", Kind::Any)
        .attr("dim", AttrType::Int, 0)
        .reference(|a| {
            let x = a.dense("x")?;
            let axis = a.isize("dim")?.rem_euclid(x.rank() as isize) as usize;
            let mut dims = x.dims.clone();
            dims.remove(axis);
            let part = |i| {
                Dense::from_fn(&dims, |at| {
                    let mut own = at.to_vec();
                    own.insert(axis, i);
                    x.at(&own)
                })
            };
            Ok((0..x.dims[axis]).map(part).collect())
        })
        .draw(|d| {
            let dims = d.some_shape();
            let dim = d.dim(dims.len());
            Ok(Args::new().with("x", d.reals(&dims)?).attr("dim", dim))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::support::testing::*;

    #[test]
    fn of_nothing_comes_nothing() {
        let x = Var::constant(tensor::<f64>(&[], [0, 2]));
        assert!(x.unbind(0).unwrap().is_empty());
        assert!(matches!(x.unbind(2), Err(crate::Error::Axis { .. })));
    }
}
