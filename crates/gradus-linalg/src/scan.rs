//! Scans of rows: running sums, products, extremes, log-sum-exps, and the first-order recurrence that their gradients are.
//!
//! Each row is walked in order by one task, with sums and products carried in f64; rows go to tasks by shape only.

use gradus_tensor::Element;

use crate::float::Float;
use crate::threads::{Rows, for_each_split};

/// Elements of one parallel task.
///
/// Measured for the sums of `reduce.rs`: 65536 elements in two tasks lose 1 %, 256000 gain 1.7x.
const CHUNK: usize = 65_536;

/// `f(dst, x)` for each row of `cols` elements.
fn each_row<U: Element, T: Element>(
    dst: &mut [U],
    x: &[T],
    cols: usize,
    f: &(dyn Fn(&mut [U], &[T]) + Sync),
) {
    debug_assert_eq!(dst.len(), x.len());
    if dst.is_empty() {
        return;
    }
    let dst = Rows {
        data: dst,
        width: cols,
    };
    let x = Rows {
        data: x,
        width: cols,
    };
    for_each_split((dst, x), (CHUNK / cols).max(1), |_, (dst, x)| {
        let rows = dst.data.chunks_exact_mut(cols);
        rows.zip(x.data.chunks_exact(cols))
            .for_each(|(dst, x)| f(dst, x));
    });
}

/// Running sums of each row, from its end if `reverse`.
pub fn cumsum<T: Float>(dst: &mut [T], x: &[T], cols: usize, reverse: bool) {
    each_row(dst, x, cols, &|dst: &mut [T], x: &[T]| {
        let mut sum = 0.0;
        let mut step = |(d, x): (&mut T, &T)| {
            sum += x.to_f64();
            *d = T::from_f64(sum);
        };
        if reverse {
            dst.iter_mut().zip(x).rev().for_each(&mut step);
        } else {
            dst.iter_mut().zip(x).for_each(&mut step);
        }
    });
}

/// Running products of each row.
pub fn cumprod<T: Float>(dst: &mut [T], x: &[T], cols: usize) {
    each_row(dst, x, cols, &|dst: &mut [T], x: &[T]| {
        let mut product = 1.0;
        for (d, x) in dst.iter_mut().zip(x) {
            product *= x.to_f64();
            *d = T::from_f64(product);
        }
    });
}

/// `ln Σ e^x` of the elements up to each of a row: the largest so far is kept apart, so nothing overflows.
pub fn logcumsumexp<T: Float>(dst: &mut [T], x: &[T], cols: usize) {
    each_row(dst, x, cols, &|dst: &mut [T], x: &[T]| {
        let (mut max, mut sum) = (f64::NEG_INFINITY, 0.0);
        for (d, x) in dst.iter_mut().zip(x) {
            let x = x.to_f64();
            if x.is_nan() || max.is_nan() {
                max = f64::NAN;
            } else if x > max {
                sum = sum * Float::exp(max - x) + 1.0;
                max = x;
            } else if x > f64::NEG_INFINITY {
                sum += if x == max { 1.0 } else { Float::exp(x - max) };
            }
            *d = T::from_f64(if sum == 0.0 || max == f64::INFINITY {
                max
            } else {
                max + Float::ln(sum)
            });
        }
    });
}

/// Where the largest (or smallest) element up to each of a row stands: the last of equal ones; NaN wins, the last of several.
pub fn cumulative_extreme<T: Float>(dst: &mut [i64], x: &[T], cols: usize, largest: bool) {
    each_row(dst, x, cols, &|dst: &mut [i64], x: &[T]| {
        let (mut best, mut at) = (x[0], 0);
        for (i, (d, &x)) in dst.iter_mut().zip(x).enumerate() {
            let wins = if largest { x >= best } else { x <= best };
            if x.is_nan() || wins && !best.is_nan() {
                (best, at) = (x, i);
            }
            *d = at as i64;
        }
    });
}

/// `y[k] = b[k] + a[k] · y[k - 1]` along each row, `y[0] = b[0]`; from the end, with `y[k + 1]`, if `reverse`.
pub fn recurrence<T: Float>(dst: &mut [T], a: &[T], b: &[T], cols: usize, reverse: bool) {
    debug_assert!(dst.len() == a.len() && a.len() == b.len());
    if dst.is_empty() {
        return;
    }
    let rows = |data| Rows { data, width: cols };
    let dst = Rows {
        data: dst,
        width: cols,
    };
    let parts = (dst, rows(a), rows(b));
    for_each_split(parts, (CHUNK / cols).max(1), |_, (dst, a, b)| {
        let rows = dst.data.chunks_exact_mut(cols);
        let rows = rows.zip(a.data.chunks_exact(cols).zip(b.data.chunks_exact(cols)));
        for (dst, (a, b)) in rows {
            let mut before = None;
            let mut step = |(d, (a, b)): (&mut T, (&T, &T))| {
                let y = match before {
                    None => b.to_f64(),
                    Some(y) => a.to_f64() * y + b.to_f64(),
                };
                before = Some(y);
                *d = T::from_f64(y);
            };
            let steps = dst.iter_mut().zip(a.iter().zip(b));
            if reverse {
                steps.rev().for_each(&mut step);
            } else {
                steps.for_each(&mut step);
            }
        }
    });
}

/// How many of each row's elements are true.
pub fn count_rows(dst: &mut [i64], mask: &[bool], cols: usize) {
    debug_assert_eq!(dst.len() * cols, mask.len());
    if cols == 0 || dst.is_empty() {
        return dst.fill(0);
    }
    let count = |row: &[bool]| -> i64 {
        // Bytes are added in pieces that cannot overflow: 16 lanes at once.
        let pieces = row.chunks(255);
        let sums = pieces.map(|piece| i64::from(piece.iter().map(|&b| u8::from(b)).sum::<u8>()));
        sums.sum()
    };
    if dst.len() == 1 {
        let pieces = crate::threads::map_blocks(cols, CHUNK, |_, range| count(&mask[range]));
        dst[0] = pieces.into_iter().sum();
        return;
    }
    let mask = Rows {
        data: mask,
        width: cols,
    };
    for_each_split((dst, mask), (CHUNK / cols).max(1), |_, (dst, mask)| {
        let rows = dst.iter_mut().zip(mask.data.chunks_exact(cols));
        rows.for_each(|(d, row)| *d = count(row));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_testing::{check_close, sample};

    #[test]
    fn rows_are_scanned_in_order() {
        let x = sample(12, 1);
        let mut sums = [0.0; 12];
        cumsum(&mut sums, &x, 4, false);
        check_close("last", &[sums[7]], &[x[4] + x[5] + x[6] + x[7]], 1e-15, 0.0);
        cumsum(&mut sums, &x, 4, true);
        check_close(
            "first",
            &[sums[8]],
            &[x[8] + x[9] + x[10] + x[11]],
            1e-15,
            0.0,
        );
        let mut y = [0.0; 3];
        recurrence(&mut y, &[9.0, 2.0, 3.0], &[1.0, 10.0, 100.0], 3, false);
        assert_eq!(y, [1.0, 12.0, 136.0]);
        recurrence(&mut y, &[2.0, 3.0, 9.0], &[100.0, 10.0, 1.0], 3, true);
        assert_eq!(y, [126.0, 13.0, 1.0]);
    }

    #[test]
    fn many_are_counted() {
        let mask: Vec<bool> = (0..200_000).map(|i| i % 3 == 0).collect();
        let mut one = [0];
        count_rows(&mut one, &mask, 200_000);
        assert_eq!(one, [66_667]);
        let mut rows = [0; 200];
        count_rows(&mut rows, &mask, 1000);
        assert_eq!(rows.iter().sum::<i64>(), 66_667);
    }

    #[test]
    fn museum_23_running_log_sums_of_nothing_and_of_large_numbers() {
        let none = f64::NEG_INFINITY;
        let mut y = [0.0; 5];
        logcumsumexp(&mut y, &[none, none, 1e4, 1e4, -1e4], 5);
        let ln2 = std::f64::consts::LN_2;
        assert_eq!(y, [none, none, 1e4, 1e4 + ln2, 1e4 + ln2]);
    }
}
