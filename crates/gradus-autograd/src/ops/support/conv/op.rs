//! A convolution and its gradients, each of which is linear in both inputs and has the others as its gradients.

use gradus_linalg::Float;
use gradus_linalg::conv::{self, Conv2d};
use gradus_tensor::{DType, Result, Shape, Tensor, View};

use super::{Geometry, as_images};
use crate::ops::support::with_float;
use crate::{Backward, Op, Outputs, Precision, Saves, Stats, Var, apply};

/// Inputs: x, weight, and maybe bias `(O,)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conv(pub(crate) Geometry);

/// Inputs: the output's gradient, weight. The forward of a transposed convolution, too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GradInput(pub(crate) Geometry);

/// Inputs: the output's gradient, x.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GradWeight(pub(crate) Geometry);

/// The name for 1, 2 or 3 sides.
fn name(names: [&'static str; 3], g: &Geometry) -> &'static str {
    names[g.sides - 1]
}

fn forward<T: Float>(inputs: &[&Tensor], op: &'static str, g: &Geometry) -> Result<Tensor> {
    let bias = inputs.get(2).map(|bias| bias.contiguous()).transpose()?;
    let bias = bias.as_ref().map(Tensor::as_slice::<T>).transpose()?;
    let shape = g.output_shape(op)?;
    if g.sides == 3 {
        let (x, weight) = (inputs[0].contiguous()?, inputs[1].contiguous()?);
        let (x, weight) = (x.as_slice::<T>()?, weight.as_slice::<T>()?);
        return Tensor::build(shape, |dst: &mut [T]| {
            conv::conv3d(dst, x, weight, bias, &g.conv);
        });
    }
    let (x, weight) = (
        as_images(inputs[0], g.sides)?,
        as_images(inputs[1], g.sides)?,
    );
    let (x, weight) = (x.view::<T>()?, weight.view::<T>()?);
    Tensor::build(shape, |dst: &mut [T]| {
        conv::conv2d(dst, x, weight, bias, &g.conv.plane());
    })
}

/// A convolution or one of its gradients in bf16: `kernel` makes `shape` of two operands, as images.
fn in_bf16(
    inputs: &[&Tensor],
    shape: Shape,
    g: &Geometry,
    kernel: impl FnOnce(&mut [f32], View<'_, f32>, View<'_, f32>, &Conv2d),
) -> Result<Tensor> {
    let (a, b) = (
        as_images(inputs[0], g.sides)?,
        as_images(inputs[1], g.sides)?,
    );
    let (a, b) = (a.view::<f32>()?, b.view::<f32>()?);
    Tensor::build(shape, |dst: &mut [f32]| kernel(dst, a, b, &g.conv.plane()))
}

/// Whether the op runs in bf16: f32 over one or two sides, where that is asked for.
fn is_bf16(inputs: &[&Tensor], g: &Geometry, stats: &mut Stats) -> bool {
    stats.precision() == Precision::Bf16 && inputs[0].dtype() == DType::F32 && g.sides < 3
}

fn grad_input<T: Float>(inputs: &[&Tensor], g: &Geometry) -> Result<Tensor> {
    let shape = g.input_shape()?;
    if g.sides == 3 {
        let (grad, weight) = (inputs[0].contiguous()?, inputs[1].contiguous()?);
        let (grad, weight) = (grad.as_slice::<T>()?, weight.as_slice::<T>()?);
        return Tensor::build(shape, |dst: &mut [T]| {
            conv::conv3d_grad_input(dst, grad, weight, &g.conv);
        });
    }
    let (grad, weight) = (
        as_images(inputs[0], g.sides)?,
        as_images(inputs[1], g.sides)?,
    );
    let (grad, weight) = (grad.view::<T>()?, weight.view::<T>()?);
    Tensor::build(shape, |dst: &mut [T]| {
        conv::conv2d_grad_input(dst, grad, weight, &g.conv.plane());
    })
}

fn grad_weight<T: Float>(inputs: &[&Tensor], g: &Geometry) -> Result<Tensor> {
    let shape = g.weight_shape()?;
    if g.sides == 3 {
        let (grad, x) = (inputs[0].contiguous()?, inputs[1].contiguous()?);
        let (grad, x) = (grad.as_slice::<T>()?, x.as_slice::<T>()?);
        return Tensor::build(shape, |dst: &mut [T]| {
            conv::conv3d_grad_weight(dst, grad, x, &g.conv);
        });
    }
    let (grad, x) = (
        as_images(inputs[0], g.sides)?,
        as_images(inputs[1], g.sides)?,
    );
    let (grad, x) = (grad.view::<T>()?, x.view::<T>()?);
    Tensor::build(shape, |dst: &mut [T]| {
        conv::conv2d_grad_weight(dst, grad, x, &g.conv.plane());
    })
}

impl Op for Conv {
    fn name(&self) -> &'static str {
        name(["conv1d", "conv2d", "conv3d"], &self.0)
    }

    fn saves(&self) -> Saves {
        Saves::inputs(&[0, 1])
    }

    fn forward(&self, inputs: &[&Tensor], stats: &mut Stats) -> Result<Outputs> {
        if is_bf16(inputs, &self.0, stats) {
            let bias = inputs.get(2).map(|bias| bias.contiguous()).transpose()?;
            let bias = bias.as_ref().map(Tensor::as_slice::<f32>).transpose()?;
            let shape = self.0.output_shape(self.name())?;
            return Ok(in_bf16(inputs, shape, &self.0, |dst, x, weight, conv| {
                conv::conv2d_bf16(dst, x, weight, bias, conv);
            })?
            .into());
        }
        with_float!(inputs[0].dtype(), self.name(), T => Ok(forward::<T>(inputs, self.name(), &self.0)?.into()))
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let x = || apply(GradInput(self.0), &[&grad, &ctx.input(1)?]);
        let weight = || apply(GradWeight(self.0), &[&grad, &ctx.input(0)?]);
        let mut grads = vec![
            ctx.needs(0).then(x).transpose()?,
            ctx.needs(1).then(weight).transpose()?,
        ];
        if ctx.input_count() == 3 {
            let dims = &[0, 2, 3, 4][..=self.0.sides];
            grads.push(ctx.needs(2).then(|| grad.sum(dims, false)).transpose()?);
        }
        Ok(grads)
    }

    fn flops(&self, _inputs: &[Shape], outputs: &[Shape]) -> u64 {
        self.0.flops(outputs)
    }
}

impl Op for GradInput {
    fn name(&self) -> &'static str {
        let names = if self.0.transposed {
            ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
        } else {
            [
                "conv1d_backward_input",
                "conv2d_backward_input",
                "conv3d_backward_input",
            ]
        };
        name(names, &self.0)
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn forward(&self, inputs: &[&Tensor], stats: &mut Stats) -> Result<Outputs> {
        if is_bf16(inputs, &self.0, stats) {
            let shape = self.0.input_shape()?;
            return Ok(in_bf16(inputs, shape, &self.0, conv::conv2d_grad_input_bf16)?.into());
        }
        with_float!(inputs[0].dtype(), self.name(), T => Ok(grad_input::<T>(inputs, &self.0)?.into()))
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let x = ctx.grad(grad_out, 0)?;
        let grad = || apply(Conv(self.0), &[&x, &ctx.input(1)?]);
        let weight = || apply(GradWeight(self.0), &[&ctx.input(0)?, &x]);
        Ok(vec![
            ctx.needs(0).then(grad).transpose()?,
            ctx.needs(1).then(weight).transpose()?,
        ])
    }

    fn flops(&self, inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        self.0.flops(&inputs[..1])
    }
}

impl Op for GradWeight {
    fn name(&self) -> &'static str {
        let names = [
            "conv1d_backward_weight",
            "conv2d_backward_weight",
            "conv3d_backward_weight",
        ];
        name(names, &self.0)
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn forward(&self, inputs: &[&Tensor], stats: &mut Stats) -> Result<Outputs> {
        if is_bf16(inputs, &self.0, stats) {
            let shape = self.0.weight_shape()?;
            return Ok(in_bf16(inputs, shape, &self.0, conv::conv2d_grad_weight_bf16)?.into());
        }
        with_float!(inputs[0].dtype(), self.name(), T => Ok(grad_weight::<T>(inputs, &self.0)?.into()))
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let weight = ctx.grad(grad_out, 0)?;
        let grad = || apply(Conv(self.0), &[&ctx.input(1)?, &weight]);
        let x = || apply(GradInput(self.0), &[&ctx.input(0)?, &weight]);
        Ok(vec![
            ctx.needs(0).then(grad).transpose()?,
            ctx.needs(1).then(x).transpose()?,
        ])
    }

    fn flops(&self, inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        self.0.flops(&inputs[..1])
    }
}
