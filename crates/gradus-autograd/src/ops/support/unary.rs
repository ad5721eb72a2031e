//! Elementwise functions of one number: an op file gives the value and the derivative, this gives the op.

use std::fmt::Debug;

use gradus_linalg::Float;
use gradus_tensor::{DType, Result, Tensor};

use super::{Map1, Map2, map1, map2, scalar_like};
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

#[derive(Clone, Copy, Debug)]
struct Unary<F>(F);

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
