//! Norms against two-pass f64 references and whole Jacobians, hard means, and thread counts.

use gradus_random::Rng;
use gradus_testing::norm::{moments as reference_moments, normalise, normalise_backward};

use super::*;
use crate::threads::with_threads;

const EPS: f64 = 1e-5;

fn numbers(n: usize, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed, 0, 0);
    (0..n).map(|_| rng.range(-1.0, 2.0)).collect()
}

fn close(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len());
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!(
            (g - e).abs() <= tolerance * (1.0 + e.abs()),
            "{what} at {i}: {g}, expected {e}"
        );
    }
}

#[test]
fn batch_norm_matches_the_reference_forward_and_backward() {
    for dims in [[4, 3, 10], [1, 2, 7], [5, 4, 1], [2, 3, 33], [3, 1, 4]] {
        let [n, c, s] = dims;
        let (x, g, w, b) = (
            numbers(n * c * s, 1),
            numbers(n * c * s, 2),
            numbers(c, 3),
            numbers(c, 4),
        );
        let affine = Affine {
            weight: Some(&w),
            bias: Some(&b),
        };
        let (mut y, mut mean, mut inv_std, mut var) = (
            vec![f64::NAN; x.len()],
            vec![0.0; c],
            vec![0.0; c],
            vec![0.0; c],
        );
        let stats = BatchStats {
            mean: &mut mean,
            inv_std: &mut inv_std,
            var: &mut var,
        };
        batch_norm(&mut y, stats, &x, affine, EPS, dims);
        let (mut dx, mut dw, mut db) = (vec![f64::NAN; x.len()], vec![0.0; c], vec![0.0; c]);
        batch_norm_backward(
            &mut dx,
            &mut dw,
            &mut db,
            &g,
            &x,
            &mean,
            &inv_std,
            Some(&w),
            true,
            dims,
        );
        let (mut eval, mut eval_dx) = (vec![f64::NAN; x.len()], vec![f64::NAN; x.len()]);
        batch_norm_eval(&mut eval, &x, &mean, &var, affine, EPS, dims);
        close("eval with the batch's own statistics", &eval, &y, 1e-12);
        batch_norm_backward(
            &mut eval_dx,
            &mut dw,
            &mut db,
            &g,
            &x,
            &mean,
            &inv_std,
            Some(&w),
            false,
            dims,
        );
        for channel in 0..c {
            let places: Vec<usize> = (0..n)
                .flat_map(|i| (0..s).map(move |p| (i * c + channel) * s + p))
                .collect();
            let take = |v: &[f64]| places.iter().map(|&p| v[p]).collect::<Vec<_>>();
            let (xs, gs) = (take(&x), take(&g));
            let (m, v) = reference_moments(&xs, true);
            close("mean, var", &[mean[channel], var[channel]], &[m, v], 1e-12);
            let normal = normalise(&xs, EPS, true);
            let expected: Vec<f64> = normal.iter().map(|v| v * w[channel] + b[channel]).collect();
            close("forward", &take(&y), &expected, 1e-11);
            let scaled: Vec<f64> = gs.iter().map(|g| g * w[channel]).collect();
            close(
                "grad_x",
                &take(&dx),
                &normalise_backward(&xs, &scaled, EPS, true),
                1e-9,
            );
            let grads = [
                gs.iter().zip(&normal).map(|(g, v)| g * v).sum::<f64>(),
                gs.iter().sum(),
            ];
            close(
                "grad_weight, grad_bias",
                &[dw[channel], db[channel]],
                &grads,
                1e-11,
            );
            let fixed: Vec<f64> = gs
                .iter()
                .map(|g| g * w[channel] * inv_std[channel])
                .collect();
            close("grad_x in evaluation", &take(&eval_dx), &fixed, 1e-12);
        }
    }
}

#[test]
fn row_norms_match_the_reference_forward_and_backward() {
    for (rows, len) in [(5, 8), (71, 35), (1, 1), (130, 3)] {
        let (x, g, w, b) = (
            numbers(rows * len, 1),
            numbers(rows * len, 2),
            numbers(len, 3),
            numbers(len, 4),
        );
        for centre in [true, false] {
            let (mut y, mut mean, mut rstd) =
                (vec![f64::NAN; x.len()], vec![0.0; rows], vec![0.0; rows]);
            let (mut dx, mut dw, mut db) =
                (vec![f64::NAN; x.len()], vec![f64::NAN; len], vec![0.0; len]);
            if centre {
                let affine = Affine {
                    weight: Some(&w),
                    bias: Some(&b),
                };
                layer_norm(&mut y, &mut mean, &mut rstd, &x, affine, EPS, len);
                layer_norm_backward(&mut dx, &mut dw, &mut db, &g, &x, &mean, &rstd, Some(&w));
            } else {
                rms_norm(&mut y, &mut rstd, &x, Some(&w), EPS, len);
                rms_norm_backward(&mut dx, &mut dw, &g, &x, &rstd, Some(&w));
            }
            let (mut weights, mut biases) = (vec![0.0; len], vec![0.0; len]);
            for row in 0..rows {
                let range = row * len..(row + 1) * len;
                let (xs, gs) = (&x[range.clone()], &g[range.clone()]);
                let normal = normalise(xs, EPS, centre);
                let shift = |i: usize| if centre { b[i] } else { 0.0 };
                let expected: Vec<f64> = (0..len).map(|i| normal[i] * w[i] + shift(i)).collect();
                close("forward", &y[range.clone()], &expected, 1e-11);
                let scaled: Vec<f64> = gs.iter().zip(&w).map(|(g, w)| g * w).collect();
                close(
                    "grad_x",
                    &dx[range],
                    &normalise_backward(xs, &scaled, EPS, centre),
                    1e-8,
                );
                for i in 0..len {
                    weights[i] += gs[i] * normal[i];
                    biases[i] += if centre { gs[i] } else { 0.0 };
                }
            }
            close("grad_weight", &dw, &weights, 1e-11);
            close("grad_bias", &db, &biases, 1e-11);
        }
    }
}

/// f32 rows of `scale · normal + mean`.
fn far(mean: f64, scale: f64, n: usize) -> Vec<f32> {
    let mut rng = Rng::new(9, 1, 0);
    (0..n)
        .map(|_| (mean + scale * rng.normal()) as f32)
        .collect()
}

fn variance(values: &[f32]) -> f64 {
    reference_moments(
        &values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>(),
        true,
    )
    .1
}

#[test]
fn museum_52_means_far_from_zero_keep_their_digits() {
    let plain = Affine {
        weight: None,
        bias: None,
    };
    let x = far(2000.0, 1.0, 20);
    let (mut y, mut mean, mut rstd) = (vec![0.0; 20], vec![0.0; 5], vec![0.0; 5]);
    layer_norm(&mut y, &mut mean, &mut rstd, &x, plain, EPS, 4);
    for row in y.chunks(4) {
        assert!(
            (variance(row) - 1.0).abs() < 1e-3,
            "variance {}",
            variance(row)
        );
    }
    let x = far(100.0, 0.01, 32_768);
    let (mut y, mut m, mut r, mut v) = (vec![0.0; x.len()], [0.0], [0.0], [0.0]);
    let stats = BatchStats {
        mean: &mut m,
        inv_std: &mut r,
        var: &mut v,
    };
    batch_norm(&mut y, stats, &x, plain, 0.0, [8, 1, 4096]);
    assert!(
        (f64::from(v[0]) / variance(&x) - 1.0).abs() < 1e-6
            && (f64::from(v[0]) - 1e-4).abs() < 3e-6,
        "{v:?}"
    );
    let x = far(0.0, 1e30, 64);
    let (mut y, mut mean, mut rstd) = (vec![0.0; 64], vec![0.0; 1], vec![0.0; 1]);
    layer_norm(&mut y, &mut mean, &mut rstd, &x, plain, EPS, 64);
    assert!((variance(&y) - 1.0).abs() < 1e-3);
    rms_norm(&mut y, &mut rstd, &x, None, EPS, 64);
    assert!(y.iter().all(|v| v.is_finite()));
}

#[test]
fn museum_53_normalises_with_the_biased_variance() {
    let plain = Affine {
        weight: None,
        bias: None,
    };
    let (mut y, mut m, mut r, mut v) = ([0f64; 2], [0.0], [0.0], [0.0]);
    let stats = BatchStats {
        mean: &mut m,
        inv_std: &mut r,
        var: &mut v,
    };
    batch_norm(&mut y, stats, &[1.0, 3.0], plain, 0.0, [2, 1, 1]);
    assert_eq!((y, m[0], v[0]), ([-1.0, 1.0], 2.0, 1.0));
}

#[test]
fn museum_46_and_nan_pass_through() {
    let plain = Affine {
        weight: None,
        bias: None,
    };
    let mut none: [f32; 0] = [];
    let (mut m, mut r, mut v) = ([0.0], [0.0], [0.0]);
    let stats = BatchStats {
        mean: &mut m,
        inv_std: &mut r,
        var: &mut v,
    };
    batch_norm(&mut none, stats, &[], plain, EPS, [0, 1, 5]);
    layer_norm(&mut none, &mut [], &mut [], &[], plain, EPS, 5);
    let (mut dw, mut db) = ([9.0], [9.0]);
    batch_norm_backward(
        &mut [],
        &mut dw,
        &mut db,
        &none,
        &[],
        &[0f32],
        &[1.0],
        None,
        true,
        [0, 1, 5],
    );
    assert_eq!((dw, db), ([0.0], [0.0]));
    let mut y = [0.0f32; 3];
    layer_norm(
        &mut y,
        &mut [0.0],
        &mut [0.0],
        &[1.0, f32::NAN, 2.0],
        plain,
        EPS,
        3,
    );
    assert!(y.iter().all(|v| v.is_nan()), "{y:?}");
}

#[test]
fn same_bits_for_any_number_of_threads() {
    let dims = [6, 40, 300];
    let x: Vec<f32> = numbers(6 * 40 * 300, 1)
        .into_iter()
        .map(|v| v as f32)
        .collect();
    let g: Vec<f32> = numbers(x.len(), 2).into_iter().map(|v| v as f32).collect();
    let run = |threads| {
        with_threads(threads, || {
            let (mut y, mut dx, mut m, mut r, mut v) = (
                vec![0f32; x.len()],
                vec![0.0; x.len()],
                vec![0.0; 40],
                vec![0.0; 40],
                vec![0.0; 40],
            );
            let plain = Affine {
                weight: None,
                bias: None,
            };
            let stats = BatchStats {
                mean: &mut m,
                inv_std: &mut r,
                var: &mut v,
            };
            batch_norm(&mut y, stats, &x, plain, EPS, dims);
            let (mut dw, mut db) = (vec![0.0; 40], vec![0.0; 40]);
            batch_norm_backward(&mut dx, &mut dw, &mut db, &g, &x, &m, &r, None, true, dims);
            let (mut rows, mut mean, mut rstd) =
                (vec![0f32; x.len()], vec![0.0; 240], vec![0.0; 240]);
            layer_norm(&mut rows, &mut mean, &mut rstd, &x, plain, EPS, 300);
            let (mut lw, mut lb, mut ldx) = (vec![0.0; 300], vec![0.0; 300], vec![0.0; x.len()]);
            layer_norm_backward(&mut ldx, &mut lw, &mut lb, &g, &x, &mean, &rstd, None);
            [y, dx, dw, db, rows, lw, lb, ldx].concat()
        })
    };
    let one = run(1);
    (2..=4).for_each(|threads| assert!(run(threads) == one, "{threads} threads"));
}
