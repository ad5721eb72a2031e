//! Dims in another order.

use gradus_tensor::{Error, Result, Tensor};

use crate::ops::support::movement::axes;
use crate::registry::{Args, AttrType, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// The core of permute, transpose and movedim: dim `i` of the result is dim `order[i]`.
#[derive(Debug)]
struct Permute {
    name: &'static str,
    order: Vec<isize>,
}

/// `x` with its dims in this order, which names each axis once.
pub(super) fn permuted(name: &'static str, x: &Var, order: &[usize]) -> Result<Var> {
    let order = order.iter().map(|&axis| axis as isize).collect();
    apply(Permute { name, order }, &[x])
}

impl Op for Permute {
    fn name(&self) -> &'static str {
        self.name
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(inputs[0].permute(&self.order)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let mut inverse = vec![0; self.order.len()];
        for (to, &from) in self.order.iter().enumerate() {
            inverse[from as usize] = to;
        }
        let grad = permuted(self.name, &ctx.grad(grad_out, 0)?, &inverse)?;
        Ok(vec![Some(grad)])
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
    /// [`Error::Axis`] if a dim is outside or repeated; [`Error::Length`] if one is missing.
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
        if order.len() != self.rank() {
            return Err(Error::Length {
                op: "permute",
                expected: self.rank(),
                got: order.len(),
            });
        }
        permuted("permute", self, &axes("permute", self.shape(), order)?)
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
        let rank = dims.len() as i64;
        let order = d.order(dims.len()).into_iter();
        let order: Vec<i64> = order
            .map(|axis| axis as i64 - if d.flag() { rank } else { 0 })
            .collect();
        Ok(Args::new().with("x", d.reals(&dims)?).attr("dims", order))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn rejects_an_order_that_is_none() {
        let x = constant(&BOTH_SIGNS, [2, 3]);
        for order in [&[0, 0][..], &[0], &[0, 2], &[1, -1]] {
            assert!(x.permute(order).is_err(), "{order:?}");
        }
    }
}
