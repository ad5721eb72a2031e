//! Tests of the reductions: against naive f64 on every layout, with the museum's long sums, and with 1 to 4 threads.

use super::*;
use crate::threads::with_threads;
use gradus_tensor::{Element, Layout, Shape};
use gradus_testing::{check_close, check_same_bits, placements, reference, sample};
use proptest::prelude::*;

type Kernel<T> = fn(&mut [T], View<'_, T>, &[usize]);
type Reference = fn(&[f64]) -> f64;

fn kernels<T: Float>() -> Vec<(&'static str, Kernel<T>, Reference)> {
    vec![
        ("sum", sum, |g| g.iter().sum()),
        ("mean", mean, |g| g.iter().sum::<f64>() / g.len() as f64),
        ("prod", prod, |g| g.iter().product()),
        ("max", max, |g| {
            g.iter().copied().fold(f64::NEG_INFINITY, f64::max)
        }),
        ("min", min, |g| {
            g.iter().copied().fold(f64::INFINITY, f64::min)
        }),
        ("sum_of_squares", sum_of_squares, |g| {
            g.iter().map(|x| x * x).sum()
        }),
        ("sum_of_magnitudes", sum_of_magnitudes, |g| {
            g.iter().map(|x| x.abs()).sum()
        }),
    ]
}

fn check<T: Float + gradus_testing::Real>(dims: &[usize], axes: &[usize], tolerance: f64) {
    let values: Vec<T> = sample(dims.iter().product(), 3)
        .into_iter()
        .map(T::from_f64)
        .collect();
    let exact: Vec<f64> = values.iter().map(|x| x.to_f64()).collect();
    let groups = reference::groups(dims, &exact, axes);
    for (name, kernel, naive) in kernels::<T>() {
        let want: Vec<f64> = groups.iter().map(|g| naive(g)).collect();
        for placed in placements(dims, &values, T::NAN) {
            let mut got = vec![T::NAN; want.len()];
            kernel(&mut got, placed.view(), axes);
            check_close(
                &format!("{name} {dims:?} over {axes:?}, {}", placed.name),
                &got,
                &want,
                tolerance,
                tolerance,
            );
        }
    }
}

#[test]
fn matches_reference_on_every_layout() {
    let cases: &[(&[usize], &[usize])] = &[
        (&[], &[]),
        (&[7], &[0]),
        (&[7], &[]),
        (&[3, 5], &[0]),
        (&[3, 5], &[1]),
        (&[3, 5], &[0, 1]),
        (&[200, 3], &[0]),
        (&[300, 9], &[0]),
        (&[3, 600], &[0]),
        (&[2, 3, 4, 5], &[0, 2]),
        (&[2, 3, 4, 5], &[1, 3]),
        (&[4, 6, 9, 9], &[0, 2, 3]),
        (&[5, 700], &[1]),
        (&[1, 4, 1], &[0, 2]),
        (&[0, 3], &[0]),
        (&[0, 3], &[1]),
        (&[3, 0, 2], &[1]),
    ];
    for &(dims, axes) in cases {
        check::<f32>(dims, axes, 1e-6);
        check::<f64>(dims, axes, 1e-12);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_shape_and_axes(dims in prop::collection::vec(0_usize..7, 0..5), mask in 0_usize..32) {
        let axes: Vec<usize> = (0..dims.len()).filter(|a| mask >> a & 1 == 1).collect();
        check::<f32>(&dims, &axes, 1e-6);
    }
}

fn view_of<'a, T: Element>(data: &'a [T], dims: &[usize], strides: &[isize]) -> View<'a, T> {
    View::new(
        data,
        &Layout::strided(Shape::new(dims).unwrap(), strides, 0).unwrap(),
    )
    .unwrap()
}

#[test]
fn same_bits_for_any_number_of_threads() {
    let data: Vec<f32> = sample(600_000, 9).iter().map(|&x| x as f32).collect();
    let cases: &[(&[usize], &[isize], &[usize])] = &[
        (&[600_000], &[1], &[0]),
        (&[3, 200_000], &[200_000, 1], &[1]),
        (&[200_000, 3], &[3, 1], &[0]),
        (&[2000, 300], &[300, 1], &[0]),
        (&[40, 15_000], &[15_000, 1], &[0]),
        (&[8, 75, 1000], &[75_000, 1000, 1], &[0, 2]),
        (&[300, 2000], &[1, 300], &[1]),
        (&[20, 30, 1000], &[30_000, 1000, 1], &[1]),
    ];
    for &(dims, strides, axes) in cases {
        let n: usize = (0..dims.len())
            .filter(|a| !axes.contains(a))
            .map(|a| dims[a])
            .product();
        for (name, kernel, _) in kernels::<f32>() {
            let run = |threads| {
                let mut out = vec![0.0; n];
                with_threads(threads, || {
                    kernel(&mut out, view_of(&data, dims, strides), axes)
                });
                out
            };
            let one = run(1);
            for threads in 2..=4 {
                check_same_bits(
                    &format!("{name} {dims:?} {threads} threads"),
                    &run(threads),
                    &one,
                );
            }
        }
    }
    let one = with_threads(1, || sum_of_squares_slice(&data));
    assert!(
        (2..=4).all(|t| with_threads(t, || sum_of_squares_slice(&data)).to_bits() == one.to_bits())
    );
}

/// museum 51: the sum is 0 exactly, not what partial sums in f32 leave
#[test]
fn museum_51_a_symmetric_sum_is_zero() {
    let data: Vec<f32> = (0..4_096_000)
        .map(|i| (i - 2_048_000) as f32 + 0.5)
        .collect();
    for threads in [1, 2] {
        let mut out = [1.0];
        with_threads(threads, || {
            sum(&mut out, view_of(&data, &[data.len()], &[1]), &[0])
        });
        assert_eq!(out, [0.0]);
    }
}

/// museum 50: the mean of 5.1·10⁷ elements does not stick at 2²⁴; an expanded tensor sums like a repeated one
#[test]
fn museum_50_the_mean_of_many() {
    let row = [0.479_f32; 1000];
    let mut out = [0.0];
    mean(&mut out, view_of(&row, &[51_000, 1000], &[0, 1]), &[0, 1]);
    assert_eq!(out, [0.479]);
    let small: Vec<f32> = sample(300, 4).iter().map(|&x| x as f32).collect();
    let repeated: Vec<f32> = (0..1000).flat_map(|_| small.clone()).collect();
    let (mut a, mut b) = ([0.0], [0.0]);
    sum(&mut a, view_of(&small, &[1000, 300], &[0, 1]), &[0, 1]);
    sum(&mut b, view_of(&repeated, &[1000, 300], &[300, 1]), &[0, 1]);
    assert_eq!(a, b);
}

/// museum 54: NaN propagates, wherever it stands
#[test]
fn museum_54_nan_propagates() {
    for position in [0, 3, 17, 40] {
        let mut x = vec![1.0_f32; 41];
        x[position] = f32::NAN;
        for (name, kernel, _) in kernels::<f32>() {
            let mut out = [0.0];
            kernel(&mut out, view_of(&x, &[41], &[1]), &[0]);
            assert!(out[0].is_nan(), "{name} {position}");
        }
    }
    let mut out = [0.0];
    max(
        &mut out,
        view_of(&[f32::INFINITY, -f32::INFINITY], &[2], &[1]),
        &[0],
    );
    assert_eq!(out, [f32::INFINITY]);
}

#[test]
fn sum_to_undoes_broadcasting() {
    let x: Vec<f64> = sample(24, 5);
    for dims in [
        &[2, 3, 4][..],
        &[3, 4],
        &[3, 1],
        &[1, 4],
        &[2, 1, 1],
        &[1],
        &[],
    ] {
        let mut got = vec![f64::NAN; dims.iter().product()];
        sum_to(&mut got, dims, view_of(&x, &[2, 3, 4], &[12, 4, 1]));
        let mut want = vec![0.0; got.len()];
        reference::for_each_index(&[2, 3, 4], |i| {
            let own: Vec<usize> = i[3 - dims.len()..]
                .iter()
                .zip(dims)
                .map(|(&i, &d)| if d == 1 { 0 } else { i })
                .collect();
            want[reference::position(dims, &own)] += x[reference::position(&[2, 3, 4], i)];
        });
        check_close(&format!("sum_to {dims:?}"), &got, &want, 1e-14, 1e-14);
    }
}
