//! Elementwise functions of two numbers, broadcast: an op file gives the value and the derivatives, this gives the op.

use std::fmt::Debug;

use gradus_linalg::Float;
use gradus_tensor::{Result, Tensor};

use super::{Map2, Map3, broadcast_pair, map2, map3, unbroadcast};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// A differentiable function of two numbers. The struct holds its attributes.
pub(crate) trait Function2: Copy + Debug + Send + Sync + 'static {
    const NAME: &'static str;
    /// The value from both operands.
    fn value<T: Float>(self, a: T, b: T) -> T;
    /// The gradient of `a`.
    fn grad_a<T: Float>(self, grad_out: T, a: T, b: T) -> T;
    /// The gradient of `b`.
    fn grad_b<T: Float>(self, grad_out: T, a: T, b: T) -> T;
    /// [`Function2::grad_a`] composed of ops.
    fn grad_a_var(self, grad_out: &Var, a: &Var, b: &Var) -> Result<Var>;
    /// [`Function2::grad_b`] composed of ops.
    fn grad_b_var(self, grad_out: &Var, a: &Var, b: &Var) -> Result<Var>;
}

/// Applies a function to each pair of elements, broadcast.
pub(crate) fn binary(f: impl Function2, a: &Var, b: &Var) -> Result<Var> {
    apply(Binary(f), &[a, b])
}

#[derive(Clone, Copy, Debug)]
struct Binary<F>(F);

#[derive(Clone, Copy)]
struct Value<F>(F);

#[derive(Clone, Copy)]
struct GradA<F>(F);

#[derive(Clone, Copy)]
struct GradB<F>(F);

impl<F: Function2> Map2 for Value<F> {
    #[inline(always)]
    fn call<T: Float>(self, a: T, b: T) -> T {
        self.0.value(a, b)
    }
}

impl<F: Function2> Map3 for GradA<F> {
    #[inline(always)]
    fn call<T: Float>(self, grad_out: T, a: T, b: T) -> T {
        self.0.grad_a(grad_out, a, b)
    }
}

impl<F: Function2> Map3 for GradB<F> {
    #[inline(always)]
    fn call<T: Float>(self, grad_out: T, a: T, b: T) -> T {
        self.0.grad_b(grad_out, a, b)
    }
}

impl<F: Function2> Op for Binary<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(map2(F::NAME, inputs[0], inputs[1], Value(self.0))?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let (a, b) = (ctx.input(0)?, ctx.input(1)?);
        let shape = broadcast_pair(F::NAME, a.tensor(), b.tensor())?;
        let operands = [grad.tensor(), a.tensor(), b.tensor()];
        let grad_in = |i: usize| -> Result<Option<Var>> {
            if !ctx.needs(i) {
                return Ok(None);
            }
            let full = match (ctx.create_graph(), i) {
                (true, 0) => self.0.grad_a_var(&grad, &a, &b)?,
                (true, _) => self.0.grad_b_var(&grad, &a, &b)?,
                (false, 0) => Var::constant(map3(F::NAME, &shape, operands, GradA(self.0))?),
                (false, _) => Var::constant(map3(F::NAME, &shape, operands, GradB(self.0))?),
            };
            unbroadcast(&full, ctx.input_shape(i)).map(Some)
        };
        Ok(vec![grad_in(0)?, grad_in(1)?])
    }
}

/// [`Function2::grad_a_var`] of a function that is linear in pieces: the slopes are constants.
pub(crate) fn slope_a(f: impl Function2, grad_out: &Var, a: &Var, b: &Var) -> Result<Var> {
    #[derive(Clone, Copy)]
    struct Slope<F>(F);
    impl<F: Function2> Map2 for Slope<F> {
        #[inline(always)]
        fn call<T: Float>(self, a: T, b: T) -> T {
            self.0.grad_a(T::ONE, a, b)
        }
    }
    grad_out.mul(&Var::constant(map2(
        "slope",
        a.tensor(),
        b.tensor(),
        Slope(f),
    )?))
}

/// [`Function2::grad_b_var`] of a function that is linear in pieces: the slopes are constants.
pub(crate) fn slope_b(f: impl Function2, grad_out: &Var, a: &Var, b: &Var) -> Result<Var> {
    #[derive(Clone, Copy)]
    struct Slope<F>(F);
    impl<F: Function2> Map2 for Slope<F> {
        #[inline(always)]
        fn call<T: Float>(self, a: T, b: T) -> T {
            self.0.grad_b(T::ONE, a, b)
        }
    }
    grad_out.mul(&Var::constant(map2(
        "slope",
        a.tensor(),
        b.tensor(),
        Slope(f),
    )?))
}
