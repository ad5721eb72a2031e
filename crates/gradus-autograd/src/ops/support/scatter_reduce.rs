//! Elements of a source combined with those at their places: sums, products, means and extremes.

use gradus_tensor::{Result, Tensor};

use super::extremum::equals;
use super::place_ops::{add_over, pick, put_over, spread};
use super::places::Places;
use super::recurrence::{recurrence, shift};
use super::scalar_like;
use super::scatter_cases::Scattered;
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// How elements at one place are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScatterReduce {
    /// Added.
    Sum,
    /// Multiplied.
    Prod,
    /// Added, and divided by how many they are.
    Mean,
    /// The largest.
    Amax,
    /// The smallest.
    Amin,
}

/// Combines; what stands at a place that is written to takes part if `include_self`.
pub(crate) fn scatter_reduce(
    op: &'static str,
    parts: &Scattered,
    reduce: ScatterReduce,
    include_self: bool,
) -> Result<Var> {
    let Scattered { x, src, places } = parts;
    let fill = |value: f64| -> Result<Var> {
        if include_self {
            return Ok(x.clone());
        }
        let nothing = scalar_like(x, value)?.expand(places.picked())?;
        put_over(op, places.clone(), x, &nothing)
    };
    match reduce {
        ScatterReduce::Sum => add_over(op, places.clone(), &fill(0.0)?, src),
        ScatterReduce::Mean => {
            let sums = add_over(op, places.clone(), &fill(0.0)?, src)?;
            sums.div(&counts(op, parts, include_self)?)
        }
        ScatterReduce::Prod => products(op, places, &fill(1.0)?, src),
        ScatterReduce::Amax | ScatterReduce::Amin => {
            let largest = reduce == ScatterReduce::Amax;
            let base = fill(if largest {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            })?;
            let op = ScatterExtreme {
                name: op,
                places: places.clone(),
                largest,
                include_self,
            };
            apply(op, &[&base, src])
        }
    }
}

/// How many elements each mean is of; 1 where nothing is written.
fn counts(op: &'static str, parts: &Scattered, include_self: bool) -> Result<Var> {
    let Scattered { x, places, .. } = parts;
    let ones = Var::constant(Tensor::ones(x.shape(), x.dtype())?);
    let each = scalar_like(x, 1.0)?.expand(places.picked())?;
    let base = if include_self {
        ones
    } else {
        let nothing = scalar_like(x, 0.0)?.expand(places.picked())?;
        put_over(op, places.clone(), &ones, &nothing)?
    };
    add_over(op, places.clone(), &base, &each)
}

/// Products without a division: all factors in a row, sorted by place, what stands there first; running products that start anew
/// at each place.
fn products(op: &'static str, places: &Places, base: &Var, src: &Var) -> Result<Var> {
    let rows: Vec<i64> = places.numbers().to_vec()?;
    let (places_count, taken) = (base.numel(), rows.len());
    let mut starts = vec![0_i64; places_count + 1];
    for &row in &rows {
        starts[row as usize + 1] += 1;
    }
    for i in 0..places_count {
        starts[i + 1] += starts[i] + 1;
    }
    // Which factor stands where in the row.
    let mut order = vec![0_i64; places_count + taken];
    let mut next: Vec<i64> = starts[..places_count].to_vec();
    let factors = (0..places_count as i64).chain(rows.iter().copied());
    for (factor, place) in (0_i64..).zip(factors) {
        let slot = &mut next[place as usize];
        order[*slot as usize] = factor;
        *slot += 1;
    }
    let mut begins = vec![false; order.len()];
    starts[..places_count]
        .iter()
        .for_each(|&start| begins[start as usize] = true);
    let ends: Vec<i64> = starts[1..].iter().map(|end| end - 1).collect();

    let (base_row, src_row) = (base.reshape([places_count])?, src.reshape([taken])?);
    let all = Var::cat(&[&base_row, &src_row], 0)?;
    let (length, order) = (*all.shape(), Tensor::from_slice(&order, order.len())?);
    let row = pick(op, Places::numbered(&order, 1, length, &length)?, &all)?;
    let begins = Tensor::from_slice(&begins, begins.len())?;
    let (zero, one) = (scalar_like(base, 0.0)?, scalar_like(base, 1.0)?);
    let before = zero.where_(&begins, &shift(&row, 0, true)?)?;
    let before = recurrence(&before, &one.where_(&begins, &zero)?, 0, false)?;
    let ends = Tensor::from_slice(&ends, ends.len())?;
    let last = Places::numbered(&ends, 1, *base.shape(), &length)?;
    pick(op, last, &before.mul(&row)?)
}

/// Inputs: what stands there, the source.
#[derive(Debug)]
struct ScatterExtreme {
    name: &'static str,
    places: Places,
    largest: bool,
    include_self: bool,
}

impl Op for ScatterExtreme {
    fn name(&self) -> &'static str {
        self.name
    }

    fn saves(&self) -> Saves {
        Saves::ALL_INPUTS.and(Saves::outputs(&[0]))
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        super::same_dtype(self.name, inputs[0], inputs[1])?;
        let found = self
            .places
            .extreme(self.name, self.largest, inputs[0], inputs[1])?;
        Ok(found.into())
    }

    /// Shared in equal parts by all that equal the extreme.
    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let (name, places) = (self.name, &self.places);
        let (base, src, grad) = (ctx.input(0)?, ctx.input(1)?, ctx.grad(grad_out, 0)?);
        let value = ctx.output(0)?.detach();
        let mut stays = equals(name, base.tensor(), value.tensor())?;
        if !self.include_self {
            let none = Tensor::zeros(places.picked(), gradus_tensor::DType::Bool)?;
            stays = places.put(&stays, &none)?;
        }
        let wins = equals(name, src.tensor(), &places.take(value.tensor())?)?;
        let count = |mask: &Tensor| Ok(Var::constant(mask.to_dtype(grad.dtype())?));
        let ties = count(&stays)?.add(&spread(name, places.clone(), &count(&wins)?)?)?;
        let share = grad.div(&ties)?;
        let zero = scalar_like(&grad, 0.0)?;
        let to_src = pick(name, places.clone(), &share)?.where_(&wins, &zero)?;
        Ok(vec![Some(share.where_(&stays, &zero)?), Some(to_src)])
    }
}
