//! Running products.

use gradus_linalg::scan as kernels;
use gradus_tensor::{Result, Tensor};

use crate::ops::support::lane_cases::{draw_lanes, scan_reference, with_zeros};
use crate::ops::support::lanes::lane;
use crate::ops::support::recurrence::{products_beside, recurrence, shift};
use crate::ops::support::scan::{RowKernel, scan, scan_spec};
use crate::registry::{OpSpec, Values, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct CumProd {
    axis: usize,
}

impl Op for CumProd {
    fn name(&self) -> &'static str {
        "cumprod"
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let kernel = RowKernel {
            single: kernels::cumprod,
            double: kernels::cumprod,
        };
        Ok(scan(self.name(), inputs[0], self.axis, &kernel)?.into())
    }

    /// `dx[k] = P[k] · R[k]`: the product before `k`, and `R[k] = g[k] + x[k + 1] · R[k + 1]`. No division, so zeros are harmless.
    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (x, grad) = (ctx.input(0)?, ctx.grad(grad_out, 0)?);
        let rest = recurrence(&shift(&x, self.axis, false)?, &grad, self.axis, true)?;
        let before = products_beside(&x, self.axis, false)?;
        Ok(vec![Some(before.mul(&rest)?)])
    }
}

impl Var {
    /// The products of the elements up to each along `dim`.
    ///
    /// # Shapes
    /// Any, also rank 0 with dim 0; the result has the same.
    ///
    /// # Numerics
    /// In order, carried in f64. f32 or f64.
    ///
    /// # Gradient
    /// `Σ_{i ≥ k} grad_out[i] · Π_{j ≤ i, j ≠ k} x[j]` in one walk and without a division, so zeros are harmless. Saves the input.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.cumprod`.
    pub fn cumprod(&self, dim: isize) -> Result<Self> {
        lane("cumprod", self, dim, |x, axis| {
            apply(CumProd { axis }, &[x])
        })
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    scan_spec(
        "cumprod",
        |a| Ok(one(a.var("x")?.cumprod(a.isize("dim")?)?)),
        |a| {
            let products = |lane: &[f64]| {
                (0..lane.len())
                    .map(|i| lane[..=i].iter().product())
                    .collect()
            };
            Ok(vec![scan_reference(a, products)?])
        },
    )
    .draw(|d| {
        // Small enough that long products neither overflow nor lose their gradient; a zero here and there.
        let values = Values::between(-1.2, 1.2);
        let args = draw_lanes(d, |d, dims| d.floats(dims, values))?;
        with_zeros(d, args)
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_21_a_zero_among_the_factors() {
        let x = leaf(&[2.0_f64, 0.0, 3.0, 4.0], 4);
        let y = x.cumprod(0).unwrap();
        assert_eq!(values(&y), [2.0, 0.0, 0.0, 0.0]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(got, [1.0, 32.0, 0.0, 0.0]);
        let x = leaf(&[2.0_f64, 0.0, 3.0, 0.0], 4);
        let y = x.cumprod(0).unwrap();
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        let got = grads.get_var(&x).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(got, [1.0, 8.0, 0.0, 0.0]);
        check_gradient(|v| v[0].cumprod(0), &[tensor(&[2.0, 0.0, 3.0, 0.0], 4)]);
    }

    #[test]
    fn museum_46_products_of_no_elements_and_their_gradient() {
        for (dims, dim) in [([0, 3], 0), ([0, 3], 1), ([3, 0], 1)] {
            let x = leaf::<f64>(&[], dims);
            let y = x.cumprod(dim).unwrap();
            let grads = y.backward_with(&constant::<f64>(&[], dims)).unwrap();
            assert_eq!(grads.get_var(&x).unwrap().dims(), dims);
        }
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).cumprod(-3);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        check_rejects_integers(|x| x.cumprod(0));
    }
}
