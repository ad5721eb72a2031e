//! GB/s of one optimizer step over GPT-2's matrices, 124 M parameters: `cargo bench -p gradus-benches --bench optimizer`.
//!
//! The bytes are those of one pass: AdamW reads the parameter, its gradient and two moments, and writes three of them.
#![allow(missing_docs)] // criterion_group writes functions

mod measured;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gradus::autograd::ops::EmbeddingConfig;
use gradus::nn::Embedding;
use gradus::prelude::*;
use measured::{Rates, config, on_threads};

/// The parameters of GPT-2's tables and linear layers.
fn parameters() -> Result<Vec<Parameter>> {
    let store = ParamStore::seeded(0);
    let root = store.root();
    let plain = EmbeddingConfig::default();
    Embedding::new(&root.at("tok"), 50_257, 768, &plain)?;
    Embedding::new(&root.at("pos"), 1024, 768, &plain)?;
    for layer in 0..12 {
        let block = root.at("b").at(layer);
        for (name, from, to) in [
            ("qkv", 768, 2304),
            ("proj", 768, 768),
            ("fc", 768, 3072),
            ("fc2", 3072, 768),
        ] {
            Linear::new(&block.at(name), from, to)?;
        }
    }
    Ok(store.parameters())
}

/// Dense gradients of all: those of the sum of squares.
fn gradients(parameters: &[Parameter]) -> Result<Gradients> {
    let mut loss = Var::constant(Tensor::from_slice(&[0_f32], [])?);
    for parameter in parameters {
        let var = parameter.var();
        loss = loss.add(&var.mul(&var)?.sum(&[], false)?)?;
    }
    loss.backward()
}

fn steps(c: &mut Criterion<Rates>) {
    let mut group = c.benchmark_group("optimizer");
    let mut step = |name: &str, passes: usize, make: fn() -> Result<Box<dyn Optimizer>>| {
        let count: usize = parameters()
            .expect("the parameters fit into memory")
            .iter()
            .map(|parameter| parameter.var().numel())
            .sum();
        let bytes = Throughput::BytesDecimal((passes * count * size_of::<f32>()) as u64);
        on_threads(&mut group, name, bytes, || {
            let parameters = parameters().expect("the parameters fit into memory");
            let gradients = gradients(&parameters).expect("the loss is recorded");
            let mut optimizer = make().expect("the options are valid");
            move || {
                optimizer
                    .step(&parameters, &gradients)
                    .expect("the parameters are f32");
            }
        });
    };
    step("adamw 124 M", 7, || {
        Ok(Box::new(Adam::new(AdamConfig::adamw())?))
    });
    step("sgd with momentum 124 M", 5, || {
        let config = SgdConfig {
            lr: 1e-6,
            momentum: 0.9,
            ..Default::default()
        };
        Ok(Box::new(Sgd::new(config)?))
    });
    group.finish();
}

criterion_group!(name = benches; config = config(); targets = steps);
criterion_main!(benches);
