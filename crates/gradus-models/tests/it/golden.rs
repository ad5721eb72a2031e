//! Golden folders of encoders: a model as transformers saves it, and a trace of what transformers computes with it.

use std::path::{Path, PathBuf};

use gradus_autograd::ops::CrossEntropyConfig;
use gradus_autograd::{Tensor, Var};
use gradus_checkpoint::{StateDict, load_state_dict};
use gradus_models::Pretrained;
use gradus_nn::Ctx;
use gradus_optim::{Adam, AdamConfig, Optimizer};

/// The folder of a case.
pub(crate) fn folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/encoders")
        .join(case)
}

/// What transformers computed.
pub(crate) struct Trace(StateDict);

impl Trace {
    pub(crate) fn open(case: &str) -> Self {
        Self(
            load_state_dict(folder(case).join("trace.safetensors"))
                .unwrap()
                .0,
        )
    }

    #[track_caller]
    pub(crate) fn get(&self, name: &str) -> &Tensor {
        let found = self.0.iter().find(|(other, _)| other == name);
        &found.unwrap_or_else(|| panic!("the trace has no {name}")).1
    }

    /// The gradients by the names of their parameters.
    pub(crate) fn gradients(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        let named = self.0.iter();
        named.filter_map(|(name, tensor)| Some((name.strip_prefix("grad.")?, tensor)))
    }
}

/// The largest difference is at most `most`, relative to the largest value of both.
#[track_caller]
pub(crate) fn close(what: &str, got: &Tensor, want: &Tensor, most: f32) {
    assert_eq!(got.dims(), want.dims(), "{what}");
    let (got, want) = (got.to_vec::<f32>().unwrap(), want.to_vec::<f32>().unwrap());
    let scale = want.iter().fold(1e-6_f32, |a, x| a.max(x.abs()));
    let pairs = got.iter().zip(&want);
    let worst = pairs.fold(0.0_f32, |a, (g, w)| {
        if g.is_nan() {
            f32::INFINITY
        } else {
            a.max((g - w).abs())
        }
    });
    assert!(
        worst <= most * scale.max(1e-3),
        "{what}: differs by {worst}, its largest value is {scale}"
    );
}

/// The loss of a language model's scores, where targets of -100 do not count.
pub(crate) fn lm_loss(logits: &Var, labels: &Tensor) -> Var {
    let [count, len, vocab] = logits.shape().to_array("logits").unwrap();
    let labels = Var::constant(labels.clone())
        .reshape([count * len])
        .unwrap();
    logits
        .reshape([count * len, vocab])
        .unwrap()
        .cross_entropy(labels.tensor(), &CrossEntropyConfig::default())
        .unwrap()
}

/// Loss, every gradient, and the losses of 20 steps of AdamW, against a trace that has them.
#[track_caller]
pub(crate) fn check_training(model: &Pretrained, trace: &Trace, loss: impl Fn(&Pretrained) -> Var) {
    let first = loss(model);
    let wanted = trace.get("losses").to_vec::<f64>().unwrap();
    let got = f64::from(first.item::<f32>().unwrap());
    assert!(
        (got - wanted[0]).abs() < 1e-5,
        "loss {got}, transformers {}",
        wanted[0]
    );
    let grads = first.backward().unwrap();
    let parameters = model.store.parameters();
    let mut seen = 0;
    for (name, want) in trace.gradients() {
        let parameter = parameters.iter().find(|p| p.name() == name);
        let parameter = parameter.unwrap_or_else(|| panic!("no parameter {name}"));
        let got = grads
            .get(parameter)
            .unwrap_or_else(|| panic!("{name} has no gradient"));
        close(&format!("gradient of {name}"), got, want, 1e-4);
        seen += 1;
    }
    assert_eq!(
        seen,
        parameters.len(),
        "every parameter has a gradient in the trace"
    );
    let mut optimizer = Adam::new(AdamConfig {
        lr: 2e-3,
        weight_decay: 0.01,
        ..AdamConfig::adamw()
    })
    .unwrap();
    for (step, want) in wanted.iter().enumerate() {
        let loss = loss(model);
        let got = f64::from(loss.item::<f32>().unwrap());
        assert!(
            (got - want).abs() < 1e-3,
            "step {step}: loss {got}, transformers {want}"
        );
        optimizer
            .step(&parameters, &loss.backward().unwrap())
            .unwrap();
    }
}

/// Evaluation: nothing is dropped.
pub(crate) const EVAL: Ctx = Ctx::eval();
