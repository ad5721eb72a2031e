//! Attention: values weighted by how well their keys fit a query. Letters: L queries, S keys, E width, V width of values.

use gradus_linalg::Float;
use gradus_linalg::attention::{
    Attention, Drop, Given, Matrices, Operands, attention, attention_backward,
};
use gradus_random::Philox;
use gradus_tensor::{DType, Result, Shape, Tensor};

use crate::autocast::precision;
use crate::ops::support::attention::{Layout, OP};
use crate::ops::support::compose::by_composition;
use crate::ops::support::noise::{kept, require_share};
use crate::ops::support::{require, scalar_like, with_float};
use crate::registry::{Args, AttrType, Dense, Draw, Kind, OpSpec, Values, one};
use crate::{Backward, Op, Outputs, Precision, Saves, Stats, Var, apply};

/// The options of [`Var::scaled_dot_product_attention`], with PyTorch's defaults.
#[derive(Clone, Copy, Debug)]
pub struct AttentionConfig {
    /// The probability of a weight's being dropped. Default: 0; in evaluation leave it so.
    pub dropout_p: f64,
    /// Whether query `i` sees keys `0..=i` only; excludes a mask. Default: no.
    pub is_causal: bool,
    /// What scores are multiplied by. Default: `1 / sqrt(E)`.
    pub scale: Option<f64>,
    /// Whether keys and values have fewer heads (the third dim from the end), each for several of the queries. Default: no.
    pub enable_gqa: bool,
    /// The generator of the dropout. Default: seed 0, stream 0.
    pub philox: Philox,
    /// The step of the dropout. Default: 0.
    pub step: u64,
}

impl Default for AttentionConfig {
    fn default() -> Self {
        Self {
            dropout_p: 0.0,
            is_causal: false,
            scale: None,
            enable_gqa: false,
            philox: Philox::new(0, 0),
            step: 0,
        }
    }
}

/// Inputs: query `(batch…, R, L, E)`, key `(batch…, 1, S, E)`, value `(batch…, 1, S, V)`. Statistic 0: the log-sum-exp of each query.
#[derive(Clone, Debug)]
struct Fused {
    layout: Layout,
    mask: Option<Tensor>,
    scale: f64,
    config: AttentionConfig,
}

impl Fused {
    fn params<T: Float>(&self) -> Result<Attention<'_, T>> {
        let layout = &self.layout;
        let AttentionConfig {
            dropout_p: p,
            philox,
            step,
            ..
        } = self.config;
        Ok(Attention {
            groups: layout.groups(),
            heads: layout.heads,
            queries: layout.queries,
            keys: layout.keys,
            width: layout.width,
            value_width: layout.value_width,
            scale: self.scale,
            causal: self.config.is_causal,
            mask: layout.view(self.mask.as_ref())?,
            precision: match T::DTYPE {
                DType::F32 => precision(),
                _ => Precision::Full,
            },
            drop: (p > 0.0).then_some(Drop { p, philox, step }),
        })
    }

    fn forward<T: Float>(&self, inputs: [&Tensor; 3], stats: &mut Stats) -> Result<Tensor> {
        let [query, key, value] = inputs.map(with_rows);
        let (query, key, value) = (query?, key?, value?);
        let operands = operands::<T>(&query, &key, &value)?;
        let params = self.params::<T>()?;
        let items = params.groups * params.heads;
        let mut lse = Tensor::zeros([items, params.queries], DType::F64)?;
        let out = Tensor::try_build(self.shape()?, |dst: &mut [T]| {
            attention(dst, lse.make_mut::<f64>()?, &operands, &params);
            Ok(())
        })?;
        stats.push(lse);
        Ok(out)
    }

    /// `(batch…, R, L, V)`
    fn shape(&self) -> Result<Shape> {
        let Layout {
            batch,
            heads,
            queries,
            value_width,
            ..
        } = &self.layout;
        Shape::new(&[&batch[..], &[*heads, *queries, *value_width]].concat())
    }

    fn backward<T: Float>(
        &self,
        inputs: &[Var],
        out: &Tensor,
        lse: &Tensor,
        grad: &Tensor,
    ) -> Result<Vec<Option<Var>>> {
        let [query, key, value] = [0, 1, 2].map(|i| with_rows(inputs[i].tensor()));
        let (query, key, value) = (query?, key?, value?);
        let operands = operands::<T>(&query, &key, &value)?;
        let (out, grad) = (with_rows(out)?, with_rows(grad)?);
        let given = Given {
            out: matrices(&out)?,
            lse: lse.as_slice::<f64>()?,
            grad: matrices(&grad)?,
        };
        let params = self.params::<T>()?;
        let mut dst = [&query, &key, &value].map(|x| Tensor::zeros(x.shape(), x.dtype()));
        let [Ok(query), Ok(key), Ok(value)] = &mut dst else {
            return dst
                .into_iter()
                .map(|x| x.map(|x| Some(Var::constant(x))))
                .collect();
        };
        let grads = [
            query.make_mut::<T>()?,
            key.make_mut::<T>()?,
            value.make_mut::<T>()?,
        ];
        attention_backward(grads, &operands, &given, &params);
        dst.into_iter()
            .map(|x| x.map(|x| Some(Var::constant(x))))
            .collect()
    }
}

/// The tensor itself if its rows are contiguous, a copy otherwise.
fn with_rows(x: &Tensor) -> Result<Tensor> {
    match (x.strides().last(), x.dims().last()) {
        (Some(1), _) | (_, Some(1)) => Ok(x.clone()),
        _ => x.contiguous(),
    }
}

/// The last two dims of a tensor with contiguous rows, for each place of the others.
fn matrices<T: Float>(x: &Tensor) -> Result<Matrices<'_, T>> {
    let view = x.view::<T>()?;
    let (outer, inner) = view.strides().split_at(x.rank() - 2);
    let dims = &x.dims()[..x.rank() - 2];
    let items: usize = dims.iter().product();
    let offset = |mut item: usize| {
        let mut at = view.offset();
        for (&dim, &stride) in dims.iter().zip(outer).rev() {
            at = at.wrapping_add_signed((item % dim) as isize * stride);
            item /= dim;
        }
        at
    };
    Ok(Matrices {
        data: view.data(),
        offsets: (0..items).map(offset).collect(),
        stride: inner[0],
    })
}

fn operands<'a, T: Float>(
    query: &'a Tensor,
    key: &'a Tensor,
    value: &'a Tensor,
) -> Result<Operands<'a, T>> {
    Ok(Operands {
        query: matrices(query)?,
        key: matrices(key)?,
        value: matrices(value)?,
    })
}

impl Op for Fused {
    fn name(&self) -> &'static str {
        OP
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS.and(Saves::outputs(&[0]))
    }

    fn forward(&self, inputs: &[&Tensor], stats: &mut Stats) -> Result<Outputs> {
        let inputs = [inputs[0], inputs[1], inputs[2]];
        stats.precision(); // the backward's, too
        with_float!(inputs[0].dtype(), OP, T => Ok(self.forward::<T>(inputs, stats)?.into()))
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let inputs = (0..3).map(|i| ctx.input(i)).collect::<Result<Vec<_>>>()?;
        if ctx.create_graph() {
            let mask = self.mask.clone().map(Var::constant);
            return by_composition(ctx, &grad, &inputs, |v| {
                composed([&v[0], &v[1], &v[2]], mask.as_ref(), self)
            });
        }
        let (out, lse) = (ctx.output(0)?, ctx.stat(0)?);
        with_float!(grad.dtype(), OP, T => self.backward::<T>(&inputs, out.tensor(), lse, grad.tensor()))
    }

    fn flops(&self, _inputs: &[Shape], outputs: &[Shape]) -> u64 {
        let Layout {
            keys,
            width,
            value_width,
            ..
        } = &self.layout;
        let queries = outputs[0].numel() / value_width.max(&1);
        2 * (queries * keys * (width + value_width)) as u64
    }
}

/// The attention of expanded operands, composed of ops: with a matrix of all scores.
fn composed([query, key, value]: [&Var; 3], mask: Option<&Var>, op: &Fused) -> Result<Var> {
    let Layout {
        batch,
        heads,
        queries,
        keys,
        ..
    } = &op.layout;
    let shape = Shape::new(&[&batch[..], &[*heads, *queries, *keys]].concat())?;
    let mut scores = query
        .matmul(&key.transpose(-1, -2)?)?
        .mul_scalar(op.scale)?;
    let hidden = scalar_like(&scores, f64::NEG_INFINITY)?;
    if let Some(mask) = mask {
        let mask = mask.expand(op.layout.scores()?)?.reshape(shape)?;
        if mask.dtype() == DType::Bool {
            scores = scores.where_(mask.tensor(), &hidden)?;
        } else {
            let seen = crate::ops::support::loss::equals(OP, mask.tensor(), f64::NEG_INFINITY)?;
            let seen = Tensor::build(shape, |dst: &mut [bool]| {
                for (dst, hides) in dst.iter_mut().zip(seen.as_slice::<bool>().unwrap_or(&[])) {
                    *dst = !hides;
                }
            })?;
            scores = scores.add(&mask)?.where_(&seen, &hidden)?;
        }
    }
    if op.config.is_causal {
        let seen = Tensor::build([*queries, *keys], |dst: &mut [bool]| {
            dst.iter_mut()
                .enumerate()
                .for_each(|(at, seen)| *seen = at % keys <= at / keys);
        })?;
        scores = scores.where_(&seen, &hidden)?;
    }
    let mut weights = scores.softmax(-1)?;
    let AttentionConfig {
        dropout_p: p,
        philox,
        step,
        ..
    } = op.config;
    if p > 0.0 {
        let kept = kept(&shape, p, &philox, step)?;
        let scale = if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 };
        weights = weights
            .mul_scalar(scale)?
            .where_(&kept, &scalar_like(&scores, 0.0)?)?;
    }
    weights.matmul(value)
}

impl Var {
    /// Attention: `softmax(self · keyᵀ · scale + mask) · value`, with this var the queries.
    ///
    /// # Shapes
    /// - `self` `(…, L, E)`, `key` `(…, S, E)`, `value` `(…, S, V)`, whose other dims broadcast; with `enable_gqa` the third dim
    ///   from the end of keys and values divides that of queries
    /// - `attn_mask`: broadcasts to `(…, L, S)`; bool, true where a query sees a key, or added to the scores
    /// - returns `(…, L, V)`
    ///
    /// # Numerics
    /// In blocks, with the softmax taken on the way: no matrix of all scores. Exponentials are summed in f64. A query whose keys
    /// are all masked gives 0, with gradient 0; a NaN in a query that sees a key comes out as NaN. f32 or f64, all alike.
    ///
    /// # Gradient
    /// To queries, keys and values, in blocks too, from scores computed again; saves these, the output and one number a query.
    /// A float mask that needs a gradient, and the second derivative, take the composed form, with all scores in memory.
    ///
    /// # Errors
    /// [`crate::Error::Rank`]; [`crate::Error::ShapeMismatch`]; [`crate::Error::Argument`] if `dropout_p` is not in `0..=1` or both
    /// mask and `is_causal` are given; [`crate::Error::DTypeMismatch`]; [`crate::Error::DType`] if not f32 or f64.
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::AttentionConfig};
    /// let [q, k] = [[0.0_f64, 0.0], [1.0, -1.0]].map(|v| Tensor::from_slice(&v, [2, 1]).map(Var::from));
    /// let v = Var::from(Tensor::from_slice(&[2.0_f64, 4.0], [2, 1])?);
    /// let config = AttentionConfig { is_causal: true, ..Default::default() };
    /// let y = q?.scaled_dot_product_attention(&k?, &v, None, &config)?;
    /// assert_eq!(y.tensor().to_vec::<f64>()?, [2.0, 3.0]); // the first query sees the first key only
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.scaled_dot_product_attention`. Vaswani et al. 2017, arXiv:1706.03762; blocks: Dao et al. 2022,
    /// arXiv:2205.14135.
    pub fn scaled_dot_product_attention(
        &self,
        key: &Self,
        value: &Self,
        attn_mask: Option<&Self>,
        config: &AttentionConfig,
    ) -> Result<Self> {
        require_share(OP, config.dropout_p)?;
        let both = attn_mask.is_some() && config.is_causal;
        require(!both, OP, "is_causal", "off where a mask is given", 1.0)?;
        let layout = Layout::of(self, key, value, config.enable_gqa)?;
        if let Some(mask) = attn_mask {
            layout.mask(self, mask)?;
        }
        let (output, width) = (layout.output()?, layout.width as f64);
        let [query, key, value] = layout.expand(self, key, value)?;
        let op = Fused {
            scale: config.scale.unwrap_or(1.0 / width.sqrt()),
            mask: attn_mask.map(|mask| mask.tensor().clone()),
            config: *config,
            layout,
        };
        let inputs = [&query, &key, &value];
        let by_ops = op.layout.is_empty() || attn_mask.is_some_and(Self::requires_grad);
        let out = if by_ops {
            composed(inputs, attn_mask, &op)?
        } else {
            apply(op, &inputs)?
        };
        out.reshape(output)
    }
}

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new(OP, |a| {
        let config = AttentionConfig {
            dropout_p: a.float("dropout_p")?,
            is_causal: a.flag("is_causal")?,
            scale: a.opt("scale", Args::float)?,
            enable_gqa: a.flag("enable_gqa")?,
            philox: Philox::new(a.int("seed")? as u64, 0),
            step: 0,
        };
        let (x, key, value) = (a.var("x")?, a.var("key")?, a.var("value")?);
        let mask = a.opt_var("attn_mask");
        Ok(one(
            x.scaled_dot_product_attention(key, value, mask, &config)?
        ))
    })
    .input("x", Kind::Float)
    .input("key", Kind::Float)
    .input("value", Kind::Float)
    .optional("attn_mask", Kind::Any)
    .attr("dropout_p", AttrType::Float, 0.0)
    .attr("is_causal", AttrType::Bool, false)
    .attr("scale", AttrType::Float, None::<f64>)
    .attr("enable_gqa", AttrType::Bool, false)
    .attr("seed", AttrType::Int, 0)
    .small_only()
    .reference(naive)
    .draw(draw)
}

/// Score by score.
fn naive(a: &Args) -> Result<Vec<Dense>> {
    let (q, k, v) = (a.dense("x")?, a.dense("key")?, a.dense("value")?);
    let (mask, rank) = (a.opt_dense("attn_mask")?, q.rank());
    let is_bool = a
        .opt_tensor("attn_mask")
        .is_some_and(|m| m.dtype() == DType::Bool);
    let [queries, width] = [q.dims[rank - 2], q.dims[rank - 1]];
    let keys = k.dims[k.rank() - 2];
    let share = match a.flag("enable_gqa")? {
        true => q.dims[rank - 3] / k.dims[k.rank() - 3],
        false => 1,
    };
    let scale = a
        .opt("scale", Args::float)?
        .unwrap_or(1.0 / (width as f64).sqrt());
    let (causal, p) = (a.flag("is_causal")?, a.float("dropout_p")?);
    let philox = Philox::new(a.int("seed")? as u64, 0);
    let mut dims = q.dims.clone();
    dims[rank - 1] = v.dims[v.rank() - 1];
    let outer = Dense::from_fn(&dims[..rank - 2], |_| 0.0);
    Ok(vec![Dense::from_fn(&dims, |at| {
        let (batch, i) = (&at[..rank - 2], at[rank - 2]);
        let mut shared = batch.to_vec();
        if let Some(head) = shared.last_mut() {
            *head /= share;
        }
        let full = |row: usize, column: usize| [&shared[..], &[row, column]].concat();
        let score = |j: usize| {
            let own = |e: usize| q.wide(&[batch, &[i, e]].concat()) * k.wide(&full(j, e));
            let score = (0..width).map(own).sum::<f64>() * scale;
            let bias = mask
                .as_ref()
                .map_or(0.0, |m| m.wide(&[batch, &[i, j]].concat()));
            match (causal && j > i, mask.is_some() && is_bool) {
                (true, _) => f64::NEG_INFINITY,
                (_, true) if bias == 0.0 => f64::NEG_INFINITY,
                (_, true) => score,
                _ => score + bias,
            }
        };
        let weights: Vec<f64> = (0..keys).map(|j| score(j).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let row = outer.position(batch) * queries + i;
        let weight = |j: usize| {
            let index = (row * keys + j) as u64;
            let word = f64::from(philox.block(0, index / 4)[(index % 4) as usize]);
            let kept = word >= (p * 4_294_967_296.0).round();
            if kept && sum > 0.0 {
                weights[j] / sum / (1.0 - p)
            } else {
                0.0
            }
        };
        (0..keys)
            .map(|j| weight(j) * v.wide(&full(j, at[rank - 1])))
            .sum()
    })])
}

fn draw(d: &mut Draw) -> Result<Args> {
    // Now and then more queries than the kernels take at a time.
    let many = d.below(6) == 5;
    let batch = d.shape(0..=if many { 1 } else { 2 }, 1..=2);
    let (queries, keys) = (if many { 66 } else { d.range(1..=4) }, d.range(1..=4));
    let (width, value_width) = (d.range(1..=if many { 1 } else { 3 }), d.range(1..=2));
    let mut own = batch.clone();
    let grouped = !batch.is_empty() && d.flag();
    if grouped {
        let last = own.len() - 1;
        own[last] *= d.range(1..=2);
    }
    let shared: Vec<usize> = match grouped {
        true => batch.clone(),
        false => batch
            .iter()
            .map(|&n| if d.below(4) == 3 { 1 } else { n })
            .collect(),
    };
    let dims = |batch: &[usize], rows: usize, width: usize| [batch, &[rows, width]].concat();
    let mut args = Args::new()
        .with("x", d.reals(&dims(&own, queries, width))?)
        .with("key", d.reals(&dims(&shared, keys, width))?)
        .with("value", d.reals(&dims(&shared, keys, value_width))?)
        .attr("enable_gqa", grouped)
        .attr("seed", d.int(0..=99))
        .attr("dropout_p", d.pick(&[0.0, 0.0, 0.4, 1.0]));
    if d.flag() {
        args = args.attr("scale", d.float(Values::POSITIVE));
    }
    let mask = d.narrower(&dims(&own, queries, keys));
    Ok(match d.below(4) {
        1 => args.with("attn_mask", d.mask(&mask)?),
        2 => args.with("attn_mask", d.reals(&mask)?),
        3 => args.attr("is_causal", true),
        _ => args,
    })
}

#[cfg(test)]
mod tests {
    use super::AttentionConfig;
    use crate::ops::support::testing::*;
    use crate::{DType, GradConfig, Result, Tensor, Var, grad};
    use gradus_linalg::threads::with_threads;
    use gradus_random::Philox;
    use gradus_testing::check_close;

    /// Output and gradients of queries, keys and values.
    fn run(
        v: &[Var],
        mask: Option<&Tensor>,
        config: &AttentionConfig,
        twice: bool,
    ) -> Result<Vec<Vec<f64>>> {
        let mask = mask.cloned().map(Var::constant);
        let y = v[0].scaled_dot_product_attention(&v[1], &v[2], mask.as_ref(), config)?;
        let grad_out = Var::constant(sampled(y.dims(), 5));
        let graph = GradConfig {
            create_graph: twice,
            ..Default::default()
        };
        let found = grad(&[&y], &[&v[0], &v[1], &v[2]], Some(&[grad_out]), &graph)?;
        let grads = found.iter().flatten().map(values);
        Ok([values(&y)].into_iter().chain(grads).collect())
    }

    fn operands(batch: &[usize], queries: usize, keys: usize, width: usize) -> Vec<Var> {
        let of = |rows: usize, salt| Var::leaf(sampled(&[batch, &[rows, width]].concat(), salt));
        vec![of(queries, 1), of(keys, 2), of(keys, 3)]
    }

    #[test]
    fn blocks_agree_with_the_composed_form() {
        let drop = AttentionConfig {
            dropout_p: 0.3,
            philox: Philox::new(7, 8),
            step: 2,
            ..Default::default()
        };
        let causal = AttentionConfig {
            is_causal: true,
            ..Default::default()
        };
        let float = sampled(&[150, 300], 9);
        let bools = tensor(
            &float
                .to_vec::<f64>()
                .unwrap()
                .iter()
                .map(|&x| x > 0.5)
                .collect::<Vec<_>>(),
            [150, 300],
        );
        let v = operands(&[2, 1], 150, 300, 5);
        for (config, mask) in [
            (&drop, None),
            (&causal, None),
            (&drop, Some(&float)),
            (&drop, Some(&bools)),
        ] {
            let fused = run(&v, mask, config, false).unwrap();
            for threads in [1, 3] {
                let again = with_threads(threads, || run(&v, mask, config, false));
                assert_eq!(again.unwrap(), fused, "{threads} threads");
            }
            let composed = run(&v, mask, config, true).unwrap();
            for (i, (a, b)) in fused.iter().zip(&composed).enumerate() {
                check_close(&format!("{i}"), a, b, 1e-11, 1e-12);
            }
        }
    }

    #[test]
    fn museum_56_a_query_without_keys_gives_0_in_every_path() {
        let hidden = f64::NEG_INFINITY;
        for mask in [
            tensor(&[false, false, true, true], [2, 2]),
            tensor(&[hidden, hidden, 0.0, 0.0], [2, 2]),
        ] {
            for dropout_p in [0.0, 0.5] {
                for twice in [false, true] {
                    let config = AttentionConfig {
                        dropout_p,
                        ..Default::default()
                    };
                    let v = operands(&[1], 2, 2, 2);
                    let got = run(&v, Some(&mask), &config, twice).unwrap();
                    assert_eq!(got[0][..2], [0.0, 0.0], "{got:?}");
                    assert_eq!(got[1][..2], [0.0, 0.0], "{got:?}");
                    assert!(got.iter().flatten().all(|x| x.is_finite()), "{got:?}");
                }
            }
        }
        // A mask that needs a gradient takes the composed form.
        let mask = Var::leaf(tensor(&[hidden, hidden, 0.0, 0.0], [2, 2]));
        let v = operands(&[1], 2, 2, 2);
        let y = v[0]
            .scaled_dot_product_attention(&v[1], &v[2], Some(&mask), &AttentionConfig::default())
            .unwrap();
        assert_eq!(values(&y)[..2], [0.0, 0.0]);
        let grads = y.sum(&[], false).unwrap().backward().unwrap();
        assert_eq!(
            grads.get_var(&mask).unwrap().to_vec::<f64>().unwrap()[..2],
            [0.0, 0.0]
        );
    }

    #[test]
    fn museum_56_nan_in_a_query_comes_out_as_nan() {
        let mut v = operands(&[1], 2, 3, 2);
        v[0] = leaf(&[f64::NAN, 1.0, 0.5, 0.25], [1, 2, 2]);
        let got = run(&v, None, &AttentionConfig::default(), false).unwrap();
        assert!(
            got[0][..2].iter().all(|x| x.is_nan()) && got[0][2..].iter().all(|x| x.is_finite()),
            "{got:?}"
        );
        assert!(got[1][0].is_nan(), "{got:?}");
    }

    #[test]
    fn museum_57_a_causal_mask_is_applied_once_also_to_rectangles() {
        let config = AttentionConfig {
            is_causal: true,
            ..Default::default()
        };
        for (queries, keys) in [(2, 4), (4, 2), (130, 70), (70, 300)] {
            let v = operands(&[1], queries, keys, 2);
            let seen: Vec<bool> = (0..queries * keys)
                .map(|at| at % keys <= at / keys)
                .collect();
            let mask = tensor(&seen, [queries, keys]);
            let (causal, masked) = (
                run(&v, None, &config, false),
                run(&v, Some(&mask), &AttentionConfig::default(), false),
            );
            for (a, b) in causal.unwrap().iter().zip(&masked.unwrap()) {
                check_close("causal", a, b, 1e-12, 1e-13);
            }
        }
    }

    #[test]
    fn museum_57_masks_broadcast_over_batch_and_heads() {
        // One mask for each item of the batch, the same for its heads.
        let (batch, heads, queries, keys) = (2, 3, 2, 4);
        let v = operands(&[batch, heads], queries, keys, 2);
        let of_item = |b: usize| {
            if b == 0 {
                [true, true, false, true]
            } else {
                [false, true, true, true]
            }
        };
        let narrow = tensor(
            &(0..batch).flat_map(of_item).collect::<Vec<_>>(),
            [batch, 1, 1, keys],
        );
        let wide = narrow
            .expand([batch, heads, queries, keys])
            .unwrap()
            .deep_copy()
            .unwrap();
        let config = AttentionConfig::default();
        let (a, b) = (
            run(&v, Some(&narrow), &config, false),
            run(&v, Some(&wide), &config, false),
        );
        assert_eq!(a.unwrap(), b.unwrap());
    }

    #[test]
    fn museum_57_grouped_heads_share_keys_in_order() {
        let query = sampled(&[1, 4, 3, 2], 1);
        let (key, value) = (sampled(&[1, 2, 5, 2], 2), sampled(&[1, 2, 5, 2], 3));
        let grouped = AttentionConfig {
            enable_gqa: true,
            ..Default::default()
        };
        let v: Vec<Var> = [&query, &key, &value].map(|x| Var::leaf(x.clone())).into();
        let got = run(&v, None, &grouped, false).unwrap();
        // heads 0 and 1 of the queries see head 0 of the keys, 2 and 3 see head 1
        let order = tensor(&[0_i64, 0, 1, 1], 4);
        let repeated = |x: &Var| x.index_select(1, &order).unwrap();
        let y = v[0]
            .scaled_dot_product_attention(
                &repeated(&v[1]),
                &repeated(&v[2]),
                None,
                &AttentionConfig::default(),
            )
            .unwrap();
        check_close("output", &got[0], &values(&y), 1e-13, 1e-14);
        let grads = y
            .backward_with(&Var::constant(sampled(y.dims(), 5)))
            .unwrap();
        for (found, x) in got[1..].iter().zip(&v) {
            let want = grads.get_var(x).unwrap().to_vec::<f64>().unwrap();
            check_close("gradient", found, &want, 1e-12, 1e-13);
        }
    }

    #[test]
    fn museum_46_no_keys_and_no_queries() {
        let config = AttentionConfig::default();
        for (queries, keys) in [(0, 2), (2, 0)] {
            let of = |rows: usize| Var::leaf(Tensor::zeros([1, rows, 2], DType::F64).unwrap());
            let y = of(queries)
                .scaled_dot_product_attention(&of(keys), &of(keys), None, &config)
                .unwrap();
            assert_eq!(y.dims(), [1, queries, 2]);
            assert!(values(&y).iter().all(|&y| y == 0.0));
        }
    }
}
