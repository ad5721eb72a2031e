//! The linear layer's product: a matrix product with the weight transposed and the bias added in one pass.

use gradus_linalg::Float;
use gradus_linalg::gemm::{
    Accum, MatMut, MatRef, Precision, Rounded, gemm_bf16, gemm_bias_in, gemm_in,
};
use gradus_tensor::{DType, Element, Error, Result, Shape, Tensor, bf16};

use super::matmul::rows;
use crate::ops::support::{in_dtype, same_dtype, with_float};
use crate::registry::{Args, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// Inputs: x `(…, I)`, weight `(O, I)`, and maybe bias `(O,)`.
#[derive(Debug)]
struct Linear;

fn validate(inputs: &[&Tensor]) -> Result<Shape> {
    let (x, weight) = (inputs[0], inputs[1]);
    let [outputs, features] = weight.shape().to_array("linear")?;
    if !is_halved(x, weight) {
        same_dtype("linear", x, weight)?;
    }
    let mismatch = |rhs: &Tensor, rule| Error::ShapeMismatch {
        op: "linear",
        lhs: *x.shape(),
        rhs: *rhs.shape(),
        rule,
    };
    let Some((&last, before)) = x.dims().split_last() else {
        return Err(Error::Rank {
            op: "linear",
            expected: 1,
            got: *x.shape(),
        });
    };
    if last != features {
        return Err(mismatch(
            weight,
            "the last dim of the input must equal that of the weight (out, in)",
        ));
    }
    if let Some(bias) = inputs.get(2) {
        same_dtype("linear", x, bias)?;
        if *bias.shape() != [outputs] {
            return Err(Error::ShapeMismatch {
                op: "linear",
                lhs: *weight.shape(),
                rhs: *bias.shape(),
                rule: "the bias has one element for each row of the weight",
            });
        }
    }
    Shape::new(&[before, &[outputs]].concat())
}

/// Whether the weight is stored in bf16 for an input of f32.
fn is_halved(x: &Tensor, weight: &Tensor) -> bool {
    x.dtype() == DType::F32 && weight.dtype() == DType::BF16
}

/// A tensor of rank 2 as an operand, read as it lies.
fn matrix<T: Element>(x: &Tensor) -> Result<MatRef<'_, T>> {
    let view = x.view::<T>()?;
    let (dims, strides) = (
        x.shape().to_array("linear")?,
        [x.strides()[0], x.strides()[1]],
    );
    Ok(MatRef::new(view.data(), view.offset(), dims, strides))
}

fn forward<T: Float>(precision: Precision, inputs: &[&Tensor], shape: Shape) -> Result<Tensor> {
    let (x, weight) = (inputs[0], inputs[1]);
    let [outputs, features] = weight.shape().to_array("linear")?;
    let count = shape.dims()[..shape.rank() - 1].iter().product();
    let x = x.reshape([count, features])?;
    let (x, weight) = (matrix::<T>(&x)?, matrix::<T>(weight)?.transpose());
    let bias = inputs.get(2).map(|bias| bias.contiguous()).transpose()?;
    Tensor::try_build(shape, |dst: &mut [T]| {
        let dst = MatMut::row_major(dst, count, outputs);
        match &bias {
            Some(bias) => gemm_bias_in(precision, dst, x, weight, bias.as_slice::<T>()?),
            None => gemm_in(precision, dst, Accum::Replace, x, weight),
        }
        Ok(())
    })
}

/// [`forward`] of an input of f32 with operands of which one is stored in bf16.
fn forward_rounding<X: Rounded, W: Rounded>(
    [x, weight]: [&Tensor; 2],
    bias: Option<&&Tensor>,
    shape: Shape,
) -> Result<Tensor> {
    let [outputs, features] = weight.shape().to_array("linear")?;
    let count = shape.dims()[..shape.rank() - 1].iter().product();
    let x = x.reshape([count, features])?;
    let (x, weight) = (matrix::<X>(&x)?, matrix::<W>(weight)?.transpose());
    let bias = bias.map(|bias| bias.contiguous()).transpose()?;
    let bias = bias.as_ref().map(Tensor::as_slice::<f32>).transpose()?;
    Tensor::build(shape, |dst: &mut [f32]| {
        let dst = MatMut::row_major(dst, count, outputs);
        gemm_bf16(dst, Accum::Replace, x, weight, bias);
    })
}

impl Op for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn saves(&self) -> Saves {
        Saves::inputs(&[0, 1])
    }

    fn rounds(&self) -> Saves {
        Saves::inputs(&[0])
    }

    fn forward(&self, inputs: &[&Tensor], stats: &mut Stats) -> Result<Outputs> {
        let shape = validate(inputs)?;
        let precision = stats.precision();
        let (x, weight, bias) = (inputs[0], inputs[1], inputs.get(2));
        if is_halved(x, weight) {
            return Ok(forward_rounding::<f32, bf16>([x, weight], bias, shape)?.into());
        }
        if let Some(x) = stats.rounded_input(0) {
            return Ok(forward_rounding::<bf16, f32>([x, weight], bias, shape)?.into());
        }
        with_float!(inputs[0].dtype(), self.name(), T => Ok(forward::<T>(precision, inputs, shape)?.into()))
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let tall = rows(&grad)?;
        let x = || {
            let weight = ctx.input(1)?;
            let grad = match weight.dtype() {
                DType::BF16 => tall.linear(&weight.transpose(0, 1)?, None)?,
                _ => tall.matmul(&weight)?,
            };
            grad.reshape(ctx.input_shape(0))
        };
        let weight = || {
            let across = tall.transpose(0, 1)?;
            let rounded = ctx.rounded_input(0).filter(|_| !ctx.create_graph());
            let grad = match rounded {
                Some(x) => across.linear(&rows(&x)?.transpose(0, 1)?, None)?,
                None => across.matmul(&rows(&ctx.input(0)?)?)?,
            };
            in_dtype(grad, ctx.input_dtype(1))
        };
        let mut grads = vec![
            ctx.needs(0).then(x).transpose()?,
            ctx.needs(1).then(weight).transpose()?,
        ];
        if ctx.input_count() == 3 {
            grads.push(ctx.needs(2).then(|| tall.sum(&[0], false)).transpose()?);
        }
        Ok(grads)
    }

    fn flops(&self, inputs: &[Shape], outputs: &[Shape]) -> u64 {
        let features = inputs[1].dims().last().copied().unwrap_or(0);
        2 * (outputs[0].numel() * features) as u64
    }
}

impl Var {
    /// The linear layer: `self · weightᵀ + bias`.
    ///
    /// # Shapes
    /// `self` is `(…, I)`, `weight` `(O, I)` as PyTorch stores it, `bias` `(O,)`; the result is `(…, O)`.
    /// A weight `(I,)` with a bias `()` is one row, and O is gone from the result.
    ///
    /// # Numerics
    /// As [`Var::matmul`]; the bias is added while a part of the product is in the cache. f32 or f64, all alike; or a weight stored in
    /// bf16 and the rest in f32: the input is rounded to bf16, sums run in f32.
    ///
    /// # Gradient
    /// `grad_out · weight`, `grad_outᵀ · self` and the sum of `grad_out` over all but the last dim. Saves input and weight.
    ///
    /// # Errors
    /// [`Error::Rank`] if `self` is of rank 0 or `weight` is no matrix; [`Error::ShapeMismatch`] if `I` differs or the bias
    /// is not `(O,)`; [`Error::DTypeMismatch`]; [`Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 2.0], [1, 2])?);
    /// let weight = Var::from(Tensor::from_slice(&[1.0_f32, 0.0, 0.0, 1.0, 1.0, 1.0], [3, 2])?);
    /// let bias = Var::from(Tensor::from_slice(&[10.0_f32, 20.0, 30.0], [3])?);
    /// assert_eq!(x.linear(&weight, Some(&bias))?.tensor().to_vec::<f32>()?, [11.0, 22.0, 33.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.linear`.
    pub fn linear(&self, weight: &Self, bias: Option<&Self>) -> Result<Self> {
        if weight.rank() == 1 && bias.is_none_or(|bias| bias.rank() == 0) {
            let bias = bias.map(|bias| bias.reshape([1])).transpose()?;
            return self
                .linear(&weight.unsqueeze(0)?, bias.as_ref())?
                .squeeze(-1);
        }
        match bias {
            Some(bias) => apply(Linear, &[self, weight, bias]),
            None => apply(Linear, &[self, weight]),
        }
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("linear", |a| {
        let weight = a.var("weight")?;
        Ok(one(a.var("x")?.linear(weight, a.opt_var("bias"))?))
    })
    .input("x", Kind::Float)
    .input("weight", Kind::Float)
    .optional("bias", Kind::Float)
    .reference(|a| {
        let (x, mut weight, bias) = (a.dense("x")?, a.dense("weight")?, a.opt_dense("bias")?);
        let row = weight.rank() == 1;
        if row {
            weight.dims.insert(0, 1);
        }
        let mut out = x.along(x.rank() - 1, |row| {
            let output = |o: usize| {
                let terms = row.iter().enumerate().map(|(i, x)| x * weight.at(&[o, i]));
                terms.sum::<f64>() + bias.as_ref().map_or(0.0, |bias| bias.data[o])
            };
            (0..weight.dims[0]).map(output).collect()
        });
        if row {
            out.dims.pop();
        }
        Ok(vec![out])
    })
    .draw(|d| {
        let dims = d.some_shape();
        let features = dims.last().copied().unwrap_or(1);
        let outputs = d.range(1..=3);
        let weight = match d.below(4) {
            3 => vec![features],
            _ => vec![outputs, features],
        };
        let args = Args::new()
            .with("x", d.reals(&dims)?)
            .with("weight", d.reals(&weight)?);
        Ok(match d.flag() {
            true => args.with("bias", d.reals(&weight[..weight.len() - 1])?),
            false => args,
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use crate::{Error, Result, Var};

    fn with_bias(v: &[Var]) -> Result<Var> {
        v[0].linear(&v[1], Some(&v[2]))
    }

    #[test]
    fn museum_46_a_batch_of_none() {
        check_empty(with_bias, &[&[0, 3], &[4, 3], &[4]]);
        check_empty(with_bias, &[&[2, 0], &[4, 0], &[4]]);
        check_empty(with_bias, &[&[2, 3], &[0, 3], &[0]]);
        let bias = [1.0, 2.0, 3.0, 4.0];
        let y = Var::constant(sampled(&[1, 0], 1)).linear(
            &Var::constant(sampled(&[4, 0], 1)),
            Some(&constant(&bias, 4)),
        );
        assert_eq!(values(&y.unwrap()), bias);
    }

    #[test]
    fn rejects_operands_that_do_not_fit() {
        let x = |dims: &[usize]| Var::constant(sampled(dims, 1));
        let (weight, bias) = (x(&[4, 3]), x(&[4]));
        assert!(matches!(
            x(&[2, 4]).linear(&weight, None),
            Err(Error::ShapeMismatch { .. })
        ));
        assert!(matches!(
            x(&[2, 3]).linear(&weight, Some(&x(&[3]))),
            Err(Error::ShapeMismatch { .. })
        ));
        assert!(matches!(
            x(&[]).linear(&weight, Some(&bias)),
            Err(Error::Rank { .. })
        ));
        assert!(matches!(
            x(&[2, 3]).linear(&x(&[4, 3, 1]), None),
            Err(Error::Rank { .. })
        ));
        assert!(matches!(
            integers().linear(&weight, None),
            Err(Error::DTypeMismatch { .. })
        ));
    }
}
