//! Recomputation gives the gradients of the plain graph, also through captured values and twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::leaf;
use gradus_autograd::{GradConfig, Parameter, Tensor, grad, is_recomputing, recompute};

#[test]
fn gradients_flow_to_everything_captured() {
    let x = leaf(&[2.0, -1.0]);
    let weight = Parameter::new("w", Tensor::from_slice(&[3.0_f64, 0.5], [2]).unwrap());
    let middle = x.mul(&x).unwrap();
    let plain = middle
        .mul(&weight.var())
        .unwrap()
        .mul(&middle)
        .unwrap()
        .sum(&[], false)
        .unwrap();
    let (middle, w) = (x.mul(&x).unwrap(), weight.clone()); // an intermediate, captured
    let saved = recompute(move || middle.mul(&w.var())?.mul(&middle))
        .unwrap()
        .sum(&[], false)
        .unwrap();
    let (a, b) = (plain.backward().unwrap(), saved.backward().unwrap());
    for (p, q) in [
        (a.get_var(&x), b.get_var(&x)),
        (a.get(&weight), b.get(&weight)),
    ] {
        assert_eq!(
            p.unwrap().to_vec::<f64>().unwrap(),
            q.unwrap().to_vec::<f64>().unwrap()
        );
    }
}

#[test]
fn the_function_runs_again_only_for_the_backward() {
    let (runs, reruns) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let x = leaf(&[2.0]);
    let (held, r, rr) = (x.clone(), Arc::clone(&runs), Arc::clone(&reruns));
    let y = recompute(move || {
        r.fetch_add(1, Relaxed);
        rr.fetch_add(usize::from(is_recomputing()), Relaxed);
        held.mul(&held)
    })
    .unwrap();
    assert_eq!((runs.load(Relaxed), reruns.load(Relaxed)), (1, 0));
    y.backward().unwrap();
    assert_eq!((runs.load(Relaxed), reruns.load(Relaxed)), (2, 1));
    assert!(!is_recomputing());
}

#[test]
fn gradients_of_gradients_go_through() {
    let x = leaf(&[2.0]);
    let held = x.clone();
    let y = recompute(move || held.mul(&held)?.mul(&held)).unwrap();
    let twice = GradConfig {
        create_graph: true,
        ..Default::default()
    };
    let dy = grad(&[&y], &[&x], None, &twice).unwrap().remove(0).unwrap();
    let ddy = grad(&[&dy], &[&x], None, &GradConfig::default())
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!(
        (dy.item::<f64>().unwrap(), ddy.item::<f64>().unwrap()),
        (12.0, 12.0)
    );
}

#[test]
fn nothing_to_differentiate_records_nothing() {
    let x = leaf(&[2.0]).detach();
    assert!(!recompute(move || x.mul(&x)).unwrap().requires_grad());
}
