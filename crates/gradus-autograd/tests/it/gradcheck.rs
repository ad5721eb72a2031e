//! The checker passes what is right and fails what is wrong.

use crate::{constant, leaf};
use gradus_autograd::{
    Backward, GradcheckConfig, Op, Outputs, Result, Saves, Stats, Tensor, Var, apply, gradcheck,
    gradgradcheck,
};

fn inputs() -> [Tensor; 2] {
    [
        Tensor::from_slice(&[0.3, -1.2, 0.8, 1.9, -0.4, 0.6], [2, 3]).unwrap(),
        Tensor::from_slice(&[1.5, -0.7], [2, 1]).unwrap(),
    ]
}

fn cubic(v: &[Var]) -> Result<Vec<Var>> {
    Ok(vec![v[0].mul(&v[1])?.mul(&v[0])?, v[1].sum(&[0], false)?])
}

#[test]
fn right_gradients_pass_at_both_orders() {
    let config = GradcheckConfig::default();
    let report = gradcheck(cubic, &inputs(), &config).unwrap();
    assert!(report.passed(), "{report}");
    assert_eq!(report.entries, (6 + 1) * (6 + 2));
    let grad_outputs = [
        inputs()[0].clone(),
        Tensor::from_slice(&[0.5], [1]).unwrap(),
    ];
    let report = gradgradcheck(cubic, &inputs(), &grad_outputs, &config).unwrap();
    assert!(report.passed() && report.max_error < 1e-9, "{report}");
}

#[test]
fn strided_inputs_keep_their_layout() {
    let turned = inputs()[0].transpose(0, 1).unwrap().flip(&[0]).unwrap();
    let report = gradcheck(
        |v| Ok(vec![v[0].mul(&v[0])?]),
        &[turned],
        &GradcheckConfig::default(),
    )
    .unwrap();
    assert!(report.passed(), "{report}");
}

/// x² with a wrong derivative.
#[derive(Debug)]
struct Wrong {
    factor: f64,
}

impl Op for Wrong {
    fn name(&self) -> &'static str {
        "wrong"
    }
    fn saves(&self) -> Saves {
        Saves::inputs(&[0])
    }
    fn forward(&self, inputs: &[&Tensor], _stats: &mut Stats) -> Result<Outputs> {
        let squares: Vec<f64> = inputs[0].to_vec::<f64>()?.iter().map(|x| x * x).collect();
        Ok(Tensor::from_slice(&squares, inputs[0].shape())?.into())
    }
    fn backward(&self, ctx: &Backward<'_>, grad_out: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let factor = Var::constant(Tensor::scalar(self.factor)?);
        Ok(vec![Some(
            ctx.grad(grad_out, 0)?.mul(&ctx.input(0)?)?.mul(&factor)?,
        )])
    }
}

#[test]
fn wrong_gradients_fail() {
    let check = |factor| {
        let x = Tensor::from_slice(&[0.5, 2.0], [2]).unwrap();
        gradcheck(
            |v| Ok(vec![apply(Wrong { factor }, &[&v[0]])?]),
            &[x],
            &GradcheckConfig::default(),
        )
        .unwrap()
    };
    assert!(check(2.0).passed());
    for factor in [-2.0, 1.999_999, 0.0, f64::NAN] {
        let report = check(factor);
        assert!(!report.passed(), "{factor}: {report}");
    }
}

#[test]
fn a_lost_gradient_fails() {
    let detached = |v: &[Var]| Ok(vec![v[0].detach().mul(&v[0])?]);
    let x = Tensor::from_slice(&[0.5], [1]).unwrap();
    assert!(
        !gradcheck(detached, &[x], &GradcheckConfig::default())
            .unwrap()
            .passed()
    );
}

#[test]
fn single_precision_is_refused() {
    let x = Tensor::from_slice(&[0.5_f32], [1]).unwrap();
    let error = gradcheck(
        |v| Ok(vec![v[0].clone()]),
        &[x],
        &GradcheckConfig::default(),
    )
    .unwrap_err();
    assert!(error.to_string().contains("takes f64, got f32"), "{error}");
    assert!(leaf(&[1.0]).requires_grad() && !constant(&[1.0]).requires_grad());
}
