//! Elements in reverse order.

use gradus_tensor::{Result, Tensor};

use crate::registry::{Args, AttrType, Dense, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Flip {
    dims: Vec<isize>,
}

impl Op for Flip {
    fn name(&self) -> &'static str {
        "flip"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(inputs[0].flip(&self.dims)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(ctx.grad(grad_out, 0)?.flip(&self.dims)?)])
    }
}

impl Var {
    /// The order of elements turned round in each of the given dims. Unlike PyTorch's, a view.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `grad_out` turned round in the same dims. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if a dim is outside or repeated.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?);
    /// assert_eq!(x.flip(&[1])?.tensor().to_vec::<f32>()?, [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.flip`.
    pub fn flip(&self, dims: &[isize]) -> Result<Self> {
        let dims = dims.to_vec();
        apply(Flip { dims }, &[self])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("flip", |a| Ok(one(a.var("x")?.flip(&a.isizes("dims")?)?)))
        .input("x", Kind::Any)
        .required("dims", AttrType::Ints)
        .reference(|a| {
            let x = a.dense("x")?;
            let axis = |dim: isize| dim.rem_euclid(x.rank() as isize) as usize;
            let turned: Vec<usize> = a.isizes("dims")?.into_iter().map(axis).collect();
            Ok(vec![Dense::from_fn(&x.dims, |at| {
                let mut from = at.to_vec();
                for &axis in &turned {
                    from[axis] = x.dims[axis] - 1 - at[axis];
                }
                x.at(&from)
            })])
        })
        .draw(|d| {
            let dims = d.any_shape();
            let turned = d.dims(dims.len(), 0);
            Ok(Args::new().with("x", d.reals(&dims)?).attr("dims", turned))
        })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).flip(&[2]);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        let got = constant(&BOTH_SIGNS, [2, 3]).flip(&[0, -2]);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
    }

    #[test]
    fn no_dims_leave_all_in_place() {
        let x = constant(&BOTH_SIGNS, 6);
        assert_eq!(values(&x.flip(&[]).unwrap()), BOTH_SIGNS);
    }
}
