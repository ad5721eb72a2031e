//! Sums, means or maxima of bags of a table's rows. Letters: V rows of the table, D columns, K indices, B bags.

use std::ops::Range;
use std::sync::Arc;

use gradus_linalg::embedding::{Scatter, add_rows, argmax_bags, pick_rows, sum_bags};
use gradus_linalg::gemm::Accum;
use gradus_tensor::{DType, Error, Tensor};

use super::embedding::{draw_indices, draw_table, scaled_table};
use crate::ops::support::compose::by_composition;
use crate::ops::support::table::{Lookup, padding_of, positions, renorm};
use crate::ops::support::{require, require_dtype, same_dtype, scalar_like, with_float};
use crate::registry::{Args, AttrType, Dense, Draw, Kind, OpSpec, one};
use crate::{Backward, Op, Outputs, Result, Saves, Stats, Var, apply};

const OP: &str = "embedding_bag";

/// What becomes of the rows of a bag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BagMode {
    /// Their sum, weighted if there are weights.
    Sum,
    /// Their mean.
    #[default]
    Mean,
    /// The largest in each column.
    Max,
}

/// The options of [`Var::embedding_bag`], with PyTorch's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EmbeddingBagConfig {
    /// Sum, mean or maximum. Default: the mean.
    pub mode: BagMode,
    /// Rows of the table longer than this are scaled to it. Default: no bound.
    pub max_norm: Option<f64>,
    /// The norm of that length. Default: 2.
    pub norm_type: f64,
    /// Whether a row's gradient is divided by how often its index occurs; not for maxima. Default: no.
    pub scale_grad_by_freq: bool,
    /// Whether the last offset is the end of the last bag. Default: no.
    pub include_last_offset: bool,
    /// A row of the table, counted from the end if negative, that bags leave out. Default: none.
    pub padding_idx: Option<i64>,
}

impl Default for EmbeddingBagConfig {
    fn default() -> Self {
        Self {
            mode: BagMode::Mean,
            max_norm: None,
            norm_type: 2.0,
            scale_grad_by_freq: false,
            include_last_offset: false,
            padding_idx: None,
        }
    }
}

/// The indices without padding: their rows of the table, where they stood, and the bags.
#[derive(Clone, Debug)]
struct Bags {
    lookup: Lookup,
    places: Arc<[usize]>,
    bags: Arc<[Range<usize>]>,
}

impl Bags {
    /// The bag of each index.
    fn bag_of(&self) -> Vec<usize> {
        let each = |(b, bag): (usize, &Range<usize>)| std::iter::repeat_n(b, bag.len());
        self.bags.iter().enumerate().flat_map(each).collect()
    }
}

/// Sums of bags. Inputs: table `(V, D)` and maybe the weights of the kept indices `(K,)`.
#[derive(Clone, Debug)]
struct SumBags {
    bags: Bags,
}

impl SumBags {
    fn composed(&self, inputs: &[Var]) -> Result<Var> {
        let mut rows = self.bags.lookup.clone().pick(&inputs[0])?;
        if let Some(weights) = inputs.get(1) {
            rows = rows.mul(&weights.unsqueeze(1)?)?;
        }
        Lookup::new(OP, &self.bags.bag_of(), None, false).add(&rows, self.bags.bags.len())
    }
}

fn wide(weights: Option<&Tensor>) -> Result<Option<Vec<f64>>> {
    weights
        .map(|w| w.to_dtype(DType::F64)?.to_vec::<f64>())
        .transpose()
}

impl Op for SumBags {
    fn name(&self) -> &'static str {
        OP
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let [_, width] = inputs[0].shape().to_array(OP)?;
        let (table, weights) = (inputs[0].contiguous()?, wide(inputs.get(1).copied())?);
        let (positions, bags) = (&self.bags.lookup.positions, &self.bags.bags);
        with_float!(table.dtype(), OP, T => {
            let from = table.as_slice::<T>()?;
            let sums = Tensor::build([bags.len(), width], |dst: &mut [T]| {
                sum_bags(dst, from, positions, weights.as_deref(), bags, width);
            })?;
            Ok(sums.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        let inputs = (0..ctx.input_count())
            .map(|i| ctx.input(i))
            .collect::<Result<Vec<_>>>()?;
        if ctx.create_graph() {
            return by_composition(ctx, &grad, &inputs, |v| self.composed(v));
        }
        let [rows, width] = ctx.input_shape(0).to_array(OP)?;
        let (grad, owners) = (grad.tensor().contiguous()?, self.bags.bag_of());
        let mut scales = wide(inputs.get(1).map(Var::tensor))?;
        if let Some(shares) = &self.bags.lookup.scales {
            let scales = scales.get_or_insert_with(|| vec![1.0; owners.len()]);
            scales
                .iter_mut()
                .zip(shares.iter())
                .for_each(|(scale, share)| *scale *= share);
        }
        let scatter = Scatter {
            positions: &self.bags.lookup.positions,
            rows: Some(&owners),
            scales: scales.as_deref(),
        };
        with_float!(grad.dtype(), OP, T => {
            let from = grad.as_slice::<T>()?;
            let table = Tensor::build([rows, width], |dst: &mut [T]| add_rows(dst, Accum::Replace, from, &scatter, width))?;
            let mut grads = vec![Some(Var::constant(table))];
            if inputs.len() == 2 {
                let each = Tensor::build([owners.len(), width], |dst: &mut [T]| {
                    pick_rows(dst, from, &owners, width);
                })?;
                let rows = self.bags.lookup.clone().pick(&inputs[0].detach())?;
                grads.push(Some(Var::constant(each).mul(&rows)?.sum(&[1], false)?));
            }
            Ok(grads)
        })
    }
}

/// Start and end of each bag among the K indices.
fn ranges(index: &Tensor, offsets: Option<&Tensor>, last: bool) -> Result<Vec<Range<usize>>> {
    let count = index.numel();
    let (&[rows, width], None) = (index.dims(), offsets) else {
        let Some(offsets) = offsets.filter(|o| o.rank() == 1 && index.rank() == 1) else {
            let (expected, got) = (if offsets.is_some() { 1 } else { 2 }, *index.shape());
            return Err(Error::Rank {
                op: OP,
                expected,
                got,
            });
        };
        return offset_ranges(offsets, count, last);
    };
    Ok((0..rows)
        .map(|row| row * width..(row + 1) * width)
        .collect())
}

fn offset_ranges(offsets: &Tensor, count: usize, last: bool) -> Result<Vec<Range<usize>>> {
    require_dtype(OP, offsets, &[DType::I64])?;
    let mut starts = positions(OP, offsets, count + 1)?;
    if last {
        require(
            !starts.is_empty(),
            OP,
            "offsets",
            "at least one, the end",
            0.0,
        )?;
    } else {
        starts.push(count);
    }
    let whole = starts.first().is_none_or(|&s| s == 0) && starts.last() == Some(&count);
    require(
        whole && starts.is_sorted(),
        OP,
        "offsets",
        "ascending from 0 to the number of indices",
        starts.first().map_or(0.0, |&s| s as f64),
    )?;
    Ok(starts.windows(2).map(|pair| pair[0]..pair[1]).collect())
}

/// The bags without padding.
fn kept(found: &[usize], ranges: &[Range<usize>], padding: Option<usize>, by_freq: bool) -> Bags {
    let (mut places, mut bags) = (
        Vec::with_capacity(found.len()),
        Vec::with_capacity(ranges.len()),
    );
    for range in ranges {
        let start = places.len();
        places.extend(range.clone().filter(|&k| Some(found[k]) != padding));
        bags.push(start..places.len());
    }
    let positions: Vec<usize> = places.iter().map(|&k| found[k]).collect();
    Bags {
        lookup: Lookup::new(OP, &positions, None, by_freq),
        places: places.into(),
        bags: bags.into(),
    }
}

/// The largest elements of each bag's rows, picked from the table; 0 of an empty bag.
fn maxima(table: &Var, bags: &Bags) -> Result<Var> {
    let [rows, width] = table.shape().to_array(OP)?;
    let shape = [bags.bags.len(), width];
    if rows == 0 || width == 0 {
        return Ok(Var::constant(Tensor::zeros(shape, table.dtype())?));
    }
    let from = table.tensor().contiguous()?;
    let best = with_float!(from.dtype(), OP, T => {
        let (from, positions) = (from.as_slice::<T>()?, &bags.lookup.positions);
        Tensor::build(shape, |dst: &mut [i64]| argmax_bags(dst, from, positions, &bags.bags, width))
    })?;
    let full: Vec<bool> = bags.bags.iter().map(|bag| !bag.is_empty()).collect();
    let full = Tensor::from_slice(&full, [full.len(), 1])?;
    table
        .gather(0, &best)?
        .where_(&full, &scalar_like(table, 0.0)?)
}

impl Var {
    /// The sum, mean or maximum of the rows of this table at the indices of each bag.
    ///
    /// # Shapes
    /// - `self` `(V, D)`
    /// - `index`: i64 `(B, K)`, a row a bag, or `(K,)` with `offsets` `(B,)`, where each bag starts
    /// - `per_sample_weights`: of the shape of `index`, for sums only
    /// - returns `(B, D)`
    ///
    /// # Numerics
    /// Sums in order and in f64. An empty bag gives 0. Of equal maxima the first counts, NaN wins. f32 or f64.
    ///
    /// # Gradient
    /// Of a row the sum over its places, in order and in f64, in parallel; of a weight the product of its row and its bag's
    /// gradient; of maxima to the rows that they come from. Rows are not put together in between, but for a second
    /// derivative.
    ///
    /// # Errors
    /// [`Error::Rank`] of table or indices; [`Error::IndexOutOfRange`] of indices or offsets; [`Error::Argument`] for offsets
    /// that do not ascend from 0, for weights without sums, for frequencies with maxima; [`Error::ShapeMismatch`] of weights;
    /// [`Error::DTypeMismatch`]; [`Error::DType`].
    ///
    /// # Example
    /// ```
    /// # use gradus_autograd::{Tensor, Var, ops::EmbeddingBagConfig};
    /// let table = Var::from(Tensor::from_slice(&[1.0_f64, 2.0, 6.0], [3, 1])?);
    /// let index = Tensor::from_slice(&[0_i64, 1, 2, 2], [2, 2])?;
    /// let means = table.embedding_bag(&index, None, None, &EmbeddingBagConfig::default())?;
    /// assert_eq!(means.tensor().to_vec::<f64>()?, [1.5, 6.0]);
    /// # Ok::<(), gradus_autograd::Error>(())
    /// ```
    ///
    /// As `torch.nn.functional.embedding_bag`.
    pub fn embedding_bag(
        &self,
        index: &Tensor,
        offsets: Option<&Tensor>,
        per_sample_weights: Option<&Self>,
        config: &EmbeddingBagConfig,
    ) -> Result<Self> {
        let [rows, _] = self.shape().to_array(OP)?;
        let (mode, by_freq) = (config.mode, config.scale_grad_by_freq);
        let padding = padding_of(OP, config.padding_idx, rows)?;
        require(
            !(by_freq && mode == BagMode::Max),
            OP,
            "scale_grad_by_freq",
            "off for maxima",
            1.0,
        )?;
        let found = positions(OP, index, rows)?;
        let bags = kept(
            &found,
            &ranges(index, offsets, config.include_last_offset)?,
            padding,
            by_freq,
        );
        let table = match config.max_norm {
            Some(max_norm) => &renorm(OP, self, max_norm, config.norm_type)?,
            None => self,
        };
        if let Some(weights) = per_sample_weights {
            require(
                mode == BagMode::Sum,
                OP,
                "per_sample_weights",
                "none but for sums",
                1.0,
            )?;
            same_dtype(OP, self.tensor(), weights.tensor())?;
            if *weights.shape() != *index.shape() {
                let (lhs, rhs, rule) = (
                    *index.shape(),
                    *weights.shape(),
                    "one weight for each index",
                );
                return Err(Error::ShapeMismatch {
                    op: OP,
                    lhs,
                    rhs,
                    rule,
                });
            }
            let places: Vec<i64> = bags.places.iter().map(|&k| k as i64).collect();
            let places = Tensor::from_slice(&places, [places.len()])?;
            let weights = weights.reshape([index.numel()])?.index_select(0, &places)?;
            return apply(SumBags { bags }, &[table, &weights]);
        }
        if mode == BagMode::Max {
            return maxima(table, &bags);
        }
        let shares: Vec<f64> = bags
            .bags
            .iter()
            .map(|bag| 1.0 / bag.len().max(1) as f64)
            .collect();
        let sums = apply(SumBags { bags }, &[table])?;
        if mode == BagMode::Sum {
            return Ok(sums);
        }
        let shares = Tensor::from_slice(&shares, [shares.len(), 1])?.to_dtype(self.dtype())?;
        sums.mul(&Self::constant(shares))
    }
}

/// PyTorch's words for the modes.
const MODES: &[&str] = &["sum", "mean", "max"];

/// Its registration.
pub(super) fn spec() -> OpSpec {
    OpSpec::new(OP, |a| {
        let mode = [BagMode::Sum, BagMode::Mean, BagMode::Max][a.choice("mode", MODES)?];
        let config = EmbeddingBagConfig {
            mode,
            max_norm: a.opt("max_norm", Args::float)?,
            norm_type: a.float("norm_type")?,
            scale_grad_by_freq: a.flag("scale_grad_by_freq")?,
            include_last_offset: a.flag("include_last_offset")?,
            padding_idx: a.opt("padding_idx", Args::int)?,
        };
        let (offsets, weights) = (a.opt_tensor("offsets"), a.opt_var("per_sample_weights"));
        Ok(one(a.var("weight")?.embedding_bag(
            a.tensor("x")?,
            offsets,
            weights,
            &config,
        )?))
    })
    .input("x", Kind::Index)
    .input("weight", Kind::Float)
    .optional("offsets", Kind::Index)
    .attr("max_norm", AttrType::Float, None::<f64>)
    .attr("norm_type", AttrType::Float, 2.0)
    .attr("scale_grad_by_freq", AttrType::Bool, false)
    .attr("mode", AttrType::Text, "mean")
    .optional("per_sample_weights", Kind::Float)
    .attr("include_last_offset", AttrType::Bool, false)
    .attr("padding_idx", AttrType::Int, None::<i64>)
    .kinked()
    .reference(naive)
    .draw(draw)
}

fn naive(a: &Args) -> Result<Vec<Dense>> {
    let (index, table) = (a.dense("x")?, scaled_table(a)?);
    let (weights, count) = (a.opt_dense("per_sample_weights")?, index.numel());
    let bounds: Vec<usize> = match a.opt_dense("offsets")? {
        Some(offsets) => offsets
            .data
            .iter()
            .map(|&o| o as usize)
            .chain([count])
            .collect(),
        None => (0..=index.dims[0]).map(|row| row * index.dims[1]).collect(),
    };
    let bags = bounds.len()
        - if a.flag("include_last_offset")? && index.rank() == 1 {
            2
        } else {
            1
        };
    let rows = table.dims[0] as i64;
    let padding = a
        .opt("padding_idx", Args::int)?
        .map(|p| p.rem_euclid(rows) as usize);
    let mode = a.text("mode")?;
    Ok(vec![Dense::from_fn(&[bags, table.dims[1]], |at| {
        let places =
            (bounds[at[0]]..bounds[at[0] + 1]).filter(|&k| Some(index.data[k] as usize) != padding);
        let values: Vec<f64> = places
            .map(|k| {
                table.at(&[index.data[k] as usize, at[1]])
                    * weights.as_ref().map_or(1.0, |w| w.data[k])
            })
            .collect();
        match mode {
            _ if values.is_empty() => 0.0,
            "max" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            "sum" => values.iter().sum(),
            _ => values.iter().sum::<f64>() / values.len() as f64,
        }
    })])
}

fn draw(d: &mut Draw) -> Result<Args> {
    let flat = d.flag();
    let dims = if flat {
        d.shape(1..=1, 1..=5)
    } else {
        d.shape(2..=2, 1..=3)
    };
    let count: usize = dims.iter().product();
    let (rows, width) = (d.range(2..=5), d.range(1..=3));
    let (index, by_freq) = draw_indices(d, &dims, rows)?;
    let mode = d.pick(MODES);
    let mut args = draw_table(d, rows, width, by_freq && mode != "max")?;
    if d.flag() {
        // Padding is left out of bags: its gradient is 0 also where it occurs.
        args = args.attr("padding_idx", d.pick(&[0, -1]));
    }
    if mode == "max" {
        let (table, far) = (args.var("weight")?.clone(), d.distinct(&[rows, width])?);
        args = args.with("weight", table.mul_scalar(0.0)?.add(&Var::constant(far))?);
        args = args.attr("max_norm", None::<f64>);
    }
    if mode == "sum" && d.flag() {
        args = args.with("per_sample_weights", d.reals(&dims)?);
    }
    if flat {
        let mut offsets = vec![0];
        offsets.extend((0..d.below(3)).map(|_| d.int(0..=count.min(9) as i64)));
        offsets.sort_unstable();
        let last = d.flag();
        if last {
            offsets.push(count as i64);
        }
        args = args
            .with("offsets", Tensor::from_slice(&offsets, [offsets.len()])?)
            .attr("include_last_offset", last);
    }
    Ok(args.with("x", index).attr("mode", mode))
}

#[cfg(test)]
mod tests {
    use super::{BagMode, EmbeddingBagConfig};
    use crate::Error;
    use crate::ops::support::testing::*;

    #[test]
    fn museum_28_padding_is_left_out_and_has_gradient_0() {
        for mode in [BagMode::Sum, BagMode::Mean, BagMode::Max] {
            let table = leaf(&[1.0, 100.0, 3.0], [3, 1]);
            let config = EmbeddingBagConfig {
                mode,
                padding_idx: Some(1),
                ..Default::default()
            };
            let y = table
                .embedding_bag(&tensor(&[1_i64, 0, 1, 1], [2, 2]), None, None, &config)
                .unwrap();
            assert_eq!(values(&y), [1.0, 0.0]);
            let grads = y.backward_with(&constant(&[1.0, 5.0], [2, 1])).unwrap();
            assert_eq!(
                grads.get_var(&table).unwrap().to_vec::<f64>().unwrap(),
                [1.0, 0.0, 0.0]
            );
        }
    }

    #[test]
    fn rejects_offsets_that_do_not_ascend_from_0() {
        let (table, index) = (leaf(&[1.0, 2.0], [2, 1]), tensor(&[0_i64, 1, 0], 3));
        for offsets in [&[1_i64, 2][..], &[0, 3, 1], &[0, 4], &[0, -1]] {
            let offsets = tensor(offsets, offsets.len());
            let got =
                table.embedding_bag(&index, Some(&offsets), None, &EmbeddingBagConfig::default());
            let refused = matches!(
                got,
                Err(Error::Argument { .. } | Error::IndexOutOfRange { .. })
            );
            assert!(refused, "{got:?}");
        }
    }
}
