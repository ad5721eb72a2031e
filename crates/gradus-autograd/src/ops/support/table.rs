//! Rows of a table by position: a lookup and the sum that is its gradient, each the derivative of the other.

use std::sync::Arc;

use gradus_linalg::embedding::{Scatter, add_rows, pick_rows, pick_rows_bf16};
use gradus_linalg::gemm::Accum;
use gradus_tensor::{DType, Error, Result, Shape, Tensor, bf16};

use super::pairs::norm;
use super::{in_dtype, is_positive, require, require_dtype, scalar_like, with_float};
use crate::{Backward, Op, Outputs, Saves, Stats, Var, apply};

/// Positions in a table, and what their gradients are multiplied by.
#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    pub(crate) name: &'static str,
    pub(crate) positions: Arc<[usize]>,
    pub(crate) scales: Option<Arc<[f64]>>,
}

impl Lookup {
    /// Positions without a gradient for `padding`, and if `by_freq` with one divided by how often each of them occurs.
    pub(crate) fn new(
        name: &'static str,
        positions: &[usize],
        padding: Option<usize>,
        by_freq: bool,
    ) -> Self {
        let mut scales = None;
        if by_freq || padding.is_some() {
            let mut counts = std::collections::BTreeMap::new();
            for &p in positions {
                *counts.entry(p).or_insert(0_usize) += 1;
            }
            let scale = |&p: &usize| match (padding == Some(p), by_freq) {
                (true, _) => 0.0,
                (false, true) => 1.0 / counts[&p] as f64,
                (false, false) => 1.0,
            };
            scales = Some(positions.iter().map(scale).collect());
        }
        Self {
            name,
            positions: positions.into(),
            scales,
        }
    }

    /// The rows of `table` `(V, D)` at the positions: `(K, D)`.
    pub(crate) fn pick(self, table: &Var) -> Result<Var> {
        let [rows, _] = table.shape().to_array(self.name)?;
        apply(Pick { lookup: self, rows }, &[table])
    }

    /// The rows of `src` `(K, D)`, scaled, added up at the positions of a table of this many rows: `(V, D)`.
    pub(crate) fn add(self, src: &Var, rows: usize) -> Result<Var> {
        apply(Add { lookup: self, rows }, &[src])
    }

    /// As [`Lookup::add`], added to `sum` `(V, D)`: no table of zeros for a few rows that have a gradient.
    fn add_to(&self, mut sum: Tensor, src: &Tensor) -> Result<Tensor> {
        let [_, width] = src.shape().to_array(self.name)?;
        let src = src.contiguous()?;
        with_float!(src.dtype(), self.name, T => {
            add_rows(sum.make_mut::<T>()?, Accum::Add, src.as_slice::<T>()?, &self.scatter(), width);
            Ok(sum)
        })
    }

    fn scatter(&self) -> Scatter<'_> {
        Scatter {
            positions: &self.positions,
            rows: None,
            scales: self.scales.as_deref(),
        }
    }
}

#[derive(Debug)]
struct Pick {
    lookup: Lookup,
    rows: usize,
}

#[derive(Debug)]
struct Add {
    lookup: Lookup,
    rows: usize,
}

impl Op for Pick {
    fn name(&self) -> &'static str {
        self.lookup.name
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let [_, width] = inputs[0].shape().to_array(self.name())?;
        let (table, positions) = (inputs[0].contiguous()?, &self.lookup.positions);
        let shape = Shape::new(&[positions.len(), width])?;
        if table.dtype() == DType::BF16 {
            let from = table.as_slice::<bf16>()?;
            let build = |dst: &mut [f32]| pick_rows_bf16(dst, from, positions, width);
            return Ok(Tensor::build(shape, build)?.into());
        }
        with_float!(table.dtype(), self.name(), T => {
            let from = table.as_slice::<T>()?;
            Ok(Tensor::build(shape, |dst: &mut [T]| pick_rows(dst, from, positions, width))?.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        if ctx.input_dtype(0) == grad.dtype()
            && let Some(sum) = ctx.take_sum(0)
        {
            let sum = self.lookup.add_to(sum, grad.tensor())?;
            return Ok(vec![Some(Var::constant(sum))]);
        }
        let grad = self.lookup.clone().add(&grad, self.rows)?;
        Ok(vec![Some(in_dtype(grad, ctx.input_dtype(0))?)])
    }
}

impl Op for Add {
    fn name(&self) -> &'static str {
        self.lookup.name
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let [_, width] = inputs[0].shape().to_array(self.name())?;
        let src = inputs[0].contiguous()?;
        let scatter = self.lookup.scatter();
        let shape = Shape::new(&[self.rows, width])?;
        with_float!(src.dtype(), self.name(), T => {
            let from = src.as_slice::<T>()?;
            Ok(Tensor::build(shape, |dst: &mut [T]| add_rows(dst, Accum::Replace, from, &scatter, width))?.into())
        })
    }

    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let plain = Lookup {
            scales: None,
            ..self.lookup.clone()
        };
        let grad = plain.pick(&ctx.grad(grad_out, 0)?)?;
        let Some(scales) = &self.lookup.scales else {
            return Ok(vec![Some(grad)]);
        };
        let scales = Tensor::from_slice(scales, [scales.len(), 1])?.to_dtype(grad.dtype())?;
        Ok(vec![Some(grad.mul(&Var::constant(scales))?)])
    }
}

/// The indices of an i64 tensor as positions below `len`.
pub(crate) fn positions(op: &'static str, index: &Tensor, len: usize) -> Result<Vec<usize>> {
    require_dtype(op, index, &[DType::I64])?;
    let check = |(position, index): (usize, i64)| {
        let fits = usize::try_from(index).ok().filter(|&i| i < len);
        fits.ok_or(Error::IndexOutOfRange {
            op,
            position,
            index,
            len,
        })
    };
    index
        .to_vec::<i64>()?
        .into_iter()
        .enumerate()
        .map(check)
        .collect()
}

/// A row of a table counted from the end if it is negative.
pub(crate) fn padding_of(
    op: &'static str,
    padding: Option<i64>,
    rows: usize,
) -> Result<Option<usize>> {
    let Some(given) = padding else {
        return Ok(None);
    };
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    let fits = (-rows..rows).contains(&given);
    require(fits, op, "padding_idx", "a row of the table", given as f64)?;
    Ok(usize::try_from(if given < 0 { given + rows } else { given }).ok())
}

/// Rows longer than `max_norm` scaled to it.
pub(crate) fn renorm(op: &'static str, rows: &Var, max_norm: f64, norm_type: f64) -> Result<Var> {
    require(max_norm >= 0.0, op, "max_norm", "at least 0", max_norm)?;
    require(norm_type > 0.0, op, "norm_type", "above 0", norm_type)?;
    let lengths = norm(op, rows, norm_type)?.unsqueeze(-1)?;
    let long = is_positive(lengths.add_scalar(-max_norm)?.tensor())?;
    // As PyTorch's: a scaled row is shorter than its bound by a hair, so that it is not scaled again.
    let scale = scalar_like(rows, max_norm)?.div(&lengths.add_scalar(1e-7)?)?;
    rows.mul(&scale.where_(&long, &scalar_like(rows, 1.0)?)?)
}
