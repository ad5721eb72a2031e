//! Without a tape: nothing is recorded and nothing kept, and all is as before afterwards.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::leaf;
use gradus_autograd::{
    Backward, Error, Op, Outputs, Result, Saves, Stats, Tensor, Var, apply, no_grad, recompute,
};

/// Gives its input back. Whoever counts the holders of the `Arc` sees whether a tape keeps the op.
#[derive(Debug)]
struct Same(Arc<()>);

impl Op for Same {
    fn name(&self) -> &'static str {
        "same"
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        assert!(Arc::strong_count(&self.0) > 1, "the test holds one too");
        Ok(inputs[0].clone().into())
    }
    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(ctx.grad(grad_out, 0)?)])
    }
}

#[test]
fn no_op_is_kept() {
    let (x, holder) = (leaf(&[2.0]), Arc::new(()));
    let run = || apply(Same(Arc::clone(&holder)), &[&x]).unwrap();
    let recorded = run();
    assert_eq!(Arc::strong_count(&holder), 2, "the tape keeps the op");
    let plain = no_grad(run);
    assert_eq!(Arc::strong_count(&holder), 2, "nothing keeps this one");
    assert!(recorded.requires_grad() && !plain.requires_grad());
    assert!(no_grad(|| recorded.clone()).requires_grad());
}

#[test]
fn the_flag_comes_back() {
    let x = leaf(&[2.0]);
    no_grad(|| {
        no_grad(|| ());
        assert!(!x.mul(&x).unwrap().requires_grad(), "the outer one holds");
        let other = std::thread::scope(|scope| scope.spawn(|| x.mul(&x)).join().unwrap());
        assert!(other.unwrap().requires_grad(), "another thread records");
    });
    assert!(x.mul(&x).unwrap().requires_grad());
    let panics = AssertUnwindSafe(|| no_grad(|| panic!("as meant")));
    assert!(catch_unwind(panics).is_err());
    assert!(x.mul(&x).unwrap().requires_grad());
}

#[test]
fn a_backward_still_works_inside() {
    let x = leaf(&[3.0]);
    let held = x.clone();
    let recorded = recompute(move || held.mul(&held)?.mul(&held)).unwrap();
    let grads = no_grad(|| recorded.backward()).unwrap();
    assert_eq!(grads.get_var(&x).unwrap().to_vec::<f64>().unwrap(), [27.0]);
    let held = x.clone();
    let plain = no_grad(|| recompute(move || Ok(held.clone()))).unwrap();
    assert!(plain.requires_grad(), "a leaf stays one");
    let held = x.clone();
    let error = no_grad(|| recompute(move || held.mul(&held))?.backward()).unwrap_err();
    let (op, position) = ("backward", 0);
    assert_eq!(error, Error::Unreachable { op, position });
}
