//! Elementwise functions of one number: an op file gives the value and the derivative, this gives the op.

use std::fmt::Debug;

use gradus_linalg::rounded::map_rounding;
use gradus_linalg::{Float, elementwise};
use gradus_tensor::{DType, Result, Tensor, bf16};

use super::{Map1, Map2, map1, map2, scalar_like};
use crate::again::in_f32;
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// What the backward of a function reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// The input `x`.
    Input,
    /// The output `y`.
    Output,
}

/// A differentiable function of one number. The struct holds its attributes.
///
/// In ordinary training the backward is one pass over memory, [`Function::grad`]. If the gradient is to be
/// differentiated again it is [`Function::grad_var`], the same in terms of ops.
pub(crate) trait Function: Copy + Debug + Send + Sync + 'static {
    const NAME: &'static str;
    const KEEPS: Keeps;
    /// `y` from `x`.
    fn value<T: Float>(self, x: T) -> T;
    /// The gradient of `x` from that of `y` and what was kept.
    fn grad<T: Float>(self, grad_out: T, kept: T) -> T;
    /// [`Function::grad`] composed of ops.
    fn grad_var(self, grad_out: &Var, kept: &Var) -> Result<Var>;
}

/// Applies a function to each element.
pub(crate) fn unary(f: impl Function, x: &Var) -> Result<Var> {
    apply(Unary(f), &[x])
}

/// [`unary`] within autocast: the backward reads `x` rounded to bf16, which takes half the memory. For functions that keep their input and
/// whose outputs go to products that round them.
pub(crate) fn unary_rounded<F: Function>(f: F, x: &Var) -> Result<Var> {
    const { assert!(matches!(F::KEEPS, Keeps::Input)) };
    if x.dtype() == DType::F32 {
        apply(Rounded(f), &[x])
    } else {
        unary(f, x)
    }
}

#[derive(Clone, Copy, Debug)]
struct Unary<F>(F);

/// Statistic 0: `x` in bf16.
#[derive(Clone, Copy, Debug)]
struct Rounded<F>(F);

#[derive(Clone, Copy)]
struct Value<F>(F);

#[derive(Clone, Copy)]
struct Grad<F>(F);

/// The gradient for `grad_out = 1`.
#[derive(Clone, Copy)]
struct Slope<F>(F);

impl<F: Function> Map1 for Value<F> {
    #[inline(always)]
    fn call<T: Float>(self, x: T) -> T {
        self.0.value(x)
    }
}

impl<F: Function> Map2 for Grad<F> {
    #[inline(always)]
    fn call<T: Float>(self, grad_out: T, kept: T) -> T {
        self.0.grad(grad_out, kept)
    }
}

impl<F: Function> Map1 for Slope<F> {
    #[inline(always)]
    fn call<T: Float>(self, kept: T) -> T {
        self.0.grad(T::ONE, kept)
    }
}

impl<F: Function> Op for Unary<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn saves(&self) -> Saves {
        match F::KEEPS {
            Keeps::Input => Saves::inputs(&[0]),
            Keeps::Output => Saves::outputs(&[0]),
        }
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(map1(F::NAME, inputs[0], Value(self.0))?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let kept = match F::KEEPS {
            Keeps::Input => ctx.input(0)?,
            Keeps::Output => ctx.output(0)?,
        };
        Ok(vec![Some(if ctx.create_graph() {
            self.0.grad_var(&grad, &kept)?
        } else {
            Var::constant(map2(F::NAME, grad.tensor(), kept.tensor(), Grad(self.0))?)
        })])
    }
}

impl<F: Function> Op for Rounded<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], stats: &mut Stats) -> Result<Outputs> {
        if !stats.recording() {
            return Ok(map1(F::NAME, inputs[0], Value(self.0))?.into());
        }
        let x = inputs[0].contiguous()?;
        let (from, f) = (x.as_slice::<f32>()?, self.0);
        let mut rounded = Tensor::zeros([0], DType::BF16)?;
        let y = Tensor::try_build(x.shape(), |dst: &mut [f32]| {
            rounded = Tensor::build(x.shape(), |rounded: &mut [bf16]| {
                map_rounding(
                    dst,
                    rounded,
                    from,
                    #[inline(always)]
                    move |x| f.value(x),
                );
            })?;
            Ok(())
        })?;
        stats.push(rounded);
        Ok(y.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let x = ctx.stat(0)?;
        if ctx.create_graph() {
            let x = ctx.as_input(0, in_f32(x)?);
            return Ok(vec![Some(self.0.grad_var(&grad, &x)?)]);
        }
        let (views, f) = ((grad.tensor().view::<f32>()?, x.view::<bf16>()?), self.0);
        let grad_in = Tensor::build(x.shape(), |dst: &mut [f32]| {
            elementwise::map2(
                dst,
                views.0,
                views.1,
                #[inline(always)]
                move |grad: f32, x: bf16| f.grad(grad, x.to_f32()),
            );
        })?;
        Ok(vec![Some(Var::constant(grad_in))])
    }
}

/// `grad_out · derivative`, but 0 where `grad_out` is 0 and the derivative is not finite.
///
/// So what a `where_` cut off stays 0, also behind the root of 0 (museum 15).
#[inline(always)]
pub(crate) fn chain<T: Float>(grad_out: T, derivative: T) -> T {
    if grad_out == T::ZERO && !derivative.is_finite() {
        T::ZERO
    } else {
        grad_out * derivative
    }
}

/// [`chain`] composed of ops.
pub(crate) fn chain_var(grad_out: &Var, derivative: &Var) -> Result<Var> {
    #[derive(Clone, Copy)]
    struct IsCut;
    impl Map2 for IsCut {
        #[inline(always)]
        fn call<T: Float>(self, grad_out: T, derivative: T) -> T {
            if grad_out == T::ZERO && !derivative.is_finite() {
                T::ONE
            } else {
                T::ZERO
            }
        }
    }
    let cut =
        map2("chain", grad_out.tensor(), derivative.tensor(), IsCut)?.to_dtype(DType::Bool)?;
    if cut.as_slice::<bool>()?.contains(&true) {
        grad_out.mul(&scalar_like(grad_out, 0.0)?.where_(&cut, derivative)?)
    } else {
        grad_out.mul(derivative)
    }
}

/// [`Function::grad_var`] of a function that is linear in pieces: the slopes are constants, and slope 0 cuts off.
pub(crate) fn piecewise_linear(f: impl Function, grad_out: &Var, kept: &Var) -> Result<Var> {
    let slopes = map1("slope", kept.tensor(), Slope(f))?;
    grad_out
        .mul(&Var::constant(slopes.clone()))?
        .where_(&slopes.to_dtype(DType::Bool)?, &scalar_like(grad_out, 0.0)?)
}
