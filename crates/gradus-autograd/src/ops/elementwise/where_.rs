//! Selection between two vars by a mask.

use gradus_linalg::elementwise;
use gradus_tensor::{DType, Result, Tensor, broadcast_shapes};

use crate::ops::support::{require_dtype, same_dtype, scalar_like, unbroadcast, with_float};
use crate::registry::{Args, Dense, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// Inputs: the mask, the values where it is true, the values where it is false.
#[derive(Debug)]
struct Where;

impl Op for Where {
    fn name(&self) -> &'static str {
        "where"
    }

    fn saves(&self) -> Saves {
        Saves::inputs(&[0])
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let (op, [mask, a, b]) = (self.name(), [inputs[0], inputs[1], inputs[2]]);
        require_dtype(op, mask, &[DType::Bool])?;
        same_dtype(op, a, b)?;
        let shape = broadcast_shapes(op, a.shape(), b.shape())?;
        let shape = broadcast_shapes(op, mask.shape(), &shape)?;
        with_float!(a.dtype(), op, T => {
            let mask = mask.view::<bool>()?.broadcast(op, &shape)?;
            let a = a.view::<T>()?.broadcast(op, &shape)?;
            let b = b.view::<T>()?.broadcast(op, &shape)?;
            let selected = Tensor::build(shape, |dst: &mut [T]| {
                elementwise::map3(dst, mask, a, b, #[inline(always)] |mask, a, b| if mask { a } else { b });
            })?;
            Ok(selected.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let mask = ctx.input(0)?;
        let zero = scalar_like(&grad, 0.0)?;
        let a = ctx
            .needs(1)
            .then(|| unbroadcast(&grad.where_(mask.tensor(), &zero)?, ctx.input_shape(1)));
        let b = ctx
            .needs(2)
            .then(|| unbroadcast(&zero.where_(mask.tensor(), &grad)?, ctx.input_shape(2)));
        Ok(vec![None, a.transpose()?, b.transpose()?])
    }
}

impl Var {
    /// `self` where `mask` is true, `other` where it is false.
    ///
    /// # Shapes
    /// `mask` (bool), `self` and `other` broadcast to one shape, which the result has.
    ///
    /// # Numerics
    /// A selection, not a product with the mask: infinities and NaN in what is not selected do not show. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` where selected, else 0, summed over the dims in which an operand was expanded. The ops of this crate
    /// keep that 0 even where their derivative is infinite, as the root's at 0. Saves the mask.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`], [`crate::Error::DTypeMismatch`], [`crate::Error::DType`] if `mask` is not bool or
    /// the others are not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, f32::NAN], [2])?);
    /// let zero = Var::from(Tensor::scalar(0.0_f32)?);
    /// let mask = Tensor::from_slice(&[true, false], [2])?;
    /// assert_eq!(x.where_(&mask, &zero)?.tensor().to_vec::<f32>()?, [1.0, 0.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.where(mask, self, other)`.
    pub fn where_(&self, mask: &Tensor, other: &Self) -> Result<Self> {
        apply(Where, &[&Self::constant(mask.clone()), self, other])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("where", |a| {
        Ok(one(a
            .var("x")?
            .where_(a.tensor("condition")?, a.var("y")?)?))
    })
    .input("condition", Kind::Mask)
    .input("x", Kind::Float)
    .input("y", Kind::Float)
    .reference(|a| {
        let (mask, x, y) = (a.dense("condition")?, a.dense("x")?, a.dense("y")?);
        let all = x.zip(&y, |x, _| x).zip(&mask, |x, _| x);
        Ok(vec![Dense::from_fn(&all.dims, |index| {
            let from = if mask.wide(index) != 0.0 { &x } else { &y };
            from.wide(index)
        })])
    })
    .draw(|d| {
        let [x, y, both] = d.broadcast_pair();
        let mask = d.narrower(&both);
        let (x, y) = (d.reals(&x)?, d.reals(&y)?);
        let args = Args::new().with("x", x).with("y", y);
        Ok(args.with("condition", d.mask(&mask)?))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_43_a_mask_is_broadcast() {
        let mask = tensor(&[true, false], [2, 1]);
        let y = constant(&[1.0_f64, 2.0, 3.0], 3)
            .where_(&mask, &constant(&[0.0_f64], ()))
            .unwrap();
        assert_eq!(values(&y), [1.0, 2.0, 3.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn rejects_a_mask_of_numbers() {
        let x = constant(&[1.0_f64], 1);
        let got = x.where_(&tensor(&[1_i64], 1), &x);
        assert!(matches!(got, Err(crate::Error::DType { .. })), "{got:?}");
        let got = x.where_(&tensor(&[true; 3], 3), &constant(&[1.0_f64; 2], 2));
        assert!(
            matches!(got, Err(crate::Error::ShapeMismatch { .. })),
            "{got:?}"
        );
    }
}
