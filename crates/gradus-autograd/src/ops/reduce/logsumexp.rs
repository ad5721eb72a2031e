//! Logarithms of sums of exponentials.

use gradus_linalg::{Float, elementwise, reduce};
use gradus_tensor::{Result, Tensor};

use crate::ops::support::lanes::reduced_axes;
use crate::ops::support::{Map1, Map3, map1, map3, scalar_like, with_float};
use crate::registry::templates::{draw_reduction, reduce_reference};
use crate::registry::{AttrType, Kind, OpSpec, one};
use crate::{Backward, DType, Op, Outputs, Saves, Stats, Var, apply};

#[derive(Debug)]
struct LogSumExp {
    axes: Vec<usize>,
    keepdim: bool,
}

/// What is subtracted before the exponential: the largest element, unless it is infinite.
#[inline(always)]
fn shift<T: Float>(max: T) -> T {
    if max.abs() == T::INFINITY {
        T::ZERO
    } else {
        max
    }
}

fn logsumexp<T: Float>(x: &Tensor, op: &LogSumExp) -> Result<Tensor> {
    let (view, kept) = (x.view::<T>()?, x.shape().reduced(&op.axes, true));
    let max = Tensor::build(kept, |dst: &mut [T]| {
        reduce::max(dst, view, &op.axes);
        elementwise::update0(
            dst,
            #[inline(always)]
            |max| shift(max),
        );
    })?;
    let wide = max.view::<T>()?.broadcast("logsumexp", x.shape())?;
    let powers = Tensor::build(x.shape(), |dst: &mut [T]| {
        elementwise::map2(
            dst,
            view,
            wide,
            #[inline(always)]
            |x: T, max: T| (x - max).exp(),
        );
    })?;
    let (powers, max) = (
        powers.view::<T>()?,
        max.reshape(x.shape().reduced(&op.axes, op.keepdim))?,
    );
    let max = max.view::<T>()?;
    Tensor::build(max.shape(), |dst: &mut [T]| {
        reduce::sum(dst, powers, &op.axes);
        elementwise::update1(
            dst,
            max,
            #[inline(always)]
            |sum: T, max: T| sum.ln() + max,
        );
    })
}

/// `grad_out · e^(x - y)`, and 0 where `y` is -∞.
#[derive(Clone, Copy)]
struct Grad;

impl Map3 for Grad {
    #[inline(always)]
    fn call<T: Float>(self, grad_out: T, x: T, y: T) -> T {
        if y == T::NEG_INFINITY {
            T::ZERO
        } else {
            grad_out * (x - y).exp()
        }
    }
}

/// 1 where `y` is -∞.
#[derive(Clone, Copy)]
struct IsNothing;

impl Map1 for IsNothing {
    #[inline(always)]
    fn call<T: Float>(self, y: T) -> T {
        if y == T::NEG_INFINITY {
            T::ONE
        } else {
            T::ZERO
        }
    }
}

impl Op for LogSumExp {
    fn name(&self) -> &'static str {
        "logsumexp"
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS.and(Saves::outputs(&[0]))
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = inputs[0];
        with_float!(x.dtype(), self.name(), T => Ok(logsumexp::<T>(x, self)?.into()))
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (x, shape) = (ctx.input(0)?, ctx.input_shape(0));
        let kept = shape.reduced(&self.axes, true);
        let (y, grad) = (
            ctx.output(0)?.reshape(kept)?,
            ctx.grad(grad_out, 0)?.reshape(kept)?,
        );
        if !ctx.create_graph() {
            let operands = [grad.tensor(), x.tensor(), y.tensor()];
            return Ok(vec![Some(Var::constant(map3(
                self.name(),
                shape,
                operands,
                Grad,
            )?))]);
        }
        let nothing = map1(self.name(), y.tensor(), IsNothing)?.to_dtype(DType::Bool)?;
        let y = scalar_like(&y, 0.0)?.where_(&nothing, &y)?;
        Ok(vec![Some(x.sub(&y)?.exp()?.mul(&grad)?)])
    }
}

impl Var {
    /// `ln Σ e^x` over `dims`, or over all if `dims` is empty.
    ///
    /// # Shapes
    /// The reduced dims disappear, or stay with size 1 if `keepdim`. Of no elements it is -∞.
    ///
    /// # Numerics
    /// The largest element is subtracted first, so nothing overflows. Elements that are all -∞ give -∞; one +∞ gives +∞.
    /// f32 or f64.
    ///
    /// # Gradient
    /// `grad_out · softmax(x)`; 0 where all elements are -∞, NaN at elements that are +∞. Saves input and output.
    ///
    /// # Errors
    /// [`crate::Error::Axis`] if a dim is outside or repeated; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1000.0_f64, 1000.0], [2])?);
    /// assert_eq!(x.logsumexp(&[0], false)?.item::<f64>()?, 1000.0 + std::f64::consts::LN_2);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.logsumexp`.
    pub fn logsumexp(&self, dims: &[isize], keepdim: bool) -> Result<Self> {
        let axes = reduced_axes("logsumexp", self.shape(), dims)?;
        apply(LogSumExp { axes, keepdim }, &[self])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("logsumexp", |a| {
        Ok(one(a
            .var("x")?
            .logsumexp(&a.isizes("dim")?, a.flag("keepdim")?)?))
    })
    .input("x", Kind::Float)
    .attr("dim", AttrType::Ints, Vec::<i64>::new())
    .attr("keepdim", AttrType::Bool, false)
    .reference(|a| reduce_reference(a, |group| group.iter().map(|x| x.exp()).sum::<f64>().ln()))
    .draw(|d| {
        let dims = d.any_shape();
        draw_reduction(d, &dims, |d| d.reals(&dims))
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;

    const NOTHING: f64 = f64::NEG_INFINITY;

    #[test]
    fn museum_23_infinite_and_large_elements() {
        for create_graph in [false, true] {
            let x = tensor(
                &[NOTHING, NOTHING, 1e4, 1e4, -1e4, -1e4, NOTHING, 3.0],
                [4, 2],
            );
            let y = crate::Var::constant(x.clone())
                .logsumexp(&[1], false)
                .unwrap();
            let ln2 = std::f64::consts::LN_2;
            assert_eq!(values(&y), [NOTHING, 1e4 + ln2, -1e4 + ln2, 3.0]);
            let leaf = crate::Var::leaf(x);
            let config = crate::GradConfig {
                create_graph,
                ..Default::default()
            };
            let sum = leaf.logsumexp(&[1], false).unwrap();
            let ones = constant(&[1.0_f64; 4], 4);
            let found = crate::grad(&[&sum], &[&leaf], Some(&[ones]), &config).unwrap();
            let got = values(found[0].as_ref().unwrap());
            gradus_testing::check_close(
                "gradient",
                &got,
                &[0.0, 0.0, 0.5, 0.5, 0.5, 0.5, 0.0, 1.0],
                1e-12,
                0.0,
            );
        }
        let infinite = constant(&[f64::INFINITY, 1.0], 2)
            .logsumexp(&[], false)
            .unwrap();
        assert_eq!(values(&infinite), [f64::INFINITY]);
    }

    #[test]
    fn rejects_dims_that_do_not_exist() {
        let got = constant(&BOTH_SIGNS, [2, 3]).logsumexp(&[2], false);
        assert!(matches!(got, Err(crate::Error::Axis { .. })), "{got:?}");
        check_rejects_integers(|x| x.logsumexp(&[], false));
    }
}
