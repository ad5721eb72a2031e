//! The exponential of a matrix.

use crate::gemm::{Accum, MatMut, MatRef, gemm};

use super::lu::lu;

/// Coefficients of the diagonal Padé approximant of degree 13, and the norm up to which it holds to f64's precision.
///
/// Higham 2005, The Scaling and Squaring Method for the Matrix Exponential Revisited, SIAM J. Matrix Anal. Appl. 26(4), table 2.3.
const PADE_13: [f64; 14] = [
    64_764_752_532_480_000.0,
    32_382_376_266_240_000.0,
    7_771_770_303_897_600.0,
    1_187_353_796_428_800.0,
    129_060_195_264_000.0,
    10_559_470_521_600.0,
    670_442_572_800.0,
    33_522_128_640.0,
    1_323_241_920.0,
    40_840_800.0,
    960_960.0,
    16_380.0,
    182.0,
    1.0,
];
const THETA_13: f64 = 5.371_920_351_148_152;

/// `dst = exp(a)` for `a` `(n, n)`: scaled by a power of two, approximated, and squared again.
///
/// NaN or infinite elements, or ones too large to be scaled, give NaN.
pub fn matrix_exp(dst: &mut [f64], a: &[f64], n: usize) {
    let column = |j: usize| (0..n).map(|i| a[i * n + j].abs()).sum::<f64>();
    let norm = (0..n).map(column).fold(0.0_f64, |most, sum| {
        if sum > most || sum.is_nan() {
            sum
        } else {
            most
        }
    });
    if !norm.is_finite() || norm > 1e30 {
        dst.fill(f64::NAN);
        return;
    }
    let squarings = (norm / THETA_13).log2().ceil().max(0.0);
    let scale = (-squarings).exp2();
    let a: Vec<f64> = a.iter().map(|x| x * scale).collect();
    let a2 = times(&a, &a, n);
    let a4 = times(&a2, &a2, n);
    let a6 = times(&a4, &a2, n);
    let b = &PADE_13;
    // The odd and the even part: U = A·(A6·(…) + …), V = A6·(…) + ….
    let half = |first: usize| {
        let terms = |c6: f64, c4: f64, c2: f64, c0: f64| -> Vec<f64> {
            let sum = |at: usize| c6 * a6[at] + c4 * a4[at] + c2 * a2[at];
            let unit = |at: usize| if at / n == at % n { c0 } else { 0.0 };
            (0..n * n).map(|at| sum(at) + unit(at)).collect()
        };
        let high = terms(b[12 + first], b[10 + first], b[8 + first], 0.0);
        let low = terms(b[6 + first], b[4 + first], b[2 + first], b[first]);
        let mut product = times(&a6, &high, n);
        product.iter_mut().zip(low).for_each(|(p, l)| *p += l);
        product
    };
    let odd = times(&a, &half(1), n);
    let even = half(0);
    let minus: Vec<f64> = even.iter().zip(&odd).map(|(v, u)| v - u).collect();
    let plus: Vec<f64> = even.iter().zip(&odd).map(|(v, u)| v + u).collect();
    if lu(&minus, n, n).solve(dst, &plus, n).is_err() {
        dst.fill(f64::NAN);
    }
    for _ in 0..squarings as usize {
        let squared = times(dst, dst, n);
        dst.copy_from_slice(&squared);
    }
}

fn times(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let mut dst = vec![0.0; n * n];
    let of = |x| MatRef::new(x, 0, [n, n], [n as isize, 1]);
    gemm(
        MatMut::row_major(&mut dst, n, n),
        Accum::Replace,
        of(a),
        of(b),
    );
    dst
}
