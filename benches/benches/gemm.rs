//! GFLOP/s of the workloads' matrix products: `cargo bench -p gradus-benches --bench gemm`.
#![allow(missing_docs)] // criterion_group writes functions

mod measured;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gradus_linalg::gemm::{Accum, MatMut, MatRef, gemm};
use measured::{Rates, config, on_threads};
use std::hint::black_box;

/// Which operand lies transposed in memory.
#[derive(Clone, Copy, PartialEq)]
enum Layout {
    /// `x · y`: gradients of inputs.
    Plain,
    /// `x · wᵀ`: a linear layer forward.
    Right,
    /// `xᵀ · y`: gradients of weights.
    Left,
}

/// `(name, m, n, k, layout)`.
const SHAPES: [(&str, [usize; 3], Layout); 22] = [
    ("64", [64; 3], Layout::Plain),
    ("128", [128; 3], Layout::Plain),
    ("256", [256; 3], Layout::Plain),
    ("512", [512; 3], Layout::Plain),
    ("1024", [1024; 3], Layout::Plain),
    ("mlp forward", [128, 512, 784], Layout::Right),
    ("mlp weights", [512, 784, 128], Layout::Left),
    ("lenet fc1 forward", [128, 120, 400], Layout::Right),
    ("minilm fc forward", [2048, 1536, 384], Layout::Right),
    ("minilm fc2 forward", [2048, 384, 1536], Layout::Right),
    ("minilm fc inputs", [2048, 384, 1536], Layout::Plain),
    ("minilm fc weights", [1536, 384, 2048], Layout::Left),
    ("nanogpt fc forward", [3072, 1536, 384], Layout::Right),
    ("gpt2 fc forward", [256, 3072, 768], Layout::Right),
    ("gpt2 fc inputs", [256, 768, 3072], Layout::Plain),
    ("gpt2 fc weights", [3072, 768, 256], Layout::Left),
    ("gpt2 head forward", [256, 50_257, 768], Layout::Right),
    ("gpt2 head inputs", [256, 768, 50_257], Layout::Plain),
    ("gpt2 head weights", [50_257, 768, 256], Layout::Left),
    ("16 rows", [16, 3072, 768], Layout::Right),
    ("1 row", [1, 3072, 768], Layout::Right),
    ("1 row, head", [1, 50_257, 768], Layout::Right),
];

fn products(c: &mut Criterion<Rates>) {
    let mut group = c.benchmark_group("gemm");
    for (name, [m, n, k], layout) in SHAPES {
        let flop = Throughput::Elements(2 * (m * n * k) as u64);
        on_threads(&mut group, name, flop, || {
            let (a, b, mut dst) = (
                vec![0.5_f32; m * k],
                vec![0.25_f32; k * n],
                vec![0_f32; m * n],
            );
            move || {
                let left = match layout {
                    Layout::Left => MatRef::row_major(black_box(&a), k, m).transpose(),
                    _ => MatRef::row_major(black_box(&a), m, k),
                };
                let right = match layout {
                    Layout::Right => MatRef::row_major(&b, n, k).transpose(),
                    _ => MatRef::row_major(&b, k, n),
                };
                gemm(
                    MatMut::row_major(&mut dst, m, n),
                    Accum::Replace,
                    left,
                    right,
                );
            }
        });
    }
    group.finish();
}

criterion_group!(name = benches; config = config(); targets = products);
criterion_main!(benches);
