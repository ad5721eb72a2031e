//! Pooling against window-by-window references, and the cases of the bug museum.

use gradus_random::Rng;
use gradus_testing::pool::PoolCase;

use super::*;
use crate::threads::with_threads;

/// Windows of images.
#[derive(Clone, Copy, Debug)]
struct Pool2d {
    input: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
    ceil_mode: bool,
}

impl Pool2d {
    fn lifted(&self) -> Pool {
        let three = |first, [a, b]: [usize; 2]| [first, a, b];
        Pool {
            input: three(1, self.input),
            kernel: three(1, self.kernel),
            stride: three(1, self.stride),
            padding: three(0, self.padding),
            dilation: three(1, self.dilation),
            ceil_mode: self.ceil_mode,
        }
    }

    fn output(&self) -> Option<[usize; 2]> {
        self.lifted()
            .output()
            .map(|[_, down, across]| [down, across])
    }

    fn windows(&self, divisor: AvgDivisor) -> Windows {
        self.lifted().windows(divisor).expect("valid")
    }
}

fn max_pool2d<T: Float>(dst: &mut [T], places: &mut [u32], x: &[T], p: &Pool2d) {
    max_pool(dst, places, x, &p.windows(AvgDivisor::default()));
}

fn max_pool2d_backward<T: Float>(dst: &mut [T], grad: &[T], places: &[u32], p: &Pool2d) {
    max_pool_backward(dst, grad, places, &p.windows(AvgDivisor::default()));
}

fn avg_pool2d<T: Float>(dst: &mut [T], x: &[T], p: &Pool2d, divisor: AvgDivisor) {
    avg_pool(dst, x, &p.windows(divisor));
}

fn avg_pool2d_backward<T: Float>(dst: &mut [T], grad: &[T], p: &Pool2d, divisor: AvgDivisor) {
    avg_pool_backward(dst, grad, &p.windows(divisor));
}

fn adaptive([a, b]: [usize; 2], [c, d]: [usize; 2]) -> Windows {
    Windows::adaptive([1, a, b], [1, c, d])
}

fn square(input: usize, kernel: usize, stride: usize) -> Pool2d {
    Pool2d {
        input: [input; 2],
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [0; 2],
        dilation: [1; 2],
        ceil_mode: false,
    }
}

fn reference(p: &Pool2d) -> PoolCase {
    let Pool2d {
        input,
        kernel,
        stride,
        padding,
        dilation,
        ceil_mode,
    } = *p;
    PoolCase {
        input,
        kernel,
        stride,
        padding,
        dilation,
        ceil_mode,
    }
}

fn cases() -> Vec<Pool2d> {
    let mut cases = vec![
        square(8, 2, 2),
        square(9, 2, 2),
        Pool2d {
            ceil_mode: true,
            ..square(9, 2, 2)
        },
        square(7, 3, 1),
        Pool2d {
            padding: [1, 1],
            ..square(16, 3, 2)
        },
        Pool2d {
            padding: [1, 1],
            ceil_mode: true,
            ..square(17, 3, 2)
        },
        Pool2d {
            input: [5, 11],
            kernel: [2, 3],
            stride: [1, 4],
            padding: [1, 1],
            ceil_mode: true,
            ..square(5, 2, 1)
        },
        Pool2d {
            ceil_mode: true,
            ..square(7, 2, 3)
        },
        Pool2d {
            kernel: [1, 4],
            stride: [1, 1],
            padding: [0, 2],
            input: [1, 9],
            ..square(1, 1, 1)
        },
        square(1, 1, 1),
        Pool2d {
            input: [6, 40],
            ..square(6, 2, 2)
        },
    ];
    // Rows of 1 to 33 windows of 2 × 2, with and without a column left over, in planes of 4 to 784 elements.
    for input in [
        [2, 2],
        [3, 5],
        [10, 10],
        [28, 28],
        [7, 31],
        [5, 32],
        [4, 34],
        [2, 66],
    ] {
        cases.push(Pool2d {
            input,
            ..square(2, 2, 2)
        });
    }
    for dilation in [2, 3] {
        cases.push(Pool2d {
            dilation: [dilation; 2],
            padding: [1, 1],
            ..square(11, 3, 2)
        });
    }
    cases
}

fn numbers(n: usize) -> Vec<f64> {
    let mut rng = Rng::new(5, 0, n as u64);
    (0..n)
        .map(|_| (rng.range(-4.0, 4.0) * 2.0).round() / 2.0)
        .collect()
}

const PLANES: usize = 5;

#[test]
fn max_pool_matches_the_reference_and_scatters_to_one_winner() {
    for p in cases() {
        let ([oh, ow], size) = (p.output().expect("valid"), p.input[0] * p.input[1]);
        let x = numbers(PLANES * size);
        let (mut out, mut at) = (vec![0.0; PLANES * oh * ow], vec![0; PLANES * oh * ow]);
        max_pool2d(&mut out, &mut at, &x, &p);
        let grad: Vec<f64> = (1..=out.len()).map(|v| v as f64).collect();
        let (mut expected_grad, mut got_grad) = (vec![0.0; x.len()], vec![f64::NAN; x.len()]);
        for plane in 0..PLANES {
            let expected = reference(&p).max(&x[plane * size..(plane + 1) * size]);
            assert_eq!(expected.len(), oh * ow, "{p:?}");
            for (w, (value, place)) in expected.into_iter().enumerate() {
                let i = plane * oh * ow + w;
                assert_eq!((out[i], at[i] as usize), (value, place), "{p:?} window {w}");
                expected_grad[plane * size + place] += grad[i];
            }
        }
        max_pool2d_backward(&mut got_grad, &grad, &at, &p);
        assert_eq!(got_grad, expected_grad, "{p:?}");
    }
}

#[test]
fn averages_match_the_reference_and_their_gradients_are_adjoint() {
    for p in cases().into_iter().filter(|p| p.dilation == [1, 1]) {
        for (count_include_pad, divisor_override) in [(true, None), (false, None), (true, Some(3))]
        {
            let ([oh, ow], size) = (p.output().expect("valid"), p.input[0] * p.input[1]);
            let divisor = AvgDivisor {
                count_include_pad,
                divisor_override,
            };
            let x = numbers(PLANES * size);
            let mut out = vec![0.0; PLANES * oh * ow];
            avg_pool2d(&mut out, &x, &p, divisor);
            let grad = numbers(out.len());
            let (mut expected_grad, mut got_grad) = (vec![0.0; x.len()], vec![f64::NAN; x.len()]);
            for plane in 0..PLANES {
                let windows = reference(&p)
                    .means(count_include_pad, divisor_override.map(|d: i64| d as usize));
                for (w, (cells, count)) in windows.into_iter().enumerate() {
                    let i = plane * oh * ow + w;
                    let mean: f64 = cells.iter().map(|c| x[plane * size + c]).sum::<f64>() / count;
                    assert!(
                        (out[i] - mean).abs() < 1e-12,
                        "{p:?} {divisor:?} window {w}"
                    );
                    cells
                        .iter()
                        .for_each(|c| expected_grad[plane * size + c] += grad[i] / count);
                }
            }
            avg_pool2d_backward(&mut got_grad, &grad, &p, divisor);
            for (g, e) in got_grad.iter().zip(&expected_grad) {
                assert!((g - e).abs() < 1e-12, "{p:?} {divisor:?}");
            }
        }
    }
}

#[test]
fn adaptive_averages_cut_as_pytorch_does() {
    for (input, output) in [
        ([7, 7], [1, 1]),
        ([7, 5], [3, 2]),
        ([6, 6], [6, 6]),
        ([3, 3], [5, 4]),
        ([32, 32], [7, 7]),
    ] {
        let (size, windows) = (input[0] * input[1], output[0] * output[1]);
        let x = numbers(PLANES * size);
        let mut out = vec![0.0; PLANES * windows];
        avg_pool(&mut out, &x, &adaptive(input, output));
        let grad = numbers(out.len());
        let mut grad_x = vec![f64::NAN; x.len()];
        avg_pool_backward(&mut grad_x, &grad, &adaptive(input, output));
        let side = |d: usize, o: usize| {
            let start = (o as f64 * input[d] as f64 / output[d] as f64).floor() as usize;
            start..((o + 1) as f64 * input[d] as f64 / output[d] as f64).ceil() as usize
        };
        for (i, &got) in out.iter().enumerate() {
            let (plane, oy, ox) = (i / windows, i / output[1] % output[0], i % output[1]);
            let values: Vec<f64> = side(0, oy)
                .flat_map(|y| side(1, ox).map(move |x| plane * size + y * input[1] + x))
                .map(|at| x[at])
                .collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            assert!((got - mean).abs() < 1e-12, "{input:?} -> {output:?} at {i}");
        }
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        assert!(
            (dot(&out, &grad) - dot(&x, &grad_x)).abs() < 1e-9,
            "{input:?} -> {output:?}"
        );
    }
}

/// The kernels of f32 against those of f64, with values that tie, infinities and NaN.
#[test]
fn maxima_of_f32_are_those_of_f64() {
    let wide = |input, kernel, stride, padding| Pool2d {
        input,
        padding,
        ..Pool2d {
            kernel,
            stride,
            ..square(1, 1, 1)
        }
    };
    let more = [
        wide([30, 112], [3, 3], [2, 2], [1, 1]),
        wide([7, 50], [2, 5], [2, 3], [0, 2]),
        wide([9, 33], [3, 2], [4, 4], [1, 0]),
        wide([5, 100], [2, 9], [1, 1], [1, 4]),
        wide([12, 40], [4, 4], [2, 6], [2, 2]),
    ];
    for p in cases().into_iter().chain(more) {
        let size = p.input[0] * p.input[1];
        for special in [0, 3, 11] {
            let mut x: Vec<f32> = numbers(PLANES * size).iter().map(|&v| v as f32).collect();
            let mut rng = Rng::new(3, special, size as u64);
            for x in x.iter_mut().filter(|_| special > 0) {
                match rng.below(special) {
                    0 => *x = f32::NAN,
                    1 => *x = f32::INFINITY,
                    _ => *x = f32::NEG_INFINITY,
                }
            }
            let wide: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
            let [oh, ow] = p.output().expect("valid");
            let windows = PLANES * oh * ow;
            let (mut got, mut got_at) = (vec![0.0_f32; windows], vec![7; windows]);
            let (mut expected, mut expected_at) = (vec![0.0_f64; windows], vec![7; windows]);
            max_pool2d(&mut got, &mut got_at, &x, &p);
            max_pool2d(&mut expected, &mut expected_at, &wide, &p);
            assert_eq!(got_at, expected_at, "{p:?}, special {special}");
            for (&g, &e) in got.iter().zip(&expected) {
                assert!(f64::from(g) == e || g.is_nan() && e.is_nan(), "{p:?}");
            }
        }
    }
}

#[test]
fn museum_37_infinities_nan_and_ties() {
    let p = Pool2d {
        padding: [1, 1],
        ..square(4, 3, 2)
    };
    let mut x = vec![f32::NEG_INFINITY; 16];
    let (mut out, mut at) = (vec![0.0; 4], vec![9; 4]);
    max_pool2d(&mut out, &mut at, &x, &p);
    assert_eq!(
        (&out[..], &at[..]),
        (&[f32::NEG_INFINITY; 4][..], &[0, 1, 4, 5][..])
    );
    x[6] = f32::NAN;
    max_pool2d(&mut out, &mut at, &x, &p);
    assert!(!out[0].is_nan() && out[1].is_nan() && !out[2].is_nan() && out[3].is_nan());
    assert_eq!(at, [0, 6, 4, 6]);
    let ties = square(2, 2, 2);
    for nan_at in [None, Some(1), Some(3)] {
        let mut x = [7.0f32; 4];
        nan_at.into_iter().for_each(|i: usize| x[i] = f32::NAN);
        max_pool2d(&mut out[..1], &mut at[..1], &x, &ties);
        assert_eq!(
            at[0] as usize,
            nan_at.unwrap_or(0),
            "first of equals, or the NaN"
        );
    }
}

#[test]
fn museum_38_dilated_windows_give_one_winner() {
    let p = Pool2d {
        dilation: [2, 2],
        ..square(5, 2, 1)
    };
    let x: Vec<f32> = (0..25).map(|v| v as f32).collect();
    let (mut out, mut at, mut grad) = (vec![0.0; 9], vec![0; 9], vec![0.0; 25]);
    max_pool2d(&mut out, &mut at, &x, &p);
    max_pool2d_backward(&mut grad, &[1.0; 9], &at, &p);
    assert_eq!(grad.iter().sum::<f32>(), 9.0);
    assert_eq!(at, [12, 13, 14, 17, 18, 19, 22, 23, 24]);
    // All taps of this window lie in the padding.
    let p = Pool2d {
        dilation: [5, 5],
        padding: [1, 1],
        ..square(4, 2, 1)
    };
    max_pool2d(&mut out[..1], &mut at[..1], &x[..16], &p);
    assert_eq!((out[0], at[0]), (f32::NEG_INFINITY, u32::MAX));
    max_pool2d_backward(&mut grad[..16], &[1.0], &at[..1], &p);
    assert_eq!(grad[..16], [0.0; 16]);
}

#[test]
fn museum_39_ceil_mode_divides_by_covered_cells() {
    let p = Pool2d {
        ceil_mode: true,
        ..square(7, 2, 3)
    };
    let x: Vec<f32> = (0..49).map(|v| v as f32).collect();
    let mut out = vec![0.0; 9];
    assert_eq!(p.output(), Some([3, 3]));
    for count_include_pad in [true, false] {
        let divisor = AvgDivisor {
            count_include_pad,
            divisor_override: None,
        };
        avg_pool2d(&mut out, &x, &p, divisor);
        assert_eq!(out, [4.0, 7.0, 9.5, 25.0, 28.0, 30.5, 42.5, 45.5, 48.0]);
        let mut grad = vec![0.0; 49];
        avg_pool2d_backward(&mut grad, &[1.0; 9], &p, divisor);
        assert_eq!(
            (grad[0], grad[6], grad[48], grad.iter().sum::<f32>()),
            (0.25, 0.5, 1.0, 9.0)
        );
    }
    // The last window would start in the trailing padding.
    assert_eq!(
        Pool2d {
            ceil_mode: true,
            padding: [1, 1],
            ..square(3, 2, 4)
        }
        .output(),
        Some([1, 1])
    );
    assert_eq!(
        Pool2d {
            padding: [2, 2],
            ..square(9, 3, 1)
        }
        .output(),
        None
    );
    assert_eq!(square(2, 3, 1).output(), None);
}

#[test]
fn museum_46_no_planes() {
    let p = square(4, 2, 2);
    let mut empty: [f32; 0] = [];
    max_pool2d(&mut empty, &mut [], &[], &p);
    avg_pool2d(&mut empty, &[], &p, AvgDivisor::default());
    max_pool2d_backward(&mut empty, &[], &[], &p);
    avg_pool(&mut empty, &[], &adaptive([4, 4], [1, 1]));
    avg_pool_backward(&mut empty, &[], &adaptive([4, 4], [2, 2]));
}

#[test]
fn same_bits_for_any_number_of_threads() {
    let (p, planes) = (
        Pool2d {
            padding: [1, 1],
            ..square(33, 3, 2)
        },
        100,
    );
    let x: Vec<f32> = numbers(planes * 33 * 33)
        .into_iter()
        .map(|v| v as f32)
        .collect();
    let run = |threads| {
        with_threads(threads, || {
            let (mut out, mut at) = (vec![0f32; planes * 289], vec![0; planes * 289]);
            max_pool2d(&mut out, &mut at, &x, &p);
            let mut grad = vec![0.0; x.len()];
            max_pool2d_backward(&mut grad, &out, &at, &p);
            let mut mean = vec![0.0; out.len()];
            avg_pool2d(&mut mean, &x, &p, AvgDivisor::default());
            [out, grad, mean].concat()
        })
    };
    let one = run(1);
    (2..=4).for_each(|threads| assert!(run(threads) == one, "{threads} threads"));
}
