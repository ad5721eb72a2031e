//! Reshaping.

use gradus_tensor::{IntoShape, Result, Shape, Tensor};

use crate::ops::support::movement::inferred;
use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Reshape {
    shape: Shape,
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(inputs[0].reshape(self.shape)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(
            ctx.grad(grad_out, 0)?.reshape(ctx.input_shape(0))?,
        )])
    }
}

impl Var {
    /// The same elements, in row-major order, in another shape. A view where the strides allow one, else a copy.
    ///
    /// # Shapes
    /// Any with as many elements.
    ///
    /// # Gradient
    /// `grad_out` in the input's shape. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`] if the number of elements differs.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::arange(0.0_f32, 6.0, 1.0)?);
    /// assert_eq!(x.reshape([2, 3])?.dims(), [2, 3]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.reshape` without `-1`, which [`Var::reshape_to`] takes.
    pub fn reshape(&self, shape: impl IntoShape) -> Result<Self> {
        apply(
            Reshape {
                shape: shape.into_shape()?,
            },
            &[self],
        )
    }

    /// [`Var::reshape`] to sizes of which one may be -1: it is what the number of elements leaves for it.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] if a size is negative but for one -1, or nothing is left for that; those of [`Var::reshape`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::arange(0.0_f32, 6.0, 1.0)?);
    /// assert_eq!(x.reshape_to(&[2, -1])?.dims(), [2, 3]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.reshape`, `torch.Tensor.view`.
    pub fn reshape_to(&self, sizes: &[isize]) -> Result<Self> {
        self.reshape(inferred("reshape", self.numel(), sizes)?)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("reshape", |a| {
        Ok(one(a.var("x")?.reshape_to(&a.isizes("shape")?)?))
    })
    .input("x", Kind::Any)
    .required("shape", AttrType::Ints)
    .reference(|a| {
        let x = a.dense("x")?;
        let sizes = a.isizes("shape")?;
        let known: isize = sizes.iter().filter(|&&size| size >= 0).product();
        let size = |size: isize| match usize::try_from(size) {
            Ok(size) => size,
            Err(_) => x.numel() / known as usize,
        };
        let dims: Vec<usize> = sizes.into_iter().map(size).collect();
        Ok(vec![x.reshape(&dims)])
    })
    .draw(|d| {
        let dims = d.any_shape();
        // Neighbours are merged, and dims of size 1 put between.
        let mut sizes: Vec<i64> = Vec::new();
        for &dim in &dims {
            match sizes.last_mut() {
                Some(last) if d.flag() => *last *= dim as i64,
                _ => sizes.push(dim as i64),
            }
            if d.below(4) == 3 {
                sizes.push(1);
            }
        }
        let numel: usize = dims.iter().product();
        if d.flag() && !sizes.is_empty() && numel > 0 {
            let at = d.below(sizes.len());
            sizes[at] = -1;
        }
        Ok(Args::new().with("x", d.reals(&dims)?).attr("shape", sizes))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_48_more_elements_than_can_be_counted() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        let got = x.reshape_to(&[2, 2, 1, 1 << 61]);
        assert!(matches!(got, Err(crate::Error::Overflow { .. })), "{got:?}");
        let got = x.reshape_to(&[-1, 1 << 40, 1 << 40]);
        assert!(matches!(got, Err(crate::Error::Overflow { .. })), "{got:?}");
    }

    #[test]
    fn rejects_another_number_of_elements() {
        let got = constant(&BOTH_SIGNS, [2, 3]).reshape([2, 2]);
        assert!(
            matches!(got, Err(crate::Error::ShapeMismatch { .. })),
            "{got:?}"
        );
    }
}
