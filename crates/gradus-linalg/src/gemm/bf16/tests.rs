//! Products in bf16 against sums in f64 of rounded operands.

use gradus_random::Rng;

use super::*;
use crate::threads::with_threads;

/// A matrix in its own slice, its elements any way apart.
struct Operand<T> {
    data: Vec<T>,
    offset: usize,
    dims: [usize; 2],
    strides: [isize; 2],
}

impl<T: Rounded> Operand<T> {
    fn random(rng: &mut Rng, dims: [usize; 2], of: fn(f64) -> T) -> Self {
        let [rows, cols] = dims;
        let (pad, step) = (rng.below(3) as isize, 1 + (rng.below(4) / 3) as isize);
        let mut strides = if rng.bernoulli(0.5) {
            [cols as isize * step + pad, step]
        } else {
            [step, rows as isize * step + pad]
        };
        if rng.bernoulli(0.15) {
            strides = strides.map(|s| -s);
        }
        let reach = |d: usize, s: isize| (d.max(1) - 1) as isize * s;
        let spans = [reach(rows, strides[0]), reach(cols, strides[1])];
        let low: isize = spans.iter().map(|s| s.min(&0)).sum();
        let high: isize = spans.iter().map(|s| s.max(&0)).sum();
        let offset = (-low) as usize + rng.below(4) as usize;
        let len = offset + high as usize + 1 + rng.below(2) as usize;
        Self {
            data: (0..len).map(|_| of(rng.range(-1.0, 1.0))).collect(),
            offset,
            dims,
            strides,
        }
    }

    fn at(&self, i: usize, j: usize) -> usize {
        (self.offset as isize + self.strides[0] * i as isize + self.strides[1] * j as isize)
            as usize
    }

    fn get(&self, i: usize, j: usize) -> f64 {
        self.data[self.at(i, j)].to_bf16().to_f64()
    }

    fn mat(&self) -> MatRef<'_, T> {
        MatRef::new(&self.data, self.offset, self.dims, self.strides)
    }
}

fn wide(x: f64) -> f32 {
    x as f32
}

fn check<A: Rounded, B: Rounded>(
    rng: &mut Rng,
    [m, n, k]: [usize; 3],
    a: fn(f64) -> A,
    b: fn(f64) -> B,
) {
    let a = Operand::random(rng, [m, k], a);
    let b = Operand::random(rng, [k, n], b);
    let start = Operand::random(rng, [m, n], wide);
    let bias: Vec<f32> = (0..n).map(|_| rng.range(-1.0, 1.0) as f32).collect();
    for mode in 0..3 {
        let mut dst = start.data.clone();
        let view = MatMut::new(&mut dst, start.offset, start.dims, start.strides);
        match mode {
            0 => gemm_bf16(view, Accum::Replace, a.mat(), b.mat(), None),
            1 => gemm_bf16(view, Accum::Add, a.mat(), b.mat(), None),
            _ => gemm_bf16(view, Accum::Replace, a.mat(), b.mat(), Some(&bias)),
        }
        let mut touched = vec![false; dst.len()];
        for i in 0..m {
            for j in 0..n {
                let base = [
                    0.0,
                    f64::from(start.data[start.at(i, j)]),
                    f64::from(bias[j]),
                ][mode];
                let (mut sum, mut size) = (base, base.abs());
                for p in 0..k {
                    let term = a.get(i, p) * b.get(p, j);
                    sum += term;
                    size += term.abs();
                }
                let got = f64::from(dst[start.at(i, j)]);
                // Each sum of f32 rounds by 2⁻²⁴ of at most the sum of magnitudes; a chain has DEPTH of them, then one a part.
                let sums = (k.min(DEPTH) + k / DEPTH + 2) as f64;
                let bound = size * sums * 2.0_f64.powi(-24);
                assert!(
                    (got - sum).abs() <= bound,
                    "{m} × {k} · {k} × {n}, mode {mode}, ({i}, {j}): {got} is not {sum}"
                );
                touched[start.at(i, j)] = true;
            }
        }
        for (place, &old) in start.data.iter().enumerate() {
            assert!(
                touched[place] || dst[place] == old,
                "a place outside changed"
            );
        }
    }
}

const SIZES: [[usize; 3]; 19] = [
    [1, 1, 1],
    [1, 70, 33],
    [70, 1, 5],
    [6, 64, 2],
    [7, 65, 3],
    [5, 63, 31],
    [13, 17, 1],
    [49, 16, 66],
    [48, 48, 48],
    [100, 10, 120],
    [3, 200, 513],
    [20, 33, 1024],
    [33, 20, 1300],
    [300, 40, 7],
    [11, 129, 97],
    [96, 80, 64],
    [1, 100, 1700],
    [2, 37, 800],
    [2, 4100, 150],
];

#[test]
fn matches_sums_in_f64_for_all_layouts() {
    let mut rng = Rng::new(7, 0, 0);
    for dims in SIZES {
        for _ in 0..4 {
            check(&mut rng, dims, wide, wide);
        }
        check(&mut rng, dims, wide, bf16::from_f64);
        check(&mut rng, dims, bf16::from_f64, wide);
        check(&mut rng, dims, bf16::from_f64, bf16::from_f64);
    }
}

#[test]
fn random_sizes() {
    let mut rng = Rng::new(8, 0, 0);
    for _ in 0..60 {
        let dims = [(); 3].map(|()| 1 + rng.below(90) as usize);
        check(&mut rng, dims, wide, wide);
    }
}

#[test]
fn the_path_without_the_instructions_agrees() {
    let mut rng = Rng::new(9, 0, 0);
    for [m, n, k] in SIZES {
        let a = Operand::random(&mut rng, [m, k], wide);
        let b = Operand::random(&mut rng, [k, n], wide);
        let (mut dst, mut other) = (vec![f32::NAN; m * n], vec![f32::NAN; m * n]);
        gemm_bf16(
            MatMut::row_major(&mut dst, m, n),
            Accum::Replace,
            a.mat(),
            b.mat(),
            None,
        );
        let job = Job {
            dst: MatMut::row_major(&mut other, m, n).raw(),
            accum: Accum::Replace,
            a: a.mat().raw(),
            b: b.mat().raw(),
            dims: [m, n, k],
            bias: None,
        };
        // SAFETY: the operands live, and the destination is its own.
        unsafe { job.elsewhere(false) };
        for (x, y) in dst.iter().zip(&other) {
            assert!(
                (x - y).abs() <= k as f32 * 2.0_f32.powi(-23),
                "{x} {y}, {m} {n} {k}"
            );
        }
    }
}

#[test]
fn empty_products() {
    let (none, bias): ([f32; 0], _) = ([], [1.0, 2.0, 3.0]);
    let mut dst = [7.0_f32; 6];
    let (a, b) = (
        MatRef::row_major(&none, 2, 0),
        MatRef::row_major(&none, 0, 3),
    );
    gemm_bf16(MatMut::row_major(&mut dst, 2, 3), Accum::Add, a, b, None);
    assert_eq!(dst, [7.0; 6]);
    gemm_bf16(
        MatMut::row_major(&mut dst, 2, 3),
        Accum::Replace,
        a,
        b,
        Some(&bias),
    );
    assert_eq!(dst, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
    gemm_bf16(
        MatMut::row_major(&mut dst, 2, 3),
        Accum::Replace,
        a,
        b,
        None,
    );
    assert_eq!(dst, [0.0; 6]);
    let (a, b) = (
        MatRef::row_major(&none, 0, 4),
        MatRef::row_major(&dst[..4], 4, 1),
    );
    gemm_bf16(MatMut::row_major(&mut [], 0, 1), Accum::Replace, a, b, None);
}

#[test]
fn bits_do_not_depend_on_threads_nor_on_neighbours() {
    let mut rng = Rng::new(10, 0, 0);
    for [m, n, k] in [
        [3, 3000, 1500],
        [2, 9000, 300],
        [300, 500, 700],
        [64, 2100, 129],
        [1200, 70, 1100],
    ] {
        let a = Operand::random(&mut rng, [m, k], wide);
        let b = Operand::random(&mut rng, [k, n], wide);
        let run = |threads: usize| {
            let mut dst = vec![0.0_f32; m * n];
            with_threads(threads, || {
                let view = MatMut::row_major(&mut dst, m, n);
                gemm_bf16(view, Accum::Replace, a.mat(), b.mat(), None);
            });
            dst
        };
        let one = run(1);
        for threads in [2, 3, 4] {
            assert!(one == run(threads), "{threads} threads");
        }
        // A part alone has the bits that it has in the whole.
        let (rows, cols) = (7, 20);
        if m < rows {
            continue;
        }
        fn part(x: &Operand<f32>, dims: [usize; 2]) -> MatRef<'_, f32> {
            MatRef::new(&x.data, x.offset, dims, x.strides)
        }
        let mut dst = vec![0.0_f32; rows * cols];
        gemm_bf16(
            MatMut::row_major(&mut dst, rows, cols),
            Accum::Replace,
            part(&a, [rows, k]),
            part(&b, [k, cols]),
            None,
        );
        for (i, row) in dst.chunks_exact(cols).enumerate() {
            assert_eq!(row, &one[i * n..][..cols]);
        }
    }
}

#[test]
fn special_values_pass_through() {
    let product = |x: f32, y: f32| {
        let mut dst = [f32::NAN; 1];
        let (a, b) = ([x], [y]);
        gemm_bf16(
            MatMut::row_major(&mut dst, 1, 1),
            Accum::Replace,
            MatRef::row_major(&a, 1, 1),
            MatRef::row_major(&b, 1, 1),
            None,
        );
        dst[0]
    };
    assert!(product(f32::NAN, 1.0).is_nan() && product(0.0, f32::INFINITY).is_nan());
    assert_eq!(product(f32::INFINITY, -2.0), f32::NEG_INFINITY);
    assert_eq!(product(f32::MAX, 1.0), f32::INFINITY);
    // Ties to even: 1 + 2⁻⁸ lies between 1 and 1 + 2⁻⁷.
    assert_eq!(product(1.0 + 2.0_f32.powi(-8), 1.0), 1.0);
    assert_eq!(
        product(1.0 + 3.0 * 2.0_f32.powi(-8), 1.0),
        1.0 + 2.0_f32.powi(-6)
    );
}

#[test]
fn f64_stays_as_it_is() {
    let x = [1.0_f64 + 2.0_f64.powi(-40)];
    let mut dst = [0.0];
    gemm_in(
        Precision::Bf16,
        MatMut::row_major(&mut dst, 1, 1),
        Accum::Replace,
        MatRef::row_major(&x, 1, 1),
        MatRef::row_major(&[1.0], 1, 1),
    );
    assert_eq!(dst, x);
}
