//! What the tests of ops share: one line for each of the four tests that an op has.

use gradus_tensor::{Element, IntoShape};
use gradus_testing::{check_close, sample};

use crate::{
    DType, GradConfig, GradcheckConfig, Result, Tensor, Var, grad, gradcheck, gradgradcheck,
};

/// Values on both sides of 0, away from 0, ±1 and the other places where functions have kinks.
pub(crate) const BOTH_SIGNS: [f64; 6] = [-2.3, -1.4, -0.6, 0.3, 0.8, 1.7];

/// A tensor of these values.
pub(crate) fn tensor<T: Element>(values: &[T], shape: impl IntoShape) -> Tensor {
    Tensor::from_slice(values, shape).expect("values that fit the shape")
}

/// A tensor of f64 values in -2..2 that look random; `salt` chooses them.
pub(crate) fn sampled(dims: &[usize], salt: u64) -> Tensor {
    tensor(&sample(dims.iter().product(), salt), dims)
}

/// A var that needs no gradient.
pub(crate) fn constant<T: Element>(values: &[T], shape: impl IntoShape) -> Var {
    Var::constant(tensor(values, shape))
}

/// A var that needs a gradient.
pub(crate) fn leaf<T: Element>(values: &[T], shape: impl IntoShape) -> Var {
    Var::leaf(tensor(values, shape))
}

/// The elements of a var as f64.
pub(crate) fn values(x: &Var) -> Vec<f64> {
    x.tensor()
        .to_dtype(DType::F64)
        .expect("a cast")
        .to_vec()
        .expect("f64")
}

/// `f` of f64 inputs against the elements that are right; then of the same inputs in f32.
#[track_caller]
pub(crate) fn check_forward(f: impl Fn(&[Var]) -> Result<Var>, inputs: &[Tensor], want: &[f64]) {
    let vars = |dtype| -> Vec<Var> {
        let cast = |x: &Tensor| Var::constant(x.to_dtype(dtype).expect("a cast"));
        inputs.iter().map(cast).collect()
    };
    let got = f(&vars(DType::F64)).expect("f64 forward");
    assert_eq!(got.dtype(), DType::F64);
    check_close("f64 forward", &values(&got), want, 1e-12, 1e-13);
    let got = f(&vars(DType::F32)).expect("f32 forward");
    assert_eq!(got.dtype(), DType::F32);
    check_close("f32 forward", &values(&got), want, 2e-5, 1e-5);
}

/// First and second derivatives against finite differences, and the fused backward against the composed one.
#[track_caller]
pub(crate) fn check_gradient(f: impl Fn(&[Var]) -> Result<Var>, inputs: &[Tensor]) {
    check_gradient_to(1e-8, f, inputs);
}

/// [`check_gradient`] to another tolerance.
#[track_caller]
pub(crate) fn check_gradient_to(
    tolerance: f64,
    f: impl Fn(&[Var]) -> Result<Var>,
    inputs: &[Tensor],
) {
    let grad_out = check_first(tolerance, &f, inputs);
    let config = GradcheckConfig {
        tolerance,
        ..GradcheckConfig::default()
    };
    let report =
        gradgradcheck(|v| Ok(vec![f(v)?]), inputs, &[grad_out], &config).expect("gradgradcheck");
    assert!(report.passed(), "second derivative: {report}");
    assert!(
        report.entries > 0,
        "second derivative: nothing was compared"
    );
    let (fused, composed) = (gradients(&f, inputs, false), gradients(&f, inputs, true));
    for (i, (fused, composed)) in fused.iter().zip(&composed).enumerate() {
        check_close(
            &format!("fused and composed gradient of input {i}"),
            fused,
            composed,
            1e-11,
            1e-12,
        );
    }
}

/// The first derivative against finite differences; a gradient for the output.
#[track_caller]
fn check_first(tolerance: f64, f: impl Fn(&[Var]) -> Result<Var>, inputs: &[Tensor]) -> Tensor {
    let config = GradcheckConfig {
        tolerance,
        ..GradcheckConfig::default()
    };
    let report = gradcheck(|v| Ok(vec![f(v)?]), inputs, &config).expect("gradcheck");
    assert!(report.passed(), "first derivative: {report}");
    assert!(report.entries > 0, "first derivative: nothing was compared");
    let leaves: Vec<Var> = inputs.iter().cloned().map(Var::leaf).collect();
    let output = f(&leaves).expect("forward");
    assert!(output.requires_grad(), "the output has lost its gradient");
    sampled(output.dims(), 77)
}

/// The gradients of all inputs for one gradient of the output.
#[track_caller]
pub(crate) fn gradients(
    f: impl Fn(&[Var]) -> Result<Var>,
    inputs: &[Tensor],
    create_graph: bool,
) -> Vec<Vec<f64>> {
    let leaves: Vec<Var> = inputs.iter().cloned().map(Var::leaf).collect();
    let output = f(&leaves).expect("forward");
    let grad_out = Var::constant(
        sampled(output.dims(), 77)
            .to_dtype(output.dtype())
            .expect("a cast"),
    );
    let config = GradConfig {
        create_graph,
        allow_unused: true,
        ..GradConfig::default()
    };
    let wanted: Vec<&Var> = leaves.iter().collect();
    let found = grad(&[&output], &wanted, Some(&[grad_out]), &config).expect("backward");
    let zeros = |x: &Var| vec![0.0; x.numel()];
    found
        .iter()
        .zip(&leaves)
        .map(|(g, x)| g.as_ref().map_or_else(|| zeros(x), values))
        .collect()
}

/// Forward and backward on inputs of these shapes, with a size of 0, give outputs and gradients of the right size.
#[track_caller]
pub(crate) fn check_empty(f: impl Fn(&[Var]) -> Result<Var>, shapes: &[&[usize]]) {
    let inputs: Vec<Tensor> = shapes.iter().map(|dims| sampled(dims, 3)).collect();
    for (gradient, input) in gradients(&f, &inputs, false).iter().zip(&inputs) {
        assert_eq!(gradient.len(), input.numel());
    }
}

/// A tensor that no differentiable op takes.
pub(crate) fn integers() -> Var {
    constant(&[1_i64, 2], 2)
}

/// `f` refuses integers with the dtype error.
#[track_caller]
pub(crate) fn check_rejects_integers(f: impl Fn(&Var) -> Result<Var>) {
    let got = f(&integers());
    assert!(matches!(got, Err(crate::Error::DType { .. })), "{got:?}");
}

/// A loss refuses a target that would have to be broadcast, or is of another dtype.
#[track_caller]
pub(crate) fn check_rejects_other_shapes(f: impl Fn(&Var, &Var) -> Result<Var>) {
    let x = constant(&[0.5_f64, 0.25], [2, 1]);
    let got = f(&x, &constant(&[0.5_f64, 0.25], 2));
    assert!(
        matches!(got, Err(crate::Error::ShapeMismatch { .. })),
        "{got:?}"
    );
    let got = f(&x, &constant(&[0.5_f32, 0.25], [2, 1]));
    assert!(
        matches!(got, Err(crate::Error::DTypeMismatch { .. })),
        "{got:?}"
    );
}
