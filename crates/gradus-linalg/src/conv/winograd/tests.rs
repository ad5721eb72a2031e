//! Minimal filtering against the direct kernels: its error, values that are not finite, threads, layouts and edges.

use gradus_random::Rng;
use gradus_tensor::{Shape, View};

use super::super::{Conv2d, Geometry, by_gemm, conv2d, conv2d_grad_input, conv2d_grad_weight};
use super::super::{direct, plain, turn_weight};
use super::*;
use crate::threads::with_threads;

/// A convolution of `batch` images with `sides` and a padding of 1.
fn case(batch: usize, channels: [usize; 2], sides: [usize; 2]) -> Conv2d {
    Conv2d {
        batch,
        c_in: channels[0],
        c_out: channels[1],
        groups: 1,
        input: sides,
        kernel: [3, 3],
        stride: [1, 1],
        padding: [[1, 1], [1, 1]],
        dilation: [1, 1],
    }
}

struct Operands {
    x: Vec<f32>,
    weight: Vec<f32>,
    grad: Vec<f32>,
    bias: Vec<f32>,
    /// Dims of the image, the weight, the output.
    dims: [[usize; 4]; 3],
}

impl Operands {
    fn random(c: &Conv2d) -> Self {
        let [oh, ow] = c.output().expect("valid");
        let dims = [
            [c.batch, c.c_in, c.input[0], c.input[1]],
            [c.c_out, c.c_in, 3, 3],
            [c.batch, c.c_out, oh, ow],
        ];
        let mut rng = Rng::new(7, 0, (c.c_in * 1000 + c.input[0]) as u64);
        let [x, weight, grad] = dims.map(|dims| {
            let len: usize = dims.iter().product();
            (0..len).map(|_| rng.range(-1.0, 1.0) as f32).collect()
        });
        let bias = (0..c.c_out).map(|_| rng.range(-1.0, 1.0) as f32).collect();
        Self {
            x,
            weight,
            grad,
            bias,
            dims,
        }
    }
}

fn view<T: Float>(values: &[T], dims: [usize; 4]) -> View<'_, T> {
    View::contiguous(values, Shape::new(&dims).expect("shape")).expect("view")
}

/// Output, input's gradient, weight's gradient by the public functions.
fn public<T: Float>(c: &Conv2d, o: &Operands) -> [Vec<T>; 3] {
    let cast =
        |values: &[f32]| -> Vec<T> { values.iter().map(|&v| T::from_f64(f64::from(v))).collect() };
    let [x, weight, grad, bias] = [&o.x, &o.weight, &o.grad, &o.bias].map(|v| cast(v));
    let (x, weight, grad) = (
        view(&x, o.dims[0]),
        view(&weight, o.dims[1]),
        view(&grad, o.dims[2]),
    );
    let mut all = o.dims.map(|dims| vec![T::NAN; dims.iter().product()]);
    conv2d(&mut all[2], x, weight, Some(&bias), c);
    conv2d_grad_input(&mut all[0], grad, weight, c);
    conv2d_grad_weight(&mut all[1], grad, x, c);
    let [grad_x, grad_w, out] = all;
    [out, grad_x, grad_w]
}

/// The same by the kernels that would run if this module did not exist.
fn directly(c: &Conv2d, o: &Operands) -> [Vec<f32>; 3] {
    let g = c.geometry();
    let (x, grad) = (
        Images::new(view(&o.x, o.dims[0])),
        Images::new(view(&o.grad, o.dims[2])),
    );
    let mut all = o.dims.map(|dims| vec![0.0; dims.iter().product()]);
    let forward = |dst: &mut [f32], x, weight: &[f32], bias, g: &Geometry| {
        if g.suits_direct() {
            direct::forward(dst, x, weight, bias, g);
        } else {
            by_gemm::forward(dst, x, weight, bias, g);
        }
    };
    forward(&mut all[2], x, &o.weight, Some(&o.bias), &g);
    let turned = Geometry {
        c_in: g.c_out,
        c_out: g.c_in,
        input: g.output,
        output: g.input,
        origin: [0, 1].map(|d| -2 - g.origin[d]),
        ..g
    };
    let mut weight = vec![0.0; o.weight.len()];
    turn_weight(&mut weight, &o.weight, &g);
    forward(&mut all[0], grad, &weight, None, &turned);
    if !(g.suits_direct() && direct::grad_weight(&mut all[1], grad, x, &g)) {
        by_gemm::grad_weight(&mut all[1], grad, x, &g);
    }
    let [grad_x, grad_w, out] = all;
    [out, grad_x, grad_w]
}

/// The largest error and the root of the mean square, in units of the root of the mean square of the result.
fn errors(got: &[f32], exact: &[f64]) -> [f64; 2] {
    let (mut most, mut squares, mut size) = (0.0, 0.0, 0.0);
    for (&g, &e) in got.iter().zip(exact) {
        let error = (f64::from(g) - e).abs();
        most = f64::max(most, error);
        squares += error * error;
        size += e * e;
    }
    let size = (size / exact.len() as f64).sqrt();
    [most / size, (squares / exact.len() as f64).sqrt() / size]
}

/// Direct convolution is what ran before for outputs and input gradients, and a plain chain over all positions for a weight's gradient, whose
/// kernels sum in 16 lanes.
#[test]
fn the_error_is_within_four_times_that_of_direct_convolution() {
    for (c, relu) in [
        (case(2, [32, 32], [20, 24]), false),
        (case(2, [64, 64], [32, 32]), true),
        (case(3, [128, 48], [16, 16]), true),
        (case(12, [256, 32], [8, 8]), true),
        (case(48, [512, 32], [4, 4]), true),
    ] {
        assert!(suits::<f32>(&c.geometry()));
        let mut o = Operands::random(&c);
        if relu {
            o.x.iter_mut().for_each(|x| *x = x.max(0.0));
        }
        let exact = public::<f64>(&c, &o);
        let (ours, mut direct) = (public::<f32>(&c, &o), directly(&c, &o));
        plain::grad_weight(&mut direct[2], &o.grad, &o.x, &c.geometry());
        for (i, what) in ["output", "grad of x", "grad of weight"].iter().enumerate() {
            let (ours, direct) = (errors(&ours[i], &exact[i]), errors(&direct[i], &exact[i]));
            let ratios = [ours[0] / direct[0], ours[1] / direct[1]];
            if i == 2 && !suits_grad_weight::<f32>(&c.geometry()) {
                continue;
            }
            assert!(
                ratios[0] <= 4.0 && ratios[1] <= 4.0,
                "{what} of {c:?}: {ours:?} against {direct:?}"
            );
            assert!(ours[0] > 0.0, "the method did not run");
        }
    }
}

#[test]
fn values_that_are_not_finite_reach_what_they_reach_by_the_formula() {
    let c = case(6, [32, 40], [12, 13]);
    let clean = Operands::random(&c);
    for (bad, place) in [(f32::INFINITY, 700), (f32::NAN, 0), (f32::MAX, 1500)] {
        for operand in 0..3 {
            let mut o = Operands::random(&c);
            match operand {
                0 => o.x[place] = bad,
                1 => o.weight[place] = bad,
                _ => o.grad[place] = bad,
            }
            let (got, expected) = (public::<f32>(&c, &o), directly(&c, &o));
            for (got, expected) in got.iter().zip(&expected) {
                if expected.iter().all(|v| v.is_finite()) && bad != f32::MAX {
                    continue;
                }
                for (g, e) in got.iter().zip(expected) {
                    assert!(
                        g.is_finite() == e.is_finite() && g.is_nan() == e.is_nan(),
                        "{bad} in operand {operand}: {g}, expected {e}"
                    );
                }
            }
        }
    }
    let again = public::<f32>(&c, &clean);
    assert!(again.iter().flatten().all(|v| v.is_finite()));
}

#[test]
fn bits_do_not_depend_on_threads() {
    for c in [
        case(3, [48, 80], [30, 22]),
        case(40, [64, 96], [4, 4]),
        case(1, [33, 100], [64, 64]),
    ] {
        let o = Operands::random(&c);
        let one = with_threads(1, || public::<f32>(&c, &o));
        for threads in 2..=4 {
            let many = with_threads(threads, || public::<f32>(&c, &o));
            assert!(
                one.iter()
                    .flatten()
                    .map(|v| v.to_bits())
                    .eq(many.iter().flatten().map(|v| v.to_bits())),
                "{c:?} with {threads} threads"
            );
        }
    }
}

#[test]
fn edges_paddings_and_ragged_channels() {
    for (padding, sides) in [
        ([[0, 0], [0, 0]], [18, 22]),
        ([[2, 2], [2, 2]], [14, 9]),
        ([[0, 3], [2, 1]], [11, 17]),
        ([[4, 0], [0, 4]], [8, 8]),
    ] {
        let c = Conv2d {
            padding,
            ..case(3, [37, 50], sides)
        };
        assert!(suits::<f32>(&c.geometry()), "{c:?}");
        let o = Operands::random(&c);
        let (exact, got) = (public::<f64>(&c, &o), public::<f32>(&c, &o));
        for (got, exact) in got.iter().zip(&exact) {
            let [most, _] = errors(got, exact);
            assert!(most < 2e-5, "{c:?}: {most}");
        }
    }
}

#[test]
fn squares_are_turned_in_place() {
    let mut values: Vec<f32> = (0..2 * LANES * LANES).map(|i| i as f32).collect();
    turn_squares(&mut values);
    for (square, values) in values.chunks_exact(LANES * LANES).enumerate() {
        for (i, &v) in values.iter().enumerate() {
            let from = i % LANES * LANES + i / LANES;
            assert_eq!(v, (square * LANES * LANES + from) as f32);
        }
    }
}
