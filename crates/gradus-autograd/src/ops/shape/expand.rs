//! Expansion to a larger shape without copying.

use gradus_tensor::{Error, IntoShape, Result, Shape, Tensor};

use crate::ops::support::unbroadcast;
use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Expand {
    shape: Shape,
}

impl Op for Expand {
    fn name(&self) -> &'static str {
        "expand"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(inputs[0].expand(self.shape)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(unbroadcast(
            &ctx.grad(grad_out, 0)?,
            ctx.input_shape(0),
        )?)])
    }
}

impl Var {
    /// Expanded to a larger shape without copying: new dims in front and dims of size 1 repeat.
    ///
    /// # Shapes
    /// `shape` must be one that `self` broadcasts to.
    ///
    /// # Gradient
    /// The sum of `grad_out` over the repeated dims. Saves nothing.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if another dim would have to change.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [2, 1])?);
    /// assert_eq!(x.expand([2, 3])?.tensor().to_vec::<f32>()?, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.Tensor.expand` without `-1`, which [`Var::expand_to`] takes; `torch.broadcast_to`.
    pub fn expand(&self, shape: impl IntoShape) -> Result<Self> {
        apply(
            Expand {
                shape: shape.into_shape()?,
            },
            &[self],
        )
    }

    /// [`Var::expand`] to sizes of which -1 means that the dim stays as it is.
    ///
    /// # Errors
    /// [`Error::Argument`] if a size is below -1, or a new dim is -1; [`Error::Length`] for fewer sizes than dims; those of
    /// [`Var::expand`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [2, 1])?);
    /// assert_eq!(x.expand_to(&[4, -1, 3])?.dims(), [4, 2, 3]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.Tensor.expand`.
    pub fn expand_to(&self, sizes: &[isize]) -> Result<Self> {
        let new = sizes.len().checked_sub(self.rank()).ok_or(Error::Length {
            op: "expand",
            expected: self.rank(),
            got: sizes.len(),
        })?;
        let size = |(axis, &size): (usize, &isize)| match usize::try_from(size) {
            Ok(size) => Ok(size),
            Err(_) if size == -1 && axis >= new => Ok(self.dims()[axis - new]),
            Err(_) => Err(Error::Argument {
                op: "expand",
                name: "size",
                expected: "sizes, or -1 for a dim that there is",
                got: size as f64,
            }),
        };
        let dims = sizes.iter().enumerate().map(size);
        self.expand(dims.collect::<Result<Vec<usize>>>()?)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("expand", |a| {
        Ok(one(a.var("x")?.expand_to(&a.isizes("size")?)?))
    })
    .input("x", Kind::Any)
    .required("size", AttrType::Ints)
    .reference(|a| {
        let (x, sizes) = (a.dense("x")?, a.isizes("size")?);
        let new = sizes.len() - x.rank();
        let size = |(axis, size): (usize, isize)| match usize::try_from(size) {
            Ok(size) => size,
            Err(_) => x.dims[axis - new],
        };
        let dims: Vec<usize> = sizes.into_iter().enumerate().map(size).collect();
        Ok(vec![Dense::from_fn(&dims, |at| x.wide(at))])
    })
    .draw(|d| {
        let wide = d.any_shape();
        let dims = d.narrower(&wide);
        let new = wide.len() - dims.len();
        let mut sizes: Vec<i64> = wide.iter().map(|&size| size as i64).collect();
        for axis in new..wide.len() {
            if dims[axis - new] == wide[axis] && d.flag() {
                sizes[axis] = -1;
            }
        }
        Ok(Args::new().with("x", d.reals(&dims)?).attr("size", sizes))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_42_results_of_expanded_tensors_are_their_own() {
        let x = constant(&[0.5_f64], 1).expand([3]).unwrap();
        let y = x.cos().unwrap().cos().unwrap().cos().unwrap();
        assert_eq!(values(&y), [0.5_f64.cos().cos().cos(); 3]);
        assert_eq!(values(&x), [0.5; 3]);
    }

    #[test]
    fn museum_47_more_than_two_billion_elements() {
        let x = constant(&[7_u8], 1).expand([3 << 30]).unwrap();
        let y = x.narrow(0, (3 << 30) - 2, 2).unwrap();
        assert_eq!(values(&y), [7.0, 7.0]);
        let got = x.expand([1 << 62, 3 << 30]);
        assert!(matches!(got, Err(crate::Error::Overflow { .. })), "{got:?}");
    }

    #[test]
    fn rejects_a_shape_that_does_not_fit() {
        let got = constant(&BOTH_SIGNS, [2, 3]).expand([2, 6]);
        assert!(
            matches!(got, Err(crate::Error::ShapeMismatch { .. })),
            "{got:?}"
        );
    }
}
