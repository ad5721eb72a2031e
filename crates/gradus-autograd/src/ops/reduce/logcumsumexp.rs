//! Logarithms of running sums of exponentials.

use gradus_linalg::scan as kernels;
use gradus_linalg::{Float, elementwise};
use gradus_tensor::{Result, Tensor};

use crate::ops::support::lane_cases::scan_reference;
use crate::ops::support::lanes::lane;
use crate::ops::support::recurrence::recurrence;
use crate::ops::support::scan::{RowKernel, scan, scan_spec};
use crate::ops::support::{scalar_like, with_float};
use crate::registry::{OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct LogCumSumExp {
    axis: usize,
}

/// Where elements are -∞.
fn is_nothing(x: &Tensor) -> Result<Tensor> {
    with_float!(x.dtype(), "logcumsumexp", T => {
        let view = x.view::<T>()?;
        Tensor::build(x.shape(), |dst: &mut [bool]| {
            elementwise::map1(dst, view, #[inline(always)] |x| x == <T as Float>::NEG_INFINITY);
        })
    })
}

impl Op for LogCumSumExp {
    fn name(&self) -> &'static str {
        "logcumsumexp"
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS.and(Saves::outputs(&[0]))
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let kernel = RowKernel {
            single: kernels::logcumsumexp,
            double: kernels::logcumsumexp,
        };
        Ok(scan(self.name(), inputs[0], self.axis, &kernel)?.into())
    }

    /// `dx[k] = e^(x[k] - y[k]) · R[k]` with `R[k] = g[k] + e^(y[k] - y[k + 1]) · R[k + 1]`: no exponent is positive.
    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (x, y, grad) = (ctx.input(0)?, ctx.output(0)?, ctx.grad(grad_out, 0)?);
        let (dim, len) = (self.axis as isize, y.dims()[self.axis]);
        if y.numel() == 0 {
            return Ok(vec![Some(grad)]);
        }
        // -∞ as a subtrahend is taken as 0: what it is subtracted from is -∞, too.
        let finite = scalar_like(&y, 0.0)?.where_(&is_nothing(y.tensor())?, &y)?;
        let last = finite.narrow(dim, len - 1, 1)?;
        let next = Var::cat(&[&finite.narrow(dim, 1, len - 1)?, &last], dim)?;
        let decay = y.sub(&next)?.exp()?;
        let rest = recurrence(&decay, &grad, self.axis, true)?;
        Ok(vec![Some(x.sub(&finite)?.exp()?.mul(&rest)?)])
    }
}

impl Var {
    /// `ln Σ e^x` over the elements up to each along `dim`.
    ///
    /// # Shapes
    /// Any, also rank 0 with dim 0; the result has the same.
    ///
    /// # Numerics
    /// In order, with the largest element so far kept apart, so nothing overflows; sums in f64. -∞ until the first element that
    /// is more. f32 or f64.
    ///
    /// # Gradient
    /// `Σ_{i ≥ k} grad_out[i] · e^(x[k] - y[i])`, in one walk from the end in which no exponent is positive; 0 where `x` is -∞.
    /// Saves input and output.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if `dim` is outside; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// As `torch.logcumsumexp`.
    pub fn logcumsumexp(&self, dim: isize) -> Result<Self> {
        lane("logcumsumexp", self, dim, |x, axis| {
            apply(LogCumSumExp { axis }, &[x])
        })
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    scan_spec(
        "logcumsumexp",
        |a| Ok(one(a.var("x")?.logcumsumexp(a.isize("dim")?)?)),
        |a| {
            let sums = |lane: &[f64]| {
                let upto = |i: usize| lane[..=i].iter().map(|x| x.exp()).sum::<f64>().ln();
                (0..lane.len()).map(upto).collect()
            };
            Ok(vec![scan_reference(a, sums)?])
        },
    )
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    #[test]
    fn museum_23_infinite_and_large_elements() {
        let none = f64::NEG_INFINITY;
        let x = leaf(&[none, none, 1e4, none, -1e4, 1e4], 6);
        let y = x.logcumsumexp(0).unwrap();
        let ln2 = std::f64::consts::LN_2;
        assert_eq!(values(&y), [none, none, 1e4, 1e4, 1e4, 1e4 + ln2]);
        for create_graph in [false, true] {
            let config = crate::GradConfig {
                create_graph,
                retain_graph: true,
                ..Default::default()
            };
            let ones = constant(&[1.0_f64; 6], 6);
            let found = crate::grad(&[&y], &[&x], Some(&[ones]), &config).unwrap();
            let got = values(found[0].as_ref().unwrap());
            gradus_testing::check_close(
                "gradient",
                &got,
                &[0.0, 0.0, 3.5, 0.0, 0.0, 0.5],
                1e-11,
                0.0,
            );
        }
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).logcumsumexp(2);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        check_rejects_integers(|x| x.logcumsumexp(0));
    }
}
