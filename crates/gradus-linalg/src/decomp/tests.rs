//! Each decomposition by what defines it, on sizes that reach faer's blocked paths.

use super::*;
use gradus_random::Rng;

fn random(rows: usize, columns: usize) -> Vec<f64> {
    let mut rng = Rng::new(1, rows as u64, columns as u64);
    (0..rows * columns).map(|_| rng.normal()).collect()
}

fn product(a: &[f64], b: &[f64], [m, k, n]: [usize; 3]) -> Vec<f64> {
    let element = |at: usize| (0..k).map(|i| a[at / n * k + i] * b[i * n + at % n]).sum();
    (0..m * n).map(element).collect()
}

fn transposed(a: &[f64], m: usize, n: usize) -> Vec<f64> {
    (0..m * n).map(|at| a[at % m * n + at / m]).collect()
}

#[track_caller]
fn close(got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    let far = got.iter().zip(want).map(|(g, w)| (g - w).abs());
    let far = far.fold(0.0, f64::max);
    assert!(far <= tolerance, "off by {far}");
}

fn unit(n: usize) -> Vec<f64> {
    (0..n * n)
        .map(|at| f64::from(u8::from(at / n == at % n)))
        .collect()
}

const SIZES: [usize; 5] = [1, 2, 7, 40, 150];

#[test]
fn cholesky_factors_multiply_to_the_matrix() {
    for n in SIZES {
        let x = random(n, n);
        let mut a = product(&x, &transposed(&x, n, n), [n, n, n]);
        (0..n).for_each(|i| a[i * n + i] += n as f64);
        let mut l = vec![9.0; n * n];
        cholesky(&mut l, &a, n).unwrap();
        assert!((0..n * n).all(|at| at % n <= at / n || l[at] == 0.0));
        close(&product(&l, &transposed(&l, n, n), [n, n, n]), &a, 1e-10);
    }
    let mut l = [0.0; 4];
    for a in [[1.0, 0.0, 2.0, 1.0], [0.0; 4], [f64::NAN, 0.0, 0.0, 1.0]] {
        assert_eq!(cholesky(&mut l, &a, 2), Err(Failure::NotPositiveDefinite));
    }
}

#[test]
fn systems_are_solved() {
    for n in SIZES {
        let (a, b) = (random(n, n), random(n, 3));
        let mut x = vec![0.0; 3 * n];
        let factors = lu(&a, n, n);
        factors.solve(&mut x, &b, 3).unwrap();
        close(&product(&a, &x, [n, n, 3]), &b, 1e-9);
        for (upper, one) in [(false, false), (false, true), (true, false), (true, true)] {
            let kept = |at: usize| {
                let (i, j) = (at / n, at % n);
                match i == j {
                    true => {
                        if one {
                            1.0
                        } else {
                            a[at] + 3.0
                        }
                    }
                    false => {
                        if (j > i) == upper {
                            a[at] / n as f64
                        } else {
                            0.0
                        }
                    }
                }
            };
            let t: Vec<f64> = (0..n * n).map(kept).collect();
            let mut given = t.clone();
            // What is not to be read is wrong.
            for at in 0..n * n {
                let (i, j) = (at / n, at % n);
                if i == j && one || i != j && (j > i) != upper {
                    given[at] = f64::NAN;
                }
            }
            let triangle = Triangle { upper, unit: one };
            solve_triangular(&mut x, &given, &b, [n, 3], triangle).unwrap();
            close(&product(&t, &x, [n, n, 3]), &b, 1e-8);
        }
    }
    assert_eq!(lu(&[0.0; 9], 3, 3).determinant(), 0.0);
    assert_eq!(lu(&[0.0, 2.0, 3.0, 0.0], 2, 2).determinant(), -6.0);
    assert_eq!(lu(&[], 0, 0).log_determinant(), (1.0, 0.0));
    let mut x = [0.0; 2];
    let singular = [1.0, 2.0, 2.0, 4.0];
    assert_eq!(
        lu(&singular, 2, 2).solve(&mut x, &[1.0; 2], 1),
        Err(Failure::Singular)
    );
}

#[test]
fn orthogonal_factors() {
    for (m, n) in [
        (1, 1),
        (5, 3),
        (3, 5),
        (60, 40),
        (40, 60),
        (200, 150),
        (0, 2),
        (2, 0),
    ] {
        let a = random(m, n);
        let least = m.min(n);
        for k in [least, m] {
            let (mut q, mut r) = (vec![9.0; m * k], vec![9.0; k * n]);
            qr(&mut q, &mut r, &a, [m, n], k);
            close(&product(&q, &r, [m, k, n]), &a, 1e-12);
            close(
                &product(&transposed(&q, m, k), &q, [k, m, k]),
                &unit(k),
                1e-12,
            );
            assert!((0..k * n).all(|at| at / n <= at % n || r[at] == 0.0));
        }
        for full in [false, true] {
            let (k, l) = if full { (m, n) } else { (least, least) };
            let (mut u, mut s, mut vt) = (vec![9.0; m * k], vec![9.0; least], vec![9.0; l * n]);
            svd(&mut u, &mut s, &mut vt, &a, [m, n], full).unwrap();
            assert!(s.is_sorted_by(|x, y| x >= y) && s.iter().all(|&s| s >= 0.0));
            let scaled: Vec<f64> = (0..k * n)
                .map(|at| {
                    if at / n < least {
                        s[at / n] * vt[at]
                    } else {
                        0.0
                    }
                })
                .collect();
            close(&product(&u, &scaled, [m, k, n]), &a, 1e-11);
            close(
                &product(&transposed(&u, m, k), &u, [k, m, k]),
                &unit(k),
                1e-11,
            );
            close(
                &product(&vt, &transposed(&vt, l, n), [l, n, l]),
                &unit(l),
                1e-11,
            );
            let mut alone = vec![0.0; least];
            singular_values(&mut alone, &a, [m, n]).unwrap();
            close(&alone, &s, 1e-11);
        }
    }
}

#[test]
fn eigenvectors_are_scaled_by_their_values() {
    for n in SIZES {
        let x = random(n, n);
        for upper in [false, true] {
            let symmetric = |at: usize| {
                let (i, j) = (at / n, at % n);
                if (j > i) == upper || i == j {
                    x[at]
                } else {
                    x[j * n + i]
                }
            };
            let a: Vec<f64> = (0..n * n).map(symmetric).collect();
            let (mut s, mut v) = (vec![0.0; n], vec![0.0; n * n]);
            eigh(&mut s, &mut v, &x, n, upper).unwrap();
            assert!(s.is_sorted());
            let scaled: Vec<f64> = (0..n * n).map(|at| v[at] * s[at % n]).collect();
            close(&product(&a, &v, [n, n, n]), &scaled, 1e-11);
            close(
                &product(&transposed(&v, n, n), &v, [n, n, n]),
                &unit(n),
                1e-11,
            );
            let mut alone = vec![0.0; n];
            eigh(&mut alone, &mut [], &x, n, upper).unwrap();
            close(&alone, &s, 1e-11);
        }
    }
}

#[test]
fn what_cannot_be_decomposed_says_so() {
    let (mut u, mut s, mut vt) = ([0.0; 4], [0.0; 2], [0.0; 4]);
    for bad in [f64::NAN, f64::INFINITY] {
        let a = [1.0, bad, 0.0, 1.0];
        let got = svd(&mut u, &mut s, &mut vt, &a, [2, 2], false);
        assert_eq!(got, Err(Failure::NotFinite));
        assert_eq!(eigh(&mut s, &mut u, &a, 2, true), Err(Failure::NotFinite));
        assert_eq!(eigh(&mut s, &mut u, &a, 2, false), Ok(()));
    }
    for huge in [1e300, 1e-300] {
        let a = [3.0 * huge, 0.0, 0.0, -4.0 * huge];
        svd(&mut u, &mut s, &mut vt, &a, [2, 2], false).unwrap();
        assert!((s[0] / huge - 4.0).abs() < 1e-12 && (s[1] / huge - 3.0).abs() < 1e-12);
        eigh(&mut s, &mut u, &a, 2, false).unwrap();
        assert!((s[0] / huge + 4.0).abs() < 1e-12 && (s[1] / huge - 3.0).abs() < 1e-12);
    }
}

#[test]
fn exponentials() {
    for n in [1, 3, 20] {
        for size in [0.01, 1.0, 30.0] {
            // exp(A) · exp(-A) is the unit matrix.
            let a: Vec<f64> = random(n, n).iter().map(|x| x * size / n as f64).collect();
            let minus: Vec<f64> = a.iter().map(|x| -x).collect();
            let (mut e, mut inverse) = (vec![0.0; n * n], vec![0.0; n * n]);
            matrix_exp(&mut e, &a, n);
            matrix_exp(&mut inverse, &minus, n);
            let most = e
                .iter()
                .chain(&inverse)
                .fold(1.0_f64, |m, x| m.max(x.abs()));
            close(
                &product(&e, &inverse, [n, n, n]),
                &unit(n),
                1e-13 * most * most,
            );
        }
    }
    // A rotation by one radian, and a nilpotent matrix.
    let mut e = [0.0; 4];
    matrix_exp(&mut e, &[0.0, -1.0, 1.0, 0.0], 2);
    let (sin, cos) = 1.0_f64.sin_cos();
    close(&e, &[cos, -sin, sin, cos], 1e-15);
    matrix_exp(&mut e, &[0.0, 1e3, 0.0, 0.0], 2);
    close(&e, &[1.0, 1e3, 0.0, 1.0], 1e-9);
    matrix_exp(&mut e, &[f64::NAN, 0.0, 0.0, 0.0], 2);
    assert!(e.iter().all(|x| x.is_nan()));
}

#[test]
fn equal_bits_wherever_the_memory_lies() {
    let n = 70;
    let a = random(n, n);
    let run = |shift: usize| {
        let mut moved = vec![0.0; shift];
        moved.extend_from_slice(&a);
        let a = &moved[shift..];
        let (mut u, mut s, mut vt) = (vec![0.0; n * n], vec![0.0; n], vec![0.0; n * n]);
        svd(&mut u, &mut s, &mut vt, a, [n, n], false).unwrap();
        lu(a, n, n).solve(&mut vt, &u, n).unwrap();
        let mut q = vec![0.0; n * n];
        qr(&mut q, &mut u, a, [n, n], n);
        eigh(&mut s, &mut u, a, n, false).unwrap();
        [u, s, vt, q].concat()
    };
    let first = run(0);
    for shift in 1..8 {
        assert!(run(shift) == first);
    }
}
