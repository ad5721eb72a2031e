//! A convolution and its gradients, each of which is linear in both inputs and has the others as its gradients.

use gradus_linalg::Float;
use gradus_linalg::conv;
use gradus_tensor::{Result, Shape, Tensor};

use super::{Geometry, as_images};
use crate::ops::support::with_float;
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

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

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
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

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
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

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
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
