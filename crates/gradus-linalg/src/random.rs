//! Random fills and dropout: element `i` is a function of (seed, stream, step, i) only, so any split gives the same numbers.
//!
//! All draw from Philox blocks of four words ([`gradus_random::Philox`]). In f32 element `i` belongs to block `i / 4`, in
//! f64 to block `i / 2`; dropout uses word `i % 4` of block `i / 4` for both, so masks agree between dtypes.

use gradus_random::Philox;

use crate::float::Float;
use crate::math::{cos_sin_turn, erfinv, ln};
use crate::simd::dispatch;
use crate::threads::for_each_split;

/// Elements of one parallel task; a multiple of what a group of blocks fills.
///
/// Measured (2 cores Zen 3, AVX2, f32 normal, inside the pool): 4096 elements in two tasks lose 1 %, 8192 gain 1.5x.
const CHUNK: usize = 4096;
/// Blocks that are computed side by side.
///
/// Measured (Zen 3, AVX2): 16 give 1.1 G words/s, 64, for which the compiler vectorises over blocks, 1.6.
pub const GROUP: usize = 64;
/// Words of a group: word `k` of block `j` at `[k][j]`.
type Words = [[u32; GROUP]; 4];

/// Type that can be drawn from Philox words: f32 (four a block) or f64 (two a block).
pub trait Draw: Float {
    /// Elements that one block gives.
    const PER_BLOCK: usize;
    /// Uniform in [0, 1) with all digits of the type, for each of a group's elements in order.
    fn uniform(words: &[[u32; GROUP]; 4], out: &mut [Self; 4 * GROUP]);
    /// Standard normal (Box and Muller 1958), for each of a group's elements in order.
    fn normal(words: &[[u32; GROUP]; 4], out: &mut [Self; 4 * GROUP]);
}

const UNIT_24: f32 = 1.0 / 16_777_216.0;
const UNIT_32: f64 = 1.0 / 4_294_967_296.0;
const UNIT_53: f64 = 1.0 / 9_007_199_254_740_992.0;

/// 53 bits of two words as a number in [0, 1).
#[inline(always)]
fn unit_f64(high: u32, low: u32) -> f64 {
    ((u64::from(high) << 32 | u64::from(low)) >> 11) as f64 * UNIT_53
}

impl Draw for f32 {
    const PER_BLOCK: usize = 4;

    #[inline(always)]
    fn uniform(words: &Words, out: &mut [Self; 4 * GROUP]) {
        for j in 0..GROUP {
            for k in 0..4 {
                out[4 * j + k] = (words[k][j] >> 8) as Self * UNIT_24;
            }
        }
    }

    #[inline(always)]
    fn normal(words: &Words, out: &mut [Self; 4 * GROUP]) {
        let mut z = [[0.0_f32; GROUP]; 4];
        for pair in [0, 2] {
            for j in 0..GROUP {
                // (0, 1], with 32 bits so that the tail reaches 6.7
                let u = ((f64::from(words[pair][j]) + 0.5) * UNIT_32) as Self;
                let radius = (-2.0 * ln(u)).sqrt();
                let turn = (words[pair + 1][j] as i32 >> 8) as Self * UNIT_24;
                let (cos, sin) = cos_sin_turn(turn);
                z[pair][j] = radius * cos;
                z[pair + 1][j] = radius * sin;
            }
        }
        for j in 0..GROUP {
            for k in 0..4 {
                out[4 * j + k] = z[k][j];
            }
        }
    }
}

impl Draw for f64 {
    const PER_BLOCK: usize = 2;

    #[inline(always)]
    fn uniform(words: &Words, out: &mut [Self; 4 * GROUP]) {
        for j in 0..GROUP {
            out[2 * j] = unit_f64(words[0][j], words[1][j]);
            out[2 * j + 1] = unit_f64(words[2][j], words[3][j]);
        }
    }

    #[inline(always)]
    fn normal(words: &Words, out: &mut [Self; 4 * GROUP]) {
        for j in 0..GROUP {
            let u = 1.0 - unit_f64(words[0][j], words[1][j]);
            let radius = (-2.0 * libm::log(u)).sqrt();
            let (sin, cos) =
                libm::sincos(std::f64::consts::TAU * unit_f64(words[2][j], words[3][j]));
            out[2 * j] = radius * cos;
            out[2 * j + 1] = radius * sin;
        }
    }
}

/// The words of `GROUP` blocks from `first` on.
#[inline(always)]
fn words(philox: &Philox, step: u64, first: u64) -> Words {
    let mut words = [[0; GROUP]; 4];
    for j in 0..GROUP {
        let block = philox.block(step, first + j as u64);
        for k in 0..4 {
            words[k][j] = block[k];
        }
    }
    words
}

/// `dst[i] = f(draw i)` with the draws of a group made by `draw`.
fn fill<T: Draw>(
    dst: &mut [T],
    philox: &Philox,
    step: u64,
    draw: impl Fn(&Words, &mut [T; 4 * GROUP]) + Sync,
    f: impl Fn(T) -> T + Sync,
) {
    let group = GROUP * T::PER_BLOCK;
    for_each_split(dst, CHUNK, |start, dst| {
        for (g, dst) in dst.chunks_mut(group).enumerate() {
            let first = start / T::PER_BLOCK + g * GROUP;
            dispatch(
                #[inline(always)]
                || {
                    let mut out = [T::ZERO; 4 * GROUP];
                    draw(&words(philox, step, first as u64), &mut out);
                    for (d, x) in dst.iter_mut().zip(out) {
                        *d = f(x);
                    }
                },
            );
        }
    });
}

/// Uniform in `[low, high)`.
pub fn fill_uniform<T: Draw>(dst: &mut [T], philox: &Philox, step: u64, low: T, high: T) {
    let width = high - low;
    fill(
        dst,
        philox,
        step,
        #[inline(always)]
        |words, out| T::uniform(words, out),
        #[inline(always)]
        move |u| {
            let x = u.mul_add(width, low);
            if x < high { x } else { low } // rounding may reach `high`
        },
    );
}

/// Normal with `mean` and standard deviation `std`.
pub fn fill_normal<T: Draw>(dst: &mut [T], philox: &Philox, step: u64, mean: T, std: T) {
    fill(
        dst,
        philox,
        step,
        #[inline(always)]
        |words, out| T::normal(words, out),
        #[inline(always)]
        move |z| z.mul_add(std, mean),
    );
}

/// 1 with probability `p`, else 0.
pub fn fill_bernoulli<T: Draw>(dst: &mut [T], philox: &Philox, step: u64, p: T) {
    fill(
        dst,
        philox,
        step,
        #[inline(always)]
        |words, out| T::uniform(words, out),
        #[inline(always)]
        move |u| if u < p { T::ONE } else { T::ZERO },
    );
}

/// Normal with `mean` and `std`, conditioned on lying in `[low, high]` (absolute bounds, not in units of `std`).
///
/// By inversion of the distribution function, as `torch.nn.init.trunc_normal_`; computed in f64.
pub fn fill_truncated_normal<T: Draw>(
    dst: &mut [T],
    philox: &Philox,
    step: u64,
    mean: f64,
    std: f64,
    low: f64,
    high: f64,
) {
    // erf of the bounds, that is 2·cdf - 1
    let edge = |x: f64| libm::erf((x - mean) / (std * std::f64::consts::SQRT_2));
    let (from, to) = (edge(low), edge(high));
    fill(
        dst,
        philox,
        step,
        #[inline(always)]
        |words, out| T::uniform(words, out),
        move |u| {
            let z = erfinv(from + (to - from) * u.to_f64()) * std::f64::consts::SQRT_2;
            T::from_f64((mean + std * z).clamp(low, high.max(low)))
        },
    );
}

/// `dst[i] = x[i] / (1 - p)` where element `i` is kept (probability `1 - p`), else 0. The same call on the gradient is backward.
///
/// `p = 0` copies bit for bit; `p = 1` gives zeros, also where `x` is infinite or NaN (museum 29).
pub fn dropout<T: Float>(dst: &mut [T], x: &[T], p: f64, philox: &Philox, step: u64) {
    debug_assert_eq!(dst.len(), x.len());
    // element kept if its word is at least this; 0 keeps all, 2^32 none
    let threshold = (p.clamp(0.0, 1.0) * 4_294_967_296.0).round() as u64;
    let scale = if threshold == 0 {
        T::ONE
    } else {
        T::from_f64(1.0 / (1.0 - p))
    };
    let Ok(threshold) = u32::try_from(threshold) else {
        dst.fill(T::ZERO);
        return;
    };
    for_each_split((dst, x), CHUNK, |start, (dst, x)| {
        if threshold == 0 {
            dst.copy_from_slice(x);
            return;
        }
        for (g, (dst, x)) in dst
            .chunks_mut(4 * GROUP)
            .zip(x.chunks(4 * GROUP))
            .enumerate()
        {
            dispatch(
                #[inline(always)]
                || {
                    let words = words(philox, step, (start / 4 + g * GROUP) as u64);
                    let mut order = [0_u32; 4 * GROUP];
                    for j in 0..GROUP {
                        for k in 0..4 {
                            order[4 * j + k] = words[k][j];
                        }
                    }
                    // whole arrays, so that this is a select and not a branch that mispredicts
                    let mut out = [T::ZERO; 4 * GROUP];
                    out[..x.len()].copy_from_slice(x);
                    for (value, word) in out.iter_mut().zip(order) {
                        let scaled = *value * scale;
                        *value = if word >= threshold { scaled } else { T::ZERO };
                    }
                    dst.copy_from_slice(&out[..x.len()]);
                },
            );
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::with_threads;
    use gradus_testing::{Real, check_same_bits};

    const N: usize = 100_003;

    fn moments(x: &[f64]) -> (f64, f64) {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        (
            mean,
            x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64,
        )
    }

    fn wide<T: Float>(x: &[T]) -> Vec<f64> {
        x.iter().map(|x| x.to_f64()).collect()
    }

    fn distributions<T: Draw + Real>() {
        let philox = Philox::new(42, 7);
        let mut x = vec![T::NAN; N];
        fill_uniform(&mut x, &philox, 0, T::from_f64(-1.0), T::from_f64(3.0));
        let (mean, var) = moments(&wide(&x));
        assert!(
            (mean - 1.0).abs() < 0.02 && (var - 16.0 / 12.0).abs() < 0.02,
            "{mean} {var}"
        );
        assert!(x.iter().all(|x| (-1.0..3.0).contains(&x.to_f64())));
        fill_normal(&mut x, &philox, 0, T::from_f64(2.0), T::from_f64(0.5));
        let (mean, var) = moments(&wide(&x));
        assert!(
            (mean - 2.0).abs() < 0.01 && (var - 0.25).abs() < 0.005,
            "{mean} {var}"
        );
        let z: Vec<f64> = wide(&x).iter().map(|x| (x - 2.0) / 0.5).collect();
        for (bound, share) in [(1.0, 0.682_689), (2.0, 0.954_5), (3.0, 0.997_3)] {
            let got = z.iter().filter(|z| z.abs() < bound).count() as f64 / N as f64;
            assert!((got - share).abs() < 0.005, "{bound}: {got}");
        }
        let (even, odd): (Vec<f64>, Vec<f64>) = z.chunks_exact(2).map(|p| (p[0], p[1])).unzip();
        let correlation =
            even.iter().zip(&odd).map(|(a, b)| a * b).sum::<f64>() / even.len() as f64;
        assert!(correlation.abs() < 0.02, "{correlation}");
        fill_truncated_normal(&mut x, &philox, 0, 0.0, 1.0, -2.0, 2.0);
        let (mean, var) = moments(&wide(&x));
        assert!(
            mean.abs() < 0.01 && (var - 0.773_7).abs() < 0.01,
            "{mean} {var}"
        );
        assert!(x.iter().all(|x| x.to_f64().abs() <= 2.0));
        fill_bernoulli(&mut x, &philox, 0, T::from_f64(0.3));
        assert!((moments(&wide(&x)).0 - 0.3).abs() < 0.01);
    }

    #[test]
    fn distributions_have_their_moments() {
        distributions::<f32>();
        distributions::<f64>();
    }

    fn any_split<T: Draw + Real>() {
        let philox = Philox::new(1, 2);
        let fills: [fn(&mut [T], &Philox); 3] = [
            |d, p| fill_uniform(d, p, 3, T::ZERO, T::ONE),
            |d, p| fill_normal(d, p, 3, T::ZERO, T::ONE),
            |d, p| fill_truncated_normal(d, p, 3, 0.0, 1.0, -1.0, 2.0),
        ];
        for fill in fills {
            let run = |threads, n| {
                let mut x = vec![T::NAN; n];
                with_threads(threads, || fill(&mut x, &philox));
                x
            };
            let one = run(1, 20_001);
            for threads in 2..=4 {
                check_same_bits("threads", &run(threads, 20_001), &one);
            }
            check_same_bits("a shorter tensor is a prefix", &run(2, 77), &one[..77]);
        }
    }

    #[test]
    fn same_bits_for_any_number_of_threads() {
        any_split::<f32>();
        any_split::<f64>();
    }

    #[test]
    fn seeds_streams_and_steps_differ() {
        let draw = |seed, stream, step| {
            let mut x = [0.0_f32; 5];
            fill_normal(&mut x, &Philox::new(seed, stream), step, 0.0, 1.0);
            x
        };
        let base = draw(1, 1, 1);
        assert_eq!(base, draw(1, 1, 1));
        assert!(
            [draw(2, 1, 1), draw(1, 2, 1), draw(1, 1, 2)]
                .iter()
                .all(|x| *x != base)
        );
    }

    /// museum 29: p = 1 gives zeros without 0·∞, p = 0 is the identity bit for bit
    #[test]
    fn museum_29_dropout_at_its_ends() {
        let x = [1.5_f32, f32::INFINITY, f32::NAN, -0.0, 1e-45];
        let mut d = [9.0; 5];
        dropout(&mut d, &x, 1.0, &Philox::new(0, 0), 0);
        check_same_bits("p = 1", &d, &[0.0; 5]);
        dropout(&mut d, &x, 0.0, &Philox::new(0, 0), 0);
        check_same_bits("p = 0", &d, &x);
    }

    #[test]
    fn dropout_keeps_its_share_and_its_mask() {
        let x = vec![1.0_f32; N];
        let run = |threads, step| {
            let mut d = vec![0.0; N];
            with_threads(threads, || {
                dropout(&mut d, &x, 0.25, &Philox::new(3, 4), step)
            });
            d
        };
        let d = run(1, 5);
        let kept = d.iter().filter(|&&d| d != 0.0).count() as f64 / N as f64;
        assert!((kept - 0.75).abs() < 0.01, "{kept}");
        assert!(d.iter().all(|&d| d == 0.0 || d == 1.0 / 0.75));
        for threads in 2..=4 {
            check_same_bits("threads", &run(threads, 5), &d);
        }
        assert_ne!(run(1, 6), d);
        let mut wide = vec![0.0; N];
        dropout(&mut wide, &vec![1.0_f64; N], 0.25, &Philox::new(3, 4), 5);
        assert!(
            d.iter().zip(&wide).all(|(a, b)| (*a != 0.0) == (*b != 0.0)),
            "f64 has another mask"
        );
    }
}
