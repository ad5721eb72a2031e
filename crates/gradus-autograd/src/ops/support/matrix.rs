//! Batches of matrices through the f64 decompositions of `gradus_linalg::decomp`.

use std::sync::Mutex;

use gradus_linalg::decomp::Failure;
use gradus_linalg::threads::for_each_chunk_mut;
use gradus_tensor::{DType, Error, Result, Shape, Tensor};

use super::{FLOATS, require_dtype};
use crate::Var;

/// Batch dims and those of the matrices.
pub(crate) fn parts<'a>(op: &'static str, shape: &'a Shape) -> Result<(&'a [usize], [usize; 2])> {
    let wrong = Error::Rank {
        op,
        expected: 2,
        got: *shape,
    };
    let (batch, matrix) = shape.dims().split_last_chunk::<2>().ok_or(wrong)?;
    Ok((batch, *matrix))
}

/// Batch dims and size of square matrices.
pub(crate) fn square<'a>(op: &'static str, shape: &'a Shape) -> Result<(&'a [usize], usize)> {
    let (batch, [m, n]) = parts(op, shape)?;
    if m == n {
        return Ok((batch, n));
    }
    Err(Error::ShapeMismatch {
        op,
        lhs: *shape,
        rhs: *shape,
        rule: "matrices must be square",
    })
}

/// The last two dims swapped.
pub(crate) fn transposed(x: &Var) -> Result<Var> {
    x.transpose(-1, -2)
}

/// What runs on one item of a batch: the inputs' elements, then the outputs' to be written, all in f64 and row-major order.
pub(crate) type Each<'a> =
    &'a (dyn Fn(&[&[f64]], &mut [&mut [f64]]) -> std::result::Result<(), Failure> + Sync);

/// `f` of each item of a batch of dims `batch`, which all inputs have in front; outputs are of dims `inner` behind them.
///
/// Inputs are widened to f64, results rounded to the inputs' dtype, f32 or f64. Items are spread over threads.
pub(crate) fn batched(
    op: &'static str,
    batch: &[usize],
    inputs: &[&Tensor],
    inner: &[Vec<usize>],
    f: Each<'_>,
) -> Result<Vec<Tensor>> {
    let dtype = inputs[0].dtype();
    for x in inputs {
        require_dtype(op, x, FLOATS)?;
        super::same_dtype(op, inputs[0], x)?;
    }
    let wide = inputs.iter().map(|x| x.to_dtype(DType::F64)?.contiguous());
    let wide = wide.collect::<Result<Vec<Tensor>>>()?;
    let data = wide.iter().map(Tensor::as_slice::<f64>);
    let data = data.collect::<Result<Vec<&[f64]>>>()?;
    let count = Shape::new(batch)?.numel();
    let lens = inner.iter().map(|dims| Ok(Shape::new(dims)?.numel()));
    let lens = lens.collect::<Result<Vec<usize>>>()?;
    let total: usize = lens.iter().sum();
    // The outputs of one item lie behind one another.
    let failed: Mutex<Option<(usize, Failure)>> = Mutex::new(None);
    let packed = Tensor::build([count, total], |dst: &mut [f64]| {
        if total == 0 {
            return;
        }
        for_each_chunk_mut(dst, total, |item, mut chunk| {
            let own = data
                .iter()
                .map(|x| &x[item * (x.len() / count)..][..x.len() / count]);
            let mut outputs = Vec::with_capacity(lens.len());
            for &len in &lens {
                let (head, tail) = chunk.split_at_mut(len);
                outputs.push(head);
                chunk = tail;
            }
            if let Err(failure) = f(&own.collect::<Vec<&[f64]>>(), &mut outputs) {
                let mut first = failed.lock().unwrap_or_else(|e| e.into_inner());
                if first.is_none_or(|(other, _)| item < other) {
                    *first = Some((item, failure));
                }
            }
        });
    })?;
    if let Some((position, failure)) = failed.into_inner().unwrap_or_else(|e| e.into_inner()) {
        let what = failure.words();
        return Err(Error::Matrix { op, position, what });
    }
    let mut start = 0;
    let output = |(len, dims): (&usize, &Vec<usize>)| {
        let own = packed.narrow(1, start, *len)?;
        start += len;
        let own = own.contiguous()?.reshape([batch, dims].concat())?;
        own.to_dtype(dtype)
    };
    lens.iter().zip(inner).map(output).collect()
}
