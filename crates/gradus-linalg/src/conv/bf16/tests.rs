//! Convolutions in bf16 against the formula with rounded operands: every case of the f32 kernels, strided operands, thread counts.

use gradus_tensor::{Tensor, bf16};

use super::super::tests::{
    Operands, case, cases, channels_last, close, reference, strided, tensor,
};
use super::*;
use crate::threads::with_threads;

/// Values that bf16 has.
fn rounded(c: &Conv2d) -> Operands {
    let round = |values: &mut Vec<f64>| {
        for value in values {
            *value = bf16::from_f32(*value as f32).to_f64();
        }
    };
    let mut o = Operands::random(c);
    for values in [&mut o.x, &mut o.weight, &mut o.grad] {
        round(values);
    }
    o
}

/// Values between those of bf16, which round to these.
fn nudged(values: &[f64]) -> Vec<f64> {
    values
        .iter()
        .enumerate()
        .map(|(i, &v)| v * (1.0 + if i % 2 == 0 { 1e-3 } else { -8e-4 }))
        .collect()
}

type Layout = fn(&[f64], [usize; 4]) -> Tensor;

/// Output, input gradient and weight gradient.
fn run(c: &Conv2d, o: &Operands, layout: Layout, elsewhere: bool) -> [Vec<f32>; 3] {
    let [x_dims, w_dims, out_dims] = c.shapes();
    let (x, weight, grad) = (
        layout(&nudged(&o.x), x_dims),
        layout(&nudged(&o.weight), w_dims),
        layout(&nudged(&o.grad), out_dims),
    );
    let [x, weight, grad] = [&x, &weight, &grad].map(|t| t.view::<f32>().expect("dtype"));
    let bias: Vec<f32> = o.bias.iter().map(|&b| b as f32).collect();
    let mut out = vec![f32::NAN; o.grad.len()];
    let mut grad_x = vec![f32::NAN; o.x.len()];
    let mut grad_w = vec![f32::NAN; o.weight.len()];
    if elsewhere {
        forward_elsewhere(&mut out, x, weight, Some(&bias), c);
        grad_input_elsewhere(&mut grad_x, grad, weight, c);
        grad_weight_elsewhere(&mut grad_w, grad, x, c);
    } else {
        conv2d_bf16(&mut out, x, weight, Some(&bias), c);
        conv2d_grad_input_bf16(&mut grad_x, grad, weight, c);
        conv2d_grad_weight_bf16(&mut grad_w, grad, x, c);
    }
    [out, grad_x, grad_w]
}

/// The cases of f32, and some whose blocks, panels and chains are cut.
fn all_cases() -> Vec<Conv2d> {
    let padded = |conv: Conv2d| Conv2d {
        padding: [[1, 1], [1, 1]],
        ..conv
    };
    let mut all = cases();
    all.extend([
        padded(case(40, [64, 70], 1, [4, 4], [3, 3])),
        padded(case(3, [130, 66], 1, [9, 7], [3, 3])),
        padded(case(1, [5, 3], 1, [70, 90], [3, 3])),
        Conv2d {
            stride: [2, 2],
            ..padded(case(2, [64, 64], 1, [33, 40], [3, 3]))
        },
    ]);
    all
}

#[test]
fn matches_the_formula_of_rounded_operands() {
    for c in all_cases() {
        let (o, r) = (rounded(&c), reference(&c));
        let plane: usize = r.output().iter().product();
        let out = r.forward(&o.x, &o.weight, Some(&o.bias));
        let grad_x = r.grad_input(&o.grad, &o.weight);
        let grad_w = r.grad_weight(&o.grad, &o.x);
        let (inner, taps) = (r.weights() / c.c_out.max(1), c.kernel[0] * c.kernel[1]);
        let layouts: [Layout; 3] = [tensor::<f32>, strided::<f32>, channels_last::<f32>];
        for (i, layout) in layouts.into_iter().enumerate() {
            for elsewhere in [false, true] {
                if elsewhere && i > 0 {
                    continue;
                }
                let got = run(&c, &o, layout, elsewhere);
                close("forward", &c, &got[0], &out, inner);
                close(
                    "grad_input",
                    &c,
                    &got[1],
                    &grad_x,
                    c.c_out / c.groups * taps,
                );
                close("grad_weight", &c, &got[2], &grad_w, c.batch * plane);
            }
        }
    }
}

#[test]
fn same_bits_for_any_number_of_threads() {
    for c in all_cases() {
        let o = rounded(&c);
        let bits = |threads| {
            let got = with_threads(threads, || run(&c, &o, tensor::<f32>, false));
            got.concat()
                .into_iter()
                .map(f32::to_bits)
                .collect::<Vec<_>>()
        };
        let one = bits(1);
        for threads in [2, 4] {
            assert!(bits(threads) == one, "{c:?} differs with {threads} threads");
        }
    }
}
