//! Batch normalisation. Letters: N batch, C channels, S all other dims together.

use gradus_linalg::Float;
use gradus_linalg::norm::{self, Affine, BatchStats};
use gradus_tensor::{DType, Error, Result, Shape, Tensor};

use crate::ops::support::affine::{Params, affine_of, require_params};
use crate::ops::support::compose::by_composition;
use crate::ops::support::normalized::{per_channel, scale_and_shift};
use crate::ops::support::{require, with_float};
use crate::registry::{Args, AttrType, Dense, Draw, Kind, OpSpec, Values, one};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply, apply_multi};

/// What batch normalisation in training gives.
#[derive(Clone, Debug)]
pub struct BatchNormOutput {
    /// The normalised values.
    pub output: Var,
    /// The mean of each channel `(C,)`; zeros if there are no elements.
    pub mean: Tensor,
    /// The biased variance of each channel `(C,)`, divided by the number of elements; zeros if there are none. Running
    /// statistics take the unbiased one: times `count / (count - 1)`.
    pub var: Tensor,
}

/// Inputs: x, and weight and bias as `params` says. Statistics 0 and 1: mean and inverse standard deviation.
#[derive(Clone, Copy, Debug)]
struct BatchNorm {
    eps: f64,
    params: Params,
}

/// The same with given statistics: mean and variance.
#[derive(Clone, Debug)]
struct BatchNormEval {
    eps: f64,
    params: Params,
    mean: Tensor,
    var: Tensor,
}

/// `[N, C, S]` of `(N, C, …)`.
fn sizes(x: &Shape) -> Result<[usize; 3]> {
    let [n, c, rest @ ..] = x.dims() else {
        return Err(Error::Rank {
            op: "batch_norm",
            expected: 4,
            got: *x,
        });
    };
    Ok([*n, *c, rest.iter().product()])
}

impl Op for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn forward(&self, inputs: &[&Tensor], stats: &mut Stats) -> Result<Outputs> {
        with_float!(inputs[0].dtype(), self.name(), T => forward::<T>(self, inputs, stats))
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        if ctx.create_graph() {
            let inputs = (0..ctx.input_count())
                .map(|i| ctx.input(i))
                .collect::<Result<Vec<_>>>()?;
            return by_composition(ctx, &grad, &inputs, |v| {
                let dims: Vec<isize> = (0..v[0].rank() as isize).filter(|&d| d != 1).collect();
                let centred = v[0].sub(&v[0].mean(&dims, true)?)?;
                let scale = centred
                    .square()?
                    .mean(&dims, true)?
                    .add_scalar(self.eps)?
                    .rsqrt()?;
                with_params(centred.mul(&scale)?, v, self.params)
            });
        }
        let (mean, inv_std) = (ctx.stat(0)?, ctx.stat(1)?);
        with_float!(grad.dtype(), self.name(), T => backward::<T>(ctx, &grad, self.params, mean, inv_std, true))
    }
}

impl Op for BatchNormEval {
    fn name(&self) -> &'static str {
        "batch_norm_eval"
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        with_float!(inputs[0].dtype(), self.name(), T => {
            let x = inputs[0].contiguous()?;
            let (from, dims) = (x.as_slice::<T>()?, sizes(x.shape())?);
            let (weight, bias) = affine_of(inputs, self.params)?;
            let (mean, var) = (self.mean.as_slice::<T>()?, self.var.as_slice::<T>()?);
            let y = Tensor::try_build(x.shape(), |dst: &mut [T]| {
                if !dst.is_empty() {
                    let affine = Affine { weight: slice(&weight)?, bias: slice(&bias)? };
                    norm::batch_norm_eval(dst, from, mean, var, affine, self.eps, dims);
                }
                Ok(())
            })?;
            Ok(y.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let inv_std = Var::constant(self.var.clone())
            .add_scalar(self.eps)?
            .rsqrt()?;
        if ctx.create_graph() {
            let inputs = (0..ctx.input_count())
                .map(|i| ctx.input(i))
                .collect::<Result<Vec<_>>>()?;
            let mean = Var::constant(self.mean.clone());
            return by_composition(ctx, &grad, &inputs, |v| {
                let centred = v[0].sub(&per_channel(&mean, v[0].rank())?)?;
                with_params(
                    centred.mul(&per_channel(&inv_std, v[0].rank())?)?,
                    v,
                    self.params,
                )
            });
        }
        let inv_std = inv_std.tensor();
        with_float!(grad.dtype(), self.name(), T => backward::<T>(ctx, &grad, self.params, &self.mean, inv_std, false))
    }
}

/// The elements of a parameter that may be absent.
fn slice<T: Float>(param: &Option<Tensor>) -> Result<Option<&[T]>> {
    param.as_ref().map(|p| p.as_slice::<T>()).transpose()
}

fn forward<T: Float>(op: &BatchNorm, inputs: &[&Tensor], stats: &mut Stats) -> Result<Outputs> {
    let x = inputs[0].contiguous()?;
    let (from, dims) = (x.as_slice::<T>()?, sizes(x.shape())?);
    let (weight, bias) = affine_of(inputs, op.params)?;
    let channels = || Tensor::zeros([dims[1]], T::DTYPE);
    let (mut mean, mut inv_std, mut var) = (channels()?, channels()?, channels()?);
    let y = Tensor::try_build(x.shape(), |dst: &mut [T]| {
        if dst.is_empty() {
            return Ok(());
        }
        let affine = Affine {
            weight: slice(&weight)?,
            bias: slice(&bias)?,
        };
        let stats = BatchStats {
            mean: mean.make_mut::<T>()?,
            inv_std: inv_std.make_mut::<T>()?,
            var: var.make_mut::<T>()?,
        };
        norm::batch_norm(dst, stats, from, affine, op.eps, dims);
        Ok(())
    })?;
    stats.push(mean.clone());
    stats.push(inv_std);
    Ok(vec![y, mean, var].into())
}

/// The fused gradients of x, weight and bias; `from_batch` if the statistics came from x.
fn backward<T: Float>(
    ctx: &Backward<'_>,
    grad: &Var,
    params: Params,
    mean: &Tensor,
    inv_std: &Tensor,
    from_batch: bool,
) -> Result<Vec<Option<Var>>> {
    let (x, grad) = (
        ctx.input(0)?.tensor().contiguous()?,
        grad.tensor().contiguous()?,
    );
    let dims = sizes(x.shape())?;
    let weight = if params.weight {
        Some(ctx.input(1)?.tensor().contiguous()?)
    } else {
        None
    };
    let channels = || Tensor::zeros([dims[1]], T::DTYPE);
    let (mut grad_weight, mut grad_bias) = (channels()?, channels()?);
    let grad_x = Tensor::try_build(x.shape(), |dst: &mut [T]| {
        if dst.is_empty() {
            return Ok(());
        }
        norm::batch_norm_backward(
            dst,
            grad_weight.make_mut::<T>()?,
            grad_bias.make_mut::<T>()?,
            grad.as_slice::<T>()?,
            x.as_slice::<T>()?,
            mean.as_slice::<T>()?,
            inv_std.as_slice::<T>()?,
            slice(&weight)?,
            from_batch,
            dims,
        );
        Ok(())
    })?;
    Ok(params.pick(ctx, [grad_x, grad_weight, grad_bias]))
}

fn with_params(x: Var, v: &[Var], params: Params) -> Result<Var> {
    let weight = params.weight.then(|| &v[1]);
    scale_and_shift(x, weight, params.bias.then(|| &v[v.len() - 1]))
}

impl Var {
    /// Batch normalisation in training: `(self - mean) / √(var + eps) · weight + bias`, with each channel's mean and biased
    /// variance over this batch.
    ///
    /// # Shapes
    /// `self` is `(N, C, …)`; `weight` and `bias` are `(C,)`, 1 and 0 if absent; so are the statistics returned.
    ///
    /// # Numerics
    /// Moments in f64 around each channel's first value. f32 or f64, all alike.
    ///
    /// # Gradient
    /// `weight / √(var + eps) · (g - mean(g) - x̂ · mean(g · x̂))` for the input, `Σ g · x̂` and `Σ g` for weight and bias; none
    /// through the statistics returned. Saves the inputs and two numbers a channel.
    ///
    /// # Errors
    /// [`Error::Rank`] below 2; [`Error::ShapeMismatch`] if weight or bias is not `(C,)`; [`Error::Argument`] if a channel has
    /// a single element, whose variance says nothing, or `eps` is negative; [`Error::DTypeMismatch`]; [`Error::DType`] if not
    /// f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 3.0], [2, 1])?);
    /// let y = x.batch_norm(None, None, 0.0)?;
    /// assert_eq!(y.output.tensor().to_vec::<f32>()?, [-1.0, 1.0]);
    /// assert_eq!((y.mean.item::<f32>()?, y.var.item::<f32>()?), (2.0, 1.0));
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.batch_norm(training=True)`. Ioffe and Szegedy 2015, arXiv:1502.03167.
    pub fn batch_norm(
        &self,
        weight: Option<&Self>,
        bias: Option<&Self>,
        eps: f64,
    ) -> Result<BatchNormOutput> {
        let [n, c, s] = validate("batch_norm", self, weight, bias, eps)?;
        let count = n * s;
        let several = c == 0 || count != 1;
        require(
            several,
            "batch_norm",
            "elements of a channel",
            "at least 2 in training",
            count as f64,
        )?;
        let params = Params::of(weight, bias);
        let inputs: Vec<&Self> = [Some(self), weight, bias].into_iter().flatten().collect();
        let outputs = apply_multi(BatchNorm { eps, params }, &inputs)?;
        let [output, mean, var] = <[Self; 3]>::try_from(outputs).map_err(|got| Error::Length {
            op: "batch_norm",
            expected: 3,
            got: got.len(),
        })?;
        Ok(BatchNormOutput {
            output,
            mean: mean.into_tensor(),
            var: var.into_tensor(),
        })
    }

    /// Batch normalisation in evaluation: `(self - mean) / √(var + eps) · weight + bias`, with given statistics.
    ///
    /// # Shapes
    /// `self` is `(N, C, …)`; `mean`, `var`, `weight` and `bias` are `(C,)`, the last two 1 and 0 if absent.
    ///
    /// # Numerics
    /// One multiplication and two additions an element. f32 or f64, all alike.
    ///
    /// # Gradient
    /// `weight / √(var + eps) · g` for the input, `Σ g · x̂` and `Σ g` for weight and bias; none for the statistics. Saves the
    /// inputs.
    ///
    /// # Errors
    /// [`Error::Rank`] below 2; [`Error::ShapeMismatch`] if a parameter or statistic is not `(C,)`; [`Error::Argument`] if
    /// `eps` is negative; [`Error::DTypeMismatch`]; [`Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var};
    /// let x = Var::from(Tensor::from_slice(&[1.0_f32, 3.0], [2, 1])?);
    /// let (mean, var) = (Tensor::from_slice(&[1.0_f32], [1])?, Tensor::from_slice(&[4.0_f32], [1])?);
    /// assert_eq!(x.batch_norm_eval(&mean, &var, None, None, 0.0)?.tensor().to_vec::<f32>()?, [0.0, 1.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.batch_norm(training=False)`. Ioffe and Szegedy 2015, arXiv:1502.03167.
    pub fn batch_norm_eval(
        &self,
        mean: &Tensor,
        var: &Tensor,
        weight: Option<&Self>,
        bias: Option<&Self>,
        eps: f64,
    ) -> Result<Self> {
        let [_, c, _] = validate("batch_norm_eval", self, weight, bias, eps)?;
        require_params(
            "batch_norm_eval",
            self.tensor(),
            &Shape::new(&[c])?,
            &[mean, var],
        )?;
        let (mean, var) = (mean.contiguous()?, var.contiguous()?);
        let op = BatchNormEval {
            eps,
            params: Params::of(weight, bias),
            mean,
            var,
        };
        let inputs: Vec<&Self> = [Some(self), weight, bias].into_iter().flatten().collect();
        apply(op, &inputs)
    }
}

fn validate(
    op: &'static str,
    x: &Var,
    weight: Option<&Var>,
    bias: Option<&Var>,
    eps: f64,
) -> Result<[usize; 3]> {
    let dims = sizes(x.shape())?;
    crate::ops::support::require_dtype(op, x.tensor(), &[DType::F32, DType::F64])?;
    let given: Vec<&Tensor> = [weight, bias]
        .into_iter()
        .flatten()
        .map(Var::tensor)
        .collect();
    require_params(op, x.tensor(), &Shape::new(&[dims[1]])?, &given)?;
    require(eps >= 0.0, op, "eps", "at least 0", eps)?;
    Ok(dims)
}

/// Its registration: the running statistics are read in evaluation; in training the caller moves them, as the layer does.
pub(super) fn spec() -> OpSpec {
    OpSpec::new("batch_norm", call)
        .input("x", Kind::Float)
        .optional("running_mean", Kind::Constant)
        .optional("running_var", Kind::Constant)
        .optional("weight", Kind::Float)
        .optional("bias", Kind::Float)
        .attr("training", AttrType::Bool, false)
        .attr("momentum", AttrType::Float, 0.1)
        .attr("eps", AttrType::Float, 1e-5)
        .reference(reference)
        .draw(draw)
}

fn call(a: &Args) -> Result<Vec<Var>> {
    let (x, weight, bias) = (a.var("x")?, a.opt_var("weight"), a.opt_var("bias"));
    let (mean, var) = (a.opt_tensor("running_mean"), a.opt_tensor("running_var"));
    let eps = a.float("eps")?;
    if !a.flag("training")? {
        let (Some(mean), Some(var)) = (mean, var) else {
            return Err(Error::Call {
                op: "batch_norm",
                name: "running_mean".to_owned(),
                expected: "running_mean and running_var must be given in evaluation".to_owned(),
            });
        };
        return Ok(one(x.batch_norm_eval(mean, var, weight, bias, eps)?));
    }
    let given: Vec<&Tensor> = [mean, var].into_iter().flatten().collect();
    let [_, c, _] = sizes(x.shape())?;
    require_params("batch_norm", x.tensor(), &Shape::new(&[c])?, &given)?;
    Ok(one(x.batch_norm(weight, bias, eps)?.output))
}

fn reference(a: &Args) -> Result<Vec<Dense>> {
    let (x, eps) = (a.dense("x")?, a.float("eps")?);
    let axes: Vec<usize> = (0..x.rank()).filter(|&axis| axis != 1).collect();
    let (mut means, mut vars) = (a.opt_dense("running_mean")?, a.opt_dense("running_var")?);
    if a.flag("training")? {
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        means = Some(x.reduce(&axes, false, mean));
        let var = |v: &[f64]| v.iter().map(|x| (x - mean(v)).powi(2)).sum::<f64>() / v.len() as f64;
        vars = Some(x.reduce(&axes, false, var));
    }
    let (weight, bias) = (a.opt_dense("weight")?, a.opt_dense("bias")?);
    let of = |all: &Option<Dense>, c: usize, rest: f64| all.as_ref().map_or(rest, |v| v.data[c]);
    let y = Dense::from_fn(&x.dims, |at| {
        let c = at[1];
        let normal = (x.at(at) - of(&means, c, 0.0)) / (of(&vars, c, 1.0) + eps).sqrt();
        normal * of(&weight, c, 1.0) + of(&bias, c, 0.0)
    });
    Ok(vec![y])
}

fn draw(d: &mut Draw) -> Result<Args> {
    let mut dims = d.shape(2..=4, 1..=3);
    let training = d.flag();
    if dims[0] * dims[2..].iter().product::<usize>() == 1 {
        dims[0] = 3;
    }
    let mut args = Args::new()
        .with("x", d.reals(&dims)?)
        .attr("training", training)
        .attr("eps", d.pick(&[0.4, 0.1]));
    let channels = [dims[1]];
    if !training || d.flag() {
        args = args
            .with("running_mean", d.reals(&channels)?)
            .with("running_var", d.floats(&channels, Values::POSITIVE)?);
    }
    if d.below(4) > 0 {
        args = args.with("weight", d.reals(&channels)?);
    }
    if d.below(4) > 0 {
        args = args.with("bias", d.reals(&channels)?);
    }
    Ok(args)
}

#[cfg(test)]
mod tests {
    use crate::ops::support::testing::*;
    use crate::{Error, Tensor, Var};
    use gradus_testing::{check_close, reference::groups};

    const EPS: f64 = 1e-5;

    /// Mean and biased variance of each channel.
    fn batch_moments(x: &Tensor) -> Vec<(f64, f64)> {
        let axes: Vec<usize> = (0..x.rank()).filter(|&a| a != 1).collect();
        let moments = |g: &Vec<f64>| {
            let mean = g.iter().sum::<f64>() / g.len() as f64;
            (
                mean,
                g.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / g.len() as f64,
            )
        };
        groups(x.dims(), &x.to_vec::<f64>().unwrap(), &axes)
            .iter()
            .map(moments)
            .collect()
    }

    #[test]
    fn museum_53_normalises_and_returns_the_biased_variance() {
        let x = sampled(&[2, 3, 2, 2], 1);
        let y = Var::constant(x.clone())
            .batch_norm(None, None, EPS)
            .unwrap();
        let (mean, var): (Vec<f64>, Vec<f64>) = batch_moments(&x).into_iter().unzip();
        check_close(
            "mean",
            &y.mean.to_vec::<f64>().unwrap(),
            &mean,
            1e-13,
            1e-15,
        );
        check_close(
            "variance",
            &y.var.to_vec::<f64>().unwrap(),
            &var,
            1e-13,
            0.0,
        );
    }

    #[test]
    fn rejects_what_has_no_statistics() {
        let x = |dims: &[usize]| Var::constant(sampled(dims, 1));
        // museum 53: one element a channel
        for dims in [&[1, 3][..], &[1, 3, 1, 1]] {
            let got = x(dims).batch_norm(None, None, EPS);
            assert!(matches!(got, Err(Error::Argument { .. })), "{got:?}");
        }
        assert!(
            x(&[1, 3])
                .batch_norm_eval(&sampled(&[3], 1), &tensor(&[1.0; 3], 3), None, None, EPS)
                .is_ok()
        );
        assert!(matches!(
            x(&[3]).batch_norm(None, None, EPS),
            Err(Error::Rank { .. })
        ));
        assert!(matches!(
            x(&[4, 3]).batch_norm(Some(&x(&[4])), None, EPS),
            Err(Error::ShapeMismatch { .. })
        ));
        assert!(matches!(
            x(&[4, 3]).batch_norm(None, None, -1.0),
            Err(Error::Argument { .. })
        ));
        assert!(matches!(
            x(&[4, 3]).batch_norm(None, None, f64::NAN),
            Err(Error::Argument { .. })
        ));
        let got = x(&[4, 3]).batch_norm_eval(&sampled(&[4], 1), &sampled(&[3], 1), None, None, EPS);
        assert!(matches!(got, Err(Error::ShapeMismatch { .. })), "{got:?}");
        let single = constant(&[1.0_f32; 3], 3);
        assert!(matches!(
            x(&[4, 3]).batch_norm(Some(&single), None, EPS),
            Err(Error::DTypeMismatch { .. })
        ));
        let integers = constant(&[1_i64; 4], [2, 2]).batch_norm(None, None, EPS);
        assert!(matches!(integers, Err(Error::DType { .. })));
    }
}
