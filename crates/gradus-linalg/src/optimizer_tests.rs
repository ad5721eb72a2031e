//! Tests of the optimizer steps: the textbook formulas in f64, PyTorch's first steps by hand, and 1 to 4 threads.

use super::*;
use crate::threads::with_threads;
use gradus_testing::{check_close, check_same_bits, sample};

const N: usize = 1000;

fn cast<T: Float>(x: &[f64]) -> Vec<T> {
    x.iter().map(|&x| T::from_f64(x)).collect()
}

/// The definition of `torch.optim.SGD`, one element.
fn naive_sgd(p: &mut f64, g: f64, v: &mut f64, first: bool, o: &Sgd) {
    let g = if o.maximize { -g } else { g }
        + o.weight_decay * *p
        + o.l1 * if *p == 0.0 { 0.0 } else { p.signum() };
    let mut direction = g;
    if o.momentum != 0.0 {
        *v = if first {
            g
        } else {
            o.momentum * *v + (1.0 - o.dampening) * g
        };
        direction = if o.nesterov { g + o.momentum * *v } else { *v };
    }
    *p -= o.lr * direction;
}

#[test]
fn sgd_follows_its_definition() {
    let base = Sgd {
        lr: 0.1,
        ..Sgd::default()
    };
    let cases = [
        base,
        Sgd {
            weight_decay: 0.01,
            ..base
        },
        Sgd {
            l1: 0.02,
            maximize: true,
            ..base
        },
        Sgd {
            momentum: 0.9,
            ..base
        },
        Sgd {
            momentum: 0.9,
            dampening: 0.2,
            weight_decay: 0.1,
            ..base
        },
        Sgd {
            momentum: 0.5,
            nesterov: true,
            weight_decay: 0.1,
            l1: 0.1,
            ..base
        },
    ];
    for o in cases {
        let mut exact = sample(N, 1);
        exact[3] = 0.0;
        let mut exact_v = vec![f64::NAN; N];
        let (mut p, mut v) = (cast::<f32>(&exact), vec![f32::NAN; N]);
        let (mut wide, mut wide_v) = (exact.clone(), exact_v.clone());
        for step in 0..5 {
            let g = sample(N, 10 + step);
            for i in 0..N {
                naive_sgd(&mut exact[i], g[i], &mut exact_v[i], step == 0, &o);
            }
            let with = o.momentum != 0.0;
            sgd_step(
                &mut p,
                &cast::<f32>(&g),
                with.then_some(&mut v[..]),
                step == 0,
                &o,
            );
            sgd_step(
                &mut wide,
                &g,
                with.then_some(&mut wide_v[..]),
                step == 0,
                &o,
            );
        }
        check_close(&format!("{o:?} f64"), &wide, &exact, 1e-13, 1e-14);
        check_close(&format!("{o:?} f32"), &p, &exact, 1e-5, 1e-6);
    }
}

/// The definition of `torch.optim.Adam` and `AdamW`, one element.
fn naive_adam(
    p: &mut f64,
    g: f64,
    m: &mut f64,
    v: &mut f64,
    top: Option<&mut f64>,
    t: i32,
    o: &Adam,
) {
    let mut g = if o.maximize { -g } else { g };
    if o.decoupled {
        *p *= 1.0 - o.lr * o.weight_decay;
    } else {
        g += o.weight_decay * *p;
    }
    *m = o.beta1 * *m + (1.0 - o.beta1) * g;
    *v = o.beta2 * *v + (1.0 - o.beta2) * g * g;
    let second = top.map_or(*v, |top| {
        *top = top.max(*v);
        *top
    });
    let (m_hat, v_hat) = (
        *m / (1.0 - o.beta1.powi(t)),
        second / (1.0 - o.beta2.powi(t)),
    );
    *p -= o.lr * m_hat / (v_hat.sqrt() + o.eps);
}

#[test]
fn adam_follows_its_definition() {
    let base = Adam {
        lr: 0.05,
        ..Adam::default()
    };
    let cases = [
        (base, false),
        (
            Adam {
                weight_decay: 0.1,
                ..base
            },
            false,
        ),
        (
            Adam {
                weight_decay: 0.1,
                decoupled: true,
                maximize: true,
                ..base
            },
            false,
        ),
        (
            Adam {
                beta1: 0.3,
                beta2: 0.5,
                eps: 1e-3,
                ..base
            },
            true,
        ),
    ];
    for (o, amsgrad) in cases {
        let mut exact = sample(N, 2);
        let [mut em, mut ev, mut et] = [(); 3].map(|()| vec![0.0; N]);
        let mut wide = exact.clone();
        let [mut wm, mut wv, mut wt] = [(); 3].map(|()| vec![0.0; N]);
        let mut p = cast::<f32>(&exact);
        let [mut m, mut v, mut t] = [(); 3].map(|()| vec![0.0_f32; N]);
        for step in 1..=6_u64 {
            let g: Vec<f64> = sample(N, 20 + step)
                .iter()
                .map(|g| g / step as f64)
                .collect();
            for i in 0..N {
                let top = if amsgrad { Some(&mut et[i]) } else { None };
                naive_adam(
                    &mut exact[i],
                    g[i],
                    &mut em[i],
                    &mut ev[i],
                    top,
                    step as i32,
                    &o,
                );
            }
            adam_step(
                &mut wide,
                &g,
                &mut wm,
                &mut wv,
                amsgrad.then_some(&mut wt[..]),
                step,
                &o,
            );
            adam_step(
                &mut p,
                &cast::<f32>(&g),
                &mut m,
                &mut v,
                amsgrad.then_some(&mut t[..]),
                step,
                &o,
            );
        }
        check_close(&format!("{o:?} f64"), &wide, &exact, 1e-11, 1e-12);
        check_close(&format!("{o:?} f32"), &p, &exact, 1e-5, 2e-5);
    }
}

/// The first Adam step moves each parameter by `lr · g / (|g| + eps)`.
#[test]
fn adam_first_step_by_hand() {
    let (mut p, mut m, mut v) = ([1.0_f64, 1.0], [0.0; 2], [0.0; 2]);
    adam_step(
        &mut p,
        &[0.5, -4.0],
        &mut m,
        &mut v,
        None,
        1,
        &Adam {
            lr: 0.1,
            ..Adam::default()
        },
    );
    check_close(
        "adam",
        &p,
        &[
            1.0 - 0.1 * 0.5 / (0.5 + 1e-8),
            1.0 + 0.1 * 4.0 / (4.0 + 1e-8),
        ],
        1e-14,
        0.0,
    );
}

#[test]
fn small_updates() {
    let mut d = [1.0_f32, 2.0, f32::NAN];
    axpy(&mut d, 2.0, &[10.0, 20.0, 30.0]);
    assert_eq!(d[..2], [21.0, 42.0]);
    scale(&mut d, 0.5);
    assert_eq!(d[..2], [10.5, 21.0]);
    clamp(&mut d, 11.0);
    assert_eq!(d[..2], [10.5, 11.0]);
    assert!(d[2].is_nan());
    clamp(&mut d[..2], 1.0);
    lerp(&mut d[..2], &[3.0, 0.1], 1.0);
    assert_eq!(d[..2], [3.0, 0.1]);
    lerp(&mut d[..2], &[9.0, 9.0], 0.0);
    assert_eq!(d[..2], [3.0, 0.1]);
    lerp(&mut d[..1], &[5.0], 0.25);
    assert_eq!(d[0], 3.5);
    assert_eq!(sum_of_squares(&[3.0_f32, 4.0]), 25.0);
}

#[test]
fn same_bits_for_any_number_of_threads() {
    let n = 100_003;
    let (start, g) = (cast::<f32>(&sample(n, 3)), cast::<f32>(&sample(n, 4)));
    let run = |threads| {
        let (mut p, mut m, mut v) = (start.clone(), vec![0.0; n], vec![0.0; n]);
        with_threads(threads, || {
            for step in 1..=3 {
                adam_step(&mut p, &g, &mut m, &mut v, None, step, &Adam::default());
                sgd_step(
                    &mut p,
                    &g,
                    Some(&mut m),
                    false,
                    &Sgd {
                        momentum: 0.9,
                        ..Sgd::default()
                    },
                );
            }
        });
        p
    };
    let one = run(1);
    for threads in 2..=4 {
        check_same_bits("optimizer", &run(threads), &one);
    }
}
