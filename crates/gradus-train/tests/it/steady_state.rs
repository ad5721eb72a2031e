//! A training step that repeats its shapes asks the system for no tensor memory.

use gradus_autograd::ops::CrossEntropyConfig;
use gradus_autograd::{Tensor, Var};
use gradus_models::{Mlp, MlpConfig};
use gradus_nn::{Ctx, Module, ParamStore};
use gradus_optim::{Optimizer, Sgd, SgdConfig};
use gradus_tensor::pool;

#[test]
fn an_mlp_step_allocates_nothing_from_the_system() {
    let store = ParamStore::seeded(1);
    let net = Mlp::new(&store.root(), &MlpConfig::default()).unwrap();
    let mut sgd = Sgd::new(SgdConfig {
        lr: 0.01,
        momentum: 0.9,
        ..SgdConfig::default()
    })
    .unwrap();
    let parameters = store.parameters();
    let pixels: Vec<f32> = (0..128 * 784).map(|i| (i % 97) as f32 / 97.0).collect();
    let x = Var::constant(Tensor::from_slice(&pixels, [128, 784]).unwrap());
    let labels =
        Tensor::from_slice(&(0..128).map(|i| i % 10).collect::<Vec<i64>>(), [128]).unwrap();
    let mut step = |n: u64| {
        let logits = net.forward(&x, &Ctx::train(0, n)).unwrap();
        let loss = logits
            .cross_entropy(&labels, &CrossEntropyConfig::default())
            .unwrap();
        sgd.step(&parameters, &loss.backward().unwrap()).unwrap();
        loss.item::<f32>().unwrap()
    };
    let first = step(0);
    step(1);
    // Other tests of this program allocate too: what counts is a step during which nobody does.
    let quiet = (2..200).any(|n| {
        let before = pool::stats().system_allocations;
        step(n);
        pool::stats().system_allocations == before
    });
    assert!(quiet, "every step asked the system for memory");
    assert!(step(200) < first, "and it learns");
}
