//! Convolution against the formula: every path, strided operands, thread counts, and the cases of the bug museum.

use gradus_random::Rng;
use gradus_tensor::{Shape, Tensor};
use gradus_testing::conv::ConvCase;

use super::*;
use crate::threads::with_threads;

pub(super) fn case(
    batch: usize,
    channels: [usize; 2],
    groups: usize,
    input: [usize; 2],
    kernel: [usize; 2],
) -> Conv2d {
    let [c_in, c_out] = channels;
    let (stride, padding, dilation) = ([1; 2], [[0; 2]; 2], [1; 2]);
    Conv2d {
        batch,
        c_in,
        c_out,
        groups,
        input,
        kernel,
        stride,
        padding,
        dilation,
    }
}

pub(super) fn reference(c: &Conv2d) -> ConvCase {
    ConvCase {
        batch: c.batch,
        c_in: c.c_in,
        c_out: c.c_out,
        groups: c.groups,
        input: c.input,
        kernel: c.kernel,
        stride: c.stride,
        padding: c.padding,
        dilation: c.dilation,
    }
}

pub(super) fn tensor<T: Float>(values: &[f64], dims: [usize; 4]) -> Tensor {
    let values: Vec<T> = values.iter().map(|&v| T::from_f64(v)).collect();
    Tensor::from_slice(&values, dims).expect("tensor")
}

/// The same values with other strides: stored with the axes in another order, inside a longer tensor.
pub(super) fn strided<T: Float>(values: &[f64], dims: [usize; 4]) -> Tensor {
    let plain = tensor::<T>(values, dims);
    let order = [2isize, 0, 3, 1];
    let stored = plain
        .permute(&order)
        .expect("permute")
        .contiguous()
        .expect("contiguous");
    let back = stored.permute(&[1, 3, 0, 2]).expect("permute");
    back.flip(&[3])
        .expect("flip")
        .contiguous()
        .expect("contiguous")
        .flip(&[3])
        .expect("flip")
}

pub(super) fn channels_last<T: Float>(values: &[f64], dims: [usize; 4]) -> Tensor {
    let stored = tensor::<T>(values, dims)
        .permute(&[0, 2, 3, 1])
        .expect("permute")
        .contiguous()
        .expect("contiguous");
    stored.permute(&[0, 3, 1, 2]).expect("permute")
}

fn numbers(rng: &mut Rng, n: usize) -> Vec<f64> {
    (0..n)
        .map(|_| f64::from(rng.range(-1.0, 1.0) as f32))
        .collect()
}

pub(super) fn close<T: Float>(what: &str, c: &Conv2d, got: &[T], expected: &[f64], terms: usize) {
    let tolerance = T::EPSILON.to_f64() * (terms as f64 + 8.0);
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!(
            (g.to_f64() - e).abs() <= tolerance,
            "{what} of {c:?} at {i}: {g:?}, expected {e}"
        );
    }
}

pub(super) struct Operands {
    pub(super) x: Vec<f64>,
    pub(super) weight: Vec<f64>,
    pub(super) bias: Vec<f64>,
    pub(super) grad: Vec<f64>,
}

impl Operands {
    pub(super) fn random(c: &Conv2d) -> Self {
        let (r, mut rng) = (reference(c), Rng::new(11, 0, c.inputs_hash()));
        let [x, weight, grad] =
            [r.inputs(), r.weights(), r.outputs()].map(|n| numbers(&mut rng, n));
        Self {
            x,
            weight,
            grad,
            bias: numbers(&mut rng, c.c_out),
        }
    }
}

impl Conv2d {
    fn inputs_hash(&self) -> u64 {
        (self.c_in * 131 + self.c_out * 17 + self.input[0]) as u64
    }

    pub(super) fn shapes(&self) -> [[usize; 4]; 3] {
        let [oh, ow] = self.output().expect("valid");
        [
            [self.batch, self.c_in, self.input[0], self.input[1]],
            [
                self.c_out,
                self.c_in / self.groups,
                self.kernel[0],
                self.kernel[1],
            ],
            [self.batch, self.c_out, oh, ow],
        ]
    }
}

/// Forward, input gradient, weight gradient and bias gradient of `c` with operands laid out by `layout`.
fn run<T: Float>(
    c: &Conv2d,
    o: &Operands,
    layout: impl Fn(&[f64], [usize; 4]) -> Tensor,
) -> [Vec<T>; 4] {
    let [x_dims, w_dims, out_dims] = c.shapes();
    let (x, weight, grad) = (
        layout(&o.x, x_dims),
        layout(&o.weight, w_dims),
        layout(&o.grad, out_dims),
    );
    let [x, weight, grad] = [&x, &weight, &grad].map(|t| t.view::<T>().expect("dtype"));
    let bias: Vec<T> = o.bias.iter().map(|&b| T::from_f64(b)).collect();
    let mut out = vec![T::NAN; o.grad.len()];
    conv2d(&mut out, x, weight, Some(&bias), c);
    let mut grad_x = vec![T::NAN; o.x.len()];
    conv2d_grad_input(&mut grad_x, grad, weight, c);
    let mut grad_w = vec![T::NAN; o.weight.len()];
    conv2d_grad_weight(&mut grad_w, grad, x, c);
    let mut grad_b = vec![T::NAN; c.c_out];
    conv2d_grad_bias(&mut grad_b, grad);
    [out, grad_x, grad_w, grad_b]
}

fn check_against_formula<T: Float>(c: &Conv2d) {
    let (o, r) = (Operands::random(c), reference(c));
    let plane: usize = r.output().iter().product();
    let out = r.forward(&o.x, &o.weight, Some(&o.bias));
    let grad_x = r.grad_input(&o.grad, &o.weight);
    let grad_w = r.grad_weight(&o.grad, &o.x);
    let grad_b: Vec<f64> = (0..c.c_out)
        .map(|co| {
            (0..o.grad.len())
                .filter(|i| i / plane.max(1) % c.c_out == co)
                .map(|i| o.grad[i])
                .sum()
        })
        .collect();
    let (inner, taps) = (r.weights() / c.c_out.max(1), c.kernel[0] * c.kernel[1]);
    for layout in [tensor::<T>, strided::<T>, channels_last::<T>] {
        let got = run::<T>(c, &o, layout);
        close("forward", c, &got[0], &out, inner);
        close("grad_input", c, &got[1], &grad_x, c.c_out / c.groups * taps);
        close("grad_weight", c, &got[2], &grad_w, c.batch * plane);
        close("grad_bias", c, &got[3], &grad_b, c.batch * plane);
    }
}

pub(super) fn cases() -> Vec<Conv2d> {
    let mut cases = vec![
        case(2, [3, 6], 1, [12, 12], [5, 5]),
        case(3, [6, 16], 1, [9, 14], [5, 5]),
        Conv2d {
            padding: [[1, 1], [1, 1]],
            ..case(2, [20, 24], 1, [16, 16], [3, 3])
        },
        Conv2d {
            padding: [[1, 1], [1, 1]],
            ..case(9, [20, 33], 1, [4, 4], [3, 3])
        },
        Conv2d {
            padding: [[1, 1], [1, 1]],
            stride: [2, 2],
            ..case(3, [8, 18], 1, [13, 16], [3, 3])
        },
        Conv2d {
            padding: [[3, 3], [3, 3]],
            stride: [2, 2],
            ..case(1, [3, 16], 1, [40, 41], [7, 7])
        },
        Conv2d {
            padding: [[2, 0], [0, 3]],
            dilation: [2, 3],
            ..case(2, [4, 5], 1, [11, 13], [3, 2])
        },
        Conv2d {
            stride: [3, 2],
            dilation: [2, 1],
            padding: [[1, 2], [0, 1]],
            ..case(2, [4, 6], 2, [14, 15], [2, 3])
        },
        Conv2d {
            padding: [[1, 1], [1, 1]],
            ..case(2, [7, 7], 7, [9, 20], [3, 3])
        },
        Conv2d {
            padding: [[1, 1], [1, 1]],
            stride: [2, 2],
            ..case(2, [5, 10], 5, [9, 9], [3, 3])
        },
        case(64, [3, 7], 1, [9, 20], [5, 5]),
        Conv2d {
            padding: [[2, 1], [0, 3]],
            stride: [2, 1],
            dilation: [1, 2],
            ..case(77, [4, 9], 1, [7, 6], [3, 3])
        },
        Conv2d {
            stride: [2, 2],
            padding: [[1, 1], [1, 1]],
            ..case(3, [20, 45], 1, [23, 22], [3, 3])
        },
        Conv2d {
            padding: [[2, 0], [1, 3]],
            dilation: [3, 1],
            ..case(2, [33, 32], 1, [15, 19], [2, 5])
        },
        case(3, [10, 20], 1, [8, 8], [1, 1]),
        case(1, [12, 30], 2, [7, 9], [1, 1]),
        case(9, [6, 40], 2, [3, 3], [1, 1]),
        Conv2d {
            stride: [2, 2],
            ..case(2, [6, 20], 1, [9, 9], [1, 1])
        },
        Conv2d {
            padding: [[2, 2], [2, 2]],
            ..case(2, [3, 4], 1, [3, 3], [1, 1])
        },
        case(2, [3, 4], 1, [1, 40], [1, 5]),
        Conv2d {
            stride: [1, 4],
            ..case(2, [3, 4], 1, [1, 163], [1, 4])
        },
        Conv2d {
            stride: [5, 5],
            ..case(2, [2, 3], 1, [6, 6], [1, 1])
        },
        Conv2d {
            stride: [20, 20],
            ..case(1, [2, 3], 1, [45, 45], [18, 19])
        },
        case(1, [1, 1], 1, [1, 1], [1, 1]),
    ];
    for c in [8, 16, 32] {
        cases.push(Conv2d {
            padding: [[1, 1], [1, 1]],
            ..case(2, [c, c], 1, [c, c], [3, 3])
        });
    }
    cases
}

#[test]
fn matches_the_formula_on_every_path_and_layout() {
    for c in cases() {
        check_against_formula::<f32>(&c);
    }
    for c in cases().into_iter().step_by(2) {
        check_against_formula::<f64>(&c);
    }
}

#[test]
fn same_bits_for_any_number_of_threads() {
    let mut all = cases();
    all.push(Conv2d {
        padding: [[1, 1], [1, 1]],
        ..case(1, [64, 64], 1, [20, 20], [3, 3])
    });
    all.push(Conv2d {
        padding: [[1, 1], [1, 1]],
        ..case(20, [64, 64], 1, [4, 4], [3, 3])
    });
    for c in all {
        let o = Operands::random(&c);
        let bits = |threads| {
            let [a, b, c, d] = with_threads(threads, || run::<f32>(&c, &o, tensor::<f32>));
            [a, b, c, d]
                .concat()
                .into_iter()
                .map(f32::to_bits)
                .collect::<Vec<_>>()
        };
        let one = bits(1);
        for threads in 2..=4 {
            assert!(bits(threads) == one, "{c:?} differs with {threads} threads");
        }
    }
}

#[test]
fn gradients_are_adjoint_to_the_forward() {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    for c in cases() {
        let o = Operands {
            bias: vec![0.0; c.c_out],
            ..Operands::random(&c)
        };
        let [out, grad_x, grad_w, _] = run::<f64>(&c, &o, tensor::<f64>);
        let (left, scale) = (dot(&out, &o.grad), 1e-11 * o.grad.len() as f64);
        assert!(
            (left - dot(&grad_x, &o.x)).abs() < scale.max(1e-10),
            "input gradient of {c:?}"
        );
        assert!(
            (left - dot(&grad_w, &o.weight)).abs() < scale.max(1e-10),
            "weight gradient of {c:?}"
        );
    }
}

#[test]
fn museum_30_grouped_1x1() {
    let c = case(1, [4, 16], 2, [1, 1], [1, 1]);
    let o = Operands {
        x: vec![0.0, 0.0, 0.0, 1.0],
        weight: vec![1.0; 32],
        bias: vec![0.0; 16],
        grad: vec![0.0; 16],
    };
    let [out, ..] = run::<f32>(&c, &o, tensor::<f32>);
    assert_eq!(out, [[0.0; 8], [1.0; 8]].concat());
}

#[test]
fn museum_31_depthwise_weight_gradient() {
    for channels in [23, 24, 25] {
        let c = Conv2d {
            stride: [2, 2],
            padding: [[1, 1], [1, 1]],
            ..case(1, [channels, channels], channels, [6, 6], [3, 3])
        };
        let o = Operands {
            x: vec![1.0; channels * 36],
            grad: vec![1.0; channels * 9],
            ..Operands::random(&c)
        };
        let [_, _, grad_w, _] = run::<f32>(&c, &o, tensor::<f32>);
        for dw in grad_w.chunks(9) {
            assert_eq!(dw, [4.0, 6.0, 6.0, 6.0, 9.0, 9.0, 6.0, 9.0, 9.0]);
        }
    }
}

#[test]
fn museum_32_many_channels_and_groups() {
    check_against_formula::<f32>(&Conv2d {
        stride: [4, 1],
        padding: [[1, 1], [1, 1]],
        ..case(1, [720, 6], 3, [8, 5], [2, 2])
    });
    check_against_formula::<f32>(&Conv2d {
        padding: [[1, 1], [1, 1]],
        ..case(2, [6, 6], 1, [5, 5], [3, 3])
    });
    check_against_formula::<f32>(&case(1, [32, 32], 16, [1, 140], [1, 128]));
}

#[test]
fn museum_33_equal_channels_and_sides() {
    for c in [3, 5] {
        check_against_formula::<f32>(&case(c, [c, c], 1, [c, c], [3, 3]));
        check_against_formula::<f32>(&Conv2d {
            dilation: [2, 2],
            padding: [[2, 2], [2, 2]],
            ..case(1, [c, c], 1, [c, c], [3, 3])
        });
    }
}

#[test]
fn museum_34_sliced_operands() {
    let c = case(1, [2, 3], 1, [4, 4], [3, 3]);
    let x = Tensor::arange::<f32>(0.0, 200.0, 1.0)
        .expect("arange")
        .reshape([1, 5, 5, 8])
        .expect("reshape");
    let x = x
        .slice(1, 1, 5, 2)
        .expect("slice")
        .slice(2, 1, 5, 1)
        .expect("slice")
        .slice(3, 0, 8, 2)
        .expect("slice");
    let weight = Tensor::arange::<f32>(0.0, 90.0, 1.0)
        .expect("arange")
        .reshape([5, 2, 9])
        .expect("reshape");
    let weight = weight
        .narrow(0, 2, 3)
        .expect("narrow")
        .reshape([3, 2, 3, 3])
        .expect("reshape");
    let [xs, ws] = [&x, &weight].map(|t| {
        t.to_vec::<f32>()
            .expect("f32")
            .into_iter()
            .map(f64::from)
            .collect::<Vec<_>>()
    });
    let mut out = vec![0f32; 12];
    conv2d(
        &mut out,
        x.view().expect("f32"),
        weight.view().expect("f32"),
        None,
        &c,
    );
    let expected = reference(&c).forward(&xs, &ws, None);
    assert_eq!(
        out.iter().map(|&v| f64::from(v)).collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn museum_35_forward_drops_the_tail() {
    let c = Conv2d {
        stride: [1, 4],
        ..case(1, [1, 1], 1, [1, 1603], [1, 4])
    };
    let o = Operands {
        weight: vec![1.0; 4],
        grad: vec![1.0; 400],
        ..Operands::random(&c)
    };
    let [_, grad_x, ..] = run::<f32>(&c, &o, tensor::<f32>);
    assert!(grad_x[..1600].iter().all(|&v| v == 1.0) && grad_x[1600..] == [0.0; 3]);
    check_against_formula::<f32>(&Conv2d {
        stride: [2, 2],
        ..case(2, [4, 18], 1, [6, 7], [1, 1])
    });
}

#[test]
fn museum_37_groups_and_infinite_values() {
    for groups in [2, 4] {
        check_against_formula::<f32>(&Conv2d {
            padding: [[1, 1], [1, 1]],
            ..case(2, [16, 16], groups, [6, 11], [3, 3])
        });
    }
    // An infinite pixel reaches only the outputs and the taps whose windows cover it.
    let c = Conv2d {
        stride: [3, 3],
        ..case(1, [1, 1], 1, [12, 48], [2, 2])
    };
    let mut o = Operands {
        weight: vec![1.0; 4],
        grad: vec![1.0; 64],
        x: vec![1.0; 576],
        bias: vec![0.0],
    };
    o.x[48 * 3 + 4] = f64::NEG_INFINITY; // under tap (0, 1) of output (1, 1)
    let [out, _, grad_w, _] = run::<f32>(&c, &o, tensor::<f32>);
    for (i, &v) in out.iter().enumerate() {
        assert_eq!(v, if i == 17 { f32::NEG_INFINITY } else { 4.0 });
    }
    assert_eq!(grad_w, [64.0, f32::NEG_INFINITY, 64.0, 64.0]);
}

/// The direct kernels of few images and those of many side by side agree where a weight is not finite and meets padding, whose zeros it
/// turns to NaN.
#[test]
fn museum_37_infinite_weights_meet_padding() {
    let many = Conv2d {
        padding: [[1, 1], [1, 1]],
        ..case(64, [2, 3], 1, [6, 5], [3, 3])
    };
    assert!(images::suits::<f32>(&many.geometry()));
    let mut o = Operands::random(&many);
    o.weight[0] = f64::INFINITY;
    let [out, ..] = run::<f32>(&many, &o, tensor::<f32>);
    let few = Conv2d { batch: 1, ..many };
    for (n, out) in out.chunks_exact(3 * 30).enumerate() {
        let x = o.x[n * 60..(n + 1) * 60].to_vec();
        let (weight, bias) = (o.weight.clone(), o.bias.clone());
        let grad = o.grad[n * 90..(n + 1) * 90].to_vec();
        let one = Operands {
            x,
            weight,
            bias,
            grad,
        };
        let [expected, ..] = run::<f32>(&few, &one, tensor::<f32>);
        for (o, e) in out.iter().zip(&expected) {
            assert!(o == e || o.is_nan() && e.is_nan(), "image {n}: {o}, {e}");
        }
    }
}

#[test]
fn museum_46_zero_size_batches_and_channels() {
    for c in [
        case(0, [3, 4], 1, [5, 5], [3, 3]),
        case(2, [0, 4], 1, [5, 5], [3, 3]),
        case(2, [3, 0], 1, [5, 5], [3, 3]),
    ] {
        let o = Operands::random(&c);
        let [out, grad_x, grad_w, grad_b] = run::<f32>(&c, &o, tensor::<f32>);
        assert!(grad_x.iter().chain(&grad_w).all(|&v| v == 0.0), "{c:?}");
        assert_eq!(grad_b.len(), c.c_out);
        for (i, &v) in out.iter().enumerate() {
            assert_eq!(v, o.bias[i / 9 % c.c_out] as f32);
        }
    }
}

#[test]
fn output_sizes_refuse_what_does_not_fit() {
    let c = case(1, [2, 2], 1, [4, 4], [5, 5]);
    assert_eq!(c.output(), None);
    assert_eq!(
        Conv2d {
            padding: [[1, 0], [0, 1]],
            ..c
        }
        .output(),
        Some([1, 1])
    );
    assert_eq!(
        Conv2d {
            kernel: [0, 1],
            ..c
        }
        .output(),
        None
    );
    assert_eq!(
        Conv2d {
            stride: [0, 1],
            kernel: [1, 1],
            ..c
        }
        .output(),
        None
    );
    assert_eq!(
        Conv2d {
            groups: 3,
            kernel: [1, 1],
            ..c
        }
        .output(),
        None
    );
    assert_eq!(
        Conv2d {
            padding: [[usize::MAX, 1]; 2],
            ..c
        }
        .output(),
        None
    );
    let shape = Shape::new(&[1, 2, 4, 4]).expect("shape");
    assert_eq!(shape.numel(), 32);
}
