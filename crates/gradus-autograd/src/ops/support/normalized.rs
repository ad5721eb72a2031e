//! What normalisations share: the rows that they are of, scale and shift by channel, cases and references.

use gradus_tensor::{DType, Error, Result, Shape};

use super::{require, require_dtype};
use crate::Var;
use crate::registry::{Args, Dense, Draw, Values};

/// The shape of a row: the last dims of `x`, which must be these.
pub(crate) fn row_shape(
    op: &'static str,
    x: &Var,
    normalized_shape: &[usize],
    eps: f64,
) -> Result<Shape> {
    let row = Shape::new(normalized_shape)?;
    if row.rank() == 0 {
        return Err(Error::Rank {
            op,
            expected: 1,
            got: row,
        });
    }
    if !x.dims().ends_with(&row) {
        let rule = "the input must end with the normalized shape";
        return Err(Error::ShapeMismatch {
            op,
            lhs: *x.shape(),
            rhs: row,
            rule,
        });
    }
    require_dtype(op, x.tensor(), &[DType::F32, DType::F64])?;
    require(eps >= 0.0, op, "eps", "at least 0", eps)?;
    Ok(row)
}

/// `(C,)` as `(1, C, 1, …)`.
pub(crate) fn per_channel(x: &Var, rank: usize) -> Result<Var> {
    let mut dims = vec![1; rank];
    dims[1] = x.numel();
    x.reshape(dims)
}

/// `x · weight + bias`, by channel.
pub(crate) fn scale_and_shift(x: Var, weight: Option<&Var>, bias: Option<&Var>) -> Result<Var> {
    let rank = x.rank();
    let scaled = match weight {
        Some(weight) => x.mul(&per_channel(weight, rank)?)?,
        None => x,
    };
    match bias {
        Some(bias) => scaled.add(&per_channel(bias, rank)?),
        None => Ok(scaled),
    }
}

/// Numbers beyond ±0.36: rows of them are long enough for the stencil, even without `eps`.
const LONG: Values = Values::REAL.away(&[-0.32, -0.24, -0.16, -0.08, 0.0, 0.08, 0.16, 0.24, 0.32]);

/// A case of a normalisation of rows. An `eps` of less would bend too sharply for the stencil where a row varies little.
pub(crate) fn draw_rows(d: &mut Draw, with_bias: bool) -> Result<Args> {
    let dims = d.shape(1..=4, 1..=3);
    let row = dims[dims.len() - d.range(1..=dims.len())..].to_vec();
    let mut args = Args::new()
        .with("x", d.floats(&dims, LONG)?)
        .attr("normalized_shape", &row[..])
        .attr("eps", d.pick(&[0.4, 0.1]));
    if d.below(4) > 0 {
        args = args.with("weight", d.reals(&row)?);
    }
    if with_bias && d.below(4) > 0 {
        args = args.with("bias", d.reals(&row)?);
    }
    Ok(args)
}

/// `f` of each row, scaled and shifted.
pub(crate) fn rows_reference(a: &Args, f: impl Fn(&[f64]) -> Vec<f64>) -> Result<Vec<Dense>> {
    let x = a.dense("x")?;
    let len: usize = a.sizes("normalized_shape")?.iter().product();
    let weight = a.opt_dense("weight")?;
    let bias = if a.inputs().any(|(name, _)| name == "bias") {
        a.opt_dense("bias")?
    } else {
        None
    };
    let mut data = Vec::with_capacity(x.numel());
    for row in x.data.chunks(len.max(1)) {
        for (i, v) in f(row).into_iter().enumerate() {
            let scaled = weight.as_ref().map_or(v, |w| v * w.data[i]);
            data.push(bias.as_ref().map_or(scaled, |b| scaled + b.data[i]));
        }
    }
    let dims = x.dims;
    Ok(vec![Dense { dims, data }])
}

/// A case of `x` with channels, `weight` and `bias`.
pub(crate) fn draw_channels(d: &mut Draw, dims: &[usize]) -> Result<Args> {
    let mut args = Args::new()
        .with("x", d.reals(dims)?)
        .attr("eps", d.pick(&[0.4, 0.1]));
    if d.below(4) > 0 {
        args = args.with("weight", d.reals(&dims[1..2])?);
    }
    if d.below(4) > 0 {
        args = args.with("bias", d.reals(&dims[1..2])?);
    }
    Ok(args)
}

/// Each element by the moments of its group, whose number `group` tells; then scaled and shifted by channel.
pub(crate) fn groups_reference(a: &Args, group: impl Fn(&[usize]) -> usize) -> Result<Vec<Dense>> {
    let (x, eps) = (a.dense("x")?, a.float("eps")?);
    let mut groups: Vec<Vec<f64>> = Vec::new();
    crate::registry::for_each_index(&x.dims, |at| {
        let own = group(at);
        groups.resize(groups.len().max(own + 1), Vec::new());
        groups[own].push(x.at(at));
    });
    let moments: Vec<[f64; 2]> = groups
        .iter()
        .map(|g| {
            let mean = g.iter().sum::<f64>() / g.len() as f64;
            let var = g.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / g.len() as f64;
            [mean, var]
        })
        .collect();
    let (weight, bias) = (a.opt_dense("weight")?, a.opt_dense("bias")?);
    let y = Dense::from_fn(&x.dims, |at| {
        let [mean, var] = moments[group(at)];
        let scaled = (x.at(at) - mean) / (var + eps).sqrt();
        let scaled = weight.as_ref().map_or(scaled, |w| scaled * w.data[at[1]]);
        bias.as_ref().map_or(scaled, |b| scaled + b.data[at[1]])
    });
    Ok(vec![y])
}
