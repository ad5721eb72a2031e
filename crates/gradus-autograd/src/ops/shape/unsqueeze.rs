//! A new dim of size 1.

use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Result, Var};

impl Var {
    /// With a new dim of size 1 at `dim`, in `-rank - 1..=rank`. A view.
    ///
    /// # Shapes
    /// The input's, with a 1 at `dim`.
    ///
    /// # Gradient
    /// `grad_out` in the input's shape. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::RankTooHigh`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?);
    /// assert_eq!(x.unsqueeze(0)?.dims(), [1, 2, 3]);
    /// assert_eq!(x.unsqueeze(-1)?.dims(), [2, 3, 1]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.unsqueeze`.
    pub fn unsqueeze(&self, dim: isize) -> Result<Self> {
        let shape = *self.tensor().unsqueeze(dim)?.shape();
        self.reshape(shape)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("unsqueeze", |a| {
        Ok(one(a.var("x")?.unsqueeze(a.isize("dim")?)?))
    })
    .input("x", Kind::Any)
    .required("dim", AttrType::Int)
    .reference(|a| {
        let x = a.dense("x")?;
        let mut dims = x.dims.clone();
        let axis = a.isize("dim")?.rem_euclid(x.rank() as isize + 1) as usize;
        dims.insert(axis, 1);
        Ok(vec![x.reshape(&dims)])
    })
    .draw(|d| {
        let dims = d.any_shape();
        let dim = d.dim(dims.len() + 1);
        Ok(Args::new().with("x", d.reals(&dims)?).attr("dim", dim))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).unsqueeze(3);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        let got = constant(&BOTH_SIGNS, [2, 3]).unsqueeze(-4);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }

    #[test]
    fn museum_40_dims_of_size_1_with_odd_strides() {
        let x = constant(&BOTH_SIGNS, [2, 3])
            .transpose(0, 1)
            .unwrap()
            .unsqueeze(1)
            .unwrap();
        assert_eq!(values(&x.sum(&[1], false).unwrap()), values(&x));
    }
}
