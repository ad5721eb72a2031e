//! The tape: order, accumulation, freeing, errors.

use crate::{constant, leaf};
use gradus_autograd::{
    Backward, Error, GradConfig, Op, Outputs, Parameter, Result, Saves, Stats, Tensor, Var, apply,
    apply_multi, grad,
};

fn values(x: &Tensor) -> Vec<f64> {
    x.to_vec().unwrap()
}

#[test]
fn museum_02_equal_leaves_are_not_one() {
    let (w1, w2) = (leaf(&[3.0]), leaf(&[3.0]));
    let grads = w1.add(&w2).unwrap().backward().unwrap();
    assert_eq!(values(grads.get_var(&w1).unwrap()), [1.0]);
    assert_eq!(values(grads.get_var(&w2).unwrap()), [1.0]);
}

#[test]
fn museum_01_broadcast_dims_are_reduced() {
    let z = leaf(&[1.0]);
    let wide = z
        .add(&Var::constant(
            Tensor::zeros([1000], gradus_autograd::DType::F64).unwrap(),
        ))
        .unwrap();
    let grads = wide.sum(&[], false).unwrap().backward().unwrap();
    assert_eq!(values(grads.get_var(&z).unwrap()), [1000.0]);
}

#[test]
fn a_value_used_twice_gets_both_gradients() {
    let x = leaf(&[2.0]);
    let square = x.mul(&x).unwrap();
    let y = square.mul(&square).unwrap().add(&square).unwrap(); // x⁴ + x²
    assert_eq!(values(y.backward().unwrap().get_var(&x).unwrap()), [36.0]);
}

#[test]
fn constants_and_detached_vars_record_nothing() {
    let x = leaf(&[2.0]);
    assert!(!constant(&[1.0]).mul(&x.detach()).unwrap().requires_grad());
    let half_detached = x.mul(&x.detach()).unwrap();
    assert_eq!(
        values(half_detached.backward().unwrap().get_var(&x).unwrap()),
        [2.0]
    );
    let error = x.detach().backward().unwrap_err();
    assert_eq!(
        error,
        Error::Unreachable {
            op: "backward",
            position: 0
        }
    );
}

#[test]
fn a_second_backward_needs_retain_graph() {
    let x = leaf(&[2.0]);
    let y = x.mul(&x).unwrap();
    let keep = GradConfig {
        retain_graph: true,
        ..Default::default()
    };
    for _ in 0..2 {
        assert_eq!(
            grad(&[&y], &[&x], None, &keep).unwrap()[0]
                .as_ref()
                .unwrap()
                .item::<f64>()
                .unwrap(),
            4.0
        );
    }
    y.backward().unwrap();
    assert_eq!(y.backward().unwrap_err(), Error::GraphFreed { op: "mul" });
}

#[test]
fn unreachable_inputs_are_an_error_or_none() {
    let (x, other) = (leaf(&[1.0]), leaf(&[1.0]));
    let y = x.mul(&x).unwrap();
    let keep = GradConfig {
        retain_graph: true,
        ..Default::default()
    };
    let error = grad(&[&y], &[&x, &other], None, &keep).unwrap_err();
    assert_eq!(
        error,
        Error::Unreachable {
            op: "grad",
            position: 1
        }
    );
    let allow = GradConfig {
        allow_unused: true,
        ..Default::default()
    };
    let found = grad(&[&y], &[&x, &other], None, &allow).unwrap();
    assert!(found[0].is_some() && found[1].is_none());
}

#[test]
fn gradients_of_intermediates() {
    let x = leaf(&[3.0]);
    let square = x.mul(&x).unwrap();
    let y = square.mul(&square).unwrap();
    let found = grad(&[&y], &[&square, &x], None, &GradConfig::default()).unwrap();
    assert_eq!(found[0].as_ref().unwrap().item::<f64>().unwrap(), 18.0);
    assert_eq!(found[1].as_ref().unwrap().item::<f64>().unwrap(), 108.0);
}

#[test]
fn museum_10_repeated_gradients_of_gradients_repeat() {
    let x = leaf(&[2.0]);
    let y = x.mul(&x).unwrap().mul(&x).unwrap();
    let twice = GradConfig {
        create_graph: true,
        ..Default::default()
    };
    for _ in 0..3 {
        let dy = grad(&[&y], &[&x], None, &twice).unwrap().remove(0).unwrap();
        let ddy = grad(&[&dy], &[&x], None, &twice)
            .unwrap()
            .remove(0)
            .unwrap();
        let dddy = grad(&[&ddy], &[&x], None, &twice)
            .unwrap()
            .remove(0)
            .unwrap();
        let third: Vec<f64> = [dy, ddy, dddy].iter().map(|v| v.item().unwrap()).collect();
        assert_eq!(third, [12.0, 12.0, 6.0]);
    }
}

#[test]
fn museum_11_nested_backward_and_long_chains() {
    let x = leaf(&[1.0]);
    let mut y = x.clone();
    for _ in 0..200_000 {
        y = y.add(&constant(&[0.0])).unwrap();
    }
    assert_eq!(values(y.backward().unwrap().get_var(&x).unwrap()), [1.0]);
    drop(y); // must not overflow the stack
    let inner = leaf(&[2.0]);
    let held = inner.clone();
    let z = gradus_autograd::recompute(move || {
        held.mul(&held)?.backward()?; // a backward inside a backward
        held.mul(&held)
    })
    .unwrap();
    assert_eq!(
        values(z.backward().unwrap().get_var(&inner).unwrap()),
        [4.0]
    );
}

#[test]
fn parameters_train_in_place_and_freeze() {
    let weight = Parameter::new("weight", Tensor::from_slice(&[2.0_f64], [1]).unwrap());
    let before = weight.tensor().as_slice::<f64>().unwrap().as_ptr();
    let grads = weight.var().mul(&weight.var()).unwrap().backward().unwrap();
    assert_eq!(values(grads.get(&weight).unwrap()), [4.0]);
    weight
        .update(|w| {
            w.make_mut::<f64>()?[0] -= 0.5;
            Ok(())
        })
        .unwrap();
    assert_eq!(values(&weight.tensor()), [1.5]);
    assert_eq!(
        weight.tensor().as_slice::<f64>().unwrap().as_ptr(),
        before,
        "updated in place"
    );
    weight.set_trainable(false);
    assert!(!weight.var().requires_grad());
    let error = weight
        .set(Tensor::from_slice(&[1.0_f64, 2.0], [2]).unwrap())
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("weight: parameter: shapes do not fit"),
        "{error}"
    );
}

#[test]
fn accumulated_gradients_add_up() {
    let weight = Parameter::new("w", Tensor::from_slice(&[2.0_f64], [1]).unwrap());
    let square = || weight.var().mul(&weight.var()).unwrap().backward().unwrap();
    let mut sum = square();
    sum.accumulate(square()).unwrap();
    assert_eq!(values(sum.get(&weight).unwrap()), [8.0]);
}

/// Splits into the element and its double; the second output's gradient may be missing.
#[derive(Debug)]
struct Fork;

impl Op for Fork {
    fn name(&self) -> &'static str {
        "fork"
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let x: f64 = inputs[0].item()?;
        let double = Tensor::from_slice(&[2.0 * x], [1])?;
        Ok(vec![
            inputs[0].clone(),
            double,
            Tensor::from_slice(&[0_i64], [1])?,
        ]
        .into())
    }
    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let two = Var::constant(Tensor::from_slice(&[2.0_f64], [1])?);
        Ok(vec![Some(
            ctx.grad(grad_out, 0)?
                .add(&ctx.grad(grad_out, 1)?.mul(&two)?)?,
        )])
    }
}

#[test]
fn ops_with_several_outputs() {
    let x = leaf(&[5.0]);
    let fork = apply_multi(Fork, &[&x]).unwrap();
    assert!(!fork[2].requires_grad(), "indices carry no gradient");
    let both = fork[0].add(&fork[1]).unwrap();
    assert_eq!(values(both.backward().unwrap().get_var(&x).unwrap()), [3.0]);
    let fork = apply_multi(Fork, &[&x]).unwrap();
    assert_eq!(
        values(fork[1].backward().unwrap().get_var(&x).unwrap()),
        [2.0]
    );
    assert!(apply(Fork, &[&x]).is_err());
}

/// Has no derivative, and says so.
#[derive(Debug)]
struct Opaque;

impl Op for Opaque {
    fn name(&self) -> &'static str {
        "opaque"
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(inputs[0].clone().into())
    }
    fn backward(&self, ctx: &Backward<'_>, _grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        ctx.refuse_twice()?;
        Err(Error::NotDifferentiable { op: self.name() })
    }
}

#[test]
fn an_op_without_gradient_is_an_error_that_names_it() {
    let x = leaf(&[1.0]);
    let y = apply(Opaque, &[&x.mul(&x).unwrap()]).unwrap();
    assert_eq!(
        y.backward().unwrap_err(),
        Error::NotDifferentiable { op: "opaque" }
    );
    let twice = GradConfig {
        create_graph: true,
        ..Default::default()
    };
    let y = apply(Opaque, &[&x]).unwrap();
    assert_eq!(
        grad(&[&y], &[&x], None, &twice).unwrap_err(),
        Error::NotTwiceDifferentiable { op: "opaque" }
    );
}

/// Gives a gradient of the wrong shape.
#[derive(Debug)]
struct Misshapen;

impl Op for Misshapen {
    fn name(&self) -> &'static str {
        "misshapen"
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        Ok(inputs[0].clone().into())
    }
    fn backward(&self, _ctx: &Backward<'_>, _grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(Var::constant(Tensor::from_slice(
            &[1.0_f64, 1.0],
            [2],
        )?))])
    }
}

#[test]
fn a_gradient_of_the_wrong_shape_is_refused() {
    let error = apply(Misshapen, &[&leaf(&[1.0])])
        .unwrap()
        .backward()
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::ShapeMismatch {
                op: "misshapen",
                ..
            }
        ),
        "{error}"
    );
}
