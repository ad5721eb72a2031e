//! GFLOP/s of the workloads' convolutions and their gradients: `cargo bench -p gradus-benches --bench conv`.
#![allow(missing_docs)] // criterion_group writes functions

mod measured;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gradus_linalg::conv::{Conv2d, conv2d, conv2d_grad_input, conv2d_grad_weight};
use gradus_tensor::{Shape, View};
use measured::{Rates, config, on_threads};
use std::hint::black_box;

/// `(name, batch, [c_in, c_out], side, kernel, stride, padding)`: the tutorial CNN, then ResNet-18 with either stem.
#[allow(clippy::type_complexity)] // a table
const SHAPES: [(&str, usize, [usize; 2], usize, usize, usize, usize); 11] = [
    ("lenet conv1 b4", 4, [3, 6], 32, 5, 1, 0),
    ("lenet conv1 b128", 128, [3, 6], 32, 5, 1, 0),
    ("lenet conv2 b128", 128, [6, 16], 14, 5, 1, 0),
    ("stem 3x3", 64, [3, 64], 32, 3, 1, 1),
    ("stem 7x7", 8, [3, 64], 224, 7, 2, 3),
    ("64, 32x32", 16, [64, 64], 32, 3, 1, 1),
    ("128, 16x16", 16, [128, 128], 16, 3, 1, 1),
    ("256, 8x8", 16, [256, 256], 8, 3, 1, 1),
    ("512, 4x4", 64, [512, 512], 4, 3, 1, 1),
    ("64 to 128, stride 2", 16, [64, 128], 32, 3, 2, 1),
    ("64 to 128, 1x1", 16, [64, 128], 16, 1, 1, 0),
];

fn view<'a>(data: &'a [f32], dims: &[usize]) -> View<'a, f32> {
    View::contiguous(data, Shape::new(dims).expect("rank 4")).expect("length fits")
}

fn convolutions(c: &mut Criterion<Rates>) {
    let mut group = c.benchmark_group("conv");
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
        let x_dims = [batch, c_in, side, side];
        let w_dims = [c_out, c_in, kernel, kernel];
        let y_dims = [batch, c_out, oh, ow];
        let buffers = || [x_dims, w_dims, y_dims].map(|d| vec![0.5_f32; d.iter().product()]);
        let outputs: usize = y_dims.iter().product();
        let flop = || Throughput::Elements((2 * outputs * c_in * kernel * kernel) as u64);
        on_threads(&mut group, &format!("{name}, forward"), flop(), || {
            let [x, w, mut y] = buffers();
            let conv = &conv;
            move || {
                let (x, w) = (view(black_box(&x), &x_dims), view(&w, &w_dims));
                conv2d(&mut y, x, w, None, conv);
            }
        });
        on_threads(&mut group, &format!("{name}, inputs"), flop(), || {
            let [mut x, w, y] = buffers();
            let conv = &conv;
            move || {
                let (y, w) = (view(black_box(&y), &y_dims), view(&w, &w_dims));
                conv2d_grad_input(&mut x, y, w, conv);
            }
        });
        on_threads(&mut group, &format!("{name}, weights"), flop(), || {
            let [x, mut w, y] = buffers();
            let conv = &conv;
            move || {
                let (y, x) = (view(black_box(&y), &y_dims), view(&x, &x_dims));
                conv2d_grad_weight(&mut w, y, x, conv);
            }
        });
    }
    group.finish();
}

criterion_group!(name = benches; config = config(); targets = convolutions);
criterion_main!(benches);
