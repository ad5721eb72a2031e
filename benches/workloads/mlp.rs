//! 784 → 512 → 512 → 10 with ReLU, batches of 128, plain SGD.

use super::training::{Training, classifier};
use super::{Outcome, Workload, below, normal};
use gradus::prelude::*;

pub(super) fn mlp() -> Outcome<Box<dyn Workload>> {
    let store = ParamStore::seeded(0);
    let config = MlpConfig {
        inputs: 784,
        hidden: vec![512, 512],
        classes: 10,
    };
    let net = Mlp::new(&store.root(), &config)?;
    let loss = classifier(net, normal(&[128, 784])?, below(10, &[128], 2)?);
    let sgd = Sgd::new(SgdConfig {
        lr: 0.01,
        ..Default::default()
    })?;
    Ok(Training::boxed(&store, sgd, loss))
}
