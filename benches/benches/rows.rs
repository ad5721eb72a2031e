//! GB/s of what memory holds back: softmax, norms, cross-entropy, elementwise chains, as ops and with their gradients.
//!
//! The bytes are the least that must move: each input read once, each output written once; a gradient reads its input and
//! `grad_out` and writes one. `cargo bench -p gradus-benches --bench rows`.
#![allow(missing_docs)] // criterion_group writes functions

mod measured;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gradus::nn::{LayerNorm, LayerNormConfig};
use gradus::prelude::*;
use gradus_random::Rng;
use measured::{Rates, config, on_threads};
use std::hint::black_box;

/// Tokens of GPT-2 in a batch of 4 × 256, and its widths.
const ROWS: usize = 1024;
const WIDTH: usize = 768;
const INNER: usize = 3072;
const VOCABULARY: usize = 50_257;

fn random(rows: usize, cols: usize) -> Tensor {
    let mut rng = Rng::new(0, 1, 0);
    let values: Vec<f32> = (0..rows * cols).map(|_| rng.normal() as f32).collect();
    Tensor::from_slice(&values, [rows, cols]).expect("the length fits")
}

/// Bytes of `passes` passes over a matrix of f32.
fn moved(passes: usize, rows: usize, cols: usize) -> Throughput {
    Throughput::BytesDecimal((passes * rows * cols * size_of::<f32>()) as u64)
}

/// An op forward: one pass reads, one writes.
fn forward(
    c: &mut Criterion<Rates>,
    name: &str,
    cols: usize,
    op: impl Fn(&Var) -> Result<Var> + Sync,
) {
    let mut group = c.benchmark_group("rows");
    on_threads(&mut group, name, moved(2, ROWS, cols), || {
        let (x, op) = (Var::constant(random(ROWS, cols)), &op);
        move || {
            black_box(op(black_box(&x)).expect("the shapes fit"));
        }
    });
    group.finish();
}

/// An op forward and back: two passes forward, three back.
fn and_back(
    c: &mut Criterion<Rates>,
    name: &str,
    cols: usize,
    op: impl Fn(&Var) -> Result<Var> + Sync,
) {
    let mut group = c.benchmark_group("rows");
    on_threads(&mut group, name, moved(5, ROWS, cols), || {
        let (x, op) = (Var::leaf(random(ROWS, cols)), &op);
        let grad = Var::constant(random(ROWS, cols));
        move || {
            let y = op(black_box(&x)).expect("the shapes fit");
            black_box(y.backward_with(&grad).expect("y is recorded"));
        }
    });
    group.finish();
}

fn ops(c: &mut Criterion<Rates>) {
    for (at, cols) in [("768", WIDTH), ("3072", INNER)] {
        forward(c, &format!("softmax {at}"), cols, |x| x.softmax(-1));
        and_back(c, &format!("softmax {at} and back"), cols, |x| {
            x.softmax(-1)
        });
        forward(c, &format!("gelu {at}"), cols, Var::gelu);
        and_back(c, &format!("gelu {at} and back"), cols, Var::gelu);
        forward(c, &format!("gelu_tanh {at}"), cols, Var::gelu_tanh);
        forward(c, &format!("mul, add, relu {at}"), cols, |x| {
            x.mul(x)?.add(x)?.relu()
        });
        let store = ParamStore::seeded(0);
        let norm = LayerNorm::new(&store.root(), &[cols], &LayerNormConfig::default())
            .expect("a norm of one dim");
        for parameter in store.parameters() {
            parameter.set_trainable(false);
        }
        forward(c, &format!("layer_norm {at}"), cols, |x| {
            norm.forward(x, &Ctx::eval())
        });
        and_back(c, &format!("layer_norm {at} and back"), cols, |x| {
            norm.forward(x, &Ctx::eval())
        });
    }
}

/// Cross-entropy over GPT-2's vocabulary: the scores are read twice and their gradient is written once.
fn cross_entropy(c: &mut Criterion<Rates>) {
    const TOKENS: usize = 256;
    let mut group = c.benchmark_group("rows");
    let name = "cross_entropy 50257 and back";
    on_threads(&mut group, name, moved(3, TOKENS, VOCABULARY), || {
        let scores = Var::leaf(random(TOKENS, VOCABULARY));
        let targets: Vec<i64> = (0..TOKENS as i64).map(|i| i * 191).collect();
        let targets = Tensor::from_slice(&targets, [TOKENS]).expect("the length fits");
        let options = CrossEntropyConfig::default();
        move || {
            let loss = scores
                .cross_entropy(&targets, &options)
                .expect("the shapes fit");
            black_box(loss.backward().expect("the loss is recorded"));
        }
    });
    group.finish();
}

criterion_group!(name = benches; config = config(); targets = ops, cross_entropy);
criterion_main!(benches);
