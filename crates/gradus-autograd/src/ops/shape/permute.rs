//! Dims in another order.

use gradus_tensor::{Result, Tensor};

use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Permute {
    order: Vec<isize>,
}

impl Permute {
    /// The order that undoes this one, which forward has found valid.
    fn inverse(&self) -> Vec<isize> {
        let rank = self.order.len();
        let mut inverse = vec![0; rank];
        for (to, &from) in self.order.iter().enumerate() {
            inverse[from.rem_euclid(rank as isize) as usize] = to as isize;
        }
        inverse
    }
}

impl Op for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(inputs[0].permute(&self.order)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(ctx.grad(grad_out, 0)?.permute(&self.inverse())?)])
    }
}

impl Var {
    /// The dims in another order: dim `i` of the result is dim `order[i]`. A view.
    ///
    /// # Shapes
    /// `order` names each dim once; negative ones count from the end.
    ///
    /// # Gradient
    /// `grad_out` with the dims put back. Saves nothing.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if a dim is outside or repeated or missing.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?);
    /// assert_eq!(x.permute(&[1, 0])?.tensor().to_vec::<f32>()?, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.permute`.
    pub fn permute(&self, order: &[isize]) -> Result<Self> {
        let order = order.to_vec();
        apply(Permute { order }, &[self])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("permute", |a| {
        Ok(one(a.var("x")?.permute(&a.isizes("dims")?)?))
    })
    .input("x", Kind::Any)
    .required("dims", AttrType::Ints)
    .reference(|a| {
        let x = a.dense("x")?;
        let axis = |dim: isize| dim.rem_euclid(x.rank().max(1) as isize) as usize;
        let order: Vec<usize> = a.isizes("dims")?.into_iter().map(axis).collect();
        Ok(vec![x.permute(&order)])
    })
    .draw(|d| {
        let dims = d.any_shape();
        let order = d.order(dims.len());
        Ok(Args::new()
            .with("x", d.reals(&dims)?)
            .attr("dims", order.as_slice()))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn forward_matches_reference() {
        let x: Vec<f64> = (0..24).map(f64::from).collect();
        check_forward(
            |v| v[0].permute(&[2, 0, -2]),
            &[tensor(&x, [2, 3, 4])],
            &[
                0.0, 4.0, 8.0, 12.0, 16.0, 20.0, 1.0, 5.0, 9.0, 13.0, 17.0, 21.0, 2.0, 6.0, 10.0,
                14.0, 18.0, 22.0, 3.0, 7.0, 11.0, 15.0, 19.0, 23.0,
            ],
        );
    }

    #[test]
    fn gradient_matches_finite_difference() {
        check_gradient(
            |v| v[0].permute(&[2, 0, -2])?.square(),
            &[sampled(&[2, 3, 4], 1)],
        );
        check_gradient(|v| v[0].permute(&[2, 0, -2]), &[sampled(&[2, 3, 4], 1)]);
    }

    #[test]
    fn accepts_strided_views() {
        check_layouts(|v| v[0].permute(&[2, 0, -2]), &[sampled(&[2, 3, 4], 1)]);
        check_empty(|v| v[0].permute(&[1, 0]), &[&[0, 3]]);
    }

    #[test]
    fn rejects_an_order_that_is_none() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        for order in [&[0, 0][..], &[0], &[0, 2], &[1, -1]] {
            assert!(x.permute(order).is_err(), "{order:?}");
        }
    }
}
