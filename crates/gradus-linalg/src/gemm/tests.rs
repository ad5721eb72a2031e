//! GEMM against the naive product: random shapes and strides, thread counts, special sizes and values.

use gradus_random::Rng;
use gradus_tensor::{Layout, Shape, Tensor};

use super::batched::merged_stride;
use super::*;
use crate::threads::with_threads;

/// A matrix with random strides in its own slice, and its values in row-major order.
struct Operand<T> {
    data: Vec<T>,
    offset: usize,
    dims: [usize; 2],
    strides: [isize; 2],
}

impl<T: Float> Operand<T> {
    fn random(rng: &mut Rng, rows: usize, cols: usize, zero_strides: bool) -> Self {
        let (pad, step) = (rng.below(3) as isize, 1 + rng.below(2) as isize);
        let mut strides = if rng.bernoulli(0.5) {
            [cols as isize * step + pad, step]
        } else {
            [step, rows as isize * step + pad]
        };
        if rng.bernoulli(0.3) {
            strides = strides.map(|s| if rng.bernoulli(0.5) { -s } else { s });
        }
        if zero_strides && rng.bernoulli(0.2) {
            strides[rng.below(2) as usize] = 0;
        }
        let reach = |d: usize, s: isize| (d.max(1) - 1) as isize * s;
        let spans = [reach(rows, strides[0]), reach(cols, strides[1])];
        let low: isize = spans.iter().map(|s| s.min(&0)).sum();
        let high: isize = spans.iter().map(|s| s.max(&0)).sum();
        let offset = (-low) as usize + rng.below(4) as usize;
        let len = offset + high as usize + 1 + rng.below(4) as usize;
        let data = (0..len)
            .map(|_| T::from_f64(rng.range(-1.0, 1.0)))
            .collect();
        Self {
            data,
            offset,
            dims: [rows, cols],
            strides,
        }
    }

    fn at(&self, i: usize, j: usize) -> usize {
        (self.offset as isize + self.strides[0] * i as isize + self.strides[1] * j as isize)
            as usize
    }

    fn get(&self, i: usize, j: usize) -> f64 {
        self.data[self.at(i, j)].to_f64()
    }

    fn mat(&self) -> MatRef<'_, T> {
        MatRef::new(&self.data, self.offset, self.dims, self.strides)
    }
}

fn check<T: Float>(rng: &mut Rng, [m, n, k]: [usize; 3]) {
    let a = Operand::<T>::random(rng, m, k, true);
    let b = Operand::<T>::random(rng, k, n, true);
    let start = Operand::<T>::random(rng, m, n, false);
    let bias: Vec<T> = (0..n).map(|_| T::from_f64(rng.range(-1.0, 1.0))).collect();
    for mode in 0..3 {
        let mut dst = start.data.clone();
        let view = MatMut::new(&mut dst, start.offset, start.dims, start.strides);
        match mode {
            0 => gemm(view, Accum::Replace, a.mat(), b.mat()),
            1 => gemm(view, Accum::Add, a.mat(), b.mat()),
            _ => gemm_bias(view, a.mat(), b.mat(), &bias),
        }
        let mut touched = vec![false; dst.len()];
        for i in 0..m {
            for j in 0..n {
                let base = [0.0, start.get(i, j), bias[j].to_f64()][mode];
                let terms = || (0..k).map(|p| a.get(i, p) * b.get(p, j));
                let (expected, size) = (
                    base + terms().sum::<f64>(),
                    1.0 + terms().map(f64::abs).sum::<f64>(),
                );
                let got = dst[start.at(i, j)].to_f64();
                let tolerance = T::EPSILON.to_f64() * size * (4.0 + 2.0 * (k as f64).sqrt());
                assert!(
                    (got - expected).abs() <= tolerance,
                    "({m}, {n}, {k}) mode {mode} at ({i}, {j}): {got} {expected}"
                );
                touched[start.at(i, j)] = true;
            }
        }
        for (p, touched) in touched.into_iter().enumerate() {
            assert!(
                touched || dst[p] == start.data[p],
                "({m}, {n}, {k}) wrote outside at {p}"
            );
        }
    }
}

#[test]
fn blocks_match_the_naive_product_across_all_their_borders() {
    let mut rng = Rng::new(8, 1, 0);
    // more rows than a task, more terms than a chain, ragged panels and tiles; random strides reach the blocks half of the time
    for dims in [
        [127, 33, 1537],
        [24, 12, 769],
        [121, 65, 256],
        [250, 17, 40],
    ] {
        for _ in 0..4 {
            check::<f32>(&mut rng, dims);
            check::<f64>(&mut rng, dims);
        }
    }
}

/// Element `(i, j)` of a product of row-major operands, in f64.
fn naive(a: MatRef<'_, f32>, b: MatRef<'_, f32>, i: usize, j: usize) -> f64 {
    let (a, b) = (a.raw(), b.raw());
    // SAFETY: the callers ask for elements of their operands only.
    let term = |p: usize| unsafe { f64::from(*a.at(i, p).ptr) * f64::from(*b.at(p, j).ptr) };
    (0..DEPTH).map(term).sum()
}

/// Terms of the products of the two tests below.
const DEPTH: usize = 70;

/// A row-major matrix, its transpose's transpose, and a stepped one, all of `(rows, cols)`.
fn layouts(data: &[f32], rows: usize, cols: usize) -> [MatRef<'_, f32>; 3] {
    let stepped = [2 * cols as isize + 3, 2];
    [
        MatRef::row_major(data, rows, cols),
        MatRef::row_major(data, cols, rows).transpose(),
        MatRef::new(data, 1, [rows, cols], stepped),
    ]
}

#[test]
fn blocks_and_strips_read_operands_of_any_layout() {
    let mut rng = Rng::new(10, 1, 0);
    let (m, k) = (53, DEPTH);
    for n in [16, 48, 112, 130] {
        let mut random = |rows: usize, cols: usize| -> Vec<f32> {
            let reach = rows * (2 * cols + 3) + 2;
            (0..reach).map(|_| rng.range(-1.0, 1.0) as f32).collect()
        };
        let (left, right) = (random(m, k), random(k, n));
        for a in layouts(&left, m, k) {
            for b in layouts(&right, k, n) {
                for accum in [Accum::Replace, Accum::Add] {
                    let mut in_blocks = vec![0.5_f32; m * n];
                    let mut in_strips = in_blocks.clone();
                    let base = if accum == Accum::Add { 0.5 } else { 0.0 };
                    let mut dst = MatMut::row_major(&mut in_blocks, m, n);
                    let product = Product::new(&mut dst, accum, a, b);
                    // SAFETY: the constructors proved the bounds of all operands, and dst is an allocation of its own.
                    unsafe { product.blocked(false) };
                    gemm_small(MatMut::row_major(&mut in_strips, m, n), accum, a, b);
                    for (at, (&x, &y)) in in_blocks.iter().zip(&in_strips).enumerate() {
                        let expected = base + naive(a, b, at / n, at % n);
                        for got in [x, y] {
                            let error = (f64::from(got) - expected).abs();
                            assert!(
                                error < 1e-5,
                                "{accum:?} n {n} at {at}: {got}, not {expected}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn panels_are_the_transpose_filled_up_with_zeros() {
    let mut rng = Rng::new(11, 1, 0);
    for (rows, cols) in [(1, 1), (16, 16), (64, 5), (77, 33), (130, 48)] {
        let data: Vec<f32> = (0..rows * (2 * cols + 3) + 2)
            .map(|_| rng.range(-1.0, 1.0) as f32)
            .collect();
        for x in layouts(&data, rows, cols) {
            let mut dst = vec![f32::NAN; rows.next_multiple_of(PANEL) * cols];
            transposed_panels(&mut dst, x);
            for (at, &got) in dst.iter().enumerate() {
                let (panel, rest) = (at / (PANEL * cols), at % (PANEL * cols));
                let (row, col) = (panel * PANEL + rest % PANEL, rest / PANEL);
                let place = x.raw().at(row.min(rows - 1), col).ptr;
                // SAFETY: an element of x.
                let value = unsafe { *place };
                let expected = if row < rows { value } else { 0.0 };
                assert_eq!(got, expected, "({rows}, {cols}) at ({row}, {col})");
            }
        }
    }
}

#[test]
fn the_bits_of_an_element_in_blocks_do_not_depend_on_what_is_around_it() {
    let (m, n, k) = (260, 150, 700);
    let mut rng = Rng::new(9, 1, 0);
    let mut random =
        |len: usize| -> Vec<f32> { (0..len).map(|_| rng.range(-1.0, 1.0) as f32).collect() };
    let (a, b) = (random(k * m), random(k * n));
    let product = |rows: std::ops::Range<usize>, cols: std::ops::Range<usize>, threads: usize| {
        let mut dst = vec![0.0_f32; rows.len() * cols.len()];
        let a = MatRef::new(&a, rows.start, [rows.len(), k], [1, m as isize]);
        let b = MatRef::new(&b, cols.start, [k, cols.len()], [n as isize, 1]);
        with_threads(threads, || {
            gemm(
                MatMut::row_major(&mut dst, rows.len(), cols.len()),
                Accum::Replace,
                a,
                b,
            );
        });
        dst
    };
    let whole = product(0..m, 0..n, 1);
    assert_eq!(whole, product(0..m, 0..n, 3));
    let part = product(131..171, 40..77, 2);
    for (i, row) in part.chunks_exact(37).enumerate() {
        assert_eq!(row, &whole[(131 + i) * n + 40..][..37]);
    }
}

#[test]
fn matches_naive_product_on_random_shapes_and_strides() {
    let mut rng = Rng::new(7, 1, 0);
    for round in 0..400 {
        let side = |rng: &mut Rng| if rng.bernoulli(0.15) { rng.below(2) } else { rng.below(70) } as usize;
        let dims = [side(&mut rng), side(&mut rng), side(&mut rng)];
        if round % 2 == 0 {
            check::<f32>(&mut rng, dims)
        } else {
            check::<f64>(&mut rng, dims)
        }
    }
    for dims in [
        [300, 97, 310],
        [1, 2000, 700],
        [1500, 1, 300],
        [5, 7, 20_000],
        [97, 600, 129],
    ] {
        check::<f32>(&mut rng, dims);
        check::<f64>(&mut rng, dims);
    }
}

#[test]
fn same_bits_for_any_number_of_threads() {
    let mut rng = Rng::new(3, 2, 0);
    for [m, n, k] in [
        [300, 500, 200],
        [1, 4000, 300],
        [4000, 1, 300],
        [6, 75, 50_000],
        [1, 1, 70_000],
        [129, 1025, 64],
    ] {
        let a = Operand::<f32>::random(&mut rng, m, k, false);
        let b = Operand::<f32>::random(&mut rng, k, n, false);
        let run = |threads| {
            let mut dst = vec![0f32; m * n];
            with_threads(threads, || {
                gemm(
                    MatMut::row_major(&mut dst, m, n),
                    Accum::Replace,
                    a.mat(),
                    b.mat(),
                )
            });
            dst.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        };
        let one = run(1);
        for threads in [2, 3, 4, 7] {
            assert!(
                run(threads) == one,
                "({m}, {n}, {k}) differs with {threads} threads"
            );
        }
    }
}

#[test]
fn museum_46_zero_sizes() {
    let empty: [f32; 0] = [];
    let mut dst = [f32::NAN; 6];
    gemm(
        MatMut::row_major(&mut dst, 2, 3),
        Accum::Replace,
        MatRef::row_major(&empty, 2, 0),
        MatRef::row_major(&empty, 0, 3),
    );
    assert_eq!(dst, [0.0; 6]);
    gemm_bias(
        MatMut::row_major(&mut dst, 2, 3),
        MatRef::row_major(&empty, 2, 0),
        MatRef::row_major(&empty, 0, 3),
        &[1.0, 2.0, 3.0],
    );
    assert_eq!(dst, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
    let before = dst;
    gemm(
        MatMut::row_major(&mut dst, 2, 3),
        Accum::Add,
        MatRef::row_major(&empty, 2, 0),
        MatRef::row_major(&empty, 0, 3),
    );
    assert_eq!(dst, before);
    gemm(
        MatMut::row_major(&mut [], 0, 3),
        Accum::Replace,
        MatRef::row_major(&empty, 0, 6),
        MatRef::row_major(&[1f32; 18], 6, 3),
    );
}

#[test]
fn replace_does_not_read_the_destination_and_inputs_spread_nan() {
    for [m, n, k] in [
        [2, 3, 4],
        [1, 9, 5],
        [9, 1, 5],
        [70, 80, 90],
        [200, 200, 200],
    ] {
        let mut dst = vec![f64::NAN; m * n];
        let (mut a, b) = (vec![1.0f64; m * k], vec![1.0; k * n]);
        gemm(
            MatMut::row_major(&mut dst, m, n),
            Accum::Replace,
            MatRef::row_major(&a, m, k),
            MatRef::row_major(&b, k, n),
        );
        assert!(dst.iter().all(|&v| v == k as f64));
        a[k - 1] = f64::NAN;
        let zeros = vec![0.0; k * n];
        gemm(
            MatMut::row_major(&mut dst, m, n),
            Accum::Replace,
            MatRef::row_major(&a, m, k),
            MatRef::row_major(&zeros, k, n),
        );
        assert!(
            dst[..n].iter().all(|v| v.is_nan()),
            "0 · NaN is NaN in row 0 of ({m}, {n}, {k})"
        );
        assert!(dst[n..].iter().all(|&v| v == 0.0));
    }
}

fn batched_case(x: &Tensor, y: &Tensor, batch: &[usize], [m, n, k]: [usize; 3]) {
    let expand = |t: &Tensor, rows: usize, cols: usize| {
        let dims: Vec<usize> = batch.iter().copied().chain([rows, cols]).collect();
        t.expand(dims).expect("expands")
    };
    let (x, y) = (expand(x, m, k), expand(y, k, n));
    let items: usize = batch.iter().product();
    let mut dst = vec![f32::NAN; items * m * n];
    gemm_batched(
        &mut dst,
        Accum::Replace,
        x.view().expect("f32"),
        y.view().expect("f32"),
    );
    let (xs, ys) = (
        x.to_vec::<f32>().expect("f32"),
        y.to_vec::<f32>().expect("f32"),
    );
    for b in 0..items {
        for i in 0..m {
            for j in 0..n {
                let expected: f64 = (0..k)
                    .map(|p| {
                        f64::from(xs[(b * m + i) * k + p]) * f64::from(ys[(b * k + p) * n + j])
                    })
                    .sum();
                let got = f64::from(dst[(b * m + i) * n + j]);
                assert!(
                    (got - expected).abs() < 1e-4,
                    "item {b} ({i}, {j}): {got} {expected}"
                );
            }
        }
    }
}

fn random(seed: u64, dims: &[usize]) -> Tensor {
    let mut rng = Rng::new(seed, 0, 0);
    let shape = Shape::new(dims).expect("shape");
    Tensor::build(shape, |d: &mut [f32]| {
        d.iter_mut().for_each(|v| *v = rng.range(-1.0, 1.0) as f32)
    })
    .expect("build")
}

#[test]
fn batched_products_broadcast_and_take_views() {
    batched_case(
        &random(1, &[3, 4, 5, 6]),
        &random(2, &[3, 4, 6, 7]),
        &[3, 4],
        [5, 7, 6],
    );
    batched_case(&random(1, &[4, 5, 6]), &random(2, &[6, 7]), &[4], [5, 7, 6]);
    batched_case(&random(1, &[5, 6]), &random(2, &[3, 6, 7]), &[3], [5, 7, 6]);
    batched_case(
        &random(1, &[3, 1, 5, 6]),
        &random(2, &[2, 6, 7]),
        &[3, 2],
        [5, 7, 6],
    );
    let transposed = random(3, &[2, 6, 5]).transpose(1, 2).expect("transpose");
    batched_case(&transposed, &random(2, &[2, 6, 7]), &[2], [5, 7, 6]);
    batched_case(
        &random(1, &[3, 150, 160]),
        &random(2, &[3, 160, 140]),
        &[3],
        [150, 140, 160],
    );
    batched_case(
        &random(1, &[0, 5, 6]),
        &random(2, &[0, 6, 7]),
        &[0],
        [5, 7, 6],
    );
    batched_case(
        &random(1, &[3, 5, 0]),
        &random(2, &[3, 0, 7]),
        &[3],
        [5, 7, 0],
    );
}

#[test]
fn a_batch_of_one_matrix_is_one_tall_product_with_the_same_values() {
    assert_eq!(merged_stride(&[3, 4], &[20, 5]), Some(5));
    assert_eq!(merged_stride(&[3, 4], &[21, 5]), None);
    assert_eq!(merged_stride(&[3, 1, 4], &[20, 77, 5]), Some(5));
    let x = random(5, &[16, 33, 20]);
    let layout = Layout::contiguous(Shape::new(&[16, 33, 20]).expect("shape"));
    assert_eq!(x.view::<f32>().expect("f32").strides(), layout.strides());
    batched_case(&x, &random(6, &[20, 9]), &[16], [33, 9, 20]);
}

#[test]
fn grids_depend_on_the_shape_and_cover_it() {
    for [m, n, k] in [
        [1000, 1000, 1000],
        [64, 100_000, 64],
        [4096, 64, 4096],
        [2, 3, 4],
    ] {
        let grid = Grid::of(m, n, k);
        assert!(grid.tile_m * grid.down >= m && grid.tile_n * grid.across >= n);
        assert!(grid.tiles() <= 2 * MAX_TILES);
    }
    assert!(Grid::of(1000, 1000, 1000).tiles() >= 8);
}
