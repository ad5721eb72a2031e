//! What the tests of layers share.

use gradus_autograd::{DType, Result, Tensor, Var};

use crate::{Ctx, Module, ParamStore, Scope};

/// Numbers that repeat after some time, none of them 0.
pub(crate) fn sampled(dims: &[usize]) -> Var {
    let count: usize = dims.iter().product();
    let data: Vec<f64> = (0..count)
        .map(|i| (((i * 37 + 11) % 64) as f64 - 31.7) / 20.0)
        .collect();
    Var::constant(Tensor::from_slice(&data, dims).unwrap())
}

/// The state dict of a layer at `layer` has these keys and shapes in this order, the output this shape, and a loss of the output a
/// gradient for every parameter that is not all zeros.
#[track_caller]
pub(crate) fn check<M: Module>(
    keys: &[(&str, &[usize])],
    input: &[usize],
    output: &[usize],
    make: impl FnOnce(&Scope) -> Result<M>,
) {
    let store = ParamStore::with_dtype(3, DType::F64);
    let layer = make(&store.root().at("layer")).unwrap();
    let state = store.state_dict();
    let found: Vec<(&str, &[usize])> = state
        .iter()
        .map(|(name, x)| (name.strip_prefix("layer.").unwrap(), x.dims()))
        .collect();
    assert_eq!(found, keys);
    let y = layer.forward(&sampled(input), &Ctx::train(0, 0)).unwrap();
    assert_eq!(y.dims(), output);
    let parameters = store.parameters();
    if parameters.is_empty() {
        return;
    }
    // A loss that differs from element to element, so that normalisation does not make it constant.
    let loss = y.square().unwrap().mul(&sampled(output)).unwrap();
    let grads = loss.sum(&[], false).unwrap().backward().unwrap();
    for parameter in &parameters {
        let grad = grads.get(parameter).expect("a gradient");
        assert_eq!(grad.shape(), parameter.shape(), "{}", parameter.name());
        let values = grad.to_vec::<f64>().unwrap();
        assert!(values.iter().any(|v| *v != 0.0), "{}", parameter.name());
    }
}
