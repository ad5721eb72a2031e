//! Maxima and averages of windows, with their gradients.

use std::sync::Arc;

use gradus_linalg::Float;
use gradus_linalg::pool::{self, Windows};
use gradus_tensor::{DType, Result, Shape, Tensor};

use crate::ops::index::scatter_rows;
use crate::ops::support::{scalar_like, with_float};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// Statistic 0 holds the winners' places in their planes, u32 as the bits of f32: a dtype that the storage pool has.
#[derive(Debug)]
pub(super) struct Maximum {
    pub(super) op: &'static str,
    /// How many of the last dims make a plane.
    pub(super) sides: usize,
    pub(super) windows: Arc<Windows>,
    /// The output's.
    pub(super) shape: Shape,
    /// Whether the places are an output, too.
    pub(super) indices: bool,
}

impl Maximum {
    fn forward<T: Float>(&self, x: &Tensor, stats: &mut Stats) -> Result<Vec<Tensor>> {
        let x = x.contiguous()?;
        let from = x.as_slice::<T>()?;
        let mut places = Tensor::zeros(self.shape, DType::F32)?;
        let y = Tensor::try_build(self.shape, |dst: &mut [T]| {
            let places = bytemuck::cast_slice_mut(places.make_mut::<f32>()?);
            pool::max_pool(dst, places, from, &self.windows);
            Ok(())
        })?;
        let mut outputs = vec![y];
        if self.indices {
            let from: &[u32] = bytemuck::cast_slice(places.as_slice::<f32>()?);
            outputs.push(Tensor::build(self.shape, |dst: &mut [i64]| {
                for (d, &place) in dst.iter_mut().zip(from) {
                    // A window that misses the image by its dilation has no winner.
                    *d = if place == u32::MAX { -1 } else { place.into() };
                }
            })?);
        }
        stats.push(places);
        Ok(outputs)
    }

    /// The gradient by ops that have gradients: each window's added to its winner, row by row of `(planes, plane)`.
    fn composed(&self, grad: &Var, places: &[u32], shape: &Shape) -> Result<Var> {
        let none = |&place: &u32| place == u32::MAX; // a window that misses the image
        let positions: Vec<usize> = places
            .iter()
            .map(|p| if none(p) { 0 } else { *p as usize })
            .collect();
        let hits: Vec<bool> = places.iter().map(|p| !none(p)).collect();
        let hits = Tensor::from_slice(&hits, self.shape)?;
        let grad = grad.where_(&hits, &scalar_like(grad, 0.0)?)?;
        let first = self.shape.rank() - self.sides;
        let outputs: usize = self.shape.dims()[first..].iter().product();
        let inputs: usize = self.windows.input().iter().product();
        let planes: usize = self.shape.dims()[..first].iter().product();
        scatter_rows(&grad.reshape([planes, outputs])?, positions, inputs)?.reshape(shape)
    }
}

impl Op for Maximum {
    fn name(&self) -> &'static str {
        self.op
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], stats: &mut Stats) -> Result<Outputs> {
        with_float!(inputs[0].dtype(), self.op, T => Ok(self.forward::<T>(inputs[0], stats)?.into()))
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (grad, shape) = (ctx.grad(grad_out, 0)?, ctx.input_shape(0));
        let places: &[u32] = bytemuck::cast_slice(ctx.stat(0)?.as_slice::<f32>()?);
        if ctx.create_graph() {
            return Ok(vec![Some(self.composed(&grad, places, shape)?)]);
        }
        let grad = grad.tensor().contiguous()?;
        let grad_in = with_float!(grad.dtype(), self.op, T => {
            let grad = grad.as_slice::<T>()?;
            Tensor::build(shape, |dst: &mut [T]| pool::max_pool_backward(dst, grad, places, &self.windows))
        })?;
        Ok(vec![Some(Var::constant(grad_in))])
    }
}

/// Linear, so its gradient is [`Spread`] and that one's gradient is this again. Shapes: the input's, the output's.
#[derive(Clone, Debug)]
pub(super) struct Average {
    pub(super) op: &'static str,
    pub(super) windows: Arc<Windows>,
    pub(super) shapes: [Shape; 2],
}

/// The gradient of [`Average`]: each window's shared by its elements.
#[derive(Clone, Debug)]
struct Spread(Average);

impl Op for Average {
    fn name(&self) -> &'static str {
        self.op
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x = inputs[0].contiguous()?;
        with_float!(x.dtype(), self.op, T => {
            let x = x.as_slice::<T>()?;
            let y = Tensor::build(self.shapes[1], |dst: &mut [T]| pool::avg_pool(dst, x, &self.windows))?;
            Ok(y.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let spread = Spread(self.clone());
        Ok(vec![Some(apply(spread, &[&ctx.grad(grad_out, 0)?])?)])
    }
}

impl Op for Spread {
    fn name(&self) -> &'static str {
        "avg_pool_backward"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let (grad, op) = (inputs[0].contiguous()?, &self.0);
        with_float!(grad.dtype(), self.name(), T => {
            let grad = grad.as_slice::<T>()?;
            let grad_in = Tensor::build(op.shapes[0], |dst: &mut [T]| {
                pool::avg_pool_backward(dst, grad, &op.windows);
            })?;
            Ok(grad_in.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let average = self.0.clone();
        Ok(vec![Some(apply(average, &[&ctx.grad(grad_out, 0)?])?)])
    }
}
