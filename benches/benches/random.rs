//! GB/s of random fills and dropout: `cargo bench -p gradus-benches --bench random`.
#![allow(missing_docs)] // criterion_group writes functions

mod measured;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gradus_linalg::random::{dropout, fill_bernoulli, fill_normal, fill_uniform};
use gradus_random::Philox;
use measured::{Rates, config, on_threads};
use std::hint::black_box;

/// 16 MiB of f32: no second-level cache holds them.
const COUNT: usize = 4 << 20;
const PHILOX: Philox = Philox::new(42, 0);

fn fills(c: &mut Criterion<Rates>) {
    let mut group = c.benchmark_group("random");
    let mut fill = |name: &str, f: fn(&mut [f32])| {
        let written = Throughput::BytesDecimal((COUNT * size_of::<f32>()) as u64);
        on_threads(&mut group, name, written, || {
            let mut dst = vec![0_f32; COUNT];
            move || f(black_box(&mut dst))
        });
    };
    fill("uniform", |dst| fill_uniform(dst, &PHILOX, 0, 0.0, 1.0));
    fill("normal", |dst| fill_normal(dst, &PHILOX, 0, 0.0, 1.0));
    fill("bernoulli", |dst| fill_bernoulli(dst, &PHILOX, 0, 0.5));
    let moved = Throughput::BytesDecimal((2 * COUNT * size_of::<f32>()) as u64);
    on_threads(&mut group, "dropout", moved, || {
        let (x, mut dst) = (vec![1_f32; COUNT], vec![0_f32; COUNT]);
        move || dropout(black_box(&mut dst), &x, 0.1, &PHILOX, 0)
    });
    group.finish();
}

criterion_group!(name = benches; config = config(); targets = fills);
criterion_main!(benches);
