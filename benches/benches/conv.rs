//! GFLOP/s of convolutions and their gradients, on one thread and on all: `cargo bench -p gradus-benches --bench conv`.
#![allow(missing_docs)] // criterion_group writes functions

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gradus_linalg::conv::{Conv2d, conv2d, conv2d_grad_input, conv2d_grad_weight};
use gradus_linalg::threads::{current_threads, install, with_threads};
use gradus_tensor::{Shape, View};

/// `(name, batch, [c_in, c_out], side, kernel, stride, padding)`: the tutorial CNN, then ResNet-18 with the 32 × 32 stem.
#[allow(clippy::type_complexity)] // a table
const SHAPES: [(&str, usize, [usize; 2], usize, usize, usize, usize); 9] = [
    ("conv1 b4", 4, [3, 6], 32, 5, 1, 0),
    ("conv1 b128", 128, [3, 6], 32, 5, 1, 0),
    ("conv2 b128", 128, [6, 16], 14, 5, 1, 0),
    ("64x32x32", 16, [64, 64], 32, 3, 1, 1),
    ("128x16x16", 16, [128, 128], 16, 3, 1, 1),
    ("256x8x8", 16, [256, 256], 8, 3, 1, 1),
    ("512x4x4", 64, [512, 512], 4, 3, 1, 1),
    ("64 to 128 stride 2", 16, [64, 128], 32, 3, 2, 1),
    ("64 to 128 1x1", 16, [64, 128], 16, 1, 1, 0),
];

fn view<'a>(data: &'a [f32], dims: &[usize]) -> View<'a, f32> {
    View::contiguous(data, Shape::new(dims).expect("rank 4")).expect("length fits")
}

fn convolutions(c: &mut Criterion) {
    for (name, batch, [c_in, c_out], side, kernel, stride, padding) in SHAPES {
        let conv = Conv2d {
            batch,
            c_in,
            c_out,
            groups: 1,
            input: [side; 2],
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [[padding; 2]; 2],
            dilation: [1; 2],
        };
        let [oh, ow] = conv.output().expect("the kernel fits");
        let (x_dims, w_dims, y_dims) = (
            [batch, c_in, side, side],
            [c_out, c_in, kernel, kernel],
            [batch, c_out, oh, ow],
        );
        let [mut x, mut w, mut y] =
            [x_dims, w_dims, y_dims].map(|d| vec![0.5f32; d.iter().product()]);
        let flops = 2 * y.len() * c_in * kernel * kernel;
        let mut group = c.benchmark_group(format!("conv/{name}"));
        group
            .sample_size(10)
            .throughput(Throughput::Elements(flops as u64)); // an element is one FLOP
        for threads in [1, current_threads()] {
            let run = |work: &mut (dyn FnMut() + Send)| {
                if threads == 1 {
                    with_threads(1, work)
                } else {
                    install(work)
                }
            };
            group.bench_function(format!("forward, {threads} threads"), |bench| {
                bench.iter(|| {
                    run(&mut || {
                        conv2d(
                            &mut y,
                            view(black_box(&x), &x_dims),
                            view(&w, &w_dims),
                            None,
                            &conv,
                        )
                    })
                });
            });
            group.bench_function(format!("grad_input, {threads} threads"), |bench| {
                bench.iter(|| {
                    run(&mut || {
                        conv2d_grad_input(
                            &mut x,
                            view(black_box(&y), &y_dims),
                            view(&w, &w_dims),
                            &conv,
                        )
                    })
                });
            });
            x.fill(0.5);
            group.bench_function(format!("grad_weight, {threads} threads"), |bench| {
                bench.iter(|| {
                    run(&mut || {
                        conv2d_grad_weight(
                            &mut w,
                            view(black_box(&y), &y_dims),
                            view(&x, &x_dims),
                            &conv,
                        )
                    })
                });
            });
            w.fill(0.5);
        }
        group.finish();
    }
}

criterion_group!(benches, convolutions);
criterion_main!(benches);
