//! Products over dims.

use gradus_linalg::reduce;
use gradus_tensor::{Result, Tensor};

use crate::ops::support::lane_cases::with_zeros;
use crate::ops::support::lanes::reduced_axes;
use crate::ops::support::recurrence::products_beside;
use crate::ops::support::with_float;
use crate::registry::templates::{draw_reduction, reduce_reference};
use crate::registry::{AttrType, Kind, OpSpec, Values, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct Prod {
    axes: Vec<usize>,
    keepdim: bool,
}

impl Op for Prod {
    fn name(&self) -> &'static str {
        "prod"
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = inputs[0];
        with_float!(x.dtype(), self.name(), T => {
            let view = x.view::<T>()?;
            let products = Tensor::build(x.shape().reduced(&self.axes, self.keepdim), |dst: &mut [T]| {
                reduce::prod(dst, view, &self.axes);
            })?;
            Ok(products.into())
        })
    }

    /// `g · (product of the elements before) · (product of those behind)`: no division, so zeros are harmless.
    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (x, grad) = (ctx.input(0)?, ctx.grad(grad_out, 0)?);
        if self.axes.is_empty() || x.numel() == 0 {
            return Ok(vec![Some(
                grad.reshape(x.shape().reduced(&self.axes, true))?
                    .expand(x.shape())?,
            )]);
        }
        let kept: Vec<usize> = (0..x.rank()).filter(|a| !self.axes.contains(a)).collect();
        let order: Vec<isize> = kept.iter().chain(&self.axes).map(|&a| a as isize).collect();
        let groups: usize = kept.iter().map(|&a| x.dims()[a]).product();
        let permuted = x.permute(&order)?;
        let rows = permuted.reshape([groups, x.numel() / groups])?;
        let others = products_beside(&rows, 1, false)?.mul(&products_beside(&rows, 1, true)?)?;
        let shares = others.mul(&grad.reshape([groups, 1])?)?;
        let mut back = vec![0; order.len()];
        for (to, &from) in order.iter().enumerate() {
            back[from as usize] = to as isize;
        }
        Ok(vec![Some(
            shares.reshape(permuted.shape())?.permute(&back)?,
        )])
    }
}

impl Var {
    /// The product over `dims`, or over all if `dims` is empty.
    ///
    /// # Shapes
    /// The reduced dims disappear, or stay with size 1 if `keepdim`. The product of no elements is 1.
    ///
    /// # Numerics
    /// As [`Var::sum`]: fixed blocks combined in a fixed tree, in f64. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` times the product of the other elements, which is taken without a division: one zero leaves its own
    /// gradient, two leave none. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if a dim is outside or repeated; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2])?);
    /// assert_eq!(x.prod(&[0], false)?.tensor().to_vec::<f32>()?, [3.0, 8.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.prod`, which takes one dim or none.
    pub fn prod(&self, dims: &[isize], keepdim: bool) -> Result<Self> {
        let axes = reduced_axes("prod", self.shape(), dims)?;
        apply(Prod { axes, keepdim }, &[self])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("prod", |a| {
        Ok(one(a
            .var("x")?
            .prod(&a.isizes("dim")?, a.flag("keepdim")?)?))
    })
    .input("x", Kind::Float)
    .attr("dim", AttrType::Ints, Vec::<i64>::new())
    .attr("keepdim", AttrType::Bool, false)
    .reference(|a| reduce_reference(a, |group| group.iter().product()))
    .draw(|d| {
        let dims = d.any_shape();
        let values = Values::between(-1.3, 1.3);
        let args = draw_reduction(d, &dims, |d| d.floats(&dims, values))?;
        with_zeros(d, args)
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_21_one_zero_keeps_its_gradient_and_two_have_none() {
        for (x, want) in [
            ([2.0, 0.0, 3.0], [0.0, 6.0, 0.0]),
            ([0.0, 0.0, 3.0], [0.0; 3]),
            ([2.0, 5.0, 3.0], [15.0, 6.0, 10.0]),
        ] {
            let x = leaf(&x, 3);
            let grads = x.prod(&[], false).unwrap().backward().unwrap();
            assert_eq!(grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(), want);
            check_gradient(|v| v[0].prod(&[0], true), &[x.tensor().clone()]);
        }
    }

    #[test]
    fn museum_46_the_product_of_nothing_is_1() {
        let x = leaf::<f64>(&[], [2, 0]);
        let y = x.prod(&[1], false).unwrap();
        assert_eq!(values(&y), [1.0, 1.0]);
        let grads = y.backward_with(&constant(&[1.0_f64; 2], 2)).unwrap();
        assert_eq!(grads.get_var(&x).unwrap().dims(), [2, 0]);
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).prod(&[2], false);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        check_rejects_integers(|x| x.prod(&[], false));
    }
}
