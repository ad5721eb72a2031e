//! What equal bits cost: kernels that are cut by shape beside the same work cut by the number of threads, whose bits depend on it.
//! `cargo bench -p gradus-benches --bench promise`.
#![allow(missing_docs)] // criterion_group writes functions

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gradus_linalg::gemm::{Accum, MatMut, MatRef, gemm, gemm_serial};
use gradus_linalg::reduce::sum_slice;
use gradus_linalg::threads::{current_threads, install};
use rayon::prelude::*;

/// `(name, m, n, k)`: a square, a layer of a transformer, a weight's gradient of a convolution.
const SHAPES: [(&str, [usize; 3]); 4] = [
    ("256", [256, 256, 256]),
    ("1024", [1024, 1024, 1024]),
    ("tall", [4096, 768, 768]),
    ("long", [64, 576, 65_536]),
];

fn products(c: &mut Criterion) {
    for (name, [m, n, k]) in SHAPES {
        let (a, b, mut dst) = (vec![0.5f32; m * k], vec![0.25f32; k * n], vec![0f32; m * n]);
        let mut group = c.benchmark_group(format!("product/{name}"));
        group
            .sample_size(20)
            .throughput(Throughput::Elements(2 * (m * n * k) as u64)); // an element is one FLOP
        let (left, right) = (black_box(&a), black_box(&b));
        group.bench_function("by shape", |bench| {
            install(|| {
                bench.iter(|| {
                    gemm(
                        MatMut::row_major(&mut dst, m, n),
                        Accum::Replace,
                        MatRef::row_major(left, m, k),
                        MatRef::row_major(right, k, n),
                    );
                });
            });
        });
        group.bench_function("by threads", |bench| {
            install(|| {
                let rows = m.div_ceil(current_threads());
                bench.iter(|| {
                    dst.par_chunks_mut(rows * n)
                        .zip(left.par_chunks(rows * k))
                        .for_each(|(dst, left)| {
                            let rows = dst.len() / n;
                            gemm_serial(
                                MatMut::row_major(dst, rows, n),
                                Accum::Replace,
                                MatRef::row_major(left, rows, k),
                                MatRef::row_major(right, k, n),
                            );
                        });
                });
            });
        });
        group.finish();
    }
}

/// A sum in f32 lanes, as fast as memory gives.
fn plain_sum(x: &[f32]) -> f32 {
    let mut lanes = [0f32; 64];
    let mut chunks = x.chunks_exact(64);
    for chunk in &mut chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += x;
        }
    }
    lanes.iter().sum::<f32>() + chunks.remainder().iter().sum::<f32>()
}

fn sums(c: &mut Criterion) {
    let x = vec![0.5f32; 1 << 24];
    let mut group = c.benchmark_group("sum/16M");
    group
        .sample_size(20)
        .throughput(Throughput::Bytes(4 * x.len() as u64));
    group.bench_function("by shape", |bench| {
        install(|| bench.iter(|| sum_slice(black_box(&x))));
    });
    group.bench_function("by threads", |bench| {
        install(|| {
            let part = x.len().div_ceil(current_threads());
            bench.iter(|| black_box(&x).par_chunks(part).map(plain_sum).sum::<f32>());
        });
    });
    group.finish();
}

criterion_group!(benches, products, sums);
criterion_main!(benches);
