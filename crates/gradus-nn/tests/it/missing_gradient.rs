//! A model of layers through an op without a gradient: an error that names the op, never a silent zero.

use gradus_autograd::{Backward, Error, Op, Outputs, Saves, Stats, Tensor, apply};
use gradus_nn::{Ctx, Linear, Module, ParamStore, Relu, Result, Sequential, Var};

/// Rounds, and has no derivative that says so.
#[derive(Debug)]
struct Quantize;

impl Op for Quantize {
    fn name(&self) -> &'static str {
        "quantize"
    }

    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let rounded: Vec<f32> = inputs[0]
            .to_vec::<f32>()?
            .iter()
            .map(|x| x.round())
            .collect();
        Ok(Tensor::from_slice(&rounded, inputs[0].shape())?.into())
    }

    fn backward(&self, _ctx: &Backward<'_>, _grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        Err(Error::NotDifferentiable { op: self.name() })
    }
}

impl Module for Quantize {
    fn forward(&self, x: &Var, _ctx: &Ctx) -> Result<Var> {
        apply(Self, &[x])
    }
}

#[test]
fn an_op_without_a_gradient_on_the_path_is_an_error_that_names_it() {
    let store = ParamStore::seeded(1);
    let net = Sequential::new()
        .push(Linear::new(&store.root().at(0), 3, 4).unwrap())
        .push(Quantize)
        .push(Relu)
        .push(Linear::new(&store.root().at(3), 4, 2).unwrap());
    let x = Var::constant(Tensor::ones([5, 3], gradus_nn::DType::F32).unwrap());
    let y = net.forward(&x, &Ctx::train(1, 1)).unwrap();
    let error = y.sum(&[], false).unwrap().backward().unwrap_err();
    assert_eq!(*error.root(), Error::NotDifferentiable { op: "quantize" });
    assert!(error.to_string().contains("quantize"), "{error}");
    // In front of all parameters it stands on no path.
    let net = Sequential::new()
        .push(Quantize)
        .push(Linear::new(&store.root().at(4), 3, 2).unwrap());
    let y = net.forward(&x, &Ctx::train(1, 1)).unwrap();
    assert!(y.sum(&[], false).unwrap().backward().is_ok());
}
