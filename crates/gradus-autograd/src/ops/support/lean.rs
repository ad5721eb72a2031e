//! Rarely used functions of each element: one loop over function pointers serves them all.
//!
//! The values are computed in f64, be the elements f32 or f64, so an f32 result is the true one rounded but for rare ties. The
//! gradient is composed of ops, hence differentiable as often as one likes. Such an op costs a few hundred bytes of machine code,
//! where a [`super::unary::Function`] is compiled for each dtype and instruction set; it takes some nanoseconds an element, where
//! those take a fraction of one.

use gradus_linalg::{Float, elementwise};
use gradus_tensor::{Result, Tensor};

use super::unary::Keeps;
use super::{Map1, Map2, broadcast_pair, map1, map2, scalar_like, unbroadcast, with_float};
use crate::{Backward, DType, Op, Outputs, Saves, Stats, Var, apply};

/// The attributes of a function: three numbers are enough for all of them.
pub(crate) type Attrs = [f64; 3];

/// A function of one number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lean {
    pub(crate) name: &'static str,
    pub(crate) value: fn(f64, Attrs) -> f64,
    /// What `grad` reads beside the gradient; nothing if its derivative is constant.
    pub(crate) keeps: Option<Keeps>,
    /// The gradient of `x` from that of `y` and what was kept (the former again if nothing was).
    pub(crate) grad: fn(&Var, &Var, Attrs) -> Result<Var>,
}

/// Applies a function to each element.
pub(crate) fn lean(f: Lean, attrs: Attrs, x: &Var) -> Result<Var> {
    apply(Unary { f, attrs }, &[x])
}

#[derive(Debug)]
struct Unary {
    f: Lean,
    attrs: Attrs,
}

impl Op for Unary {
    fn name(&self) -> &'static str {
        self.f.name
    }

    fn saves(&self) -> Saves {
        match self.f.keeps {
            Some(Keeps::Input) => Saves::inputs(&[0]),
            Some(Keeps::Output) => Saves::outputs(&[0]),
            None => Saves::NOTHING,
        }
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(values(self.f.name, inputs[0], self.f.value, self.attrs)?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let kept = match self.f.keeps {
            Some(Keeps::Input) => ctx.input(0)?,
            Some(Keeps::Output) => ctx.output(0)?,
            None => grad.clone(),
        };
        Ok(vec![Some((self.f.grad)(&grad, &kept, self.attrs)?)])
    }
}

/// `f` of each element, computed in f64.
fn values(op: &'static str, x: &Tensor, f: fn(f64, Attrs) -> f64, attrs: Attrs) -> Result<Tensor> {
    #[derive(Clone, Copy)]
    struct Value(fn(f64, Attrs) -> f64, Attrs);
    impl Map1 for Value {
        #[inline(always)]
        fn call<T: Float>(self, x: T) -> T {
            T::from_f64(self.0(x.to_f64(), self.1))
        }
    }
    map1(op, x, Value(f, attrs))
}

/// A function of two numbers, broadcast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lean2 {
    pub(crate) name: &'static str,
    pub(crate) value: fn(f64, f64) -> f64,
    /// The gradient of the first operand from that of the result, and both operands.
    pub(crate) grad_a: fn(&Var, &Var, &Var) -> Result<Var>,
    /// The gradient of the second.
    pub(crate) grad_b: fn(&Var, &Var, &Var) -> Result<Var>,
}

/// Applies a function to each pair of elements, broadcast.
pub(crate) fn lean2(f: Lean2, a: &Var, b: &Var) -> Result<Var> {
    apply(Binary(f), &[a, b])
}

#[derive(Debug)]
struct Binary(Lean2);

impl Op for Binary {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        #[derive(Clone, Copy)]
        struct Value(fn(f64, f64) -> f64);
        impl Map2 for Value {
            #[inline(always)]
            fn call<T: Float>(self, a: T, b: T) -> T {
                T::from_f64(self.0(a.to_f64(), b.to_f64()))
            }
        }
        Ok(map2(self.0.name, inputs[0], inputs[1], Value(self.0.value))?.into())
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let (a, b) = (ctx.input(0)?, ctx.input(1)?);
        let grad_in = |i: usize| -> Result<Option<Var>> {
            if !ctx.needs(i) {
                return Ok(None);
            }
            let full = if i == 0 {
                (self.0.grad_a)(&grad, &a, &b)?
            } else {
                (self.0.grad_b)(&grad, &a, &b)?
            };
            unbroadcast(&full, ctx.input_shape(i)).map(Some)
        };
        Ok(vec![grad_in(0)?, grad_in(1)?])
    }
}

/// A gradient that is 0 whatever flows in: of functions that are constant in pieces.
pub(crate) fn no_slope(grad_out: &Var, _kept: &Var, _attrs: Attrs) -> Result<Var> {
    zeros_like(grad_out)
}

/// Zeros of the shape and dtype of `x`.
pub(crate) fn zeros_like(x: &Var) -> Result<Var> {
    Ok(Var::constant(Tensor::zeros(x.shape(), x.dtype())?))
}

/// `grad_out` where `keep` holds of `x`, else 0.
pub(crate) fn passed(
    grad_out: &Var,
    x: &Var,
    attrs: Attrs,
    keep: fn(f64, Attrs) -> bool,
) -> Result<Var> {
    grad_out.where_(
        &mask(x.tensor(), attrs, keep)?,
        &scalar_like(grad_out, 0.0)?,
    )
}

/// Where `test` holds of an element.
pub(crate) fn mask(x: &Tensor, attrs: Attrs, test: fn(f64, Attrs) -> bool) -> Result<Tensor> {
    with_float!(x.dtype(), "mask", T => {
        let view = x.view::<T>()?;
        Tensor::build(x.shape(), |dst: &mut [bool]| {
            elementwise::map1(dst, view, #[inline(always)] move |x: T| test(x.to_f64(), attrs));
        })
    })
}

/// Where `test` holds of a pair of elements, broadcast.
pub(crate) fn mask2(a: &Tensor, b: &Tensor, test: fn(f64, f64) -> bool) -> Result<Tensor> {
    let shape = broadcast_pair("mask", a, b)?;
    with_float!(a.dtype(), "mask", T => {
        let (a, b) = (a.view::<T>()?.broadcast("mask", &shape)?, b.view::<T>()?.broadcast("mask", &shape)?);
        Tensor::build(shape, |dst: &mut [bool]| {
            elementwise::map2(dst, a, b, #[inline(always)] move |a: T, b: T| test(a.to_f64(), b.to_f64()));
        })
    })
}

/// `value` where `test` holds of `x`, else `x`: to keep a derivative's poles out of what is not selected.
pub(crate) fn replaced(x: &Var, test: fn(f64, Attrs) -> bool, value: f64) -> Result<Var> {
    scalar_like(x, value)?.where_(&mask(x.tensor(), [0.0; 3], test)?, x)
}

/// Where `test` holds of an element of any dtype.
pub(crate) fn test_any(x: &Tensor, test: fn(f64) -> bool) -> Result<Tensor> {
    let x = match x.dtype() {
        DType::F32 | DType::F64 => x.clone(),
        DType::I64 => x.to_dtype(DType::F64)?,
        _ => x.to_dtype(DType::F32)?,
    };
    with_float!(x.dtype(), "mask", T => {
        let view = x.view::<T>()?;
        Tensor::build(x.shape(), |dst: &mut [bool]| {
            elementwise::map1(dst, view, #[inline(always)] move |x: T| test(x.to_f64()));
        })
    })
}
