//! A training step: what all training workloads share.

use super::{Outcome, Workload};
use gradus::prelude::*;

/// A loss of the batch, and an optimizer over the parameters.
pub(super) struct Training<L> {
    parameters: Vec<Parameter>,
    optimizer: Box<dyn Optimizer>,
    loss: L,
    steps: u64,
}

impl<L: Fn(&Ctx) -> Result<Var> + 'static> Training<L> {
    pub(super) fn boxed(
        store: &ParamStore,
        optimizer: impl Optimizer + 'static,
        loss: L,
    ) -> Box<dyn Workload> {
        Box::new(Self {
            parameters: store.parameters(),
            optimizer: Box::new(optimizer),
            loss,
            steps: 0,
        })
    }
}

impl<L: Fn(&Ctx) -> Result<Var>> Workload for Training<L> {
    fn step(&mut self) -> Outcome<f64> {
        let loss = (self.loss)(&Ctx::train(0, self.steps))?;
        self.steps += 1;
        let gradients = loss.backward()?;
        self.optimizer.step(&self.parameters, &gradients)?;
        Ok(f64::from(loss.item::<f32>()?))
    }
}

/// The loss of a classifier on a fixed batch.
pub(super) fn classifier(
    net: impl Module + 'static,
    images: Tensor,
    classes: Tensor,
) -> impl Fn(&Ctx) -> Result<Var> {
    let (images, options) = (Var::constant(images), CrossEntropyConfig::default());
    move |ctx| net.forward(&images, ctx)?.cross_entropy(&classes, &options)
}

/// SGD as the image workloads have it.
pub(super) fn sgd_momentum() -> Result<Sgd> {
    Sgd::new(SgdConfig {
        lr: 0.001,
        momentum: 0.9,
        ..Default::default()
    })
}

/// AdamW as the text workloads have it.
pub(super) fn adamw() -> Result<Adam> {
    Adam::new(AdamConfig {
        lr: 1e-4,
        weight_decay: 0.01,
        ..AdamConfig::adamw()
    })
}
