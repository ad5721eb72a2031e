//! Backwards write over what nobody else holds, and keep away from what somebody does.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use gradus_autograd::ops::CrossEntropyConfig;
use gradus_autograd::{Backward, Op, Outputs, Result, Saves, Stats, Tensor, Var, apply};

/// Where a copy lies, and the gradient that comes back to it.
#[derive(Debug, Default)]
struct Places {
    output: AtomicUsize,
    gradient: AtomicUsize,
}

/// A copy that notes its places.
#[derive(Debug)]
struct Watched(&'static Places);

impl Op for Watched {
    fn name(&self) -> &'static str {
        "watched"
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let copy = Tensor::from_slice(&inputs[0].to_vec::<f64>()?, inputs[0].shape())?;
        self.0.output.store(place(&copy), Relaxed);
        Ok(copy.into())
    }
    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let grad = ctx.grad(grad_out, 0)?;
        self.0.gradient.store(place(grad.tensor()), Relaxed);
        Ok(vec![Some(grad)])
    }
}

fn place(x: &Tensor) -> usize {
    x.as_slice::<f64>().expect("contiguous").as_ptr() as usize
}

fn matrix(values: &[f64], dims: [usize; 2]) -> Var {
    Var::leaf(Tensor::from_slice(values, dims).unwrap())
}

/// A copy of `x` and its places.
fn watch(x: &Var) -> (Var, &'static Places) {
    let places: &'static Places = Box::leak(Box::default());
    (apply(Watched(places), &[x]).unwrap(), places)
}

#[test]
fn cross_entropy_writes_over_scores_that_nobody_holds() {
    let x = matrix(&[0.5, -1.0, 2.0, 0.0, 3.0, -0.5], [2, 3]);
    let targets = Tensor::from_slice(&[2_i64, 0], [2]).unwrap();
    let gradient = |is_held: bool| {
        let (scores, places) = watch(&x);
        let loss = scores
            .cross_entropy(&targets, &CrossEntropyConfig::default())
            .unwrap();
        let held = is_held.then_some(scores);
        let grads = loss.backward().unwrap();
        let is_over = places.output.load(Relaxed) == places.gradient.load(Relaxed);
        assert_eq!(is_over, !is_held);
        if let Some(held) = held {
            assert_eq!(
                held.tensor().to_vec::<f64>().unwrap(),
                x.tensor().to_vec::<f64>().unwrap()
            );
        }
        let grad = grads.get_var(&x).unwrap();
        grad.to_vec::<f64>().unwrap()
    };
    assert_eq!(gradient(true), gradient(false));
}
