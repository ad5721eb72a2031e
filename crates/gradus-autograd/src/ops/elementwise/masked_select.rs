//! The elements that a mask selects, and their way back.

use gradus_tensor::{DType, Error, Result, Shape, Tensor, broadcast_shapes};

use crate::ops::support::{require_dtype, unbroadcast, with_float};
use crate::registry::{Args, Dense, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// Inputs: values and mask, broadcast. Output: the selected values in row-major order.
#[derive(Debug)]
struct MaskedSelect;

impl Op for MaskedSelect {
    fn name(&self) -> &'static str {
        "masked_select"
    }

    fn saves(&self) -> Saves {
        Saves::inputs(&[1])
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let (op, x, mask) = (self.name(), inputs[0], inputs[1]);
        require_dtype(op, mask, &[DType::Bool])?;
        let shape = broadcast_shapes(op, x.shape(), mask.shape())?;
        let mask = mask.view::<bool>()?.broadcast(op, &shape)?;
        let count = mask.iter().filter(|&m| m).count();
        with_float!(x.dtype(), op, T => {
            let x = x.view::<T>()?.broadcast(op, &shape)?;
            let selected = Tensor::build(count, |dst: &mut [T]| {
                let kept = x.iter().zip(mask.iter()).filter(|&(_, m)| m);
                for (d, (x, _)) in dst.iter_mut().zip(kept) {
                    *d = x;
                }
            })?;
            Ok(selected.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let mask = ctx.input(1)?;
        let shape = broadcast_shapes(self.name(), ctx.input_shape(0), mask.shape())?;
        let full = apply(MaskedPlace { shape }, &[&grad, &mask])?;
        Ok(vec![Some(unbroadcast(&full, ctx.input_shape(0))?), None])
    }
}

/// Inputs: values of rank 1 and the mask, which broadcasts to `shape`. Output: the values where the mask is true, in row-major
/// order, else 0.
#[derive(Debug)]
struct MaskedPlace {
    shape: Shape,
}

impl Op for MaskedPlace {
    fn name(&self) -> &'static str {
        "masked_select"
    }

    fn saves(&self) -> Saves {
        Saves::inputs(&[1])
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let (op, x) = (self.name(), inputs[0]);
        let mask = inputs[1].view::<bool>()?.broadcast(op, &self.shape)?;
        with_float!(x.dtype(), op, T => {
            let x = x.view::<T>()?;
            let placed = Tensor::try_build(self.shape, |dst: &mut [T]| {
                let mut values = x.iter();
                for (d, m) in dst.iter_mut().zip(mask.iter()) {
                    *d = if m { values.next().ok_or(too_few(x.shape()))? } else { T::default() };
                }
                Ok(())
            })?;
            Ok(placed.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let mask = ctx.input(1)?;
        let back = apply(MaskedSelect, &[&ctx.grad(grad_out, 0)?, &mask])?;
        Ok(vec![Some(back), None])
    }
}

fn too_few(shape: &Shape) -> Error {
    Error::Length {
        op: "masked_select",
        expected: shape.numel() + 1,
        got: shape.numel(),
    }
}

impl Var {
    /// The elements where `mask` is true, in row-major order.
    ///
    /// # Shapes
    /// `mask` (bool) and `self` broadcast to one shape; the result is `(n)` with `n` the number of true elements in it.
    ///
    /// # Numerics
    /// Exact. f32 or f64.
    ///
    /// # Gradient
    /// `grad_out` where selected, else 0, summed over the dims in which `self` was expanded. Saves the mask.
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`]; [`crate::Error::DType`] if `mask` is not bool, or `self` not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [3])?);
    /// let odd = Tensor::from_slice(&[true, false, true], [3])?;
    /// assert_eq!(x.masked_select(&odd)?.tensor().to_vec::<f32>()?, [1.0, 3.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.masked_select`.
    pub fn masked_select(&self, mask: &Tensor) -> Result<Self> {
        apply(MaskedSelect, &[self, &Self::constant(mask.clone())])
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("masked_select", |a| {
        Ok(one(a.var("x")?.masked_select(a.tensor("mask")?)?))
    })
    .input("x", Kind::Float)
    .input("mask", Kind::Mask)
    .reference(|a| {
        let (x, mask) = (a.dense("x")?, a.dense("mask")?);
        let (wide, mask) = (x.zip(&mask, |x, _| x), x.zip(&mask, |_, m| m));
        let kept = wide.data.iter().zip(&mask.data).filter(|(_, m)| **m != 0.0);
        let data: Vec<f64> = kept.map(|(x, _)| *x).collect();
        Ok(vec![Dense {
            dims: vec![data.len()],
            data,
        }])
    })
    .draw(|d| {
        let [x, mask, _] = d.broadcast_pair();
        let args = Args::new().with("x", d.reals(&x)?);
        Ok(args.with("mask", d.mask(&mask)?))
    })
}
