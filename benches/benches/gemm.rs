//! GFLOP/s of matrix products, on one thread and on all: `cargo bench -p gradus-benches --bench gemm`.
#![allow(missing_docs)] // criterion_group writes functions

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gradus_linalg::gemm::{Accum, MatMut, MatRef, gemm};
use gradus_linalg::threads::{current_threads, install, with_threads};

/// `(name, m, n, k)`; the last two are a layer of the tutorial CNN and a matrix-vector product.
const SHAPES: [(&str, [usize; 3]); 8] = [
    ("64", [64, 64, 64]),
    ("96", [96, 96, 96]),
    ("160", [160, 160, 160]),
    ("256", [256, 256, 256]),
    ("1024", [1024, 1024, 1024]),
    ("tall", [4096, 768, 768]),
    ("fc1", [128, 120, 400]),
    ("vector", [1, 4096, 4096]),
];

fn products(c: &mut Criterion) {
    for (name, [m, n, k]) in SHAPES {
        let (a, b, mut dst) = (vec![0.5f32; m * k], vec![0.25f32; k * n], vec![0f32; m * n]);
        let mut group = c.benchmark_group(format!("gemm/{name}"));
        group
            .sample_size(20)
            .throughput(Throughput::Elements(2 * (m * n * k) as u64)); // an element is one FLOP
        let mut work = || {
            gemm(
                MatMut::row_major(&mut dst, m, n),
                Accum::Replace,
                MatRef::row_major(black_box(&a), m, k),
                MatRef::row_major(&b, k, n),
            );
        };
        group.bench_function("1 thread", |bench| {
            with_threads(1, || bench.iter(&mut work))
        });
        let all = format!("{} threads", current_threads());
        group.bench_function(all, |bench| install(|| bench.iter(&mut work)));
        group.finish();
    }
}

criterion_group!(benches, products);
criterion_main!(benches);
