//! Matrices for cases: of known, separated singular values or eigenvalues, so that the digits lost are few.

use std::ops::RangeInclusive;

use gradus_tensor::{Result, Tensor};

use crate::registry::{Dense, Draw, Values};

/// Batch dims of `rank` and matrices of `m` rows and `n` columns (both drawn from `1..=size[1]` at least `size[0]`; `n` is `m` unless
/// `wide` says by how much more or less), each an orthogonal matrix times diagonal times orthogonal.
///
/// The singular values are 0.8, 1.5, 2.2, … and a little more.
pub(crate) fn matrices(
    d: &mut Draw,
    rank: RangeInclusive<usize>,
    size: [usize; 2],
    wide: Option<[usize; 2]>,
) -> Result<Tensor> {
    let batch = d.shape(rank, 1..=2);
    let m = d.range(size[0]..=size[1]);
    let n = match wide {
        Some([least, most]) => d.range(least..=most),
        None => m,
    };
    let count: usize = batch.iter().product();
    let mut data = Vec::with_capacity(count * m * n);
    for _ in 0..count {
        let mut a = vec![vec![0.0; n]; m];
        for i in 0..m.min(n) {
            a[i][i] = spread(d, i);
        }
        turn(d, &mut a, true);
        turn(d, &mut a, false);
        data.extend(a.into_iter().flatten());
    }
    Tensor::from_slice(&data, [&batch[..], &[m, n]].concat())
}

/// Symmetric matrices of batch dims `rank` and sizes up to `size`: with eigenvalues of both signs, or `positive` ones.
pub(crate) fn symmetric(
    d: &mut Draw,
    rank: RangeInclusive<usize>,
    size: usize,
    positive: bool,
) -> Result<Tensor> {
    let batch = d.shape(rank, 1..=2);
    let n = d.range(1..=size);
    let count: usize = batch.iter().product();
    let mut data = Vec::with_capacity(count * n * n);
    for _ in 0..count {
        let mut q = vec![vec![0.0; n]; n];
        (0..n).for_each(|i| q[i][i] = 1.0);
        turn(d, &mut q, true);
        let signed = |value: f64, i: usize| {
            if !positive && i % 2 == 1 {
                -value
            } else {
                value
            }
        };
        let values: Vec<f64> = (0..n).map(|i| signed(spread(d, i), i)).collect();
        for i in 0..n {
            for j in 0..n {
                data.push((0..n).map(|k| q[i][k] * values[k] * q[j][k]).sum::<f64>());
            }
        }
    }
    Tensor::from_slice(&data, [&batch[..], &[n, n]].concat())
}

/// Value `i` of a spectrum whose values are at least 0.4 apart.
fn spread(d: &mut Draw, i: usize) -> f64 {
    0.8 + 0.7 * i as f64 + d.float(Values::between(0.0, 0.3))
}

/// Rotates pairs of rows (or columns), and turns the sign of some.
fn turn(d: &mut Draw, a: &mut [Vec<f64>], rows: bool) {
    let count = if rows {
        a.len()
    } else {
        a.first().map_or(0, Vec::len)
    };
    for j in 1..count {
        for i in 0..j {
            let (sin, cos) = d.float(Values::REAL).sin_cos();
            if rows {
                let (head, tail) = a.split_at_mut(j);
                for (x, y) in head[i].iter_mut().zip(&mut tail[0]) {
                    (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y);
                }
            } else {
                for row in a.iter_mut() {
                    (row[i], row[j]) = (cos * row[i] - sin * row[j], sin * row[i] + cos * row[j]);
                }
            }
        }
    }
    if rows && count > 0 && d.flag() {
        a[count - 1].iter_mut().for_each(|x| *x = -*x);
    }
}

/// Every matrix of a batch by itself, as rows.
pub(crate) fn each_matrix(x: &Dense) -> Vec<Vec<Vec<f64>>> {
    let rank = x.rank();
    let (m, n) = (x.dims[rank - 2], x.dims[rank - 1]);
    let count: usize = x.dims[..rank - 2].iter().product();
    let row = |b: usize, i: usize| x.data[(b * m + i) * n..][..n].to_vec();
    (0..count)
        .map(|b| (0..m).map(|i| row(b, i)).collect())
        .collect()
}

/// Batch dims and what comes behind them.
pub(crate) fn stacked(x: &Dense, inner: &[usize], data: Vec<f64>) -> Dense {
    let dims = [&x.dims[..x.rank() - 2], inner].concat();
    Dense { dims, data }
}

/// Whether two arrays are equal but for `tolerance`; the words say where they are not.
pub(crate) fn near(
    what: &str,
    got: &Dense,
    want: &Dense,
    tolerance: f64,
) -> std::result::Result<(), String> {
    if got.dims != want.dims {
        return Err(format!(
            "{what}: dims {:?}, wanted {:?}",
            got.dims, want.dims
        ));
    }
    let far = got.data.iter().zip(&want.data).map(|(g, w)| (g - w).abs());
    match far.fold(0.0, f64::max) {
        far if far <= tolerance => Ok(()),
        far => Err(format!("{what}: off by {far}")),
    }
}

/// The last two dims swapped.
pub(crate) fn transposed(x: &Dense) -> Dense {
    let mut order: Vec<usize> = (0..x.rank()).collect();
    order.swap(x.rank() - 2, x.rank() - 1);
    x.permute(&order)
}

/// Unit matrices of size `n` for each matrix of `x`.
pub(crate) fn units_like(x: &Dense, n: usize) -> Dense {
    let rank = x.rank();
    let dims = [&x.dims[..rank - 2], &[n, n]].concat();
    Dense::from_fn(&dims, |at| f64::from(at[rank - 1] == at[rank - 2]))
}

/// Scales the columns of each matrix of `x` by the values of `s`.
pub(crate) fn columns_scaled(x: &Dense, s: &Dense) -> Dense {
    let rank = x.rank();
    Dense::from_fn(&x.dims, |at| {
        let own = [&at[..rank - 2], &at[rank - 1..]].concat();
        x.at(at) * s.at(&own)
    })
}
